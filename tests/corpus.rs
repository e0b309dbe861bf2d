//! Reads the annotated lines of `../shared/data` and compares what the parsers say with what the
//! annotations say. Where an annotation cannot be right for a single line, it stands in
//! `DEBATABLE` with a reason; the list must be exact.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use secmon_core::parse::{Context, LineFormat, parse};
use secmon_core::{Counters, Event, Ruleset, Value, fields};
use serde_json::Value as Json;

mod debatable;
use debatable::DEBATABLE;

/// Stamps without a year: fail2ban's tests live on 2005-08-14 in Zurich, the others' files were
/// written in the years that their own truth states.
const FAIL2BAN_NOW: &str = "2005-08-14T12:00:00Z";

struct Tally {
    set: &'static str,
    lines: usize,
    values: usize,
    wrong: Vec<(String, String, String)>,
}

impl Tally {
    fn new(set: &'static str) -> Self {
        Self { set, lines: 0, values: 0, wrong: Vec::new() }
    }

    fn check(&mut self, id: &str, field: &str, expected: &str, found: Option<String>) {
        self.values += 1;
        if found.as_deref() != Some(expected) {
            let found = found.unwrap_or_else(|| "nothing".into());
            self.wrong.push((
                id.into(),
                field.into(),
                format!("expected {expected}, found {found}"),
            ));
        }
    }

    /// Fails on wrong values that are not listed, and on listed ones that are right: what is not
    /// listed must be right to the last value.
    fn finish(self) {
        let right = self.values - self.wrong.len();
        println!("{}: {} lines, {right} of {} values right", self.set, self.lines, self.values);
        let wrong: BTreeSet<_> =
            self.wrong.iter().map(|(id, field, _)| (id.as_str(), field.as_str())).collect();
        let listed: BTreeSet<_> = DEBATABLE
            .iter()
            .filter(|(set, ..)| *set == self.set)
            .map(|(_, id, field, _)| (*id, *field))
            .collect();
        let unlisted: Vec<_> = self
            .wrong
            .iter()
            .filter(|(id, field, _)| !listed.contains(&(id.as_str(), field.as_str())))
            .collect();
        assert!(unlisted.is_empty(), "{}: wrong: {unlisted:#?}", self.set);
        let settled: Vec<_> = listed.difference(&wrong).collect();
        assert!(settled.is_empty(), "{}: listed as debatable, but right: {settled:?}", self.set);
    }
}

fn lines(file: &str) -> Option<Vec<Json>> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !data.is_dir() {
        println!("skipped: no ../shared/data");
        return None;
    }
    let text = std::fs::read_to_string(data.join(file)).unwrap();
    // One document, or one a line.
    Some(serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect())
}

fn context(now: &str, zone: &str) -> Context {
    Context { reference: now.parse().unwrap(), zone: zone.parse().unwrap() }
}

fn event(case: &Json, cx: &Context) -> Event {
    parse(case["line"].as_str().unwrap(), LineFormat::Detect, cx).unwrap()
}

