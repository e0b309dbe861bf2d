//! Any text as the condition of a rule: read or refused; what was read is evaluated by the matcher and step by
//! step, with the same answer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use secmon_core::Ruleset;
use secmon_core::parse::{Context, LineFormat};
use secmon_core::sigma::SigmaRules;

const EVENTS: [&str; 4] = [r#"{"a":"1"}"#, r#"{"a":"1","b":"2"}"#, r#"{"b":"2","c":"3","d":"needle"}"#, r#"{"z":"0"}"#];

fuzz_target!(|condition: &str| {
    // As a string of JSON it is one of YAML too.
    let quoted: String = condition.chars().filter(|char| !char.is_control()).collect();
    let quoted = quoted.replace('\\', "\\\\").replace('"', "\\\"");
    let text = format!(
        "title: t\nid: t\nlogsource: {{product: x}}\ndetection:\n  sel_a: {{a: '1'}}\n  sel_b: {{b: '2'}}\n  filter_c: \
         {{c: '3'}}\n  words: [needle]\n  condition: \"{quoted}\"\n"
    );
    let mut rules = SigmaRules::default();
    rules.load("fuzz.yml", &text);
    let ruleset = Ruleset::builder().sigma(&rules).build().expect("bad rules are refused one by one");
    assert_eq!(ruleset.rules().count() == 1, rules.problems().iter().all(|problem| problem.is_warning));
    let cx = Context::new("2026-11-20T12:00:00Z".parse().expect("a time"));
    for event in EVENTS {
        let prepared = ruleset.prepare(event, LineFormat::Detect, &cx);
        let matches = !prepared.signals().is_empty();
        assert_eq!(!ruleset.glance(event.as_bytes(), LineFormat::Detect, &cx).signals.is_empty(), matches);
        if let Some(explained) = ruleset.explain("t", &prepared.event) {
            assert_eq!(explained.matches && explained.fits_source, matches);
        }
    }
});
