//! `POST /api/v1/erasures`: takes a personal value out of every record.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::routing::post;
use axum::{Json, Router};
use secmon_store::Erasure;
use serde::Deserialize;

use crate::app::App;
use crate::auth::Admin;
use crate::clock::now;
use crate::error::Error;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/erasures", post(erase))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    kind: String,
    value: String,
}

async fn erase(
    _: Admin,
    State(app): State<App>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Json<Erasure>, Error> {
    let Json(Asked { kind, value }) = asked?;
    if kind.is_empty() || value.is_empty() {
        return Err(Error::bad_request("`kind` and `value` must not be empty"));
    }
    Ok(Json(app.0.writers.act(move |writer| writer.erase(&kind, &value, now())).await?))
}
