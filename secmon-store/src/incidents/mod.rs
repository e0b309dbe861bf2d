//! Incidents and detections: the rows are the truth, the core sends changes.

mod changes;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use secmon_core::{Detection, Level, Place};

pub(crate) use self::changes::apply;
use crate::connection::{Db, insert_rows, on};
#[cfg(feature = "mysql")]
use crate::connection::{Insert, Value};
use crate::schema::{detections, incidents};
use crate::{Error, Page, Result, Store, micros, signed, time, unsigned};

#[derive(Clone, Insertable, Queryable, Selectable)]
#[diesel(table_name = incidents, treat_none_as_default_value = false)]
struct Row {
    id: String,
    open_key: Option<Vec<u8>>,
    rule: String,
    title: String,
    level: i32,
    state: String,
    grp: String,
    stream_no: i64,
    count: i64,
    first_ts: i64,
    last_ts: i64,
    evidence: String,
    reason: Option<String>,
}

/// An incident as lists show it.
#[derive(Clone, Debug)]
pub struct IncidentRow {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Id of the rule.
    pub rule: String,
    /// Title of the rule.
    pub title: String,
    /// The gravest of its detections.
    pub level: Level,
    /// `open`, `acknowledged` or `closed`.
    pub state: String,
    /// The group as canonical JSON.
    pub group: String,
    /// The sum of its signals' weights.
    pub count: u64,
    /// The first signal.
    pub first: DateTime<Utc>,
    /// The last signal.
    pub last: DateTime<Utc>,
    /// The id of the stream in which it was opened.
    pub stream: String,
    /// The first ten and the last ten records: id of the stream, and index in it.
    pub evidence: Vec<(String, u64)>,
    /// What was expected and what was seen, where the rule says so.
    pub reason: Option<String>,
}

/// Which incidents or detections a list shows, the newest first.
#[derive(Clone, Debug, Default)]
pub struct IncidentQuery {
    /// Only those of which something happened from this time on.
    pub since: Option<DateTime<Utc>>,
    /// Only those that began before this time.
    pub until: Option<DateTime<Utc>>,
    /// Only of this state; detections have none.
    pub state: Option<String>,
    /// Only of this rule.
    pub rule: Option<String>,
    /// Only of this level.
    pub level: Option<Level>,
    /// Only of this level or graver.
    pub level_min: Option<Level>,
    /// Only of groups that hold these values.
    pub group: BTreeMap<String, String>,
    /// At most so many, up to 1,000; 100 when 0.
    pub limit: usize,
    /// Goes on where another page ended.
    pub page: Option<String>,
}

impl IncidentQuery {
    fn limit(&self) -> usize {
        if self.limit == 0 { 100 } else { self.limit.min(1_000) }
    }

    /// For each value that a group must hold, what may stand in its JSON for it.
    fn parts(&self, store: &Store) -> Result<Vec<Vec<String>>> {
        let reveal = store.reveal()?;
        let mut parts = Vec::new();
        for (name, value) in &self.group {
            let pair = |value: serde_json::Value| {
                format!("{}:{value}", serde_json::Value::from(name.as_str()))
            };
            let texts = reveal.either(name, &crate::query::canonical(name, value))?;
            let mut any: Vec<String> = texts.into_iter().map(|text| pair(text.into())).collect();
            if let Ok(number) = value.parse::<i64>() {
                any.extend(["}", ","].map(|end| pair(number.into()) + end));
            }
            parts.push(any);
        }
        Ok(parts)
    }
}

diesel::define_sql_function! {
    /// Where a text stands in another one, from 1; 0 where it does not.
    fn instr(text: diesel::sql_types::Text, part: diesel::sql_types::Text) -> diesel::sql_types::BigInt;
}

/// Filters of incidents and detections, whose columns differ in their names only.
macro_rules! filtered {
    ($select:ident, $query:expr, $parts:expr, $table:ident, $first:ident, $last:ident) => {
        if let Some(since) = $query.since {
            $select = $select.filter($table::$last.ge(micros(since)));
        }
        if let Some(until) = $query.until {
            $select = $select.filter($table::$first.lt(micros(until)));
        }
        if let Some(rule) = &$query.rule {
            $select = $select.filter($table::rule.eq(rule));
        }
        if let Some(level) = $query.level {
            $select = $select.filter($table::level.eq(level.rank()));
        }
        if let Some(level) = $query.level_min {
            $select = $select.filter($table::level.ge(level.rank()));
        }
        for any in $parts {
            let [first, more @ ..] = any.as_slice() else { continue };
            let mut held: Box<dyn BoxableExpression<$table::table, _, SqlType = Bool>> =
                Box::new(instr($table::grp, first).gt(0));
            for part in more {
                held = Box::new(held.or(instr($table::grp, part).gt(0)));
            }
            $select = $select.filter(held);
        }
    };
}

