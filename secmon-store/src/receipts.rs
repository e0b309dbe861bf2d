//! Receipts: what a request was answered, so that the same request is stored once.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use sha2::{Digest, Sha256};

use crate::connection::{Db, on};
use crate::schema::receipts;
use crate::{Error, Result, micros};

/// An `Idempotency-Key` with who sent it and for which body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestKey {
    pub(crate) key: [u8; 32],
    pub(crate) body: [u8; 32],
    pub(crate) part: i32,
}

impl RequestKey {
    /// What is unique.
    pub(crate) fn id(&self) -> ([u8; 32], i32) {
        (self.key, self.part)
    }

    /// The key of a sender for a body.
    pub fn new(sender: &str, key: &str, body: &[u8]) -> Self {
        let key = Sha256::new_with_prefix(sender).chain_update([0]).chain_update(key).finalize();
        Self { key: key.into(), body: Sha256::digest(body).into(), part: 0 }
    }

    /// The same for a further part of a long request.
    #[must_use]
    pub fn part(&self, part: i32) -> Self {
        Self { part, ..self.clone() }
    }
}

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = receipts, treat_none_as_default_value = false)]
struct Row {
    key: Vec<u8>,
    part: i32,
    body: Vec<u8>,
    stream_no: i64,
    first_seq: i64,
    last_seq: i64,
    at: i64,
}

/// Where the records of the request lie, if it was stored: stream number, first and last index.
pub(crate) fn find(db: &mut Db, key: &RequestKey) -> Result<Option<(i64, i64, i64)>> {
    let at = receipts::key.eq(key.key.to_vec()).and(receipts::part.eq(key.part));
    let own = receipts::table.filter(at);
    let row: Option<Row> = on!(db, c => own.select(Row::as_select()).first(c).optional())?;
    let Some(row) = row else { return Ok(None) };
    if row.body != key.body {
        return Err(Error::KeyReused);
    }
    Ok(Some((row.stream_no, row.first_seq, row.last_seq)))
}

pub(crate) fn insert(
    db: &mut Db,
    key: &RequestKey,
    stream_no: i64,
    seqs: (i64, i64),
    now: DateTime<Utc>,
) -> Result<()> {
    let row = Row {
        key: key.key.to_vec(),
        part: key.part,
        body: key.body.to_vec(),
        stream_no,
        first_seq: seqs.0,
        last_seq: seqs.1,
        at: micros(now),
    };
    on!(db, c => diesel::insert_into(receipts::table).values(&row).execute(c))?;
    Ok(())
}

/// Forgets receipts older than a day.
pub(crate) fn forget(db: &mut Db, now: DateTime<Utc>) -> Result<()> {
    let old = receipts::table.filter(receipts::at.lt(micros(now - TimeDelta::hours(24))));
    on!(db, c => diesel::delete(old).execute(c))?;
    Ok(())
}
