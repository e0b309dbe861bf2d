//! Evidence that is held: records that stay beyond their day of expiry, as the log announces.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use secmon_core::seal::{Claim, Retention};
use secmon_core::{Announcement, Step, When};

use crate::connection::{Db, on};
use crate::schema::{holds, records};
use crate::{Error, Result, Writer, sealed, signed};

/// Records that one announcement names: as many as fit its body.
const MOST_NAMED: usize = 4_000;

/// What is held of an incident's evidence.
#[derive(Clone, Debug)]
pub struct Held {
    /// How many records.
    pub records: usize,
    /// The ids of other streams in which the rest lies: their writers must hold it.
    pub elsewhere: Vec<String>,
}

impl Writer {
    /// Keeps records of this stream beyond their day: until another day, or for ever. The hold is sealed, and
    /// stored together with the new days. A day that is earlier than that of a record changes nothing for it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when a record is no event, not there, or about to expire; nothing is held then.
    pub fn hold(
        &mut self,
        seqs: &[u64],
        until: Option<NaiveDate>,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        self.flush()?;
        let epoch = NaiveDate::default();
        let until =
            until.map_or(Retention::NEVER, |day| day.signed_duration_since(epoch).num_days());
        let seqs: BTreeSet<u64> = seqs.iter().copied().collect();
        for seq in &seqs {
            if !self.is_there(*seq, now)? {
                let what = format!("an event to hold at record {seq} of `{}`", self.stream.origin);
                return Err(Error::NotFound { what });
            }
        }
        let seqs: Vec<u64> = seqs.into_iter().collect();
        for seqs in seqs.chunks(MOST_NAMED) {
            let claim = Claim::Held { seqs: seqs.to_vec(), until, by: by.into() };
            let announce = vec![Announcement::of(claim, "evidence_held", now)];
            self.run(Step { announce, checkpoint: When::Always, ..Step::default() }, now)?;
        }
        Ok(())
    }

    /// Keeps what is still there of an incident's evidence in this stream, as [`Writer::hold`] does.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such incident, [`Error::Query`] when all of its evidence lies in other
    /// streams.
    pub fn hold_incident(
        &mut self,
        id: &str,
        until: Option<NaiveDate>,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<Held> {
        let incident = self.store.incident(id)?;
        let own = self.stream.id();
        let (mut seqs, mut elsewhere) = (Vec::new(), BTreeSet::new());
        for (stream, seq) in incident.evidence {
            if stream != own {
                elsewhere.insert(stream);
            } else if self.is_there(seq, now)? {
                seqs.push(seq);
            }
        }
        let elsewhere: Vec<String> = elsewhere.into_iter().collect();
        if seqs.is_empty() && !elsewhere.is_empty() {
            let reason = format!(
                "the evidence of incident `{id}` lies in other streams, whose writers must hold it: {}",
                elsewhere.join(", ")
            );
            return Err(Error::Query { reason });
        }
        self.hold(&seqs, until, by, now)?;
        Ok(Held { records: seqs.len(), elsewhere })
    }

    fn is_there(&mut self, seq: u64, now: DateTime<Utc>) -> Result<bool> {
        let at = records::stream_no.eq(self.stream.stream_no).and(records::seq.eq(signed(seq)));
        let row = records::table.filter(at.and(records::category.eq("event")));
        let row = row.select((records::seq, records::expires));
        let found: Option<(i64, i64)> = on!(&mut self.db, c => row.first(c).optional())?;
        // What was announced to go can no longer be kept: somebody could take it away unseen. In partitions it may
        // stay for days behind that.
        let today = now.timestamp().div_euclid(86_400);
        Ok(found.is_some_and(|(seq, expires)| {
            !self.due.holds(seq) && (!self.db.is_shared() || expires >= today)
        }))
    }
}

/// Moves the days of records that a batch announces to be held, in its transaction.
pub(crate) fn apply(db: &mut Db, stream_no: i64, claims: &[(u64, Claim)]) -> Result<()> {
    for (seq, claim) in claims {
        let Claim::Held { seqs, until, .. } = claim else { continue };
        let seqs: Vec<i64> = seqs.iter().copied().map(signed).collect();
        for held in &seqs {
            let row = (
                holds::stream_no.eq(stream_no),
                holds::held.eq(held),
                holds::seq.eq(signed(*seq)),
                holds::day.eq(until),
            );
            on!(db, c => diesel::insert_into(holds::table).values(row).execute(c))?;
        }
        sealed::hold(db, stream_no, &seqs, *until)?;
    }
    Ok(())
}

/// The day until which each of these records is held at the most; those that never were are left out.
pub(crate) fn days(db: &mut Db, stream_no: i64, seqs: &[i64]) -> Result<BTreeMap<i64, i64>> {
    let own = holds::stream_no.eq(stream_no).and(holds::held.eq_any(seqs));
    // The last of one record stays.
    let query = holds::table.filter(own).order(holds::day).select((holds::held, holds::day));
    let rows: Vec<(i64, i64)> = on!(db, c => query.load(c))?;
    Ok(rows.into_iter().collect())
}

/// The records that announce holds in a stream: stream and index.
pub(crate) fn announcing(db: &mut Db, stream_no: i64) -> Result<Vec<(i64, i64)>> {
    let own = holds::table.filter(holds::stream_no.eq(stream_no));
    let places = own.order(holds::seq).select((holds::stream_no, holds::seq)).distinct();
    Ok(on!(db, c => places.load(c))?)
}
