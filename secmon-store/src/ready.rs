//! What of a batch is made ready while the one before is stored.

use std::sync::Arc;

use secmon_core::Batch;

use crate::lanes::Ahead;
use crate::records::Row;
use crate::rollups::Counts;
use crate::tiles::{Open, TileRow};
use crate::values::Values;
use crate::vault::Vault;
use crate::{Result, hosts};

/// A sealed batch, ready for the database.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The batch, its records taken out into `rows`.
    pub(crate) batch: Batch,
    pub(crate) rows: Arc<Vec<Row>>,
    pub(crate) tiles: Vec<TileRow>,
    pub(crate) values: Values,
    pub(crate) counts: Counts,
    pub(crate) hosts: Vec<hosts::Row>,
    /// The records, where they are sent before the rest.
    pub(crate) ahead: Option<Ahead>,
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
        let rows = Arc::new(rows);
        Ok(Self { batch, rows, tiles, values, counts, hosts, ahead: None })
    }
}
