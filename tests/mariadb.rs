//! What only a server can show: it dies under load, hangs, speaks TLS, parts records, and refuses an account that may
//! do little what that may not do. Every test starts its own.

#[path = "support/mariadb.rs"]
mod mariadb;
#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mariadb::Server;
use secmon_core::Ruleset;
use secmon_core::seal::Retention;
use secmon_http::Config;
use secmon_store::{Error, RecordQuery, Scope, Store, VerifyOptions};
use serde_json::json;
use support::Service;
use support::stores::{folder, keys, noon};

const DAY: i64 = 86_400;

fn sound(store: &Store) {
    for verdict in store.verify(&VerifyOptions::default()).unwrap() {
        assert!(verdict.is_ok(), "{}: {:?}", verdict.origin, verdict.findings);
    }
}

/// The messages of all events.
fn messages(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    let mut query = RecordQuery::default().limit(1_000);
    loop {
        let page = store.records(&query).unwrap();
        all.extend(page.rows.iter().map(|row| row.event.message().to_owned()));
        let Some(next) = page.next else { return all };
        query = query.page(&next);
    }
}

/// How often the server is killed.
const KILLS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    let mut server = Server::start(&["--innodb-buffer-pool-size=64M"]);
    let config = Config { store: server.url("secmon"), ..Config::default() };
    let service = Arc::new(Service::with(config).await);
    let ends = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..4 {
        let (service, ends) = (Arc::clone(&service), Arc::clone(&ends));
        clients.spawn(async move {
            let (mut acknowledged, mut refused) = (Vec::new(), 0);
            for request in 0.. {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                let name = format!("client {client} request {request}");
                // Again under the same key until it is acknowledged, as clients do.
                loop {
                    let key = [("idempotency-key", name.as_str())];
                    let answer = service.post_to("/api/v1/events", &key, name.clone()).await;
                    match answer.status().as_u16() {
                        201 => break,
                        503 => {
                            assert!(answer.headers().contains_key("retry-after"));
                            refused += 1;
                        }
                        other => panic!("{other}: {}", answer.text().await.unwrap()),
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                acknowledged.push((Instant::now(), name));
            }
            (acknowledged, refused)
        });
    }
    let mut back = Vec::new();
    for kill in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(400 + 37 * (kill as u64 % 7))).await;
        tokio::task::block_in_place(|| {
            server.kill();
            server.up();
        });
        back.push(Instant::now());
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    ends.store(true, Ordering::Relaxed);
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    while let Some(client) = clients.join_next().await {
        let (more, times) = client.unwrap();
        acknowledged.extend(more);
        refused += times;
    }
    assert!(refused > 0, "nobody was told to come again: the server was not killed under load");
    let store = service.stop().await;
    tokio::task::block_in_place(|| {
        let stored = messages(&store);
        let stored: Vec<&String> =
            stored.iter().filter(|said| said.starts_with("client")).collect();
        let distinct: BTreeSet<&String> = stored.iter().copied().collect();
        assert_eq!(stored.len(), distinct.len(), "doubled");
        for (_, name) in &acknowledged {
            assert!(distinct.contains(name), "`{name}` was acknowledged and is lost");
        }
        sound(&store);
    });
    acknowledged.sort();
    let recovery = back.iter().filter_map(|back| {
        let next = acknowledged.iter().find(|(at, _)| at > back)?;
        Some(next.0 - *back)
    });
    let mut recovery: Vec<Duration> = recovery.collect();
    recovery.sort();
    println!(
        "{} acknowledged, {refused} refused; acknowledged again after {:?} (median), {:?} (longest)",
        acknowledged.len(),
        recovery[recovery.len() / 2],
        recovery.last().unwrap()
    );
}

