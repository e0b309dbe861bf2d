//! What is removed, and that it was announced: records whose day has come go, their leaves stay.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use secmon_core::seal::{BLOCK, Claim, day_of_expiry, leaf_hash};
use secmon_core::{Announcement, Step, When};

use crate::connection::{Db, on};
use crate::failpoint::hit;
use crate::schema::{records, removals};
use crate::tiles::Leaves;
use crate::{Error, Result, Writer, holds, sealed, signed, unsigned};

/// Records deleted in one transaction, so that no batch waits long.
const MOST: usize = 1_000;
/// Records announced at once: an announcement takes 11 kB, whatever it holds.
const MOST_ANNOUNCED: i64 = 65_536;
/// Blocks that are announced at once: what is left comes with the next call.
const MOST_BLOCKS: usize = 16;

/// Records whose removal was announced, and that are still there: a crash forgets them, and they are
/// announced once more.
#[derive(Debug, Default)]
pub(crate) struct Due {
    pub(crate) day: i64,
    pub(crate) seqs: Vec<i64>,
    /// Where to look on for events of the same day.
    pub(crate) next: i64,
    /// When partitions were made ahead.
    pub(crate) made_at: Option<DateTime<Utc>>,
    /// The day before which all were announced, in partitions.
    pub(crate) marked: i64,
    /// The day before which this stream has deleted its own, in partitions that others keep.
    pub(crate) deleted: i64,
    /// Whether what is due is deleted, or goes with its partition.
    pub(crate) deletes: bool,
}

impl Due {
    /// Whether a record is about to go.
    pub(crate) fn holds(&self, seq: i64) -> bool {
        self.seqs.contains(&seq)
    }
}

/// Notes where a batch announces removals.
pub(crate) fn insert(db: &mut Db, stream_no: i64, claims: &[(u64, Claim)]) -> Result<()> {
    for (seq, claim) in claims {
        if let Claim::Gone { block, .. } = claim {
            let row = (
                removals::stream_no.eq(stream_no),
                removals::block.eq(signed(*block)),
                removals::seq.eq(signed(*seq)),
            );
            on!(db, c => diesel::insert_into(removals::table).values(row).execute(c))?;
        }
    }
    Ok(())
}

/// The records that announce removals of a block, with their bodies as they lie there.
pub(crate) fn of_block(db: &mut Db, stream_no: i64, block: u64) -> Result<Vec<(u64, Vec<u8>)>> {
    let own = removals::stream_no.eq(stream_no).and(removals::block.eq(signed(block)));
    let seqs = removals::table.filter(own).order(removals::seq).select(removals::seq);
    let seqs: Vec<i64> = on!(db, c => seqs.load(c))?;
    let mut bodies = Vec::new();
    for seq in seqs {
        let at = records::stream_no.eq(stream_no).and(records::seq.eq(seq));
        let body = diesel::dsl::sql::<diesel::sql_types::Binary>(&db.raw("body"));
        let query = records::table.filter(at).select(body);
        let body: Option<Vec<u8>> = on!(db, c => query.first(c).optional())?;
        bodies.push((unsigned(seq), body.unwrap_or_default()));
    }
    Ok(bodies)
}

impl Writer {
    /// Removes records whose day is before this one: seals what goes, commits that, and only then deletes
    /// it, a thousand records at most in one call. Says how many went; call it again while that is not 0.
    ///
    /// Records that no checkpoint covers yet stay, and so does what the writer itself sealed.
    ///
    /// # Errors
    /// Nothing goes if a column says another day than its body: [`Error::Tampered`].
    pub fn expire(&mut self, now: DateTime<Utc>) -> Result<u64> {
        self.flush()?;
        #[cfg(feature = "mysql")]
        if self.db.is_shared() {
            self.keep_lease_long()?;
            return self.expire_partition(now);
        }
        self.expire_before(now.timestamp().div_euclid(86_400), true, now)
    }

