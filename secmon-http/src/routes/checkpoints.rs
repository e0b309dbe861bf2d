//! `/checkpoints`: what was signed, to be kept elsewhere.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Params, rfc3339};
use crate::app::App;
use crate::auth::Reader;
use crate::blocking::with_store;
use crate::error::Error;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/checkpoints", get(list))
}

async fn list(_: Reader, State(app): State<App>, mut params: Params) -> Result<Json<Value>, Error> {
    let (limit, page) = (params.limit(100)?, params.take("page"));
    params.done()?;
    let page =
        with_store(&app.0.store, move |store| store.checkpoints(limit, page.as_deref())).await?;
    let checkpoints = page.rows.iter().map(|(stream, row)| {
        json!({
            "stream": stream.id(),
            "origin": stream.origin,
            "label": stream.label,
            "size": row.size(),
            "root": row.note.lines().nth(2),
            "epoch": row.epoch(),
            "issued_at": rfc3339(row.issued_at()),
            "note": row.note,
        })
    });
    let checkpoints: Vec<Value> = checkpoints.collect();
    Ok(Json(json!({"checkpoints": checkpoints, "meta": {"next_page": page.next}})))
}
