//! What the core says of incidents, put into their rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use secmon_core::{Change, ChangeKind, Group, Incident};
use sha2::{Digest, Sha256};

use super::Row;
use crate::connection::{Db, Kept, insert_rows, on, runs};
use crate::schema::{incidents, outbox};
use crate::{Result, micros, signed};

#[derive(Insertable)]
#[diesel(table_name = outbox, treat_none_as_default_value = false)]
struct Fact {
    incident: String,
    kind: String,
    at: i64,
}

/// Applies changes; what receivers must be told goes to the outbox.
pub(crate) fn apply(
    db: &mut Db,
    stream_no: i64,
    changes: &[Change],
    counts_all: bool,
    now: DateTime<Utc>,
) -> Result<()> {
    let facts = changes.iter().filter(|change| change.kind != ChangeKind::Updated);
    let fact = |change: &Change| Fact {
        incident: id(&change.incident),
        kind: change.kind.as_str().into(),
        at: micros(now),
    };
    let facts: Vec<Fact> = facts.map(fact).collect();
    insert_rows!(db, diesel::insert_into(outbox::table), &facts)?;
    let streams = if counts_all { (0, i64::MAX) } else { (stream_no, stream_no) };
    for wave in waves(stream_no, changes).into_values() {
        let (opened, mut known): (Vec<_>, Vec<_>) =
            wave.into_iter().partition(|(kind, _)| *kind == ChangeKind::Opened);
        let opened: Vec<Row> = opened.into_iter().map(|(_, row)| row).collect();
        give_way(db, &opened, streams)?;
        if insert_rows!(db, diesel::insert_or_ignore_into(incidents::table), &opened)?
            < opened.len()
        {
            // Another writer has one of them open: they share it.
            known.extend(opened.into_iter().map(|row| (ChangeKind::Updated, row)));
        }
        let recovered = known.iter().filter(|(kind, _)| *kind == ChangeKind::Recovered);
        let recovered: Vec<_> = recovered.map(|(_, row)| row.open_key.clone()).collect();
        let known: Vec<Row> = known.into_iter().map(|(_, row)| row).collect();
        update(db, &known)?;
        for keys in runs(&recovered) {
            let own = incidents::table.filter(incidents::open_key.eq_any(keys));
            let close = Kept(diesel::update(own).set(CLOSED));
            on!(db, c => close.execute(c))?;
        }
    }
    Ok(())
}

/// Changes in an order of which each part has one of an incident at most: those of different ones may be exchanged.
fn waves(stream_no: i64, changes: &[Change]) -> BTreeMap<usize, Vec<(ChangeKind, Row)>> {
    let mut met: BTreeMap<Option<Vec<u8>>, usize> = BTreeMap::new();
    let mut waves: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for change in changes {
        let row = row(stream_no, &change.incident);
        let wave = met.entry(row.open_key.clone()).or_default();
        waves.entry(*wave).or_default().push((change.kind, row));
        *wave += 1;
    }
    waves
}

/// What makes an incident closed.
#[derive(AsChangeset)]
#[diesel(table_name = incidents, treat_none_as_null = true)]
struct Closed {
    state: &'static str,
    open_key: Option<Vec<u8>>,
}

const CLOSED: Closed = Closed { state: "closed", open_key: None };

/// Closes incidents of the same streams, rules and groups whose memory is lost (to a budget, or to other settings of the
/// rule): new ones must not overwrite what they say. Those of another writer that counts for itself are shared, but for
/// who counts for all.
fn give_way(db: &mut Db, rows: &[Row], (first, last): (i64, i64)) -> Result<()> {
    for rows in runs(rows) {
        let before = incidents::open_key
            .eq_any(rows.iter().map(|row| &row.open_key))
            .and(incidents::stream_no.between(first, last))
            .and(incidents::id.ne_all(rows.iter().map(|row| &row.id)));
        let close = Kept(diesel::update(incidents::table.filter(before)).set(CLOSED));
        on!(db, c => close.execute(c))?;
    }
    Ok(())
}

/// Brings open incidents up to date.
fn update(db: &mut Db, rows: &[Row]) -> Result<()> {
    match db {
        #[cfg(feature = "mysql")]
        Db::Mysql(c) => runs(rows).try_for_each(|rows| update_all(c, rows)),
        db => rows.iter().try_for_each(|row| {
            let open = incidents::table.filter(incidents::open_key.eq(&row.open_key));
            let set = (
                incidents::level.eq(row.level),
                incidents::count.eq(row.count),
                incidents::first_ts.eq(row.first_ts),
                incidents::last_ts.eq(row.last_ts),
                incidents::evidence.eq(&row.evidence),
                incidents::reason.eq(&row.reason),
            );
            let update = Kept(diesel::update(open).set(set));
            on!(db, c => update.execute(c))?;
            Ok(())
        }),
    }
}

/// As [`update`], of many in one statement: each takes a way to the server and back.
#[cfg(feature = "mysql")]
fn update_all(c: &mut crate::connection::Connection, rows: &[Row]) -> Result<()> {
    use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
    let first = "SELECT CAST(? AS BINARY) AS open_key, CAST(? AS SIGNED) AS level, CAST(? AS SIGNED) AS count, \
                 CAST(? AS SIGNED) AS first_ts, CAST(? AS SIGNED) AS last_ts, CAST(? AS CHAR) AS evidence, \
                 CAST(? AS CHAR) AS reason";
    let more = " UNION ALL SELECT ?, ?, ?, ?, ?, ?, ?";
    let set = ["level", "count", "first_ts", "last_ts", "evidence", "reason"]
        .map(|name| format!("i.{name} = n.{name}"));
    let sql = format!(
        "UPDATE incidents AS i JOIN ({first}{}) AS n ON i.open_key = n.open_key SET {}",
        more.repeat(rows.len().saturating_sub(1)),
        set.join(", ")
    );
    let mut update = diesel::sql_query(sql).into_boxed();
    for row in rows {
        update = update
            .bind::<Nullable<Binary>, _>(&row.open_key)
            .bind::<Integer, _>(row.level)
            .bind::<BigInt, _>(row.count)
            .bind::<BigInt, _>(row.first_ts)
            .bind::<BigInt, _>(row.last_ts)
            .bind::<Text, _>(&row.evidence)
            .bind::<Nullable<Text>, _>(&row.reason);
    }
    Kept(update).execute(c)?;
    Ok(())
}

fn id(incident: &Incident) -> String {
    format!("{:032x}", incident.id)
}

/// What is unique among open incidents.
fn open_key(rule: &str, group: &Group) -> Vec<u8> {
    Sha256::new_with_prefix(rule)
        .chain_update([0])
        .chain_update(group.as_json())
        .finalize()
        .to_vec()
}

fn row(stream_no: i64, incident: &Incident) -> Row {
    Row {
        id: id(incident),
        open_key: Some(open_key(&incident.rule, &incident.group)),
        rule: incident.rule.clone(),
        title: incident.title.clone(),
        level: incident.level.rank(),
        state: "open".into(),
        grp: incident.group.as_json().into(),
        stream_no,
        count: signed(incident.count),
        first_ts: micros(incident.first),
        last_ts: micros(incident.last),
        evidence: serde_json::to_string(&incident.evidence).unwrap_or_default(),
        reason: incident.reason.clone(),
    }
}
