//! The backup that is made before the schema of a server's database changes.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use super::archive::{In, Item, damaged};
use super::shape::{Shape, shapes};
use crate::connection::{Location, on};
use crate::{Error, Result};

#[derive(QueryableByName)]
struct Clock {
    #[diesel(sql_type = BigInt)]
    now: i64,
}

/// Makes it: `DATABASE.schema-NUMBER.backup` beside the folder of the key files. A file of that name that is there is of
/// an attempt before, or says that somebody has made a backup in a way of his own.
pub(crate) fn keep(location: &Location, keys: &Path, schema: &str) -> Result<()> {
    let name = format!("{}.schema-{schema}.backup", location.database());
    let path = keys.with_file_name(name);
    if path.exists() {
        return Ok(());
    }
    let mut partial = path.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    // Of an attempt that broke off.
    let _ = fs::remove_file(&partial);
    let made = write(location, &partial)
        .and_then(|()| fs::rename(&partial, &path).map_err(|source| Error::file(&path, source)));
    if made.is_err() {
        // It need not be there.
        let _ = fs::remove_file(&partial);
    }
    made
}

/// Writes it, and reads it again.
fn write(location: &Location, path: &Path) -> Result<()> {
    let failed = |source| Error::file(path, source);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = BufWriter::with_capacity(1 << 20, options.open(path).map_err(failed)?);
    let mut db = location.reconnect()?;
    let query = format!("SELECT {} AS now", db.clock());
    let clock: Clock = on!(&mut db, c => sql_query(query).get_result(c))?;
    let now: DateTime<Utc> = DateTime::from_timestamp_micros(clock.now).unwrap_or_default();
    super::back_up(location, &mut out, None, now, |_| {})?;
    out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    check(path, &shapes(&mut db)?)
}

/// Whether a file holds what was written: its hash says so.
fn check(path: &Path, tables: &[Shape]) -> Result<()> {
    let file = File::open(path).map_err(|source| Error::file(path, source))?;
    let (_, mut archive) = In::begin(BufReader::new(file), None)?;
    let mut cells = 0;
    loop {
        match archive.next(cells)? {
            Item::Row(_) => {}
            Item::Table(name) => {
                let table = tables.iter().find(|table| table.name == name);
                let table =
                    table.ok_or_else(|| damaged(&format!("`{name}` is none of its tables")))?;
                cells = table.columns.len();
            }
            Item::End => return Ok(()),
        }
    }
}
