//! The routes: one resource a file, one line here.

mod checkpoints;
mod detections;
mod erasures;
mod events;
mod health;
mod holds;
mod hosts;
mod incidents;
mod integrity;
mod records;
mod rules;
mod session;
mod stats;
mod witness;

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use chrono::{DateTime, Utc};
use secmon_core::State;
use secmon_store::IncidentQuery;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as ValueError;

use crate::app::App;
use crate::error::Error;

/// The largest body that is read.
pub(crate) const MOST_BODY: usize = 32 << 20;

pub(crate) fn router(app: &App) -> Router {
    let api = Router::new()
        .merge(checkpoints::routes())
        .merge(detections::routes())
        .merge(erasures::routes())
        .merge(events::routes())
        .merge(holds::routes())
        .merge(hosts::routes())
        .merge(incidents::routes())
        .merge(integrity::routes())
        .merge(records::routes())
        .merge(rules::routes())
        .merge(session::routes())
        .merge(stats::routes())
        .fallback(|| async { Error::not_found("this path") })
        .method_not_allowed_fallback(|| async { Error::method_not_allowed() });
    Router::new()
        .nest("/api/v1", api)
        .merge(health::routes())
        .merge(witness::routes())
        .merge(crate::dashboard::routes())
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(middleware::from_fn(headers))
        .with_state(app.clone())
}

/// Headers of every answer: nothing from elsewhere is loaded, nothing is framed, nothing is kept.
async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The parameters of a query string, each once; readers take out what they know.
#[derive(Debug)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Result<Self, Error> {
        let mut all = BTreeMap::new();
        for (name, value) in pairs {
            if all.insert(name.clone(), value).is_some() {
                return Err(Error::bad_request(format!("`{name}` is given twice")));
            }
        }
        Ok(Self(all))
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn time(&mut self, name: &str) -> Result<Option<DateTime<Utc>>, Error> {
        let Some(text) = self.take(name) else { return Ok(None) };
        // A `+` in a query string that was not encoded arrives as a blank.
        let time = DateTime::parse_from_rfc3339(&text.replace(' ', "+"));
        let time = time.map_err(|_| {
            Error::bad_request(format!(
                "`{name}={text}` is no RFC 3339 time such as 2026-11-20T12:00:00Z"
            ))
        })?;
        Ok(Some(time.to_utc()))
    }

    pub(crate) fn limit(&mut self, default: usize) -> Result<usize, Error> {
        let Some(text) = self.take("limit") else { return Ok(default) };
        let limit = text.parse().ok().filter(|limit| (1..=1_000).contains(limit));
        limit.ok_or_else(|| {
            Error::bad_request(format!("`limit={text}` is not a number from 1 to 1000"))
        })
    }

    pub(crate) fn level(&mut self, name: &str) -> Result<Option<secmon_core::Level>, Error> {
        let Some(text) = self.take(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| Error::bad_request(format!("`{name}`: {error}")))
    }

    /// What lists of incidents and detections ask for; what nobody else takes must be in the group.
    pub(crate) fn incidents(mut self) -> Result<IncidentQuery, Error> {
        let state = self.take("state").map(|text| {
            let read = State::deserialize(text.as_str().into_deserializer());
            read.map_err(|error: ValueError| Error::bad_request(format!("`state`: {error}")))
        });
        let query = IncidentQuery {
            since: self.time("since")?,
            until: self.time("until")?,
            state: state.transpose()?.map(|state| state.to_string()),
            rule: self.take("rule"),
            level: self.level("level")?,
            level_min: self.level("level_min")?,
            limit: self.limit(100)?,
            page: self.take("page"),
            group: BTreeMap::new(),
        };
        let group = self.rest();
        // Groups have fields of any name; one that looks like a parameter is most likely meant as that.
        if let Some(name) = group.keys().find(|name| is_slip(name)) {
            return Err(Error::bad_request(format!("unknown parameter `{name}`")));
        }
        Ok(IncidentQuery { group, ..query })
    }

    /// What nobody took.
    pub(crate) fn rest(self) -> BTreeMap<String, String> {
        self.0
    }

    /// Refuses what nobody took.
    pub(crate) fn done(self) -> Result<(), Error> {
        match self.0.into_keys().next() {
            Some(name) => Err(Error::bad_request(format!("unknown parameter `{name}`"))),
            None => Ok(()),
        }
    }
}

/// Whether a name is that of a parameter with a letter or two left out or put in.
fn is_slip(name: &str) -> bool {
    let is_within = |few: &str, many: &str| {
        let mut many = many.chars();
        few.chars().all(|letter| many.any(|other| other == letter))
    };
    ["since", "until", "state", "rule", "level", "level_min", "limit", "page"].iter().any(|known| {
        name.len().abs_diff(known.len()) <= 2 && (is_within(name, known) || is_within(known, name))
    })
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Params {
    type Rejection = Error;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, Error> {
        let query =
            axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let pairs = query.map_err(|error| Error::bad_request(error.body_text()))?;
        Self::new(pairs.0)
    }
}

/// A time as the API writes it.
pub(crate) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// JSON text that was written by the core, as a value.
pub(crate) fn json_text(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_default()
}
