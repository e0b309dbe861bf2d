//! What is found does not depend on how the input was cut, on restarts, or on small disorder.

#[path = "support/stores.rs"]
mod stores;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use secmon_core::parse::{Context, LineFormat};
use secmon_core::sigma::SigmaRules;
use secmon_core::{Counters, Incident, Prepared, Ruleset};
use secmon_store::{IncidentQuery, RecordQuery, Store};
use serde_json::Value;
use stores::{folder, noon};

/// A line, when it was written and when it was received (seconds behind noon).
#[derive(Clone, Debug)]
struct Line {
    text: String,
    received: i64,
}

const ADDRESSES: [&str; 4] = ["203.0.113.7", "198.51.100.9", "2001:db8::7", "gate.example"];
const USERS: [&str; 4] = ["root", "bob", "eve from 192.0.2.1 port 7 ssh2", "b\u{f6}b"];
const HOSTS: [&str; 2] = ["web-1", "db-1"];

/// One line of the grammar: sshd, sudo, su, firewall, JSON, metrics and garbage.
fn text(kind: u8, pick: usize, number: u16, at: DateTime<Utc>) -> String {
    let address = ADDRESSES[pick % 4];
    let user = USERS[pick / 4 % 4];
    let host = HOSTS[pick / 16 % 2];
    let pid = number % 7;
    let stamp = at.format("%Y-%m-%dT%H:%M:%S%.6fZ");
    match kind {
        0..=5 => format!(
            "{stamp} {host} sshd[{pid}]: Failed password for {user} from {address} port {number} ssh2"
        ),
        6 => {
            format!("{stamp} {host} sshd[{pid}]: Invalid user {user} from {address} port {number}")
        }
        7 => format!(
            "{stamp} {host} sshd[{pid}]: Failed password for invalid user {user} from {address} port {number} ssh2"
        ),
        8 => format!(
            "{stamp} {host} sshd[{pid}]: message repeated {} times: [ Failed password for {user} from {address} port {number} ssh2]",
            number % 6
        ),
        9 => format!(
            "{stamp} {host} sshd-session[{pid}]: Accepted publickey for {user} from {address} port {number} ssh2: RSA SHA256:abc"
        ),
        10 => format!(
            "{stamp} {host} sudo: {user} : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh"
        ),
        11 => {
            format!("{stamp} {host} sudo: {user} : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls")
        }
        12 => format!("{stamp} {host} su[{pid}]: FAILED SU (to root) {user} on pts/{pid}"),
        13 | 14 => format!(
            "{stamp} {host} kernel: [UFW BLOCK] IN=eth0 OUT= MAC= SRC={address} DST=192.0.2.1 LEN=44 PROTO=TCP SPT=40000 DPT={} SYN",
            number % 32
        ),
        15 => format!(
            r#"{{"timestamp":"{stamp}","ip":"{address}","user":"{user}","action":"login","status":"{}","host":"{host}"}}"#,
            if number.is_multiple_of(3) { "success" } else { "failed" }
        ),
        16 | 17 => format!(
            r#"{{"@timestamp":"{stamp}","event.kind":"metric","host.name":"{host}","host.cpu.usage":{}.5,"system.memory.used.pct":{}}}"#,
            80 + number % 20,
            number % 100
        ),
        18 => format!(
            r#"{address} - {} [{}] "GET /x HTTP/1.1" {} 7 "-" "curl""#,
            USERS[pick % 2],
            at.format("%d/%b/%Y:%H:%M:%S +0000"),
            400 + number % 4
        ),
        19 => format!("garbage {number} \u{1b}[1m \u{fffd} {user}"),
        _ => format!("{{\"broken\": {number}"),
    }
}

/// Lines in the order in which they are received; a few of them are up to a minute late.
fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = (0..21_u8, 0..32_usize, any::<u16>(), 0..40_i64, 0..4_i64);
    prop::collection::vec(line, 1..90).prop_map(|parts| {
        let mut now = 0;
        let line = |(kind, pick, number, pause, late): (u8, usize, u16, i64, i64)| {
            now += if pause > 35 { pause * 40 } else { pause };
            let late = if late == 3 { pause } else { 0 };
            let at = noon(now - late) + TimeDelta::microseconds(i64::from(number));
            Line { text: text(kind, pick, number, at), received: now + 1 }
        };
        parts.into_iter().map(line).collect()
    })
}

/// What happens behind a batch.
#[derive(Clone, Copy, Debug)]
enum After {
    Nothing,
    Maintenance,
    Crash,
    Stop,
}

fn cuts() -> impl Strategy<Value = Vec<(usize, After)>> {
    let after = prop_oneof![
        2 => Just(After::Nothing), 2 => Just(After::Maintenance), 2 => Just(After::Crash), 1 => Just(After::Stop)
    ];
    prop::collection::vec((1..25_usize, after), 1..8)
}

