//! Who counts: on a database that services share, one of them for all. Everybody else stores what its rules were
//! told; whoever has the lease takes that from the table, counts it, and commits what it found, its log and the lease
//! in one transaction. If it dies, another goes on from its snapshot and its log.

mod log;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use secmon_core::{Batch, Step, When};

pub(crate) use self::log::Log;
use self::log::Row;
use crate::connection::{Db, on};
use crate::directory::DIRECTORY;
use crate::leases::{self, Lease};
use crate::schema::{rule_states, signals as told, uncounted};
use crate::streams::StreamRow;
use crate::writer::{Beside, CHECKPOINT_PAUSE};
use crate::{Error, Result, Writer, signals, streams, unsigned};

/// The number under which the log and the memory of whoever counts for all stand.
const ALL: i64 = 0;
/// How often the lease is renewed (it is good for three times that), or asked for.
const RENEW: Duration = Duration::from_micros(leases::TTL.unsigned_abs() / 3);
const ASK: Duration = Duration::from_secs(1);
/// ... by a service that could not read what was counted so far.
const UNABLE: Duration = Duration::from_mins(1);
/// How often what another got in the way of is tried.
const TRIES: usize = 20;
/// What one batch takes: so many rows, of which only the first may have more bytes; and how many batches in a row.
const MOST_ROWS: i64 = 64;
const MOST_BYTES: usize = 1 << 20;
const MOST_ROUNDS: usize = 16;

/// How a writer counts.
#[derive(Debug)]
pub(crate) enum Counting {
    /// Its own stream.
    Own,
    /// Its own stream, and what others have left in a store that was moved here from a shared database.
    Heir,
    /// Not at all: it hands over what its rules were told.
    Other {
        /// Whether it may count for all; and when it asked last.
        stands: bool,
        asked: Option<Instant>,
    },
    /// All streams.
    All { lease: Lease, renewed: Instant },
}

/// A stream of a file with what somebody has counted for all on the database that the store was moved from: its writer
/// goes on with that.
pub(crate) fn inherit(db: &mut Db, mut stream: StreamRow) -> Result<StreamRow> {
    if db.is_shared() || stream.label == DIRECTORY {
        return Ok(stream);
    }
    let Some(logged) = leases::logged(db)? else { return Ok(stream) };
    stream.logged = stream.logged.max(logged);
    db.transaction(|db| {
        hand(db, ALL, stream.stream_no)?;
        streams::set_logged(db, &stream)
    })?;
    Ok(stream)
}

/// Hands the memory of rules, and the log behind it, from one stream to another that has none.
fn hand(db: &mut Db, from: i64, to: i64) -> Result<()> {
    let states = rule_states::table.filter(rule_states::stream_no.eq(from));
    let log = told::table.filter(told::stream_no.eq(from));
    if on!(db, c => log.count().get_result::<i64>(c))? > 0
        || on!(db, c => states.count().get_result::<i64>(c))? > 0
    {
        forget(db, to)?;
    }
    on!(db, c => diesel::update(states).set(rule_states::stream_no.eq(to)).execute(c))?;
    on!(db, c => diesel::update(log).set(told::stream_no.eq(to)).execute(c))?;
    Ok(())
}

/// Forgets what was counted for all.
pub(crate) fn forget_all(db: &mut Db) -> Result<()> {
    forget(db, ALL)
}

/// Forgets the memory of rules and the log behind it.
fn forget(db: &mut Db, stream_no: i64) -> Result<()> {
    let states = rule_states::table.filter(rule_states::stream_no.eq(stream_no));
    on!(db, c => diesel::delete(states).execute(c))?;
    let log = told::table.filter(told::stream_no.eq(stream_no));
    on!(db, c => diesel::delete(log).execute(c))?;
    Ok(())
}