impl Row {
    /// As lists show it.
    fn shown(self, streams: &BTreeMap<i64, String>, group: String) -> IncidentRow {
        let stream = |no| streams.get(&no).cloned().unwrap_or_default();
        let evidence: Vec<Place> = serde_json::from_str(&self.evidence).unwrap_or_default();
        let evidence = evidence.into_iter().map(|place| place.within(self.stream_no));
        IncidentRow {
            level: Level::from_rank(self.level).unwrap_or_default(),
            count: unsigned(self.count),
            first: time(self.first_ts),
            last: time(self.last_ts),
            evidence: evidence.map(|place| (stream(place.stream), place.seq)).collect(),
            stream: stream(self.stream_no),
            id: self.id,
            rule: self.rule,
            title: self.title,
            state: self.state,
            reason: self.reason,
            group,
        }
    }
}

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = detections, treat_none_as_default_value = false)]
struct Found {
    id: Vec<u8>,
    stream_no: i64,
    seq: i64,
    rule: String,
    title: String,
    level: i32,
    ts: i64,
    grp: String,
    reason: Option<String>,
}

#[cfg(feature = "mysql")]
impl Insert for Found {
    const INTO: &'static str =
        "detections (id, stream_no, seq, rule, title, level, ts, grp, reason)";

    fn values(&self) -> Vec<Value<'_>> {
        vec![
            (&self.id).into(),
            self.stream_no.into(),
            self.seq.into(),
            (&self.rule).into(),
            (&self.title).into(),
            self.level.into(),
            self.ts.into(),
            (&self.grp).into(),
            (&self.reason).into(),
        ]
    }
}

/// A detection as lists show it.
#[derive(Clone, Debug)]
pub struct DetectionRow {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Id of the rule.
    pub rule: String,
    /// Title of the rule.
    pub title: String,
    /// How grave it is.
    pub level: Level,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// The group as canonical JSON.
    pub group: String,
    /// The id of the stream.
    pub stream: String,
    /// The record that made the rule fire.
    pub seq: u64,
    /// What was expected and what was seen, where the rule says so.
    pub reason: Option<String>,
}

/// Stores detections; one that is there already is the same one.
pub(crate) fn insert_detections(db: &mut Db, stream_no: i64, found: &[Detection]) -> Result<()> {
    let rows: Vec<Found> = found
        .iter()
        .map(|detection| Found {
            id: detection.id.to_be_bytes().to_vec(),
            stream_no: detection.place.within(stream_no).stream,
            seq: signed(detection.place.seq),
            rule: detection.rule.clone(),
            title: detection.title.clone(),
            level: detection.level.rank(),
            ts: micros(detection.time),
            grp: detection.group.as_json().into(),
            reason: detection.reason.clone(),
        })
        .collect();
    insert_rows!(db, diesel::insert_or_ignore_into(detections::table), "INSERT IGNORE", &rows)?;
    Ok(())
}

impl Store {
    /// A page of incidents, the last active first.
    pub fn incidents(&self, query: &IncidentQuery) -> Result<Page<IncidentRow>> {
        let streams = self.stream_ids()?;
        let (limit, parts) = (query.limit(), query.parts(self)?);
        let place: Option<(i64, String)> =
            query.page.as_deref().map(crate::query::read_cursor).transpose()?;
        let rows: Vec<Row> = self.read(|db| {
            on!(db, c => {
                let mut select = incidents::table.select(Row::as_select()).into_boxed();
                if let Some(state) = &query.state {
                    select = select.filter(incidents::state.eq(state));
                }
                filtered!(select, query, &parts, incidents, first_ts, last_ts);
                if let Some((last, id)) = &place {
                    select = select.filter(
                        incidents::last_ts.lt(last).or(incidents::last_ts.eq(last).and(incidents::id.lt(id))),
                    );
                }
                let select = select
                    .order((incidents::last_ts.desc(), incidents::id.desc()))
                    .limit(i64::try_from(limit).unwrap_or(i64::MAX));
                Ok(select.load(c)?)
            })
        })?;
        let next = crate::query::next_page(&rows, limit, |row| (row.last_ts, row.id.clone()));
        let groups = self.groups(rows.iter().map(|row| &row.grp))?;
        let rows = rows.into_iter().zip(groups).map(|(row, group)| row.shown(&streams, group));
        Ok(Page { rows: rows.collect(), next })
    }

