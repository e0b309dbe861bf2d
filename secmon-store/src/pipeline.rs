//! The way of requests through a writer: one batch is stored while the next is sealed, on a core of its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::thread;

use chrono::{DateTime, Utc};
use secmon_core::{Batch, Step, When};

use crate::commit::Pending;
use crate::inputs::Position;
use crate::keys::random;
use crate::lanes::Ahead;
use crate::ready::Ready;
use crate::receipts::RequestKey;
use crate::streams::StreamRow;
use crate::writer::{
    Beside, CHECKPOINT_AFTER, CHECKPOINT_PAUSE, CHECKPOINT_RECORDS, MINUTE, SEALED_AND_LOST, busy,
};
use crate::{Error, Receipt, Request, Result, Writer, receipts, signed, unsigned};

/// A request in a batch: its events, and its key.
type Place = (std::ops::Range<usize>, Option<RequestKey>);

impl Writer {
    /// Stores events; answers once all of them are committed. More than 1,000 go in several batches, in
    /// order: if one fails, those before it are stored.
    pub fn write(
        &mut self,
        events: Vec<secmon_core::Prepared>,
        now: DateTime<Utc>,
    ) -> Result<Receipt> {
        self.write_request(Request { events, ..Request::default() }, now)
    }

    /// As [`Writer::write`], with a key or file positions.
    pub fn write_request(&mut self, request: Request, now: DateTime<Utc>) -> Result<Receipt> {
        let mut whole = Receipt { stream: self.stream.id(), replayed: true, ..Receipt::default() };
        // Under a key none is begun behind one that is refused.
        let together = if request.key.is_some() { 1 } else { usize::MAX };
        let mut parts = request.split();
        while !parts.is_empty() {
            let rest = parts.split_off(together.min(parts.len()));
            let batches = std::mem::replace(&mut parts, rest).into_iter().map(|part| vec![part]);
            for part in self.store_all(batches, now)? {
                whole.join(part?);
            }
        }
        Ok(whole)
    }

