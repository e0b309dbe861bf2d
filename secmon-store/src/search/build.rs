//! Filters are made behind the append, of blocks that are full: they never change.

use std::collections::HashSet;

use diesel::prelude::*;

use super::{BLOCK, BlockRow, filter, portion, words};
use crate::connection::{Db, on};
use crate::schema::search_blocks;
use crate::streams::StreamRow;
use crate::{Result, Store};

impl Store {
    /// Makes the next filter for text search, if one is missing: of a block of 4,096 records that is full. Says
    /// whether one was. Call it now and then, from one place: without, text search looks at every record.
    pub fn index_text(&self) -> Result<bool> {
        for stream in self.streams()? {
            if let Some(block) = self.read(|db| missing(db, &stream))? {
                self.read(|db| {
                    let row = make(db, stream.stream_no, block)?;
                    // Where another process has made it, or another of its number, the next call sees it.
                    on!(db, c => diesel::insert_or_ignore_into(search_blocks::table).values(&row).execute(c))?;
                    Ok(())
                })?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The number of the filter that was made last.
pub(super) fn made(db: &mut Db) -> Result<i64> {
    let last = search_blocks::table.select(diesel::dsl::max(search_blocks::made));
    let last: Option<i64> = on!(db, c => last.first(c))?;
    Ok(last.unwrap_or(0))
}

/// The first full block of a stream behind those that have a filter.
fn missing(db: &mut Db, stream: &StreamRow) -> Result<Option<i64>> {
    let own = search_blocks::table.filter(search_blocks::stream_no.eq(stream.stream_no));
    let last = own.select(diesel::dsl::max(search_blocks::block));
    let last: Option<i64> = on!(db, c => last.first(c))?;
    let block = last.map_or(stream.pruned_to / BLOCK, |last| last + 1);
    Ok(((block + 1) * BLOCK <= stream.size).then_some(block))
}

/// The filter of a block: the words of its events as they are sealed, so that none of a personal value is among them.
fn make(db: &mut Db, stream_no: i64, block: i64) -> Result<BlockRow> {
    let mut found = HashSet::new();
    let (mut min_ts, mut max_ts) = (i64::MAX, i64::MIN);
    let (mut from, end) = (block * BLOCK, (block + 1) * BLOCK);
    while from < end {
        let rows = portion(db, stream_no, from, end)?;
        let Some(last) = rows.last() else { break };
        from = last.seq + 1;
        for row in rows {
            (min_ts, max_ts) = (min_ts.min(row.ts), max_ts.max(row.ts));
            words::of_body(&row.body, |word| {
                if !found.contains(word) {
                    found.insert(word.to_owned());
                }
            });
        }
    }
    let made = made(db)? + 1;
    Ok(BlockRow { stream_no, block, min_ts, max_ts, made, words: filter::of(&found) })
}

/// Forgets filters below a block, whose records are gone.
pub(crate) fn forget(db: &mut Db, stream_no: i64, below: i64) -> Result<()> {
    let own = search_blocks::stream_no.eq(stream_no);
    let gone = own.and(search_blocks::block.lt(below / BLOCK));
    on!(db, c => diesel::delete(search_blocks::table.filter(gone)).execute(c))?;
    Ok(())
}
