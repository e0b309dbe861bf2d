//! Hourly roll-ups, counted in the transaction of each batch: charts never walk records.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use secmon_core::{Detection, Level};

use crate::connection::{Db, Statement, on};
#[cfg(feature = "mysql")]
use crate::connection::{Insert, Value, runs};
use crate::schema::rollups;
use crate::{Result, Store, records, time, unsigned};

const HOUR: i64 = 3_600_000_000;
/// Distinct values of one field and hour; the rest is counted as `other`.
const MOST_VALUES: usize = 200;
const OTHER: &str = "other";

/// Where all events are counted, and where failures by address.
const EVENTS: &str = "event";
const FAILING_IP: &str = "source.ip;event.outcome=failure";

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = rollups, treat_none_as_default_value = false)]
struct Row {
    stream_no: i64,
    hour: i64,
    field: String,
    value: String,
    count: i64,
}

/// A value and how often it came.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct ValueCount {
    /// The value; `other` stands for all beyond the 200 most frequent of an hour.
    pub value: String,
    /// How often.
    pub count: u64,
}

/// An hour and what came in it.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct HourCount {
    /// When it begins.
    pub hour: DateTime<Utc>,
    /// All events.
    pub count: u64,
    /// Events whose outcome is failure.
    pub failures: u64,
}

/// Which values have a row of their own, by field and hour.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<(&'static str, i64), BTreeSet<String>>);

impl Known {
    /// Under which value a count goes; reads the values of an hour when it is met first.
    fn place(
        &mut self,
        db: &mut Db,
        stream_no: i64,
        field: &'static str,
        hour: i64,
        value: &str,
    ) -> Result<String> {
        if self.0.len() > 1_000 {
            self.0.clear();
        }
        let names = match self.0.entry((field, hour)) {
            std::collections::btree_map::Entry::Occupied(names) => names.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let at = rollups::stream_no
                    .eq(stream_no)
                    .and(rollups::field.eq(field))
                    .and(rollups::hour.eq(hour));
                let rows: Vec<String> =
                    on!(db, c => rollups::table.filter(at).select(rollups::value).load(c))?;
                place.insert(rows.into_iter().collect())
            }
        };
        if names.contains(value) {
            return Ok(value.into());
        }
        if names.len() >= MOST_VALUES || value.len() > 255 {
            return Ok(OTHER.into());
        }
        names.insert(value.into());
        Ok(value.into())
    }

    /// Forgets what a transaction that failed may have added.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// How often each value came in each hour: of one field and hour together, the frequent ones first, so that they get the
