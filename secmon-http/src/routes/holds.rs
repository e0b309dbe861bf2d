//! `POST /api/v1/holds`: keeps evidence beyond its day of expiry.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::routing::post;
use axum::{Json, Router};
use chrono::NaiveDate;
use secmon_store::{Held, Writer};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Admin;
use crate::clock::now;
use crate::error::Error;

/// Records that one request may name.
const MOST: usize = 10_000;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/holds", post(hold))
}

/// Either an incident or records of the service's own stream; without a day for ever.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    incident: Option<String>,
    records: Option<Vec<u64>>,
    /// In which the records lie; that of the first writer, if it is not said.
    stream: Option<String>,
    until: Option<NaiveDate>,
}

async fn hold(
    Admin(who): Admin,
    State(app): State<App>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Json<Value>, Error> {
    let Json(Asked { incident, records, stream, until }) = asked?;
    let writers = &app.0.writers;
    let by = who.name;
    let held = match (incident, records) {
        (Some(id), None) if stream.is_none() => writers.hold_incident(id, until, by).await?,
        (None, Some(seqs)) if !seqs.is_empty() && seqs.len() <= MOST => {
            let records = seqs.len();
            let hold = move |writer: &mut Writer| writer.hold(&seqs, until, &by, now());
            match stream {
                Some(stream) => writers.act_of(&stream, hold).await?,
                None => writers.act(hold).await?,
            }
            Held { records, elsewhere: Vec::new() }
        }
        _ => {
            let detail =
                format!("name either `incident` or `records`, 1 to {MOST} of them by their index");
            return Err(Error::bad_request(detail));
        }
    };
    Ok(Json(json!({"held": held.records, "elsewhere": held.elsewhere})))
}
