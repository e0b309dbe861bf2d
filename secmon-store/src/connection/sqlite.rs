//! SQLite: a file, and the settings under which what is committed is durable.

mod still;

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::migrate::next;
use crate::keys::private_options;

use self::still::Still;

pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const NOT_UTF8: &str = "the path is not UTF-8";

/// Where a database is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// As it was first seen, where this process can only read it and nobody writes it.
    still: Option<Still>,
}

impl Place {
    pub(super) fn at(path: &str) -> Self {
        Self { path: path.into(), still: None }
    }

    /// Takes the file as one that nobody changes, where that is so.
    pub(super) fn settle(&mut self) {
        self.still = Still::of(&self.path);
    }

    /// Refuses what was read of a file that was still and has changed.
    pub(super) fn check_still(&self) -> Result<(), String> {
        self.still.as_ref().map_or(Ok(()), Still::check)
    }

    /// Opens the file, made when it is absent and `create` says so; else why not.
    pub(super) fn connect(&self, create: bool) -> Result<SqliteConnection, String> {
        match &self.still {
            Some(still) => still.connect(),
            None => connect(&self.path, create),
        }
    }

    /// Brings the schema up to date behind its last change, if there was one: what is there is copied before.
    pub(super) fn update(
        &self,
        connection: &mut SqliteConnection,
        last: Option<&String>,
    ) -> Result<(), String> {
        if self.still.is_some() {
            return Err(
                "its schema is older than this version's, and it cannot be written: use a copy"
                    .into(),
            );
        }
        if let Some(last) = last {
            keep(connection, &self.path, last)?;
        }
        migrate(connection, None)
    }
}

/// Opens the file, made when it is absent and `create` says so; else why not.
fn connect(path: &Path, create: bool) -> Result<SqliteConnection, String> {
    if create {
        // Where it cannot be made SQLite says so, and why.
        let _ = make(path);
    } else if !path.exists() {
        return Err("no such file".into());
    }
    let text = path.to_str().ok_or(NOT_UTF8)?;
    let durable = "PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA foreign_keys = ON;
        PRAGMA secure_delete = ON;
        PRAGMA wal_autocheckpoint = 4000;
        PRAGMA journal_size_limit = 67108864;";
    establish(text, durable).map_err(|error| why(path, &error))
}

fn establish(address: &str, settings: &str) -> Result<SqliteConnection, String> {
    let all = "PRAGMA busy_timeout = 5000;
        PRAGMA temp_store = MEMORY;
        PRAGMA cache_size = -16384;";
    let mut connection = SqliteConnection::establish(address).map_err(|error| error.to_string())?;
    connection.batch_execute(&format!("{all}{settings}")).map_err(|error| error.to_string())?;
    Ok(connection)
}

