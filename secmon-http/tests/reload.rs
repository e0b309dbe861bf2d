//! Rules that are exchanged while the service runs.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use secmon_store::{Scope, Store};
use serde_json::Value;

const THREE: &str = "
title: A visit
id: visit
logsource: {category: test}
detection: {all: {visitor|exists: true}, condition: all}
---
title: Three visits
id: three
correlation: {generate: true, type: event_count, rules: [visit], group-by: [visitor], timespan: 1h, condition: {gte: 3}}
";

const STRANGER: &str = "
title: A stranger
id: stranger
logsource: {category: test}
level: high
detection: {all: {visitor: mallory}, condition: all}
";

struct Service {
    child: Child,
    url: String,
    token: String,
}

impl Service {
    fn start(folder: &Path) -> Self {
        let url = format!("sqlite://{}/secmon.db", folder.display());
        let store = Store::open(&url).unwrap();
        let token = store.create_token("test", Scope::Admin, secmon_http::clock::now()).unwrap();
        let token = token.expose().to_owned();
        drop(store);
        let mut child = Command::new(env!("CARGO_BIN_EXE_secmon"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder)
            .env("SECMON_FOLLOW_AUTO", "false")
            .env("SECMON_PROBE_ENABLED", "false")
            .env("SECMON_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("secmon listening on ").unwrap().to_owned();
        Self { child, url, token }
    }

    fn post(&self, path: &str, body: &'static str) -> Response {
        let request = Client::new().post(format!("{}{path}", self.url)).bearer_auth(&self.token);
        request.body(body).send().unwrap()
    }

    fn visit(&self, body: &'static str) {
        assert_eq!(self.post("/api/v1/events", body).status(), 201);
    }

    fn text(&self, path: &str) -> String {
        let request = Client::new().get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        request.send().unwrap().text().unwrap()
    }

    /// Ids of rules with their counts, of all incidents.
    fn incidents(&self) -> Vec<(String, u64)> {
        let all: Value = serde_json::from_str(&self.text("/api/v1/incidents")).unwrap();
        let one = |one: &Value| {
            (one["rule"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap())
        };
        let mut all: Vec<_> = all["incidents"].as_array().unwrap().iter().map(one).collect();
        all.sort();
        all
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn rules_are_read_again_and_those_that_stay_count_on() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("three.yml"), THREE).unwrap();
    std::fs::write(folder.path().join("secmon.toml"), "[sigma]\nrules = [\"rules\"]\n").unwrap();
    let service = Service::start(folder.path());
    service.visit(r#"{"visitor":"bob"}"#);
    service.visit(r#"{"visitor":"bob"}"#);
    service.visit(r#"{"visitor":"mallory"}"#);
    assert_eq!(service.incidents(), [("visit".into(), 3)]);

    // Another rule, before the others: their places change, what they have counted does not.
    std::fs::write(rules.join("a.yml"), STRANGER).unwrap();
    let answer = service.post("/api/v1/rules/reload", "");
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().unwrap();
    assert_eq!(answer["hash"].as_str().unwrap().len(), 64);
    service.visit(r#"{"visitor":"bob"}"#);
    service.visit(r#"{"visitor":"mallory"}"#);
    assert_eq!(
        service.incidents(),
        [("stranger".into(), 1), ("three".into(), 3), ("visit".into(), 5)]
    );
    let metrics = service.text("/metrics");
    assert!(metrics.contains(r#"secmon_rule_matches_total{rule="stranger"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"secmon_rule_seconds_total{rule="visit"}"#), "{metrics}");

    // A mistake leaves the rules in use as they are.
    let toml = folder.path().join("secmon.toml");
    std::fs::write(&toml, "[rules.brute_force]\nfailurs = 3\n").unwrap();
    let answer = service.post("/api/v1/rules/reload", "");
    assert_eq!(answer.status(), 422);
    assert!(answer.text().unwrap().contains("failurs"));
    service.visit(r#"{"visitor":"mallory"}"#);
    assert_eq!(service.incidents()[0], ("stranger".into(), 2));

    // As administrators are used to: SIGHUP.
    std::fs::write(&toml, "builtin = false\n").unwrap();
    let hangup = Command::new("kill").args(["-HUP", &service.child.id().to_string()]).status();
    assert!(hangup.unwrap().success());
    let count = || {
        let all: Value = serde_json::from_str(&service.text("/api/v1/rules")).unwrap();
        all["rules"].as_array().unwrap().len()
    };
    for _ in 0..400 {
        if count() == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(count(), 0);
    service.visit(r#"{"visitor":"mallory"}"#);
    assert_eq!(service.incidents()[0], ("stranger".into(), 2));
    drop(service);

    let store =
        Store::open_existing(&format!("sqlite://{}/secmon.db", folder.path().display())).unwrap();
    let mut loaded = Vec::new();
    let query = secmon_store::RecordQuery::default().limit(1_000);
    for row in store.records(&query).unwrap().rows {
        if row.event.action() == Some("rules_loaded") {
            loaded.push(row.event.find("secmon.rules.count").unwrap().as_int().unwrap());
        }
    }
    loaded.reverse();
    assert_eq!(loaded.len(), 3, "each set is named in a record: {loaded:?}");
    assert_eq!((loaded[1] - loaded[0], loaded[2]), (1, 0));
    assert!(store.verify(&secmon_store::VerifyOptions::default()).unwrap()[0].is_ok());
}
