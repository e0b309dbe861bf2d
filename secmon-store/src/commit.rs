//! One batch, one transaction.

use chrono::{DateTime, Utc};
use secmon_core::RuleState;
use secmon_core::seal::KeyFile;

use crate::connection::{Db, Location};
use crate::counting::Log;
use crate::failpoint::hit;
use crate::inputs::Position;
use crate::lanes::{Ahead, Lanes};
use crate::ready::Ready;
use crate::receipts::RequestKey;
use crate::rollups::Known;
use crate::streams::StreamRow;
use crate::writer::busy;
use crate::{
    Error, Receipt, Result, Writer, holds, hosts, incidents, inputs, receipts, records, removals,
    rollups, streams, tiles,
};

/// How often a batch is sent before its callers are told to wait.
const TRIES: u32 = 3;

/// A sealed batch on its way into the database: it is sent until it is there, always the same.
#[derive(Debug)]
pub(crate) struct Pending {
    /// What its requests are answered once it is stored.
    pub(crate) answers: Vec<Result<Receipt>>,
    /// The key file behind a checkpoint.
    pub(crate) keys: Option<KeyFile>,
    pub(crate) ready: Ready,
    /// Size and epoch of the stream before.
    pub(crate) from: (i64, i64),
    /// The stream's row behind the batch.
    pub(crate) stream: StreamRow,
    /// The numbers of streams whose values the batch announces to be erased.
    pub(crate) erased_of: Vec<(String, i64)>,
    pub(crate) receipts: Vec<(RequestKey, (i64, i64))>,
    pub(crate) positions: Vec<Position>,
    /// Where what the rules were told goes.
    pub(crate) log: Log,
    /// The memory of rules behind the batch, when a snapshot is due.
    pub(crate) snapshot: Option<Vec<RuleState>>,
    /// Whether it is of all rules.
    pub(crate) whole: bool,
    pub(crate) now: DateTime<Utc>,
}

impl Pending {
    /// Commits everything or nothing.
    pub(crate) fn commit(&self, db: &mut Db, known: &mut Known) -> Result<()> {
        hit("commit.before");
        db.begin()?;
        self.commit_rest(db, known, false)
    }

    /// Commits a transaction that has begun, with all that is not in it yet.
    fn commit_rest(&self, db: &mut Db, known: &mut Known, has_records: bool) -> Result<()> {
        let Self { ready, stream, now, .. } = self;
        let Ready { batch, rows, tiles, values, counts, hosts, .. } = ready;
        let no = stream.stream_no;
        let answer = db.end(|db| {
            streams::advance(db, stream, self.from)?;
            if !has_records {
                records::insert(db, rows)?;
            }
            hit("commit.records");
            tiles::put(db, tiles)?;
            hit("commit.tiles");
            removals::insert(db, no, &batch.claims)?;
            holds::apply(db, no, &batch.claims)?;
            crate::values::announce(db, stream, &batch.claims, &self.erased_of)?;
            values.insert(db)?;
            if let Some(checkpoint) = &batch.checkpoint {
                streams::insert_checkpoint(db, no, checkpoint, *now)?;
            }
            self.log.write(db, no, batch)?;
            incidents::insert_detections(db, no, &batch.detections)?;
            let own = (!self.log.is_of_all()).then_some(self.stream.label.as_str());
            incidents::apply(db, no, &batch.changes, own, *now)?;
            rollups::count(db, known, no, counts)?;
            hosts::count(db, hosts)?;
            for (key, seqs) in &self.receipts {
                receipts::insert(db, key, no, *seqs, *now)?;
            }
            for position in &self.positions {
                inputs::put(db, position)?;
            }
            if let Some(states) = &self.snapshot {
                self.log.snapshot(db, no, batch.logged, states, self.whole)?;
                receipts::forget(db, *now)?;
            }
            Ok(())
        });
        if answer.is_err() {
            known.clear();
        }
        answer
    }

