//! Promise: a stream is verified at 1.5 million records per second of one core, bodies read strictly and
//! compared with their stored leaf hashes. Beside it: the leaf hashes alone, one after the other.

mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use secmon_core::Record;
use secmon_core::seal::{Entry, Sealed, Verifier, leaf_hash};

fn verify(records: &[Record], with_k0: bool) {
    let keys = support::keys();
    let mut verifier = Verifier::new(keys.vkey(support::ORIGIN));
    if with_k0 {
        verifier = verifier.with_k0(*keys.k0());
    }
    let entries = Entry::each(records.iter().map(|record| record.body.as_bytes()));
    for (record, entry) in records.iter().zip(entries) {
        let (seq, leaf) = (record.seq, Some(record.leaf));
        let (columns, values) = (None, None);
        verifier.record(&Sealed { seq, entry, mac: &record.mac, leaf, columns, values });
    }
    assert!(verifier.finish(None, None).is_ok());
}

fn main() {
    let count: u32 = if support::is_test() { 100 } else { 20_000 };
    let records = support::records(count);
    let hash = || {
        for record in &records {
            black_box(leaf_hash(record.body.as_bytes()));
        }
    };

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Elements(count.into()));
    group.bench_function("public key alone", |bencher| bencher.iter(|| verify(&records, false)));
    group.bench_function("with K_0", |bencher| bencher.iter(|| verify(&records, true)));
    group.bench_function("leaf hashes, one by one", |bencher| bencher.iter(hash));
    group.finish();
    criterion.final_summary();

    let rounds = if support::is_test() { 1 } else { 20 };
    let bytes: usize = records.iter().map(|record| record.body.len()).sum();
    let limit = support::fastest(rounds, hash).as_secs_f64();
    for (name, with_k0) in [("public key alone", false), ("with K_0", true)] {
        let time = support::fastest(rounds, || verify(&records, with_k0)).as_secs_f64();
        println!(
            "verify, {name}: {:.0} records/s of {} bytes, {:.2} x the promise of 1,500,000, {:.2} x the time of the leaf hashes",
            f64::from(count) / time,
            bytes / count as usize,
            f64::from(count) / time / 1.5e6,
            time / limit,
        );
    }
}
