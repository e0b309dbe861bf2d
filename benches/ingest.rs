//! Promise: events that come by HTTP are parsed, matched, sealed, counted and committed with at most 1.7 times the processor
//! time of a bare append. Two peers, in turns: raw SQLite with the same rows (`rusqlite`, one prepared INSERT), and a
//! durable append of the same events, prepared, by `Writer` without a service.
//!
//! The service is a process of its own, so that what is measured is its time alone: from the first request until two
//! seconds behind the last answer, when the filters of text search are made too. Two connections send a thousand lines
//! at once.

#[path = "support/raw.rs"]
mod raw;
mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::TimeDelta;
use raw::Raw;
use reqwest::Client;
use secmon_core::seal::Sealer;
use secmon_core::{Monitor, Record, Ruleset};
use secmon_http::{App, Config, FollowConfig, ProbeConfig};
use secmon_store::{Request, Scope, Store};

/// Where the service's process finds its store.
const STORE: &str = "SECMON_BENCH_SERVICE";

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if let Ok(store) = std::env::var(STORE) {
        return runtime.block_on(serve(store));
    }
    let (batches, size, turns) = if support::is_test() { (2, 20, 1) } else { (40, 1_000, 5) };
    println!("µs of processor an event, medians");
    let sshd = support::sshd_log(batches * size);
    let plain: String = (0..batches * size)
        .map(|number| {
            format!(
                "Nov 20 11:00:00 web-{} app[{number}]: request {number} took 12 ms\n",
                number % 9
            )
        })
        .collect();
    for (name, log) in [("sshd under attack", sshd), ("lines that no rule counts", plain)] {
        let lines: Vec<&str> = log.lines().collect();
        let bodies: Vec<String> =
            lines.chunks(size as usize).map(|lines| lines.join("\n")).collect();
        let events = f64::from(batches * size);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / events;
        let mut figures = Vec::new();
        for _ in 0..turns {
            let service = each(runtime.block_on(ingest(&bodies)));
            let (raw, append) = appended(&lines, size as usize);
            figures.push([service, each(raw), each(append)]);
        }
        let median =
            |of: &dyn Fn(&[f64; 3]) -> f64| support::median(figures.iter().map(of).collect());
        let [service, raw, append] = [0, 1, 2].map(|at| median(&|turn| turn[at]));
        println!("{name}: by HTTP {service:.1}, raw SQLite {raw:.1}, Writer {append:.1}");
        println!(
            "by HTTP: {:.1} times raw SQLite, {:.1} times a durable append by Writer; promise 1.7",
            median(&|turn| turn[0] / turn[1]),
            median(&|turn| turn[0] / turn[2])
        );
    }
}

/// The service: says where it listens, and a token.
async fn serve(store: String) {
    let config = Config {
        keys: Some(format!("{}.keys", store.trim_start_matches("sqlite://")).into()),
        store,
        cluster: "bench".into(),
        probe: ProbeConfig { enabled: false, ..ProbeConfig::default() },
        follow: FollowConfig { auto: false, ..FollowConfig::default() },
        ..Config::default()
    };
    let app = App::open(config).expect("a service");
    app.start_jobs();
    let token = app.store().create_token("bench", Scope::Ingest, secmon_http::clock::now());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    println!("http://{address} {}", token.expect("a token").expose());
    app.serve(listener, std::future::pending()).await.expect("a service");
}

/// A service in a process of its own.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends requests over two connections; how much processor time the service took.
async fn ingest(bodies: &[String]) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let child = Command::new(std::env::current_exe().expect("a path"))
        .env(STORE, format!("sqlite://{}/secmon.db", folder.path().display()))
        .stdout(Stdio::piped())
        .spawn();
    let mut service = Service(child.expect("a process"));
    let mut said = String::new();
    let out = service.0.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut said).expect("an address");
    let (url, token) = said.trim().split_once(' ').expect("an address and a token");
    let pid = service.0.id().to_string();
    let before = support::cpu_of(&pid);
    let (even, odd): (Vec<_>, Vec<_>) = bodies.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let send = async |bodies: Vec<(usize, &String)>| {
        let client = Client::new();
        for (_, body) in bodies {
            let request = client.post(format!("{url}/api/v1/events")).bearer_auth(token);
            let answer = request.body(body.clone()).send().await.expect("an answer");
            assert_eq!(answer.status(), 201);
        }
    };
    tokio::join!(send(even), send(odd));
    tokio::time::sleep(Duration::from_secs(2)).await;
    support::cpu_of(&pid).saturating_sub(before)
}

/// Processor time of raw SQLite and of a writer for what the service is sent.
fn appended(lines: &[&str], size: usize) -> (Duration, Duration) {
    let ruleset = Ruleset::builtin();
    let events: Vec<_> = lines
        .chunks(size)
        .map(|lines| ruleset.prepare_lines(lines.iter().copied(), support::reference()))
        .collect();
    let sealer = Sealer::create(support::ORIGIN, &support::keys()).expect("a sealer");
    let mut monitor = Monitor::new(ruleset.clone(), sealer);
    let records: Vec<Vec<Record>> = events
        .iter()
        .map(|events| monitor.take(events.clone(), support::reference(), [3; 32]).records)
        .collect();
    let taken = |work: &mut dyn FnMut(&Path)| {
        let folder = tempfile::tempdir().expect("a folder");
        let before = support::cpu();
        work(folder.path());
        support::cpu().saturating_sub(before)
    };
    let raw = taken(&mut |folder| {
        let mut raw = Raw::open(folder);
        records.iter().for_each(|records| raw.append(records));
    });
    let mut events = Some(events);
    let append = taken(&mut |folder| {
        let store = Store::open(&format!("sqlite://{}/secmon.db", folder.display()));
        let store = store.expect("a store");
        let now = support::reference();
        let mut writer = store.writer("bench", ruleset.clone(), now).expect("a writer");
        for (batch, events) in (0..).zip(events.take().unwrap_or_default()) {
            let now = now + TimeDelta::milliseconds(10) * batch;
            writer.begin(vec![Request { events, ..Request::default() }], now).expect("a batch");
        }
        writer.finish().expect("a commit");
        assert!(writer.answers().iter().all(Result::is_ok));
    });
    (raw, append)
}