/// All that must not depend on cuts.
#[derive(Debug, PartialEq)]
struct Outcome {
    bodies: Vec<String>,
    incidents: Vec<String>,
    detections: Vec<String>,
}

fn prepare(rules: &Ruleset, lines: &[Line]) -> Vec<Prepared> {
    let line = |line: &Line| {
        rules.prepare(&line.text, LineFormat::Detect, &Context::new(noon(line.received)))
    };
    lines.iter().map(line).collect()
}

/// Stores lines in batches of these lengths (the last takes the rest).
fn stored(rules: &Ruleset, lines: &[Line], cuts: &[(usize, After)]) -> Outcome {
    let folder = folder();
    let store = stores::open(&folder);
    let open = |now| store.writer("web-1", rules.clone(), now).unwrap();
    let mut writer = Some(open(noon(0)));
    let mut rest = lines;
    let mut cuts = cuts.iter().chain([&(usize::MAX, After::Nothing)]);
    while !rest.is_empty() {
        let (length, after) = *cuts.next().unwrap();
        let (batch, behind) = rest.split_at(length.min(rest.len()));
        rest = behind;
        let now = noon(batch.last().unwrap().received);
        let open_writer = writer.as_mut().unwrap();
        open_writer.write(prepare(rules, batch), now).unwrap();
        match after {
            After::Nothing => continue,
            After::Maintenance => {
                open_writer.maintain(now).unwrap();
                continue;
            }
            After::Crash => drop(writer.take()),
            After::Stop => writer.take().unwrap().close(now).unwrap(),
        }
        writer = Some(open(now));
    }
    writer.unwrap().close(noon(lines.last().map_or(0, |line| line.received))).unwrap();
    let verdicts = store.verify(&Default::default()).unwrap();
    assert!(verdicts.iter().all(secmon_core::seal::Verdict::is_ok), "{verdicts:?}");
    outcome(&store)
}

fn outcome(store: &Store) -> Outcome {
    let mut bodies = Vec::new();
    let mut query = RecordQuery::default().limit(1_000);
    loop {
        let page = store.records(&query).unwrap();
        bodies.extend(page.rows.into_iter().map(|row| (row.seq, row.body)));
        let Some(next) = page.next else { break };
        query = query.page(&next);
    }
    bodies.sort();
    let bodies = bodies.into_iter().filter_map(|(_, body)| comparable(&body)).collect();
    let incidents = store.incidents(&IncidentQuery { limit: 1_000, ..Default::default() }).unwrap();
    assert!(incidents.next.is_none());
    let incident = |row: secmon_store::IncidentRow| {
        format!(
            "{} {} {} {} {} {} {}",
            row.rule, row.group, row.count, row.first, row.last, row.level, row.state
        )
    };
    let mut incidents: Vec<_> = incidents.rows.into_iter().map(incident).collect();
    incidents.sort();
    let mut detections = Vec::new();
    let mut page: Option<String> = None;
    loop {
        let found = store
            .detections(&IncidentQuery { limit: 500, page: page.clone(), ..Default::default() })
            .unwrap();
        let detection = |row: secmon_store::DetectionRow| {
            format!("{} {} {} {}", row.rule, row.group, row.time, row.level)
        };
        detections.extend(found.rows.into_iter().map(detection));
        page = found.next;
        if page.is_none() {
            break;
        }
    }
    detections.sort();
    Outcome { bodies, incidents, detections }
}

/// A body without what names its place: ids, index, sealing time, stream.
fn comparable(body: &[u8]) -> Option<String> {
    let mut body: Value = serde_json::from_slice(body).unwrap();
    if matches!(body["cat"].as_str().unwrap(), "secmon.rules" | "secmon.heartbeat" | "secmon.key") {
        return None;
    }
    let members = body.as_object_mut().unwrap();
    for name in ["id", "at", "seq", "st", "exp"] {
        members.remove(name).unwrap();
    }
    members["ev"].as_object_mut().unwrap().remove("secmon.incident.id");
    Some(body.to_string())
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 300, ..Default::default() }
}

