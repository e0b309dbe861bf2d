//! A store moves to another place, on another database perhaps, and its streams go on there.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::archive::HeaderStream;
use super::restore::{Restore, Restored};
use crate::connection::Location;
use crate::keys::KeyPlace;
use crate::{Error, Result, Store, streams};

impl Store {
    /// Moves all of this store into another one that is not there yet, with its key files, verifies it there, and
    /// closes the streams here. Proofs and checkpoints stay what they are, and writers go on with the same streams.
    ///
    /// # Errors
    /// [`Error::Locked`] when a writer is open on this machine, [`Error::Conflict`] when one on another machine has gone
    /// on meanwhile; else as [`Restore::run`]. This store is then as it was, and no stream is open in both.
    pub fn move_to(
        &self,
        url: &str,
        keys: Option<&Path>,
        now: DateTime<Utc>,
        progress: impl FnMut(u64),
    ) -> Result<Restored> {
        // As long as these are held, nobody on this machine writes.
        let mut held = Vec::new();
        for stream in self.streams()?.into_iter().filter(|stream| !stream.closed) {
            let place = KeyPlace::lock(&self.0.keys, &stream.id())?;
            held.push(place.ok_or(Error::Locked { label: stream.label })?);
        }
        let target =
            keys.map_or_else(|| Location::parse(url).map(|to| to.keys()), |to| Ok(to.into()))?;
        let mut copied = Vec::new();
        let moved = copy_keys(&self.0.keys, &target, &mut copied).and_then(|()| {
            let restored = self.pour(&Restore::new(url).keys(Some(&target)), now, progress)?;
            // Closed here before they are open there: whatever happens between, no stream is open in both.
            let open = self.close_as(&restored.header.streams)?;
            Ok((restored, open))
        });
        let (restored, open) = moved.inspect_err(|_| {
            for path in &copied {
                // The keys are where they were.
                let _ = std::fs::remove_file(path);
            }
        })?;
        let there = Self::open_with(url, Some(&target), false)?;
        there.read(|db| open.iter().try_for_each(|no| streams::reopen(db, *no)))?;
        drop(held);
        Ok(restored)
    }

    /// Closes all streams, if they are what they were when they were copied; gives the numbers of those that were open.
    fn close_as(&self, copied: &[HeaderStream]) -> Result<Vec<i64>> {
        self.read(|db| {
            db.transaction(|db| {
                let now = streams::all(db)?;
                for stream in &now {
                    let is_same = |copy: &HeaderStream| {
                        copy.origin == stream.origin && copy.size == stream.size()
                    };
                    if !copied.iter().any(is_same) {
                        return Err(Error::Conflict { origin: stream.origin.clone() });
                    }
                }
                let open: Vec<i64> =
                    now.iter().filter(|row| !row.closed).map(|row| row.stream_no).collect();
                open.iter().try_for_each(|no| streams::close(db, *no))?;
                Ok(open)
            })
        })
    }

    /// Puts a backup into another store as it is written.
    fn pour(
        &self,
        restore: &Restore,
        now: DateTime<Utc>,
        progress: impl FnMut(u64),
    ) -> Result<Restored> {
        let failed = |source| Error::file(Path::new("a pipe"), source);
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        std::thread::scope(|scope| {
            let written = scope.spawn(move || self.backup(writer, None, now, |_| {}));
            let restored = restore.run(reader, now, progress);
            match written.join() {
                // What could not be read is why nothing could be written; but not that nobody read on.
                Ok(Err(error)) if !matches!(error, Error::Archive { .. }) => Err(error),
                _ => restored,
            }
        })
    }
}

/// Copies all key files, not over others; says which were made.
fn copy_keys(from: &Path, to: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
    if from == to || !from.is_dir() {
        return Ok(());
    }
    let failed = |error| Error::file(from, error);
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // Locks, and what a crash has left.
        if path.extension().is_some() || !path.is_file() {
            continue;
        }
        let Some(bytes) = crate::keys::bytes(&path)? else { continue };
        let target = to.join(name);
        match crate::keys::bytes(&target)? {
            Some(there) if there == bytes => {}
            Some(_) => {
                let there = std::io::ErrorKind::AlreadyExists.into();
                return Err(Error::file(&target, there));
            }
            None => {
                let place = KeyPlace::lock(to, name)?;
                let place = place.ok_or_else(|| Error::Locked { label: name.into() })?;
                place.write_bytes(&bytes)?;
                made.push(target);
            }
        }
    }
    Ok(())
}