/// How many hosts send to several writers, and how many requests each.
const HOSTS: u64 = 12;
const REQUESTS: u64 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn several_writers_share_the_work_and_one_of_them_counts() {
    let mut server = Server::start(&["--innodb-buffer-pool-size=64M"]);
    let config = Config { store: server.url("secmon"), writers: 3, ..Config::default() };
    let service = Arc::new(Service::with(config).await);
    let mut hosts = tokio::task::JoinSet::new();
    for host in 0..HOSTS {
        let service = Arc::clone(&service);
        hosts.spawn(async move {
            let mut streams = BTreeSet::new();
            for request in 0..REQUESTS {
                let name = format!("host {host} request {request}");
                let now = secmon_http::clock::now().format("%Y-%m-%dT%H:%M:%S%.6fZ");
                // One address tries its luck everywhere.
                let body = format!(
                    "{now} web-{host} app: {name}\n{now} web-{host} sshd[{}]: Failed password for root from 203.0.113.7 port 1 ssh2\n",
                    1_000 + host * REQUESTS + request
                );
                let key = [("idempotency-key", name.as_str())];
                loop {
                    let answer = service.post_to("/api/v1/events", &key, body.clone()).await;
                    if answer.status() == 201 {
                        let answer: serde_json::Value = answer.json().await.unwrap();
                        assert_eq!(answer["accepted"], 2);
                        streams.insert(answer["stream"].as_str().unwrap().to_owned());
                        break;
                    }
                    assert_eq!(answer.status(), 503);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            streams
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.kill();
    server.up();
    let mut streams = BTreeSet::new();
    while let Some(of_host) = hosts.join_next().await {
        let of_host = of_host.unwrap();
        assert_eq!(of_host.len(), 1, "a host keeps its stream: {of_host:?}");
        streams.extend(of_host);
    }
    assert_eq!(streams.len(), 3, "of twelve hosts each writer has some");
    let metrics = service.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("secmon_counts 1"), "{metrics}");
    // What the others were told is counted within moments.
    let failures = HOSTS * REQUESTS;
    let begun = Instant::now();
    let incidents = loop {
        let incidents = service.json("/api/v1/incidents?rule=brute_force").await;
        if incidents["incidents"][0]["count"] == failures {
            break incidents["incidents"].as_array().unwrap().clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{incidents}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    // Whatever stream it lies in, evidence is held; records by their stream.
    let admin = service.app.store().create_token("a", Scope::Admin, secmon_http::clock::now());
    let admin = admin.unwrap().expose().to_owned();
    let hold = async |asked: serde_json::Value| {
        let request = service.request(reqwest::Method::POST, "/api/v1/holds").bearer_auth(&admin);
        let answer = request.json(&asked).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    let evidence = incidents[0]["evidence"].as_array().unwrap();
    let (status, held) = hold(json!({"incident": incidents[0]["id"]})).await;
    assert_eq!((status, &held), (200, &json!({"held": evidence.len(), "elsewhere": []})));
    let place = evidence.last().unwrap();
    let asked =
        json!({"records": [place["seq"]], "stream": place["stream"], "until": "2041-01-01"});
    assert_eq!(hold(asked).await.0, 200);
    let (status, refused) = hold(json!({"records": [1], "stream": "nobody's"})).await;
    assert_eq!(status, 400, "{refused}");
    let store = service.stop().await;
    for place in evidence {
        let seq = place["seq"].as_u64().unwrap();
        let record = store.record(place["stream"].as_str().unwrap(), seq).unwrap();
        assert_eq!(record.expires.to_string(), "9999-12-31");
    }
    sound(&store);
    let mut found: Vec<String> = messages(&store);
    found.retain(|message| message.starts_with("host "));
    found.sort();
    let mut sent: Vec<String> = (0..HOSTS)
        .flat_map(|host| (0..REQUESTS).map(move |request| format!("host {host} request {request}")))
        .collect();
    sent.sort();
    assert_eq!(found, sent);
}

#[test]
fn a_file_has_one_writer() {
    let folder = folder();
    let file = format!("sqlite://{}", folder.path().join("x.db").display());
    for (writers, words) in [(2, "`mysql://..`"), (0, "1 to 32"), (33, "1 to 32")] {
        let config = Config { store: file.clone(), writers, ..Config::default() };
        let refused = secmon_http::App::open(config).unwrap_err().to_string();
        assert!(refused.contains("`writers`") && refused.contains(words), "{refused}");
    }
    let private = Config::parse("[privacy]\nerasable = ['user.name']", |_| None).unwrap();
    let store = "mysql://root@127.0.0.1:1/secmon".into();
    let config = Config { store, writers: 2, ..private };
    let refused = secmon_http::App::open(config).unwrap_err().to_string();
    assert!(refused.contains("the privacy mode"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_hangs_everybody_is_told_to_come_again() {
    let server = Server::start(&[]);
    let config = Config { store: server.url("secmon"), ..Config::default() };
    let service = Service::with(config).await;
    assert_eq!(service.post("before").await.status(), 201);
    server.signal("-STOP");
    let begun = Instant::now();
    let (post, get) = tokio::join!(service.post("meanwhile"), service.get("/api/v1/records"));
    println!("answered after {:?}", begun.elapsed());
    for answer in [post, get] {
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    server.signal("-CONT");
    let begun = Instant::now();
    while service.post("after").await.status() != 201 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let store = service.stop().await;
    tokio::task::block_in_place(|| {
        let said = messages(&store);
        for (message, most) in [("before", 1), ("after", 1), ("meanwhile", 0)] {
            assert_eq!(said.iter().filter(|said| *said == message).count(), most, "{message}");
        }
        sound(&store);
    });
}

#[test]
fn records_go_with_their_partition_once_every_stream_has_said_so() {
    let server = Server::start(&[]);
    let folder = folder();
    let store = Store::open_with(&server.url("secmon"), Some(&keys(&folder)), true).unwrap();
    let rules = Ruleset::empty();
    let retention = Retention { everyday: 90, high: 365, metrics: 90 };
    let mut writers =
        ["web-1", "web-2"].map(|label| store.writer(label, rules.clone(), noon(0)).unwrap());
    for writer in &mut writers {
        writer.set_retention(retention);
        assert_eq!(writer.expire(noon(0)).unwrap(), 0);
        let lines = (0..3_000).map(|line| format!("line {line}"));
        writer.write(rules.prepare_lines(lines, noon(1)), noon(1)).unwrap();
        writer.maintain(noon(3)).unwrap();
    }
    let events = || -> u64 {
        let count = "SELECT count(*) FROM records WHERE category = 'event'";
        server.run("secmon", count).unwrap().parse().unwrap()
    };
    let parts = "SELECT count(*) FROM information_schema.partitions WHERE table_schema = 'secmon' AND \
                 table_name = 'records'";
    let parts = || -> u64 { server.run("secmon", parts).unwrap().parse().unwrap() };
    assert!((20..40).contains(&parts()), "{} partitions", parts());
    assert_eq!(
        server.run("secmon", "SELECT count(*) FROM records PARTITION (ahead)").unwrap(),
        "0"
    );
    // Behind their day, and the week in which it lies.
    let late = noon(98 * DAY);
    let expire = |writer: &mut secmon_store::Writer, now| {
        let mut announced = 0;
        loop {
            match writer.expire(now).unwrap() {
                0 => return announced,
                more => announced += more,
            }
        }
    };
    assert_eq!(expire(&mut writers[0], late), 3_000);
    assert_eq!(events(), 6_000, "the other has not said so yet");
    sound(&store);
    let refused = server.run("secmon", "CALL secmon_drop_partition(20783)");
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(expire(&mut writers[1], late), 3_000);
    assert_eq!(events(), 0);
    // A stream that is not written any more keeps nobody's records for ever.
    let now = noon(99 * DAY);
    for writer in &mut writers {
        let lines = (0..10).map(|line| format!("more {line}"));
        writer.write(rules.prepare_lines(lines, now), now).unwrap();
        writer.maintain(noon(99 * DAY + 2)).unwrap();
    }
    let [mut first, second] = writers;
    second.close(noon(99 * DAY + 3)).unwrap();
    let late = noon((99 + 90 + 7 + 14) * DAY);
    assert_eq!(expire(&mut first, late), 10);
    assert_eq!(events(), 10, "those of the other");
    // What comes after them is announced once, and goes.
    let more = noon((99 + 90 + 7 + 15) * DAY);
    first
        .write(rules.prepare_lines((0..10).map(|line| format!("last {line}")), more), more)
        .unwrap();
    first.maintain(noon((99 + 90 + 7 + 15) * DAY + 2)).unwrap();
    let late = noon((99 + 90 + 7 + 15 + 90 + 8) * DAY);
    assert_eq!(expire(&mut first, late), 10);
    assert_eq!(events(), 10, "still those of the other alone");
    assert_eq!(expire(&mut first, late), 0);
    first.close(late).unwrap();
    sound(&store);
}

#[test]
fn a_connection_is_encrypted_and_the_server_verified() {
    let folder = folder();
    let [ca, certificate, key] = mariadb::certificates(folder.path());
    let tls = [
        format!("--ssl-cert={}", certificate.display()),
        format!("--ssl-key={}", key.display()),
        format!("--ssl-ca={}", ca.display()),
        "--require-secure-transport=ON".into(),
    ];
    // The client of the test uses TLS as well: the server takes nothing else.
    let server = Server::start(&tls.each_ref().map(String::as_str));
    let url = server.url("secmon");
    let open = |url: &str| Store::open_with(url, Some(&keys(&folder)), true);
    let store = open(&format!("{url}?tls=verify&ca={}", ca.display())).unwrap();
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(0)).unwrap();
    writer.write(Ruleset::builtin().prepare_lines(["over TLS"], noon(1)), noon(1)).unwrap();
    writer.close(noon(2)).unwrap();
    sound(&store);
    for (options, words) in [
        ("", "denied"),
        ("?tls=off", "denied"),
        // Nobody whom the system trusts has signed it.
        ("?tls=verify", "certificate"),
        ("?tls=maybe", "its options are"),
        ("?ca=x.pem", "goes with"),
        ("?tls=verify&ca=/no/such/file.pem", "/no/such/file.pem"),
    ] {
        let refused = open(&format!("{url}{options}")).unwrap_err();
        assert!(matches!(refused, Error::Open { .. }), "{refused:?}");
        assert!(refused.to_string().to_lowercase().contains(words), "{options}: {refused}");
    }
    let refused = open(&url.replace("127.0.0.1", "198.51.100.7")).unwrap_err().to_string();
    assert!(refused.contains("tls=verify"), "{refused}");
}

#[test]
fn what_cannot_be_opened_says_why_and_no_password() {
    let server = Server::start(&[]);
    let url = server.url("secmon");
    server.run("", "CREATE USER nobody@'%' IDENTIFIED BY 'geheim'").unwrap();
    let nobody = url.replace("root@", "nobody:geheim@");
    for (url, words) in [
        (url.replace("/secmon", "/absent"), "CREATE DATABASE absent"),
        (url.replace("root@", "root:geheim@"), "Access denied"),
        (nobody, "Access denied"),
        (url.replace("/secmon", ""), "names no database"),
        (format!("mysql://root:geheim@127.0.0.1:{}/secmon", mariadb::free_port()), "refused"),
    ] {
        let refused = Store::open(&url).unwrap_err();
        assert!(matches!(refused, Error::Open { .. }), "{refused:?}");
        let refused = refused.to_string();
        assert!(refused.contains(words) && !refused.contains("geheim"), "{url}: {refused}");
    }
}

#[test]
fn where_no_further_connection_is_to_be_had_one_does_all() {
    let server = Server::start(&[]);
    let root = server.url("secmon");
    server.run("", "CREATE USER few@'%'; GRANT ALL ON secmon.* TO few@'%'").unwrap();
    let folder = folder();
    let url = root.replace("root@", "few@");
    let store = Store::open_with(&url, Some(&keys(&folder)), true).unwrap();
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    let lines = |from: u32, count: u32| (from..from + count).map(|n| format!("line {n}"));
    let mut write = |from, count| {
        let events = rules.prepare_lines(lines(from, count), noon(1));
        writer.write(events, noon(1)).unwrap();
    };
    write(0, 10);
    // Whoever is there stays, and nobody else comes in.
    server.run("", "ALTER USER few@'%' ACCOUNT LOCK").unwrap();
    write(10, 6_000);
    server.run("", "ALTER USER few@'%' ACCOUNT UNLOCK").unwrap();
    write(6_010, 3_000);
    // Those that are used between batches are gone: they are opened again.
    let killed = "SELECT group_concat('KILL ', id SEPARATOR '; ') FROM information_schema.processlist WHERE user = 'few'";
    let kill = server.run("", killed).unwrap();
    server.run("", &kill).unwrap();
    write(9_010, 3_000);
    writer.close(noon(2)).unwrap();
    let store = Store::open_with(&url, Some(&keys(&folder)), true).unwrap();
    let mut stored = messages(&store);
    stored.retain(|message| message.starts_with("line "));
    let each: BTreeSet<String> = stored.iter().cloned().collect();
    assert_eq!((stored.len(), each), (12_010, lines(0, 12_010).collect()));
    // Nor does verification need one to read ahead.
    server.run("", "ALTER USER few@'%' ACCOUNT LOCK").unwrap();
    sound(&store);
}

#[test]
fn the_account_of_the_service_does_all_its_work_and_nothing_else() {
    let server = Server::start(&[]);
    let root = server.url("secmon");
    // Who may make the schema opens the store once.
    drop(Store::open_with(&root, Some(&keys(folder())), true).unwrap());
    let script =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/account.sql")).unwrap();
    server.run("secmon", &script.replace("BY CHANGE-ME", "BY 'geheim'")).unwrap();
    let url = root.replace("root@", "secmon:geheim@");
    let folder = folder();
    let store = Store::open_with(&url, Some(&keys(&folder)), true).unwrap();
    assert!(!store.url().contains("geheim"), "{}", store.url());
    store.set_erasable(vec!["user.name".into()]).unwrap();
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    writer.set_retention(Retention { everyday: 1, ..Retention::default() });
    let line = |second| support::stores::failure(second, "203.0.113.7");
    writer.write(rules.prepare_lines((0..9).map(line), noon(10)), noon(10)).unwrap();
    writer.maintain(noon(12)).unwrap();
    writer.hold(&[3], None, "an auditor", noon(20)).unwrap();
    assert!(writer.erase("user", "root", noon(30)).unwrap().values > 0);
    writer.rotate_key();
    writer.maintain(noon(100)).unwrap();
    while writer.expire(noon(20 * DAY)).unwrap() > 0 {}
    writer.prune(noon(20 * DAY)).unwrap();
    writer.close(noon(20 * DAY)).unwrap();
    // It counts for all, and makes text search ready.
    let mut writer = store.writer("web-2", rules.clone(), noon(21 * DAY)).unwrap();
    writer.share_counting().unwrap();
    let mut other = store.writer("web-3", rules.clone(), noon(21 * DAY)).unwrap();
    other.write(rules.prepare_lines([line(0)], noon(21 * DAY)), noon(21 * DAY)).unwrap();
    writer.maintain(noon(21 * DAY)).unwrap();
    assert!(writer.counts() && !other.counts());
    other.close(noon(21 * DAY)).unwrap();
    writer.close(noon(21 * DAY)).unwrap();
    while store.index_text().unwrap() {}
    assert_eq!(server.run("secmon", "SELECT count(*) FROM uncounted").unwrap(), "0");
    let token = store.create_token("t", secmon_store::Scope::Read, noon(0)).unwrap();
    assert!(store.token(token.expose()).unwrap().is_some());
    let left =
        server.run("secmon", "SELECT count(*) FROM records WHERE category = 'event'").unwrap();
    assert_eq!(left, "2", "what is held, and what is new");
    let mut backup = Vec::new();
    store.backup(&mut backup, None, noon(0), |_| {}).unwrap();
    sound(&store);
    for change in [
        "UPDATE records SET host = 'x'",
        "DELETE FROM records",
        "REPLACE INTO records SELECT * FROM records LIMIT 1",
        "TRUNCATE records",
        "DROP TABLE records",
        "ALTER TABLE records DROP PARTITION ahead",
        "DROP TRIGGER records_delete",
        "DELETE FROM checkpoints",
        "UPDATE seals SET mac = ''",
        "DELETE FROM erasable_values",
        "DELETE FROM subjects",
        "CREATE TABLE x (y INT)",
        "SELECT * FROM mysql.user",
        // Procedures do one thing each, whatever they are told, and whatever variables say.
        "SET @secmon_day = 99999999; DELETE FROM records",
        "CALL secmon_delete_records(1, '0', 99999999, 99999999)",
        "CALL secmon_delete_records(1, '0) OR (1 = 1', 99999999, 0)",
        "CALL secmon_delete_checkpoints(1, '1 OR 1', 0)",
        "CALL secmon_drop_partition(2932896)",
    ] {
        let mut client = server.client();
        client.args(["-usecmon", "-pgeheim", "-D", "secmon", "-e", change]);
        let done = client.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success(), "{change} was done");
        assert!(
            ["denied", "append-only", "no list", "no partition"]
                .iter()
                .any(|word| said.contains(word)),
            "{change}: {said}"
        );
    }
    sound(&store);
    // An account that may not make what a newer version needs says so.
    let secmon = "DELETE FROM __diesel_schema_migrations WHERE version = '0009'";
    server.run("secmon", secmon).unwrap();
    let refused = Store::open_with(&url, Some(&keys(&folder)), true).unwrap_err().to_string();
    assert!(refused.contains("opens the store once"), "{refused}");
}
