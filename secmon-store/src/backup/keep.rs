//! The backup that is made before the schema of a server's database changes.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use super::archive::{Header, In, Item, damaged};
use super::shape::{Shape, shapes};
use crate::connection::{Db, Location, on};
use crate::keys::private_options;
use crate::{Error, Result};

/// An attempt whose backup counts still.
const ATTEMPT: TimeDelta = TimeDelta::days(1);

#[derive(QueryableByName)]
struct Clock {
    #[diesel(sql_type = BigInt)]
    now: i64,
}

/// Makes it: `HOST_PORT_DATABASE.schema-NUMBER.backup` beside the folder of the key files. A file that is there is of an attempt
/// before, or empty: somebody says that he has made a backup in a way of his own.
pub(crate) fn keep(location: &Location, keys: &Path, schema: &str) -> Result<()> {
    let name = format!("{}.schema-{schema}.backup", location.file_name());
    let path = keys.with_file_name(name);
    let mut partial = path.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let failed = |source| Error::file(&partial, source);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let file = private_options().create(true).truncate(false).open(&partial).map_err(failed)?;
    // Another service of this machine may be making it.
    file.lock().map_err(failed)?;
    if path.exists() {
        // What it has made is no longer under this name; what was made here just now holds nothing.
        let _ = fs::remove_file(&partial);
        return is_of_this_attempt(location, &path);
    }
    let made = write(location, &file, &partial, schema)
        .and_then(|()| fs::rename(&partial, &path).map_err(failed))
        .and_then(|()| sync_folder(&path));
    if made.is_err() {
        // It need not be there.
        let _ = fs::remove_file(&partial);
    }
    made
}

/// Writes it, and reads it again.
fn write(location: &Location, file: &File, path: &Path, schema: &str) -> Result<()> {
    let failed = |source| Error::file(path, source);
    file.set_len(0).map_err(failed)?;
    let mut db = location.reconnect()?;
    let (tables, now) = (shapes(&mut db)?, clock(&mut db)?);
    // A backup takes long, and nobody would speak to it.
    drop(db);
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let header = super::back_up(location, &mut out, None, now, |_| {})?;
    if header.schema.as_deref() != Some(schema) {
        return Err(damaged("somebody has changed the schema meanwhile"));
    }
    out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    check(path, &tables)
}

/// Whether a file that is there may stand for the backup that is due.
fn is_of_this_attempt(location: &Location, path: &Path) -> Result<()> {
    let failed = |source| Error::file(path, source);
    if path.metadata().map_err(failed)?.len() == 0 {
        return Ok(());
    }
    let file = File::open(path).map_err(failed)?;
    let (header, _) = In::begin(BufReader::new(file), None)?;
    let mut db = location.reconnect()?;
    let now = super::heads(&mut db)?;
    let same = |(before, now): (&super::HeaderStream, &super::HeaderStream)| {
        before.origin == now.origin && before.size <= now.size
    };
    let is_same = header.streams.len() == now.len() && header.streams.iter().zip(&now).all(same);
    if is_same && clock(&mut db)? - header.made_at < ATTEMPT {
        return Ok(());
    }
    Err(damaged(&format!(
        "`{}` is there already, of another store or from {}: put it elsewhere",
        path.display(),
        header.made_at.format("%Y-%m-%d")
    )))
}

/// Whether a file holds what was written: its hash says so.
fn check(path: &Path, tables: &[Shape]) -> Result<()> {
    let file = File::open(path).map_err(|source| Error::file(path, source))?;
    let (_, mut archive): (Header, In) = In::begin(BufReader::new(file), None)?;
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

/// The time by the clock of the database.
fn clock(db: &mut Db) -> Result<DateTime<Utc>> {
    let query = format!("SELECT {} AS now", db.clock());
    let clock: Clock = on!(&mut *db, c => sql_query(query).get_result(c))?;
    Ok(DateTime::from_timestamp_micros(clock.now).unwrap_or_default())
}

/// Makes a name durable.
fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| Error::file(folder, source))
}
