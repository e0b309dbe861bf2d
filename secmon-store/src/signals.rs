//! The signal log and snapshots of rules' memory: from them counting goes on after a restart.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use secmon_core::{Monitor, RuleState, SignalLog};

use crate::connection::{Db, on};
use crate::schema::{rule_states, signals};
use crate::{Result, signed};

/// Bytes of a rule's memory in one row.
const MOST_BYTES: usize = 1 << 20;

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = signals, treat_none_as_default_value = false)]
struct SignalRow {
    stream_no: i64,
    no: i64,
    log: Vec<u8>,
}

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = rule_states, treat_none_as_default_value = false)]
struct StateRow {
    stream_no: i64,
    rule: String,
    part: i32,
    settings: Vec<u8>,
    logged: i64,
    state: String,
}

/// Logs what the rules were told in one batch.
pub(crate) fn insert(db: &mut Db, stream_no: i64, logged: u64, log: &SignalLog) -> Result<()> {
    if log.is_empty() {
        return Ok(());
    }
    let row = SignalRow { stream_no, no: signed(logged), log: written(log)? };
    on!(db, c => diesel::insert_into(signals::table).values(&row).execute(c))?;
    Ok(())
}

/// A log as it is stored.
pub(crate) fn written(log: &SignalLog) -> Result<Vec<u8>> {
    serde_json::to_vec(log).map_err(|error| crate::Error::Database {
        reason: format!("the signal log cannot be written: {error}"),
    })
}

/// A log that was stored under this number.
pub(crate) fn read(log: &[u8], no: i64) -> Result<SignalLog> {
    serde_json::from_slice(log).map_err(|error| crate::Error::Database {
        reason: format!("signal log {no} cannot be read: {error}"),
    })
}

/// Stores the memory of the rules that counted something since the last snapshot, or of all of them, and drops
/// the part of the log that no snapshot needs any more. With all of them, what rules of before have left is
/// forgotten: were they to come back, they would begin anew as they do without a restart.
pub(crate) fn snapshot(
    db: &mut Db,
    stream_no: i64,
    logged: u64,
    states: &[RuleState],
    whole: bool,
) -> Result<()> {
    let own = rule_states::table.filter(rule_states::stream_no.eq(stream_no));
    if whole {
        on!(db, c => diesel::delete(own).execute(c))?;
    }
    for state in states {
        let old = rule_states::stream_no.eq(stream_no).and(rule_states::rule.eq(&state.rule));
        on!(db, c => diesel::delete(rule_states::table.filter(old)).execute(c))?;
        for (part, text) in (0..).zip(parts(&state.state)) {
            let row = StateRow {
                stream_no,
                rule: state.rule.clone(),
                part,
                settings: state.settings.to_vec(),
                logged: signed(logged),
                state: text.into(),
            };
            on!(db, c => diesel::insert_into(rule_states::table).values(&row).execute(c))?;
        }
    }
    // All rules that counted anything since are in `states`: the others need no replay.
    on!(db, c => diesel::update(own).set(rule_states::logged.eq(signed(logged))).execute(c))?;
    let old = signals::stream_no.eq(stream_no).and(signals::no.le(signed(logged)));
    on!(db, c => diesel::delete(signals::table.filter(old)).execute(c))?;
    Ok(())
}

/// Cuts a text into parts of a length; an empty one is one part.
fn parts(mut text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while text.len() > MOST_BYTES {
        let (part, rest) = text.split_at(text.floor_char_boundary(MOST_BYTES));
        parts.push(part);
        text = rest;
    }
    parts.push(text);
    parts
}

/// Brings a monitor's rules to the state behind the last batch.
pub(crate) fn resume(db: &mut Db, stream_no: i64, monitor: &mut Monitor) -> Result<()> {
    let saved = rule_states::table.filter(rule_states::stream_no.eq(stream_no));
    let saved = saved.order((rule_states::rule, rule_states::part));
    let parts: Vec<StateRow> = on!(db, c => saved.select(StateRow::as_select()).load(c))?;
    let mut saved: Vec<StateRow> = Vec::new();
    for row in parts {
        match saved.last_mut().filter(|last| last.rule == row.rule) {
            Some(last) => last.state.push_str(&row.state),
            None => saved.push(row),
        }
    }
    let states = saved.iter().map(|row| RuleState {
        rule: row.rule.clone(),
        settings: row.settings.as_slice().try_into().unwrap_or_default(),
        state: row.state.clone(),
    });
    let states: Vec<RuleState> = states.collect();
    let taken: HashSet<&str> = monitor.restore(&states)?.into_iter().collect();
    // What a rule with other settings was told is nothing to this one.
    let logged = saved.iter().filter(|row| taken.contains(row.rule.as_str()));
    let logged: HashMap<&str, i64> = logged.map(|row| (row.rule.as_str(), row.logged)).collect();
    let mut from = 0;
    loop {
        let log = signals::table
            .filter(signals::stream_no.eq(stream_no).and(signals::no.gt(from)))
            .order(signals::no)
            .limit(1_000);
        let rows: Vec<SignalRow> = on!(db, c => log.select(SignalRow::as_select()).load(c))?;
        for row in &rows {
            monitor.replay(&read(&row.log, row.no)?, |rule| {
                logged.get(rule).is_some_and(|logged| *logged < row.no)
            });
            from = row.no;
        }
        if rows.len() < 1_000 {
            return Ok(());
        }
    }
}
