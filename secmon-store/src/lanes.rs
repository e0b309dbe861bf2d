//! Records that are sent ahead: over connections of their own, while the batches before are stored.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::connection::{Db, Location};
use crate::records::Row;
use crate::writer::busy;
use crate::{Error, Result, records};

/// How long no connection is asked for behind one that was not to be had.
const NONE_FOR: Duration = Duration::from_secs(10);

/// Further connections to a server: two, once there were batches to use them.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    free: Vec<Db>,
    /// When none was to be had.
    none_at: Option<Instant>,
}

impl Lanes {
    /// Whether one may be had.
    pub(crate) fn are_open(&self) -> bool {
        self.none_at.is_none_or(|at| at.elapsed() >= NONE_FOR)
    }

    /// One that is open and free.
    pub(crate) fn take(&mut self) -> Option<Db> {
        self.free.pop()
    }

    pub(crate) fn give_back(&mut self, lane: Db) {
        self.none_at = None;
        self.free.push(lane);
    }

    pub(crate) fn failed(&mut self) {
        self.none_at = Some(Instant::now());
    }
}

/// Records on their way, in a transaction that waits for the rest of their batch. If it is dropped they are taken back, as
/// soon as its thread has ended.
#[derive(Debug)]
pub(crate) struct Ahead(JoinHandle<Result<Db>>);

impl Ahead {
    /// Sends records in the background; none if there is no thread for it.
    pub(crate) fn begin(rows: Arc<Vec<Row>>, lane: Option<Db>, location: Location) -> Option<Self> {
        let send = move || {
            let mut lane = location.lane(lane)?;
            match lane.begin().and_then(|()| records::insert(&mut lane, &rows)) {
                Ok(()) => Ok(lane),
                // Another connection would wait as long.
                Err(error) if lane.is_silent() => Err(busy(&error.to_string())),
                Err(error) => Err(Error::Database { reason: error.to_string() }),
            }
        };
        Builder::new().name("ahead".into()).spawn(send).ok().map(Self)
    }

    /// Waits until the records are there.
    ///
    /// # Errors
    /// [`Error::Busy`]: the server does not answer. After any other error the batch is to be sent whole.
    pub(crate) fn join(self) -> Result<Db> {
        let ended = || Error::Database { reason: "the thread ended unexpectedly".into() };
        self.0.join().map_err(|_| ended())?
    }
}
