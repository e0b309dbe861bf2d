//! Filters are made behind the append: of blocks that are full, and of the last one of a stream that is quiet.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use secmon_core::event_of;

use super::{BLOCK, BlockRow, filter, words};
use crate::connection::{Db, on};
use crate::schema::search_blocks;
use crate::streams::StreamRow;
use crate::{Result, Store, micros, records, signed};

/// A stream is quiet when nothing came for so long.
const QUIET: TimeDelta = TimeDelta::minutes(1);

impl Store {
    /// Makes the next filter for text search, if one is missing; says whether one was. Call it now and then, from one
    /// place: without, text search looks at every record.
    pub fn index_text(&self, now: DateTime<Utc>) -> Result<bool> {
        for stream in self.streams()? {
            let Some((block, size)) = self.read(|db| missing(db, &stream, now))? else { continue };
            let row = self.read(|db| make(db, stream.stream_no, block, size))?;
            self.read(|db| put(db, &row))?;
            return Ok(true);
        }
        Ok(false)
    }
}

/// The first block of a stream that has no filter, with how many records it has.
fn missing(db: &mut Db, stream: &StreamRow, now: DateTime<Utc>) -> Result<Option<(i64, i64)>> {
    let own = search_blocks::table.filter(search_blocks::stream_no.eq(stream.stream_no));
    let last = own.order(search_blocks::block.desc());
    let last = last.select((search_blocks::block, search_blocks::size));
    let last: Option<(i64, i64)> = on!(db, c => last.first(c).optional())?;
    let (block, covered) = match last {
        Some((block, size)) if size < BLOCK => (block, size),
        Some((block, _)) => (block + 1, 0),
        None => (signed(stream.pruned_to()) / BLOCK, 0),
    };
    let size = (stream.size - block * BLOCK).min(BLOCK);
    let is_quiet = stream.last_at < micros(now - QUIET);
    Ok((size > covered && (size == BLOCK || is_quiet)).then_some((block, size)))
}

/// The filter of a block: the words of its events as they are sealed, so that none of a personal value is among them.
fn make(db: &mut Db, stream_no: i64, block: i64, size: i64) -> Result<BlockRow> {
    let mut found = HashSet::new();
    let (mut min_ts, mut max_ts) = (i64::MAX, i64::MIN);
    let from = block * BLOCK;
    for row in records::walk(db, stream_no, from, size)? {
        if row.seq >= from + size {
            continue;
        }
        (min_ts, max_ts) = (min_ts.min(row.ts), max_ts.max(row.ts));
        let Ok(event) = event_of(&row.body) else { continue };
        words::of_event(&event, |word| {
            if !found.contains(word) {
                found.insert(word.to_owned());
            }
        });
    }
    Ok(BlockRow { stream_no, block, size, min_ts, max_ts, words: filter::of(&found) })
}

fn put(db: &mut Db, row: &BlockRow) -> Result<()> {
    let own = search_blocks::stream_no.eq(row.stream_no).and(search_blocks::block.eq(row.block));
    db.transaction(|db| {
        on!(db, c => diesel::delete(search_blocks::table.filter(own)).execute(c))?;
        on!(db, c => diesel::insert_into(search_blocks::table).values(row).execute(c))?;
        Ok(())
    })
}

/// Forgets filters below a block, whose records are gone.
pub(crate) fn forget(db: &mut Db, stream_no: i64, below: i64) -> Result<()> {
    let own = search_blocks::stream_no.eq(stream_no);
    let gone = own.and(search_blocks::block.lt(below / BLOCK));
    on!(db, c => diesel::delete(search_blocks::table.filter(gone)).execute(c))?;
    Ok(())
}
