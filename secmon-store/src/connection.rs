//! Connections: one enum over the databases, opened with the settings that durability needs.

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{Connection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{Error, Result};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// A connection to one of the databases.
pub(crate) enum Db {
    Sqlite(SqliteConnection),
}

/// Runs an expression on the connection inside, whichever it is: a query is written once.
macro_rules! on {
    ($db:expr, $connection:ident => $body:expr) => {
        match $db {
            $crate::connection::Db::Sqlite($connection) => $body,
        }
    };
}
pub(crate) use on;

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Db(..)")
    }
}

/// Where a store is.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub(crate) url: String,
    pub(crate) path: PathBuf,
}

impl Location {
    /// `sqlite://PATH`, relative unless PATH begins with `/`.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let path = url.strip_prefix("sqlite://").filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| Error::Open {
            url: url.split('@').next_back().unwrap_or_default().into(),
            reason: "a store is written `sqlite://PATH`".into(),
        })?;
        Ok(Self { url: url.into(), path: path.into() })
    }

    /// Where key files are unless said otherwise.
    pub(crate) fn keys(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".keys");
        path.into()
    }

    /// Opens a connection; the database is made when it is absent and `create` says so.
    pub(crate) fn connect(&self, create: bool) -> Result<Db> {
        let failed = |reason: String| Error::Open { url: self.url.clone(), reason };
        if !create && !self.path.exists() {
            return Err(failed("no such file".into()));
        }
        let path = self.path.to_str().ok_or_else(|| failed("the path is not UTF-8".into()))?;
        let mut connection = SqliteConnection::establish(path).map_err(|error| {
            failed(match error.to_string() {
                // SQLite says no more; the usual reason is the folder.
                reason if !parent(&self.path).is_dir() => {
                    format!("{reason}: its folder does not exist")
                }
                reason => reason,
            })
        })?;
        connection
            .batch_execute(
                "PRAGMA busy_timeout = 5000;
                 PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = FULL;
                 PRAGMA foreign_keys = ON;
                 PRAGMA secure_delete = ON;
                 PRAGMA temp_store = MEMORY;
                 PRAGMA cache_size = -16384;
                 PRAGMA wal_autocheckpoint = 4000;
                 PRAGMA journal_size_limit = 67108864;",
            )
            .map_err(|error| failed(error.to_string()))?;
        Ok(Db::Sqlite(connection))
    }

    /// Brings the schema up to date.
    pub(crate) fn migrate(&self, db: &mut Db) -> Result<()> {
        let failed = |reason: String| Error::Open { url: self.url.clone(), reason };
        let Db::Sqlite(connection) = db;
        let known = MigrationSource::<Sqlite>::migrations(&MIGRATIONS)
            .map_err(|error| failed(error.to_string()))?;
        let known: Vec<String> = known.iter().map(|one| one.name().version().to_string()).collect();
        let applied = connection.applied_migrations().map_err(|error| failed(error.to_string()))?;
        for migration in applied {
            let migration = migration.to_string();
            if !known.contains(&migration) {
                return Err(Error::Newer { url: self.url.clone(), migration });
            }
        }
        // Two processes may open a new store at once: the first to get the lock makes the tables.
        connection
            .exclusive_transaction(|connection| {
                connection.run_pending_migrations(MIGRATIONS).map(drop)
            })
            .map_err(|error: Box<dyn std::error::Error + Send + Sync>| failed(error.to_string()))
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

impl Db {
    /// Runs everything inside in one transaction that takes the write lock at once.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let run = |db: &mut Self, sql: &str| on!(db, c => c.batch_execute(sql));
        run(self, "BEGIN IMMEDIATE")?;
        let answer = work(self).and_then(|answer| Ok(run(self, "COMMIT").map(|()| answer)?));
        if answer.is_err() {
            // Fails only where there is nothing left to roll back.
            let _ = run(self, "ROLLBACK");
        }
        answer
    }

    /// Whether the database answers.
    pub(crate) fn ping(&mut self) -> Result<()> {
        on!(self, c => diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("1")).execute(c))?;
        Ok(())
    }
}
