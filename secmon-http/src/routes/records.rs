//! `/records`: lists with filters, and single records.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secmon_core::seal::leaf_hash;
use secmon_store::{RecordQuery, RecordRow};
use serde_json::{Value, json};

use super::{Params, json_text, rfc3339};
use crate::app::App;
use crate::auth::Reader;
use crate::blocking::with_store;
use crate::error::Error;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/records", get(list)).route("/records/{stream}/{seq}", get(show))
}

async fn list(_: Reader, State(app): State<App>, params: Params) -> Result<Json<Value>, Error> {
    let query = query(params)?;
    let page = with_store(&app.0.store, move |store| store.records(&query)).await?;
    let records: Vec<Value> = page.rows.iter().map(record).collect();
    Ok(Json(json!({"records": records, "meta": {"next_page": page.next}})))
}

async fn show(
    _: Reader,
    State(app): State<App>,
    path: Result<Path<(String, u64)>, PathRejection>,
) -> Result<Json<Value>, Error> {
    let Path((stream, seq)) = path?;
    let row = with_store(&app.0.store, move |store| store.record(&stream, seq)).await?;
    Ok(Json(json!({"record": record(&row)})))
}

fn query(mut params: Params) -> Result<RecordQuery, Error> {
    let mut query = RecordQuery::default().limit(params.limit(100)?);
    if let Some(since) = params.time("since")? {
        query = query.since(since);
    }
    if let Some(until) = params.time("until")? {
        query = query.until(until);
    }
    if let Some(level) = params.level("level")? {
        query = query.level(level);
    }
    if let Some(level) = params.level("level_min")? {
        query = query.level_min(level);
    }
    if let Some(text) = params.take("text") {
        query = query.text(&text);
    }
    if let Some(page) = params.take("page") {
        query = query.page(&page);
    }
    for (name, value) in params.rest() {
        query = query.field(&name, &value);
    }
    Ok(query)
}

/// A record as the API shows it.
fn record(row: &RecordRow) -> Value {
    json!({
        "stream": row.stream,
        "seq": row.seq,
        "id": row.id,
        "level": row.level,
        "sealed_at": rfc3339(row.sealed_at),
        "expires": row.expires.to_string(),
        "event": json_text(&row.event.to_json()),
        "leaf": BASE64.encode(leaf_hash(&row.body)),
    })
}
