//! `/detections`.

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
    Router::new().route("/detections", get(list))
}

async fn list(_: Reader, State(app): State<App>, params: Params) -> Result<Json<Value>, Error> {
    let query = params.incidents()?;
    let page = with_store(&app.0.store, move |store| store.detections(&query)).await?;
    let detections = page.rows.iter().map(|row| {
        json!({
            "id": row.id,
            "rule": row.rule,
            "title": row.title,
            "level": row.level,
            "time": rfc3339(row.time),
            "group": json_text(&row.group),
            "stream": row.stream,
            "seq": row.seq,
            "reason": row.reason,
        })
    });
    let detections: Vec<Value> = detections.collect();
    Ok(Json(json!({"detections": detections, "meta": {"next_page": page.next}})))
}
