//! `/rules`: the rules in use.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Reader;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/rules", get(list))
}

async fn list(_: Reader, State(app): State<App>) -> Json<Value> {
    let rules: Vec<_> = app.0.ruleset.rules().collect();
    Json(json!({"rules": rules, "meta": {"next_page": null}}))
}
