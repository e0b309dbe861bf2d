//! Promise: the proof of a record in a store of a million records is made in 5 ms or less, from SQL. Limit:
//! checking it (twenty hashes and a signature), which reads nothing.

mod support;

use std::hint::black_box;

use criterion::Criterion;
use secmon_core::Ruleset;
use secmon_core::seal::Vkey;
use secmon_store::Store;

fn main() {
    let (batches, size) = if support::is_test() { (2, 600) } else { (1_000, 1_000) };
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/secmon.db", folder.path().display());
    let store = Store::open(&url).expect("a store");
    let ruleset = Ruleset::empty();
    let now = support::reference();
    let mut writer = store.writer("bench", ruleset.clone(), now).expect("a writer");
    for batch in 0..batches {
        let lines = (0..size).map(|line| format!("line {line} of batch {batch}"));
        let events = ruleset.prepare_lines(lines, now);
        writer.write(events, now).expect("a commit");
    }
    writer.close(now).expect("a checkpoint");
    let stream = store.streams().expect("streams").remove(0);
    let vkey: Vkey = stream.genesis_vkey.parse().expect("a key");

    // Far apart, so that no two share a tile of the leaves.
    let mut seq = 0;
    let mut next = || {
        seq = (seq + 611_953) % stream.size();
        seq
    };
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("proof");
    group.bench_function("of a record, from SQL", |bencher| {
        bencher.iter(|| store.proof("bench", next()).expect("a proof"));
    });
    let id = stream.id();
    let proof = store.proof(&id, 17).expect("a proof");
    let body = store.record(&id, 17).expect("a record").body;
    group.bench_function("limit: checking one", |bencher| {
        bencher
            .iter(|| proof.check(black_box(&body), std::slice::from_ref(&vkey)).expect("it holds"));
    });
    group.finish();
    criterion.final_summary();

    let rounds = if support::is_test() { 3 } else { 1_001 };
    let mut times: Vec<_> = (0..rounds)
        .map(|_| {
            support::fastest(1, || {
                black_box(store.proof(&id, next()).expect("a proof"));
            })
        })
        .collect();
    times.sort();
    let check = support::fastest(rounds, || {
        black_box(proof.check(&body, std::slice::from_ref(&vkey)).expect("it holds"));
    });
    let (median, worst) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!(
        "proof of a record among {}: median {:.3} ms, p99 {:.3} ms, {:.1} x the time of checking it; promise 5 ms",
        stream.size(),
        median.as_secs_f64() * 1e3,
        worst.as_secs_f64() * 1e3,
        median.as_secs_f64() / check.as_secs_f64()
    );
}
