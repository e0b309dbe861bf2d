//! Records: appended in batches, listed newest first.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use secmon_core::seal::MOST_COPIED;
use secmon_core::{Event, Level, Record};

use crate::connection::{Db, insert_rows, on};
#[cfg(feature = "mysql")]
use crate::connection::{Insert, Value};
use crate::schema::records;
use crate::streams::StreamRow;
use crate::values::Reveal;
use crate::{Page, RecordQuery, Result, Store, search, signed, time, unsigned};

/// A row; what stands before the body is a copy of what the body says.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = records, treat_none_as_default_value = false)]
pub(crate) struct Row {
    pub(crate) stream_no: i64,
    pub(crate) seq: i64,
    pub(crate) ts: i64,
    pub(crate) expires: i64,
    pub(crate) level: i32,
    pub(crate) category: Cow<'static, str>,
    pub(crate) host: Option<String>,
    pub(crate) source_ip: Option<String>,
    pub(crate) user_name: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) mac: Vec<u8>,
}

impl Row {
    /// The row of a sealed record: takes its texts over, as rows of their own make a statement that
    /// Diesel keeps.
    pub(crate) fn of(stream_no: i64, record: Record) -> Self {
        Self {
            stream_no,
            seq: signed(record.seq),
            ts: record.time,
            expires: record.expires,
            level: record.level.rank(),
            category: record.category.into(),
            host: record.host,
            source_ip: record.source_ip,
            user_name: record.user,
            action: record.action,
            outcome: record.outcome,
            body: record.body.into_bytes(),
            mac: record.mac.to_vec(),
        }
    }
}

#[cfg(feature = "mysql")]
impl Insert for Row {
    const INTO: &'static str = "records (stream_no, seq, ts, expires, level, category, host, source_ip, user_name, \
                                action, outcome, body, mac)";

    fn values(&self) -> Vec<Value<'_>> {
        let mut values: Vec<Value<'_>> = Vec::with_capacity(13);
        values.extend([self.stream_no, self.seq, self.ts, self.expires].map(Value::from));
        values.extend([Value::from(self.level), (&*self.category).into()]);
        let texts = [&self.host, &self.source_ip, &self.user_name, &self.action, &self.outcome];
        values.extend(texts.map(Value::from));
        values.extend([&self.body, &self.mac].map(Value::from));
        values
    }
}

/// A record as lists show it.
#[derive(Clone, Debug)]
pub struct RecordRow {
    /// The id of its stream, 32 hexadecimal digits.
    pub stream: String,
    /// Its index.
    pub seq: u64,
    /// Its own id, a UUID.
    pub id: String,
    /// The event's level.
    pub level: Level,
    /// When it was sealed.
    pub sealed_at: DateTime<Utc>,
    /// The day on which it expires.
    pub expires: chrono::NaiveDate,
    /// The event.
    pub event: Event,
    /// What is hashed.
    pub body: Vec<u8>,
}

/// A list looks at no more records than these, and no longer than this, before it answers with what
/// it has and a cursor.
const MOST_LOOKED_AT: usize = 200_000;
pub(crate) const LONGEST: Duration = Duration::from_secs(2);

/// Rows of one statement: the text of one of an array is made once. More are slower on a server too.
const ROWS: usize = 100;

/// Appends records.
pub(crate) fn insert(db: &mut Db, rows: &[Row]) -> Result<()> {
    let (arrays, rest) = rows.as_chunks::<ROWS>();
    for array in arrays {
        on!(db, c => diesel::insert_into(records::table).values(array).execute(c))?;
    }
    insert_rows!(db, diesel::insert_into(records::table), "INSERT", rest)?;
    Ok(())
}

/// The records that say that a stream was closed because its database or keys were put back: stream,
/// index, body.
pub(crate) fn restores(db: &mut Db) -> Result<Vec<(i64, i64, Vec<u8>)>> {
    // They are critical, and so found by an index.
    let query = records::table
        .filter(records::level.eq(Level::Critical.rank()))
        .filter(records::category.eq("secmon.restore"))
        .select((records::stream_no, records::seq, records::body));
    Ok(on!(db, c => query.load(c))?)
}

