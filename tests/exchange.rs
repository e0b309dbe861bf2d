//! Rules that are exchanged under a store: what they know, what they forget, and what lists show of it.

#[path = "support/stores.rs"]
mod stores;

use secmon_core::{Event, Ruleset, fields};
use secmon_store::{IncidentQuery, IncidentRow, Store, VerifyOptions};
use stores::{failure, folder, noon, open};

fn brute_force(failures: u32) -> Ruleset {
    let settings = serde_json::json!({"failures": failures});
    Ruleset::builder().settings("brute_force", "brute_force", settings).unwrap().build().unwrap()
}

fn lines(from: i64, count: i64) -> Vec<String> {
    (from..from + count).map(|second| failure(second, "203.0.113.7")).collect()
}

/// Incidents, those that began first first.
fn incidents(store: &Store) -> Vec<IncidentRow> {
    let mut rows = store.incidents(&IncidentQuery::default()).unwrap().rows;
    rows.sort_by_key(|row| row.first);
    rows
}

fn shown(store: &Store) -> Vec<(String, u64)> {
    incidents(store).into_iter().map(|row| (row.state, row.count)).collect()
}

#[test]
fn what_a_rule_of_other_settings_was_told_is_not_told_to_the_new_one() {
    let folder = folder();
    let store = open(&folder);
    let (five, three) = (brute_force(5), brute_force(3));
    let mut writer = store.writer("web-1", five.clone(), noon(0)).unwrap();
    writer.write(five.prepare_lines(lines(1, 1), noon(1)), noon(1)).unwrap();
    writer.write(five.prepare_lines(lines(2, 3), noon(4)), noon(4)).unwrap();
    drop(writer); // as if it had been killed
    let mut writer = store.writer("web-1", three.clone(), noon(5)).unwrap();
    writer.write(three.prepare_lines(lines(5, 2), noon(6)), noon(6)).unwrap();
    assert_eq!(shown(&store), []);
    drop(writer);
    // With the same settings nothing is forgotten.
    let mut writer = store.writer("web-1", three.clone(), noon(7)).unwrap();
    writer.write(three.prepare_lines(lines(7, 21), noon(30)), noon(30)).unwrap();
    assert_eq!(shown(&store), [("open".into(), 23)]);
}

#[test]
fn an_incident_of_other_settings_gives_way_and_is_not_overwritten() {
    let folder = folder();
    let store = open(&folder);
    let (five, four) = (brute_force(5), brute_force(4));
    let mut writer = store.writer("web-1", five.clone(), noon(0)).unwrap();
    writer.write(five.prepare_lines(lines(1, 9), noon(10)), noon(10)).unwrap();
    writer.set_rules(four.clone(), noon(11)).unwrap();
    writer.write(four.prepare_lines(lines(12, 4), noon(16)), noon(16)).unwrap();
    assert_eq!(shown(&store), [("closed".into(), 9), ("open".into(), 4)]);
}

#[test]
fn events_that_were_matched_by_other_rules_are_matched_again() {
    let folder = folder();
    let store = open(&folder);
    // In the one set it stands first, in the other second.
    let before = brute_force(3);
    let settings = serde_json::json!({});
    let after = Ruleset::builder().settings("port_scan", "port_scan", settings).unwrap();
    let after = after.settings("brute_force", "brute_force", serde_json::json!({"failures": 3}));
    let after = after.unwrap().build().unwrap();
    let mut writer = store.writer("web-1", before.clone(), noon(0)).unwrap();
    writer.write(before.prepare_lines(lines(1, 2), noon(3)), noon(3)).unwrap();
    let waiting = before.prepare_lines(lines(4, 1), noon(5));
    writer.set_rules(after, noon(6)).unwrap();
    let receipt = writer.write(waiting, noon(7)).unwrap();
    assert_eq!(receipt.detections[0].rule, "brute_force");
    assert_eq!(shown(&store), [("open".into(), 3)]);
}

#[test]
fn a_rule_that_comes_back_begins_anew() {
    let folder = folder();
    let store = open(&folder);
    let rules = brute_force(3);
    let told = |second: i64| rules.prepare_lines(lines(second, 2), noon(second + 2));
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    writer.write(told(1), noon(3)).unwrap();
    writer.set_rules(Ruleset::empty(), noon(4)).unwrap();
    writer.set_rules(rules.clone(), noon(5)).unwrap();
    writer.write(told(6), noon(8)).unwrap();
    assert_eq!(shown(&store), []);
    drop(writer);
    let mut writer = store.writer("web-1", Ruleset::empty(), noon(9)).unwrap();
    writer.write(Ruleset::empty().prepare_lines(["hello"], noon(10)), noon(10)).unwrap();
    drop(writer);
    let mut writer = store.writer("web-1", rules.clone(), noon(11)).unwrap();
    writer.write(told(12), noon(14)).unwrap();
    assert_eq!(shown(&store), []);
}

#[test]
fn an_incident_fits_a_record_whatever_its_group() {
    let folder = folder();
    let store = open(&folder);
    let settings = serde_json::json!({"by": ["event.action"], "learn": 1});
    let rules =
        Ruleset::builder().settings("profile", "profile", settings).unwrap().build().unwrap();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    let odd = "\u{1}".repeat(95);
    for day in 0..3 {
        let at = noon(day * 86_400 + day * 3 * 3_600);
        let mut event = Event::new(at);
        event.set(fields::EVENT_ACTION, "x".repeat(62_500));
        event.set(fields::USER_NAME, format!("{odd}{day}"));
        event.set(fields::HOST_NAME, format!("{odd}{day}"));
        writer.write(vec![rules.prepare_event(event)], at).unwrap();
    }
    let now = noon(3 * 86_400);
    writer.close(now).unwrap();
    assert_eq!(shown(&store), [("open".into(), 2)]);
    let verdict = store.verify(&VerifyOptions::default()).unwrap().remove(0);
    assert!(verdict.is_ok(), "{:?}", verdict.findings);
}