/// Detections, and correlations of each type over them.
const SIGMA: &str = r"
title: failed
id: s_failed
name: s_failed
logsource: {product: linux}
detection: {s: {event.action: ssh_login, event.outcome: failure}, condition: s}
---
title: accepted
id: s_accepted
name: s_accepted
logsource: {product: linux}
detection: {s: {event.outcome: success}, k: [publickey, sudo], condition: s or k}
---
title: blocked
id: s_blocked
logsource: {}
detection: {s: {event.action: connection_blocked}, condition: s}
---
{title: s_count, id: s_count, correlation: {type: event_count, rules: [s_failed], group-by: [source.ip], timespan: 20m, condition: {gte: 3}}}
---
{title: s_users, id: s_users, correlation: {type: value_count, rules: [s_failed], group-by: [host.name], timespan: 5m, condition: {field: source.ip, gte: 3}}}
---
{title: s_ports, id: s_ports, correlation: {type: value_count, rules: [s_blocked], timespan: 4m, condition: {field: destination.port, gt: 3}}}
---
{title: s_sum, id: s_sum, correlation: {type: value_sum, rules: [s_blocked], group-by: [source.ip], timespan: 2m, condition: {field: destination.port, gte: 30}}}
---
{title: s_both, id: s_both, correlation: {type: temporal, rules: [s_failed, s_accepted], group-by: [host.name], timespan: 90s}}
---
{title: s_order, id: s_order, correlation: {type: temporal_ordered, rules: [s_failed, s_accepted], group-by: [host.name], timespan: 90s}}
---
{title: s_chain, id: s_chain, correlation: {type: temporal_ordered, rules: [s_count, s_accepted], group-by: [host.name], timespan: 20m, generate: true}}
";

fn sigma() -> SigmaRules {
    let mut rules = SigmaRules::default();
    rules.load("properties.yml", SIGMA);
    assert_eq!(rules.problems(), []);
    rules
}

/// All rules, sharper than usual so that short inputs make them fire.
fn sharp() -> Ruleset {
    let settings = |kind: &str| match kind {
        "address" => serde_json::json!({"allowed": ["203.0.113.0/24"]}),
        "port_scan" => serde_json::json!({"ports": 5, "slow_ports": 9, "slow_within": "30m"}),
        "unauthorized_access" => serde_json::json!({"requests": 2, "within": "5m"}),
        "threshold" => serde_json::json!({"above": 85, "for": "1m"}),
        "off_hours" => serde_json::json!({"from": "12:10:00", "to": "11:00:00"}),
        "profile" => serde_json::json!({"by": ["user.name", "host.name"], "days": 2, "learn": 1}),
        _ => serde_json::json!({"failures": 3}),
    };
    [
        "address",
        "brute_force",
        "login_after_failures",
        "off_hours",
        "port_scan",
        "profile",
        "threshold",
        "unauthorized_access",
    ]
    .into_iter()
    .try_fold(Ruleset::builder(), |rules, kind| rules.settings(kind, kind, settings(kind)))
    .unwrap()
    .sigma(&sigma())
    .build()
    .unwrap()
}

