//! The dashboard: static files in the binary, which use only `/api/v1`.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::error::Error;

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        const ASSETS: &[(&str, &[u8])] = &[$(($name, include_bytes!($name))),*];
    };
}

assets! {
    "api.js",
    "app.js",
    "charts.js",
    "dom.js",
    "format.js",
    "hosts.js",
    "i18n.js",
    "icon.svg",
    "integrity.js",
    "records.js",
    "session.js",
    "style.css",
    "summary.js",
    "theme.js",
    "uplot.LICENSE",
    "uplot.css",
    "uplot.js",
}

const INDEX: &[u8] = include_bytes!("index.html");

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(|| async { answer("index.html", INDEX) }))
        .route("/assets/{name}", get(asset))
        .route("/favicon.ico", get(|| asset(Path("icon.svg".into()))))
}

async fn asset(Path(name): Path<String>) -> Result<Response, Error> {
    let found = ASSETS.iter().find(|(known, _)| *known == name);
    found.map(|(name, bytes)| answer(name, bytes)).ok_or_else(|| Error::not_found("this file"))
}

fn answer(name: &str, bytes: &'static [u8]) -> Response {
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], bytes).into_response()
}
