//! The durable, verifiable store of secmon, over the crate `secmon-core`: all SQL of the
//! project, one transaction a batch.
//!
//! A [`Store`] reads; a [`Writer`] is the only way in. What a `Writer` has acknowledged is durable,
//! sealed and counted, and its alert lies in the outbox.
//!
//! ```
//! use secmon_core::Ruleset;
//! use secmon_store::{RecordQuery, Store};
//!
//! let folder = tempfile::tempdir()?;
//! let store = Store::open(&format!("sqlite://{}/secmon.db", folder.path().display()))?;
//! let now = "2026-11-20T12:00:00Z".parse()?;
//!
//! let ruleset = Ruleset::builtin();
//! let mut writer = store.writer("web-1", ruleset.clone(), now)?;
//! let line = "Nov 20 11:59:00 web-1 sshd[42]: Failed password for root from 203.0.113.7 port 51234 ssh2";
//! let receipt = writer.write(ruleset.prepare_lines([line; 5], now), now)?;
//! assert_eq!(receipt.detections.len(), 1);
//! writer.close(now)?;
//!
//! let page = store.records(&RecordQuery::default().field("source.ip", "203.0.113.7"))?;
//! assert_eq!(page.rows.len(), 6); // five attempts, and the incident that they opened
//! assert!(store.verify(&Default::default())?.iter().all(|verdict| verdict.is_ok()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod anchors;
mod auditor;
mod backup;
mod commit;
mod connection;
mod counting;
mod directory;
mod erase;
mod error;
mod export;
mod failpoint;
mod holds;
mod hosts;
mod incidents;
mod inputs;
mod keys;
mod lanes;
mod leases;
mod opening;
#[cfg(feature = "mysql")]
mod partitions;
mod pipeline;
mod proofs;
mod prune;
mod query;
mod ready;
mod receipts;
mod records;
mod removals;
mod request;
mod rollups;
mod schema;
mod sealed;
mod search;
mod signals;
mod stored;
mod streams;
mod tail;
mod tiles;
mod values;
mod vault;
mod verify;
mod verify_export;
mod walk;
mod witnessed;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use chrono::{DateTime, Utc};
use secmon_core::Ruleset;
use secmon_core::privacy::Privacy;
use zeroize::Zeroizing;

pub use self::access::{Identity, Scope, Secret};
pub use self::anchors::Anchor;
pub use self::auditor::{AuditorKey, AuditorSecret};
pub use self::backup::{Header, HeaderStream, Restore, Restored};
use self::connection::{Db, Location};
pub use self::directory::DIRECTORY;
pub use self::erase::Erasure;
pub use self::error::{Error, Result};
pub use self::holds::Held;
pub use self::hosts::Host;
pub use self::incidents::{DetectionRow, IncidentQuery, IncidentRow};
pub use self::inputs::Position;
pub use self::query::{Page, RecordQuery};
pub use self::receipts::RequestKey;
pub use self::records::RecordRow;
pub use self::request::{Receipt, Request};
pub use self::rollups::{HourCount, ValueCount};
pub use self::streams::{CheckpointRow, StreamRow};
pub use self::verify::VerifyOptions;
pub use self::verify_export::verify_export;
pub use self::witnessed::Witnessed;
pub use self::writer::Writer;

/// How many idle connections for reading are kept.
const MOST_IDLE: usize = 8;

/// A store: streams of sealed records, and what was found in them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    location: Location,
    keys: PathBuf,
    idle: Mutex<Vec<Db>>,
    auditor: OnceLock<AuditorKey>,
    erasable: OnceLock<Vec<String>>,
}

impl Store {
    /// Opens a store, made when it is absent, and brings its schema up to date.
    pub fn open(url: &str) -> Result<Self> {
        Self::open_with(url, None, true)
    }

    /// Opens a store that must be there.
    pub fn open_existing(url: &str) -> Result<Self> {
        Self::open_with(url, None, false)
    }

    /// As [`Store::open`], with key files in a folder of one's own; `create` says whether an absent
    /// store is made.
    pub fn open_with(url: &str, keys: Option<&Path>, create: bool) -> Result<Self> {
        let mut location = Location::parse(url)?;
        if !create {
            location.settle();
        }
        let keys = keys.map_or_else(|| location.keys(), Path::to_path_buf);
        let db = location.open(create, &|schema| backup::keep(&location, &keys, schema))?;
        let idle = Mutex::new(vec![db]);
        Ok(Self(Arc::new(Shared {
            location,
            keys,
            idle,
            auditor: OnceLock::new(),
            erasable: OnceLock::new(),
        })))
    }

    /// Opens the writer of a label: resumes its stream, or begins one.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it open.
    pub fn writer(&self, label: &str, ruleset: Ruleset, now: DateTime<Utc>) -> Result<Writer> {
        Writer::open(self, label, "local", ruleset, now)
    }

    /// As [`Store::writer`], in a cluster of this name: origins of new streams begin with it.
    pub fn writer_in(
        &self,
        cluster: &str,
        label: &str,
        ruleset: Ruleset,
        now: DateTime<Utc>,
    ) -> Result<Writer> {
        Writer::open(self, label, cluster, ruleset, now)
    }

    /// Begins a new stream under a label whose stream another writer has continued
    /// ([`Error::Conflict`]).
    pub fn writer_anew(
        &self,
        cluster: &str,
        label: &str,
        ruleset: Ruleset,
        now: DateTime<Utc>,
    ) -> Result<Writer> {
        let db = self.0.location.connect(false)?;
        Writer::start(self, db, label, cluster, ruleset, now)
    }

    /// Encrypts K_0 of every stream that begins from now on to an auditor, whom nobody can replace later.
    pub fn set_auditor(&self, auditor: AuditorKey) {
        // Set twice, the first stays.
        let _ = self.0.auditor.set(auditor);
    }

    /// The privacy mode: values of these fields, lines and messages, and whatever else of an event holds such
    /// a value, can be erased from now on. For writers that are opened behind this.
    ///
    /// # Errors
    /// A field that cannot be personal.
    pub fn set_erasable(&self, fields: Vec<String>) -> Result<()> {
        Privacy::new(fields.clone(), [0; 32])?;
        // Set twice, the first stays.
        let _ = self.0.erasable.set(fields);
        Ok(())
    }

    /// A secret of 32 bytes by name, in a file beside the key files; made when it is absent.
    pub fn secret(&self, name: &str) -> Result<Zeroizing<[u8; 32]>> {
        keys::secret(&self.0.keys, name)
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.0.location.url
    }

    /// Whether the database answers.
    pub fn ping(&self) -> Result<()> {
        self.read(Db::ping)
    }

    /// Lends a connection for reading.
    fn read<T>(&self, work: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        let idle = self.0.idle.lock().ok().and_then(|mut idle| idle.pop());
        let mut db = match idle {
            Some(db) => db,
            None => self.0.location.reconnect()?,
        };
        self.0.location.revive(&mut db)?;
        let answer = work(&mut db);
        if let Ok(mut idle) = self.0.idle.lock()
            && idle.len() < MOST_IDLE
            && !db.is_lost()
        {
            idle.push(db);
        }
        answer
    }
}

/// A time as the tables hold it.
fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// A time that the tables hold.
fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// An index or count as the tables hold it; they are all below 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An index or count that the tables hold; a negative one was never written.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The README's Rust is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