/// Makes an empty file that only its owner can read: what lies beside it later gets the same rights.
fn make(path: &Path) -> std::io::Result<()> {
    match private_options().create_new(true).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// Why a file cannot be opened, of which SQLite says little.
fn why(path: &Path, reason: &str) -> String {
    if path.is_dir() {
        return format!("{reason}: it is a folder");
    }
    let folder = parent(path);
    if !folder.is_dir() {
        return format!("{reason}: its folder does not exist");
    }
    // Not by opening it: whoever closes a database's file gives up what SQLite has locked in this process.
    let may = |path: &Path| access(path, Access::READ_OK | Access::WRITE_OK);
    match (may(folder), may(path)) {
        // Beside a database lie its log and what those who use it share.
        (Err(error), _) => format!("{reason}: its folder cannot be written, {error}"),
        (_, Err(error)) if error != Errno::NOENT => {
            format!("{reason}: it cannot be written, {error}")
        }
        _ => reason.to_owned(),
    }
}

/// Refuses a file that is not a store, nor an empty one that may be made one: what others keep in it is not ours to
/// change, and whoever verifies nothing must not hear that all is well.
pub(super) fn check(connection: &mut SqliteConnection, create: bool) -> Result<(), String> {
    let count = |sql: &str| {
        format!("SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND {sql}")
    };
    let mut ask = |sql: &str| {
        let row: Count = diesel::sql_query(count(sql)).get_result(connection)?;
        Ok::<_, diesel::result::Error>(row.n > 0)
    };
    let is_store = ask("name = 'streams'").map_err(|error| error.to_string())?;
    let is_taken =
        ask("name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'").map_err(|error| error.to_string())?;
    match (is_store, is_taken) {
        (true, _) => Ok(()),
        (false, true) => Err("it is the database of something else".into()),
        (false, false) if create => Ok(()),
        (false, false) => Err("there is no store in it: it is empty".into()),
    }
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

/// The migrations that were applied.
pub(super) fn applied(connection: &mut SqliteConnection) -> Result<Vec<String>, String> {
    let applied = connection.applied_migrations().map_err(|error| error.to_string())?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

/// Keeps a copy of a database as it is before its schema changes, beside it: `PATH.schema-NUMBER`. One that is there
/// is of an attempt before.
fn keep(connection: &mut SqliteConnection, path: &Path, version: &str) -> Result<(), String> {
    let copy = beside(path, &format!(".schema-{version}"));
    if copy.exists() {
        return Ok(());
    }
    let size = path.metadata().map_err(|error| error.to_string())?.len();
    let free = free(path)?;
    // The copy, and what the change itself may take.
    let needed = size.saturating_mul(2);
    if free < needed {
        return Err(format!(
            "its schema must be brought up to date, which takes {} MiB free beside it, and there are {}: nothing \
             was changed",
            needed.div_ceil(1 << 20),
            free >> 20
        ));
    }
    let partial = beside(path, ".schema-copy");
    // Of an attempt that broke off.
    let _ = std::fs::remove_file(&partial);
    make(&partial).map_err(|error| error.to_string())?;
    let text = partial.to_str().ok_or(NOT_UTF8)?;
    let copied = diesel::sql_query("VACUUM INTO ?").bind::<diesel::sql_types::Text, _>(text);
    copied
        .execute(connection)
        .map_err(|error| format!("it cannot be copied before its schema changes: {error}"))?;
    std::fs::rename(&partial, &copy).map_err(|error| error.to_string())
}

/// Bytes that are free where a file is.
#[cfg(unix)]
fn free(path: &Path) -> Result<u64, String> {
    let facts = rustix::fs::statvfs(path).map_err(|error| error.to_string())?;
    Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
}

/// Bytes that are free where a file is.
#[cfg(not(unix))]
fn free(_: &Path) -> Result<u64, String> {
    Ok(u64::MAX)
}

/// Gives a database that nobody has open another name, whole, and not over what is there.
pub(super) fn put(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("it cannot be put to `{}`: {error}", to.display());
    let mut last = connect(from, false)?;
    let whole = last.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)");
    whole.map_err(|error| error.to_string())?;
    drop(last);
    let left = beside(from, "-wal").metadata().map_or(0, |facts| facts.len());
    if left > 0 {
        return Err("its last changes lie beside it still".into());
    }
    std::fs::File::open(from).and_then(|file| file.sync_all()).map_err(failed)?;
    match std::fs::hard_link(from, to) {
        Ok(()) => std::fs::remove_file(from).map_err(failed)?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(failed(error));
        }
        // Not every file system has links.
        Err(_) => std::fs::rename(from, to).map_err(failed)?,
    }
    for end in ["-wal", "-shm"] {
        // Empty, if they are there.
        let _ = std::fs::remove_file(beside(from, end));
    }
    std::fs::File::open(parent(to)).and_then(|folder| folder.sync_all()).map_err(failed)
}

pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Makes the schema, up to a change or all of it. Two processes may open a new store at once: the first to get the lock
/// makes the tables.
pub(super) fn migrate(connection: &mut SqliteConnection, last: Option<&str>) -> Result<(), String> {
    connection
        .exclusive_transaction(|connection| {
            loop {
                let applied = applied(connection)?;
                let Some(next) = next::<diesel::sqlite::Sqlite>(&MIGRATIONS, &applied, last) else {
                    return Ok(());
                };
                connection.run_migration(&next)?;
            }
        })
        .map_err(|error: Box<dyn std::error::Error + Send + Sync>| error.to_string())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}
