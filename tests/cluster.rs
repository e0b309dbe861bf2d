//! Writers that share a database: one of them counts for all, whatever becomes of it.

#[path = "support/mariadb.rs"]
mod mariadb;
#[path = "support/mod.rs"]
mod support;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use mariadb::Server;
use proptest::prelude::*;
use secmon_core::Ruleset;
use secmon_http::Config;
use secmon_store::{Error, IncidentQuery, Store, VerifyOptions, Writer};
use support::Service;
use support::stores::{failure, folder, keys, noon};
use tempfile::TempDir;

/// Rule, group, count, first and last of each incident.
type Found = BTreeSet<(String, String, u64, DateTime<Utc>, DateTime<Utc>)>;

fn found(store: &Store) -> Found {
    let page = store.incidents(&IncidentQuery { limit: 1_000, ..Default::default() }).unwrap();
    let all = page.rows.into_iter();
    all.map(|one| (one.rule, one.group, one.count, one.first, one.last)).collect()
}

fn sound(store: &Store) {
    for verdict in store.verify(&VerifyOptions::default()).unwrap() {
        assert!(verdict.is_ok(), "{}: {:?}", verdict.origin, verdict.findings);
    }
}

/// Machines that share a database: each has key files of its own.
struct Machines {
    server: Server,
    folders: Vec<TempDir>,
    database: RefCell<String>,
}

impl Machines {
    fn start(count: usize) -> Self {
        let server = Server::start(&["--innodb-buffer-pool-size=64M"]);
        let folders = (0..count).map(|_| folder()).collect();
        let machines = Self { server, folders, database: RefCell::default() };
        machines.use_database("secmon");
        machines
    }

    fn use_database(&self, name: &str) {
        *self.database.borrow_mut() = name.into();
        self.server.url(name);
    }

    fn store(&self, at: usize) -> Store {
        let url = self.server.url(&self.database.borrow());
        Store::open_with(&url, Some(&keys(&self.folders[at])), true).unwrap()
    }

    fn writer(&self, at: usize) -> Writer {
        let mut writer =
            self.store(at).writer(&format!("web-{at}"), Ruleset::builtin(), noon(0)).unwrap();
        writer.share_counting().unwrap();
        writer
    }

    fn writers(&self) -> Vec<Writer> {
        (0..self.folders.len()).map(|at| self.writer(at)).collect()
    }

    fn run(&self, sql: &str) -> String {
        self.server.run(&self.database.borrow(), sql).unwrap()
    }

    fn number(&self, sql: &str) -> u64 {
        self.run(sql).parse().unwrap()
    }

    /// As if whoever had the lease had been silent for too long.
    fn let_the_lease_run_out(&self) {
        self.run("UPDATE leases SET expires = 0, holder = ''");
    }
}

fn fail(writer: &mut Writer, second: i64, address: &str) -> Result<(), Error> {
    let events = Ruleset::builtin().prepare_lines([failure(second, address)], noon(second));
    writer.write(events, noon(second)).map(drop)
}