/// Records of a stream from an index on, in order.
pub(crate) fn walk(db: &mut Db, stream_no: i64, from: i64, limit: i64) -> Result<Vec<Row>> {
    let query = records::table
        .filter(records::stream_no.eq(stream_no).and(records::seq.ge(from)))
        .order(records::seq)
        .limit(limit);
    Ok(on!(db, c => query.select(Row::as_select()).load(c))?)
}

impl Store {
    /// A page of records, the newest event first. Fields without a column of their own are compared in
    /// the bodies; a page may then be short of its limit and still have a next one.
    pub fn records(&self, query: &RecordQuery) -> Result<Page<RecordRow>> {
        if let Some(text) = &query.text {
            return search::records(self, query, text);
        }
        let streams = self.streams()?;
        let reveal = self.reveal()?;
        let started = Instant::now();
        let mut place: Option<(i64, i64, i64)> =
            query.page.as_deref().map(crate::query::read_cursor).transpose()?;
        let (columns, others): (Vec<_>, Vec<_>) =
            query.fields.iter().partition(|(name, value)| column(name, value));
        let chunk = if others.is_empty() { query.limit } else { 1_000 };
        let mut rows = Vec::new();
        let mut looked_at = 0;
        loop {
            let found = self.read(|db| newest(db, query, &reveal, &columns, place, chunk))?;
            let ended = found.len() < chunk;
            looked_at += found.len();
            for row in found {
                place = Some((row.ts, row.stream_no, row.seq));
                let values =
                    self.read(|db| reveal.values(db, row.stream_no, row.seq, &row.body))?;
                let Some(record) = record(&streams, row, &values) else { continue };
                if others.iter().all(|(name, value)| has(&record.event, name, value)) {
                    rows.push(record);
                    if rows.len() == query.limit {
                        return Ok(Page {
                            rows,
                            next: place.map(|place| crate::query::cursor(&place)),
                        });
                    }
                }
            }
            if ended {
                return Ok(Page { rows, next: None });
            }
            if looked_at >= MOST_LOOKED_AT || started.elapsed() > LONGEST {
                return Ok(Page { rows, next: place.map(|place| crate::query::cursor(&place)) });
            }
        }
    }

    /// One record.
    pub fn record(&self, stream: &str, seq: u64) -> Result<RecordRow> {
        let streams = self.streams()?;
        let missing =
            || crate::Error::NotFound { what: format!("record {seq} of stream `{stream}`") };
        let no = streams.iter().find(|row| row.id() == stream || row.origin == stream);
        let no = no.ok_or_else(missing)?.stream_no;
        let row = self.read(|db| walk(db, no, signed(seq), 1))?.into_iter().next();
        let row = row.filter(|row| unsigned(row.seq) == seq).ok_or_else(missing)?;
        let reveal = self.reveal()?;
        let values = self.read(|db| reveal.values(db, row.stream_no, row.seq, &row.body))?;
        record(&streams, row, &values).ok_or_else(missing)
    }

    /// The events of a stream from an index on that happened since a time, some thousand records at
    /// once, with the index behind them; none at the end. What the writer itself sealed is left out.
    pub fn events(
        &self,
        stream: &StreamRow,
        from: u64,
        since: Option<DateTime<Utc>>,
    ) -> Result<Option<(u64, Vec<Event>)>> {
        let rows = self.read(|db| walk(db, stream.stream_no, signed(from), 2_000))?;
        let Some(last) = rows.last() else { return Ok(None) };
        let next = unsigned(last.seq) + 1;
        let since = since.map_or(i64::MIN, |since| since.timestamp_micros());
        let reveal = self.reveal()?;
        let mut events = Vec::with_capacity(rows.len());
        for row in rows.iter().filter(|row| row.category == "event" && row.ts >= since) {
            let values = self.read(|db| reveal.values(db, row.stream_no, row.seq, &row.body))?;
            events.extend(secmon_core::event_with(&row.body, &values).ok());
        }
        Ok(Some((next, events)))
    }

    /// How many records there are.
    pub fn record_count(&self) -> Result<u64> {
        Ok(self.streams()?.iter().map(StreamRow::size).sum())
    }
}

/// Whether a value of a field would stand in a column of its own.
fn column(name: &str, value: &str) -> bool {
    value.len() <= MOST_COPIED
        && matches!(
            name,
            "host.name" | "source.ip" | "user.name" | "event.action" | "event.outcome"
        )
}

