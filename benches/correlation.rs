//! Correlations: signals counted a second, and the same events through rsigma 0.23 in one run, parsing
//! included. Promise: a million signals a second for `event_count`; a third of that for `value_count` with
//! 100,000 distinct values in its window; a million groups within the budget of memory.

mod support;

use std::hint::black_box;

use rsigma_eval::event::JsonEvent;
use rsigma_eval::{CorrelationConfig, CorrelationEngine};
use secmon_core::parse::{Context, LineFormat};
use secmon_core::rules::Signal;
use secmon_core::sigma::SigmaRules;
use secmon_core::{Counters, Ruleset};
use support::{median, rate};

const BASE: &str = "
title: failed
id: failed
logsource: {product: x}
detection: {s: {k: failed}, condition: s}
level: low
---
title: correlation
id: correlation
level: high
correlation:
  rules: [failed]
";

/// What is run: a name, the correlation, and the user and address of each event by its number.
type Case = (&'static str, &'static str, fn(u64) -> (u64, u64));

const CASES: [Case; 4] = [
    (
        "event_count, 1,000 groups",
        "type: event_count\n  group-by: [u]\n  timespan: 60s\n  condition: {gte: 10}",
        |n| (n % 1_000, 0),
    ),
    (
        "value_count, 1,800 distinct",
        "type: value_count\n  timespan: 1h\n  condition: {field: v, gte: 1000000}",
        |n| (0, n % 1_800),
    ),
    (
        "value_count, 100,000 distinct",
        "type: value_count\n  timespan: 1h\n  condition: {field: v, gte: 1000000}",
        |n| (0, n % 100_000),
    ),
    (
        "event_count, a million groups",
        "type: event_count\n  group-by: [u]\n  timespan: 60s\n  condition: {gte: 10}",
        |n| (n, 0),
    ),
];

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let events = if quick { 2_000 } else { 1_000_000 };
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| name.contains(wanted));
    for (name, correlation, event) in CASES.into_iter().filter(|(name, ..)| is_wanted(name)) {
        let text = format!("{BASE}  {correlation}\n");
        let mut rules = SigmaRules::default();
        rules.load("bench.yml", &text);
        assert_eq!(rules.problems(), []);
        let ruleset = Ruleset::builder().sigma(&rules).build().unwrap();
        let line = |n: u64| {
            let (user, value) = event(n);
            let time =
                chrono::DateTime::from_timestamp_micros(1_800_000_000_000_000 + 1_000 * n as i64)
                    .unwrap();
            let time = time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            format!(
                r#"{{"@timestamp":"{time}","product":"x","k":"failed","u":"user-{user}","v":"value-{value}"}}"#
            )
        };
        let cx = Context::new("2027-01-16T00:00:00Z".parse().unwrap());
        let lines: Vec<String> = (0..events).map(line).collect();
        // Before the signals below are made: when a million of them are freed, the allocator pays for it later.
        let part = &lines[..lines.len().min(100_000)];
        let tries: Vec<f64> = (0..5)
            .map(|_| {
                let mut counters = Counters::new(&ruleset);
                rate(part.len(), || {
                    for (seq, line) in (0..).zip(part) {
                        let signals =
                            ruleset.glance(line.as_bytes(), LineFormat::Detect, &cx).signals;
                        black_box(counters.signals("bench", seq, &signals));
                    }
                })
            })
            .collect();
        let ours = median(tries);
        // The peer walks over its whole window at each event: where that is long, a part is enough.
        let part = if correlation.contains("value_count") {
            &part[..part.len().min(20_000)]
        } else {
            part
        };
        let collection = rsigma_parser::parse_sigma_yaml(&text).unwrap();
        let mut engine = CorrelationEngine::new(CorrelationConfig::default());
        engine.add_collection(&collection).unwrap();
        let theirs = rate(part.len(), || {
            for (n, line) in (0..).zip(part) {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                black_box(
                    engine.process_event_at(&JsonEvent::borrow(&event), 1_800_000_000 + n / 1_000),
                );
            }
        });
        println!(
            "{name}, with parsing: secmon {ours:.0} events/s, rsigma {theirs:.0}, ratio {:.2} (promise 1)",
            ours / theirs
        );
        let signals: Vec<Vec<Signal>> = lines
            .iter()
            .map(|line| ruleset.glance(line.as_bytes(), LineFormat::Detect, &cx).signals)
            .collect();
        let mut evicted = 0;
        let counted = (0..if quick { 1 } else { 5 }).map(|_| {
            let mut counters = Counters::new(&ruleset);
            let counting = rate(signals.len(), || {
                for (seq, signals) in (0..).zip(&signals) {
                    black_box(counters.signals("bench", seq, signals));
                }
            });
            evicted = counters.evicted();
            counting
        });
        let counting = median(counted.collect());
        println!("{name}: {counting:.0} signals/s counted; {evicted} dropped by budgets");
    }
}
