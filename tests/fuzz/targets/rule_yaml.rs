//! Any text as rules, filters, correlations and as a pipeline: loaded or refused, never worse. What was loaded
//! is tried on an event, and explained.

#![no_main]

use libfuzzer_sys::fuzz_target;
use secmon_core::parse::{Context, LineFormat};
use secmon_core::sigma::SigmaRules;
use secmon_core::{Counters, Ruleset};

const EVENT: &str = r#"{"@timestamp":"2026-11-20T12:00:00Z","product":"linux","a":"b","c":["d","e"],"n":7,"EventID":4688,"CommandLine":"cmd /c x"}"#;

fuzz_target!(|text: &str| {
    let mut rules = SigmaRules::default();
    rules.load("fuzz.yml", text);
    rules.load_pipeline("pipeline.yml", text);
    let _ = (rules.problems(), rules.unmapped());
    let ruleset = Ruleset::builder().sigma(&rules).build().expect("bad rules are refused one by one");
    let cx = Context::new("2026-11-20T12:00:00Z".parse().expect("a time"));
    let event = ruleset.prepare(EVENT, LineFormat::Detect, &cx);
    assert_eq!(ruleset.glance(EVENT.as_bytes(), LineFormat::Detect, &cx).signals, event.signals());
    let mut counters = Counters::new(&ruleset);
    for seq in 0..3 {
        counters.event("fuzz", seq, &event);
    }
    let _ = counters.incidents();
    for rule in ruleset.rules() {
        let _ = ruleset.explain(rule.id(), &event.event);
    }
});
