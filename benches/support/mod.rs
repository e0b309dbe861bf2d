//! What the benches share: a log of their own making, and plain timing for the ratio at the end.

#![expect(dead_code, reason = "each bench takes what it needs")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use secmon_core::seal::{Sealer, StreamKeys};
use secmon_core::{Event, Monitor, Prepared, Record, Ruleset, fields};

/// The name of the stream that benches seal into.
pub(crate) const ORIGIN: &str = "bench/0a";

/// Whether this is `cargo bench -- --test`: everything once, and small.
pub(crate) fn is_test() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// The time at which all lines are read.
pub(crate) fn reference() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().expect("a time")
}

/// Lines of sshd in the mix of the OpenSSH log of loghub (see `shares`), twenty a second, ended by
/// the reference time. Attempts come in runs of ten from one address, hosts take turns.
pub(crate) fn sshd_log(lines: u32) -> String {
    let shares: [(u32, &str); 9] = [
        (26, "Failed password for root from ADDRESS port 38926 ssh2"),
        (
            25,
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=ADDRESS  user=root",
        ),
        (23, "Received disconnect from ADDRESS: 11: Bye Bye [preauth]"),
        (7, "pam_unix(sshd:auth): check pass; user unknown"),
        (6, "input_userauth_request: invalid user admin [preauth]"),
        (6, "Invalid user admin from ADDRESS"),
        (
            4,
            "reverse mapping checking getaddrinfo for host.example [ADDRESS] failed - POSSIBLE BREAK-IN ATTEMPT!",
        ),
        (2, "Connection closed by ADDRESS [preauth]"),
        (1, "Accepted password for fztu from ADDRESS port 49116 ssh2"),
    ];
    let pick: Vec<&str> = shares
        .iter()
        .flat_map(|(share, text)| std::iter::repeat_n(*text, *share as usize))
        .collect();
    let mut log = String::with_capacity(lines as usize * 120);
    for line in 0..lines {
        let time = reference() - TimeDelta::milliseconds(50 * i64::from(lines - line));
        // 37 is prime to 100: each hundred lines hold each share in full, well mixed.
        let text = pick[(line * 37 % 100) as usize];
        let run = line / 10 % 5_000;
        let address = format!("203.{}.{}.7", run / 250, run % 250);
        let (host, pid) = (line / 100 % 50, 1_000 + line / 4 % 20_000);
        let text = text.replace("ADDRESS", &address);
        writeln!(log, "{} LabSZ-{host} sshd[{pid}]: {text}", time.format("%b %e %H:%M:%S"))
            .expect("a String takes all");
    }
    log
}

/// So many prepared events of that log.
pub(crate) fn prepared(ruleset: &Ruleset, lines: u32) -> Vec<Prepared> {
    ruleset.prepare_lines(sshd_log(lines).lines(), reference())
}

/// The keys of the benches' stream.
pub(crate) fn keys() -> StreamKeys {
    StreamKeys::from_bytes([1; 32], [2; 32])
}

/// Sealed records with bodies of 300 bytes: failed logins without their lines.
pub(crate) fn records(count: u32) -> Vec<Record> {
    let ruleset = Ruleset::empty();
    let sealer = Sealer::create(ORIGIN, &keys()).expect("a sealer");
    let mut monitor = Monitor::new(ruleset.clone(), sealer);
    let events = (0..count).map(|number| {
        let mut event = Event::new(reference());
        event.set(fields::EVENT_ACTION, "login");
        event.set(fields::EVENT_OUTCOME, "failure");
        event.set(fields::HOST_NAME, format!("web-{}", number % 9));
        event.set(fields::SOURCE_IP, IpAddr::from([203, 0, 113, 7]));
        ruleset.prepare_event(event)
    });
    monitor.take(events.collect(), reference(), [3; 32]).records
}

/// The time of the fastest of some rounds: what the machine can do when it is left alone.
pub(crate) fn fastest(rounds: u32, mut work: impl FnMut()) -> Duration {
    let round = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..rounds).map(round).min().unwrap_or_default()
}

/// The one in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// A rate by processor time of this thread: other programs of the machine do not count.
pub(crate) fn rate<T>(count: usize, run: impl FnOnce() -> T) -> f64 {
    let seconds = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
        text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).expect("a time") / 1e9
    };
    let started = seconds();
    black_box(run());
    count as f64 / (seconds() - started)
}

/// The peak memory of this process so far, in MiB.
pub(crate) fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

/// Processor time of this process so far.
pub(crate) fn cpu() -> Duration {
    cpu_of("self")
}

/// Processor time of a process so far.
pub(crate) fn cpu_of(pid: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let Ok(stat) = stat else { return Duration::ZERO };
    let behind_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks =
        behind_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}
