//! One batch, one transaction.

use chrono::{DateTime, Utc};
use secmon_core::{Batch, RuleState};

use crate::connection::Db;
use crate::failpoint::hit;
use crate::inputs::Position;
use crate::receipts::RequestKey;
use crate::records::Row;
use crate::rollups::Known;
use crate::streams::StreamRow;
use crate::tiles::TileRow;
use crate::values::Values;
use crate::{
    Result, holds, hosts, incidents, inputs, receipts, records, removals, rollups, signals,
    streams, tiles, values,
};

/// A sealed batch on its way into the database: it is sent until it is there, always the same.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The batch, its records taken out into `rows`.
    pub(crate) batch: Batch,
    /// Size and epoch of the stream before.
    pub(crate) from: (i64, i64),
    /// The stream's row behind the batch.
    pub(crate) stream: StreamRow,
    pub(crate) rows: Vec<Row>,
    pub(crate) tiles: Vec<TileRow>,
    pub(crate) values: Values,
    /// The numbers of streams whose values the batch announces to be erased.
    pub(crate) erased_of: Vec<(String, i64)>,
    pub(crate) receipts: Vec<(RequestKey, (i64, i64))>,
    pub(crate) positions: Vec<Position>,
    /// The memory of rules behind the batch, when a snapshot is due.
    pub(crate) snapshot: Option<Vec<RuleState>>,
    /// Whether it is of all rules.
    pub(crate) whole: bool,
    pub(crate) now: DateTime<Utc>,
}

impl Pending {
    /// Commits everything or nothing.
    pub(crate) fn commit(&self, db: &mut Db, known: &mut Known) -> Result<()> {
        let Self { batch, stream, rows, now, .. } = self;
        let no = stream.stream_no;
        hit("commit.before");
        let answer = db.transaction(|db| {
            streams::advance(db, stream, self.from)?;
            records::insert(db, rows)?;
            hit("commit.records");
            tiles::put(db, &self.tiles)?;
            hit("commit.tiles");
            removals::insert(db, no, &batch.claims)?;
            holds::apply(db, no, &batch.claims)?;
            values::announce(db, stream, &batch.claims, &self.erased_of)?;
            self.values.insert(db)?;
            if let Some(checkpoint) = &batch.checkpoint {
                streams::insert_checkpoint(db, no, checkpoint, *now)?;
            }
            signals::insert(db, no, batch.logged, &batch.signals)?;
            incidents::insert_detections(db, no, &batch.detections)?;
            incidents::apply(db, no, &batch.changes, *now)?;
            rollups::count(db, known, no, rows, &batch.detections)?;
            hosts::count(db, no, rows, batch.head.last_at)?;
            for (key, seqs) in &self.receipts {
                receipts::insert(db, key, no, *seqs, *now)?;
            }
            for position in &self.positions {
                inputs::put(db, position)?;
            }
            if let Some(states) = &self.snapshot {
                signals::snapshot(db, no, batch.logged, states, self.whole)?;
                receipts::forget(db, *now)?;
            }
            Ok(())
        });
        if answer.is_err() {
            known.clear();
        }
        answer
    }
}
