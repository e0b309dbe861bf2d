//! Text search: blocks of records newest first, of which a filter tells most that they need not be read. Always
//! bounded in time: a page may be short, and have a next one.

mod build;
mod filter;
mod words;

use std::collections::HashMap;
use std::time::Instant;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) use self::build::forget;
use self::filter::Hash;
use crate::connection::{Db, on};
use crate::records::{LONGEST, Row, record, walk, wants};
use crate::schema::search_blocks;
use crate::streams::StreamRow;
use crate::values::Reveal;
use crate::{Page, RecordQuery, RecordRow, Result, Store, query};

/// Records of a block.
const BLOCK: i64 = 4_096;
/// Records that are read at once: bodies may be long.
const ROWS: i64 = 256;
/// Filters that are read at once: of the larger ones, some megabytes.
const FILTERS: i64 = 64;

#[derive(Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = search_blocks)]
struct BlockRow {
    stream_no: i64,
    block: i64,
    min_ts: i64,
    max_ts: i64,
    made: i64,
    words: Vec<u8>,
}

/// Where a search stands.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Place {
    /// The last filter that was there when the search began: whatever is made meanwhile, each block is met once.
    made: i64,
    /// The time of the last event of the block: those without a filter come first, as of a time beyond all times.
    max_ts: i64,
    stream_no: i64,
    block: i64,
    /// The time and index of the last row of the block that was shown, if it was not looked at to its end.
    row: Option<(i64, i64)>,
}

const NO_FILTER: i64 = i64::MAX;

/// A search under way.
struct Search<'s> {
    store: &'s Store,
    query: &'s RecordQuery,
    words: Vec<String>,
    hashes: Vec<Hash>,
    streams: Vec<StreamRow>,
    reveal: Reveal,
    until: Instant,
    rows: Vec<RecordRow>,
    place: Place,
}

/// A page of records in which all words of a text stand.
pub(crate) fn records(store: &Store, query: &RecordQuery, text: &str) -> Result<Page<RecordRow>> {
    let words = words::asked(text)?;
    let hashes = words.iter().map(|word| Hash::of(word)).collect();
    let place = if let Some(page) = query.page.as_deref() {
        query::read_cursor(page)?
    } else {
        let made = store.read(build::made)?;
        Place { made, max_ts: NO_FILTER, stream_no: i64::MAX, block: i64::MAX, row: None }
    };
    let mut search = Search {
        store,
        query,
        words,
        hashes,
        streams: store.streams()?,
        reveal: store.reveal()?,
        until: Instant::now() + LONGEST,
        rows: Vec::new(),
        place,
    };
    let ended = search.run()?;
    let next = (!ended).then(|| query::cursor(&search.place));
    Ok(Page { rows: search.rows, next })
}

