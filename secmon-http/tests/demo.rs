//! The demo's promise: the normal part yields no incident, each anomaly just its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use secmon_core::parse::{Context, LineFormat};
use secmon_core::{Counters, Ruleset};
use secmon_http::{Config, demo};

const ANOMALIES: [&str; 10] = [
    "address",
    "brute_force",
    "login_after_failures",
    "off_hours",
    "port_scan",
    "profile",
    "threshold",
    "threshold_disk",
    "threshold_memory",
    "unauthorized_access",
];

fn options(seed: u64, anomalies: &[&str]) -> demo::Options {
    demo::Options {
        events: 1_500,
        hosts: 1 + usize::try_from(seed).unwrap() % 12,
        seed,
        anomalies: anomalies.iter().map(|id| (*id).to_owned()).collect(),
        end: "2026-01-02T00:20:00Z".parse::<DateTime<Utc>>().unwrap()
            + chrono::TimeDelta::minutes(97 * i64::try_from(seed).unwrap()),
    }
}

/// How many incidents each rule has.
fn incidents(options: &demo::Options, ruleset: &Ruleset) -> BTreeMap<String, usize> {
    let cx = Context::new(options.end);
    let mut counters = Counters::new(ruleset);
    for (seq, line) in (0..).zip(demo::lines(options).unwrap()) {
        let prepared = ruleset.prepare(&line, LineFormat::Detect, &cx);
        assert_eq!(prepared.error(), None, "{line}");
        assert!(prepared.event.time <= options.end, "{line}");
        counters.event("demo", seq, &prepared);
    }
    let mut counts = BTreeMap::new();
    for incident in counters.incidents() {
        *counts.entry(incident.rule).or_default() += 1;
    }
    counts
}

fn configured() -> Ruleset {
    Config::parse(&demo::config(), |_| None).unwrap().ruleset().unwrap()
}

#[test]
fn a_normal_day_has_no_incident() {
    let configured = configured();
    for seed in 0..20 {
        let day = options(seed, &[]);
        assert_eq!(incidents(&day, &Ruleset::builtin()), BTreeMap::new(), "seed {seed}");
        assert_eq!(incidents(&day, &configured), BTreeMap::new(), "seed {seed}");
        assert_eq!(demo::lines(&day).unwrap().len(), 1_500);
    }
    let busy = demo::Options { events: 60_000, ..options(3, &[]) };
    assert_eq!(incidents(&busy, &configured), BTreeMap::new());
}

#[test]
fn each_anomaly_is_just_its_incident() {
    let configured = configured();
    for seed in 0..16 {
        for anomaly in ANOMALIES {
            let found = incidents(&options(seed, &[anomaly]), &configured);
            assert_eq!(found, BTreeMap::from([(anomaly.to_owned(), 1)]), "seed {seed}");
        }
    }
}

#[test]
fn all_anomalies_at_once_are_one_incident_each() {
    let found = incidents(&options(7, &ANOMALIES), &configured());
    assert_eq!(found, ANOMALIES.map(|id| (id.to_owned(), 1)).into());
}

#[test]
fn the_same_seed_gives_the_same_lines_and_unknown_anomalies_are_named() {
    assert_eq!(demo::lines(&options(5, &ANOMALIES)), demo::lines(&options(5, &ANOMALIES)));
    assert_ne!(demo::lines(&options(5, &[])), demo::lines(&options(6, &[])));
    let error = demo::lines(&options(1, &["nope"])).unwrap_err();
    assert!(error.contains("nope") && error.contains("port_scan"), "{error}");
}
