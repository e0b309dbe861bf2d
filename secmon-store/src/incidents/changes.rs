//! What the core says of incidents, put into their rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use secmon_core::{Change, ChangeKind, Incident};
use sha2::{Digest, Sha256};

use super::Row;
#[cfg(feature = "mysql")]
use crate::connection::Insert;
use crate::connection::{Db, Statement, Value, insert_rows, on, runs};
use crate::schema::{incidents, outbox};
use crate::{Result, micros, signed};

#[derive(Insertable)]
#[diesel(table_name = outbox, treat_none_as_default_value = false)]
struct Fact {
    incident: String,
    kind: String,
    at: i64,
}

/// Applies changes; what receivers must be told goes to the outbox. Who counts its own stream alone says its label: what
/// it counts stands beside what others count in the same group.
pub(crate) fn apply(
    db: &mut Db,
    stream_no: i64,
    changes: &[Change],
    label: Option<&str>,
    now: DateTime<Utc>,
) -> Result<()> {
    let facts = changes.iter().filter(|change| change.kind != ChangeKind::Updated);
    let fact = |change: &Change| Fact {
        incident: id(&change.incident),
        kind: change.kind.as_str().into(),
        at: micros(now),
    };
    let facts: Vec<Fact> = facts.map(fact).collect();
    insert_rows!(db, diesel::insert_into(outbox::table), "INSERT", &facts)?;
    for wave in waves(stream_no, changes, label).into_values() {
        let (opened, mut known): (Vec<_>, Vec<_>) =
            wave.into_iter().partition(|(kind, _)| *kind == ChangeKind::Opened);
        let opened: Vec<Row> = opened.into_iter().map(|(_, row)| row).collect();
        give_way(db, &opened, label.is_some().then_some(stream_no))?;
        let insert = diesel::insert_or_ignore_into(incidents::table);
        if insert_rows!(db, insert, "INSERT IGNORE", &opened)? < opened.len() {
            // It was stored before.
            known.extend(opened.into_iter().map(|row| (ChangeKind::Updated, row)));
        }
        let recovered = known.iter().filter(|(kind, _)| *kind == ChangeKind::Recovered);
        let recovered: Vec<_> = recovered.map(|(_, row)| row.id.clone()).collect();
        let known: Vec<Row> = known.into_iter().map(|(_, row)| row).collect();
        update(db, &known)?;
        for id in &recovered {
            let close = "UPDATE incidents SET state = 'closed', open_key = NULL WHERE id = ?";
            on!(db, c => Statement::new(close, [id.into()]).execute(c))?;
        }
    }
    Ok(())
}

/// Changes in an order of which each part has one of an incident at most: those of different ones may be exchanged.
fn waves(
    stream_no: i64,
    changes: &[Change],
    label: Option<&str>,
) -> BTreeMap<usize, Vec<(ChangeKind, Row)>> {
    let mut met: BTreeMap<Option<Vec<u8>>, usize> = BTreeMap::new();
    let mut waves: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for change in changes {
        let row = row(stream_no, &change.incident, label);
        let wave = met.entry(row.open_key.clone()).or_default();
        waves.entry(*wave).or_default().push((change.kind, row));
        *wave += 1;
    }
    waves
}

/// Closes incidents of the same rules and groups whose memory is lost (to a budget, or to other settings of the rule): new
/// ones must not overwrite what they say. Those of a stream may have a key without a label still.
fn give_way(db: &mut Db, rows: &[Row], stream_no: Option<i64>) -> Result<()> {
    for rows in runs(rows) {
        let marks = vec!["?"; rows.len()].join(",");
        let close = format!(
            "UPDATE incidents SET state = 'closed', open_key = NULL WHERE open_key IN ({marks}) AND id NOT IN ({marks})"
        );
        let ids = || rows.iter().map(|row| Value::from(&row.id));
        let mut values: Vec<Value<'_>> = rows.iter().map(|row| (&row.open_key).into()).collect();
        values.extend(ids());
        on!(db, c => Statement::new(&close, values).execute(c))?;
        let Some(stream_no) = stream_no else { continue };
        let keys = rows.iter().map(|row| Some(key_of(&row.rule, &row.grp, None)));
        let keys: Vec<Option<Vec<u8>>> = keys.collect();
        let mut values: Vec<Value<'_>> = keys.iter().map(Value::from).collect();
        values.extend(ids());
        values.push(stream_no.into());
        let close = close + " AND stream_no = ?";
        on!(db, c => Statement::new(&close, values).execute(c))?;
    }
    Ok(())
}