    /// Stores requests together in one batch, each with an answer of its own. They must fit one
    /// ([`Request::split`]).
    ///
    /// # Errors
    /// Nothing of any request is acknowledged: [`Error::Busy`] may pass; after any other error the writer
    /// must be opened again.
    pub fn commit(
        &mut self,
        requests: Vec<Request>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Result<Receipt>>> {
        self.store_all([requests], now)
    }

    /// Stores batches; their answers alone.
    fn store_all(
        &mut self,
        batches: impl IntoIterator<Item = Vec<Request>>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Result<Receipt>>> {
        self.finish()?;
        let before = self.answers();
        let stored = batches.into_iter().try_for_each(|requests| self.begin(requests, now));
        let stored = stored.and_then(|()| self.finish());
        let own = std::mem::replace(&mut self.answers, before);
        stored.map(|()| own)
    }

    /// As [`Writer::commit`], but only seals: the batch is stored while the next one is sealed, or by
    /// [`Writer::finish`]. Answers to what is stored wait in [`Writer::answers`].
    ///
    /// # Errors
    /// As of [`Writer::commit`], for all requests that were not answered yet.
    ///
    /// ```
    /// # use secmon_core::Ruleset;
    /// # use secmon_store::{Request, Store};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(&format!("sqlite://{}/secmon.db", folder.path().display()))?;
    /// # let (ruleset, now) = (Ruleset::builtin(), chrono::DateTime::UNIX_EPOCH);
    /// let mut writer = store.writer("web-1", ruleset.clone(), now)?;
    /// for text in ["one", "two"] {
    ///     let events = ruleset.prepare_lines([text], now);
    ///     writer.begin(vec![Request { events, ..Request::default() }], now)?;
    /// }
    /// assert_eq!(writer.answers().len(), 1, "the second is sealed, and not stored");
    /// writer.finish()?;
    /// assert_eq!(writer.answers().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn begin(&mut self, requests: Vec<Request>, now: DateTime<Utc>) -> Result<()> {
        let begun = self.begin_batch(requests, now);
        if begun.is_err() {
            self.take_back();
        }
        self.or_unanswered(begun)
    }

    /// Stores what was begun.
    ///
    /// # Errors
    /// As of [`Writer::commit`], for all requests that were not answered yet.
    pub fn finish(&mut self) -> Result<()> {
        let stored = self.flush();
        self.or_unanswered(stored)
    }

    /// The answers to what was begun and is stored by now, in the order of the requests, once each.
    pub fn answers(&mut self) -> Vec<Result<Receipt>> {
        std::mem::take(&mut self.answers)
    }

    /// Whoever waits is told of a failure, and gets no other answer.
    fn or_unanswered(&mut self, done: Result<()>) -> Result<()> {
        if done.is_err() {
            for pending in &mut self.pending {
                pending.answers.clear();
            }
        }
        done
    }

    fn begin_batch(&mut self, requests: Vec<Request>, now: DateTime<Utc>) -> Result<()> {
        self.check()?;
        // The key file is written before a key rotates, and must not be ahead of what is stored.
        if self.pending.len() > 1 || self.rotates(When::Always, now) {
            self.flush()?;
        }
        self.store.0.location.revive(&mut self.db)?;
        let mut answers = Vec::with_capacity(requests.len());
        let mut step = Step::default();
        let mut places: Vec<Place> = Vec::new();
        let mut positions = Vec::new();
        let keys = self.pending.iter().flat_map(|pending| &pending.receipts);
        let mut waiting: BTreeMap<_, _> = keys.map(|(key, _)| (key.id(), key.body)).collect();
        for request in requests {
            if let Some(key) = &request.key {
                if let Some(other) = waiting.get(&key.id()) {
                    let busy = || busy("the same request is being stored");
                    let is_same = *other == key.body;
                    answers.push(Some(Err(if is_same { busy() } else { Error::KeyReused })));
                    continue;
                }
                let known = self.replay(key);
                if !matches!(known, Ok(None)) {
                    answers.push(Some(known.map(Option::unwrap_or_default)));
                    continue;
                }
                waiting.insert(key.id(), key.body);
            }
            let from = step.events.len();
            step.events.extend(request.events);
            places.push((from..step.events.len(), request.key));
            positions.extend(request.positions);
            answers.push(None);
        }
        if places.is_empty() {
            self.flush()?;
            self.answers.extend(answers.into_iter().flatten());
            return Ok(());
        }
        step.announce.extend(self.rules_announcement(now));
        step.checkpoint = self.checkpoint_due(&step, now);
        if self.rotates(step.checkpoint, now) {
            step.rotate = self.rotation(now);
        }
        step.tick = now - self.tick_at >= MINUTE;
        let pausing = step.checkpoint == When::Never;
        let (ready, stored) = self.seal_and_store(step, now)?;
        self.urgent |= pausing && ready.batch.has_high_incident();
        let beside = self.beside(answers, places, positions, &ready.batch);
        self.put(ready, beside, now)?;
        stored
    }

    /// Whether a batch of events gets a checkpoint.
    fn checkpoint_due(&self, step: &Step, now: DateTime<Utc>) -> When {
        let news = self.stream.size() + step.events.len() as u64 - self.checkpoint_size;
        let waited = now - self.checkpoint_at;
        if (news == 0 && step.announce.is_empty()) || waited < CHECKPOINT_PAUSE {
            When::Never
        } else if waited >= CHECKPOINT_AFTER || news >= CHECKPOINT_RECORDS {
            When::Always
        } else {
            When::OnHighIncident
        }
    }

    /// Seals a step while the batch before it is stored; and how that went.
    fn seal_and_store(&mut self, step: Step, now: DateTime<Utc>) -> Result<(Ready, Result<()>)> {
        if self.pending.is_empty() {
            return Ok((self.seal(step, now)?, Ok(())));
        }
        self.note_tick(&step, now);
        let seed = random()?;
        let (monitor, tiles, vault) = (&mut self.monitor, &mut self.tiles, self.vault.as_ref());
        let (db, known, location) = (&mut self.db, &mut self.known, &self.store.0.location);
        let (no, spent) = (self.stream.stream_no, self.spent.take());
        let lane = (db.is_shared() && self.lanes.are_open()).then(|| self.lanes.take());
        // It goes on whichever side has less to do.
        let (spent, own_spent) = if db.is_shared() { (None, spent) } else { (spent, None) };
        let lanes = &mut self.lanes;
        let seal = move || -> Result<Ready> {
            drop(spent);
            let mut ready = Ready::of(monitor.step(step, now, seed), no, tiles, vault)?;
            if let Some(lane) = lane {
                ready.ahead = Ahead::begin(Arc::clone(&ready.rows), lane, location.clone());
            }
            Ok(ready)
        };
        let (sealed, stored) = thread::scope(|scope| {
            let sealing = thread::Builder::new().name("seal".into()).spawn_scoped(scope, seal);
            drop(own_spent);
            let store = |pending: &mut Pending| pending.store(location, db, known, lanes);
            let stored = self.pending.front_mut().map_or(Ok(()), store);
            (sealing.map(thread::ScopedJoinHandle::join), stored)
        });
        let stored = stored.map(|()| self.spent = self.stored());
        // Until it is known that nothing is lost.
        self.broken = Some(SEALED_AND_LOST);
        let lost =
            |reason: &str| Error::Database { reason: format!("nothing was sealed: {reason}") };
        let ready = sealed
            .map_err(|error| lost(&error.to_string()))?
            .map_err(|_| lost("it ended unexpectedly"))??;
        self.broken = None;
        Ok((ready, stored))
    }

    /// What requests are answered once their batch is stored, and what is stored with it.
    fn beside(
        &self,
        answers: Vec<Option<Result<Receipt>>>,
        places: Vec<Place>,
        positions: Vec<Position>,
        batch: &Batch,
    ) -> Beside {
        let mut detections = Some(batch.detections.clone());
        let mut receipts = Vec::new();
        let fresh = places.into_iter().map(|(range, key)| {
            let seqs = batch.events.get(range).unwrap_or_default();
            let seqs = seqs.first().copied().zip(seqs.last().copied());
            let stored = seqs.map_or((-1, -1), |(first, last)| (signed(first), signed(last)));
            receipts.extend(key.map(|key| (key, stored)));
            // What the rules found is told once.
            let detections = detections.take().unwrap_or_default();
            Receipt { stream: self.stream.id(), seqs, detections, replayed: false }
        });
        let mut fresh: VecDeque<Receipt> = fresh.collect();
        let answer = |known: Option<_>| known.or_else(|| fresh.pop_front().map(Ok));
        let answers = answers.into_iter().filter_map(answer).collect();
        Beside { answers, receipts, positions, taken: Vec::new() }
    }

    /// The answer to a request that was stored before.
    fn replay(&mut self, key: &RequestKey) -> Result<Option<Receipt>> {
        let Some((stream_no, first, last)) = receipts::find(&mut self.db, key)? else {
            return Ok(None);
        };
        let stream = if stream_no == self.stream.stream_no {
            self.stream.id()
        } else {
            let streams = self.store.streams()?;
            let row = streams.iter().find(|row| row.stream_no == stream_no);
            row.map(StreamRow::id).unwrap_or_default()
        };
        let seqs = (first >= 0).then(|| (unsigned(first), unsigned(last)));
        Ok(Some(Receipt { stream, seqs, detections: Vec::new(), replayed: true }))
    }
}
