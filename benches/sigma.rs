//! Sigma rules: all of SigmaHQ over three files of events, parsing included, side by side with rsigma 0.23 in
//! one run; load time and peak memory of each in a process of its own. Promise: four times rsigma with
//! routing on each file, less memory, a faster load.
//!
//! Needs `../shared/data`. `SECMON_BENCH_ROUNDS` (default 5) sets how often each file is run.

mod support;

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rsigma_eval::event::JsonEvent;
use rsigma_eval::{Engine, LogSourceExtractor};
use secmon_core::Ruleset;
use secmon_core::parse::{Context, LineFormat};
use secmon_http::SigmaConfig;
use support::{median, rate};

const FILES: [(&str, &str); 3] = [
    ("Windows mix", "events_win_mixed_2510.jsonl"),
    ("process creation", "events_win_proc.jsonl"),
    ("Linux", "events_linux_1000.jsonl"),
];
/// Events a round: short files are looped, so that the first event of a kind does not count.
const EVENTS: usize = 20_000;

fn main() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/sigma");
    if !data.exists() {
        println!("skipped: no ../shared/data");
        return;
    }
    match std::env::var("SECMON_BENCH_ENGINE").as_deref() {
        Ok("secmon") => return alone(&data, load_ours, run_ours),
        Ok("rsigma") => return alone(&data, load_theirs, run_theirs),
        _ => {}
    }
    let quick = std::env::args().any(|argument| argument == "--test");
    let rounds = std::env::var("SECMON_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds = if quick { 1 } else { rounds.unwrap_or(5) };
    let events = if quick { 1_000 } else { EVENTS };
    let (ours, theirs) = (load_ours(&data), load_theirs(&data));
    for (name, file) in FILES {
        let text = fs::read_to_string(data.join(file)).unwrap();
        let lines: Vec<&str> = text.lines().cycle().take(events).collect();
        run_ours(&ours, &lines);
        run_theirs(&theirs, &lines[..lines.len() / 10]);
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            fast.push(rate(lines.len(), || run_ours(&ours, &lines)));
            slow.push(rate(lines.len(), || run_theirs(&theirs, &lines)));
        }
        let (ours, theirs) = (median(fast), median(slow));
        println!(
            "{name}: secmon {ours:.0} events/s, rsigma {theirs:.0}, ratio {:.2} (promise 4)",
            ours / theirs
        );
    }
    for engine in ["secmon", "rsigma"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .env("SECMON_BENCH_ENGINE", engine)
            .output()
            .unwrap();
        print!("{engine} alone: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Loads, runs each file once, and says what it took.
fn alone<E>(data: &Path, load: fn(&Path) -> E, run: fn(&E, &[&str]) -> usize) {
    let started = Instant::now();
    let engine = load(data);
    let loaded = started.elapsed().as_secs_f64();
    for (_, file) in FILES {
        let text = fs::read_to_string(data.join(file)).unwrap();
        run(&engine, &text.lines().collect::<Vec<_>>());
    }
    println!("load {loaded:.2} s, peak memory {:.1} MiB", support::peak());
}

fn load_ours(data: &Path) -> Ruleset {
    let config = SigmaConfig { rules: vec![data.join("rules")], ..SigmaConfig::default() };
    Ruleset::builder().sigma(&config.load(false).unwrap()).build().unwrap()
}

fn run_ours(ruleset: &Ruleset, lines: &[&str]) -> usize {
    let cx = Context::new("2026-11-20T00:00:00Z".parse().unwrap());
    let signals =
        |line: &&str| ruleset.glance(line.as_bytes(), LineFormat::Detect, &cx).signals.len();
    lines.iter().map(signals).sum()
}

fn load_theirs(data: &Path) -> Engine {
    let collection = rsigma_parser::parse_sigma_directory(&data.join("rules")).unwrap();
    let mut engine = Engine::new();
    engine.set_logsource_extractor(Some(LogSourceExtractor::new()));
    engine.add_collection(&collection).unwrap();
    engine
}

fn run_theirs(engine: &Engine, lines: &[&str]) -> usize {
    let found = |line: &&str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        black_box(engine.evaluate(&JsonEvent::borrow(&event))).len()
    };
    lines.iter().map(found).sum()
}
