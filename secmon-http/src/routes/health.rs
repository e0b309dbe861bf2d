//! `/healthz`, `/readyz` and `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::App;
use crate::auth::Reader;
use crate::blocking::with_store;
use crate::error::Error;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

async fn ready(State(app): State<App>) -> Result<&'static str, Error> {
    with_store(&app.0.store, secmon_store::Store::ping).await?;
    Ok("ready\n")
}

async fn metrics(_: Reader, State(app): State<App>) -> Result<impl IntoResponse, Error> {
    let (metrics, ruleset) = (app.0.metrics.clone(), app.ruleset());
    let text = with_store(&app.0.store, move |store| {
        metrics.refresh(store)?;
        Ok(metrics.text(&ruleset))
    })
    .await?
    .map_err(|error| Error::busy(error.to_string()))?;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text))
}
