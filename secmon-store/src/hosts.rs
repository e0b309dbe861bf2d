//! Hosts: who spoke, when and how often.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::connection::{Db, Statement, on};
#[cfg(feature = "mysql")]
use crate::connection::{Insert, Value, runs};
use crate::schema::hosts;
use crate::{Page, Result, Store, records, time, unsigned};

#[derive(Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = hosts, treat_none_as_default_value = false)]
pub(crate) struct Row {
    stream_no: i64,
    name: String,
    first_seen: i64,
    last_seen: i64,
    events: i64,
}

/// A host as lists show it.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// When it was heard first (time of receipt).
    pub first_seen: DateTime<Utc>,
    /// When it was heard last (time of receipt).
    pub last_seen: DateTime<Utc>,
    /// How many events it sent.
    pub events: u64,
}

/// The hosts of a batch that was sealed at a time.
pub(crate) fn seen(stream_no: i64, rows: &[records::Row], at: i64) -> Vec<Row> {
    let mut seen: BTreeMap<&str, i64> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.category == "event") {
        if let Some(host) = row.host.as_deref() {
            *seen.entry(host).or_default() += 1;
        }
    }
    let row = |(name, events): (&str, i64)| Row {
        stream_no,
        name: name.into(),
        first_seen: at,
        last_seen: at,
        events,
    };
    seen.into_iter().map(row).collect()
}

/// Counts hosts.
pub(crate) fn count(db: &mut Db, rows: &[Row]) -> Result<()> {
    match db {
        #[cfg(feature = "mysql")]
        Db::Mysql(c) => runs(rows).try_for_each(|rows| add_all(c, rows)),
        db => rows.iter().try_for_each(|row| add(db, row)),
    }
}

/// Adds to a row, made when it is absent: only this writer makes rows of its stream.
fn add(db: &mut Db, row: &Row) -> Result<()> {
    let sql =
        "UPDATE hosts SET last_seen = ?, events = events + ? WHERE stream_no = ? AND name = ?";
    let values =
        [row.last_seen.into(), row.events.into(), row.stream_no.into(), (&row.name).into()];
    if on!(db, c => Statement::new(sql, values).execute(c))? == 0 {
        on!(db, c => diesel::insert_into(hosts::table).values(row).execute(c))?;
    }
    Ok(())
}

#[cfg(feature = "mysql")]
impl Insert for Row {
    const INTO: &'static str = "hosts (stream_no, name, first_seen, last_seen, events)";

    fn values(&self) -> Vec<Value<'_>> {
        let Self { stream_no, name, first_seen, last_seen, events } = self;
        vec![
            (*stream_no).into(),
            name.into(),
            (*first_seen).into(),
            (*last_seen).into(),
            (*events).into(),
        ]
    }
}

/// As [`add`], of many in one statement.
#[cfg(feature = "mysql")]
fn add_all(c: &mut crate::connection::Connection, rows: &[Row]) -> Result<()> {
    let more =
        " ON DUPLICATE KEY UPDATE last_seen = VALUES(last_seen), events = events + VALUES(events)";
    Statement::of_rows("INSERT", rows, more).execute(c)?;
    Ok(())
}

impl Store {
    /// A page of hosts by name, summed over all streams.
    pub fn hosts(&self, limit: usize, page: Option<&str>) -> Result<Page<Host>> {
        let after: Option<String> = page.map(crate::query::read_cursor).transpose()?;
        let rows: Vec<Row> = self.read(|db| {
            on!(db, c => {
                let mut select = hosts::table.select(Row::as_select()).into_boxed();
                if let Some(after) = &after {
                    select = select.filter(hosts::name.gt(after));
                }
                Ok(select.order((hosts::name, hosts::stream_no)).load(c)?)
            })
        })?;
        let mut all: Vec<Host> = Vec::new();
        for row in rows {
            let full = all.len() == limit;
            match all.last_mut().filter(|host| host.name == row.name) {
                Some(host) => {
                    host.first_seen = host.first_seen.min(time(row.first_seen));
                    host.last_seen = host.last_seen.max(time(row.last_seen));
                    host.events += unsigned(row.events);
                }
                None if full => break,
                None => all.push(Host {
                    first_seen: time(row.first_seen),
                    last_seen: time(row.last_seen),
                    events: unsigned(row.events),
                    name: row.name,
                }),
            }
        }
        let next = crate::query::next_page(&all, limit, |host| host.name.clone());
        let reveal = self.reveal()?;
        for host in &mut all {
            if let Some(name) = self.read(|db| reveal.value(db, &host.name))? {
                host.name = name;
            }
        }
        Ok(Page { rows: all, next })
    }

    /// How many hosts there are.
    pub fn host_count(&self) -> Result<u64> {
        let count = hosts::table.select(diesel::dsl::count(hosts::name).aggregate_distinct());
        Ok(unsigned(self.read(|db| Ok(on!(db, c => count.first(c))?))?))
    }
}
