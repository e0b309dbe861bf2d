//! Promise: a durable append to MariaDB (`innodb_flush_log_at_trx_commit = 1`, batches of 1,000, with all that belongs
//! into the transaction) reaches 80 % of the best multi-row path. Peer: the driver alone with one prepared INSERT of
//! 100 of the same rows, ten times a transaction, into a table with the same columns, key and indexes.
//!
//! Batches go through `Writer::begin`, as in the service: one is stored while the next is encoded, sealed and counted on
//! another core. The clock is that of all of it; processor time is that of this process and of the server together, shown
//! both with and without what happens before the store. Then two writers beside each other, each with half of the batches
//! and a stream of its own, as a service with `writers = 2` has them. A server is started for it.

#[path = "../tests/support/mariadb.rs"]
mod mariadb;
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Params, Value};
use secmon_core::seal::Sealer;
use secmon_core::{Monitor, Prepared, Record, Ruleset};
use secmon_store::{Request, Store, Writer};
use tempfile::TempDir;

use mariadb::Server;

const COLUMNS: usize = 13;
const ROWS: usize = 100;

/// What a turn took, by the clock and of processor.
type Turn = [(f64, f64); 4];

fn main() {
    let (batches, size) = if support::is_test() { (5, 1_000) } else { (60, 1_000) };
    if std::process::Command::new("mariadbd").arg("--version").output().is_err() {
        println!("skipped: no mariadbd");
        return;
    }
    let ruleset = Ruleset::builtin();
    let events = support::prepared(&ruleset, batches * size);
    let sealer = Sealer::create(support::ORIGIN, &support::keys()).expect("a sealer");
    let mut monitor = Monitor::new(ruleset.clone(), sealer);
    let chunks: Vec<Vec<Prepared>> = events.chunks(size as usize).map(<[_]>::to_vec).collect();
    let take = |monitor: &mut Monitor, chunk: &Vec<Prepared>| {
        monitor.take(chunk.clone(), support::reference(), [3; 32]).records
    };
    let records: Vec<Vec<Record>> = chunks.iter().map(|chunk| take(&mut monitor, chunk)).collect();

    let server = Server::start(&["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M"]);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut turns = Vec::new();
    for round in 0..if support::is_test() { 1 } else { 9 } {
        let name = format!("ours{round}");
        let (_folder, store) = opened(&server, &name);
        // The peer's table is a copy, without triggers and partitions.
        let copy = "CREATE TABLE raw LIKE records; ALTER TABLE raw REMOVE PARTITIONING";
        server.run(&name, copy).expect("a table");
        let opts = Opts::from_url(&server.url(&name)).expect("a URL");
        // Over TCP, as the store.
        let opts = OptsBuilder::from_opts(opts).prefer_socket(false);
        let mut raw = runtime.block_on(Conn::new(opts)).expect("a connection");
        let peer = timed(&server, || {
            let mut seq = 0;
            for records in &records {
                runtime.block_on(append(&mut raw, records, &mut seq));
            }
        });
        let mut writer =
            store.writer("bench", ruleset.clone(), support::reference()).expect("a writer");
        writer.expire(support::reference()).expect("partitions");
        let given = chunks.clone();
        let own = timed(&server, || {
            append_all(&mut writer, given);
        });
        let sealer = Sealer::create(support::ORIGIN, &support::keys()).expect("a sealer");
        let mut monitor = Monitor::new(ruleset.clone(), sealer);
        let given = chunks.clone();
        let sealed = timed(&server, || {
            for events in given {
                black_box(monitor.take(events, support::reference(), [3; 32]));
            }
        });
        let (_folder, store) = opened(&server, &format!("two{round}"));
        let mut writers = ["one", "other"].map(|label| {
            store.writer(label, ruleset.clone(), support::reference()).expect("a writer")
        });
        writers[0].expire(support::reference()).expect("partitions");
        let halves = [0, 1].map(|half| {
            chunks.iter().skip(half).step_by(2).cloned().collect::<Vec<Vec<Prepared>>>()
        });
        let two = timed(&server, || {
            std::thread::scope(|scope| {
                for (writer, given) in writers.iter_mut().zip(halves) {
                    scope.spawn(|| append_all(writer, given));
                }
            });
        });
        turns.push([peer, own, sealed, two]);
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(batches * size);
    let turns: Vec<Turn> =
        turns.iter().map(|turn| turn.map(|(wall, cpu)| (each(wall), each(cpu)))).collect();
    let median = |of: &dyn Fn(&Turn) -> f64| support::median(turns.iter().map(of).collect());
    let of = |at: usize| (median(&|turn| turn[at].0), median(&|turn| turn[at].1));
    let (peer, own, sealed) = (of(0), of(1), of(2));
    println!("µs a row by the clock, and of processor (service and server), medians");
    println!("multi-row INSERT: {:.2}, {:.2}", peer.0, peer.1);
    println!(
        "append: {:.2}, {:.2}; of it encode, seal and count {:.2}, {:.2}",
        own.0, own.1, sealed.0, sealed.1
    );
    println!(
        "append: {:.0} % of the multi-row INSERT by the clock, all in all; promise 80 %",
        median(&|turn| 100.0 * turn[0].0 / turn[1].0)
    );
    println!(
        "two writers: {:.0} % of the multi-row INSERT by the clock",
        median(&|turn| 100.0 * turn[0].0 / turn[3].0)
    );
    println!(
        "by processor time: {:.0} %; without encode, seal and count: {:.0} %",
        median(&|turn| 100.0 * turn[0].1 / turn[1].1),
        median(&|turn| 100.0 * turn[0].1 / (turn[1].1 - turn[2].1))
    );
}

fn opened(server: &Server, name: &str) -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open_with(&server.url(name), Some(folder.path()), true).expect("a store");
    (folder, store)
}

