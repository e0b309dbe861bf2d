//! Text search: blocks of records newest first, of which a filter tells most that they need not be read. Always
//! bounded in time: a page may be short, and have a next one.

mod build;
mod filter;
mod words;

use std::time::Instant;

use diesel::prelude::*;

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
/// Filters that are read at once: of the larger ones, some megabytes.
const FILTERS: i64 = 64;

#[derive(Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = search_blocks)]
struct BlockRow {
    stream_no: i64,
    block: i64,
    size: i64,
    min_ts: i64,
    max_ts: i64,
    words: Vec<u8>,
}

/// Where a search stands: blocks without a filter come first, as of a time beyond all times; then those with one, by
/// the time of their last event.
type Place = (i64, i64, i64, Option<(i64, i64)>);
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
    let place: Option<Place> = query.page.as_deref().map(query::read_cursor).transpose()?;
    let mut search = Search {
        store,
        query,
        words,
        hashes,
        streams: store.streams()?,
        reveal: store.reveal()?,
        until: Instant::now() + LONGEST,
        rows: Vec::new(),
        place: place.unwrap_or((NO_FILTER, i64::MAX, i64::MAX, None)),
    };
    let ended = search.run()?;
    let next = (!ended).then(|| query::cursor(&search.place));
    Ok(Page { rows: search.rows, next })
}

impl Search<'_> {
    /// Looks until a page is full or the time is over; says whether all was looked at.
    fn run(&mut self) -> Result<bool> {
        if let (key, stream_no, block, Some(row)) = self.place {
            // The rest of a block.
            if !self.look(key, stream_no, block, Some(row))? {
                return Ok(false);
            }
        }
        if self.place.0 == NO_FILTER {
            for (stream_no, block) in self.without_filter()? {
                if !self.look(NO_FILTER, stream_no, block, None)? {
                    return Ok(false);
                }
            }
            self.place = (NO_FILTER - 1, i64::MAX, i64::MAX, None);
        }
        loop {
            let found = self.store.read(|db| filters(db, self.query, self.place))?;
            if found.is_empty() {
                return Ok(true);
            }
            for row in found {
                // One that has grown since was looked at first.
                if !self.covers(&row) || !filter::may_have(&row.words, &self.hashes) {
                    self.place = (row.max_ts, row.stream_no, row.block, None);
                } else if !self.look(row.max_ts, row.stream_no, row.block, None)? {
                    return Ok(false);
                }
            }
            if Instant::now() >= self.until {
                return Ok(false);
            }
        }
    }

    /// Whether a filter is of all records that its block has.
    fn covers(&self, row: &BlockRow) -> bool {
        let stream = self.streams.iter().find(|stream| stream.stream_no == row.stream_no);
        stream.is_none_or(|stream| row.size >= (stream.size - row.block * BLOCK).min(BLOCK))
    }

    /// Blocks that have no filter, or one that does not cover them, behind the place, the newest of a stream first.
    fn without_filter(&self) -> Result<Vec<(i64, i64)>> {
        let last = search_blocks::table
            .group_by(search_blocks::stream_no)
            .select((search_blocks::stream_no, diesel::dsl::max(search_blocks::block)));
        let last: Vec<(i64, Option<i64>)> =
            self.store.read(|db| Ok(on!(db, c => last.load(c))?))?;
        let mut blocks = Vec::new();
        for stream in self.streams.iter().rev() {
            let last =
                last.iter().find(|(no, _)| *no == stream.stream_no).and_then(|(_, block)| *block);
            let covered = match last {
                Some(block) => self.store.read(|db| covered(db, stream.stream_no, block))?,
                None => i64::try_from(stream.pruned_to()).unwrap_or(i64::MAX),
            };
            if covered < stream.size {
                let blocks_of = covered / BLOCK..=(stream.size - 1) / BLOCK;
                blocks.extend(blocks_of.rev().map(|block| (stream.stream_no, block)));
            }
        }
        let (_, stream_no, block, _) = self.place;
        blocks.retain(|one| *one < (stream_no, block));
        Ok(blocks)
    }

    /// Looks at a block, behind a row of it; false once the page is full or the time is over.
    fn look(
        &mut self,
        key: i64,
        stream_no: i64,
        block: i64,
        behind: Option<(i64, i64)>,
    ) -> Result<bool> {
        let mut rows = self.store.read(|db| walk(db, stream_no, block * BLOCK, BLOCK))?;
        rows.retain(|row| {
            row.seq < (block + 1) * BLOCK && behind.is_none_or(|place| (row.ts, row.seq) < place)
        });
        rows.sort_by_key(|row| std::cmp::Reverse((row.ts, row.seq)));
        for row in rows {
            let place = (row.ts, row.seq);
            let Some(found) = self.found(row)? else { continue };
            self.rows.push(found);
            if self.rows.len() == self.query.limit {
                self.place = (key, stream_no, block, Some(place));
                return Ok(false);
            }
        }
        self.place = (key, stream_no, block, None);
        Ok(Instant::now() < self.until)
    }

    /// A row as lists show it, if all words stand in it and it is what else is asked for.
    fn found(&self, row: Row) -> Result<Option<RecordRow>> {
        let query = self.query;
        let in_time = query.since.is_none_or(|since| row.ts >= since.timestamp_micros())
            && query.until.is_none_or(|until| row.ts < until.timestamp_micros());
        let is_level = query.level.is_none_or(|level| row.level == level.rank())
            && query.level_min.is_none_or(|level| row.level >= level.rank());
        // As it is sealed: personal values are not searched.
        let sealed = secmon_core::event_of(&row.body);
        if !in_time || !is_level || !sealed.is_ok_and(|event| words::has_all(&event, &self.words)) {
            return Ok(None);
        }
        let values =
            self.store.read(|db| self.reveal.values(db, row.stream_no, row.seq, &row.body))?;
        let record = record(&self.streams, row, &values);
        Ok(record.filter(|record| wants(query, &record.event)))
    }
}

/// The next filters behind a place, of blocks that may have events of the time that is asked for.
fn filters(db: &mut Db, query: &RecordQuery, place: Place) -> Result<Vec<BlockRow>> {
    let (max_ts, stream_no, block, _) = place;
    on!(db, c => {
        let mut select = search_blocks::table.select(BlockRow::as_select()).into_boxed();
        if let Some(since) = query.since {
            select = select.filter(search_blocks::max_ts.ge(since.timestamp_micros()));
        }
        if let Some(until) = query.until {
            select = select.filter(search_blocks::min_ts.lt(until.timestamp_micros()));
        }
        select = select.filter(search_blocks::max_ts.le(max_ts)).filter(
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

/// Up to which record a stream has filters.
fn covered(db: &mut Db, stream_no: i64, block: i64) -> Result<i64> {
    let row = search_blocks::stream_no.eq(stream_no).and(search_blocks::block.eq(block));
    let row = search_blocks::table.filter(row).select(search_blocks::size);
    let size: Option<i64> = on!(db, c => row.first(c).optional())?;
    Ok(block * BLOCK + size.unwrap_or(0))
}
