//! Connections: one enum over the databases, opened with the settings that durability needs.

mod migrate;
#[cfg(feature = "mysql")]
mod mysql;
mod sqlite;
mod statement;
#[cfg(feature = "mysql")]
mod timed;
#[cfg(feature = "mysql")]
mod turn;

use std::path::PathBuf;

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use crate::{Error, Result};

pub(crate) use self::migrate::known;
#[cfg(feature = "mysql")]
pub(crate) use self::mysql::Connection;
#[cfg(feature = "mysql")]
pub(crate) use self::statement::Insert;
pub(crate) use self::statement::{Statement, Value, insert_rows, runs};

/// A connection to one of the databases.
pub(crate) enum Db {
    Sqlite(Box<SqliteConnection>),
    #[cfg(feature = "mysql")]
    Mysql(Box<mysql::Connection>),
}

/// Runs an expression on the connection inside, whichever it is: a query is written once.
macro_rules! on {
    ($db:expr, $connection:ident => $body:expr) => {
        match $db {
            $crate::connection::Db::Sqlite($connection) => {
                let $connection = &mut **$connection;
                $body
            }
            #[cfg(feature = "mysql")]
            $crate::connection::Db::Mysql($connection) => {
                let $connection = &mut **$connection;
                $body
            }
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
#[derive(Clone)]
pub(crate) struct Location {
    /// As it may be shown: without a password.
    pub(crate) url: String,
    /// As it was given.
    pub(crate) address: String,
    place: Place,
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Location").field("url", &self.url).finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Place {
    Sqlite(sqlite::Place),
    #[cfg(feature = "mysql")]
    Mysql(Box<mysql::Place>),
}

impl Location {
    /// `sqlite://PATH`, relative unless PATH begins with `/`; `mysql://USER[:PW]@HOST[:PORT]/DB[?..]`.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
            let place = Place::Sqlite(sqlite::Place::at(path));
            return Ok(Self { url: url.into(), address: url.into(), place });
        }
        #[cfg(feature = "mysql")]
        if url.starts_with("mysql://") {
            let place = mysql::Place::parse(url)?;
            let shown = place.shown();
            return Ok(Self {
                url: shown,
                address: url.into(),
                place: Place::Mysql(Box::new(place)),
            });
        }
        Err(Error::Open {
            url: url.split('@').next_back().unwrap_or_default().into(),
            reason: "a store is written `sqlite://PATH` or `mysql://USER[:PW]@HOST[:PORT]/DB`"
                .into(),
        })
    }

    /// Takes a file as one that nobody changes, where that is so.
    pub(crate) fn settle(&mut self) {
        if let Place::Sqlite(place) = &mut self.place {
            place.settle();
        }
    }

    /// Refuses what was read of a file that changed meanwhile.
    pub(crate) fn check_still(&self) -> Result<()> {
        match &self.place {
            Place::Sqlite(place) => place.check_still().map_err(|reason| self.failed(reason)),
            #[cfg(feature = "mysql")]
            Place::Mysql(_) => Ok(()),
        }
    }

    /// A name for the place that no other store has on this machine.
    pub(crate) fn name(&self) -> String {
        match &self.place {
            Place::Sqlite(sqlite::Place { path, .. }) => {
                let whole = path.canonicalize();
                whole.as_deref().unwrap_or(path).display().to_string()
            }
            #[cfg(feature = "mysql")]
            Place::Mysql(_) => self.file_name(),
        }
    }

    /// Where key files are unless said otherwise.
    pub(crate) fn keys(&self) -> PathBuf {
        match &self.place {
            Place::Sqlite(place) => sqlite::beside(&place.path, ".keys"),
            #[cfg(feature = "mysql")]
            Place::Mysql(_) => match std::env::var_os("STATE_DIRECTORY") {
                Some(folder) => PathBuf::from(folder).join("keys"),
                None => "secmon.keys".into(),
            },
        }
    }

    /// Opens a connection; an SQLite database is made when it is absent and `create` says so.
    pub(crate) fn connect(&self, create: bool) -> Result<Db> {
        match &self.place {
            Place::Sqlite(place) => {
                let connection = place.connect(create);
                Ok(Db::Sqlite(Box::new(connection.map_err(|reason| self.failed(reason))?)))
            }
            #[cfg(feature = "mysql")]
            Place::Mysql(place) => {
                let connection = place.connect(mysql::PATIENCE);
                Ok(Db::Mysql(Box::new(connection.map_err(|reason| self.failed(reason))?)))
            }
        }
    }

    /// Opens a connection to a store that was open before.
    ///
    /// # Errors
    /// [`Error::Busy`]: the database does not answer now.
    pub(crate) fn reconnect(&self) -> Result<Db> {
        self.connect(false).map_err(|error| match error {
            Error::Open { reason, .. } => Error::Busy { reason },
            error => error,
        })
    }

    /// Opens a connection for transactions that wait for their end: what is forgotten in one, as where the network is cut,
    /// keeps its rows locked for seconds only.
    ///
    /// # Errors
    /// [`Error::Busy`]: the server does not answer. [`Error::Database`]: no further connection is to be had.
    pub(crate) fn lane(&self, old: Option<Db>) -> Result<Db> {
        if let Some(mut db) = old
            && db.is_there()?
        {
            return Ok(db);
        }
        let none = |error: Error| Error::Database { reason: error.to_string() };
        let mut db = self.reconnect().map_err(none)?;
        if db.is_shared() {
            let limit =
                "SET @secmon_lane = 1 /*M!100300 , SESSION idle_transaction_timeout = 20 */";
            on!(&mut db, c => c.batch_execute(limit)).map_err(|error| none(error.into()))?;
        }
        Ok(db)
    }

    /// Opens a connection on which a statement may take long, as one that changes a table does.
    #[cfg(feature = "mysql")]
    pub(crate) fn connect_patiently(&self) -> Result<Db> {
        match &self.place {
            Place::Sqlite(_) => self.reconnect(),
            Place::Mysql(place) => {
                let connection = place.connect(mysql::LONG);
                let mut connection = connection.map_err(|reason| Error::Busy { reason })?;
                // Whoever waits for a table keeps all others waiting behind him.
                connection.batch_execute("SET SESSION lock_wait_timeout = 2")?;
                Ok(Db::Mysql(Box::new(connection)))
            }
        }
    }

    /// Opens a connection anew that was lost, perhaps while nothing was asked of it.
    pub(crate) fn revive(&self, db: &mut Db) -> Result<()> {
        if !db.is_there()? {
            *db = self.reconnect()?;
        }
        Ok(())
    }

    /// Where a store is made that is to take this place once it is whole: a file beside it, or the database itself.
    ///
    /// # Errors
    /// [`Error::Exists`]: there is a file.
    pub(crate) fn beside(&self) -> Result<Self> {
        match &self.place {
            // Also what a database has left beside it: it would be taken for that of the new one.
            Place::Sqlite(place)
                if ["", "-wal", "-shm", "-journal"]
                    .iter()
                    .any(|end| sqlite::beside(&place.path, end).exists()) =>
            {
                Err(Error::Exists { url: self.url.clone() })
            }
            Place::Sqlite(_) => {
                let beside = Self::parse(&format!("{}.restoring", self.address))?;
                // What an attempt before has left.
                beside.discard();
                Ok(beside)
            }
            #[cfg(feature = "mysql")]
            Place::Mysql(_) => Ok(self.clone()),
        }
    }

    /// Takes the place of another.
    pub(crate) fn take_place_of(&self, other: &Self) -> Result<()> {
        if let (Place::Sqlite(from), Place::Sqlite(to)) = (&self.place, &other.place)
            && from.path != to.path
        {
            sqlite::put(&from.path, &to.path).map_err(|reason| self.failed(reason))?;
        }
        Ok(())
    }

    /// Removes a file that was made beside another.
    pub(crate) fn discard(&self) {
        match &self.place {
            Place::Sqlite(place) => {
                for end in ["", "-wal", "-shm"] {
                    // None of them need be there.
                    let _ = std::fs::remove_file(sqlite::beside(&place.path, end));
                }
            }
            #[cfg(feature = "mysql")]
            Place::Mysql(_) => {}
        }
    }

    /// Whether other machines have the same store.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self.place, Place::Sqlite(_))
    }

    /// Host, port and name of a database on a server, as a file can have them: `127.0.0.1_3306_secmon`.
    pub(crate) fn file_name(&self) -> String {
        let place = self.url.rsplit('@').next().unwrap_or_default();
        place.replace(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-'), "_")
    }

    fn failed(&self, reason: String) -> Error {
        Error::Open { url: self.url.clone(), reason }
    }
}

impl Db {
    /// Runs everything inside in one transaction; SQLite takes the write lock at once.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.begin()?;
        self.end(work)
    }

    /// Begins a transaction.
    pub(crate) fn begin(&mut self) -> Result<()> {
        let begin = match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => "START TRANSACTION",
        };
        Ok(on!(self, c => c.batch_execute(begin))?)
    }

    /// Does the rest of what belongs into the transaction, and commits it.
    pub(crate) fn end<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let run = |db: &mut Self, sql: &str| on!(db, c => c.batch_execute(sql));
        let answer = work(self).and_then(|answer| Ok(run(self, "COMMIT").map(|()| answer)?));
        if answer.is_err() && !self.is_lost() {
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

    /// Whether the connection is of no use any more: what was asked last may have been done or not.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            #[cfg(feature = "mysql")]
            Self::Mysql(connection) => connection.health() != timed::Health::Sound,
        }
    }

    /// Whether the connection is still there; one of which nothing was asked for long is asked.
    ///
    /// # Errors
    /// [`Error::Busy`]: the database does not answer. Another connection would wait as long.
    fn is_there(&mut self) -> Result<bool> {
        if self.is_lost() || !self.is_old() {
            return Ok(!self.is_lost());
        }
        match self.ping() {
            Err(error) if self.is_silent() => Err(error),
            answer => Ok(answer.is_ok()),
        }
    }

    /// Whether nothing was asked of the connection for so long that it may be gone.
    fn is_old(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            #[cfg(feature = "mysql")]
            Self::Mysql(connection) => connection.idle() > mysql::TRUSTED,
        }
    }

    /// Whether other writers commit at the same time, and may get in the way.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self, Self::Sqlite(_))
    }

    /// Whether it is lost because the database does not answer: another one would wait as long.
    pub(crate) fn is_silent(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            #[cfg(feature = "mysql")]
            Self::Mysql(connection) => connection.health() == timed::Health::Silent,
        }
    }

    /// An expression for the time by the clock of the database, in microseconds.
    pub(crate) fn clock(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
        }
    }

    /// An expression for the bytes of a column as they lie there, whatever type they have.
    pub(crate) fn raw(&self, column: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("CAST({column} AS BLOB)"),
            // Its columns hold what their types say.
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => column.into(),
        }
    }
}