/// Asks until the writer counts for all.
fn until_it_counts(writer: &mut Writer, second: i64) {
    for _ in 0..50 {
        writer.maintain(noon(second)).unwrap();
        if writer.counts() {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("nobody counts");
}

#[test]
fn failures_spread_over_all_are_one_incident() {
    let machines = Machines::start(3);
    let mut writers = machines.writers();
    assert_eq!(writers.iter().map(Writer::counts).collect::<Vec<_>>(), [true, false, false]);
    for second in 0..6 {
        fail(&mut writers[second as usize % 3], second, "203.0.113.7").unwrap();
    }
    let store = machines.store(0);
    assert!(found(&store).is_empty(), "nobody has seen five yet");
    writers[0].maintain(noon(6)).unwrap();
    let group = r#"{"source.ip":"203.0.113.7"}"#.to_owned();
    let rule = "brute_force".to_owned();
    let expected = (rule.clone(), group.clone(), 6, noon(0), noon(5));
    assert_eq!(found(&store), BTreeSet::from([expected]));
    let incident = store.incidents(&IncidentQuery::default()).unwrap().rows.remove(0);
    let streams: BTreeSet<_> = incident.evidence.iter().map(|(stream, _)| stream.clone()).collect();
    assert_eq!(streams, writers.iter().map(Writer::stream).collect());
    for (stream, seq) in &incident.evidence {
        let event = store.record(stream, *seq).unwrap().event;
        assert_eq!(event.find("source.ip").unwrap().to_string(), "203.0.113.7");
    }
    let fired = store.detections(&IncidentQuery::default()).unwrap().rows.remove(0);
    let event = store.record(&fired.stream, fired.seq).unwrap().event;
    assert_eq!(event.find("event.outcome").unwrap().to_string(), "failure");

    // What lies in the own stream is held, and where the rest lies is told.
    let held = writers[1].hold_incident(&incident.id, None, "test", noon(7)).unwrap();
    assert_eq!((held.records, held.elsewhere.len()), (2, 2));

    // It leaves in order: the next goes on at once, with what the first remembered.
    writers.remove(0).close(noon(8)).unwrap();
    until_it_counts(&mut writers[0], 9);
    fail(&mut writers[1], 10, "203.0.113.7").unwrap();
    writers[0].maintain(noon(11)).unwrap();
    assert_eq!(found(&store), BTreeSet::from([(rule, group, 7, noon(0), noon(10))]));
    assert_eq!(
        store
            .detections(&IncidentQuery { limit: 1_000, ..Default::default() })
            .unwrap()
            .rows
            .iter()
            .filter(|row| row.seq > 0)
            .count(),
        {
            let rows = store
                .detections(&IncidentQuery { limit: 1_000, ..Default::default() })
                .unwrap()
                .rows;
            rows.iter().map(|row| row.id.clone()).collect::<BTreeSet<_>>().len()
        }
    );
    assert_eq!(machines.number("SELECT COUNT(*) FROM uncounted"), 0);
    // A writer that does not stand for it never counts.
    let bystander = machines.store(2).writer("tool", Ruleset::builtin(), noon(12)).unwrap();
    assert!(!bystander.counts());
    drop(writers);
    sound(&store);
}

#[test]
fn who_was_silent_for_too_long_commits_nothing_that_he_counted() {
    let machines = Machines::start(2);
    let mut writers = machines.writers();
    for second in 0..4 {
        fail(&mut writers[1], second, "203.0.113.7").unwrap();
    }
    writers[0].maintain(noon(4)).unwrap();
    let size = writers[0].stream_row().size();
    machines.let_the_lease_run_out();
    until_it_counts(&mut writers[1], 5);
    // The first believes still that it counts: neither its own events nor those of others get through.
    assert!(writers[0].counts());
    let refused = fail(&mut writers[0], 6, "203.0.113.7").unwrap_err();
    assert!(matches!(refused, Error::Deposed), "{refused:?}");
    let store = machines.store(0);
    assert!(found(&store).is_empty());
    let label = "web-0";
    assert_eq!(store.stream(label).unwrap().size(), size);
    drop(writers.remove(0));
    // Opened again it hands over.
    let mut again = machines.writer(0);
    assert!(!again.counts());
    fail(&mut again, 7, "203.0.113.7").unwrap();
    writers[0].maintain(noon(8)).unwrap();
    let found = found(&store);
    assert_eq!(found.iter().map(|one| one.2).collect::<Vec<_>>(), [5], "{found:?}");

    // One that has nothing to commit learns it when it renews.
    machines.let_the_lease_run_out();
    until_it_counts(&mut again, 9);
    std::thread::sleep(Duration::from_secs(2));
    writers[0].maintain(noon(10)).unwrap();
    assert!(!writers[0].counts());
    assert!(writers[0].take_warnings().iter().any(|said| said.contains("counts for all")));
    drop((again, writers));
    sound(&store);
}

#[test]
fn what_was_counted_alone_goes_on_together_and_back() {
    let machines = Machines::start(2);
    // A store of one service, that moves to a server.
    let from = folder();
    let file = format!("sqlite://{}/secmon.db", from.path().display());
    let keys_of = |folder: &TempDir| keys(folder);
    let store = Store::open_with(&file, Some(&keys_of(&from)), true).unwrap();
    let mut writer = store.writer("web-0", Ruleset::builtin(), noon(0)).unwrap();
    (0..3).for_each(|second| fail(&mut writer, second, "203.0.113.7").unwrap());
    writer.close(noon(3)).unwrap();
    let url = machines.server.url("secmon");
    store.move_to(&url, Some(&keys_of(&machines.folders[0])), noon(4), |_| {}).unwrap();
    let mut writers = machines.writers();
    fail(&mut writers[1], 5, "203.0.113.7").unwrap();
    fail(&mut writers[0], 6, "203.0.113.7").unwrap();
    writers[0].maintain(noon(7)).unwrap();
    let there = machines.store(0);
    assert_eq!(found(&there).iter().map(|one| one.2).collect::<Vec<_>>(), [5]);
    let incident = there.incidents(&IncidentQuery::default()).unwrap().rows.remove(0);
    for (stream, seq) in &incident.evidence {
        let event = there.record(stream, *seq).unwrap().event;
        assert_eq!(event.find("source.ip").unwrap().to_string(), "203.0.113.7");
    }
    // And back into a file, with what nobody has counted yet.
    (0..5).for_each(|second| fail(&mut writers[1], 10 + second, "203.0.113.9").unwrap());
    (0..2).for_each(|second| fail(&mut writers[0], 10 + second, "203.0.113.8").unwrap());
    writers.into_iter().for_each(drop);
    let back = folder();
    let file = format!("sqlite://{}/secmon.db", back.path().display());
    // All key files come together where the store goes.
    for path in std::fs::read_dir(keys_of(&machines.folders[1])).unwrap() {
        let path = path.unwrap().path();
        let to = keys_of(&machines.folders[0]).join(path.file_name().unwrap());
        if !to.exists() {
            std::fs::copy(&path, to).unwrap();
        }
    }
    there.move_to(&file, Some(&keys_of(&back)), noon(20), |_| {}).unwrap();
    let store = Store::open_with(&file, Some(&keys_of(&back)), true).unwrap();
    let mut writer = store.writer("web-0", Ruleset::builtin(), noon(21)).unwrap();
    writer.maintain(noon(21)).unwrap();
    (0..3).for_each(|second| fail(&mut writer, 22 + second, "203.0.113.8").unwrap());
    let counts: Vec<_> = found(&store).into_iter().map(|one| (one.1, one.2)).collect();
    let group = |last: u8| format!(r#"{{"source.ip":"203.0.113.{last}"}}"#);
    assert_eq!(counts, [(group(7), 5), (group(8), 5), (group(9), 5)]);
    writer.close(noon(30)).unwrap();
    sound(&store);
}

/// What happens to writers that share a database.
#[derive(Clone, Debug)]
enum Deed {
    /// A failure at one of them, from one of some addresses.
    Fail(usize, u8),
    /// Whoever may do something does.
    Maintain,
    /// One stops in order.
    Close(usize),
    /// One is killed, and started again.
    Kill(usize),
    /// The lease runs out, whoever has it.
    RunOut,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        12 => (0..3_usize, 1..4_u8).prop_map(|(at, address)| Deed::Fail(at, address)),
        4 => Just(Deed::Maintain),
        1 => (0..3_usize).prop_map(Deed::Close),
        1 => (0..3_usize).prop_map(Deed::Kill),
        1 => Just(Deed::RunOut),
    ]
}

#[test]
fn whatever_happens_they_find_what_one_alone_finds() {
    let machines = Machines::start(3);
    let config = ProptestConfig { cases: 12, max_shrink_iters: 0, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let case = Cell::new(0);
    let run = runner.run(&proptest::collection::vec(deed(), 20..60), |deeds| {
        case.set(case.get() + 1);
        machines.use_database(&format!("case{}", case.get()));
        // Key files of another database would be those of streams that are gone.
        for folder in &machines.folders {
            let _ = std::fs::remove_dir_all(keys(folder));
        }
        let alone = folder();
        let file = format!("sqlite://{}/secmon.db", alone.path().display());
        let alone = Store::open_with(&file, Some(&keys(&alone)), true).unwrap();
        let mut one = alone.writer("one", Ruleset::builtin(), noon(0)).unwrap();
        let mut writers = machines.writers();
        let mut second = 0;
        for deed in deeds {
            second += 1;
            match deed {
                Deed::Fail(at, address) => {
                    let address = format!("203.0.113.{address}");
                    fail(&mut one, second, &address).unwrap();
                    while let Err(error) = fail(&mut writers[at], second, &address) {
                        assert!(matches!(error, Error::Deposed), "{error:?}");
                        // The service opens it again.
                        drop(writers.remove(at));
                        writers.insert(at, machines.writer(at));
                    }
                }
                Deed::Maintain => {
                    for at in 0..3 {
                        if let Err(error) = writers[at].maintain(noon(second)) {
                            assert!(matches!(error, Error::Deposed), "{error:?}");
                            drop(writers.remove(at));
                            writers.insert(at, machines.writer(at));
                        }
                    }
                }
                Deed::Close(at) => {
                    let closed = writers.remove(at).close(noon(second));
                    assert!(matches!(closed, Ok(()) | Err(Error::Deposed)), "{closed:?}");
                    writers.insert(at, machines.writer(at));
                }
                Deed::Kill(at) => {
                    drop(writers.remove(at));
                    writers.insert(at, machines.writer(at));
                }
                Deed::RunOut => machines.let_the_lease_run_out(),
            }
        }
        // Whoever believed so and was wrong learns it; one goes on to the end.
        drop(writers);
        machines.let_the_lease_run_out();
        let mut last = machines.writer(0);
        assert!(last.counts());
        last.maintain(noon(second + 1)).unwrap();
        prop_assert_eq!(found(&machines.store(0)), found(&alone));
        prop_assert_eq!(machines.number("SELECT COUNT(*) FROM uncounted"), 0);
        prop_assert_eq!(
            machines
                .number("SELECT COUNT(*) FROM incidents WHERE state = 'open' AND open_key IS NULL"),
            0
        );
        drop(last);
        sound(&machines.store(0));
        Ok(())
    });
    run.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_share_a_database_find_it_together() {
    let server = Server::start(&[]);
    let config = || Config { store: server.url("secmon"), ..Config::default() };
    let first = Service::with(config()).await;
    let second = Service::with(config()).await;
    let counts = async |service: &Service| {
        let metrics = service.request(reqwest::Method::GET, "/metrics").bearer_auth(&service.read);
        let text = metrics.send().await.unwrap().text().await.unwrap();
        text.contains("secmon_counts 1")
    };
    assert_eq!((counts(&first).await, counts(&second).await), (true, false));
    for second_of in 0..6 {
        let service = if second_of % 2 == 0 { &first } else { &second };
        let key = [("idempotency-key", &*format!("failure {second_of}"))];
        let answer =
            service.post_to("/api/v1/events", &key, failure(second_of, "203.0.113.7")).await;
        assert_eq!(answer.status(), 201);
    }
    let mut incidents = serde_json::Value::Null;
    for _ in 0..100 {
        incidents = second.json("/api/v1/incidents").await["incidents"].clone();
        if incidents[0]["count"] == 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(incidents.as_array().unwrap().len(), 1, "{incidents}");
    assert_eq!(incidents[0]["count"], 6);
    let streams: BTreeSet<String> = incidents[0]["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| place["stream"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(streams.len(), 2);
    first.stop().await;
    for _ in 0..100 {
        if counts(&second).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(counts(&second).await, "nobody counts behind the first");
}
