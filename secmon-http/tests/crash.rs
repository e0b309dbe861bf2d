//! `kill -9` of the service under load: nothing that was acknowledged is lost or doubled, and rules find what
//! they find without it.

#![expect(clippy::format_collect, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::blocking::Client;
use secmon_core::sigma::SigmaRules;
use secmon_core::{Counters, Ruleset};
use secmon_store::{IncidentQuery, RecordQuery, Scope, Store};

/// How often the service is killed.
const KILLS: u64 = 50;
const WRITERS: u64 = 4;

struct Service {
    child: Child,
    url: String,
}

impl Service {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_secmon"))
            .args(["serve", "--listen", "127.0.0.1:0", "--store", "sqlite://secmon.db"])
            .current_dir(folder)
            .env("SECMON_FOLLOW_AUTO", "false")
            .env("SECMON_PROBE_ENABLED", "false")
            .env("SECMON_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("secmon listening on ").map(str::to_owned);
        let Some(url) = url else {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("the service did not start: {}", String::from_utf8_lossy(&output.stderr));
        };
        Self { child, url }
    }

    /// Kills without warning; what it said on stderr.
    fn kill(mut self) -> String {
        self.child.kill().unwrap();
        String::from_utf8_lossy(&self.child.wait_with_output().unwrap().stderr).into_owned()
    }
}

/// Sends batch after batch until told to stop; a batch without an answer is sent again under its key,
/// to whichever service runs then. Gives the numbers of the events that were acknowledged.
fn write(
    writer: u64,
    url: &Mutex<String>,
    token: &str,
    stop: &AtomicBool,
    acknowledged: &AtomicU64,
) -> Vec<u64> {
    let client = Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    let mut numbers = Vec::new();
    for batch in 0_u64.. {
        let events: Vec<u64> =
            (0..=batch % 40).map(|at| (writer << 40) | (batch << 8) | at).collect();
        let body: String = events
            .iter()
            .map(|number| {
                format!("{{\"number\":{number},\"writer\":{writer},\"tenth\":{}}}\n", number % 10)
            })
            .collect();
        loop {
            if stop.load(Ordering::Relaxed) {
                return numbers;
            }
            let target = format!("{}/api/v1/events", url.lock().unwrap());
            let request = client.post(target).bearer_auth(token).body(body.clone());
            let answer = request.header("Idempotency-Key", format!("{writer}-{batch}")).send();
            if answer.is_ok_and(|answer| answer.status() == 201) {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        acknowledged.fetch_add(events.len() as u64, Ordering::Relaxed);
        numbers.extend(events);
    }
    numbers
}

/// Rules whose memory must survive: they fire behind many kills, and count on.
const RULES: &str = "
title: A number
id: number
logsource: {category: test}
detection: {all: {number|exists: true}, condition: all}
---
title: Many numbers
id: many
correlation: {generate: true, type: event_count, rules: [number], group-by: [writer], timespan: 1h, condition: {gte: 200}}
---
title: Different numbers
id: different
correlation: {type: value_count, rules: [number], group-by: [tenth], timespan: 1h, condition: {field: number, gte: 150}}
---
title: Many, then different ones
id: chain
correlation: {generate: true, type: temporal_ordered, rules: [many, number], group-by: [writer], timespan: 1h}
";

/// Rule, group, count, first and last of each incident.
type Found = BTreeSet<(String, String, u64, DateTime<Utc>, DateTime<Utc>)>;

/// What the rules find in the stored events, in one go.
fn scanned(store: &Store) -> Found {
    let mut rules = SigmaRules::default();
    rules.load("rules.yml", RULES);
    assert_eq!(rules.problems(), []);
    let ruleset = Ruleset::builder().sigma(&rules).build().unwrap();
    let mut counters = Counters::new(&ruleset);
    let stream = store.streams().unwrap().remove(0);
    let mut from = 0;
    while let Some((next, events)) = store.events(&stream, from, None).unwrap() {
        from = next;
        for event in events {
            counters.event("scan", 0, &ruleset.prepare_event(event));
        }
    }
    let all = counters.incidents().into_iter();
    all.map(|one| (one.rule, one.group.as_json().into(), one.count, one.first, one.last)).collect()
}

fn kept(store: &Store) -> Found {
    let all = store.incidents(&IncidentQuery { limit: 1_000, ..Default::default() }).unwrap();
    let all = all.rows.into_iter();
    all.map(|one| (one.rule, one.group, one.count, one.first, one.last)).collect()
}

#[test]
fn fifty_kills_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yml"), RULES).unwrap();
    std::fs::write(folder.path().join("secmon.toml"), "[sigma]\nrules = [\"rules.yml\"]\n")
        .unwrap();
    let store_url = format!("sqlite://{}/secmon.db", folder.path().display());
    let now = secmon_http::clock::now();
    let token = Store::open(&store_url).unwrap().create_token("load", Scope::Ingest, now).unwrap();
    let url = Arc::new(Mutex::new(String::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));

    let mut service = Service::start(folder.path());
    url.lock().unwrap().clone_from(&service.url);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (url, token) = (Arc::clone(&url), token.expose().to_owned());
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            std::thread::spawn(move || write(writer, &url, &token, &stop, &acknowledged))
        })
        .collect();
    for kill in 0..KILLS {
        // Each life is long enough for something to be acknowledged, and ends at another moment.
        let before = acknowledged.load(Ordering::Relaxed);
        while acknowledged.load(Ordering::Relaxed) == before {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(kill * 37 % 120));
        let said = service.kill();
        assert!(!said.contains("rolled back") && !said.contains("panicked"), "{said}");
        service = Service::start(folder.path());
        url.lock().unwrap().clone_from(&service.url);
    }
    stop.store(true, Ordering::Relaxed);
    let mut expected: Vec<u64> =
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    service.kill();
    expected.sort_unstable();

    let store = Store::open_existing(&store_url).unwrap();
    let mut stored = Vec::new();
    let mut query = RecordQuery::default().limit(1_000);
    loop {
        let page = store.records(&query).unwrap();
        let numbers = page.rows.iter().filter_map(|row| row.event.find("number"));
        stored.extend(numbers.map(|number| u64::try_from(number.as_int().unwrap()).unwrap()));
        let Some(next) = page.next else { break };
        query = query.page(&next);
    }
    stored.sort_unstable();
    let total = stored.len();
    let mut distinct = stored.clone();
    distinct.dedup();
    assert_eq!(distinct.len(), total, "an event was stored twice");
    let lost = expected.iter().filter(|number| distinct.binary_search(number).is_err()).count();
    assert_eq!(lost, 0, "of {} acknowledged events", expected.len());

    let found = kept(&store);
    assert_eq!(found, scanned(&store));
    let rules: BTreeSet<&str> = found.iter().map(|(rule, ..)| rule.as_str()).collect();
    assert_eq!(rules, BTreeSet::from(["number", "many", "different", "chain"]));

    assert_eq!(store.streams().unwrap().len(), 1, "no false alarm began another stream");
    for verdict in store.verify(&secmon_store::VerifyOptions::default()).unwrap() {
        assert!(verdict.is_ok(), "{:?}", verdict.findings);
    }
}
