//! Promise: sealing a record of 300 bytes (leaf, HMAC, Merkle tree) takes one microsecond or less.
//! Limit: the ten SHA-256 compressions behind it, measured as two leaf hashes of the same body (five
//! each).

mod support;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use secmon_core::seal::{Sealer, leaf_hash};
use secmon_core::{Monitor, Ruleset};

fn main() {
    let count: u32 = if support::is_test() { 10 } else { 1_000 };
    let body = [b'x'; 300];
    let mut sealer = Sealer::create(support::ORIGIN, &support::keys()).expect("a sealer");
    let ruleset = Ruleset::empty();
    let events = support::prepared(&ruleset, count);
    let mut monitor = Monitor::new(ruleset, sealer_of_its_own());

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("seal");
    group.throughput(Throughput::Elements(1));
    group.bench_function("leaf + HMAC + Merkle, 300 B", |bencher| {
        bencher.iter(|| sealer.seal(black_box(&body)));
    });
    group.bench_function("limit: two leaf hashes, 300 B", |bencher| {
        bencher.iter(|| (leaf_hash(black_box(&body)), leaf_hash(black_box(&body))));
    });
    group.throughput(Throughput::Elements(count.into()));
    group.bench_function("body encoding and seal of events", |bencher| {
        bencher.iter_batched(
            || events.clone(),
            |events| monitor.take(events, support::reference(), [4; 32]),
            BatchSize::LargeInput,
        );
    });
    group.finish();
    criterion.final_summary();

    let rounds = if support::is_test() { 1 } else { 100 };
    let each = |work: &mut dyn FnMut()| {
        let time = support::fastest(rounds, || (0..count).for_each(|_| work()));
        time.as_secs_f64() * 1e9 / f64::from(count)
    };
    let seal = each(&mut || {
        black_box(sealer.seal(black_box(&body)));
    });
    let limit = each(&mut || {
        black_box((leaf_hash(black_box(&body)), leaf_hash(black_box(&body))));
    });
    let mut batches: Vec<_> = (0..rounds).map(|_| events.clone()).collect();
    let mut bytes = 0;
    let whole = support::fastest(rounds, || {
        let batch = monitor.take(batches.pop().unwrap_or_default(), support::reference(), [4; 32]);
        bytes = batch.records.iter().map(|record| record.body.len()).sum();
        black_box(batch);
    });
    let whole = whole.as_secs_f64() * 1e9 / f64::from(count);
    println!("seal: {seal:.0} ns, {:.2} x the limit, promise 1,000 ns", seal / limit);
    println!("encode and seal an event: {whole:.0} ns, {} bytes a body", bytes / count as usize);
}

fn sealer_of_its_own() -> Sealer {
    Sealer::create(support::ORIGIN, &support::keys()).expect("a sealer")
}