    /// An incident by its id.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none.
    pub fn incident(&self, id: &str) -> Result<IncidentRow> {
        let own = incidents::table.filter(incidents::id.eq(id));
        let row: Option<Row> =
            self.read(|db| Ok(on!(db, c => own.select(Row::as_select()).first(c).optional())?))?;
        let row = row.ok_or_else(|| Error::NotFound { what: format!("incident `{id}`") })?;
        let group = self.groups(std::iter::once(&row.grp))?.pop().unwrap_or_default();
        Ok(row.shown(&self.stream_ids()?, group))
    }

    /// How many incidents are open, by level.
    pub fn open_incidents(&self) -> Result<BTreeMap<Level, u64>> {
        let open = incidents::table
            .filter(incidents::state.ne("closed"))
            .group_by(incidents::level)
            .select((incidents::level, diesel::dsl::count_star()));
        let rows: Vec<(i32, i64)> = self.read(|db| Ok(on!(db, c => open.load(c))?))?;
        Ok(rows
            .into_iter()
            .filter_map(|(level, count)| Some((Level::from_rank(level)?, unsigned(count))))
            .collect())
    }

    /// A page of detections, the newest first.
    ///
    /// # Errors
    /// [`Error::Query`]: a state was asked for.
    pub fn detections(&self, query: &IncidentQuery) -> Result<Page<DetectionRow>> {
        if query.state.is_some() {
            return Err(Error::Query { reason: "detections have no state".into() });
        }
        let streams = self.stream_ids()?;
        let (limit, parts) = (query.limit(), query.parts(self)?);
        let place: Option<(i64, String)> =
            query.page.as_deref().map(crate::query::read_cursor).transpose()?;
        let place = place.map(|(ts, id)| (ts, bytes(&id)));
        let rows: Vec<Found> = self.read(|db| {
            on!(db, c => {
                let mut select = detections::table.select(Found::as_select()).into_boxed();
                filtered!(select, query, &parts, detections, ts, ts);
                if let Some((ts, id)) = &place {
                    select = select.filter(detections::ts.le(ts)).filter(
                        detections::ts.lt(ts).or(detections::id.lt(id)),
                    );
                }
                let select = select
                    .order((detections::ts.desc(), detections::id.desc()))
                    .limit(i64::try_from(limit).unwrap_or(i64::MAX));
                Ok(select.load(c)?)
            })
        })?;
        let next = crate::query::next_page(&rows, limit, |row| (row.ts, secmon_core::hex(&row.id)));
        let groups = self.groups(rows.iter().map(|row| &row.grp))?;
        let rows = rows.into_iter().zip(groups).map(|(row, group)| DetectionRow {
            id: secmon_core::hex(&row.id),
            level: Level::from_rank(row.level).unwrap_or_default(),
            time: time(row.ts),
            stream: streams.get(&row.stream_no).cloned().unwrap_or_default(),
            seq: unsigned(row.seq),
            rule: row.rule,
            title: row.title,
            reason: row.reason,
            group,
        });
        Ok(Page { rows: rows.collect(), next })
    }

    /// Groups with personal values in place of their tokens.
    fn groups<'r>(&self, groups: impl Iterator<Item = &'r String>) -> Result<Vec<String>> {
        let reveal = self.reveal()?;
        self.read(|db| groups.map(|group| reveal.group(db, group.clone())).collect())
    }

    fn stream_ids(&self) -> Result<BTreeMap<i64, String>> {
        Ok(self.streams()?.into_iter().map(|row| (row.stream_no, row.id())).collect())
    }
}

/// The bytes of hexadecimal digits; nothing for what is none.
fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(std::str::from_utf8);
    pairs.filter_map(|pair| u8::from_str_radix(pair.ok()?, 16).ok()).collect()
}
