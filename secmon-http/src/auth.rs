//! Who asks: a session cookie or an API token. Nothing under `/api` is open without one.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use secmon_store::{Identity, Scope};

use crate::app::App;
use crate::blocking::with_store;
use crate::clock::now;
use crate::error::Error;

/// The cookie over plain HTTP on loopback.
pub(crate) const COOKIE: &str = "secmon_session";

/// Somebody who may read.
#[derive(Debug)]
pub(crate) struct Reader;

/// Somebody who may do what costs or changes something.
#[derive(Debug)]
pub(crate) struct Admin(pub(crate) Identity);

/// Somebody who may send events.
#[derive(Debug)]
pub(crate) struct Ingester {
    /// What the `Idempotency-Key` is counted by.
    pub(crate) sender: String,
}

/// Anybody who is known.
#[derive(Debug)]
pub(crate) struct Known(pub(crate) Identity);

impl FromRequestParts<App> for Reader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let (identity, _) = identify(parts, app).await?;
        if !identity.scope.reads() {
            return Err(Error::forbidden("this token may only send events"));
        }
        Ok(Self)
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let (identity, _) = identify(parts, app).await?;
        if identity.scope != Scope::Admin {
            return Err(Error::forbidden("only an admin may do this"));
        }
        Ok(Self(identity))
    }
}

impl FromRequestParts<App> for Ingester {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let (identity, secret) = identify(parts, app).await?;
        if !identity.scope.ingests() {
            return Err(Error::forbidden("this token may only read"));
        }
        Ok(Self { sender: secret })
    }
}

impl FromRequestParts<App> for Known {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        Ok(Self(identify(parts, app).await?.0))
    }
}

/// Who asks, with the secret that says so.
async fn identify(parts: &Parts, app: &App) -> Result<(Identity, String), Error> {
    if let Some(token) = bearer(&parts.headers) {
        let wanted = token.clone();
        let identity = with_store(&app.0.store, move |store| store.token(&wanted)).await?;
        return identity.map(|identity| (identity, token)).ok_or_else(Error::unauthorized);
    }
    let Some(session) = session(&parts.headers) else { return Err(Error::unauthorized()) };
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        check_same_site(&parts.headers)?;
    }
    let wanted = session.clone();
    let identity = with_store(&app.0.store, move |store| store.session(&wanted, now())).await?;
    identity.map(|identity| (identity, session)).ok_or_else(Error::unauthorized)
}

/// Refuses what a page of another site could send with the visitor's cookie: such a page cannot set
/// this header.
pub(crate) fn check_same_site(headers: &HeaderMap) -> Result<(), Error> {
    let foreign = headers
        .get("sec-fetch-site")
        .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    if foreign || !headers.contains_key("x-secmon-request") {
        return Err(Error::forbidden("send `X-Secmon-Request: 1` from the same site"));
    }
    Ok(())
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The secret in the session cookie.
pub(crate) fn session(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

/// The header that sets the cookie.
pub(crate) fn set_cookie(secret: &str) -> String {
    format!("{COOKIE}={secret}; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200")
}

/// The header that takes the cookie away.
pub(crate) fn clear_cookie() -> String {
    format!("{COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0")
}

/// Whoever redeems the setup link.
pub(crate) fn setup_identity() -> Identity {
    Identity { name: "setup".into(), scope: Scope::Admin }
}
