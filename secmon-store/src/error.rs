//! The one error of the crate.

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A backup cannot be read or written.
    #[error("the backup: {reason}")]
    Archive {
        /// Why.
        reason: String,
    },
    /// The database does not take writes now; what was given is not stored. Try again later; over
    /// HTTP answer 503 with Retry-After.
    #[error("the store is busy: {reason}")]
    Busy {
        /// What the database said.
        reason: String,
    },
    /// Another writer has the stream. Open the writer again: it begins a new stream.
    #[error("stream `{origin}` was continued by another writer")]
    Conflict {
        /// The stream.
        origin: String,
    },
    /// Another service counts for all streams by now: what this writer has counted is not stored. Open the writer
    /// again: it hands its signals over.
    #[error("another service counts for all streams by now")]
    Deposed,
    /// The core refused.
    #[error(transparent)]
    Core(#[from] secmon_core::Error),
    /// The database failed in another way.
    #[error("the store failed: {reason}")]
    Database {
        /// What the database said.
        reason: String,
    },
    /// There is a store already, and none is overwritten.
    #[error(
        "there is a store at `{url}` already: nothing is overwritten; choose another place, or take it away"
    )]
    Exists {
        /// Where.
        url: String,
    },
    /// A file could not be read or written.
    #[error("`{path}`: {source}")]
    File {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The same `Idempotency-Key` came with another body: use a new key for a new request.
    #[error("this Idempotency-Key was used with another body")]
    KeyReused,
    /// The label's stream is open in another process.
    #[error("the writer `{label}` is open in another process")]
    Locked {
        /// The writer's label.
        label: String,
    },
    /// The store was written by a newer version: use that one.
    #[error(
        "the store `{url}` was written by a newer version of secmon (migration {migration} is unknown here)"
    )]
    Newer {
        /// The store.
        url: String,
        /// The unknown migration.
        migration: String,
    },
    /// There is no such thing.
    #[error("{what} not found")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// The store cannot be opened.
    #[error("cannot open the store `{url}`: {reason}")]
    Open {
        /// The store.
        url: String,
        /// Why.
        reason: String,
    },
    /// A page cursor or filter has not the form that it must have.
    #[error("{reason}")]
    Query {
        /// What is wrong, with the name of the parameter.
        reason: String,
    },
    /// The database will never take what was given: a row breaks a rule of its table. Open the writer again.
    #[error("the store refuses the batch: {reason}")]
    Refused {
        /// What the database said.
        reason: String,
    },
    /// A column of a record says another than its sealed body: nothing is done on its word. Verify the
    /// store.
    #[error("record {seq} was changed: a column differs from its body; run `secmon verify`")]
    Tampered {
        /// The record.
        seq: u64,
    },
    /// What was restored does not verify.
    #[error("what was restored does not verify: stream `{origin}`, record {seq}: {detail}")]
    Unsound {
        /// The stream.
        origin: String,
        /// The first record that is wrong.
        seq: u64,
        /// What is wrong.
        detail: String,
    },
    /// No checkpoint covers the record yet; one does within about a second.
    #[error("no checkpoint covers record {seq} yet")]
    Uncovered {
        /// The record.
        seq: u64,
    },
}

/// What may pass, in the databases' words: Diesel hands on no numbers.
const PASSING: &[&str] = &[
    // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_FULL and SQLITE_IOERR.
    "locked",
    "busy",
    "disk is full",
    "disk I/O error",
    // MySQL and MariaDB: 1213, 1205, 1020, 1047, 1114, 1021, 1290, 1040 and a connection that is lost.
    "Deadlock found",
    "Lock wait timeout",
    "Record has changed since last read",
    "WSREP",
    "is full",
    "No space left",
    "read-only",
    "Too many connections",
    "Input/output error",
    "Driver error",
    "Server shutdown",
    "Connection was killed",
    "did not answer",
    "connection to the database is lost",
];

/// What no repetition helps: 1406, 1264, 1366 and 1153.
const REFUSED: &[&str] = &[
    "Data too long",
    "Out of range value",
    "Incorrect string value",
    "max_allowed_packet",
    "Packet too large",
];

impl Error {
    pub(crate) fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    /// Whether this process has no right to read a file, which says nothing of what is in it.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied)
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::DatabaseErrorKind::{
            CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation,
        };
        let reason = error.to_string();
        let kind = match &error {
            diesel::result::Error::DatabaseError(kind, _) => Some(kind),
            _ => None,
        };
        if let Some(CheckViolation | ForeignKeyViolation | NotNullViolation | UniqueViolation) =
            kind
        {
            return Self::Refused { reason };
        }
        if REFUSED.iter().any(|words| reason.contains(words)) {
            return Self::Refused { reason };
        }
        if PASSING.iter().any(|words| reason.contains(words)) {
            return Self::Busy { reason };
        }
        Self::Database { reason }
    }
}

/// `std::result::Result` with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