    /// Lets events go whose day is before this one, or says that they may; how many those were.
    pub(crate) fn expire_before(
        &mut self,
        day: i64,
        deletes: bool,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        if (self.due.day, self.due.deletes) != (day, deletes) {
            let Due { made_at, marked, deleted, .. } = self.due;
            self.due = Due { day, made_at, marked, deleted, deletes, ..Due::default() };
        }
        if self.due.seqs.is_empty() {
            self.announce_due(now)?;
        }
        let from = self.due.seqs.len().saturating_sub(MOST);
        let seqs = self.due.seqs.get(from..).unwrap_or_default();
        if seqs.is_empty() {
            return Ok(0);
        }
        let no = self.stream.stream_no;
        self.db.transaction(|db| {
            crate::prune::keep_macs(db, no, seqs)?;
            if !deletes {
                return Ok(());
            }
            // The trigger lets nothing go whose day has not come.
            sealed::delete_records(db, no, seqs, day, 0)?;
            crate::erase::forget_records(db, no, seqs)
        })?;
        hit("expire.deleted");
        let gone = seqs.len() as u64;
        self.due.seqs.truncate(from);
        Ok(gone)
    }

    /// Seals and commits what is to go next.
    fn announce_due(&mut self, now: DateTime<Utc>) -> Result<()> {
        let day = self.due.day;
        let (no, covered) = (self.stream.stream_no, signed(self.checkpoint_size));
        let due = records::stream_no
            .eq(no)
            .and(records::seq.ge(self.due.next).and(records::seq.lt(covered)))
            .and(records::category.eq("event").and(records::expires.lt(day)));
        let query = records::table.filter(due).limit(MOST_ANNOUNCED).select(records::seq);
        let mut seqs: Vec<i64> = match &mut self.db {
            // By the index of what expires.
            Db::Sqlite(c) => query.order(records::expires).load(&mut **c)?,
            // By the key, in the partitions that are due.
            #[cfg(feature = "mysql")]
            Db::Mysql(c) => query.order(records::seq).load(&mut **c)?,
        };
        if seqs.is_empty() {
            return Ok(());
        }
        seqs.sort_unstable();
        let mut numbers: Vec<u64> = seqs.iter().map(|seq| unsigned(*seq) / BLOCK).collect();
        numbers.dedup();
        if let Some(behind) = numbers.get(MOST_BLOCKS) {
            seqs.retain(|seq| unsigned(*seq) / BLOCK < *behind);
        }
        // The last in the list go first.
        seqs.reverse();
        let mut blocks: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for seqs in seqs.chunks(MOST) {
            self.check_days(seqs, day)?;
            for seq in seqs {
                let (block, at) = (unsigned(*seq) / BLOCK, unsigned(*seq) % BLOCK);
                let bits = blocks.entry(block).or_insert_with(|| vec![0; 8_192]);
                if let Some(byte) = usize::try_from(at / 8).ok().and_then(|at| bits.get_mut(at)) {
                    *byte |= 1 << (at % 8);
                }
            }
        }
        let policy = format!("kept until the day {day} since 1970");
        let announce = |(block, gone)| {
            let claim = Claim::Gone { block, gone, policy: policy.clone(), by: "secmon".into() };
            Announcement::of(claim, "records_expired", now)
        };
        let announce = blocks.into_iter().map(announce).collect();
        self.run(Step { announce, checkpoint: When::Always, ..Step::default() }, now)?;
        hit("expire.announced");
        if self.db.is_shared() {
            self.due.next = seqs.first().map_or(0, |last| last + 1);
        }
        self.due.seqs = seqs;
        Ok(())
    }

    /// Compares the days of records with those in their bodies: nothing goes on the word of a column.
    fn check_days(&mut self, seqs: &[i64], day: i64) -> Result<()> {
        let held = holds::days(&mut self.db, self.stream.stream_no, seqs)?;
        // Whoever moved the day of what is held back in its column finds it still there.
        if let Some((seq, _)) = held.iter().find(|(_, until)| **until >= day) {
            return Err(Error::Tampered { seq: unsigned(*seq) });
        }
        let own = records::stream_no.eq(self.stream.stream_no).and(records::seq.eq_any(seqs));
        let query =
            records::table.filter(own).select((records::seq, records::expires, records::body));
        let rows: Vec<(i64, i64, Vec<u8>)> = on!(&mut self.db, c => query.load(c))?;
        let mut leaves = Leaves::default();
        for (seq, expires, body) in rows {
            let leaf = leaves.get(&mut self.db, self.stream.stream_no, seq)?;
            // Of a body that is not the one that was sealed nothing may be left but its place.
            let is_sealed = leaf.is_some_and(|leaf| leaf == leaf_hash(&body));
            let held = held.get(&seq);
            let day = day_of_expiry(&body).map(|day| held.map_or(day, |held| day.max(*held)));
            if !is_sealed || day != Some(expires) {
                return Err(Error::Tampered { seq: unsigned(seq) });
            }
        }
        Ok(())
    }
}
