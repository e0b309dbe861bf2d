//! `/integrity`: what is known of the store's own soundness; and proofs for those who trust nobody.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secmon_core::seal::Verdict;
use secmon_store::{CheckpointRow, Store, StreamRow};
use serde_json::{Value, json};

use super::{Params, json_text, rfc3339};
use crate::app::App;
use crate::auth::{Admin, Reader};
use crate::blocking::with_store;
use crate::error::Error;
use crate::verification::{Last, begin};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/integrity", get(show))
        .route("/integrity/verify", post(start))
        .route("/records/{stream}/{seq}/proof", get(proof))
        .route("/streams/{stream}/consistency", get(consistency))
}

async fn show(_: Reader, State(app): State<App>) -> Result<Json<Value>, Error> {
    let (running, last) = app.0.verification.state();
    let (streams, anchors) =
        with_store(&app.0.store, |store| Ok((streams(store)?, store.anchors()?))).await?;
    let anchors = anchors.iter().map(|anchor| {
        json!({
            "stream": anchor.stream,
            "size": anchor.size,
            "kind": anchor.kind,
            "place": anchor.place,
            "at": rfc3339(anchor.at),
        })
    });
    Ok(Json(json!({"integrity": {
        "running": running,
        "alarms": app.0.verification.alarms(),
        "verified": last.as_ref().map(verified),
        "streams": streams,
        "anchors": anchors.collect::<Vec<_>>(),
    }})))
}

fn verified(last: &Last) -> Value {
    let verdict = |verdict: &Verdict| json_text(&verdict.to_json().to_string());
    json!({
        "at": rfc3339(last.at),
        "seconds": last.seconds,
        "ok": last.is_ok(),
        "errors": last.errors,
        "streams": last.verdicts.iter().map(verdict).collect::<Vec<_>>(),
    })
}

fn streams(store: &Store) -> secmon_store::Result<Vec<Value>> {
    let stream = |row: StreamRow| {
        let last = store.checkpoint(&row.id())?;
        Ok(json!({
            "stream": row.id(),
            "origin": row.origin,
            "label": row.label,
            "size": row.size(),
            "covered": last.as_ref().map_or(0, CheckpointRow::size),
            "closed": row.closed,
            "signing_epoch": row.signing_epoch(),
            "genesis_vkey": row.genesis_vkey,
            "stream_vkey": row.stream_vkey,
            "last_checkpoint_at": last.map(|last| rfc3339(last.issued_at())),
        }))
    };
    store.streams()?.into_iter().map(stream).collect()
}

/// Starts a verification, which reads everything that is stored.
async fn start(_: Admin, State(app): State<App>) -> StatusCode {
    if let Some(work) = begin(&app) {
        tokio::task::spawn_blocking(work);
    }
    StatusCode::ACCEPTED
}

async fn proof(
    _: Reader,
    State(app): State<App>,
    path: Result<Path<(String, u64)>, PathRejection>,
) -> Result<Response, Error> {
    let Path((stream, seq)) = path?;
    let name = format!("{}-{seq}.tlog-proof", stream.get(..8).unwrap_or("record"));
    let proof = with_store(&app.0.store, move |store| store.proof(&stream, seq)).await?;
    let mut response = proof.to_string().into_response();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    // Whatever stands in a path goes into no header.
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    let name = if plain { name } else { format!("{seq}.tlog-proof") };
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The hashes that prove that the first `old` records are still the first of `new` ones.
async fn consistency(
    _: Reader,
    State(app): State<App>,
    stream: Result<Path<String>, PathRejection>,
    mut params: Params,
) -> Result<Json<Value>, Error> {
    let Path(stream) = stream?;
    let mut size = |name: &str| -> Result<u64, Error> {
        let text = params.take(name).unwrap_or_default();
        text.parse().map_err(|_| Error::bad_request(format!("`{name}` is not a number of records")))
    };
    let (old, new) = (size("old")?, size("new")?);
    params.done()?;
    let path = with_store(&app.0.store, move |store| store.consistency(&stream, old, new)).await?;
    let path: Vec<String> = path.iter().map(|hash| BASE64.encode(hash)).collect();
    Ok(Json(json!({"old": old, "new": new, "proof": path})))
}
