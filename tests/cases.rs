//! The cases of `tests/cases/*.yaml`, through the Rust API and over HTTP.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/mod.rs"]
mod support;

use cases::load_cases;
use secmon_core::parse::Context;
use secmon_core::{Counters, Incident};
use secmon_store::{RecordQuery, Store};
use serde_json::{Value, json};
use support::Service;

fn incident(incident: &Incident) -> Value {
    json!({
        "rule": incident.rule,
        "level": incident.level,
        "group": serde_json::from_str::<Value>(incident.group.as_json()).unwrap(),
        "count": incident.count,
        "first": incident.first.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        "last": incident.last.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
    })
}

#[test]
fn a_scan_finds_what_each_case_expects() {
    for case in load_cases() {
        let ruleset = case.ruleset();
        let cx = Context::new(case.reference_time);
        let mut counters = Counters::new(&ruleset);
        for (line, text) in case.lines.iter().enumerate() {
            let prepared = ruleset.prepare(text, case.line_format(), &cx);
            case.check_event(line, &serde_json::from_str(&prepared.event.to_json()).unwrap());
            counters.event("case", line as u64, &prepared);
        }
        case.check_incidents(&counters.incidents().iter().map(incident).collect::<Vec<_>>());
    }
}

#[test]
fn a_store_keeps_seals_and_finds_what_each_case_expects() {
    for case in load_cases() {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::open(&format!("sqlite://{}/secmon.db", folder.path().display())).unwrap();
        let ruleset = case.ruleset();
        let (now, cx) = (case.reference_time, Context::new(case.reference_time));
        let mut writer = store.writer("case", ruleset.clone(), now).unwrap();
        let prepare = |line: &String| ruleset.prepare(line, case.line_format(), &cx);
        writer.write(case.lines.iter().map(prepare).collect(), now).unwrap();
        writer.close(now).unwrap();

        let stream = &store.streams().unwrap()[0];
        let (_, events) = store.events(stream, 0, None).unwrap().unwrap();
        assert_eq!(events.len(), case.lines.len(), "{}", case.name);
        for (line, event) in events.iter().enumerate() {
            case.check_event(line, &serde_json::from_str(&event.to_json()).unwrap());
        }
        let found = store.incidents(&Default::default()).unwrap().rows;
        let found = found.iter().map(|row| {
            json!({
                "rule": row.rule,
                "level": row.level,
                "group": serde_json::from_str::<Value>(&row.group).unwrap(),
                "count": row.count,
                "first": row.first.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
                "last": row.last.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            })
        });
        case.check_incidents(&found.collect::<Vec<_>>());
        let opened = store
            .records(&RecordQuery::default().field("event.action", "incident_opened"))
            .unwrap();
        assert_eq!(opened.rows.len(), case.incidents.len(), "{}", case.name);
        assert!(store.verify(&Default::default()).unwrap()[0].is_ok(), "{}", case.name);
    }
}

#[tokio::test]
async fn the_service_finds_what_each_case_expects() {
    for mut case in load_cases() {
        // The service reads the clock: what has no time of its own has that of its arrival.
        let read = json!(case.reference_time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
        for event in &mut case.events {
            event.retain(|name, value| name != "@timestamp" || *value != read);
        }
        let rules = case.rules.iter().flatten().map(|(id, settings)| {
            let rule = serde_json::from_value(Value::Object(settings.clone())).unwrap();
            (id.clone(), rule)
        });
        let config = secmon_http::Config {
            builtin: case.rules.is_none(),
            rules: rules.collect(),
            ..secmon_http::Config::default()
        };
        let service = Service::with(config).await;
        let format = case.format.as_deref().unwrap_or("detect");
        let path = format!("/api/v1/events?format={format}");
        let answer = service.post_to(&path, &[], case.dated().join("\n")).await;
        assert_eq!(answer.status(), 201, "{}", case.name);
        let incidents = service.json("/api/v1/incidents").await;
        case.check_incidents(incidents["incidents"].as_array().unwrap());
        let records = service.json("/api/v1/records?limit=1000").await;
        let mut records = records["records"].as_array().unwrap().clone();
        records.sort_by_key(|record| record["seq"].as_u64());
        let events: Vec<Value> = records
            .into_iter()
            .map(|record| record["event"].clone())
            .filter(|event| {
                let kind = event["event.kind"].as_str();
                kind != Some("alert") && event["event.action"] != "rules_loaded"
            })
            .collect();
        for (line, event) in events.iter().enumerate() {
            case.check_event(line, event);
        }
        let store = service.stop().await;
        assert!(store.verify(&Default::default()).unwrap()[0].is_ok(), "{}", case.name);
    }
}
