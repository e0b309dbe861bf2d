//! `POST /witness/add-checkpoint`: secmon as the witness of other logs (C2SP `tlog-witness`). Open to
//! anybody, as only checkpoints that a trusted key signed are taken.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use secmon_core::seal::{AddCheckpoint, Note};
use secmon_store::Witnessed;

use crate::app::App;
use crate::blocking::with_store;
use crate::clock::now;
use crate::error::Error;

/// 63 hashes and a note fit well.
const MOST_BODY: usize = 32 << 10;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/witness/add-checkpoint", post(add))
        .layer(DefaultBodyLimit::max(MOST_BODY))
}

async fn add(State(app): State<App>, body: String) -> Result<Response, Error> {
    let Some(witness) = &app.0.witness else {
        return Err(Error::not_found("a witness: `witness.name` is not configured, and so it is"));
    };
    let malformed = |error: secmon_core::Error| Error::bad_request(error.to_string());
    let request = AddCheckpoint::parse(&body).map_err(malformed)?;
    let note = Note::parse(&request.note).map_err(malformed)?;
    match witness.trusts(&note) {
        None => return Err(Error::not_found("this log is not known here: it")),
        Some(false) => return Err(Error::forbidden("no signature of a trusted key verifies")),
        Some(true) => {}
    }
    if request.old > note.size {
        return Err(Error::bad_request("the old size is greater than the checkpoint's"));
    }
    let kept = note.clone();
    let answer =
        with_store(&app.0.store, move |store| store.witness(&request, &kept, now())).await?;
    match answer {
        Witnessed::Kept => {
            let seconds = u64::try_from(now().timestamp()).unwrap_or(1);
            Ok(witness.key.cosign(&note, seconds).into_response())
        }
        Witnessed::Stale(size) => {
            let kind = HeaderValue::from_static("text/x.tlog.size");
            Ok((StatusCode::CONFLICT, [(header::CONTENT_TYPE, kind)], format!("{size}\n"))
                .into_response())
        }
        Witnessed::Refused => {
            Err(Error::unprocessable("the proof does not show that the log only grew"))
        }
    }
}
