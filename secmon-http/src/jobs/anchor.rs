//! Puts checkpoints outside the store: into a file that is only appended to, and into the system's log.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use secmon_store::{Anchor, StreamRow};

use crate::app::App;
use crate::clock::now;

/// Where the system's log listens.
const SYSLOG: &str = "/dev/log";
/// Facility authpriv, severity notice (RFC 3164).
const PRIORITY: u8 = 10 * 8 + 5;

pub(super) async fn run(app: App) {
    let config = &app.0.config.integrity;
    if config.anchor_file.is_none() && !config.anchor_syslog {
        return;
    }
    let mut clock = tokio::time::interval(config.anchor_every);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut done = BTreeMap::new();
    loop {
        clock.tick().await;
        let anchored = app.clone();
        let round = tokio::task::spawn_blocking(move || {
            if let Err(error) = round(&anchored, &mut done) {
                tracing::error!("checkpoints were not put outside the store: {error}");
            }
            done
        });
        let Ok(back) = round.await else { return };
        done = back;
    }
}

/// Puts out the checkpoints that are new since the last round.
fn round(app: &App, done: &mut BTreeMap<String, u64>) -> Result<(), String> {
    let config = &app.0.config.integrity;
    let store = &app.0.store;
    let failed = |error: secmon_store::Error| error.to_string();
    for stream in store.streams().map_err(failed)? {
        let Some(checkpoint) = store.checkpoint(&stream.id()).map_err(failed)? else { continue };
        if done.get(&stream.id()).is_some_and(|size| *size >= checkpoint.size()) {
            continue;
        }
        if let Some(path) = &config.anchor_file {
            append(path, &checkpoint.note)?;
            note(app, &stream, checkpoint.size(), "file", &path.display().to_string())?;
        }
        if config.anchor_syslog {
            say(&checkpoint.note)?;
            note(app, &stream, checkpoint.size(), "syslog", SYSLOG)?;
        }
        done.insert(stream.id(), checkpoint.size());
    }
    Ok(())
}

/// Appends a note to the file and an empty line behind it.
fn append(path: &Path, note: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("`{}`: {error}", path.display());
    let mut file =
        OpenOptions::new().create(true).append(true).read(true).open(path).map_err(failed)?;
    // Half a note, as a crash or a full disk leaves it, must not spoil this one.
    let mut last = [b'\n'];
    if file.metadata().map_err(failed)?.len() > 0 {
        file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(failed)?;
    }
    let gap = if last == [b'\n'] { "" } else { "\n\n" };
    let text = format!("{gap}{note}\n");
    file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(failed)
}

/// One line `secmon checkpoint ORIGIN SIZE ROOT SIGNATURE...`.
fn say(note: &str) -> Result<(), String> {
    let words = note.lines().filter(|line| !line.is_empty());
    let words = words.map(|line| line.rsplit(' ').next().unwrap_or_default());
    let line = words.collect::<Vec<_>>().join(" ");
    let line = format!("<{PRIORITY}>secmon: secmon checkpoint {line}");
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(line.as_bytes(), SYSLOG));
    sent.map(drop).map_err(|error| format!("`{SYSLOG}`: {error}"))
}

fn note(app: &App, stream: &StreamRow, size: u64, kind: &str, place: &str) -> Result<(), String> {
    let anchor = Anchor {
        stream: stream.id(),
        size,
        kind: kind.into(),
        place: place.into(),
        at: now(),
        evidence: String::new(),
    };
    app.0.store.add_anchor(stream, &anchor).map_err(|error| error.to_string())
}
