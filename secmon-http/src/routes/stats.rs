//! `/stats/...`: figures for charts, from hourly roll-ups.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use secmon_store::ValueCount;
use serde_json::{Value, json};

use super::Params;
use crate::app::App;
use crate::auth::Reader;
use crate::blocking::with_store;
use crate::error::Error;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/stats/outcomes", get(outcomes))
        .route("/stats/hours", get(hours))
        .route("/stats/top", get(top))
        .route("/stats/totals", get(totals))
}

async fn outcomes(
    _: Reader,
    State(app): State<App>,
    mut params: Params,
) -> Result<Json<Value>, Error> {
    let since = params.time("since")?;
    params.done()?;
    let rows = with_store(&app.0.store, move |store| {
        let mut rows = store.top("event.outcome", false, since, 10)?;
        // Events that say nothing of their outcome are unknown, so that the parts make the whole.
        let events: u64 = store.hours(since)?.iter().map(|hour| hour.count).sum();
        let rest = events.saturating_sub(rows.iter().map(|row| row.count).sum());
        match rows.iter_mut().find(|row| row.value == "unknown") {
            Some(unknown) => unknown.count += rest,
            None if rest > 0 => rows.push(ValueCount { value: "unknown".into(), count: rest }),
            None => {}
        }
        Ok(rows)
    });
    Ok(Json(json!({"outcomes": rows.await?})))
}

async fn hours(
    _: Reader,
    State(app): State<App>,
    mut params: Params,
) -> Result<Json<Value>, Error> {
    let since = params.time("since")?;
    params.done()?;
    let rows = with_store(&app.0.store, move |store| store.hours(since)).await?;
    Ok(Json(json!({"hours": rows})))
}

async fn top(_: Reader, State(app): State<App>, mut params: Params) -> Result<Json<Value>, Error> {
    let field = params.take("field").ok_or_else(|| Error::bad_request("`field` is missing"))?;
    let failing = match params.take("event.outcome").as_deref() {
        None => false,
        Some("failure") => true,
        Some(_) => return Err(Error::bad_request("`event.outcome` can only be `failure` here")),
    };
    let (since, limit) = (params.time("since")?, params.limit(10)?);
    params.done()?;
    let rows =
        with_store(&app.0.store, move |store| store.top(&field, failing, since, limit)).await?;
    Ok(Json(json!({"top": rows})))
}

async fn totals(_: Reader, State(app): State<App>) -> Result<Json<Value>, Error> {
    let totals = with_store(&app.0.store, |store| {
        Ok(json!({
            "records": store.record_count()?,
            "streams": store.streams()?.len(),
            "hosts": store.host_count()?,
            "open_incidents": store.open_incidents()?,
        }))
    });
    Ok(Json(json!({"totals": totals.await?})))
}