fn append_all(writer: &mut Writer, batches: Vec<Vec<Prepared>>) {
    let count = batches.len();
    for (batch, events) in (0..).zip(batches) {
        let now = support::reference() + TimeDelta::milliseconds(10) * batch;
        writer.begin(vec![Request { events, ..Request::default() }], now).expect("a batch");
    }
    writer.finish().expect("a commit");
    let answers = writer.answers();
    assert_eq!(answers.len(), count);
    assert!(answers.iter().all(Result::is_ok));
}

/// Wall and processor time of some work, that of the server with it.
fn timed(server: &Server, work: impl FnOnce()) -> (Duration, Duration) {
    let cpu = || support::cpu() + server.cpu();
    let (start, before) = (Instant::now(), cpu());
    work();
    (start.elapsed(), cpu().saturating_sub(before))
}

async fn append(raw: &mut Conn, records: &[Record], seq: &mut i64) {
    raw.query_drop("START TRANSACTION").await.expect("a transaction");
    for rows in records.chunks(ROWS) {
        let row = format!("({})", vec!["?"; COLUMNS].join(","));
        let sql = format!("INSERT INTO raw VALUES {}", vec![row.as_str(); rows.len()].join(","));
        let mut values: Vec<Value> = Vec::with_capacity(rows.len() * COLUMNS);
        for record in rows {
            values.extend([1.into(), (*seq).into(), record.time.into(), record.expires.into()]);
            values.extend([record.level.rank().into(), record.category.into()]);
            let texts =
                [&record.host, &record.source_ip, &record.user, &record.action, &record.outcome];
            values.extend(texts.map(|text| text.as_deref().into()));
            values.extend([record.body.as_bytes().into(), record.mac.as_slice().into()]);
            *seq += 1;
        }
        raw.exec_drop(sql, Params::Positional(values)).await.expect("rows");
    }
    raw.query_drop("COMMIT").await.expect("a commit");
}
