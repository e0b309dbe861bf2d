//! `Writer`: a monitor, a connection and a key file; the only way into a store.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use secmon_core::seal::{Retention, StreamKeys};
use secmon_core::{Announcement, Monitor, Ruleset, Step, When};
use zeroize::Zeroizing;

use crate::commit::Pending;
use crate::connection::Db;
use crate::counting::Counting;
use crate::directory::Listed;
use crate::failpoint::hit;
use crate::inputs::Position;
use crate::keys::{KeyPlace, random};
use crate::lanes::Lanes;
use crate::ready::Ready;
use crate::receipts::RequestKey;
use crate::removals::Due;
use crate::request::Receipt;
use crate::rollups::Known;
use crate::streams::StreamRow;
use crate::tiles::Open;
use crate::vault::Vault;
use crate::{Error, Result, Store, unsigned};

/// A checkpoint is issued a second after news at the latest, or behind so many records; not more often
/// than ten times a second.
pub(crate) const CHECKPOINT_AFTER: TimeDelta = TimeDelta::seconds(1);
pub(crate) const CHECKPOINT_RECORDS: u64 = 10_000;
pub(crate) const CHECKPOINT_PAUSE: TimeDelta = TimeDelta::milliseconds(100);
/// How long a signing key is in use.
const ROTATE_AFTER: TimeDelta = TimeDelta::hours(24);
/// How often silence is attested, rules are told the time, and their memory is saved.
pub(crate) const MINUTE: TimeDelta = TimeDelta::seconds(60);

pub(crate) const SEALED_AND_LOST: &str = "a batch was sealed and is lost: open the writer again";

/// The only way into a store. One transaction commits a whole batch or nothing; what is acknowledged is
/// durable, sealed and counted.
///
/// A sealed batch is never abandoned on a passing error: it stays pending and goes first, while callers
/// get [`Error::Busy`].
#[derive(Debug)]
pub struct Writer {
    pub(crate) store: Store,
    pub(crate) db: Db,
    pub(crate) keys: KeyPlace,
    pub(crate) monitor: Monitor,
    pub(crate) stream: StreamRow,
    pub(crate) tiles: Open,
    pub(crate) known: Known,
    /// Sealed batches that are not stored yet, in order: two at most.
    pub(crate) pending: VecDeque<Pending>,
    pub(crate) lanes: Lanes,
    /// Why it must be opened again: its memory is not what the records say.
    pub(crate) broken: Option<&'static str>,
    /// What is left of a batch that is stored, and goes while the next is sealed.
    pub(crate) spent: Option<Pending>,
    /// Answers to requests that are stored, which nobody has taken yet.
    pub(crate) answers: Vec<Result<Receipt>>,
    pub(crate) due: Due,
    /// What is known of other streams.
    pub(crate) listed: Listed,
    /// The keys of the privacy mode, if that is on.
    pub(crate) vault: Option<Vault>,
    pub(crate) erased_of: Vec<(String, i64)>,
    pub(crate) begun: Option<StreamKeys>,
    pub(crate) warnings: Vec<String>,
    pub(crate) rules_said: bool,
    pub(crate) checkpoint_at: DateTime<Utc>,
    pub(crate) checkpoint_size: u64,
    /// Whether a high incident waits for a checkpoint that was too soon behind another.
    pub(crate) urgent: bool,
    /// When the signing key came into use.
    pub(crate) rotated_at: DateTime<Utc>,
    pub(crate) tick_at: DateTime<Utc>,
    pub(crate) snapshot_at: DateTime<Utc>,
    /// Whether the memory of all rules is to be saved, not only of those that counted something.
    pub(crate) rules_changed: bool,
    /// Who counts.
    pub(crate) counting: Counting,
    /// Rules of others that this writer does not have, of which it told.
    pub(crate) unknown: BTreeSet<String>,
}

/// What belongs to a batch beside what the core makes of it.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// What its requests are answered once it is stored.
    pub(crate) answers: Vec<Result<Receipt>>,
    pub(crate) receipts: Vec<(RequestKey, (i64, i64))>,
    pub(crate) positions: Vec<Position>,
    /// What others were told, and the batch counts.
    pub(crate) taken: Vec<(i64, i64)>,
}

impl Writer {
    /// Does what is due without events: a checkpoint a second after news, a heartbeat in silence, time
    /// that passes for the rules, snapshots. Call it about once a second.
    pub fn maintain(&mut self, now: DateTime<Utc>) -> Result<()> {
        self.flush()?;
        self.keep_lease()?;
        self.count_others(now)?;
        let mut step = Step::default();
        let waited = now - self.checkpoint_at;
        if waited >= MINUTE {
            step.announce.push(Announcement::new("secmon.heartbeat", "heartbeat", now));
        }
        if let Some(seen) = self.directory_seen(now)? {
            step.announce.push(seen);
            step.checkpoint = When::Always;
        }
        let news = self.stream.size() > self.checkpoint_size;
        let urgent = self.urgent && waited >= CHECKPOINT_PAUSE;
        if waited >= MINUTE || (news && (urgent || waited >= CHECKPOINT_AFTER)) {
            step.checkpoint = When::Always;
        }
        if self.rotates(step.checkpoint, now) {
            step.rotate = self.rotation(now);
        }
        step.tick = now - self.tick_at >= MINUTE;
        if step.checkpoint == When::Always || step.tick {
            self.run(step, now)?;
        }
        Ok(())
    }

    /// Ends in order: what is pending is committed, a checkpoint covers the last record, the memory of
    /// rules is saved.
    pub fn close(mut self, now: DateTime<Utc>) -> Result<()> {
        self.flush()?;
        self.snapshot_at = DateTime::<Utc>::MIN_UTC;
        if self.stream.size() > self.checkpoint_size
            || self.monitor.logged() > unsigned(self.stream.logged)
        {
            self.run(Step { checkpoint: When::Always, ..Step::default() }, now)?;
        }
        self.give_lease_back();
        Ok(())
    }

