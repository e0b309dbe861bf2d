//! Sessions: the setup link, and tokens that log in.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use secmon_store::Identity;
use serde::Deserialize;
use serde_json::json;

use crate::app::App;
use crate::auth::{Known, check_same_site, clear_cookie, session, set_cookie, setup_identity};
use crate::blocking::with_store;
use crate::clock::now;
use crate::error::Error;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/session", get(show).post(begin).delete(end)).route("/setup", post(setup))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    token: String,
}

async fn show(Known(identity): Known) -> impl IntoResponse {
    Json(json!({"session": {"name": identity.name, "scope": identity.scope}}))
}

/// Logs in with an API token that may read.
async fn begin(
    State(app): State<App>,
    headers: HeaderMap,
    given: Result<Json<Given>, JsonRejection>,
) -> Result<impl IntoResponse, Error> {
    check_same_site(&headers)?;
    let Json(given) = given?;
    let identity = with_store(&app.0.store, move |store| store.token(given.token.trim())).await?;
    let identity = identity.ok_or_else(Error::unauthorized)?;
    if !identity.scope.reads() {
        return Err(Error::forbidden("this token may only send events"));
    }
    let body = json!({"session": {"name": identity.name, "scope": identity.scope}});
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie(&app, identity).await?)], Json(body)))
}

/// Redeems the setup link: logs in, and shows once what must be kept elsewhere.
async fn setup(
    State(app): State<App>,
    headers: HeaderMap,
    given: Result<Json<Given>, JsonRejection>,
) -> Result<impl IntoResponse, Error> {
    check_same_site(&headers)?;
    let Json(given) = given?;
    let setup = &app.0.setup;
    if !setup.redeem(&given.token) {
        return Err(Error::forbidden(
            "this setup link was used or has expired; each start of the service prints a new one",
        ));
    }
    let cookie = cookie(&app, setup_identity()).await?;
    let body = json!({"setup": {
        "stream": setup.stream,
        "origin": setup.origin,
        "genesis_vkey": setup.genesis_vkey,
        "k0": setup.take_k0(),
    }});
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie)], Json(body)))
}

async fn end(
    _: Known,
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Error> {
    if let Some(secret) = session(&headers) {
        with_store(&app.0.store, move |store| store.end_session(&secret)).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, clear_cookie())]))
}

async fn cookie(app: &App, identity: Identity) -> Result<String, Error> {
    let secret =
        with_store(&app.0.store, move |store| store.create_session(&identity, now())).await?;
    Ok(set_cookie(secret.expose()))
}
