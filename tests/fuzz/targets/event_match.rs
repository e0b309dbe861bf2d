//! Any bytes as a line: all ways of matching say the same of it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use secmon_core::parse::{Context, LineFormat};
use secmon_core::sigma::SigmaRules;
use secmon_core::{Counters, Ruleset};

/// Each kind of question once, and correlations of each kind over them.
const DETECTIONS: [&str; 22] = [
    "{a: b}",
    "{a: 'x*y?z'}",
    "{a|contains: [needle, straw]}",
    "{a|startswith: be}",
    "{a|endswith: nd}",
    "{a|contains|all: [x, y]}",
    "{a|re: '^[a-z]+[0-9]{2,5}$'}",
    "{a|re|i|m|s: '^x.y$'}",
    "{a|cidr: [10.0.0.0/8, '2001:db8::/32']}",
    "{a|base64offset|contains: secret}",
    "{a|wide|base64: text}",
    "{a|windash|contains: ' -x'}",
    "{a|exists: true}",
    "{a: null}",
    "{a: ''}",
    "{a|fieldref: b}",
    "{a|fieldref|contains: c}",
    "{n|gt: 5}",
    "{n|lte: 7.5}",
    "{a|cased|contains: Needle}",
    "{'@timestamp|hour': 12}",
    "[needle, '*hay*']",
];

static RULES: LazyLock<Ruleset> = LazyLock::new(|| {
    let mut text = String::new();
    for (at, detection) in DETECTIONS.iter().enumerate() {
        text.push_str(&format!(
            "title: t\nid: r{at}\nlogsource: {{product: linux}}\ndetection: {{s: {detection}, condition: s}}\n---\n"
        ));
        text.push_str(&format!(
            "title: t\nid: n{at}\nlogsource: {{category: process_creation}}\ndetection: {{s: {detection}, condition: not s}}\n---\n"
        ));
    }
    text.push_str("title: t\nid: c\ncorrelation: {generate: true, type: value_count, rules: [r12], group-by: [b], timespan: 1h, condition: {field: a, gte: 2}}\n---\n");
    text.push_str("title: t\nid: s\ncorrelation: {generate: true, type: value_sum, rules: [r12], timespan: 1h, condition: {field: n, gte: 2}}\n");
    let mut rules = SigmaRules::default();
    rules.load("fuzz.yml", &text);
    assert_eq!(rules.problems(), []);
    Ruleset::builder().sigma(&rules).build().expect("good rules")
});

fuzz_target!(|line: &[u8]| {
    let cx = Context::new("2026-11-20T12:00:00Z".parse().expect("a time"));
    let prepared = RULES.prepare_bytes(line, LineFormat::Detect, &cx);
    assert_eq!(RULES.glance(line, LineFormat::Detect, &cx).signals, prepared.signals());
    let mut counters = Counters::new(&RULES);
    let found = counters.event("fuzz", 0, &prepared);
    for rule in RULES.rules() {
        if let Some(explained) = RULES.explain(rule.id(), &prepared.event) {
            let fired = found.iter().any(|detection| detection.rule == rule.id());
            assert_eq!(explained.matches && explained.fits_source, fired, "{}", rule.id());
        }
    }
});
