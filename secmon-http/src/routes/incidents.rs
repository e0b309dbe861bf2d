//! `/incidents`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Params, json_text, rfc3339};
use crate::app::App;
use crate::auth::Reader;
use crate::blocking::with_store;
use crate::error::Error;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/incidents", get(list))
}

async fn list(_: Reader, State(app): State<App>, params: Params) -> Result<Json<Value>, Error> {
    let query = params.incidents()?;
    let page = with_store(&app.0.store, move |store| store.incidents(&query)).await?;
    let incidents = page.rows.iter().map(|row| {
        let evidence =
            row.evidence.iter().map(|(stream, seq)| json!({"stream": stream, "seq": seq}));
        json!({
            "id": row.id,
            "rule": row.rule,
            "title": row.title,
            "level": row.level,
            "state": row.state,
            "group": json_text(&row.group),
            "count": row.count,
            "first": rfc3339(row.first),
            "last": rfc3339(row.last),
            "evidence": evidence.collect::<Vec<_>>(),
            "reason": row.reason,
        })
    });
    let incidents: Vec<Value> = incidents.collect();
    Ok(Json(json!({"incidents": incidents, "meta": {"next_page": page.next}})))
}