#[test]
fn no_cut_and_no_restart_changes_what_is_stored_and_found() {
    let rules = sharp();
    proptest!(config(48), |(lines in lines(), cuts in cuts())| {
        let whole = stored(&rules, &lines, &[]);
        prop_assert_eq!(whole.bodies.iter().filter(|body| body.contains(r#""cat":"event""#)).count(), lines.len());
        let cut = stored(&rules, &lines, &cuts);
        prop_assert!(cut == whole, "{}", difference(&cut, &whole));
    });
}

/// The first thing that differs.
fn difference(cut: &Outcome, whole: &Outcome) -> String {
    let pairs = [
        (&cut.bodies, &whole.bodies),
        (&cut.incidents, &whole.incidents),
        (&cut.detections, &whole.detections),
    ];
    let mut out = String::new();
    for (cut, whole) in pairs {
        let first = (0..cut.len().max(whole.len())).find(|at| cut.get(*at) != whole.get(*at));
        if let Some(at) = first {
            out.push_str(&format!("\ncut:   {:?}\nwhole: {:?}", cut.get(at), whole.get(at)));
        }
    }
    out
}

#[test]
fn a_writer_with_built_in_rules_finds_the_same_however_it_is_cut() {
    let rules = Ruleset::builtin();
    proptest!(config(16), |(lines in lines(), cuts in cuts())| {
        let (whole, cut) = (stored(&rules, &lines, &[]), stored(&rules, &lines, &cuts));
        prop_assert!(cut == whole, "{}", difference(&cut, &whole));
    });
}

/// Lines of yesterday, that come today in several batches with restarts: the time of receipt is hours
/// behind that of the events.
#[test]
fn a_backlog_is_counted_the_same_however_it_is_cut() {
    let rules = sharp();
    proptest!(config(24), |(lines in lines(), cuts in cuts())| {
        let mut lines = lines;
        for (line, at) in lines.iter_mut().zip(0..) {
            line.received = 90_000 + at;
        }
        let (whole, cut) = (stored(&rules, &lines, &[]), stored(&rules, &lines, &cuts));
        prop_assert!(cut == whole, "{}", difference(&cut, &whole));
    });
}

/// What a scan finds, as far as disorder must not change it.
fn scanned(rules: &Ruleset, lines: &[String], rule: &str) -> Vec<(String, u64, String, String)> {
    let mut counters = Counters::new(rules);
    let cx = Context::new(noon(86_000));
    for (seq, line) in (0..).zip(lines) {
        counters.event("scan", seq, &rules.prepare(line, LineFormat::Detect, &cx));
    }
    let found = |incident: &Incident| {
        let Incident { group, count, first, last, .. } = incident;
        (group.as_json().to_owned(), *count, first.to_rfc3339(), last.to_rfc3339())
    };
    counters.incidents().iter().filter(|incident| incident.rule == rule).map(found).collect()
}

/// Lines of one kind over an hour, and a sort key that moves each by less than a minute.
fn disordered(kinds: std::ops::Range<u8>) -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    let line = (kinds, 0..4_usize, any::<u16>(), 0..60_i64, 0..60_000_000_i64);
    prop::collection::vec(line, 1..120).prop_map(|parts| {
        let mut second = 0;
        let mut keyed = Vec::new();
        for (kind, pick, number, pause, shift) in parts {
            second += pause;
            let at = noon(second);
            keyed.push((at + TimeDelta::microseconds(shift), text(kind, pick, number, at)));
        }
        let sorted = keyed.iter().map(|(_, line)| line.clone()).collect();
        keyed.sort_by_key(|(key, _)| *key);
        (sorted, keyed.into_iter().map(|(_, line)| line).collect())
    })
}

#[test]
fn brute_force_finds_the_same_in_lines_that_come_within_a_minute_out_of_order() {
    let rules = Ruleset::builtin();
    proptest!(config(300), |((sorted, shuffled) in disordered(0..6))| {
        prop_assert_eq!(scanned(&rules, &shuffled, "brute_force"), scanned(&rules, &sorted, "brute_force"));
    });
}

#[test]
fn port_scan_finds_the_same_in_lines_that_come_within_a_minute_out_of_order() {
    let rules = sharp();
    proptest!(config(300), |((sorted, shuffled) in disordered(13..15))| {
        prop_assert_eq!(scanned(&rules, &shuffled, "port_scan"), scanned(&rules, &sorted, "port_scan"));
    });
}

#[test]
fn correlations_find_the_same_in_lines_that_come_within_a_minute_out_of_order() {
    let rules = Ruleset::builder().sigma(&sigma()).build().unwrap();
    let all = ["s_count", "s_users", "s_ports", "s_sum", "s_both", "s_order"];
    let fired = std::cell::RefCell::new(std::collections::BTreeSet::new());
    proptest!(config(300), |((sorted, shuffled) in disordered(0..15))| {
        for rule in all {
            let found = scanned(&rules, &sorted, rule);
            prop_assert_eq!(&scanned(&rules, &shuffled, rule), &found, "{}", rule);
            if !found.is_empty() {
                fired.borrow_mut().insert(rule);
            }
        }
    });
    assert_eq!(fired.borrow().len(), all.len(), "{fired:?}");
}

#[test]
fn a_login_whose_outcome_is_unknown_counts_for_nothing() {
    let line = |number: i64, outcome: &str| {
        format!(
            r#"{{"@timestamp":"{}","source.ip":"203.0.113.7","user.name":"bob","event.action":"login"{outcome}}}"#,
            noon(number).to_rfc3339()
        )
    };
    for outcome in
        ["", r#","event.outcome":"unknown""#, r#","status":"pending""#, r#","event.outcome":null"#]
    {
        let lines: Vec<_> = (0..50).map(|number| line(number, outcome)).collect();
        let rules = Ruleset::builtin();
        for rule in ["brute_force", "login_after_failures", "off_hours", "unauthorized_access"] {
            assert!(scanned(&rules, &lines, rule).is_empty(), "{rule} {outcome}");
        }
    }
    let lines: Vec<_> = (0..5).map(|number| line(number, r#","status":"FAILED""#)).collect();
    assert_eq!(scanned(&Ruleset::builtin(), &lines, "brute_force").len(), 1);
}

#[test]
fn an_event_from_the_future_blinds_nobody() {
    let rules = Ruleset::builtin();
    let failure = |at: DateTime<Utc>| {
        format!(
            "{} web-1 sshd[1]: Failed password for root from 203.0.113.7 port 1 ssh2",
            at.to_rfc3339()
        )
    };
    let mut lines = vec![Line { text: failure(noon(86_400 * 3_650)), received: 5 }];
    lines.extend((1..=5).map(|second| Line { text: failure(noon(second)), received: second }));
    for cuts in [vec![], vec![(1, After::Stop), (1, After::Crash)]] {
        let found = stored(&rules, &lines, &cuts);
        assert_eq!(found.incidents.len(), 1, "{:?}", found.incidents);
        assert!(
            found.incidents[0].contains(" 6 2026-11-20 12:00:01 UTC 2026-11-20 12:02:05 UTC"),
            "{:?}",
            found.incidents
        );
    }
}
