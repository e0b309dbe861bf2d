//! Sigma 2.1.0 feature by feature: what the text of the specification says, and pySigma where it is silent.

use proptest::prelude::*;
use secmon_core::parse::{Context, LineFormat};
use secmon_core::sigma::{FilterMode, SigmaRules};
use secmon_core::{Counters, Ruleset};

fn cx() -> Context {
    Context::new("2026-11-20T12:00:00Z".parse().unwrap())
}

fn problems(rules: &SigmaRules) -> Vec<String> {
    rules.problems().iter().map(ToString::to_string).collect()
}

/// Whether a rule with this detection section matches an event; both ways of matching, and `explain`.
fn matches(detection: &str, event: &str) -> bool {
    let mut rules = SigmaRules::default();
    rules.load("r.yml", &rule("r", detection));
    let wrong: Vec<_> =
        rules.problems().into_iter().filter(|problem| !problem.is_warning).collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{detection}");
    let ruleset = Ruleset::builder().sigma(&rules).build().unwrap();
    let signals = ruleset.glance(event.as_bytes(), LineFormat::Detect, &cx()).signals;
    let prepared = ruleset.prepare_json(event.as_bytes(), &cx());
    assert_eq!(prepared.error(), None, "{event}");
    assert_eq!(prepared.signals(), signals, "{detection}\n{event}");
    let explained = ruleset.explain("r", &prepared.event).unwrap();
    assert_eq!(explained.matches, !signals.is_empty(), "{detection}\n{event}");
    !signals.is_empty()
}

fn rule(id: &str, detection: &str) -> String {
    let detection = detection.trim().lines().map(|line| format!("  {line}\n")).collect::<String>();
    format!(
        "title: t\nid: {id}\nname: {id}\nlogsource: {{product: x}}\ndetection:\n{detection}level: high\n"
    )
}

/// Whether a rule with one field matches events: those that do, and those that do not.
#[track_caller]
fn probe(item: &str, yes: &[&str], no: &[&str]) {
    let detection = format!("s:\n  {}\ncondition: s", item.trim().replace('\n', "\n  "));
    for event in yes {
        assert!(matches(&detection, event), "{item} should match {event}");
    }
    for event in no {
        assert!(!matches(&detection, event), "{item} should not match {event}");
    }
}

/// Why a document is refused.
fn refused(text: &str) -> String {
    let mut rules = SigmaRules::default();
    rules.load("r.yml", text);
    let problems: Vec<_> =
        rules.problems().into_iter().filter(|problem| !problem.is_warning).collect();
    assert!(!problems.is_empty(), "taken: {text}");
    problems[0].to_string()
}