impl Search<'_> {
    /// Looks until a page is full or the time is over; says whether all was looked at.
    fn run(&mut self) -> Result<bool> {
        let Place { max_ts, stream_no, block, row, .. } = self.place;
        // The rest of a block.
        if row.is_some() && !self.look(max_ts, stream_no, block, row)? {
            return Ok(false);
        }
        if self.place.max_ts == NO_FILTER {
            for (stream_no, block) in self.without_filter()? {
                if !self.look(NO_FILTER, stream_no, block, None)? {
                    return Ok(false);
                }
            }
            self.stand(NO_FILTER - 1, i64::MAX, i64::MAX, None);
        }
        loop {
            let found = self.store.read(|db| filters(db, self.query, self.place))?;
            if found.is_empty() {
                return Ok(true);
            }
            for row in found {
                if !filter::may_have(&row.words, &self.hashes) {
                    self.stand(row.max_ts, row.stream_no, row.block, None);
                } else if !self.look(row.max_ts, row.stream_no, row.block, None)? {
                    return Ok(false);
                }
            }
            if Instant::now() >= self.until {
                return Ok(false);
            }
        }
    }

    fn stand(&mut self, max_ts: i64, stream_no: i64, block: i64, row: Option<(i64, i64)>) {
        self.place = Place { max_ts, stream_no, block, row, ..self.place };
    }

    /// Blocks that had no filter when the search began, behind the place, the newest of a stream first.
    fn without_filter(&self) -> Result<Vec<(i64, i64)>> {
        let known = search_blocks::table
            .filter(search_blocks::made.le(self.place.made))
            .group_by(search_blocks::stream_no)
            .select((search_blocks::stream_no, diesel::dsl::max(search_blocks::block)));
        let known: Vec<(i64, Option<i64>)> =
            self.store.read(|db| Ok(on!(db, c => known.load(c))?))?;
        let known: HashMap<i64, Option<i64>> = known.into_iter().collect();
        let mut blocks = Vec::new();
        for stream in self.streams.iter().rev().filter(|stream| stream.size > 0) {
            let first = match known.get(&stream.stream_no) {
                Some(Some(last)) => last + 1,
                _ => stream.pruned_to / BLOCK,
            };
            let last = (stream.size - 1) / BLOCK;
            blocks.extend((first..=last).rev().map(|block| (stream.stream_no, block)));
        }
        blocks.retain(|one| *one < (self.place.stream_no, self.place.block));
        Ok(blocks)
    }

    /// Looks at a block, behind a row of it; false once the page is full or the time is over.
    fn look(
        &mut self,
        max_ts: i64,
        stream_no: i64,
        block: i64,
        behind: Option<(i64, i64)>,
    ) -> Result<bool> {
        let room = self.query.limit.saturating_sub(self.rows.len());
        let mut found: Vec<((i64, i64), RecordRow)> = Vec::new();
        let (mut from, end) = (block * BLOCK, (block + 1) * BLOCK);
        while from < end {
            let rows = self.store.read(|db| portion(db, stream_no, from, end))?;
            let Some(last) = rows.last() else { break };
            from = last.seq + 1;
            for row in rows {
                let place = (row.ts, row.seq);
                if behind.is_none_or(|behind| place < behind) {
                    found.extend(self.found(row)?.map(|row| (place, row)));
                }
            }
            // Of one that is full of them no more than are shown.
            found.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
            found.truncate(room);
        }
        let is_full = found.len() == room;
        let last = found.last().map(|(place, _)| *place);
        self.rows.extend(found.into_iter().map(|(_, row)| row));
        self.stand(max_ts, stream_no, block, last.filter(|_| is_full));
        Ok(!is_full && Instant::now() < self.until)
    }

    /// A row as lists show it, if all words stand in it and it is what else is asked for.
    fn found(&self, row: Row) -> Result<Option<RecordRow>> {
        let query = self.query;
        let in_time = query.since.is_none_or(|since| row.ts >= since.timestamp_micros())
            && query.until.is_none_or(|until| row.ts < until.timestamp_micros());
        let is_level = query.level.is_none_or(|level| row.level == level.rank())
            && query.level_min.is_none_or(|level| row.level >= level.rank());
        if !in_time || !is_level || !words::may_have_all(&row.body, &self.words) {
            return Ok(None);
        }
        // As it is sealed: personal values are not searched.
        let sealed = secmon_core::event_of(&row.body);
        if !sealed.is_ok_and(|event| words::has_all(&event, &self.words)) {
            return Ok(None);
        }
        let values =
            self.store.read(|db| self.reveal.values(db, row.stream_no, row.seq, &row.body))?;
        let record = record(&self.streams, row, &values);
        Ok(record.filter(|record| wants(query, &record.event)))
    }
}

/// The next records of a block from an index on, as many as are read at once.
fn portion(db: &mut Db, stream_no: i64, from: i64, end: i64) -> Result<Vec<Row>> {
    let mut rows = walk(db, stream_no, from, ROWS.min(end - from))?;
    rows.retain(|row| row.seq < end);
    Ok(rows)
}

/// The next filters behind a place, of blocks that may have events of the time that is asked for.
fn filters(db: &mut Db, query: &RecordQuery, place: Place) -> Result<Vec<BlockRow>> {
    let Place { made, max_ts, stream_no, block, .. } = place;
    on!(db, c => {
        let mut select = search_blocks::table.select(BlockRow::as_select()).into_boxed();
        if let Some(since) = query.since {
            select = select.filter(search_blocks::max_ts.ge(since.timestamp_micros()));
        }
        if let Some(until) = query.until {
            select = select.filter(search_blocks::min_ts.lt(until.timestamp_micros()));
        }
        select = select
            .filter(search_blocks::made.le(made))
            .filter(search_blocks::max_ts.le(max_ts))
            .filter(
                search_blocks::max_ts.lt(max_ts).or(search_blocks::stream_no
                    .lt(stream_no)
                    .or(search_blocks::stream_no.eq(stream_no).and(search_blocks::block.lt(block)))),
            );
        let order = (
            search_blocks::max_ts.desc(),
            search_blocks::stream_no.desc(),
            search_blocks::block.desc(),
        );
        Ok(select.order(order).limit(FILTERS).load(c)?)
    })
}
