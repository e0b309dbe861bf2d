//! Asks witnesses to cosign the checkpoints of this store (C2SP `tlog-witness`).

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::StatusCode;
use secmon_core::seal::{AddCheckpoint, Note, WitnessVkey};
use secmon_store::{Anchor, Store, StreamRow};

use crate::app::App;
use crate::blocking::with_store;
use crate::clock::now;

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);
/// A witness answers with a line or a number.
const MOST_ANSWER: usize = 64 << 10;

pub(super) async fn run(app: App) {
    let config = &app.0.config.integrity;
    if config.witnesses.is_empty() {
        return;
    }
    let client = reqwest::Client::builder().timeout(PATIENCE);
    // A redirect could lead anywhere.
    let client = client.redirect(reqwest::redirect::Policy::none()).build();
    let Ok(client) = client.inspect_err(|error| tracing::error!("no witness is asked: {error}"))
    else {
        return;
    };
    let mut clock = tokio::time::interval(config.anchor_every);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // How far each witness has seen each stream; a wrong guess is corrected by its answer.
    let mut seen: BTreeMap<(String, String), u64> = BTreeMap::new();
    loop {
        clock.tick().await;
        let Ok(streams) = with_store(&app.0.store, Store::streams).await else { continue };
        for witness in &config.witnesses {
            let vkey = match witness.vkey.parse::<WitnessVkey>() {
                Ok(vkey) => vkey,
                Err(error) => {
                    tracing::error!("the witness at {} is not asked: {error}", witness.url);
                    continue;
                }
            };
            for stream in &streams {
                let known = seen.entry((witness.url.clone(), stream.id())).or_default();
                if let Err(error) = ask(&app, &client, &witness.url, &vkey, stream, known).await {
                    tracing::warn!("the witness at {} did not cosign: {error}", witness.url);
                }
            }
        }
    }
}

/// Asks for a cosignature of the latest checkpoint, once more if the witness is elsewhere than thought.
async fn ask(
    app: &App,
    client: &reqwest::Client,
    url: &str,
    vkey: &WitnessVkey,
    stream: &StreamRow,
    known: &mut u64,
) -> Result<(), String> {
    for _ in 0..2 {
        let (id, old) = (stream.id(), *known);
        let request = with_store(&app.0.store, move |store| request(store, &id, old)).await;
        let Some((request, note)) = request.map_err(|error| format!("{error:?}"))? else {
            return Ok(());
        };
        let address = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let sent = client.post(address).body(request.to_string()).send().await;
        let mut answer = sent.map_err(|error| error.without_url().to_string())?;
        let status = answer.status();
        let mut text = Vec::new();
        while let Some(part) =
            answer.chunk().await.map_err(|error| error.without_url().to_string())?
        {
            text.extend(part);
            if text.len() > MOST_ANSWER {
                return Err("its answer is too long".into());
            }
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        match status {
            StatusCode::OK => {
                let seconds = vkey.cosigned(&note, &text);
                seconds.ok_or("its answer holds no cosignature of its key")?;
                *known = note.size;
                return keep(app, stream, note.size, url, text).await;
            }
            StatusCode::CONFLICT => {
                let size = text.trim().parse::<u64>().map_err(|_| "its answer is no size")?;
                if size > note.size {
                    let alarm = format!(
                        "the witness at {url} has seen a checkpoint of {size} records of `{}`, and the last one \
                         here covers {}: the store was rolled back",
                        stream.origin, note.size
                    );
                    app.0.verification.alarm(alarm);
                    return Err("it has seen more than is here".into());
                }
                *known = size;
            }
            status => return Err(format!("it answered {status}")),
        }
    }
    Err("it does not say how far it is".into())
}

/// The request for the latest checkpoint, unless the witness has seen that.
fn request(
    store: &Store,
    stream: &str,
    old: u64,
) -> secmon_store::Result<Option<(AddCheckpoint, Note)>> {
    let Some(row) = store.checkpoint(stream)? else { return Ok(None) };
    let note = Note::parse(&row.note)?;
    if note.size <= old {
        return Ok(None);
    }
    let proof = store.consistency(stream, old, note.size)?;
    Ok(Some((AddCheckpoint { old, proof, note: row.note }, note)))
}

async fn keep(
    app: &App,
    stream: &StreamRow,
    size: u64,
    url: &str,
    evidence: String,
) -> Result<(), String> {
    let anchor = Anchor {
        stream: stream.id(),
        size,
        kind: "witness".into(),
        place: url.into(),
        at: now(),
        evidence,
    };
    let stream = stream.clone();
    let kept = with_store(&app.0.store, move |store| store.add_anchor(&stream, &anchor)).await;
    kept.map_err(|error| format!("{error:?}"))
}