    /// Takes rules into use, and says so in a record (`secmon.rules`): rules that stay as they are keep their
    /// memory. Events that were prepared with other rules are matched again when they come.
    pub fn set_rules(&mut self, ruleset: Ruleset, now: DateTime<Utc>) -> Result<()> {
        // Whatever becomes of what is pending: it is sealed.
        self.monitor.set_rules(ruleset);
        self.rules_changed = true;
        self.rules_said = false;
        self.snapshot_at = DateTime::<Utc>::MIN_UTC;
        self.flush()?;
        let announce = self.rules_announcement(now).into_iter().collect();
        self.run(Step { announce, ..Step::default() }, now)
    }

    /// How many groups the memory of rules has forgotten to stay within its budgets.
    pub fn evicted(&mut self) -> u64 {
        self.monitor.evicted()
    }

    /// Keeps records for other times from now on.
    pub fn set_retention(&mut self, retention: Retention) {
        self.monitor.set_retention(retention);
    }

    /// The id of the stream, 32 hexadecimal digits.
    pub fn stream(&self) -> String {
        self.stream.id()
    }

    /// The row of the stream.
    pub fn stream_row(&self) -> &StreamRow {
        &self.stream
    }

    /// The secrets of a stream that began with this writer, once: K_0 is for the auditor.
    pub fn take_begun(&mut self) -> Option<StreamKeys> {
        self.begun.take()
    }

    /// What the operator should be told, once.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The store that it writes to.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Lets the signing key rotate with the next checkpoint; it does so once a day by itself, and when a
    /// stream is resumed.
    pub fn rotate_key(&mut self) {
        self.rotated_at = DateTime::<Utc>::MIN_UTC;
    }

    /// Whether another signing key is due with a checkpoint.
    pub(crate) fn rotates(&self, checkpoint: When, now: DateTime<Utc>) -> bool {
        checkpoint == When::Always && now - self.rotated_at >= ROTATE_AFTER
    }

    /// The secret of the next signing key, in the key file already: were it named in a
    /// record first, a crash could lose it.
    pub(crate) fn rotation(&mut self, now: DateTime<Utc>) -> Option<Zeroizing<[u8; 32]>> {
        let secret = random().map(Zeroizing::new);
        let kept = secret.and_then(|secret| {
            self.keys.write(&self.monitor.key_file().with_pending(&secret))?;
            Ok(secret)
        });
        hit("rotation.pending");
        match kept {
            Ok(secret) => {
                self.rotated_at = now;
                Some(secret)
            }
            Err(error) => {
                self.warnings.push(format!("the signing key could not be rotated: {error}"));
                None
            }
        }
    }

    pub(crate) fn rules_announcement(&mut self, now: DateTime<Utc>) -> Option<Announcement> {
        let said = std::mem::replace(&mut self.rules_said, true);
        (!said).then(|| self.monitor.rules_announcement(now))
    }

    pub(crate) fn run(&mut self, step: Step, now: DateTime<Utc>) -> Result<()> {
        let batch = self.seal(step, now)?;
        self.send(batch, Beside::default(), now)
    }

    pub(crate) fn seal(&mut self, step: Step, now: DateTime<Utc>) -> Result<Ready> {
        self.note_tick(&step, now);
        let batch = self.monitor.step(step, now, random()?);
        let (no, vault) = (self.stream.stream_no, self.vault.as_ref());
        let ready = Ready::of(batch, no, &mut self.tiles, vault);
        if ready.is_err() {
            self.broken = Some(SEALED_AND_LOST);
        }
        ready
    }

    /// With a checkpoint rules are told the time too.
    pub(crate) fn note_tick(&mut self, step: &Step, now: DateTime<Utc>) {
        if step.tick || step.checkpoint == When::Always {
            self.tick_at = now;
        }
    }

    pub(crate) fn send(&mut self, batch: Ready, beside: Beside, now: DateTime<Utc>) -> Result<()> {
        self.put(batch, beside, now)?;
        self.flush()
    }

    /// Lets a sealed batch wait for being stored: it is not given up any more.
    pub(crate) fn put(&mut self, ready: Ready, beside: Beside, now: DateTime<Utc>) -> Result<()> {
        let batch = &ready.batch;
        let Beside { answers, receipts, positions, taken } = beside;
        let from = (self.stream.size, self.stream.mac_epoch);
        self.stream.set_head(&batch.head, batch.logged);
        let erased_of = std::mem::take(&mut self.erased_of);
        let due = now - self.snapshot_at >= MINUTE;
        if due {
            self.snapshot_at = now;
        }
        let whole = due && std::mem::take(&mut self.rules_changed);
        let snapshot = match (due, whole) {
            (false, _) => None,
            (true, false) => Some(self.monitor.take_dirty()?),
            (true, true) => Some(self.monitor.save_all()?),
        };
        let log = self.log(batch, taken, snapshot.is_some());
        let stream = self.stream.clone();
        let keys = batch.checkpoint.is_some().then(|| self.monitor.key_file());
        if keys.is_some() {
            self.checkpoint_at = now;
            self.checkpoint_size = self.stream.size();
            self.urgent = false;
        }
        self.pending.push_back(Pending {
            answers,
            keys,
            ready,
            from,
            stream,
            erased_of,
            receipts,
            positions,
            log,
            snapshot,
            whole,
            now,
        });
        Ok(())
    }
}

pub(crate) fn busy(reason: &str) -> Error {
    Error::Busy { reason: reason.into() }
}
