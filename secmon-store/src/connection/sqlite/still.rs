//! A file that this process can read and not write, as on a medium of evidence: SQLite takes it as it is.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use diesel::sqlite::SqliteConnection;
use rustix::fs::{Access, access};

use super::{NOT_UTF8, beside, establish, parent};

/// Such a file, as it was first seen.
#[derive(Clone)]
pub(super) struct Still {
    /// Where it is, behind links: what SQLite leaves lies beside that.
    place: PathBuf,
    size: u64,
    modified: Option<SystemTime>,
}

impl Still {
    /// None where this process can write, or where something lies beside the file that belongs into it.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let place = path.canonicalize().ok()?;
        let size = |end: &str| beside(&place, end).metadata().map(|facts| facts.len());
        // What is in the log, or in a journal, belongs to the file; an empty log says nothing.
        let is_alone = size("-wal").unwrap_or(0) == 0 && size("-journal").is_err();
        let can_write = access(parent(&place), Access::WRITE_OK).is_ok();
        let facts = place.metadata().ok().filter(Metadata::is_file)?;
        let (size, modified) = (facts.len(), facts.modified().ok());
        (is_alone && !can_write).then_some(Self { place, size, modified })
    }

    /// Opens it as one that nobody changes (<https://sqlite.org/uri.html>).
    pub(super) fn connect(&self) -> Result<SqliteConnection, String> {
        self.check()?;
        let path = self.place.to_str().ok_or(NOT_UTF8)?;
        let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        // Read at once: what is no database is not one to nobody.
        let opened =
            establish(&format!("file:{path}?mode=ro&immutable=1"), "PRAGMA schema_version;");
        opened.map_err(|error| match access(&self.place, Access::READ_OK) {
            Err(errno) => format!("{error}: it cannot be read, {errno}"),
            Ok(()) => error,
        })
    }

    /// Refuses a file that has changed: what was read of it fits no moment.
    pub(super) fn check(&self) -> Result<(), String> {
        let facts = self.place.metadata().map_err(|error| error.to_string())?;
        if (facts.len(), facts.modified().ok()) == (self.size, self.modified) {
            return Ok(());
        }
        Err("it was changed while it was read: read it as somebody who may write beside it, or a copy".into())
    }
}