#[test]
fn values() {
    probe(
        "f: abc",
        &[r#"{"f":"ABC"}"#, r#"{"f":["x","abc"]}"#],
        &[r#"{"f":"abcd"}"#, r#"{"g":"abc"}"#],
    );
    probe("f: [a, b]", &[r#"{"f":"a"}"#, r#"{"f":"B"}"#], &[r#"{"f":"c"}"#]);
    probe("f: 'a*c'", &[r#"{"f":"abbc"}"#, r#"{"f":"ac"}"#], &[r#"{"f":"acd"}"#]);
    probe("f: 'a?c'", &[r#"{"f":"abc"}"#], &[r#"{"f":"ac"}"#, r#"{"f":"abbc"}"#]);
    probe(r"f: 'a\*c'", &[r#"{"f":"a*c"}"#], &[r#"{"f":"abc"}"#]);
    probe(r"f: 'C:\Win*'", &[r#"{"f":"C:\\Windows"}"#], &[r#"{"f":"C:Windows"}"#]);
    probe(r"f: 'a\\*'", &[r#"{"f":"a\\b"}"#], &[r#"{"f":"ab"}"#]);
    probe("f: 4625", &[r#"{"f":4625}"#, r#"{"f":"4625"}"#], &[r#"{"f":46250}"#]);
    // Numbers are the same however they are written; texts are not numbers.
    probe(
        "f: 1",
        &[r#"{"f":1}"#, r#"{"f":1.0}"#, r#"{"f":[2,1e0]}"#, r#"{"f":"1"}"#],
        &[r#"{"f":"1.0"}"#, r#"{"f":1.5}"#, r#"{"f":10}"#],
    );
    probe(
        "f: 1.50",
        &[r#"{"f":1.5}"#, r#"{"f":1.500}"#, r#"{"f":"1.50"}"#, r#"{"f":15e-1}"#],
        &[r#"{"f":1.05}"#, r#"{"f":"1.500"}"#, r#"{"f":150}"#],
    );
    probe("f: 1e3", &[r#"{"f":1000}"#, r#"{"f":1000.0}"#], &[r#"{"f":"1000.0"}"#]);
    probe("f: -0.50", &[r#"{"f":-0.5}"#, r#"{"f":-5e-1}"#], &[r#"{"f":0.5}"#, r#"{"f":-5}"#]);
    probe("f: 0", &[r#"{"f":-0.0}"#, r#"{"f":0e9}"#], &[r#"{"f":0.1}"#]);
    probe("f: 9007199254740992", &[], &[r#"{"f":9007199254740993.0}"#]);
    probe("f|neq: 1.0", &[r#"{"f":2}"#], &[r#"{"f":1}"#, r#"{"f":1.00}"#]);
    // A piece of a number is a text.
    probe("f|startswith: 10.0", &[r#"{"f":"10.0.1"}"#], &[r#"{"f":"1000"}"#, r#"{"f":10}"#]);
    probe("f|contains: 1.0", &[r#"{"f":"v1.0"}"#], &[r#"{"f":"v1"}"#]);
    probe("f|re: 1.0", &[r#"{"f":"120"}"#], &[r#"{"f":"12"}"#]);
    probe("f|re: '^-'", &[r#"{"f":-0}"#, r#"{"f":-1}"#], &[r#"{"f":0}"#]);
    probe("f: '4625'", &[r#"{"f":4625}"#, r#"{"f":"4625"}"#], &[r#"{"f":462}"#]);
    probe("f: true", &[r#"{"f":true}"#, r#"{"f":"True"}"#], &[r#"{"f":false}"#]);
    probe("f: ''", &[r#"{"f":""}"#], &[r#"{"f":"x"}"#, r#"{"f":null}"#, r#"{"g":""}"#]);
    probe("f: null", &[r#"{"f":null}"#, r#"{"g":1}"#], &[r#"{"f":""}"#, r#"{"f":"x"}"#]);
    probe("f: '*'", &[r#"{"f":"x"}"#, r#"{"f":""}"#], &[r#"{"g":"x"}"#]);
    probe("f: STRAßE", &[r#"{"f":"straße"}"#], &[r#"{"f":"strasse"}"#]);
    probe("f: ПРИВЕТ", &[r#"{"f":"привет"}"#], &[]);
    probe(
        "a.b: x",
        &[r#"{"a.b":"x"}"#, r#"{"a":{"b":"x"}}"#, r#"{"a":[{"b":"y"},{"b":"x"}]}"#],
        &[r#"{"a":"x"}"#],
    );
}

#[test]
fn modifiers_of_text() {
    probe("f|contains: bc", &[r#"{"f":"aBCd"}"#], &[r#"{"f":"acb"}"#]);
    probe("f|contains: 'b*d'", &[r#"{"f":"abcde"}"#], &[r#"{"f":"adb"}"#]);
    probe("f|contains: 62", &[r#"{"f":4625}"#], &[r#"{"f":4265}"#]);
    probe("f|startswith: ab", &[r#"{"f":"ABc"}"#], &[r#"{"f":"cab"}"#]);
    probe("f|startswith: 46", &[r#"{"f":4625}"#], &[r#"{"f":5462}"#]);
    probe("f|endswith: bc", &[r#"{"f":"aBC"}"#], &[r#"{"f":"bca"}"#]);
    probe("f|endswith: '?c'", &[r#"{"f":"abc"}"#], &[r#"{"f":"c"}"#]);
    probe("f|contains|all: [a, b]", &[r#"{"f":"xbxa"}"#], &[r#"{"f":"a"}"#]);
    probe("f|all|contains: [a, b]", &[r#"{"f":"xbxa"}"#], &[r#"{"f":"b"}"#]);
    probe("f|cased: Abc", &[r#"{"f":"Abc"}"#], &[r#"{"f":"abc"}"#]);
    probe("f|contains|cased: Abc", &[r#"{"f":"xAbcx"}"#], &[r#"{"f":"xabcx"}"#]);
    probe("f|cased|startswith: A", &[r#"{"f":"Ab"}"#], &[r#"{"f":"ab"}"#]);
    probe("f|neq: a", &[r#"{"f":"b"}"#], &[r#"{"f":"A"}"#]);
    probe("f|neq: 5", &[r#"{"f":6}"#], &[r#"{"f":5}"#, r#"{"f":"5"}"#]);
    probe("f|neq: [a, b]", &[r#"{"f":"c"}"#], &[r#"{"f":"b"}"#]);
    probe("f|contains|neq: a", &[r#"{"f":"b"}"#], &[r#"{"f":"ba"}"#]);
    probe("f|exists: true", &[r#"{"f":1}"#, r#"{"f":null}"#, r#"{"f":""}"#], &[r#"{"g":1}"#]);
    probe("f|exists: false", &[r#"{"g":1}"#], &[r#"{"f":null}"#, r#"{"f":""}"#]);
    probe("f|exists: true", &[r#"{"f":{"g":1}}"#, r#"{"f":[]}"#], &[r#"{"fg":{"f":1}}"#]);
    probe("f: null", &[r#"{"fg":1}"#], &[r#"{"f":{"g":1}}"#]);
}

#[test]
fn regular_expressions() {
    probe(
        "f|re: '^a.c$'",
        &[r#"{"f":"abc"}"#],
        &[r#"{"f":"ABC"}"#, r#"{"f":"abcd"}"#, r#"{"f":"a\nc"}"#],
    );
    probe("f|re|i: '^a.c$'", &[r#"{"f":"ABC"}"#], &[r#"{"f":"ABCD"}"#]);
    probe("f|re|s: 'a.c'", &[r#"{"f":"a\nc"}"#], &[r#"{"f":"ac"}"#]);
    probe("f|re|m: '^b$'", &[r#"{"f":"a\nb\nc"}"#], &[r#"{"f":"abc"}"#]);
    probe("f|re|i|s: 'A.C'", &[r#"{"f":"a\nc"}"#], &[r#"{"f":"ac"}"#]);
    probe("f|re: '[0-9]{3,}'", &[r#"{"f":12345}"#], &[r#"{"f":12}"#]);
    probe("f|re: [x, y]", &[r#"{"f":"ay"}"#], &[r#"{"f":"z"}"#]);
    probe("f|re|all: [x, y]", &[r#"{"f":"xay"}"#], &[r#"{"f":"y"}"#]);
    probe("f|re|neq: a", &[r#"{"f":"b"}"#], &[r#"{"f":"a"}"#]);
}

#[test]
fn encodings() {
    probe("f|base64: foobar", &[r#"{"f":"Zm9vYmFy"}"#], &[r#"{"f":"foobar"}"#]);
    let offsets = [r#"{"f":"xZm9vYmFyx"}"#, r#"{"f":"IGZvb2JhciA="}"#, r#"{"f":"ICBmb29iYXIg"}"#];
    probe("f|base64offset|contains: foobar", &offsets, &[r#"{"f":"Zm9v"}"#]);
    // An offset whose last character depends on what follows.
    probe("f|base64offset|contains: foobar", &[r#"{"f":"IGZvb2Jhcj8="}"#], &[]);
    // `cmd` in UTF-16.
    probe("f|wide|base64: cmd", &[r#"{"f":"YwBtAGQA"}"#], &[r#"{"f":"Y21k"}"#]);
    probe("f|utf16le|base64: cmd", &[r#"{"f":"YwBtAGQA"}"#], &[]);
    probe("f|utf16be|base64: cmd", &[r#"{"f":"AGMAbQBk"}"#], &[]);
    probe("f|utf16|base64: cmd", &[r#"{"f":"//5jAG0AZAA="}"#], &[]);
    probe("f|wide|base64offset|contains: cmd", &[r#"{"f":"xYwBtAGQAx"}"#], &[r#"{"f":"Y21k"}"#]);
    probe(
        "f|base64offset|contains|all: [foo, bar]",
        &[r#"{"f":"Zm9v xYmFy"}"#],
        &[r#"{"f":"Zm9v"}"#],
    );
}

#[test]
fn dashes() {
    let yes = ["-", "/", "\u{2013}", "\u{2014}", "\u{2015}"]
        .map(|dash| format!("{{\"f\":\"x {dash}enc y\"}}"));
    let yes: Vec<&str> = yes.iter().map(String::as_str).collect();
    probe("f|windash|contains: ' -enc'", &yes, &[r#"{"f":"x enc"}"#, r#"{"f":"x +enc"}"#]);
    probe("f|contains|windash: ' /enc'", &yes, &[r#"{"f":"x enc"}"#]);
    probe("f|windash|contains: 'a-b'", &[r#"{"f":"a-b"}"#], &[r#"{"f":"a/b"}"#]);
    probe("f|windash|contains|all: [' -a', ' /b']", &[r#"{"f":"x /a -b"}"#], &[r#"{"f":"x /a"}"#]);
}

#[test]
fn numbers_networks_dates_and_other_fields() {
    probe(
        "f|gt: 5",
        &[r#"{"f":6}"#, r#"{"f":"6"}"#, r#"{"f":5.5}"#],
        &[r#"{"f":5}"#, r#"{"f":"x"}"#, r#"{"g":9}"#],
    );
    probe("f|gte: 5", &[r#"{"f":5}"#], &[r#"{"f":4}"#]);
    probe("f|lt: 5", &[r#"{"f":4}"#, r#"{"f":-1}"#], &[r#"{"f":5}"#]);
    probe("f|lte: '5'", &[r#"{"f":5}"#], &[r#"{"f":6}"#]);
    probe("f|gt: 9007199254740992", &[r#"{"f":9007199254740993}"#], &[r#"{"f":9007199254740992}"#]);
    probe(
        "f|cidr: 10.0.0.0/8",
        &[r#"{"f":"10.1.2.3"}"#],
        &[r#"{"f":"11.0.0.1"}"#, r#"{"f":"10.1"}"#],
    );
    probe(
        "f|cidr: [192.168.0.0/16, '2001:db8::/32']",
        &[r#"{"f":"2001:db8::1"}"#],
        &[r#"{"f":"2001:db9::1"}"#],
    );
    probe(
        "source.ip|cidr: 10.0.0.0/8",
        &[r#"{"source.ip":"10.1.2.3"}"#, r#"{"src_ip":"10.1.2.3"}"#],
        &[],
    );
    let date = r#"{"d":"2026-11-20T23:10:00-08:00"}"#;
    for item in
        ["d|minute: 10", "d|hour: 23", "d|day: 20", "d|week: 47", "d|month: 11", "d|year: 2026"]
    {
        probe(item, &[date], &[r#"{"d":"2025-01-01T00:00:00Z"}"#, r#"{"d":"x"}"#]);
    }
    probe("d|hour|gte: 22", &[date], &[r#"{"d":"2026-11-20T21:59:00Z"}"#]);
    probe(
        "'@timestamp|hour': 23",
        &[r#"{"@timestamp":"2026-11-20T23:10:00-08:00"}"#],
        &[r#"{"@timestamp":"2026-11-20T07:10:00Z"}"#],
    );
    probe(
        "a|fieldref: b",
        &[r#"{"a":"X","b":"x"}"#, r#"{"a":5,"b":"5"}"#],
        &[r#"{"a":"x","b":"y"}"#, r#"{"a":"x"}"#],
    );
    probe("a|fieldref|neq: b", &[r#"{"a":"x","b":"y"}"#], &[r#"{"a":"x","b":"x"}"#]);
    probe("a|neq|fieldref: b", &[r#"{"a":"x","b":"y"}"#], &[r#"{"a":"x","b":"x"}"#]);
    probe("a|fieldref|endswith: b", &[r#"{"a":"xyz","b":"yz"}"#], &[r#"{"a":"yzx","b":"yz"}"#]);
}

#[test]
fn keywords_are_looked_for_in_the_whole_event() {
    let any = "k: [evil, bad]\ncondition: k";
    assert!(matches(any, r#"{"a":"x","b":{"c":"very EVIL thing"}}"#));
    assert!(matches(any, r#"{"a":["x","bad"]}"#));
    assert!(!matches(any, r#"{"evil":"x"}"#));
    let all = "k:\n  '|all': [one, two]\ncondition: k";
    assert!(matches(all, r#"{"a":"one","b":"two"}"#));
    assert!(!matches(all, r#"{"a":"one"}"#));
    let expression = "k:\n  '|re': 'e[vw]il'\ncondition: k";
    assert!(matches(expression, r#"{"a":"ewil"}"#) && !matches(expression, r#"{"a":"EWIL"}"#));
    assert!(matches("k: 4625\ncondition: k", r#"{"a":14625}"#));
    assert!(matches("k: zz\ncondition: k", r#"{"product":"x","service":"azzb"}"#));
    assert!(matches("k: [{f: a}, text]\ncondition: k", r#"{"g":"some text"}"#));
    let mut rules = SigmaRules::default();
    rules.load("r.yml", &rule("r", "k: 'web-1 sshd[42]: Failed'\ncondition: k"));
    let ruleset = Ruleset::builder().sigma(&rules).build().unwrap();
    let line =
        "Nov 20 11:59:00 web-1 sshd[42]: Failed password for root from 203.0.113.7 port 51234 ssh2";
    let ours = ruleset.prepare_lines([line], cx().reference);
    // The rule asks for product x, the line says linux.
    assert_eq!(ours[0].signals().len(), 0);
    let ruleset = Ruleset::builder().sigma(&rules).unrouted().build().unwrap();
    assert_eq!(ruleset.prepare_lines([line], cx().reference)[0].signals().len(), 1);
}

#[test]
fn conditions() {
    let selections =
        "a: {f|contains: a}\nb: {f|contains: b}\nc: {f|contains: c}\n_d: {f|contains: d}\n";
    let holds = |condition: &str, text: &str| {
        matches(&format!("{selections}condition: {condition}"), &format!(r#"{{"f":"x{text}"}}"#))
    };
    for (condition, yes, no) in [
        ("a and b", &["ab"][..], &["a", "b"][..]),
        ("a or b", &["a", "b"], &["c"]),
        ("not a", &["b", ""], &["a"]),
        ("a or b and c", &["a", "bc"], &["b", "c"]),
        ("(a or b) and c", &["ac", "bc"], &["a", "ab", "c"]),
        ("not a and b", &["b"], &["ab", ""]),
        ("not (a and b)", &["a", "b", ""], &["ab"]),
        ("a and not 1 of _*", &["a"], &["ad"]),
        ("1 of them", &["a", "c"], &["d", ""]),
        ("all of them", &["abc", "abcd"], &["ab", "abd"]),
        ("any of them", &["b"], &["d"]),
        ("2 of them", &["ab", "bc", "abc"], &["a", "ad"]),
        ("1 of a*", &["a"], &["b"]),
        ("1 of *", &["d"], &[""]),
        ("[a, b and c]", &["a", "bc"], &["b"]),
        ("not not a", &["a"], &["b"]),
    ] {
        for text in yes {
            assert!(holds(condition, text), "{condition} on {text}");
        }
        for text in no {
            assert!(!holds(condition, text), "{condition} on {text}");
        }
    }
    let patterns = "sel_a_x: {f: a}\nsel_b_x: {f: b}\nsel_b_y: {f: c}\ncondition: ";
    assert!(matches(&format!("{patterns}1 of sel_*_x"), r#"{"f":"b"}"#));
    assert!(!matches(&format!("{patterns}1 of sel_*_x"), r#"{"f":"c"}"#));
    assert!(matches(&format!("{patterns}1 of *_y"), r#"{"f":"c"}"#));
    assert!(matches("s:\n  - {f: a, g: b}\n  - {h: c}\ncondition: s", r#"{"h":"c"}"#));
    assert!(!matches("s:\n  - {f: a, g: b}\n  - {h: c}\ncondition: s", r#"{"f":"a"}"#));
}

#[test]
fn what_cannot_be_done_is_refused_with_file_and_line() {
    for (detection, why) in [
        ("s: {f: a}\ncondition: s AND s", "`AND` must be written in lower case"),
        ("s: {f: a}\ncondition: s OR s", "lower case"),
        ("s: {f: a}\ncondition: t", "there is no selection `t`"),
        ("s: {f: a}\ncondition: (s", "a bracket is not closed"),
        ("s: {f: a}\ncondition: s s", "`s` was not expected here"),
        ("s: {f: a}\ncondition: s and", "ends too early"),
        ("s: {f: a}\ncondition: s | count() > 5", "replaced by correlation rules"),
        ("s: {f: a}\ncondition: 1 of x*", "no selection is named like `x*`"),
        ("s: {f: a}\ncondition: 0 of s*", "write `1 of` or `all of`"),
        ("s: {f: a}", "`condition` is missing"),
        ("s: {f|nope: a}\ncondition: s", "there is no modifier `nope`"),
        ("s: {f|re: 'a('}\ncondition: s", "no regular expression"),
        ("s: {f|re: 'a(?=b)'}\ncondition: s", "no regular expression"),
        ("s: {f|re: '((a{1000}){1000}){1000}'}\ncondition: s", "no regular expression"),
        ("s: {f|i: a}\ncondition: s", "goes behind `re`"),
        ("s: {f|cidr: 10.0.0.0/99}\ncondition: s", "10.0.0.0/99"),
        ("s: {f|gt: x}\ncondition: s", "`x` is no number"),
        ("s: {f|exists: x}\ncondition: s", "`exists` takes `true` or `false`"),
        ("s: {f|expand: '%admins%'}\ncondition: s", "nothing says what `%admins%` stands for"),
        ("s: {f|base64: 'a*'}\ncondition: s", "wildcards cannot be encoded"),
        ("s: {f|contains|re: a}\ncondition: s", "cannot follow"),
        ("s: {f: []}\ncondition: s", "there are no values"),
        ("s: {f: {g: a}}\ncondition: s", "a value must be"),
        ("s: {}\ncondition: s", "without fields"),
    ] {
        let said = refused(&rule("r", detection));
        assert!(said.contains(why) && said.starts_with("r.yml:"), "{detection}: {said}");
    }
    assert!(refused(&rule("r", "s: {f: a}\ncondition:\n  - s\n  - t")).starts_with("r.yml:9:"));
    for (text, why) in [
        ("logsource: {}\ndetection: {}", "`title` is missing"),
        ("title: t\ndetection: {s: {f: a}, condition: s}", "`logsource` is missing"),
        ("title: t\nlogsource: {}", "`detection` is missing"),
        (
            "title: t\nlevel: grave\nlogsource: {}\ndetection: {s: {f: a}, condition: s}",
            "`grave` is no level",
        ),
        ("- a", "a rule must be a map"),
        ("a: 1\na: 2", "`a` stands here twice"),
        ("a: [", "r.yml:"),
    ] {
        let said = refused(text);
        assert!(said.contains(why), "{text}: {said}");
    }
    let twice = format!(
        "{}---\n{}",
        rule("r", "s: {f: a}\ncondition: s"),
        rule("r", "s: {f: b}\ncondition: s")
    );
    assert!(refused(&twice).contains("is the id of r.yml:1 already"));
    // One bad rule stops no other.
    let mut rules = SigmaRules::default();
    rules.load("a.yml", "title: bad");
    rules.load("b.yml", &rule("r", "s: {f: a}\ncondition: s"));
    assert_eq!(Ruleset::builder().sigma(&rules).build().unwrap().rules().count(), 1);
}

#[test]
fn hostile_rules_are_refused_within_bounds() {
    let bomb: String =
        (1..40).map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(9))).collect();
    assert!(refused(&format!("a0: &a0 [x,x,x,x,x,x,x,x,x]\n{bomb}")).contains("more than"));
    assert!(refused(&format!("title: t\na: {}", "[".repeat(10_000))).starts_with("r.yml:"));
    let many: String = (0..1_000_000).map(|n| format!("  s{n}: {{f: a}}\n")).collect();
    assert!(
        refused(&format!("title: t\nlogsource: {{}}\ndetection:\n{many}  condition: s1\n"))
            .contains("more than")
    );
    let deep = format!("s: {{f: a}}\ncondition: {}s", "not ".repeat(10_000));
    assert!(refused(&rule("r", &deep)).contains("nested too deeply"));
    // Ten megabytes of one value are no harm.
    let long = "x".repeat(10 << 20);
    assert!(!matches(&format!("s: {{f: '{long}'}}\ncondition: s"), r#"{"f":"x"}"#));
    // Wildcards that would take for ever one by one.
    let stars = format!("s: {{f: '{}b'}}\ncondition: s", "a*".repeat(50));
    assert!(!matches(&stars, &format!(r#"{{"f":"{}"}}"#, "a".repeat(10_000))));
}

#[test]
fn an_anchor_is_what_it_stands_for() {
    assert!(matches("s: &s {f: a}\nt: *s\ncondition: t", r#"{"f":"a"}"#));
}

#[test]
fn log_sources_are_sets_and_unknown_fits_all() {
    let fits = |source: &str, event: &str| {
        let text = rule("r", "s: {f: a}\ncondition: s").replace("{product: x}", source);
        let mut rules = SigmaRules::default();
        rules.load("r.yml", &text);
        let ruleset = Ruleset::builder().sigma(&rules).build().unwrap();
        !ruleset.prepare_json(event.as_bytes(), &cx()).signals().is_empty()
    };
    assert!(fits("{product: windows}", r#"{"f":"a"}"#));
    assert!(fits("{product: windows}", r#"{"f":"a","product":"Windows"}"#));
    assert!(!fits("{product: windows}", r#"{"f":"a","product":"linux"}"#));
    assert!(!fits("{product: windows}", r#"{"f":"a","product":"none"}"#));
    assert!(fits("{category: b}", r#"{"f":"a","category":["a","b"]}"#));
    assert!(fits("{product: windows, service: s}", r#"{"f":"a","product":"windows"}"#));
    // A registry event of Sysmon has several categories.
    let registry = r#"{"f":"a","Channel":"Microsoft-Windows-Sysmon/Operational","EventID":12,"EventType":"DeleteKey","category":"registry_event"}"#;
    assert!(
        fits("{category: registry_event}", registry)
            && fits("{category: registry_delete}", registry)
    );
    assert!(!fits("{category: registry_add}", registry));
    assert!(fits("{product: windows, service: sysmon}", registry));
    // More combinations than are kept apart: all rules are tried, and routed one by one.
    let mut rules = SigmaRules::default();
    for n in 0..20 {
        let text = rule(&format!("r{n}"), "s: {f: a}\ncondition: s");
        rules.load(
            &format!("{n}.yml"),
            &text.replace("{product: x}", &format!("{{category: c{n}}}")),
        );
    }
    let ruleset = Ruleset::builder().sigma(&rules).build().unwrap();
    for bits in 1..600_u32 {
        let names: Vec<_> =
            (0..20).filter(|n| bits >> n & 1 == 1).map(|n| format!("\"c{n}\"")).collect();
        let event = format!(r#"{{"f":"a","category":[{}]}}"#, names.join(","));
        let found = ruleset.prepare_json(event.as_bytes(), &cx());
        assert_eq!(found.signals().len(), names.len());
    }
}

#[test]
fn fields_are_found_under_their_own_names_and_under_ecs() {
    let mut checked = 0;
    let text = include_str!("../secmon-core/src/sigma/fields.yml");
    let sources = [
        "{category: process_creation, product: windows}",
        "{category: image_load}",
        "{category: driver_load}",
        "{category: pipe_created}",
        "{product: linux}",
        "{product: aws}",
        "{category: x}",
    ];
    for line in text.lines().filter_map(|line| line.strip_prefix("      ")) {
        let Some((name, names)) = line.split_once(": ") else { continue };
        if name.starts_with([' ', '-'])
            || ["product", "category", "type"].contains(&name) && !names.contains('.')
        {
            continue;
        }
        for mapped in names.trim_matches(['[', ']']).split(", ") {
            let found = sources.iter().any(|source| {
                let text = rule("r", &format!("s: {{'{name}': '10.1.2.3'}}\ncondition: s"));
                let mut rules = SigmaRules::default();
                rules.load("r.yml", &text.replace("{product: x}", source));
                let ruleset = Ruleset::builder().sigma(&rules).unrouted().build().unwrap();
                let by = |field: &str| {
                    let event = format!(r#"{{"{field}":"10.1.2.3"}}"#);
                    ruleset.prepare_json(event.as_bytes(), &cx()).signals().len() == 1
                };
                assert!(by(name), "{name} by its own name");
                by(mapped)
            });
            assert!(found, "{name} as {mapped}");
            checked += 1;
        }
    }
    assert!(checked > 80, "{checked}");
    // The name that came counts before the others.
    let rule = rule("r", "s: {Image: a}\ncondition: s")
        .replace("{product: x}", "{category: process_creation}");
    let mut rules = SigmaRules::default();
    rules.load("r.yml", &rule);
    let ruleset = Ruleset::builder().sigma(&rules).build().unwrap();
    let both = r#"{"Image":"b","process.executable":"a"}"#;
    assert!(ruleset.prepare_json(both.as_bytes(), &cx()).signals().is_empty());
}

#[test]
fn pipelines_map_add_and_resolve() {
    let mut rules = SigmaRules::default();
    rules.load_pipeline(
        "p.yml",
        "name: mine\npriority: 10\nvars: {admins: [root, adm*]}\ntransformations:\n  - {id: a, type: field_name_mapping, mapping: {who: [my.user, usr]}, rule_conditions: [{type: logsource, product: x}]}\n  - {id: b, type: add_condition, conditions: {stage: prod}}\n",
    );
    rules.load("r.yml", &rule("r", "s: {who|expand: '%admins%'}\ncondition: s"));
    assert_eq!(problems(&rules), [""; 0]);
    let ruleset = Ruleset::builder().sigma(&rules).build().unwrap();
    let found = |event: &str| ruleset.prepare_json(event.as_bytes(), &cx()).signals().len();
    assert_eq!(found(r#"{"my":{"user":"admin"},"stage":"prod"}"#), 1);
    assert_eq!(found(r#"{"usr":"root","stage":"prod"}"#), 1);
    assert_eq!(found(r#"{"who":"root","stage":"test"}"#), 0);
    assert_eq!(found(r#"{"who":"bob","stage":"prod"}"#), 0);
    let mut rules = SigmaRules::default();
    rules.load_pipeline("p.yml", "transformations:\n  - {id: a, type: drop_detection_item}\n");
    assert!(problems(&rules)[0].starts_with("p.yml:2: error: there is no transformation"));
    // Without `expand` a percent is a percent.
    assert!(matches("s: {f: '%admins%'}\ncondition: s", r#"{"f":"%admins%"}"#));
}

#[test]
fn filters_suppress_unless_they_say_otherwise() {
    let filter = |inner: &str| {
        format!(
            "title: f\nid: f\nlogsource: {{product: x}}\nfilter:\n  rules: [r]\n  sel: {{user.name|startswith: adm_}}\n{inner}"
        )
    };
    let run = |mode: FilterMode, inner: &str, event: &str| {
        let mut rules = SigmaRules::default();
        rules.set_filter_mode(mode);
        rules.load("r.yml", &rule("r", "s: {f: a}\ncondition: s"));
        rules.load("f.yml", &filter(inner));
        let ruleset = Ruleset::builder().sigma(&rules).build().unwrap();
        (ruleset.prepare_json(event.as_bytes(), &cx()).signals().len(), problems(&rules))
    };
    let (adm, bob) = (r#"{"f":"a","user":"adm_1"}"#, r#"{"f":"a","user":"bob"}"#);
    let plain = "  condition: sel\n";
    assert_eq!(run(FilterMode::AndNot, plain, adm), (0, vec![]));
    assert_eq!(run(FilterMode::AndNot, plain, bob), (1, vec![]));
    let negated = "  condition: not sel\n";
    assert_eq!(run(FilterMode::And, negated, adm), (0, vec![]));
    assert_eq!(run(FilterMode::And, negated, bob), (1, vec![]));
    // Written for the other mode: said.
    assert!(run(FilterMode::AndNot, negated, bob).1[0].contains("mode: and"));
    assert!(run(FilterMode::And, plain, bob).1[0].contains("mode: and_not"));
    // Said by the filter itself.
    let own = "  condition: not sel\n  mode: and\n";
    assert_eq!(run(FilterMode::AndNot, own, adm), (0, vec![]));
    assert_eq!(run(FilterMode::AndNot, own, bob), (1, vec![]));
    let unknown = run(FilterMode::AndNot, "  condition: sel\n", bob);
    assert_eq!(unknown.0, 1);
    let mut rules = SigmaRules::default();
    rules.load("f.yml", &filter(plain));
    assert!(problems(&rules)[0].contains("there is no rule `r`"));
    // A correlation has nothing of its own to filter.
    let counted = correlation("type: event_count\nrules: [a]\ntimespan: 1s\ncondition: {gte: 1}");
    rules.load("c.yml", &counted.replace("name: corr", "name: r"));
    let said = problems(&rules);
    assert!(said[0].contains("c.yml:") && said[0].contains("no detection"), "{said:?}");
}

/// The incidents of rules over events, each with its second and a JSON object without braces.
fn incidents(text: &str, events: &[(i64, &str)]) -> Vec<(String, String, u64)> {
    let mut rules = SigmaRules::default();
    rules.load("r.yml", text);
    assert_eq!(problems(&rules), [""; 0], "{text}");
    let ruleset = Ruleset::builder().sigma(&rules).build().unwrap();
    let mut counters = Counters::new(&ruleset);
    for (seq, (second, fields)) in (0..).zip(events) {
        let time = chrono::DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap();
        let line = format!(r#"{{"@timestamp":"{}",{fields}}}"#, time.to_rfc3339());
        counters.event("test", seq, &ruleset.prepare_json(line.as_bytes(), &cx()));
    }
    let said = |incident: secmon_core::Incident| {
        (incident.rule, incident.group.as_json().to_owned(), incident.count)
    };
    counters.incidents().into_iter().map(said).collect()
}

fn correlation(inner: &str) -> String {
    let base = |id: &str| rule(id, &format!("s: {{k: {id}}}\ncondition: s"));
    let inner = inner.trim().replace('\n', "\n  ");
    format!(
        "{}---\n{}---\n{}---\ntitle: c\nid: corr\nname: corr\nlevel: critical\ncorrelation:\n  {inner}\n",
        base("a"),
        base("b"),
        base("c")
    )
}

#[test]
fn event_count() {
    let text = correlation(
        "type: event_count\nrules: [a]\ngroup-by: [u]\ntimespan: 10s\ncondition: {gte: 3}",
    );
    let a = |u: &str| format!(r#""k":"a","u":"{u}""#);
    let (bob, eve) = (a("bob"), a("eve"));
    let found = incidents(
        &text,
        &[(0, &bob), (5, &bob), (10, &bob), (0, &eve), (5, &eve), (11, &eve), (0, r#""k":"a""#)],
    );
    assert_eq!(found, [("corr".into(), r#"{"u":"bob"}"#.into(), 3)]);
    // Without group-by there is one group; rules that are referred to are silent unless `generate` says so.
    let text = correlation(
        "type: event_count\nrules: [a, b]\ntimespan: 10s\ngenerate: true\ncondition: {gt: 2}",
    );
    let found = incidents(&text, &[(0, r#""k":"a""#), (1, r#""k":"b""#), (2, r#""k":"a""#)]);
    let rules: Vec<_> =
        found.iter().map(|(rule, group, _)| (rule.as_str(), group.as_str())).collect();
    assert_eq!(rules, [("a", "{}"), ("corr", "{}"), ("b", "{}")]);
    // A range.
    let text =
        correlation("type: event_count\nrules: [a]\ntimespan: 10s\ncondition: {gt: 1, lt: 3}");
    assert_eq!(incidents(&text, &[(0, r#""k":"a""#)]), []);
    assert_eq!(incidents(&text, &[(0, r#""k":"a""#), (1, r#""k":"a""#)]).len(), 1);
    for (condition, fires) in [
        ("{eq: 2}", true),
        ("{eq: 3}", false),
        ("{neq: 1}", true),
        ("{lte: 1}", true),
        ("{lt: 1}", false),
    ] {
        let text = correlation(&format!(
            "type: event_count\nrules: [a]\ntimespan: 10s\ncondition: {condition}"
        ));
        let found = incidents(&text, &[(0, r#""k":"a""#), (1, r#""k":"a""#)]);
        assert_eq!(!found.is_empty(), fires, "{condition}");
    }
}

#[test]
fn value_count_sum_average_and_percentile() {
    let value = |v: &str| format!(r#""k":"a","v":{v}"#);
    let run = |inner: &str, values: &[&str]| {
        let text = correlation(&format!("rules: [a]\ntimespan: 60s\n{inner}"));
        let events: Vec<_> = values.iter().map(|v| value(v)).collect();
        let events: Vec<_> =
            (0..).zip(&events).map(|(second, event)| (second, event.as_str())).collect();
        !incidents(&text, &events).is_empty()
    };
    let count = "type: value_count\ncondition: {field: v, gte: 3}";
    assert!(run(count, &["1", "2", "2", "3"]) && !run(count, &["1", "2", "2", "1"]));
    let sum = "type: value_sum\ncondition: {field: v, gt: 10}";
    assert!(run(sum, &["5", "5.5"]) && !run(sum, &["5", "5"]) && !run(sum, &["5", "\"x\""]));
    let average = "type: value_avg\ncondition: {field: v, gte: 5}";
    assert!(run(average, &["1", "9"]) && !run(average, &["1", "8.9"]));
    let percentile = "type: value_percentile\ncondition: {field: v, percentile: 50, gte: 5}";
    assert!(run(percentile, &["1", "2", "5", "6", "7"]) && !run(percentile, &["1", "2", "3", "9"]));
    // Without a percentile: how many in a hundred are the same, as in the specification's example.
    let rare = "type: value_percentile\ncondition: {field: v, lte: 25}";
    assert!(
        run(rare, &["\"x\"", "\"x\"", "\"x\"", "\"y\""])
            && !run(rare, &["\"x\"", "\"x\"", "\"x\""])
    );
    // Several fields count as one.
    let text = correlation(
        "type: value_count\nrules: [a]\ntimespan: 60s\ncondition: {field: [v, w], gte: 3}",
    );
    let events = [
        (0, r#""k":"a","v":1,"w":1"#),
        (1, r#""k":"a","v":1,"w":2"#),
        (2, r#""k":"a","v":2,"w":1"#),
        (3, r#""k":"a","v":3"#),
    ];
    assert_eq!(incidents(&text, &events).len(), 1);
    assert_eq!(incidents(&text, &events[1..]).len(), 0);
}

#[test]
fn temporal_and_in_order() {
    let event = |k: &str, u: &str| format!(r#""k":"{k}","u":"{u}""#);
    let run = |inner: &str, events: &[(i64, &str, &str)]| {
        let text = correlation(&format!("rules: [a, b, c]\ngroup-by: [u]\ntimespan: 10s\n{inner}"));
        let events: Vec<_> = events.iter().map(|(second, k, u)| (*second, event(k, u))).collect();
        let events: Vec<_> =
            events.iter().map(|(second, event)| (*second, event.as_str())).collect();
        !incidents(&text, &events).is_empty()
    };
    let temporal = "type: temporal";
    assert!(run(temporal, &[(0, "c", "x"), (5, "a", "x"), (10, "b", "x")]));
    assert!(!run(temporal, &[(0, "c", "x"), (5, "a", "x"), (11, "b", "x")]));
    assert!(!run(temporal, &[(0, "c", "x"), (5, "a", "x"), (9, "b", "y")]));
    assert!(run("type: temporal\ncondition: {gte: 2}", &[(0, "c", "x"), (5, "a", "x")]));
    let ordered = "type: temporal_ordered";
    assert!(run(ordered, &[(0, "a", "x"), (5, "b", "x"), (10, "c", "x")]));
    assert!(!run(ordered, &[(0, "b", "x"), (5, "a", "x"), (9, "c", "x")]));
    assert!(!run(ordered, &[(0, "a", "x"), (5, "b", "x"), (11, "c", "x")]));
    assert!(run(ordered, &[(0, "a", "x"), (8, "a", "x"), (9, "b", "x"), (15, "c", "x")]));
    // Arrival out of order is no matter.
    assert!(run(ordered, &[(10, "c", "x"), (0, "a", "x"), (5, "b", "x")]));
}

#[test]
fn aliases_and_chains() {
    let text = correlation(
        "type: temporal\nrules: [a, b]\ngroup-by: [ip]\ntimespan: 10s\naliases: {ip: {a: source.ip, b: destination.ip}}",
    );
    let found = incidents(
        &text,
        &[(0, r#""k":"a","source.ip":"10.0.0.1""#), (1, r#""k":"b","destination.ip":"10.0.0.1""#)],
    );
    assert_eq!(found, [("corr".into(), r#"{"ip":"10.0.0.1"}"#.into(), 2)]);
    // Many failures of a user on a host, then a success of the user anywhere.
    let chain = format!(
        "{}---\ntitle: outer\nid: outer\nlevel: high\ncorrelation:\n  type: temporal_ordered\n  rules: [corr, b]\n  group-by: [u]\n  timespan: 60s\n",
        correlation(
            "type: event_count\nrules: [a]\ngroup-by: [u, h]\ntimespan: 10s\ncondition: {gte: 3}"
        ),
    );
    let fail = r#""k":"a","u":"bob","h":"1""#;
    let other = r#""k":"a","u":"bob","h":"2""#;
    let success = r#""k":"b","u":"bob","h":"3""#;
    let found = incidents(&chain, &[(0, fail), (1, fail), (2, fail), (30, success)]);
    assert_eq!(found, [("outer".into(), r#"{"u":"bob"}"#.into(), 2)]);
    assert_eq!(incidents(&chain, &[(0, fail), (1, fail), (2, other), (30, success)]), []);
    assert_eq!(incidents(&chain, &[(0, success), (1, fail), (2, fail), (3, fail)]), []);
}

#[test]
fn wrong_correlations_are_refused() {
    for (inner, why) in [
        ("type: nope\nrules: [a]\ntimespan: 1m\ncondition: {gte: 1}", "`type` is event_count"),
        (
            "type: event_count\nrules: [zz]\ntimespan: 1m\ncondition: {gte: 1}",
            "there is no rule `zz`",
        ),
        (
            "type: event_count\nrules: [a]\ntimespan: 1y\ncondition: {gte: 1}",
            "`timespan` is a number and s, m, h or d",
        ),
        ("type: event_count\nrules: [a]\ntimespan: 1m", "`condition` is missing"),
        (
            "type: value_count\nrules: [a]\ntimespan: 1m\ncondition: {gte: 1}",
            "`condition.field` is missing",
        ),
        ("type: event_count\nrules: [a]\ntimespan: 1m\ncondition: {over: 1}", "none of gt"),
        (
            "type: event_count\nrules: [corr]\ntimespan: 1m\ncondition: {gte: 1}",
            "refer to one another in a ring",
        ),
        ("type: event_count\ntimespan: 1m\ncondition: {gte: 1}", "`rules` is missing"),
    ] {
        let said = refused(&correlation(inner));
        assert!(said.contains(why), "{inner}: {said}");
    }
}

/// A selection over the fields f, g and all, with any modifiers of text.
fn selections() -> impl Strategy<Value = String> {
    let modifiers = prop_oneof![
        Just(""),
        Just("|contains"),
        Just("|startswith"),
        Just("|endswith"),
        Just("|cased"),
        Just("|contains|all"),
        Just("|contains|cased"),
        Just("|neq"),
        Just("|re|i"),
        Just("|windash|contains"),
        Just("|base64offset|contains"),
        Just("|exists"),
        Just("|fieldref"),
        Just("|gt"),
    ];
    let item = ("[fg]", modifiers, proptest::collection::vec("[abA*?1-]{1,4}", 1..4));
    let items = proptest::collection::vec(item, 1..4);
    items.prop_map(|items| {
        let each = items.iter().enumerate().map(|(at, (field, modifier, values))| {
            let values = match *modifier {
                "|exists" => "true".into(),
                "|fieldref" => "g".into(),
                "|gt" => "1".into(),
                "|re|i" => format!("'{}'", values[0].replace(['*', '?'], ".")),
                "|base64offset|contains" => format!("'{}'", values[0].replace(['*', '?'], "x")),
                _ => format!("['{}']", values.join("', '")),
            };
            format!("  - {{{field}{modifier}: {values}, n{at}: null}}\n")
        });
        each.collect()
    })
}

fn events() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[abA1 /-]{0,8}".prop_map(|text| format!("\"{text}\"")),
        (0..20_i64).prop_map(|number| number.to_string()),
        Just("null".to_owned()),
        Just("[\"ab\",\"\u{c4}a\",1,null]".to_owned()),
        Just("\"\\u0061\\\\b\"".to_owned()),
    ];
    (value.clone(), value, any::<bool>()).prop_map(|(f, g, both)| match both {
        true => format!(r#"{{"f":{f},"g":{g}}}"#),
        false => format!(r#"{{"x":{{"y":{g}}},"f":{f}}}"#),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    /// `matches` holds the matcher, the way without an event and the plain evaluation against each other.
    #[test]
    fn all_ways_of_matching_say_the_same(
        a in selections(), b in selections(), keyword in "[ab1]{1,3}", pick in 0..6_usize, events in proptest::collection::vec(events(), 1..6),
    ) {
        let condition = ["a", "not a", "a and not b", "1 of them", "k and a", "2 of them"][pick];
        let detection = format!("a:\n{a}b:\n{b}k: ['{keyword}']\ncondition: {condition}");
        for event in events {
            matches(&detection, &event);
        }
    }
}

/// Members of objects whose names mean something, in any order, some of them twice.
fn members() -> impl Strategy<Value = String> {
    let name = proptest::sample::select(vec![
        "Channel",
        "winlog.channel",
        "EventID",
        "winlog.event_id",
        "event.code",
        "EventType",
        "product",
        "category",
        "service",
        "host",
        "host.name",
        "hostname",
        "msg",
        "message",
        "MESSAGE",
        "program",
        "timestamp",
        "@timestamp",
        "status",
        "level",
        "f",
        "\\u0066",
        "f.g",
        "f\\\"",
        "f#",
        "x",
    ]);
    let value = prop_oneof![
        2 => proptest::sample::select(vec![
            "\"Security\"", "\"security\"", "\"windows\"", "\"linux\"", "\"process_creation\"",
            "\"2026-11-20T01:00:00Z\"", "\"20 Nov\"", "\"web\\\\1\"", "\"\"", "\"4688\"",
        ]),
        1 => proptest::sample::select(vec![
            "4688", "1", "1.5", "99999999999999999999", "null", "true", "[]", "[\"linux\",1]",
            "{\"g\":1}", "{\"g\":{\"f\":\"x\"},\"name\":\"a\"}", "-0", "1e0",
        ]),
    ];
    let colon = proptest::sample::select(vec![":", ": ", " :"]);
    let member =
        (name, colon, value).prop_map(|(name, colon, value)| format!("\"{name}\"{colon}{value}"));
    proptest::collection::vec(member, 1..7).prop_map(|members| format!("{{{}}}", members.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..Default::default() })]

    /// Several lines, as what is remembered of one must not change what the next says.
    #[test]
    fn a_line_is_to_rules_what_its_event_is(lines in proptest::collection::vec(members(), 1..5)) {
        static RULES: std::sync::LazyLock<Ruleset> = std::sync::LazyLock::new(|| {
            let sources = [
                "{product: windows}", "{product: linux}", "{category: process_creation}",
                "{service: security, product: windows}", "{service: 'none'}",
            ];
            let asked = ["{f: '*'}", "{f.g: 1}", "{host.name: '*'}", "{Channel: '*'}", "{x: null}", "{message: '*'}"];
            let mut rules = SigmaRules::default();
            for (number, source) in sources.iter().enumerate() {
                for (other, asked) in asked.iter().enumerate() {
                    let text = format!(
                        "title: t\nid: r{number}-{other}\nlogsource: {source}\ndetection: {{s: {asked}, k: [web], condition: s or k}}\n"
                    );
                    rules.load("one.yml", &text);
                }
            }
            assert_eq!(rules.problems(), []);
            Ruleset::builder().sigma(&rules).build().unwrap()
        });
        for line in lines {
            let direct = RULES.glance(line.as_bytes(), LineFormat::Detect, &cx()).signals;
            let event = RULES.prepare_bytes(line.as_bytes(), LineFormat::Detect, &cx());
            prop_assert_eq!(format!("{:?}", direct), format!("{:?}", event.signals()), "{}", line);
        }
    }
}

#[test]
fn regular_expressions_are_bounded_in_sum() {
    let rule = |at: usize| {
        format!(
            "title: t\nid: r{at}\nlogsource: {{product: x}}\ndetection: {{s: {{f|re: ['x{at}[ab]{{20000}}', 'y{at}[ab]{{20000}}']}}, condition: s}}\n---\n"
        )
    };
    let mut rules = SigmaRules::default();
    rules.load("many.yml", &(0..100).map(rule).collect::<String>());
    let count = Ruleset::builder().sigma(&rules).build().unwrap().rules().count();
    assert!((10..60).contains(&count), "{count}");
    let problems = rules.problems();
    assert_eq!(problems.len(), 100 - count);
    assert!(problems[0].to_string().contains("together take more than"), "{}", problems[0]);
    // What is small still fits.
    rules.load("one.yml", &rule(100).replace("{20000}", "{2}"));
    assert_eq!(Ruleset::builder().sigma(&rules).build().unwrap().rules().count(), count + 1);
}

/// How many of these events each rule of a text reports, by id.
fn reported(text: &str, events: &[&str]) -> std::collections::BTreeMap<String, usize> {
    let mut rules = SigmaRules::default();
    rules.load("mine.yml", text);
    let ruleset = Ruleset::builder().sigma(&rules).build().unwrap();
    let mut counters = Counters::new(&ruleset);
    let mut all = std::collections::BTreeMap::new();
    for (seq, event) in (0..).zip(events) {
        for found in counters.event("test", seq, &ruleset.prepare_json(event.as_bytes(), &cx())) {
            *all.entry(found.rule).or_default() += 1;
        }
    }
    all
}

const PAIR: &str = "title: a\nid: a\nlogsource: {product: x}\ndetection: {s: {f: 1}, condition: s}\n---\n\
                    title: b\nid: b\nlogsource: {product: x}\ndetection: {s: {f: 1}, condition: s}\n---\n";

#[test]
fn an_event_counts_once_however_many_rules_it_matches() {
    let counts = |correlation: &str| {
        reported(
            &format!("{PAIR}title: c\nid: c\ncorrelation: {correlation}\n"),
            &[r#"{"f":1}"#; 2],
        )
    };
    let two = counts("{type: event_count, rules: [a, b], timespan: 1h, condition: {gte: 2}}");
    assert_eq!(two, [("c".to_owned(), 1)].into());
    let four = counts("{type: event_count, rules: [a, b], timespan: 1h, condition: {gte: 3}}");
    assert_eq!(four, [].into());
    // Which rules it matched is what a temporal correlation asks.
    let both = counts("{type: temporal, rules: [a, b], timespan: 1h}");
    assert_eq!(both, [("c".to_owned(), 3)].into());
}

#[test]
fn a_refused_correlation_silences_nothing() {
    let text = format!(
        "{PAIR}title: c\nid: c\ncorrelation: {{type: temporal, rules: [a, zz], timespan: 1h}}\n"
    );
    assert_eq!(reported(&text, &[r#"{"f":1}"#]), [("a".to_owned(), 1), ("b".to_owned(), 1)].into());
    let text = format!(
        "{PAIR}title: c\nid: c\ncorrelation: {{type: event_count, rules: [a], timespan: 1h, condition: {{gte: 1}}}}\n"
    );
    let both = [("b".to_owned(), 1), ("c".to_owned(), 1)];
    assert_eq!(reported(&text, &[r#"{"f":1}"#]), both.clone().into());
    // `generate` stands beside `level` in the specification, inside of `correlation` with pySigma.
    let all = [&both[..], &[("a".to_owned(), 1)]].concat();
    for text in [format!("{text}generate: true\n"), text.replace("{type", "{generate: true, type")]
    {
        assert_eq!(reported(&text, &[r#"{"f":1}"#]), all.clone().into_iter().collect());
    }
}

#[test]
fn wrong_types_are_refused_not_left_out() {
    let problems = |text: &str| {
        let mut rules = SigmaRules::default();
        rules.load("mine.yml", text);
        rules.problems().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let correlation = |body: &str| {
        problems(&format!(
            "{PAIR}title: c\nid: c\ncorrelation: {{timespan: 1h, condition: {{gte: 1}}, {body}}}\n"
        ))
    };
    for (said, expected) in [
        (
            problems(
                "title: t\nlogsource: {product: [windows, linux]}\ndetection: {s: {a: 1}, condition: s}\n",
            ),
            "mine.yml:2: error: `product` is one word",
        ),
        (
            problems("title: t\nlogsource: {product: x}\ndetection: {s: , condition: s}\n"),
            "a selection without fields",
        ),
        (
            problems(
                "title: f\nlogsource: {product: x}\nfilter: {rules: [], s: {a: 1}, condition: s}\n",
            ),
            "`rules` is empty",
        ),
        (
            correlation("type: event_count, rules: [a], group-by: {u: 1}"),
            "`group-by` is a text or a list of texts",
        ),
        (correlation("type: event_count, rules: [a, a]"), "`a` stands twice in `rules`"),
        (
            correlation("type: event_count, rules: [a], group_by: [u]"),
            "warning: correlation: `group_by` says nothing",
        ),
        (
            correlation("type: value_count, rules: [a, {x: y}]"),
            "`rules` is a text or a list of texts",
        ),
        (
            problems(&format!(
                "{PAIR}title: c\nid: c\nname: a\nlogsource: {{product: x}}\ndetection: {{s: {{f: 1}}, condition: s}}\n"
            )),
            "warning: `a` is the name of mine.yml:1 already",
        ),
        (
            problems(
                "title: t\nlogsource: {product: x}\ndetection: {s: {a|gt: inf}, condition: s}\n",
            ),
            "`inf` is no number",
        ),
    ] {
        assert!(said.contains(expected), "`{expected}` is missing in: {said}");
    }
    assert!(!matches("s: {f|gt: 5}\ncondition: s", r#"{"f":"inf"}"#));
    // What is wrong with one document is nothing to the next.
    for bad in ["title: t\ntitle: t\n", "a: &a [1]\nb: *a\n? [x]\n: y\n"] {
        let text = format!("{bad}---\n{PAIR}");
        assert_eq!(reported(&text, &[r#"{"f":1}"#]).len(), 2, "{bad}");
        assert_eq!(problems(&text).lines().count(), 1, "{bad}");
    }
}

#[test]
fn angles_are_no_ends_of_words_and_a_list_may_hold_null() {
    let rule = r"s: {f|re: '\<script\>'}
condition: s";
    assert!(matches(rule, r#"{"f":"a <script> b"}"#));
    assert!(!matches(rule, r#"{"f":"a script b"}"#));
    assert!(matches("s: {f: null}\ncondition: s", r#"{"f":["a",null]}"#));
    assert!(!matches("s: {f: null}\ncondition: s", r#"{"f":["a"]}"#));
}

#[test]
fn dashes_are_chosen_before_they_are_encoded() {
    let rule = "s: {f|windash|base64offset|contains: ' -enc '}\ncondition: s";
    for text in [" -enc ", " /enc "] {
        let encoded = base64(format!("x{text}y").as_bytes());
        assert!(matches(rule, &format!(r#"{{"f":"{encoded}"}}"#)), "{text}");
    }
    assert!(!matches(rule, &format!(r#"{{"f":"{}"}}"#, base64(b"x +enc y"))));
    assert!(!matches("s: {f|base64offset|contains: a}\ncondition: s", r#"{"f":"!!!"}"#));
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let bits: Vec<u8> = bits.collect();
    let letter = |six: &[u8]| {
        let at = six.iter().chain(&[0; 5]).take(6).fold(0, |all, bit| all << 1 | usize::from(*bit));
        char::from(LETTERS[at])
    };
    bits.chunks(6).map(letter).collect()
}