    /// Whether it is stored; size and epoch of the stream as they are; whether that was closed.
    fn settled(&self, db: &mut Db) -> Result<(bool, (i64, i64), bool)> {
        let (same, stored, closed) = streams::settled(db, &self.stream)?;
        // One that only takes what others were told leaves its stream as it was.
        let counted = self.log.is_stored(db)?;
        Ok((counted.unwrap_or(same), stored, closed))
    }

    /// Commits it; an unknown outcome is settled by what the database says.
    pub(crate) fn store(
        &mut self,
        location: &Location,
        db: &mut Db,
        known: &mut Known,
        lanes: &mut Lanes,
    ) -> Result<()> {
        match self.ready.ahead.take().map(Ahead::join) {
            Some(Ok(mut lane)) => match self.commit_rest(&mut lane, known, true) {
                Ok(()) => {
                    lanes.give_back(lane);
                    return Ok(());
                }
                Err(error) if lane.is_silent() => return Err(busy(&error.to_string())),
                Err(error @ Error::Deposed) => return Err(error),
                // Once more from the beginning, which also says what became of it.
                Err(_) => {}
            },
            Some(Err(error)) => {
                lanes.failed();
                if matches!(error, Error::Busy { .. }) {
                    return Err(error);
                }
            }
            None => {}
        }
        for tries_left in (0..TRIES).rev() {
            let Err(error) = self.commit(db, known) else { return Ok(()) };
            if db.is_silent() {
                return Err(busy(&error.to_string()));
            }
            location.revive(db)?;
            // It was taken back, and never will be stored.
            if matches!(error, Error::Deposed) {
                return Err(error);
            }
            match self.settled(db) {
                Ok((true, ..)) => return Ok(()),
                Ok((_, stored, closed)) if closed || stored != self.from => {
                    return Err(Error::Conflict { origin: self.stream.origin.clone() });
                }
                // Others were in the way, or the connection broke: once more, the same bytes.
                Ok(_) if tries_left > 0 && db.is_shared() => {}
                // What can never be stored must not keep all that comes behind it waiting.
                _ if matches!(error, Error::Refused { .. }) => return Err(error),
                // Nor what a server refuses for a reason that does not pass by itself.
                Ok(_) if matches!(error, Error::Database { .. }) && db.is_shared() => {
                    return Err(error);
                }
                _ => return Err(busy(&error.to_string())),
            }
        }
        Ok(())
    }
}

impl Writer {
    /// Stores what is pending, in order.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let stored = self.store_pending();
        if stored.is_err() {
            self.take_back();
        }
        stored
    }

    fn store_pending(&mut self) -> Result<()> {
        self.check()?;
        self.spent = None;
        self.store.0.location.revive(&mut self.db)?;
        while let Some(pending) = self.pending.front_mut() {
            let location = &self.store.0.location;
            pending.store(location, &mut self.db, &mut self.known, &mut self.lanes)?;
            drop(self.stored());
        }
        Ok(())
    }

    /// Takes records back that were sent ahead, where the batch before them is not stored: they would keep their locks.
    pub(crate) fn take_back(&mut self) {
        self.pending.iter_mut().for_each(|pending| pending.ready.ahead = None);
    }

    /// Refuses to go on behind what was sealed and is lost.
    pub(crate) fn check(&self) -> Result<()> {
        match self.broken {
            Some(reason) => Err(Error::Database { reason: reason.into() }),
            None => Ok(()),
        }
    }

    /// The first of what is pending is stored: it is answered, and the key file says so. Gives back what is left of it.
    pub(crate) fn stored(&mut self) -> Option<Pending> {
        hit("commit.after");
        let mut pending = self.pending.pop_front()?;
        self.answers.append(&mut pending.answers);
        if let Some(keys) = &pending.keys {
            self.save_keys(keys);
        }
        Some(pending)
    }

    /// Writes the key file. A failure loses nothing: a file that is behind is evolved forward at the
    /// next start, and the next checkpoint writes it again.
    pub(crate) fn save_keys(&mut self, keys: &KeyFile) {
        if let Err(error) = self.keys.write(keys) {
            self.warnings.push(format!("the key file could not be written: {error}"));
        }
    }
}
