//! A store moves to another place, on another database perhaps, and its streams go on there.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::restore::{Restore, Restored};
use crate::connection::Location;
use crate::keys::KeyPlace;
use crate::{Error, Result, Store, streams};

impl Store {
    /// Moves all of this store into another one that is not there yet, with its key files, verifies it there, and
    /// closes the streams here. Proofs and checkpoints stay what they are, and writers go on with the same streams.
    ///
    /// # Errors
    /// [`Error::Locked`] when a writer is open; else as [`Restore::run`]. This store is then as it was.
    pub fn move_to(
        &self,
        url: &str,
        keys: Option<&Path>,
        now: DateTime<Utc>,
        progress: impl FnMut(u64),
    ) -> Result<Restored> {
        // As long as these are held, nobody writes.
        let mut held = Vec::new();
        for stream in self.streams()?.into_iter().filter(|stream| !stream.closed) {
            let place = KeyPlace::lock(&self.0.keys, &stream.id())?;
            held.push((stream.stream_no, place.ok_or(Error::Locked { label: stream.label })?));
        }
        let target =
            keys.map_or_else(|| Location::parse(url).map(|to| to.keys()), |to| Ok(to.into()))?;
        copy_keys(&self.0.keys, &target)?;
        let restored =
            self.pour(&Restore::new(url).keys(Some(&target)).goes_on(), now, progress)?;
        for (stream_no, _) in &held {
            self.read(|db| streams::close(db, *stream_no))?;
        }
        Ok(restored)
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

/// Copies all key files, not over others.
fn copy_keys(from: &Path, to: &Path) -> Result<()> {
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
            }
        }
    }
    Ok(())
}
