//! Backups: all of a store as it was at one moment, while writers go on; the same form for every database, so that one
//! also moves a store from one to another.

mod archive;
mod cipher;
mod keep;
mod moving;
mod restore;
mod rows;
mod shape;
mod tables;

use std::io::Write;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use self::archive::Out;
pub use self::archive::{Header, HeaderStream};
pub(crate) use self::keep::keep;
pub use self::restore::{Restore, Restored};
use self::rows::each_row;
use self::shape::shapes;
use crate::connection::{Db, Location, known, on};
use crate::{Error, Result, Store};

impl Store {
    /// Writes a backup; writers go on meanwhile. It holds no key files: personal values stay encrypted in it, and no
    /// stream can be continued from it. `progress` is told how many rows were written.
    ///
    /// ```
    /// use secmon_core::Ruleset;
    /// use secmon_store::{Restore, Store};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let url = |name: &str| format!("sqlite://{}/{name}.db", folder.path().display());
    /// let now = "2026-11-20T12:00:00Z".parse()?;
    /// let store = Store::open(&url("old"))?;
    /// let mut writer = store.writer("web-1", Ruleset::builtin(), now)?;
    /// writer.write(Ruleset::builtin().prepare_lines(["a line"], now), now)?;
    /// writer.close(now)?;
    ///
    /// let mut backup = Vec::new();
    /// let header = store.backup(&mut backup, Some("a passphrase"), now, |_| {})?;
    /// let restore = Restore::new(&url("new")).passphrase("a passphrase");
    /// let restored = restore.run(std::io::Cursor::new(backup), now, |_| {})?;
    /// assert_eq!(restored.header.streams, header.streams);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Archive`] when it cannot be written.
    pub fn backup(
        &self,
        out: impl Write,
        passphrase: Option<&str>,
        now: DateTime<Utc>,
        progress: impl FnMut(u64),
    ) -> Result<Header> {
        back_up(&self.0.location, out, passphrase, now, progress)
    }
}

/// Writes a backup of what a database holds at one moment.
fn back_up(
    location: &Location,
    out: impl Write,
    passphrase: Option<&str>,
    now: DateTime<Utc>,
    progress: impl FnMut(u64),
) -> Result<Header> {
    let mut db = location.reconnect()?;
    let begin = match &db {
        Db::Sqlite(_) => "BEGIN",
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => {
            "SET SESSION net_write_timeout = 3600; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
             START TRANSACTION WITH CONSISTENT SNAPSHOT"
        }
    };
    on!(&mut db, c => c.batch_execute(begin))?;
    let header = write(&mut db, location, out, passphrase, now, progress);
    // Nothing was changed.
    let _ = on!(&mut db, c => c.batch_execute("ROLLBACK"));
    header
}

fn write(
    db: &mut Db,
    location: &Location,
    out: impl Write,
    passphrase: Option<&str>,
    now: DateTime<Utc>,
    mut progress: impl FnMut(u64),
) -> Result<Header> {
    let header = Header { made_at: now, streams: heads(db)?, schema: shape::version(db)? };
    if let Some(migration) = header.schema.as_ref().filter(|schema| !known().contains(schema)) {
        // A newer version has changed it while this one had it open: what it has made would be missed too late.
        return Err(Error::Newer { url: location.url.clone(), migration: migration.clone() });
    }
    let mut out = Out::begin(out, passphrase, &header)?;
    let mut count = 0;
    for table in shapes(db)? {
        out.table(table.name)?;
        each_row(db, &table, |cells| {
            count += 1;
            if count % 10_000 == 0 {
                progress(count);
            }
            out.row(&cells)
        })?;
    }
    out.end()?;
    progress(count);
    Ok(header)
}

#[derive(QueryableByName)]
#[diesel(table_name = crate::schema::streams)]
struct StreamHead {
    origin: String,
    size: i64,
    root: Vec<u8>,
}

/// What the header says of the streams: columns that every schema has.
fn heads(db: &mut Db) -> Result<Vec<HeaderStream>> {
    let query = "SELECT origin, size, root FROM streams ORDER BY stream_no";
    let rows: Vec<StreamHead> = on!(db, c => sql_query(query).load(c))?;
    let head = |row: StreamHead| HeaderStream {
        origin: row.origin,
        size: row.size.cast_unsigned(),
        root: secmon_core::hex(&row.root),
    };
    Ok(rows.into_iter().map(head).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_of_a_later_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let made_at = "2026-11-20T12:00:00Z".parse().unwrap();
        let header = Header { made_at, streams: Vec::new(), schema: Some("9009".into()) };
        let mut backup = Vec::new();
        Out::begin(&mut backup, None, &header).unwrap().end().unwrap();
        let url = format!("sqlite://{}/new.db", folder.path().display());
        let refused =
            Restore::new(&url).run(std::io::Cursor::new(backup), made_at, |_| {}).unwrap_err();
        assert!(refused.to_string().contains("a newer version of secmon"), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }
}