/// rows there are.
#[derive(Debug)]
pub(crate) struct Counts(Vec<(&'static str, i64, String, i64)>);

impl Counts {
    /// Those of a batch.
    pub(crate) fn of(rows: &[records::Row], detections: &[Detection]) -> Self {
        let mut counts: BTreeMap<(&'static str, i64, &str), i64> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.category == "event") {
            let hour = row.ts.div_euclid(HOUR);
            for (field, value) in values(row) {
                *counts.entry((field, hour, value)).or_default() += 1;
            }
        }
        for detection in detections {
            let hour = detection.time.timestamp_micros().div_euclid(HOUR);
            *counts.entry(("rule", hour, &detection.rule)).or_default() += 1;
        }
        let own =
            |((field, hour, value), count): ((_, _, &str), _)| (field, hour, value.into(), count);
        let mut counts: Vec<_> = counts.into_iter().map(own).collect();
        counts.sort_by_key(|(field, hour, _, count)| (*field, *hour, -count));
        Self(counts)
    }
}

/// Counts a batch.
pub(crate) fn count(db: &mut Db, known: &mut Known, stream_no: i64, counts: &Counts) -> Result<()> {
    let mut placed: BTreeMap<(&'static str, i64, String), i64> = BTreeMap::new();
    for (field, hour, value, count) in &counts.0 {
        let value = known.place(db, stream_no, field, *hour, value)?;
        *placed.entry((field, *hour, value)).or_default() += count;
    }
    let row = |((field, hour, value), count): ((&str, _, _), _)| Row {
        stream_no,
        hour,
        field: field.into(),
        value,
        count,
    };
    let rows: Vec<Row> = placed.into_iter().map(row).collect();
    match db {
        #[cfg(feature = "mysql")]
        Db::Mysql(c) => runs(&rows).try_for_each(|rows| add_all(c, rows)),
        db => rows.iter().try_for_each(|row| add(db, row)),
    }
}

#[cfg(feature = "mysql")]
impl Insert for Row {
    const INTO: &'static str = "rollups (stream_no, hour, field, value, count)";

    fn values(&self) -> Vec<Value<'_>> {
        let Self { stream_no, hour, field, value, count } = self;
        vec![(*stream_no).into(), (*hour).into(), field.into(), value.into(), (*count).into()]
    }
}

/// Adds to rows, made when they are absent, in one statement: each takes a way to the server and back.
#[cfg(feature = "mysql")]
fn add_all(c: &mut crate::connection::Connection, rows: &[Row]) -> Result<()> {
    let more = " ON DUPLICATE KEY UPDATE count = count + VALUES(count)";
    Statement::of_rows("INSERT", rows, more).execute(c)?;
    Ok(())
}

/// Adds to a row, made when it is absent: only this writer makes rows of its stream.
fn add(db: &mut Db, row: &Row) -> Result<()> {
    let sql = "UPDATE rollups SET count = count + ? \
               WHERE stream_no = ? AND hour = ? AND field = ? AND value = ?";
    let Row { stream_no, hour, field, value, count } = row;
    let values = [(*count).into(), (*stream_no).into(), (*hour).into(), field.into(), value.into()];
    if on!(db, c => Statement::new(sql, values).execute(c))? == 0 {
        on!(db, c => diesel::insert_into(rollups::table).values(row).execute(c))?;
    }
    Ok(())
}

/// What of a record is counted.
fn values(row: &records::Row) -> impl Iterator<Item = (&'static str, &str)> {
    let failing = row.source_ip.as_deref().filter(|_| row.outcome.as_deref() == Some("failure"));
    let level = Level::from_rank(row.level).unwrap_or_default();
    [
        Some((EVENTS, "all")),
        Some(("log.level", level.as_str())),
        row.outcome.as_deref().map(|outcome| ("event.outcome", outcome)),
        row.host.as_deref().map(|host| ("host.name", host)),
        row.source_ip.as_deref().map(|address| ("source.ip", address)),
        failing.map(|address| (FAILING_IP, address)),
    ]
    .into_iter()
    .flatten()
}

impl Store {
    /// How often each value of a counted field came since a time, the most frequent first. Counted are
    /// `event.outcome`, `log.level`, `host.name`, `rule` and `source.ip`; `failing` counts only events
    /// whose outcome is failure, for `source.ip`.
    pub fn top(
        &self,
        field: &str,
        failing: bool,
        since: Option<DateTime<Utc>>,
        limit: usize,
    ) -> Result<Vec<ValueCount>> {
        let field = match (field, failing) {
            ("source.ip", true) => FAILING_IP,
            ("event.outcome" | "log.level" | "host.name" | "rule" | "source.ip", false) => field,
            _ => {
                return Err(crate::Error::Query {
                    reason: format!(
                        "`field={field}` is not counted; counted are event.outcome, log.level, \
                         host.name, rule and source.ip (this one also with event.outcome=failure)"
                    ),
                });
            }
        };
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for (_, value, count) in self.rolled_up(field, since)? {
            *sums.entry(value).or_default() += count;
        }
        let mut all: Vec<_> =
            sums.into_iter().map(|(value, count)| ValueCount { value, count }).collect();
        all.sort_by_key(|row| std::cmp::Reverse(row.count));
        all.truncate(limit);
        let reveal = self.reveal()?;
        for row in &mut all {
            if let Some(value) = self.read(|db| reveal.value(db, &row.value))? {
                row.value = value;
            }
        }
        Ok(all)
    }

    /// How many events came in each hour since a time; hours without are left out.
    pub fn hours(&self, since: Option<DateTime<Utc>>) -> Result<Vec<HourCount>> {
        let mut hours: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
        for (hour, _, count) in self.rolled_up(EVENTS, since)? {
            hours.entry(hour).or_default().0 += count;
        }
        for (hour, value, count) in self.rolled_up("event.outcome", since)? {
            if value == "failure" {
                hours.entry(hour).or_default().1 += count;
            }
        }
        let hour = |(hour, (count, failures)): (i64, (u64, u64))| HourCount {
            hour: time(hour.saturating_mul(HOUR)),
            count,
            failures,
        };
        Ok(hours.into_iter().map(hour).collect())
    }

    fn rolled_up(
        &self,
        field: &str,
        since: Option<DateTime<Utc>>,
    ) -> Result<Vec<(i64, String, u64)>> {
        let from = since.map_or(i64::MIN, |since| since.timestamp_micros().div_euclid(HOUR));
        let query = rollups::table
            .filter(rollups::field.eq(field).and(rollups::hour.ge(from)))
            .select((rollups::hour, rollups::value, rollups::count));
        let rows: Vec<(i64, String, i64)> = self.read(|db| Ok(on!(db, c => query.load(c))?))?;
        Ok(rows.into_iter().map(|(hour, value, count)| (hour, value, unsigned(count))).collect())
    }
}