/// The newest rows behind a place. Of several levels those of each: an index has them by time for one level only.
fn newest(
    db: &mut Db,
    query: &RecordQuery,
    reveal: &Reveal,
    fields: &[(&String, &String)],
    place: Option<(i64, i64, i64)>,
    limit: usize,
) -> Result<Vec<Row>> {
    let least = query.level_min.unwrap_or_default();
    if query.level.is_some_and(|level| level < least) {
        return Ok(Vec::new());
    }
    if query.level.is_some() || least == Level::default() {
        return chunk_of(db, query, reveal, fields, query.level, place, limit);
    }
    let mut rows = Vec::new();
    for level in Level::ALL.into_iter().filter(|level| *level >= least) {
        rows.extend(chunk_of(db, query, reveal, fields, Some(level), place, limit)?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse((row.ts, row.stream_no, row.seq)));
    rows.truncate(limit);
    Ok(rows)
}

fn chunk_of(
    db: &mut Db,
    query: &RecordQuery,
    reveal: &Reveal,
    fields: &[(&String, &String)],
    level: Option<Level>,
    place: Option<(i64, i64, i64)>,
    limit: usize,
) -> Result<Vec<Row>> {
    on!(db, c => {
        let mut select = records::table.select(Row::as_select()).into_boxed();
        if let Some(since) = query.since {
            select = select.filter(records::ts.ge(since.timestamp_micros()));
        }
        // One bound, and always one: without, or from another one, a database may look at everything instead of
        // walking the index backwards from here.
        let until = query.until.map_or(i64::MAX, |until| until.timestamp_micros());
        let until = place.map_or(until, |(ts, ..)| until.min(ts.saturating_add(1)));
        select = select.filter(records::ts.lt(until));
        if let Some(level) = level {
            select = select.filter(records::level.eq(level.rank()));
        }
        for (name, value) in fields {
            let either = reveal.either(name, value)?;
            select = match name.as_str() {
                "host.name" => select.filter(records::host.eq_any(either)),
                "source.ip" => select.filter(records::source_ip.eq_any(either)),
                "user.name" => select.filter(records::user_name.eq_any(either)),
                "event.action" => select.filter(records::action.eq(value.as_str())),
                _ => select.filter(records::outcome.eq(value.as_str())),
            };
        }
        if let Some((ts, stream, seq)) = place {
            select = select.filter(
                records::ts.lt(ts).or(records::stream_no
                    .lt(stream)
                    .or(records::stream_no.eq(stream).and(records::seq.lt(seq)))),
            );
        }
        let select = select
            .order((records::ts.desc(), records::stream_no.desc(), records::seq.desc()))
            .limit(i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(select.load(c)?)
    })
}

/// Whether an event has all that a list asks for of its fields.
pub(crate) fn wants(query: &RecordQuery, event: &Event) -> bool {
    query.fields.iter().all(|(name, value)| has(event, name, value))
}

fn has(event: &Event, name: &str, wanted: &str) -> bool {
    let among = |names: &[Cow<'static, str>]| names.iter().any(|name| name == wanted);
    match name {
        "product" => among(&event.sources.product),
        "category" => among(&event.sources.category),
        "service" => among(&event.sources.service),
        _ => event
            .find(name)
            .is_some_and(|value| value.each().iter().any(|one| one.to_string() == wanted)),
    }
}

/// A row as lists show it; a body that cannot be read is shown as its text.
pub(crate) fn record(
    streams: &[StreamRow],
    row: Row,
    values: &BTreeMap<String, serde_json::Value>,
) -> Option<RecordRow> {
    let stream = streams.iter().find(|stream| stream.stream_no == row.stream_no)?;
    let body: serde_json::Value = serde_json::from_slice(&row.body).unwrap_or_default();
    let event = secmon_core::event_with(&row.body, values).unwrap_or_else(|_| {
        secmon_core::parse::bad_line(
            &row.body,
            "the body of this record cannot be read",
            time(row.ts),
        )
    });
    Some(RecordRow {
        stream: stream.id(),
        seq: unsigned(row.seq),
        id: body.get("id").and_then(|id| id.as_str()).unwrap_or_default().into(),
        level: Level::from_rank(row.level).unwrap_or_default(),
        sealed_at: time(body.get("at").and_then(serde_json::Value::as_i64).unwrap_or(0)),
        expires: time(row.expires.saturating_mul(86_400_000_000)).date_naive(),
        event,
        body: row.body,
    })
}
