//! Promise: an sshd log is parsed and matched against all built-in rules at 500,000 lines per second of
//! one core or more, within 64 MB. Peers, on the same log: fail2ban 8,000 to 20,000 lines per second,
//! CrowdSec 1,000 to 8,000. Limit: `memchr` for the line ends of the same bytes.
//!
//! `SECMON_BENCH_LOG` names a log of one's own, `SECMON_BENCH_NOW` the time at which it is read.

mod support;

use std::collections::BTreeMap;
use std::hint::black_box;

use chrono::{DateTime, Utc};
use criterion::{Criterion, Throughput};
use secmon_core::parse::{Context, LineFormat};
use secmon_core::{Counters, Ruleset};

/// Scans all lines; says how many incidents there are of each rule.
fn scan(ruleset: &Ruleset, log: &[u8], cx: &Context) -> BTreeMap<String, usize> {
    let mut counters = Counters::new(ruleset);
    let mut from = 0;
    for (seq, end) in (0..).zip(memchr::memchr_iter(b'\n', log)) {
        let prepared = ruleset.prepare_bytes(&log[from..end], LineFormat::Detect, cx);
        counters.event("scan", seq, &prepared);
        from = end + 1;
    }
    let mut incidents = BTreeMap::new();
    for incident in counters.incidents() {
        *incidents.entry(incident.rule).or_default() += 1;
    }
    incidents
}

fn main() {
    let log = match std::env::var_os("SECMON_BENCH_LOG") {
        Some(path) => std::fs::read(path).expect("a log"),
        None => support::sshd_log(if support::is_test() { 1_000 } else { 100_000 }).into_bytes(),
    };
    let now: DateTime<Utc> = std::env::var("SECMON_BENCH_NOW")
        .map_or_else(|_| support::reference(), |now| now.parse().expect("a time"));
    let cx = Context::new(now);
    let ruleset = Ruleset::builtin();
    let lines = memchr::memchr_iter(b'\n', &log).count();

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("scan");
    group.sample_size(10).throughput(Throughput::Elements(lines as u64));
    group.bench_function("all rules", |bencher| bencher.iter(|| scan(&ruleset, &log, &cx)));
    group.bench_function("parse alone", |bencher| {
        bencher.iter(|| scan(&Ruleset::empty(), &log, &cx))
    });
    group.bench_function("memchr", |bencher| {
        bencher.iter(|| memchr::memchr_iter(b'\n', &log).count())
    });
    group.finish();
    criterion.final_summary();

    let rounds = if support::is_test() { 1 } else { 5 };
    let all = support::fastest(rounds, || {
        black_box(scan(&ruleset, &log, &cx));
    });
    let rates = (0..rounds).map(|_| support::rate(lines, || scan(&ruleset, &log, &cx)));
    let rate = support::median(rates.collect());
    let limit = support::fastest(rounds, || {
        black_box(memchr::memchr_iter(b'\n', &log).count());
    });
    println!("incidents of {lines} lines: {:?}", scan(&ruleset, &log, &cx));
    let promise = rate / 500_000.0;
    println!(
        "scan: {rate:.0} lines a second of processor time, {promise:.2} x the promise of 500,000"
    );
    let (peak, own) = (support::peak(), log.len() as f64 / f64::from(1 << 20));
    println!("scan: {:.1} MiB at the peak besides the log, promise 64", peak - own);
    println!("scan: {:.0} x the time of memchr", all.as_secs_f64() / limit.as_secs_f64());
}
