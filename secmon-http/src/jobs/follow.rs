//! Follows files: what is appended is stored, and the position with it, so that neither a restart nor a rotation loses or
//! doubles a line.

mod rotation;
mod source;

use std::io::{BufRead, Read as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use secmon_core::parse::{Context, LineFormat};
use secmon_store::{Position, Request, RequestKey, Store};
use sha2::{Digest as _, Sha256};

use self::rotation::{Followed, Place};
use crate::app::App;
use crate::host::system_zone;
use crate::input::{Line, MOST_LINE};

/// Auth logs of common systems.
const AUTH_LOGS: [&str; 2] = ["/var/log/auth.log", "/var/log/secure"];
/// How often files are looked at.
const PAUSE: Duration = Duration::from_millis(500);
/// Bytes that tell a file from another one of its name.
const HEAD: u64 = 256;
/// Lines of one request, and bytes: with what is parsed of them they are a third of what one part may have.
const MOST_LINES: usize = 1_000;
const MOST_BYTES: u64 = 512 << 10;

pub(super) async fn run(app: App) {
    let config = &app.0.config.follow;
    let mut files = config.files.clone();
    if config.auto {
        files.extend(
            AUTH_LOGS.map(PathBuf::from).into_iter().filter(|path| source::open(path).is_ok()),
        );
    }
    let mut following = tokio::task::JoinSet::new();
    for path in files {
        tracing::info!("following `{}`", path.display());
        following.spawn(follow(app.clone(), path));
    }
    following.join_all().await;
}

async fn follow(app: App, path: PathBuf) {
    let mut said = String::new();
    let mut followed = Followed::new(path.clone());
    loop {
        let zone = app.0.config.timezone.unwrap_or_else(system_zone);
        let (store, cx) = (app.0.store.clone(), Context { zone, ..app.context() });
        let (ruleset, label) = (app.ruleset(), app.0.config.label.clone());
        let look = move || {
            let read = read(&store, &label, &mut followed).map(|chunk| {
                let cx = context(chunk.modified, cx);
                let prepare =
                    |line: &Vec<u8>| Line::Whole(line).prepare(&ruleset, LineFormat::Detect, &cx);
                let events = chunk.lines.iter().map(prepare).collect();
                let positions = chunk.position.into_iter().collect();
                (Request { events, key: chunk.key, positions }, chunk.warning)
            });
            (followed, read)
        };
        let Ok((back, read)) = tokio::task::spawn_blocking(look).await else { return };
        followed = back;
        let (request, warning) = match read {
            Ok(read) => read,
            Err(error) => (Request::default(), Some(error)),
        };
        match warning {
            Some(warning) if warning == said => {}
            Some(warning) => {
                tracing::warn!("{warning}");
                said = warning;
            }
            None => said.clear(),
        }
        let events = request.events.len();
        let bad = request.events.iter().filter(|event| event.error().is_some()).count();
        if events == 0 {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        match app.0.writers.store(request).await {
            // Stored before, by a try whose end nobody saw: the position will tell.
            Ok(receipts) if receipts.iter().all(|receipt| receipt.replayed) => {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(_) => app.0.metrics.ingested("file", events - bad, bad),
            // The position was not stored either, or not yet: the same lines are read again, and their key tells
            // if they are there by then.
            Err(error) => {
                tracing::warn!(%error, "lines of `{}` wait: {error}", path.display());
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A file's last change bounds the time of lines that it held before secmon looked.
fn context(modified: Option<SystemTime>, live: Context) -> Context {
    let modified = modified.map(chrono::DateTime::<chrono::Utc>::from);
    Context { reference: modified.map_or(live.reference, |time| time.min(live.reference)), ..live }
}

#[derive(Default)]
struct Chunk {
    lines: Vec<Vec<u8>>,
    position: Option<Position>,
    /// Of the file and the place where the lines begin: how many they are may differ at the next look.
    key: Option<RequestKey>,
    /// When the file was changed last.
    modified: Option<SystemTime>,
    /// What whoever administers should know.
    warning: Option<String>,
}

/// The next whole lines behind the stored position.
fn read(store: &Store, label: &str, followed: &mut Followed) -> Result<Chunk, String> {
    // Services of other machines, which share the store, follow files of the same path.
    let path = followed.path.display().to_string();
    let name = format!("{label}:{path}");
    let failed_store = |error: secmon_store::Error| error.to_string();
    let known = match store.position(&name).map_err(failed_store)? {
        // Of a version that knew one service a store; or of `ingest`, whose last line may have been half there.
        None => {
            let known = store.position(&path).map_err(failed_store)?;
            known.filter(|known| known.head <= HEAD)
        }
        known => known,
    };
    let known = known.map(|position| Position { name: name.clone(), ..position });
    let mut position = known.unwrap_or(Position {
        name,
        fingerprint: Sha256::digest([]).into(),
        head: 0,
        position: 0,
        lines: 0,
    });
    let failed = |error: std::io::Error| format!("cannot follow `{path}`: {error}");
    let Place { mut file, is_new, is_ended, warning } =
        followed.place(&position).map_err(failed)?;
    if is_new {
        position.position = 0;
    }
    // Of a file each line is counted once, also where another one goes on.
    let key = RequestKey::new("follow", &format!("{}:{}", position.name, position.lines), b"");
    let modified = file.modified;
    let next = |reader: &mut dyn BufRead| lines(reader, is_ended);
    let (lines, bytes) = followed.content(&mut file, position.position, next).map_err(failed)?;
    if lines.is_empty() {
        return Ok(Chunk { warning, ..Chunk::default() });
    }
    position.position += bytes;
    position.lines += lines.len() as u64;
    position.head = position.position.min(HEAD);
    position.fingerprint = file.fingerprint(position.head).map_err(failed)?;
    Ok(Chunk { lines, position: Some(position), key: Some(key), modified, warning })
}

/// The next lines, and the bytes that they took; the last one without its end only where the file has ended.
fn lines(reader: &mut dyn BufRead, is_ended: bool) -> std::io::Result<(Vec<Vec<u8>>, u64)> {
    let mut lines = Vec::new();
    let mut bytes = 0;
    // One request of one part: the position is stored with all of its lines, or none.
    while lines.len() < MOST_LINES && bytes < MOST_BYTES {
        let mut line = Vec::new();
        let read = reader.take(MOST_LINE as u64).read_until(b'\n', &mut line)? as u64;
        // A line that is still being written is left for the next look; one that is too long is cut.
        let is_whole = line.last() == Some(&b'\n') || read == MOST_LINE as u64 || is_ended;
        if read == 0 || !is_whole {
            break;
        }
        bytes += read;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        lines.push(line);
    }
    Ok((lines, bytes))
}
