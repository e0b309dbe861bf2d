//! What of a batch is made ready while the one before is stored.

use secmon_core::Batch;

use crate::connection::{Db, Location};
use crate::records::Row;
use crate::rollups::Counts;
use crate::tiles::{Open, TileRow};
use crate::values::Values;
use crate::vault::Vault;
use crate::writer::busy;
use crate::{Result, hosts, records};

/// A sealed batch, ready for the database.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The batch, its records taken out into `rows`.
    pub(crate) batch: Batch,
    pub(crate) rows: Vec<Row>,
    pub(crate) tiles: Vec<TileRow>,
    pub(crate) values: Values,
    pub(crate) counts: Counts,
    pub(crate) hosts: Vec<hosts::Row>,
    /// Where a transaction has begun that has the records already.
    pub(crate) lane: Option<Db>,
}

impl Ready {
    pub(crate) fn of(
        mut batch: Batch,
        stream_no: i64,
        tiles: &mut Open,
        vault: Option<&Vault>,
    ) -> Result<Self> {
        let tiles = tiles.push(stream_no, &batch);
        let records = std::mem::take(&mut batch.records);
        let rows: Vec<Row> = records.into_iter().map(|record| Row::of(stream_no, record)).collect();
        let personal = std::mem::take(&mut batch.personal);
        let values = match vault {
            Some(vault) => Values::of(vault, stream_no, personal)?,
            None => Values::default(),
        };
        let counts = Counts::of(&rows, &batch.detections);
        let hosts = hosts::seen(stream_no, &rows, batch.head.last_at);
        Ok(Self { batch, rows, tiles, values, counts, hosts, lane: None })
    }

    /// Sends the records ahead over a connection of their own, while the batch before is committed over another. What
    /// fails is done again from the beginning when it is its turn.
    pub(crate) fn send_ahead(&mut self, lane: Option<Db>, location: &Location) {
        let send = || -> Result<Db> {
            let mut lane = location.lane(lane)?;
            lane.begin()?;
            let sent = records::insert(&mut lane, &self.rows);
            if sent.is_err() {
                lane.end(|_| sent)?;
            }
            Ok(lane)
        };
        self.lane = send().ok();
    }

    /// Takes back what was sent ahead, as the batch before is not stored.
    pub(crate) fn take_back(&mut self) {
        if let Some(mut lane) = self.lane.take() {
            let _ = lane.end(|_| Err::<(), _>(busy("the batch before is not stored")));
        }
    }
}