/// Brings open incidents up to date.
fn update(db: &mut Db, rows: &[Row]) -> Result<()> {
    match db {
        #[cfg(feature = "mysql")]
        Db::Mysql(c) => runs(rows).try_for_each(|rows| update_all(c, rows)),
        db => rows.iter().try_for_each(|row| {
            let sql = "UPDATE incidents SET level = ?, count = ?, first_ts = ?, last_ts = ?, evidence = ?, reason = ? \
                       WHERE id = ? AND open_key IS NOT NULL";
            let [id, state @ ..] = state(row);
            let values = state.into_iter().chain([id]);
            if on!(db, c => Statement::new(sql, values).execute(c))? == 0 {
                // Closed by somebody; or another writer had it open in common, and it has no row yet.
                let row = std::slice::from_ref(row);
                insert_rows!(db, diesel::insert_or_ignore_into(incidents::table), "INSERT IGNORE", row)?;
            }
            Ok(())
        }),
    }
}

/// As [`update`], of many in one statement: each takes a way to the server and back.
#[cfg(feature = "mysql")]
fn update_all(c: &mut crate::connection::Connection, rows: &[Row]) -> Result<()> {
    let first = "SELECT CAST(? AS BINARY) AS id, CAST(? AS SIGNED) AS level, CAST(? AS SIGNED) AS count, \
                 CAST(? AS SIGNED) AS first_ts, CAST(? AS SIGNED) AS last_ts, CAST(? AS CHAR) AS evidence, \
                 CAST(? AS CHAR) AS reason";
    let more = " UNION ALL SELECT ?, ?, ?, ?, ?, ?, ?";
    let set = ["level", "count", "first_ts", "last_ts", "evidence", "reason"]
        .map(|name| format!("i.{name} = n.{name}"));
    let sql = format!(
        "UPDATE incidents AS i JOIN ({first}{}) AS n ON i.id = n.id AND i.open_key IS NOT NULL SET {}",
        more.repeat(rows.len().saturating_sub(1)),
        set.join(", ")
    );
    Statement::new(&sql, rows.iter().flat_map(state)).execute(c)?;
    Ok(())
}

/// What names an incident, and what changes of it.
fn state(row: &Row) -> [Value<'_>; 7] {
    [
        (&row.id).into(),
        row.level.into(),
        row.count.into(),
        row.first_ts.into(),
        row.last_ts.into(),
        (&row.evidence).into(),
        (&row.reason).into(),
    ]
}

#[cfg(feature = "mysql")]
impl Insert for Row {
    const INTO: &'static str = "incidents (id, open_key, rule, title, level, state, grp, stream_no, count, first_ts, \
                                last_ts, evidence, reason)";

    fn values(&self) -> Vec<Value<'_>> {
        let mut values: Vec<Value<'_>> = vec![(&self.id).into(), (&self.open_key).into()];
        values.extend([&self.rule, &self.title].map(Value::from));
        values.push(self.level.into());
        values.extend([&self.state, &self.grp].map(Value::from));
        let numbers = [self.stream_no, self.count, self.first_ts, self.last_ts];
        values.extend(numbers.map(Value::from));
        values.extend([Value::from(&self.evidence), (&self.reason).into()]);
        values
    }
}

#[cfg(feature = "mysql")]
impl Insert for Fact {
    const INTO: &'static str = "outbox (incident, kind, at)";

    fn values(&self) -> Vec<Value<'_>> {
        vec![(&self.incident).into(), (&self.kind).into(), self.at.into()]
    }
}

fn id(incident: &Incident) -> String {
    format!("{:032x}", incident.id)
}

/// What is unique among open incidents: one of a rule and group, of all streams or of those of a label.
fn key_of(rule: &str, group: &str, label: Option<&str>) -> Vec<u8> {
    let mut hash = Sha256::new_with_prefix(rule).chain_update([0]).chain_update(group);
    if let Some(label) = label {
        hash = hash.chain_update([0]).chain_update(label);
    }
    hash.finalize().to_vec()
}

fn row(stream_no: i64, incident: &Incident, label: Option<&str>) -> Row {
    Row {
        id: id(incident),
        open_key: Some(key_of(&incident.rule, incident.group.as_json(), label)),
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