fn show(value: Option<&Value>) -> Option<String> {
    value.map(ToString::to_string)
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn source(event: &Event) -> Option<String> {
    show(event.get(fields::SOURCE_IP).or(event.get(fields::SOURCE_ADDRESS)))
}

/// The instant that a truth names, compared to the millisecond.
fn instant(text: &str) -> String {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    zoned.unwrap().format("%F %T%.3f").to_string()
}

fn found_instant(event: &Event) -> String {
    event.time.format("%F %T%.3f").to_string()
}

#[test]
fn just_the_sources_of_the_truth_are_brute_force() {
    let Some(truth) = lines("logs/openssh_2k.truth.json") else { return };
    let truth: &Json = &truth[0];
    let log = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/logs/OpenSSH_2k.log");
    let (log, rules) = (std::fs::read(log).unwrap(), Ruleset::builtin());
    let cx = context("2017-06-01T00:00:00Z", "UTC");
    let mut counters = Counters::new(&rules);
    for (seq, line) in (0..).zip(log.split(|byte| *byte == b'\n')) {
        counters.event("log", seq, &rules.prepare_bytes(line, LineFormat::Detect, &cx));
    }
    let incidents = counters.incidents();
    let of_rule = incidents.iter().filter(|incident| incident.rule == "brute_force");
    let found: BTreeSet<String> =
        of_rule.map(|incident| incident.group.as_json().to_owned()).collect();
    let truth = truth["brute_force_5_in_600s_attempts"].as_object().unwrap();
    let expected = truth.keys().map(|address| format!(r#"{{"source.ip":"{address}"}}"#));
    assert_eq!((found.len(), found), (11, expected.collect()));
}

#[test]
fn loghub_openssh() {
    let Some(cases) = lines("logs/loghub_openssh.jsonl") else { return };
    let mut tally = Tally::new("loghub_openssh");
    let cx = context("2017-06-01T00:00:00Z", "UTC");
    let (mut failures, mut repeated) = (0, 0);
    for case in &cases {
        let (event, expect, id) = (event(case, &cx), &case["expect"], case["id"].as_str().unwrap());
        tally.lines += 1;
        for (key, found) in [
            ("host", show(event.get(fields::HOST_NAME))),
            ("pid", show(event.get(fields::PROCESS_PID))),
            ("program", show(event.get(fields::PROCESS_NAME))),
            // The truth has lost the blanks at the ends.
            ("content", Some(event.message().trim_end().to_owned())),
            ("outcome", event.outcome().map(str::to_owned)),
            ("method", show(event.get(fields::SSH_METHOD))),
            ("user", show(event.get(fields::USER_NAME))),
            ("ip", source(&event)),
            ("port", show(event.get(fields::SOURCE_PORT))),
            ("repeat", Some(event.repeats().to_string())),
            ("event", event.text(fields::SSH_EVENT).map(|_| "invalid_user".to_owned())),
        ] {
            if let Some(value) = expect.get(key).filter(|value| !value.is_null()) {
                tally.check(id, key, &text(value), found);
            }
        }
        let stamp = format!(
            "2016-{}-{}T{}Z",
            if expect["month"] == "Dec" { "12" } else { "?" },
            text(&expect["day"]),
            text(&expect["time"])
        );
        tally.check(id, "time", &instant(&stamp), Some(found_instant(&event)));
        let is_password = event.text(fields::SSH_METHOD) == Some("password");
        if event.action() == Some("ssh_login") && event.outcome() == Some("failure") && is_password
        {
            failures += 1;
            repeated += event.repeats();
        }
    }
    tally.finish();
    assert_eq!((failures, repeated), (520, 528), "failed passwords, by lines and expanded");
}

#[test]
fn loghub_linux() {
    let Some(cases) = lines("logs/loghub_linux.jsonl") else { return };
    let mut tally = Tally::new("loghub_linux");
    let cx = context("2005-08-14T12:00:00Z", "UTC");
    for case in &cases {
        let (event, expect, id) = (event(case, &cx), &case["expect"], case["id"].as_str().unwrap());
        tally.lines += 1;
        tally.check(id, "host", &text(&expect["host"]), show(event.get(fields::HOST_NAME)));
        if let Some(pid) = expect["pid"].as_str().filter(|pid| !pid.is_empty()) {
            let pid = pid.trim_end_matches(".0");
            tally.check(id, "pid", pid, show(event.get(fields::PROCESS_PID)));
        }
        tally.check(
            id,
            "program",
            &text(&expect["program"]),
            show(event.get(fields::PROCESS_NAME)),
        );
        let content = text(&expect["content"]);
        let message = event.message().trim_end().to_owned();
        tally.check(id, "content", content.trim_end(), Some(message));
        let host = content.split_once("rhost=").and_then(|(_, rest)| rest.split(' ').next());
        if let Some(host) = host.filter(|host| !host.is_empty()) {
            tally.check(id, "rhost", host, source(&event));
            tally.check(id, "outcome", "failure", event.outcome().map(str::to_owned));
        }
        if let Some((_, user)) = content.split_once(" user=") {
            tally.check(id, "user", user.trim(), show(event.get(fields::USER_NAME)));
        }
    }
    tally.finish();
}

#[test]
fn loghub_apache() {
    let Some(cases) = lines("logs/loghub_apache.jsonl") else { return };
    let mut tally = Tally::new("loghub_apache");
    let cx = context("2026-01-01T00:00:00Z", "UTC");
    for case in &cases {
        let (event, expect, id) = (event(case, &cx), &case["expect"], case["id"].as_str().unwrap());
        tally.lines += 1;
        let level = if expect["level"] == "error" { "high" } else { "low" };
        tally.check(id, "level", level, Some(event.level.to_string()));
        let content = text(&expect["content"]);
        let client = content.strip_prefix("[client ").and_then(|rest| rest.split_once("] "));
        if let Some((ip, _)) = client {
            tally.check(id, "ip", ip, source(&event));
        }
        let message = client.map_or(content.as_str(), |(_, message)| message);
        tally.check(id, "content", message.trim_end(), Some(event.message().trim_end().to_owned()));
        let stamp = chrono::NaiveDateTime::parse_from_str(
            expect["time"].as_str().unwrap(),
            "%a %b %d %H:%M:%S %Y",
        );
        let stamp: DateTime<Utc> = stamp.unwrap().and_utc();
        tally.check(id, "time", &instant(&stamp.to_rfc3339()), Some(found_instant(&event)));
    }
    tally.finish();
}

/// The services of fail2ban's corpus that the parsers read.
fn is_read(id: &str) -> bool {
    let service = id.trim_start_matches("fail2ban/").split(':').next().unwrap_or_default();
    service.starts_with("sshd") || service.starts_with("pam") || is_web(service)
}

fn is_web(service: &str) -> bool {
    service.starts_with("apache-") || service.starts_with("nginx-")
}

fn fail2ban(set: &'static str, wanted: fn(&str, &str) -> bool) {
    let Some(cases) = lines("parse/fail2ban_all.jsonl") else { return };
    let mut tally = Tally::new(set);
    let cx = context(FAIL2BAN_NOW, "Europe/Zurich");
    for case in &cases {
        let (line, expect) = (case["line"].as_str().unwrap(), &case["expect"]);
        let id = case["id"].as_str().unwrap();
        let service = id.trim_start_matches("fail2ban/").split(':').next().unwrap_or_default();
        if !wanted(service, line) {
            continue;
        }
        tally.lines += 1;
        let event = event(case, &cx);
        let failed = event.outcome() == Some("failure");
        if expect["match"] == true {
            tally.check(id, "match", "true", Some(failed.to_string()));
            for key in ["ip", "host", "ip4", "ip6"] {
                if let Some(address) = expect[key].as_str() {
                    tally.check(id, key, address, source(&event));
                }
            }
            if let Some(user) = expect["user"].as_str() {
                tally.check(id, "user", user, show(event.get(fields::USER_NAME)));
            }
        } else {
            tally.check(id, "match", "false", Some(failed.to_string()));
        }
        if let Some(time) = expect["time"].as_str() {
            let local = time.parse::<chrono::NaiveDateTime>().unwrap();
            let expected = cx.zone.instant(local).to_rfc3339();
            // fail2ban's truth has whole seconds.
            let seconds = instant(&expected).split('.').next().map(str::to_owned);
            let found = event.time.format("%F %T").to_string();
            tally.check(id, "time", &seconds.unwrap_or_default(), Some(found));
        }
    }
    tally.finish();
}

#[test]
fn fail2ban_sshd() {
    fail2ban("fail2ban sshd", |service, _| service.starts_with("sshd"));
}

#[test]
fn fail2ban_pam() {
    fail2ban("fail2ban pam", |service, line| {
        service.starts_with("pam") || (line.contains("pam_unix") && !service.starts_with("sshd"))
    });
}

#[test]
fn fail2ban_web() {
    fail2ban("fail2ban web", |service, _| is_web(service));
}

#[test]
fn crowdsec() {
    let Some(cases) = lines("parse/crowdsec_parsers_linux.jsonl") else { return };
    let mut tally = Tally::new("crowdsec");
    let cx = context("2026-12-01T00:00:00Z", "UTC");
    for case in &cases {
        let (expect, id) = (&case["expect"], case["id"].as_str().unwrap());
        let wanted = ["apache2", "nginx", "sshd", "opnsense-sshd", "pf"];
        let name = case["source"].as_str().unwrap();
        if !wanted.iter().any(|head| name.starts_with(head)) {
            continue;
        }
        let event = event(case, &cx);
        tally.lines += 1;
        for (key, found) in [
            ("ip", source(&event)),
            ("user", show(event.get(fields::USER_NAME))),
            ("host", show(event.get(fields::HOST_NAME))),
            ("http_status", show(event.get(fields::HTTP_RESPONSE_STATUS_CODE))),
            ("http_verb", show(event.get(fields::HTTP_REQUEST_METHOD))),
            ("http_path", show(event.get(fields::URL_ORIGINAL))),
        ] {
            if let Some(value) = expect[key].as_str() {
                tally.check(id, key, value, found);
            }
        }
        if let Some(time) = expect["time"].as_str() {
            tally.check(id, "time", &instant(time), Some(found_instant(&event)));
        }
        let outcome = match expect["log_type"].as_str() {
            Some("ssh_failed-auth" | "pf_drop") => "failure",
            Some("auth_success" | "pf") => "success",
            _ => continue,
        };
        tally.check(id, "outcome", outcome, event.outcome().map(str::to_owned));
    }
    tally.finish();
}

#[test]
fn elastic() {
    let Some(cases) = lines("parse/elastic_package.jsonl") else { return };
    let mut tally = Tally::new("elastic");
    for case in &cases {
        let name = case["source"].as_str().unwrap();
        let (expect, ecs) = (&case["expect"], &case["ecs"]);
        if name.contains("cisco") {
            continue;
        }
        let id = case["id"].as_str().unwrap().trim_start_matches("elastic/parallel/");
        // Their pipeline reads several lines at once as one event; only the first is its truth.
        let line = case["line"].as_str().unwrap().lines().next().unwrap_or_default();
        let is_error = name.contains("/error/");
        let zone = if is_error && name.contains("apache") { "+02:00" } else { "UTC" };
        let event =
            parse(line, LineFormat::Detect, &context("2023-12-31T00:00:00Z", zone)).unwrap();
        tally.lines += 1;
        for (key, found) in [
            ("ip", source(&event)),
            ("port", show(event.get(fields::SOURCE_PORT))),
            ("user", show(event.get(fields::USER_NAME))),
            ("outcome", event.outcome().map(str::to_owned)),
            ("action", event.action().map(str::to_owned)),
            ("program", show(event.get(fields::PROCESS_NAME))),
            ("pid", show(event.get(fields::PROCESS_PID))),
            ("host", show(event.get(fields::HOST_NAME))),
            ("method", show(event.get(fields::SSH_METHOD))),
            ("ssh_event", show(event.get(fields::SSH_EVENT))),
            ("http_status", show(event.get(fields::HTTP_RESPONSE_STATUS_CODE))),
            ("url", show(event.get(fields::URL_ORIGINAL))),
        ] {
            if let Some(value) = expect.get(key).filter(|value| !value.is_null()) {
                tally.check(id, key, &text(value), found);
            }
        }
        if let Some(verb) = expect["http_verb"].as_str() {
            let found = show(event.get(fields::HTTP_REQUEST_METHOD));
            tally.check(id, "http_verb", &verb.to_uppercase(), found);
        }
        if let Some(time) = expect["time"].as_str() {
            tally.check(id, "time", &instant(time), Some(found_instant(&event)));
        }
        for key in [
            "group.id",
            "group.name",
            "system.auth.ssh.signature",
            "system.auth.sudo.error",
            "system.auth.sudo.tty",
            "user.effective.name",
            "user.id",
            "user_agent.original",
            "http.version",
            "http.response.body.bytes",
            "url.domain",
        ] {
            if let Some(value) = ecs.get(key) {
                tally.check(id, key, &text(value), show(event.find(key)));
            }
        }
        for (key, ours) in [
            ("system.auth.sudo.command", fields::PROCESS_COMMAND_LINE),
            ("system.auth.sudo.pwd", fields::PROCESS_WORKING_DIRECTORY),
        ] {
            if let Some(value) = ecs.get(key) {
                tally.check(id, key, &text(value), show(event.get(ours)));
            }
        }
    }
    tally.finish();
}

#[test]
fn wazuh() {
    let Some(cases) = lines("parse/wazuh_linux.jsonl") else { return };
    let mut tally = Tally::new("wazuh");
    let cx = context("2026-12-01T00:00:00Z", "UTC");
    for case in &cases {
        let (id, line) = (case["id"].as_str().unwrap(), case["line"].as_str().unwrap());
        let event = event(case, &cx);
        let action = match case["source"].as_str().unwrap() {
            "iptables.ini" if line.contains("SRC=") => "connection_blocked",
            "su.ini" if !line.contains("pam_unix") => "su",
            "su.ini" | "pam.ini" if line.contains("failure") => "pam_authentication",
            "sudo.ini" => "sudo",
            "sshd.ini" if line.contains("Failed ") && line.contains(" from ") => "ssh_login",
            "sshd.ini" if line.contains("Invalid user") => "ssh_login",
            _ => continue,
        };
        tally.lines += 1;
        tally.check(id, "action", action, event.action().map(str::to_owned));
        let refused = action != "sudo" || line.contains("NOT in sudoers");
        let outcome = if refused { "failure" } else { "success" };
        tally.check(id, "outcome", outcome, event.outcome().map(str::to_owned));
    }
    tally.finish();
}

#[test]
fn debatable_entries_are_few() {
    let Some(cases) = lines("parse/fail2ban_all.jsonl") else { return };
    let read = cases.iter().filter(|case| is_read(case["id"].as_str().unwrap_or_default())).count();
    assert!(DEBATABLE.len() < read, "{} entries", DEBATABLE.len());
    assert!(DEBATABLE.iter().all(|(.., reason)| !reason.is_empty()));
}