/// Tries again what others got in the way of.
fn retried<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..TRIES {
        match work() {
            Err(Error::Busy { .. }) => std::thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
    work()
}

impl Writer {
    /// Lets this writer count for all streams of a database that services share, whenever nobody else does. Every
    /// writer of the database hands over what its rules are told from when it is opened next. A file of SQLite is not
    /// shared: nothing changes.
    ///
    /// # Errors
    /// [`Error::Busy`] may pass.
    pub fn share_counting(&mut self) -> Result<()> {
        if !self.db.is_shared() {
            return Ok(());
        }
        self.flush()?;
        let db = &mut self.db;
        retried(|| db.transaction(leases::make))?;
        self.join()?;
        self.counting = Counting::Other { stands: true, asked: None };
        match self.keep_lease() {
            // It asks again soon.
            Err(Error::Busy { .. }) => Ok(()),
            done => done,
        }
    }

    /// Whether this writer counts for all streams, or for its own alone; else another does.
    pub fn counts(&self) -> bool {
        !matches!(self.counting, Counting::Other { .. })
    }

    /// Stops counting for itself where somebody counts for all. What it has counted so far is known; the first of all
    /// to stop hands that on.
    pub(crate) fn join(&mut self) -> Result<()> {
        if leases::logged(&mut self.db)?.is_none() {
            return Ok(());
        }
        if !self.db.is_shared() {
            if self.stream.label != DIRECTORY {
                self.counting = Counting::Heir;
            }
            return Ok(());
        }
        let (no, logged) = (self.stream.stream_no, self.stream.logged);
        let states = self.monitor.hand_over(no)?;
        let db = &mut self.db;
        let forgotten = retried(|| {
            db.transaction(|db| {
                let own = rule_states::table.filter(rule_states::stream_no.eq(no));
                let known: i64 = on!(db, c => own.count().get_result(c))?;
                let first = logged > 0 && leases::begin(db, logged)?;
                if first {
                    signals::snapshot(db, ALL, unsigned(logged), &states, true)?;
                }
                forget(db, no)?;
                Ok(known > 0 && !first)
            })
        })?;
        if forgotten {
            self.warnings.push(
                "what this service has counted by itself is forgotten, as another counts for all by now; what was \
                 open stays open"
                    .into(),
            );
        }
        self.counting = Counting::Other { stands: false, asked: None };
        Ok(())
    }

    /// Asks for the lease, or renews it.
    pub(crate) fn keep_lease(&mut self) -> Result<()> {
        match &mut self.counting {
            Counting::Other { stands: true, asked }
                if asked.is_none_or(|asked| asked.elapsed() >= ASK) =>
            {
                *asked = Some(Instant::now());
                if let Some(lease) = leases::take(&mut self.db, &self.stream.origin)? {
                    self.count_all(lease)?;
                }
            }
            Counting::All { lease, renewed } if renewed.elapsed() >= RENEW => {
                *renewed = Instant::now();
                if !leases::renew(&mut self.db, lease, leases::TTL)? {
                    self.step_down();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts no more: another does.
    fn step_down(&mut self) {
        self.warnings.push("another service counts for all streams by now".into());
        self.monitor.count_none();
        self.counting = Counting::Other { stands: true, asked: Some(Instant::now()) };
    }

    /// Keeps the lease while something is done between two batches that may take long.
    pub(crate) fn keep_lease_long(&mut self) -> Result<()> {
        if let Counting::All { lease, .. } = &self.counting
            && !leases::renew(&mut self.db, lease, leases::LONG)?
        {
            self.step_down();
        }
        Ok(())
    }

    /// Goes on where whoever had the lease before stopped.
    fn count_all(&mut self, lease: Lease) -> Result<()> {
        let origins = self.origins()?;
        self.monitor.count_all(self.stream.stream_no, origins);
        if let Err(error) = signals::resume(&mut self.db, ALL, &mut self.monitor) {
            self.monitor.count_none();
            leases::release(&mut self.db, &lease)?;
            if matches!(error, Error::Busy { .. }) {
                return Err(error);
            }
            // Another may be able to; what this one is told goes there.
            self.warnings.push(format!("this service cannot count for all: {error}"));
            let asked = Some(Instant::now() + UNABLE);
            self.counting = Counting::Other { stands: true, asked };
            return Ok(());
        }
        if !leases::renew(&mut self.db, &lease, leases::LONG)? {
            self.step_down();
            return Ok(());
        }
        self.counting = Counting::All { lease, renewed: Instant::now() };
        // Its rules are perhaps not those of the one before.
        self.rules_changed = true;
        self.snapshot_at = DateTime::<Utc>::MIN_UTC;
        Ok(())
    }

    /// Lets another have the lease at once.
    pub(crate) fn give_lease_back(&mut self) {
        if let Counting::All { lease, .. } = &self.counting {
            // Else it runs out by itself.
            let _ = leases::release(&mut self.db, lease);
        }
    }

    /// Where what the rules were told in a batch goes.
    pub(crate) fn log(&mut self, batch: &Batch, taken: Vec<(i64, i64)>, snapshot: bool) -> Log {
        match &mut self.counting {
            Counting::Own | Counting::Heir => Log::Own(taken),
            Counting::Other { .. } => Log::Other,
            Counting::All { .. } if batch.signals.is_empty() && taken.is_empty() && !snapshot => {
                Log::None
            }
            Counting::All { lease, renewed } => {
                lease.logged += 1;
                *renewed = Instant::now();
                Log::All(lease.clone(), taken)
            }
        }
    }

    /// Counts what the rules of others were told, if that is for this writer to do.
    pub(crate) fn count_others(&mut self, now: DateTime<Utc>) -> Result<()> {
        if !matches!(self.counting, Counting::All { .. } | Counting::Heir) {
            return Ok(());
        }
        for _ in 0..MOST_ROUNDS {
            let rows = self.uncounted()?;
            if rows.is_empty() {
                if matches!(self.counting, Counting::Heir) {
                    self.db.transaction(|db| {
                        leases::forget(db)?;
                        forget_all(db)
                    })?;
                    self.counting = Counting::Own;
                }
                return Ok(());
            }
            self.know(&rows)?;
            let taken = rows.iter().map(|row| (row.stream_no, row.no)).collect();
            let own = self.stream.stream_no;
            let heir = matches!(self.counting, Counting::Heir);
            let number = |no| if heir && no == own { 0 } else { no };
            let mut others = Vec::with_capacity(rows.len());
            for row in &rows {
                match signals::read(&row.log, row.no) {
                    Ok(log) => others.push((number(row.stream_no), log)),
                    // It would keep all others waiting for ever.
                    Err(error) => self.warnings.push(format!(
                        "what stream {} was told is not counted: {error}",
                        row.stream_no
                    )),
                }
            }
            let pausing = now - self.checkpoint_at < CHECKPOINT_PAUSE;
            let checkpoint = if pausing { When::Never } else { When::OnHighIncident };
            let ready = self.seal(Step { others, checkpoint, ..Step::default() }, now)?;
            self.urgent |= pausing && ready.batch.has_high_incident();
            self.tell_unknown(&ready.batch);
            self.send(ready, Beside { taken, ..Beside::default() }, now)?;
        }
        Ok(())
    }

    /// What waits to be counted, as much as one batch takes.
    fn uncounted(&mut self) -> Result<Vec<Row>> {
        let waiting = uncounted::table.order((uncounted::at, uncounted::stream_no, uncounted::no));
        let waiting = waiting.limit(MOST_ROWS);
        let mut rows: Vec<Row> = on!(&mut self.db, c => waiting.select(Row::as_select()).load(c))?;
        let mut bytes = 0;
        let fit = rows.iter().take_while(|row| {
            bytes += row.log.len();
            bytes <= MOST_BYTES
        });
        let fit = fit.count().max(1);
        rows.truncate(fit);
        Ok(rows)
    }

    /// Learns of streams that began meanwhile.
    fn know(&mut self, rows: &[Row]) -> Result<()> {
        if rows.iter().any(|row| !self.monitor.knows(row.stream_no)) {
            let origins = self.origins()?;
            self.monitor.know(origins);
        }
        Ok(())
    }

    fn origins(&mut self) -> Result<BTreeMap<i64, String>> {
        let all = streams::all(&mut self.db)?.into_iter();
        Ok(all.map(|row| (row.stream_no, row.origin)).collect())
    }

    /// Tells, once each, of rules that others have and the one that counts has not.
    fn tell_unknown(&mut self, batch: &Batch) {
        for rule in &batch.unknown {
            if self.unknown.insert(rule.clone()) {
                self.warnings.push(format!(
                    "what rule `{rule}` of another service found is not counted: this one, which counts for all, has \
                     no such rule; give all services the same rules"
                ));
            }
        }
    }
}
