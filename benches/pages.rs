//! Lists, charts and text search over many records. `SECMON_BENCH_ROWS` says how many (a million, unless it is only a
//! test), `SECMON_BENCH_STORE` where (a file of SQLite in memory, unless it names a database). The limit of a page is the
//! same query without anything around it, that of a search the `LIKE` of the database.

use std::hint::black_box;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use criterion::Criterion;
use secmon_core::{Level, Ruleset};
use secmon_store::{RecordQuery, Store};

/// The words that are rarely said.
const RARE: &str = "needle";

fn time(number: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
        + TimeDelta::milliseconds(20 * number.cast_signed())
}

fn line(number: u64) -> String {
    let (host, address, pid) = (number % 100, number * 7_919 % 10_000, number % 30_000);
    let stamp = time(number).format("%Y-%m-%dT%H:%M:%S%.6fZ");
    let user = if number % 100_000 == 1 { RARE } else { "root" };
    let (a, b) = (address / 250, address % 250);
    format!(
        "{stamp} web-{host} sshd[{pid}]: Accepted password for {user} from 10.1.{a}.{b} port {pid} ssh2"
    )
}

fn fill(store: &Store, rows: u64) {
    let ruleset = Ruleset::builtin();
    let mut writer = store.writer("bench", ruleset.clone(), time(0)).unwrap();
    let numbers: Vec<u64> = (0..rows).collect();
    for part in numbers.chunks(1_000) {
        let now = time(*part.last().unwrap());
        let events = ruleset.prepare_lines(part.iter().map(|number| line(*number)), now);
        writer.write(events, now).unwrap();
    }
    let end = time(rows) + TimeDelta::hours(1);
    writer.close(end).unwrap();
    while store.index_text().unwrap() {}
}

/// All pages of a search, as one may have to ask for more.
fn search(store: &Store, text: &str) -> usize {
    let mut query = RecordQuery::default().text(text);
    let mut found = 0;
    loop {
        let page = store.records(&query).unwrap();
        found += page.rows.len();
        match page.next {
            Some(next) if found < 100 => query = query.page(&next),
            _ => return found,
        }
    }
}

/// The cursor of a page in the middle.
fn middle(store: &Store, rows: u64) -> String {
    let page = store.records(&RecordQuery::default().until(time(rows / 2)).limit(1)).unwrap();
    page.next.unwrap()
}

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let rows = std::env::var("SECMON_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok());
    let rows: u64 = rows.unwrap_or(if test { 10_000 } else { 1_000_000 });
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let file = folder.path().join("secmon.db");
    let url = std::env::var("SECMON_BENCH_STORE").unwrap_or(format!("sqlite://{}", file.display()));
    let store = Store::open_with(&url, Some(&folder.path().join("keys")), true).unwrap();
    let begun = Instant::now();
    fill(&store, rows);
    println!("{rows} records stored and indexed in {:.0?}", begun.elapsed());

    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group(format!("records/{rows}"));
    let mut list = |name: &str, query: RecordQuery| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(store.records(&query).unwrap()))
        });
    };
    let page = || RecordQuery::default().limit(50);
    list("page/newest", page());
    list("page/middle", page().page(&middle(&store, rows)));
    list("page/host", page().field("host.name", "web-7"));
    list(
        "page/host, level, middle",
        page().field("host.name", "web-7").level(Level::Informational).until(time(rows / 2)),
    );
    group.bench_function("chart/hours", |bencher| {
        bencher.iter(|| black_box(store.hours(None).unwrap()));
    });
    group.bench_function("chart/top", |bencher| {
        bencher.iter(|| black_box(store.top("source.ip", false, None, 10).unwrap()));
    });
    group.bench_function("search/rare", |bencher| bencher.iter(|| black_box(search(&store, RARE))));
    group.bench_function("search/none", |bencher| {
        bencher.iter(|| black_box(search(&store, "nowhere said")))
    });
    group.bench_function("search/common", |bencher| {
        bencher.iter(|| black_box(search(&store, "accepted password")))
    });
    if file.exists() {
        let raw = rusqlite::Connection::open(&file).unwrap();
        let mut newest = raw
            .prepare("SELECT * FROM records WHERE ts < 9223372036854775807 ORDER BY ts DESC, stream_no DESC, seq DESC LIMIT 50")
            .unwrap();
        group.bench_function("page/newest, rusqlite", |bencher| {
            bencher.iter(|| {
                let rows = newest.query_map([], |row| row.get::<_, Vec<u8>>("body")).unwrap();
                black_box(rows.count())
            });
        });
        let mut like = raw
            .prepare("SELECT seq FROM records WHERE body LIKE ?1 ORDER BY ts DESC LIMIT 100")
            .unwrap();
        group.bench_function("search/rare, LIKE", |bencher| {
            bencher.iter(|| {
                black_box(
                    like.query_map([format!("%{RARE}%")], |row| row.get::<_, i64>(0))
                        .unwrap()
                        .count(),
                )
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
