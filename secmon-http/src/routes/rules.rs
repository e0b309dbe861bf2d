//! `/rules`: the rules in use.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::{Admin, Reader};
use crate::error::Error;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/rules", get(list)).route("/rules/reload", post(reload))
}

async fn list(_: Reader, State(app): State<App>) -> Json<Value> {
    let ruleset = app.ruleset();
    let rules: Vec<_> = ruleset.rules().collect();
    Json(json!({"rules": rules, "meta": {"next_page": null}}))
}

/// Reads the rules again; on a mistake of the configuration those in use stay.
async fn reload(_: Admin, State(app): State<App>) -> Result<Json<Value>, Error> {
    let reloaded = app.reload().await?;
    let (rules, hash) = (reloaded.ruleset.rules().count(), reloaded.ruleset.hash());
    Ok(Json(
        json!({"rules": rules, "hash": secmon_core::hex(&hash), "problems": reloaded.problems}),
    ))
}
