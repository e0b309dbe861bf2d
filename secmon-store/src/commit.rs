//! One batch, one transaction.

use chrono::{DateTime, Utc};
use secmon_core::{Batch, RuleState};

use crate::connection::Db;
use crate::inputs::Position;
use crate::receipts::RequestKey;
use crate::records::{Row, TILE, TileRow};
use crate::rollups::Known;
use crate::streams::StreamRow;
use crate::{
    Result, hosts, incidents, inputs, receipts, records, rollups, signals, signed, streams,
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
    pub(crate) receipts: Vec<(RequestKey, (i64, i64))>,
    pub(crate) positions: Vec<Position>,
    /// The memory of rules behind the batch, when a snapshot is due.
    pub(crate) snapshot: Option<Vec<RuleState>>,
    pub(crate) now: DateTime<Utc>,
}

impl Pending {
    /// Commits everything or nothing.
    pub(crate) fn commit(&self, db: &mut Db, known: &mut Known) -> Result<()> {
        let Self { batch, stream, rows, now, .. } = self;
        let no = stream.stream_no;
        let answer = db.transaction(|db| {
            streams::advance(db, stream, self.from)?;
            records::insert(db, rows)?;
            records::put_tiles(db, &self.tiles)?;
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
                signals::snapshot(db, no, batch.logged, states, true)?;
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

/// The leaf hashes of the tile that is not full yet.
#[derive(Debug)]
pub(crate) struct Leaves {
    idx: i64,
    hashes: Vec<u8>,
}

impl Leaves {
    /// Of a stream of this size.
    pub(crate) fn resume(db: &mut Db, stream: &StreamRow) -> Result<Self> {
        let idx = signed(stream.size() / TILE);
        let mut hashes = records::tile(db, stream.stream_no, idx)?.unwrap_or_default();
        hashes.truncate(usize::try_from(stream.size() % TILE).unwrap_or(0) * 32);
        Ok(Self { idx, hashes })
    }

    /// Adds the leaves of a batch; gives the tiles that changed.
    pub(crate) fn push(&mut self, stream_no: i64, batch: &Batch) -> Vec<TileRow> {
        const FULL: usize = 256 * 32;
        let mut rows = Vec::new();
        for record in &batch.records {
            self.hashes.extend(record.leaf);
            if self.hashes.len() == FULL {
                let hashes = std::mem::replace(&mut self.hashes, Vec::with_capacity(FULL));
                rows.push(TileRow { stream_no, level: 0, idx: self.idx, hashes });
                self.idx += 1;
            }
        }
        if !batch.records.is_empty() && !self.hashes.is_empty() {
            rows.push(TileRow { stream_no, level: 0, idx: self.idx, hashes: self.hashes.clone() });
        }
        rows
    }
}
