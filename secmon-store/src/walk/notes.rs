//! Checkpoints and seals on the walk: each where it covers just what was walked, and none besides.

use diesel::prelude::*;
use secmon_core::seal::{Flaw, Verifier};

use super::{CHUNK, Walk};
use crate::connection::{Db, on};
use crate::schema::{checkpoints, seals};
use crate::streams::{CheckpointRow, SealRow};
use crate::{Result, signed};

impl Walk {
    /// Looks for checkpoints and seals that the walk did not meet: of epochs that have not ended, or of
    /// none at all.
    pub(crate) fn epochs(&self, db: &mut Db, verifier: &mut Verifier) -> Result<()> {
        let no = self.stream.stream_no;
        let last: Option<i64> = on!(db, c => checkpoints::table
            .filter(checkpoints::stream_no.eq(no))
            .select(diesel::dsl::max(checkpoints::epoch))
            .first(c))?;
        let seals = seals::table.filter(seals::stream_no.eq(no));
        let sealed: Option<i64> =
            on!(db, c => seals.select(diesel::dsl::max(seals::epoch)).first(c))?;
        // Read behind them: a writer that has gone on meanwhile is ahead of what was found.
        let (_, epoch) = crate::streams::size(db, no)?;
        let own = seals.filter(seals::epoch.lt(self.stream.mac_epoch)).count();
        let count: i64 = on!(db, c => own.first(c))?;
        if last.max(sealed).is_some_and(|last| last >= epoch) || count != self.stream.mac_epoch {
            let detail =
                format!("there are other checkpoints or seals than those of epochs 0 to {epoch}");
            verifier.report(Flaw::BadSeal, verifier.next_seq(), &detail);
        }
        Ok(())
    }

    /// Feeds the checkpoints that cover just what was walked.
    pub(super) fn checkpoints(&mut self, db: &mut Db, verifier: &mut Verifier) -> Result<()> {
        let size = signed(verifier.next_seq());
        if self.checkpoints.is_empty() && self.next_size <= size {
            self.read_checkpoints(db, verifier)?;
        }
        while self.checkpoints.front().is_some_and(|row| row.size <= size) {
            if let Some(row) = self.checkpoints.pop_front() {
                verifier.checkpoint(&row.checkpoint());
            }
            if self.checkpoints.is_empty() {
                self.read_checkpoints(db, verifier)?;
            }
        }
        Ok(())
    }

    /// Reads the next checkpoints, and compares them with the seals of their epochs.
    fn read_checkpoints(&mut self, db: &mut Db, verifier: &mut Verifier) -> Result<()> {
        let no = self.stream.stream_no;
        let query = checkpoints::table
            .filter(checkpoints::stream_no.eq(no).and(checkpoints::size.ge(self.next_size)))
            .filter(checkpoints::epoch.lt(self.stream.mac_epoch))
            .order(checkpoints::size)
            .limit(CHUNK);
        // The note as bytes: what is no text must be a finding, not an error.
        let columns = (
            checkpoints::size,
            checkpoints::epoch,
            checkpoints::mac,
            diesel::dsl::sql::<diesel::sql_types::Binary>(&db.raw("note")),
        );
        let rows: Vec<(i64, i64, Vec<u8>, Vec<u8>)> = on!(db, c => query.select(columns).load(c))?;
        let row = |(size, epoch, mac, note): (_, _, _, Vec<u8>)| CheckpointRow {
            stream_no: no,
            size,
            epoch,
            mac,
            note: String::from_utf8_lossy(&note).into_owned(),
            issued_at: 0,
        };
        let rows: Vec<CheckpointRow> = rows.into_iter().map(row).collect();
        self.next_size = match rows.last() {
            Some(last) if i64::try_from(rows.len()) == Ok(CHUNK) => last.size + 1,
            _ => i64::MAX,
        };
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        self.last_size = last.size;
        let query = seals::table
            .filter(seals::stream_no.eq(no).and(seals::epoch.between(first.epoch, last.epoch)))
            .order(seals::epoch);
        let seals: Vec<SealRow> = on!(db, c => query.select(SealRow::as_select()).load(c))?;
        for (at, row) in rows.iter().enumerate() {
            let seal =
                SealRow { stream_no: no, epoch: row.epoch, size: row.size, mac: row.mac.clone() };
            if seals.get(at) != Some(&seal) {
                verifier.report(
                    Flaw::BadSeal,
                    row.size(),
                    "the seal of this epoch is missing or differs",
                );
                break;
            }
        }
        self.checkpoints = rows.into();
        Ok(())
    }
}
