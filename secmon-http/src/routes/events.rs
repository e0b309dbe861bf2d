//! `POST /events`: JSON objects, arrays, NDJSON, or text lines; answered once all is committed.

use std::io::Read as _;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use secmon_core::parse::{Context, LineFormat};
use secmon_core::{Prepared, Ruleset};
use secmon_store::{Request, RequestKey};
use serde_json::{json, value::RawValue};

use super::Params;
use crate::app::App;
use crate::auth::Ingester;
use crate::error::Error;

/// The largest content of a compressed body.
const MOST_CONTENT: u64 = 128 << 20;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/events", post(take))
}

async fn take(
    ingester: Ingester,
    State(app): State<App>,
    mut params: Params,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<impl IntoResponse, Error> {
    let body = body?;
    let format = params.take("format");
    params.done()?;
    let format = format.map(|name| LineFormat::named(&name)).transpose();
    let format = format.map_err(|error| Error::bad_request(error.to_string()))?;
    let key = match headers.get("idempotency-key").map(|key| key.to_str()) {
        None => None,
        Some(Ok(key)) if !key.is_empty() && key.len() <= 255 => Some(key.to_owned()),
        Some(_) => {
            return Err(Error::bad_request(
                "`Idempotency-Key` must be 1 to 255 characters of ASCII",
            ));
        }
    };
    // Whoever says that it is text sends lines, whatever the first one looks like.
    let text = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let format = format.or_else(|| text.then_some(LineFormat::Detect));
    let compressed = match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => false,
        Some(coding) if coding.eq_ignore_ascii_case(b"gzip") => true,
        Some(_) => return Err(Error::unsupported("`Content-Encoding` must be `gzip`, or absent")),
    };
    let ruleset = app.ruleset();
    let cx = app.context();
    let prepare = move || -> Result<_, Error> {
        let body = if compressed { inflate(&body)? } else { body.to_vec() };
        let key = key.map(|key| RequestKey::new(&ingester.sender, &key, &body));
        Ok((prepare(&ruleset, &body, format, &cx)?, key))
    };
    let prepared = tokio::task::spawn_blocking(prepare).await;
    let (events, key) = prepared.map_err(|_| Error::busy("the request could not be read"))??;
    let rejected: Vec<_> = events
        .iter()
        .filter_map(|(line, event)| Some(json!({"line": line, "error": event.error()?})))
        .collect();
    let accepted = events.len() - rejected.len();
    if accepted == 0 {
        let first = events.first().and_then(|(line, event)| Some((line, event.error()?)));
        let why = first.map_or_else(
            || "the body holds no event".into(),
            |(line, why)| format!("no line of the body can be read; the first, line {line}: {why}"),
        );
        return Err(Error::unprocessable(why));
    }
    let request = Request {
        events: events.into_iter().map(|(_, event)| event).collect(),
        key,
        positions: Vec::new(),
    };
    let receipts = app.0.writers.store(request).await?;
    app.0.metrics.ingested("http", accepted, rejected.len());
    let first = receipts.iter().find_map(|receipt| receipt.seqs).map(|(first, _)| first);
    let last = receipts.iter().rev().find_map(|receipt| receipt.seqs).map(|(_, last)| last);
    let answer = json!({
        "accepted": accepted,
        "rejected": rejected,
        "stream": receipts.last().map(|receipt| &receipt.stream),
        "first_seq": first,
        "last_seq": last,
    });
    Ok((StatusCode::CREATED, Json(answer)))
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    let decoder = flate2::read::MultiGzDecoder::new(body);
    let read = decoder.take(MOST_CONTENT + 1).read_to_end(&mut content);
    read.map_err(|error| Error::unprocessable(format!("the gzip body cannot be read: {error}")))?;
    if content.len() as u64 > MOST_CONTENT {
        return Err(Error::too_large("the body holds more than 128 MiB"));
    }
    Ok(content)
}

/// The events of a body with their lines, from 1; of an array, with the places of its elements.
fn prepare(
    ruleset: &Ruleset,
    body: &[u8],
    format: Option<LineFormat>,
    cx: &Context,
) -> Result<Vec<(usize, Prepared)>, Error> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    if let Some(format) = format {
        return Ok(lines(body)
            .map(|(at, line)| (at, ruleset.prepare_bytes(line, format, cx)))
            .collect());
    }
    match body.trim_ascii_start().first() {
        Some(b'[') => array(ruleset, body, cx),
        Some(b'{') => Ok(objects(ruleset, body, cx)),
        _ => {
            let detect = LineFormat::Detect;
            Ok(lines(body)
                .map(|(at, line)| (at, ruleset.prepare_bytes(line, detect, cx)))
                .collect())
        }
    }
}

/// Objects, one a line; or one object over several lines.
fn objects(ruleset: &Ruleset, body: &[u8], cx: &Context) -> Vec<(usize, Prepared)> {
    let mut all = lines(body).map(|(at, line)| (at, ruleset.prepare_json(line, cx)));
    let Some(first) = all.next() else { return Vec::new() };
    if first.1.error().is_some() {
        let whole = ruleset.prepare_json(body, cx);
        if whole.error().is_none() {
            return vec![(1, whole)];
        }
    }
    std::iter::once(first).chain(all).collect()
}

fn array(ruleset: &Ruleset, body: &[u8], cx: &Context) -> Result<Vec<(usize, Prepared)>, Error> {
    let elements: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|error| Error::unprocessable(format!("the body is no JSON array: {error}")))?;
    let prepare = |raw: &RawValue| ruleset.prepare_json(raw.get().as_bytes(), cx);
    Ok((1..).zip(elements).map(|(at, raw)| (at, prepare(raw))).collect())
}

/// Lines that are not blank, with their numbers from 1.
fn lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..).zip(body.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty())
}
