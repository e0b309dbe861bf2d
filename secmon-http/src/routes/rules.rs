//! `/rules`: the rules in use.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::{Admin, Reader};
use crate::error::Error;
use crate::reload::ReloadError;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/rules", get(list)).route("/rules/reload", post(reload))
}

async fn list(_: Reader, State(app): State<App>) -> Json<Value> {
    let ruleset = app.ruleset();
    let rules: Vec<_> = ruleset.rules().collect();
    Json(json!({"rules": rules, "meta": {"next_page": null}}))
}

/// Reads the rules again; on a mistake those in use stay.
async fn reload(_: Admin, State(app): State<App>) -> Result<Json<Value>, Error> {
    let ruleset = app.reload().await.map_err(|error| match error {
        ReloadError::Config(reason) => Error::unprocessable(reason),
        ReloadError::Store(error) => error.into(),
    })?;
    let hash = secmon_core::hex(&ruleset.hash());
    Ok(Json(json!({"rules": ruleset.rules().count(), "hash": hash})))
}
