//! Hosts: who spoke, when and how often.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

#[cfg(feature = "mysql")]
use crate::connection::runs;
use crate::connection::{Db, Kept, on};
use crate::schema::hosts;
use crate::{Page, Result, Store, records, time, unsigned};

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = hosts, treat_none_as_default_value = false)]
struct Row {
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

/// Counts the hosts of a batch that was sealed at a time.
pub(crate) fn count(db: &mut Db, stream_no: i64, rows: &[records::Row], at: i64) -> Result<()> {
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
    let rows: Vec<Row> = seen.into_iter().map(row).collect();
    match db {
        #[cfg(feature = "mysql")]
        Db::Mysql(c) => runs(&rows).try_for_each(|rows| add_all(c, rows)),
        db => rows.iter().try_for_each(|row| add(db, row)),
    }
}

/// Adds to a row, made when it is absent: only this writer makes rows of its stream.
fn add(db: &mut Db, row: &Row) -> Result<()> {
    let own = hosts::stream_no.eq(row.stream_no).and(hosts::name.eq(&row.name));
    let own = hosts::table.filter(own);
    let more = (hosts::last_seen.eq(row.last_seen), hosts::events.eq(hosts::events + row.events));
    let update = Kept(diesel::update(own).set(more));
    if on!(db, c => update.execute(c))? == 0 {
        on!(db, c => diesel::insert_into(hosts::table).values(row).execute(c))?;
    }
    Ok(())
}

/// As [`add`], of many in one statement.
#[cfg(feature = "mysql")]
fn add_all(c: &mut crate::connection::Connection, rows: &[Row]) -> Result<()> {
    use diesel::dsl::sql;
    use diesel::sql_types::BigInt;
    let upsert = diesel::insert_into(hosts::table)
        .values(rows)
        .on_conflict(diesel::dsl::DuplicatedKeys)
        .do_update()
        .set((
            hosts::last_seen.eq(sql::<BigInt>("VALUES(last_seen)")),
            hosts::events.eq(hosts::events + sql::<BigInt>("VALUES(events)")),
        ));
    Kept(upsert).execute(c)?;
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
