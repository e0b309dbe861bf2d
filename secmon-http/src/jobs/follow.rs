//! Follows files: what is appended is stored, and the position with it, so that no restart loses or
//! doubles a line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secmon_core::parse::{Context, LineFormat};
use secmon_store::{Position, Request, RequestKey, Store};
use sha2::{Digest as _, Sha256};

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
const MOST_BYTES: usize = 512 << 10;

pub(super) async fn run(app: App) {
    let config = &app.0.config.follow;
    let mut files = config.files.clone();
    if config.auto {
        files.extend(
            AUTH_LOGS.map(PathBuf::from).into_iter().filter(|path| File::open(path).is_ok()),
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
    loop {
        let zone = app.0.config.timezone.unwrap_or_else(system_zone);
        let (store, from, cx) =
            (app.0.store.clone(), path.clone(), Context { zone, ..app.context() });
        let (ruleset, label) = (app.ruleset(), app.0.config.label.clone());
        let read = tokio::task::spawn_blocking(move || -> Result<Request, String> {
            let chunk = read(&store, &label, &from)?;
            let prepare = |line: &Vec<u8>| {
                Line::Whole(line).prepare(&ruleset, LineFormat::Detect, &context(&from, cx))
            };
            let events = chunk.lines.iter().map(prepare).collect();
            Ok(Request { events, key: chunk.key, positions: chunk.position.into_iter().collect() })
        });
        let request = match read.await {
            Ok(Ok(request)) => request,
            Ok(Err(error)) => {
                if error != said {
                    tracing::warn!("{error}");
                    said = error;
                }
                Request::default()
            }
            Err(_) => return,
        };
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
fn context(path: &Path, live: Context) -> Context {
    let modified = path.metadata().and_then(|facts| facts.modified()).ok();
    let modified = modified.map(chrono::DateTime::<chrono::Utc>::from);
    Context { reference: modified.map_or(live.reference, |time| time.min(live.reference)), ..live }
}

struct Chunk {
    lines: Vec<Vec<u8>>,
    position: Option<Position>,
    /// Of the file and the place where the lines begin: how many they are may differ at the next look.
    key: Option<RequestKey>,
}

/// The next whole lines behind the stored position.
fn read(store: &Store, label: &str, path: &Path) -> Result<Chunk, String> {
    let failed = |error: std::io::Error| format!("cannot follow `{}`: {error}", path.display());
    // Services of other machines, which share the store, follow files of the same path.
    let name = format!("{label}:{}", path.display());
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let failed_store = |error: secmon_store::Error| error.to_string();
    let known = match store.position(&name).map_err(failed_store)? {
        // Of a version that knew one service a store; or of `ingest`, whose last line may have been half there.
        None => {
            let known = store.position(&path.display().to_string()).map_err(failed_store)?;
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
    if size < position.position
        || fingerprint(&mut file, position.head).map_err(failed)? != position.fingerprint
    {
        // Rotated or truncated: another file under the name begins at its beginning.
        position.position = 0;
    }
    if size == position.position {
        return Ok(Chunk { lines: Vec::new(), position: None, key: None });
    }
    // Of a file each line is counted once, also where the file begins anew.
    let key = RequestKey::new("follow", &format!("{}:{}", position.name, position.lines), b"");
    file.seek(SeekFrom::Start(position.position)).map_err(failed)?;
    let mut reader = BufReader::with_capacity(1 << 20, &file);
    let mut lines = Vec::new();
    let mut bytes = 0;
    // One request of one part: the position is stored with all of its lines, or none.
    while lines.len() < MOST_LINES && bytes < MOST_BYTES {
        let mut line = Vec::new();
        let limit = MOST_LINE as u64;
        let read = reader.by_ref().take(limit).read_until(b'\n', &mut line).map_err(failed)?;
        // A line that is still being written is left for the next look; one that is too long is cut.
        if read == 0 || (line.last() != Some(&b'\n') && (read as u64) < limit) {
            break;
        }
        position.position += read as u64;
        bytes += read;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        lines.push(line);
    }
    position.lines += lines.len() as u64;
    position.head = position.position.min(HEAD);
    position.fingerprint = fingerprint(&mut file, position.head).map_err(failed)?;
    Ok(Chunk { lines, position: Some(position), key: Some(key) })
}

/// SHA-256 of the first bytes.
fn fingerprint(file: &mut File, head: u64) -> std::io::Result<[u8; 32]> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(head).read_to_end(&mut bytes)?;
    Ok(Sha256::digest(&bytes).into())
}
