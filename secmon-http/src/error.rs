//! Errors of the API, as `application/problem+json` (RFC 9457).

use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::routes::MOST_BODY;

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(crate) struct Error {
    status: StatusCode,
    detail: String,
}

impl Error {
    /// What is wrong, and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The request cannot be read.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, detail: detail.into() }
    }

    /// Nobody is logged in, and there is no valid token.
    pub(crate) fn unauthorized() -> Self {
        let detail = "log in, or send `Authorization: Bearer <token>`".into();
        Self { status: StatusCode::UNAUTHORIZED, detail }
    }

    /// Whoever asks may not do this.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, detail: detail.into() }
    }

    /// There is no such thing.
    pub(crate) fn not_found(what: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, detail: format!("{what} not found") }
    }

    /// Not in the present state.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, detail: detail.into() }
    }

    /// The request is larger than what is read.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, detail: detail.into() }
    }

    /// The body has a form that is not read here.
    pub(crate) fn unsupported(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, detail: detail.into() }
    }

    /// The request can be read, but nothing in it can be taken.
    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: detail.into() }
    }

    /// The path is there, but not for this method.
    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this path takes another method".into();
        Self { status: StatusCode::METHOD_NOT_ALLOWED, detail }
    }

    /// The body of the request could not be read.
    fn unread(status: StatusCode, why: String) -> Self {
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            let most = MOST_BODY >> 20;
            return Self::too_large(format!(
                "a request holds at most {most} MiB: send it in parts"
            ));
        }
        Self { status, detail: why }
    }

    /// Not now: nothing was stored; try again.
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, detail: detail.into() }
    }
}

impl From<BytesRejection> for Error {
    fn from(error: BytesRejection) -> Self {
        Self::unread(error.status(), error.body_text())
    }
}

impl From<PathRejection> for Error {
    fn from(error: PathRejection) -> Self {
        Self { status: error.status(), detail: error.body_text() }
    }
}

impl From<JsonRejection> for Error {
    fn from(error: JsonRejection) -> Self {
        // What is JSON and yet not what was asked for: the request is wrong, as one with a wrong parameter.
        let status = match error {
            JsonRejection::JsonDataError(_) => StatusCode::BAD_REQUEST,
            _ => error.status(),
        };
        Self::unread(status, error.body_text())
    }
}

impl From<secmon_store::Error> for Error {
    fn from(error: secmon_store::Error) -> Self {
        match error {
            secmon_store::Error::NotFound { what } => Self::not_found(&what),
            secmon_store::Error::Query { reason } => Self::bad_request(reason),
            secmon_store::Error::Uncovered { .. } => Self::conflict(error.to_string()),
            secmon_store::Error::KeyReused => Self::unprocessable(error.to_string()),
            error => {
                tracing::error!(%error, "the store failed: {error}");
                Self::busy("the store cannot be used now")
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let json = HeaderValue::from_static("application/problem+json");
        let mut response =
            (self.status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}
