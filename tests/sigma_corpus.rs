//! Sigma rules and events of `../shared/data`: every rule loads, every sample is found, and the matches are
//! those of rsigma, but where the specification says otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use rsigma_eval::event::JsonEvent;
use rsigma_eval::{Engine, LogSourceExtractor};
use secmon_core::parse::{Context, LineFormat};
use secmon_core::sigma::SigmaRules;
use secmon_core::{Counters, Ruleset};
use secmon_http::SigmaConfig;

/// The folder of the shared data; none, with a word, where there is no such folder.
fn data() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/sigma");
    if !folder.exists() {
        println!("skipped: no ../shared/data");
        return None;
    }
    Some(folder)
}

fn rules(data: &std::path::Path) -> SigmaRules {
    SigmaConfig { rules: vec![data.join("rules")], ..SigmaConfig::default() }.load(false).unwrap()
}

fn ruleset(data: &std::path::Path, is_routed: bool) -> Ruleset {
    let builder = Ruleset::builder().sigma(&rules(data));
    if is_routed { builder } else { builder.unrouted() }.build().unwrap()
}

/// The rules that each line of a file matches.
fn ours(ruleset: &Ruleset, text: &str) -> Vec<BTreeSet<String>> {
    let cx = Context::new("2026-11-20T00:00:00Z".parse().unwrap());
    let mut counters = Counters::new(ruleset);
    let mut all = Vec::new();
    for (seq, line) in (0..).zip(text.lines()) {
        let prepared = ruleset.prepare_json(line.as_bytes(), &cx);
        assert_eq!(prepared.error(), None);
        // The way without an event says the same.
        let signals = ruleset.glance(line.as_bytes(), LineFormat::Detect, &cx).signals;
        assert_eq!(signals, prepared.signals(), "line {}", seq + 1);
        let found = counters.event("test", seq, &prepared);
        all.push(found.into_iter().map(|detection| detection.rule).collect());
    }
    all
}

fn oracle(data: &std::path::Path, is_routed: bool) -> Engine {
    let collection = rsigma_parser::parse_sigma_directory(&data.join("rules")).unwrap();
    let mut engine = Engine::new();
    engine.add_collection(&collection).unwrap();
    engine.set_logsource_extractor(is_routed.then(LogSourceExtractor::new));
    engine
}

fn theirs(engine: &Engine, text: &str) -> Vec<BTreeSet<String>> {
    let found = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let found = engine.evaluate(&JsonEvent::borrow(&event));
        found.into_iter().map(|found| found.header.rule_id.unwrap()).collect()
    };
    text.lines().map(found).collect()
}

#[test]
fn every_rule_loads() {
    let Some(data) = data() else { return };
    let rules = rules(&data);
    assert_eq!(rules.problems().iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(Ruleset::builder().sigma(&rules).build().unwrap().rules().count(), 3_141);
}

#[test]
fn every_rule_fires_on_its_own_sample() {
    let Some(data) = data() else { return };
    let samples = fs::read_to_string(data.join("regression.jsonl")).unwrap();
    let expected = fs::read_to_string(data.join("regression.expected.json")).unwrap();
    let expected: BTreeMap<String, Vec<usize>> = serde_json::from_str(&expected).unwrap();
    for is_routed in [false, true] {
        let found = ours(&ruleset(&data, is_routed), &samples);
        let silent: Vec<_> = expected
            .iter()
            .filter(|(rule, lines)| !lines.iter().any(|line| found[line - 1].contains(*rule)))
            .collect();
        assert!(silent.is_empty(), "routed {is_routed}: {silent:?}");
    }
}

#[test]
fn matches_are_those_of_rsigma() {
    let Some(data) = data() else { return };
    let files = [
        "events_linux_1000.jsonl",
        "events_win_mixed_2510.jsonl",
        "events_win_mixed_500.jsonl",
        "events_win_proc.jsonl",
        "regression.jsonl",
    ];
    // Rules that ask for another of the several categories of an event than the one in its `category`: found
    // only by sets.
    let info = fs::read_to_string(data.join("regression.info.json")).unwrap();
    let info: BTreeMap<String, serde_json::Value> = serde_json::from_str(&info).unwrap();
    let by_sets: BTreeSet<&str> = info
        .iter()
        .filter(|(_, info)| info["logsource_fits"] == false)
        .map(|(rule, _)| rule.as_str())
        .collect();
    let mut differences = Vec::new();
    for is_routed in [false, true] {
        let ruleset = ruleset(&data, is_routed);
        let engine = oracle(&data, is_routed);
        for file in files {
            let text = fs::read_to_string(data.join(file)).unwrap();
            let (ours, theirs) = (ours(&ruleset, &text), theirs(&engine, &text));
            let pairs = theirs.iter().map(BTreeSet::len).sum::<usize>();
            let mut differ = 0;
            for (line, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                for rule in ours.symmetric_difference(theirs) {
                    let is_ours = ours.contains(rule);
                    if is_routed && is_ours && by_sets.contains(rule.as_str()) {
                        continue;
                    }
                    let sign = if is_ours { '+' } else { '-' };
                    differences
                        .push(format!("{file}:{} routed {is_routed} {sign}{rule}", line + 1));
                    differ += 1;
                }
            }
            println!("{file} routed {is_routed}: {pairs} matches of rsigma, {differ} differ");
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
