//! Promise: a durable append (SQLite, `synchronous = FULL`, batches of 1,000, with all that belongs into
//! the transaction: tiles, checkpoints, signals, roll-ups, hosts) reaches 80 % of raw SQLite. Peer:
//! `rusqlite` with one prepared INSERT of the same rows into a table with the same columns, key and
//! indexes, under the same pragmas, one transaction a batch.
//!
//! Batches go through `Writer::begin`, as in the service: one is stored while the next is encoded, sealed and counted on
//! another core. The clock is that of all of it. By processor time it is shown both with and without what happens before
//! the store, which has promises of its own and is measured here as `Monitor::take` of the same events.

#[path = "support/raw.rs"]
mod raw;
mod support;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use criterion::{BatchSize, Criterion, Throughput};
use raw::Raw;
use secmon_core::seal::Sealer;
use secmon_core::{Monitor, Prepared, Record, Ruleset};
use secmon_store::{Request, Store, Writer};

/// A writer, and how many batches it took.
struct Ours(Writer, i32);

impl Ours {
    fn open(folder: &Path, ruleset: &Ruleset, erasable: &[&str]) -> Self {
        let url = format!("sqlite://{}/secmon.db", folder.display());
        let store = Store::open(&url).expect("a store");
        if !erasable.is_empty() {
            let fields = erasable.iter().map(ToString::to_string).collect();
            store.set_erasable(fields).expect("the privacy mode");
        }
        Self(store.writer("bench", ruleset.clone(), support::reference()).expect("a writer"), 0)
    }

    fn append(&mut self, events: Vec<Prepared>) {
        // A batch each ten milliseconds, so that checkpoints come as often as in service.
        let now = support::reference() + TimeDelta::milliseconds(10) * self.1;
        self.1 += 1;
        self.0.begin(vec![Request { events, ..Request::default() }], now).expect("a batch");
        assert!(self.0.answers().iter().all(Result::is_ok));
    }

    fn append_all(&mut self, batches: Vec<Vec<Prepared>>) {
        batches.into_iter().for_each(|events| self.append(events));
        self.0.finish().expect("a commit");
        assert!(self.0.answers().iter().all(Result::is_ok));
    }
}

/// Wall and processor time of some work.
fn timed(work: impl FnOnce()) -> (Duration, Duration) {
    let (start, cpu) = (Instant::now(), support::cpu());
    work();
    (start.elapsed(), support::cpu().saturating_sub(cpu))
}

/// What a turn took, by the clock and of processor.
type Turn = [(f64, f64); 6];

fn main() {
    let (batches, size) = if support::is_test() { (2, 20) } else { (60, 1_000) };
    let ruleset = Ruleset::builtin();
    let events = support::prepared(&ruleset, batches * size);
    let sealer = Sealer::create(support::ORIGIN, &support::keys()).expect("a sealer");
    let mut monitor = Monitor::new(ruleset.clone(), sealer);
    let chunks: Vec<Vec<Prepared>> = events.chunks(size as usize).map(<[_]>::to_vec).collect();
    let records: Vec<Vec<Record>> = chunks
        .iter()
        .map(|chunk| monitor.take(chunk.clone(), support::reference(), [3; 32]).records)
        .collect();

    // An attack is the dearest log to count: each line of it changes an incident.
    let unmatched: Vec<Vec<Prepared>> = chunks
        .iter()
        .map(|chunk| {
            chunk.iter().map(|one| Ruleset::empty().prepare_event(one.event.clone())).collect()
        })
        .collect();

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("append");
    group.sample_size(10).throughput(Throughput::Elements(size.into()));
    let folder = tempfile::tempdir().expect("a folder");
    let mut ours = Ours::open(folder.path(), &ruleset, &[]);
    let mut raw = Raw::open(folder.path());
    let mut turn = chunks.iter().cycle();
    group.bench_function("Writer::begin", |bencher| {
        let next = || turn.next().cloned().unwrap_or_default();
        bencher.iter_batched(next, |events| ours.append(events), BatchSize::PerIteration);
    });
    let mut turn = records.iter().cycle();
    group.bench_function("rusqlite", |bencher| {
        bencher.iter(|| raw.append(turn.next().expect("cycles")));
    });
    group.finish();
    criterion.final_summary();

    // The promise: each from empty, in turns. Shares are medians of what each turn says, as the machine may be slower in
    // one than in another.
    let mut turns = Vec::new();
    for _ in 0..if support::is_test() { 1 } else { 9 } {
        let folder = tempfile::tempdir().expect("a folder");
        let mut raw = Raw::open(folder.path());
        let peer = timed(|| records.iter().for_each(|records| raw.append(records)));
        let append = |events: &[Vec<Prepared>], ruleset: &Ruleset, erasable: &[&str]| {
            let folder = tempfile::tempdir().expect("a folder");
            let mut ours = Ours::open(folder.path(), ruleset, erasable);
            let events = events.to_vec();
            timed(|| ours.append_all(events))
        };
        let take = |events: &[Vec<Prepared>], ruleset: &Ruleset| {
            let sealer = Sealer::create(support::ORIGIN, &support::keys()).expect("a sealer");
            let mut monitor = Monitor::new(ruleset.clone(), sealer);
            let events = events.to_vec();
            timed(|| {
                for events in events {
                    black_box(monitor.take(events, support::reference(), [3; 32]));
                }
            })
        };
        let own = append(&chunks, &ruleset, &[]);
        let plain = append(&unmatched, &Ruleset::empty(), &[]);
        let private = append(&chunks, &ruleset, &["user.name", "source.ip"]);
        let sealed = take(&chunks, &ruleset);
        let plainly = take(&unmatched, &Ruleset::empty());
        turns.push([peer, own, plain, sealed, plainly, private]);
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(batches * size);
    let turns: Vec<Turn> =
        turns.iter().map(|turn| turn.map(|(wall, cpu)| (each(wall), each(cpu)))).collect();
    let median = |of: &dyn Fn(&Turn) -> f64| support::median(turns.iter().map(of).collect());
    let of = |at: usize| (median(&|turn| turn[at].0), median(&|turn| turn[at].1));
    let (peer, private) = (of(0), of(5));
    let mut sealer = Sealer::create(support::ORIGIN, &support::keys()).expect("a sealer");
    let seal = support::fastest(5, || {
        for record in records.iter().flatten() {
            black_box(sealer.seal(record.body.as_bytes()));
        }
    });
    println!("µs a row by the clock and of processor, medians");
    println!("rusqlite: {:.2}, {:.2}", peer.0, peer.1);
    println!("hash, HMAC and Merkle alone: {:.2}", each(seal));
    println!(
        "an attack in the privacy mode (user.name, source.ip): append {:.2}, {:.2}; {:.1} times the time without",
        private.0,
        private.1,
        median(&|turn| turn[5].0 / turn[1].0)
    );
    for (name, own, sealed) in [("an attack, all rules", 1, 3), ("no rules", 2, 4)] {
        let (append, before) = (of(own), of(sealed));
        println!(
            "{name}: append {:.2}, {:.2}; of it encode, seal and count {:.2}, {:.2}",
            append.0, append.1, before.0, before.1
        );
        println!(
            "append, {name}: {:.0} % of rusqlite by the clock, all in all; promise 80 %",
            median(&|turn| 100.0 * turn[0].0 / turn[own].0)
        );
        println!(
            "by processor time: {:.0} %; without encode, seal and count: {:.0} %",
            median(&|turn| 100.0 * turn[0].1 / turn[own].1),
            median(&|turn| 100.0 * turn[0].1 / (turn[own].1 - turn[sealed].1))
        );
    }
}
