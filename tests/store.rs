//! The store: exactly once, fences, pages, roll-ups, and what it says when something is in its way.

#[path = "support/stores.rs"]
mod stores;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use chrono::TimeDelta;
use secmon_core::seal::Flaw;
use secmon_core::{Event, Level, Prepared, Ruleset};
use secmon_store::{
    Error, Identity, IncidentQuery, Position, RecordQuery, RecordRow, Request, RequestKey, Scope,
    Secret, Store, Writer,
};
use stores::{failure, folder, noon, open, url};
use tempfile::TempDir;

fn writer(store: &Store, second: i64) -> Writer {
    store.writer("web-1", Ruleset::builtin(), noon(second)).unwrap()
}

fn lines(count: i64) -> Vec<Prepared> {
    let rules = Ruleset::builtin();
    rules.prepare_lines((0..count).map(|number| format!("line {number}")), noon(0))
}

fn request(key: &str, body: &[u8], events: Vec<Prepared>) -> Request {
    Request { events, key: Some(RequestKey::new("token", key, body)), positions: Vec::new() }
}

/// All records that a query finds, page by page.
fn all(store: &Store, query: RecordQuery) -> Vec<RecordRow> {
    let mut rows = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let asked = next.iter().fold(query.clone(), |query, page| query.page(page));
        let page = store.records(&asked).unwrap();
        rows.extend(page.rows);
        next = page.next;
        if next.is_none() {
            return rows;
        }
    }
}

fn messages(store: &Store) -> Vec<String> {
    let events =
        all(store, RecordQuery::default()).into_iter().map(|row| row.event.message().to_owned());
    events.filter(|message| message.starts_with("line ")).collect()
}

fn sound(store: &Store) {
    for verdict in store.verify(&Default::default()).unwrap() {
        assert!(verdict.is_ok(), "{:?}", verdict.findings);
    }
}

fn key_file(folder: &TempDir, stream: &str) -> PathBuf {
    folder.path().join("secmon.db.keys").join(stream)
}

// Exactly once.

#[test]
fn a_request_that_comes_again_is_answered_from_its_receipt() {
    let folder = folder();
    let store = open(&folder);
    let mut first = writer(&store, 0);
    let receipt = first.write_request(request("k", b"body", lines(3)), noon(1)).unwrap();
    assert!(!receipt.replayed);
    for second in [2, 3] {
        let again = first.write_request(request("k", b"body", lines(3)), noon(second)).unwrap();
        assert!(again.replayed);
        assert_eq!((&again.stream, again.seqs), (&receipt.stream, receipt.seqs));
    }
    drop(first);
    // Across a crash, and for another writer of another label.
    let again =
        writer(&open(&folder), 4).write_request(request("k", b"body", lines(3)), noon(5)).unwrap();
    assert_eq!((again.replayed, again.seqs), (true, receipt.seqs));
    let mut other = store.writer("db-1", Ruleset::builtin(), noon(6)).unwrap();
    let again = other.write_request(request("k", b"body", lines(3)), noon(7)).unwrap();
    assert_eq!((again.replayed, &again.stream, again.seqs), (true, &receipt.stream, receipt.seqs));
    assert_eq!(messages(&store).len(), 3);
}

#[test]
fn a_key_that_comes_with_another_body_is_refused_and_nothing_is_stored() {
    let folder = folder();
    let store = open(&folder);
    let mut writer = writer(&store, 0);
    writer.write_request(request("k", b"body", lines(1)), noon(1)).unwrap();
    let error = writer.write_request(request("k", b"other", lines(2)), noon(2)).unwrap_err();
    assert!(matches!(error, Error::KeyReused), "{error}");
    // Of another sender the same word is another key.
    let own = RequestKey::new("other token", "k", b"other");
    let stored = writer
        .write_request(Request { key: Some(own), events: lines(2), ..Request::default() }, noon(3))
        .unwrap();
    assert!(!stored.replayed);
    assert_eq!(messages(&store).len(), 3);
    sound(&store);
}

#[test]
fn a_long_request_that_broke_off_goes_on_where_it_ended() {
    let folder = folder();
    let store = open(&folder);
    let mut first = writer(&store, 0);
    let long = || request("k", b"body", lines(2_500));
    let mut parts = long().split();
    assert_eq!(parts.iter().map(|part| part.events.len()).collect::<Vec<_>>(), [1_000, 1_000, 500]);
    first.commit(vec![parts.remove(0)], noon(1)).unwrap().remove(0).unwrap();
    drop(first);
    let mut second = writer(&store, 2);
    let whole = second.write_request(long(), noon(3)).unwrap();
    assert!(!whole.replayed);
    let again = second.write_request(long(), noon(4)).unwrap();
    assert!(again.replayed);
    assert_eq!(again.seqs, whole.seqs);
    let found = messages(&store);
    assert_eq!(found.len(), 2_500);
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 2_500);
    second.close(noon(5)).unwrap();
    sound(&store);
}

#[test]
fn requests_of_one_batch_have_answers_of_their_own() {
    let folder = folder();
    let store = open(&folder);
    let mut writer = writer(&store, 0);
    writer.write_request(request("old", b"a", lines(1)), noon(1)).unwrap();
    let requests = vec![
        request("new", b"a", lines(2)),
        request("old", b"a", lines(1)),
        request("old", b"b", lines(1)),
        request("new", b"a", lines(2)),
        Request { events: lines(1), ..Request::default() },
        Request::default(),
    ];
    let answers = writer.commit(requests, noon(2)).unwrap();
    assert_eq!(answers.len(), 6);
    let seqs = |at: usize| answers[at].as_ref().unwrap().seqs;
    assert_eq!(seqs(0).map(|(first, last)| last - first), Some(1));
    assert!(answers[1].as_ref().unwrap().replayed);
    assert!(matches!(answers[2], Err(Error::KeyReused)));
    assert!(matches!(answers[3], Err(Error::Busy { .. })));
    assert_eq!(seqs(4).map(|(first, _)| first), seqs(0).map(|(_, last)| last + 1));
    assert_eq!(seqs(5), None);
    assert_eq!(messages(&store).len(), 4);
}

#[test]
fn a_receipt_is_forgotten_after_a_day() {
    let folder = folder();
    let store = open(&folder);
    let mut writer = writer(&store, 0);
    writer.write_request(request("k", b"a", lines(1)), noon(1)).unwrap();
    writer.write(lines(1), noon(86_000)).unwrap();
    assert!(writer.write_request(request("k", b"a", lines(1)), noon(86_001)).unwrap().replayed);
    writer.write(lines(1), noon(87_000)).unwrap();
    assert!(!writer.write_request(request("k", b"b", lines(1)), noon(87_001)).unwrap().replayed);
}

// Fences.

#[test]
fn checkpoints_come_a_second_behind_news_each_ten_thousand_records_and_with_a_heartbeat() {
    let folder = folder();
    let store = open(&folder);
    let mut writer = writer(&store, 0);
    let covered = || {
        let mut sizes: Vec<u64> =
            store.checkpoints(100, None).unwrap().rows.iter().map(|(_, row)| row.size()).collect();
        sizes.reverse();
        sizes
    };
    let begun = covered();
    let added = || covered()[begun.len()..].to_vec();
    // News wait a second.
    writer.write(lines(10), noon(0)).unwrap();
    let first = writer.stream_row().size();
    writer.maintain(noon(0)).unwrap();
    assert!(added().is_empty());
    writer.maintain(noon(1)).unwrap();
    assert_eq!(added(), [first]);
    // Within a second one comes behind ten thousand records, though not more often than ten times.
    for milliseconds in [200, 220, 400] {
        writer.write(lines(12_000), noon(1) + TimeDelta::milliseconds(milliseconds)).unwrap();
    }
    let sizes = added();
    let each: Vec<u64> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(each.len() == 2 && (10_000..=11_000).contains(&each[0]), "{sizes:?}");
    writer.maintain(noon(3)).unwrap();
    // In silence a heartbeat is sealed once a minute, and covered.
    let size = writer.stream_row().size();
    writer.maintain(noon(62)).unwrap();
    assert_eq!((writer.stream_row().size(), *covered().last().unwrap()), (size, size));
    writer.maintain(noon(63)).unwrap();
    assert_eq!((writer.stream_row().size(), *covered().last().unwrap()), (size + 1, size + 1));
    let last = store.record(&writer.stream(), size).unwrap();
    assert!(String::from_utf8(last.body).unwrap().contains(r#""cat":"secmon.heartbeat""#));
}

#[test]
fn a_label_has_one_writer_at_a_time() {
    let folder = folder();
    let store = open(&folder);
    let first = writer(&store, 0);
    let error = store.writer("web-1", Ruleset::builtin(), noon(1)).unwrap_err();
    assert!(matches!(&error, Error::Locked { label } if label == "web-1"), "{error}");
    let error = open(&folder).writer("web-1", Ruleset::builtin(), noon(1)).unwrap_err();
    assert!(error.to_string().contains("web-1"), "{error}");
    store.writer("db-1", Ruleset::builtin(), noon(1)).unwrap();
    let stream = first.stream();
    drop(first);
    assert_eq!(writer(&store, 2).stream(), stream);
}

/// A second machine with a copy of the key files.
fn other_machine(folder: &TempDir) -> Store {
    let copy = folder.path().join("copy");
    fs::create_dir_all(&copy).unwrap();
    for entry in fs::read_dir(folder.path().join("secmon.db.keys")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    Store::open_with(&url(folder), Some(&copy), false).unwrap()
}

#[test]
fn of_two_writers_on_one_stream_the_second_gets_a_conflict_and_stores_nothing() {
    for (ours, theirs) in [(3, 3), (2, 5), (1, 1)] {
        let folder = folder();
        let store = open(&folder);
        let mut first = writer(&store, 0);
        first.write(lines(1), noon(0)).unwrap();
        let there = other_machine(&folder);
        let mut second = writer(&there, 0);
        assert_eq!(second.stream(), first.stream());
        // The records of the other, as many or not: nothing of ours may count as stored.
        let rules = Ruleset::builtin();
        let events = (0..theirs).map(|number| format!("theirs {number}"));
        // The second has not said its rules yet: the first says them now, so that the sizes are equal.
        second.write(rules.prepare_lines(events, noon(0)), noon(0)).unwrap();
        let size = store.record_count().unwrap();
        let error = first.write(lines(ours + 1), noon(0)).unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{ours} {theirs}: {error}");
        assert_eq!(store.record_count().unwrap(), size);
        second.close(noon(1)).unwrap();
        sound(&there);
    }
}

#[test]
fn what_another_writer_has_stored_is_never_taken_for_ours() {
    let folder = folder();
    let store = open(&folder);
    writer(&store, 0).close(noon(0)).unwrap();
    let there = other_machine(&folder);
    let (mut first, mut second) = (writer(&store, 0), writer(&there, 0));
    // Both write as many records from the same place, at the same time.
    second.write(lines(3), noon(0)).unwrap();
    let error = first.write(lines(3), noon(0)).unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(messages(&store).len(), 3);
}

#[test]
fn a_stream_that_was_closed_is_not_continued() {
    let folder = folder();
    let store = open(&folder);
    let mut first = writer(&store, 0);
    first.write(lines(1), noon(0)).unwrap();
    // A machine without the keys closes the stream and begins its own.
    let elsewhere = folder.path().join("elsewhere");
    let there = Store::open_with(&url(&folder), Some(&elsewhere), false).unwrap();
    let mut second = writer(&there, 1);
    assert_ne!(second.stream(), first.stream());
    let stored = first.write(lines(1), noon(2));
    if stores::mysql().is_some() {
        // Each machine goes on with its own.
        stored.unwrap();
        first.close(noon(3)).unwrap();
        return sound(&store);
    }
    assert_eq!(second.take_warnings().len(), 1);
    let error = stored.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
}

// Crashes.

#[test]
fn an_older_key_file_is_a_crash_and_no_alarm() {
    let folder = folder();
    let store = open(&folder);
    let mut first = writer(&store, 0);
    let stream = first.stream();
    first.write(lines(2), noon(2)).unwrap();
    let old = fs::read(key_file(&folder, &stream)).unwrap();
    for second in 2..5 {
        first.write(lines(2), noon(second * 2)).unwrap();
    }
    first.close(noon(20)).unwrap();
    fs::write(key_file(&folder, &stream), old).unwrap();
    sound(&store);
    let mut again = writer(&store, 30);
    assert_eq!(again.stream(), stream);
    assert_eq!(again.take_warnings(), [""; 0]);
    again.write(lines(2), noon(32)).unwrap();
    again.close(noon(33)).unwrap();
    sound(&store);
    assert_eq!(store.streams().unwrap().len(), 1);
}

#[test]
fn a_crash_between_any_two_batches_loses_nothing() {
    let folder = folder();
    let store = open(&folder);
    for round in 0..6 {
        let mut writer = writer(&store, round * 10);
        writer.write(lines(2), noon(round * 10)).unwrap();
        writer.write(lines(1), noon(round * 10 + round)).unwrap();
        drop(writer);
        sound(&store);
    }
    assert_eq!(messages(&store).len(), 18);
    assert_eq!(store.streams().unwrap().len(), 1);
}

#[test]
fn a_key_file_that_knows_more_than_the_database_is_an_alarm_and_begins_a_new_stream() {
    let folder = folder();
    let store = open(&folder);
    let mut first = writer(&store, 0);
    let stream = first.stream();
    first.write(lines(2), noon(2)).unwrap();
    first.close(noon(3)).unwrap();
    drop(store);
    let old = stores::folder();
    stores::Sql::of(&folder).copy_to(&old);
    let mut more = writer(&open(&folder), 4);
    more.write(lines(2), noon(6)).unwrap();
    more.close(noon(7)).unwrap();
    // The old database, and the keys of today.
    let store = Store::open_with(&url(&old), Some(&stores::keys(&folder)), false).unwrap();
    let mut new = writer(&store, 10);
    assert_ne!(new.stream(), stream);
    let warnings = new.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("rolled back"), "{warnings:?}");
    new.write(lines(1), noon(12)).unwrap();
    new.close(noon(13)).unwrap();
    let streams = store.streams().unwrap();
    assert_eq!(streams.iter().map(|row| row.closed).collect::<Vec<_>>(), [true, false]);
    let said = store.record(&streams[1].id(), 0).unwrap();
    assert_eq!(said.event.action(), Some("stream_restored"));
    assert_eq!(said.event.find("secmon.restore.origin"), Some(&streams[0].origin.as_str().into()));
    assert_eq!(said.level, Level::Critical);
    assert!(String::from_utf8(said.body).unwrap().contains("\"cat\":\"secmon.restore\""));
    let verdicts = store.verify(&Default::default()).unwrap();
    assert_eq!(verdicts[0].first().map(|found| found.flaw), Some(Flaw::Rollback));
    assert!(verdicts[1].is_ok());
    // The label goes on with the new stream.
    assert_eq!(writer(&store, 20).stream(), streams[1].id());
}

#[test]
fn a_key_file_that_is_gone_begins_a_new_stream() {
    let folder = folder();
    let store = open(&folder);
    let first = writer(&store, 0);
    let stream = first.stream();
    first.close(noon(1)).unwrap();
    fs::remove_file(key_file(&folder, &stream)).unwrap();
    let mut new = writer(&store, 2);
    assert_ne!(new.stream(), stream);
    assert!(new.take_begun().is_some());
    // In a database that many services share it may lie on another machine.
    let shared = stores::mysql().is_some();
    assert_eq!(new.take_warnings().iter().any(|said| said.contains("gone")), !shared);
    new.write(lines(1), noon(3)).unwrap();
    new.close(noon(4)).unwrap();
    sound(&store);
    let open = store.streams().unwrap().iter().filter(|row| !row.closed).count();
    assert_eq!(open, if shared { 2 } else { 1 });
}

#[test]
fn a_key_file_that_cannot_be_read_is_an_error_and_changes_nothing() {
    let folder = folder();
    let store = open(&folder);
    let first = writer(&store, 0);
    let stream = first.stream();
    first.close(noon(1)).unwrap();
    fs::write(key_file(&folder, &stream), "{}").unwrap();
    let error = store.writer("web-1", Ruleset::builtin(), noon(2)).unwrap_err().to_string();
    assert!(error.contains("key file"), "{error}");
    assert!(!store.streams().unwrap()[0].closed);
}

#[cfg(unix)]
#[test]
fn key_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let store = open(&folder);
    let writer = writer(&store, 0);
    let file = key_file(&folder, &writer.stream());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert!(!format!("{writer:?}").contains("mac_key"));
}

#[test]
fn writers_that_count_for_themselves_leave_each_other_their_incidents() {
    let folder = folder();
    let store = open(&folder);
    let rules = Ruleset::builtin();
    let fail = |label: &str, from: i64, count: i64| {
        let mut writer = store.writer(label, rules.clone(), noon(from)).unwrap();
        let lines = (from..from + count).map(|second| stores::failure(second, "203.0.113.7"));
        writer.write(rules.prepare_lines(lines, noon(from + count)), noon(from + count)).unwrap();
        writer.close(noon(from + count)).unwrap();
    };
    let counts = || {
        let rows = store.incidents(&IncidentQuery::default()).unwrap().rows;
        let said = rows.iter().map(|row| (row.state.clone(), row.count, row.first));
        said.collect::<Vec<_>>()
    };
    fail("one", 100, 6);
    fail("other", 0, 5);
    let open = |count, from| ("open".to_owned(), count, noon(from));
    assert_eq!(counts(), [open(6, 100), open(5, 0)]);
    // Each goes on with its own.
    fail("one", 200, 1);
    assert_eq!(counts(), [open(7, 100), open(5, 0)]);
}

// Lists.

/// Events of three streams, many at the same time, with all that can be asked for.
fn mixed(store: &Store) {
    for (label, shift) in [("web-1", 0), ("db-1", 1), ("mail-1", 2)] {
        let rules = Ruleset::empty();
        let mut writer = store.writer(label, rules.clone(), noon(0)).unwrap();
        let events = (0..60_i64).map(|number| {
            let mut event = Event::new(noon(number / 7 * 60));
            event.level = Level::ALL[usize::try_from((number + shift) % 5).unwrap()];
            event.set("host.name", label);
            event.set("user.name", ["bob", "eve", "O'Brien"][usize::try_from(number % 3).unwrap()]);
            event.set("event.action", if number % 2 == 0 { "login" } else { "logout" });
            event.set(
                "event.outcome",
                ["success", "failure"][usize::try_from(number / 2 % 2).unwrap()],
            );
            event.set("process.pid", number % 4);
            event.set("tags", vec![format!("t{}", number % 3), "all".into()]);
            let address: std::net::IpAddr = format!("203.0.113.{}", number % 6).parse().unwrap();
            event.set("source.ip", address);
            rules.prepare_event(event)
        });
        writer.write(events.collect(), noon(0)).unwrap();
        writer.close(noon(1)).unwrap();
    }
}

fn places(rows: &[RecordRow]) -> Vec<(String, u64)> {
    rows.iter().map(|row| (row.stream.clone(), row.seq)).collect()
}

#[test]
fn pages_are_complete_without_doubles_and_newest_first() {
    let folder = folder();
    let store = open(&folder);
    mixed(&store);
    let whole = all(&store, RecordQuery::default().limit(1_000));
    assert_eq!(whole.len() as u64, store.record_count().unwrap());
    assert!(whole.is_sorted_by_key(|row| std::cmp::Reverse(row.event.time)));
    for limit in [1, 2, 7, 59, 183, 184] {
        let paged = all(&store, RecordQuery::default().limit(limit));
        assert_eq!(places(&paged), places(&whole), "limit {limit}");
    }
    // What comes meanwhile does not disturb the pages behind.
    let first = store.records(&RecordQuery::default().limit(50)).unwrap();
    let mut writer = writer(&store, 100);
    writer.write(lines(20), noon(100)).unwrap();
    let rest = all(&store, RecordQuery::default().limit(50).page(&first.next.unwrap()));
    let both: Vec<_> = places(&first.rows).into_iter().chain(places(&rest)).collect();
    let late: BTreeSet<_> = both.iter().filter(|place| !places(&whole).contains(place)).collect();
    assert_eq!(both.len() - late.len(), whole.len());
}

#[test]
fn every_filter_finds_what_a_walk_over_all_records_finds() {
    let folder = folder();
    let store = open(&folder);
    mixed(&store);
    let whole = all(&store, RecordQuery::default().limit(1_000));
    let text = |row: &RecordRow, name: &str, wanted: &str| {
        row.event
            .find(name)
            .is_some_and(|value| value.each().iter().any(|one| one.to_string() == wanted))
    };
    type Keep<'a> = Box<dyn Fn(&RecordRow) -> bool + 'a>;
    let mut cases: Vec<(RecordQuery, Keep<'_>)> = vec![
        (RecordQuery::default().since(noon(180)), Box::new(|row| row.event.time >= noon(180))),
        (RecordQuery::default().until(noon(180)), Box::new(|row| row.event.time < noon(180))),
        (
            RecordQuery::default().since(noon(60)).until(noon(120)).field("host.name", "db-1"),
            Box::new(|row| row.event.time == noon(60) && row.event.host() == Some("db-1")),
        ),
    ];
    for level in Level::ALL {
        cases.push((RecordQuery::default().level(level), Box::new(move |row| row.level == level)));
        cases.push((
            RecordQuery::default().level_min(level),
            Box::new(move |row| row.level >= level),
        ));
    }
    for (name, value) in [
        ("host.name", "web-1"),
        ("source.ip", "203.0.113.4"),
        ("user.name", "O'Brien"),
        ("event.action", "login"),
        ("event.outcome", "failure"),
        ("process.pid", "3"),
        ("tags", "t2"),
        ("tags", "all"),
        ("tags", "none"),
        ("no.such.field", "x"),
        ("host.name", "' OR 1=1 --"),
        ("host.name", "%"),
    ] {
        let keep = move |row: &RecordRow| text(row, name, value);
        cases.push((RecordQuery::default().field(name, value), Box::new(keep)));
        let both = move |row: &RecordRow| {
            text(row, name, value) && text(row, "tags", "t1") && row.level >= Level::Medium
        };
        let query = RecordQuery::default()
            .field(name, value)
            .field("tags", if name == "tags" { value } else { "t1" });
        if name != "tags" {
            cases.push((query.level_min(Level::Medium), Box::new(both)));
        }
    }
    for (query, keep) in cases {
        let expected: Vec<_> = whole.iter().filter(|row| keep(row)).cloned().collect();
        for limit in [1_000, 9] {
            let found = all(&store, query.clone().limit(limit));
            assert_eq!(places(&found), places(&expected), "{query:?}");
        }
    }
}

#[test]
fn a_cursor_of_another_list_is_refused() {
    let folder = folder();
    let store = open(&folder);
    mixed(&store);
    for page in ["", "x", "00", "5b5d", "zz", "é"] {
        let error = store.records(&RecordQuery::default().page(page)).unwrap_err();
        assert!(matches!(error, Error::Query { .. }), "{page}: {error}");
        assert!(
            store.hosts(1, Some(page)).is_err()
                && store
                    .detections(&IncidentQuery { page: Some(page.into()), ..Default::default() })
                    .is_err()
        );
        assert!(store.checkpoints(1, Some(page)).is_err());
        assert!(
            store
                .incidents(&IncidentQuery { page: Some(page.into()), ..Default::default() })
                .is_err()
        );
    }
}

#[test]
fn many_incidents_of_a_batch_are_brought_up_to_date_and_closed_ones_stay() {
    let folder = folder();
    let store = open(&folder);
    let rules = Ruleset::builtin();
    let mut writer = writer(&store, 0);
    let addresses: Vec<String> = (1..=37).map(|number| format!("203.0.113.{number}")).collect();
    let mut second = 0;
    let mut attack = |writer: &mut Writer, times: i64| {
        let lines: Vec<String> = (0..times)
            .flat_map(|time| addresses.iter().map(move |address| failure(second + time, address)))
            .collect();
        second += times;
        writer.write(rules.prepare_lines(&lines, noon(second)), noon(second)).unwrap();
    };
    attack(&mut writer, 5);
    attack(&mut writer, 4);
    let sql = stores::Sql::of(&folder);
    let closed =
        "UPDATE incidents SET state = 'closed', open_key = NULL WHERE grp LIKE '%\"203.0.113.9\"%'";
    sql.change(closed);
    attack(&mut writer, 15);
    writer.close(noon(60)).unwrap();
    let incidents =
        store.incidents(&IncidentQuery { limit: 100, ..Default::default() }).unwrap().rows;
    assert_eq!(incidents.len(), 37);
    for address in &addresses {
        let failures = RecordQuery::default().field("source.ip", address);
        let failures = all(&store, failures.field("event.outcome", "failure"));
        let mut seqs: Vec<u64> = failures.iter().map(|row| row.seq).collect();
        seqs.sort_unstable();
        assert_eq!(seqs.len(), 24);
        let is_closed = address == "203.0.113.9";
        let (count, state, evidence) = if is_closed {
            (9, "closed", seqs[..9].to_vec())
        } else {
            (24, "open", [&seqs[..10], &seqs[14..]].concat())
        };
        let group = format!("{{\"source.ip\":\"{address}\"}}");
        let incident = incidents.iter().find(|incident| incident.group == group).unwrap();
        let shown: Vec<u64> = incident.evidence.iter().map(|(_, seq)| *seq).collect();
        assert_eq!((incident.count, incident.state.as_str()), (count, state), "{address}");
        assert_eq!(shown, evidence, "{address}");
        assert_eq!(incident.level, Level::High);
        assert_eq!(incident.reason, None);
    }
}

#[test]
fn hosts_incidents_detections_and_checkpoints_have_complete_pages_too() {
    let folder = folder();
    let store = open(&folder);
    for label in ["web-1", "db-1"] {
        let rules = Ruleset::builtin();
        let mut writer = store.writer(label, rules.clone(), noon(0)).unwrap();
        for host in 0..12_i64 {
            let lines = (0..6).map(|number| {
                failure(host * 10 + number, &format!("203.0.113.{host}"))
                    .replace("web-1", &format!("host-{host:02}"))
            });
            let now = noon(host * 10 + 9);
            writer.write(rules.prepare_lines(lines, now), now).unwrap();
        }
        writer.close(noon(200)).unwrap();
    }
    let mut hosts = BTreeMap::new();
    let mut page: Option<String> = None;
    loop {
        let found = store.hosts(5, page.as_deref()).unwrap();
        for host in found.rows {
            assert!(hosts.insert(host.name.clone(), host).is_none());
        }
        page = found.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!((hosts.len() as u64, store.host_count().unwrap()), (12, 12));
    let host = &hosts["host-03"];
    assert_eq!((host.events, host.first_seen, host.last_seen), (12, noon(39), noon(39)));

    let mut incidents = BTreeSet::new();
    let mut query = IncidentQuery { limit: 5, ..Default::default() };
    loop {
        let found = store.incidents(&query).unwrap();
        for row in found.rows {
            assert!(incidents.insert(row.id.clone()), "twice: {row:?}");
            assert!(row.count >= 6 && row.evidence.len() >= 6 && row.state == "open", "{row:?}");
        }
        query.page = found.next;
        if query.page.is_none() {
            break;
        }
    }
    // Each writer counts for itself.
    assert_eq!(incidents.len(), 24);
    assert_eq!(store.open_incidents().unwrap(), BTreeMap::from([(Level::High, 24)]));
    for (rule, level, state, count) in [
        (Some("brute_force"), None, None, 24),
        (Some("port_scan"), None, None, 0),
        (None, Some(Level::High), Some("open"), 24),
        (None, Some(Level::Low), None, 0),
        (None, None, Some("closed"), 0),
    ] {
        let query = IncidentQuery {
            rule: rule.map(Into::into),
            level,
            state: state.map(Into::into),
            ..Default::default()
        };
        assert_eq!(store.incidents(&query).unwrap().rows.len(), count, "{query:?}");
    }

    let mut detections = BTreeSet::new();
    let mut page: Option<String> = None;
    loop {
        let found = store
            .detections(&IncidentQuery { limit: 7, page: page.clone(), ..Default::default() })
            .unwrap();
        detections.extend(found.rows.iter().map(|row| row.id.clone()));
        page = found.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!(detections.len(), 48); // the fifth and the sixth failure of each host and stream

    let mut checkpoints = BTreeSet::new();
    let mut page: Option<String> = None;
    let mut count = 0;
    loop {
        let found = store.checkpoints(3, page.as_deref()).unwrap();
        count += found.rows.len();
        checkpoints.extend(found.rows.iter().map(|(stream, row)| (stream.id(), row.size())));
        page = found.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!((checkpoints.len(), count > 20), (count, true));
}

// Roll-ups, positions, access.

#[test]
fn rollups_count_every_event_and_fold_what_is_beyond_200_values() {
    let folder = folder();
    let store = open(&folder);
    let mut writer = writer(&store, 0);
    let rules = Ruleset::builtin();
    for round in 0..3_i64 {
        let lines = (0..250)
            .map(|number| failure(round, &format!("198.51.{}.{}", number / 200, number % 200)));
        writer.write(rules.prepare_lines(lines, noon(5)), noon(5)).unwrap();
    }
    writer
        .write(rules.prepare_lines([failure(3_600, "203.0.113.1")], noon(3_600)), noon(3_600))
        .unwrap();
    let top = store.top("source.ip", false, None, 1_000).unwrap();
    assert_eq!(top.iter().map(|row| row.count).sum::<u64>(), 751);
    let other = top.iter().find(|row| row.value == "other").unwrap();
    assert_eq!((top.len(), other.count), (202, 150));
    assert_eq!(store.top("source.ip", true, None, 1_000).unwrap(), top);
    assert_eq!(store.top("source.ip", false, None, 3).unwrap()[0].value, "other");
    assert_eq!(store.top("event.outcome", false, None, 9).unwrap()[0].count, 751);
    assert_eq!(store.top("host.name", false, None, 9).unwrap()[0].value, "web-1");
    assert_eq!(store.top("source.ip", false, Some(noon(3_600)), 9).unwrap().len(), 1);
    let hours = store.hours(None).unwrap();
    let seen: Vec<_> = hours.iter().map(|row| (row.hour, row.count, row.failures)).collect();
    assert_eq!(seen, [(noon(0), 750, 750), (noon(3_600), 1, 1)]);
    assert_eq!(store.hours(Some(noon(3_700))).unwrap().len(), 1);
    let error = store.top("message", false, None, 9).unwrap_err();
    assert!(
        matches!(error, Error::Query { .. }) && error.to_string().contains("source.ip"),
        "{error}"
    );
}

#[test]
fn positions_are_stored_with_the_records_that_they_speak_of() {
    let folder = folder();
    let store = open(&folder);
    let at = |position: u64| Position {
        name: "/var/log/x".into(),
        fingerprint: [7; 32],
        head: 1_024,
        position,
        lines: position / 10,
    };
    let mut first = writer(&store, 0);
    assert_eq!(store.position("/var/log/x").unwrap(), None);
    for position in [100, 200] {
        let request = Request { events: lines(2), key: None, positions: vec![at(position)] };
        first.write_request(request, noon(1)).unwrap();
        assert_eq!(store.position("/var/log/x").unwrap(), Some(at(position)));
    }
    // Of a long request the position comes with the last part.
    let long = Request { events: lines(2_100), key: None, positions: vec![at(300)] };
    assert_eq!(long.split().iter().map(|part| part.positions.len()).collect::<Vec<_>>(), [0, 0, 1]);
    drop(first);
    assert_eq!(open(&folder).position("/var/log/x").unwrap(), Some(at(200)));
}

#[test]
fn positions_from_another_place_are_named_as_here_unless_the_name_is_taken() {
    let folder = folder();
    let store = open(&folder);
    let at = |name: &str| Position {
        name: name.into(),
        fingerprint: [7; 32],
        head: 8,
        position: 100,
        lines: 10,
    };
    let positions = ["/a", "web-1:/b", "/c", "web-1:/c", "web-2:/d", "main:/e"].map(at).to_vec();
    let mut first = writer(&store, 0);
    first.write_request(Request { events: lines(1), key: None, positions }, noon(1)).unwrap();
    store.adopt_positions("web-1").unwrap();
    let own = |path: &str| store.position_name("web-1", path);
    for name in [&own("/a"), &own("/b"), "/c", "web-1:/c", "web-2:/d", "main:/e"] {
        assert_eq!(store.position(name).unwrap(), Some(at(name)));
    }
}

#[test]
fn tokens_and_sessions_are_known_by_their_secret_alone() {
    let folder = folder();
    let store = open(&folder);
    let mut secrets: Vec<Secret> = Vec::new();
    for scope in [Scope::Admin, Scope::Ingest, Scope::Read] {
        let secret = store.create_token(scope.as_str(), scope, noon(0)).unwrap();
        let text = secret.expose().to_owned();
        assert!(text.starts_with("secmon_") && text.len() == 7 + 43, "{text}");
        assert!(!format!("{secret:?}").contains(&text));
        let who = Identity { name: scope.as_str().into(), scope };
        assert_eq!(open(&folder).token(&text).unwrap(), Some(who.clone()));
        for wrong in
            ["", "secmon_", &text[..text.len() - 1], &format!("{text}x"), &text.to_lowercase()]
        {
            assert_eq!(store.token(wrong).unwrap(), None, "{wrong}");
        }
        assert_eq!(store.session(&text, noon(1)).unwrap(), None);

        let session = store.create_session(&who, noon(0)).unwrap();
        let half_a_day = noon(0) + TimeDelta::hours(12);
        assert_eq!(store.session(session.expose(), noon(1)).unwrap(), Some(who.clone()));
        assert_eq!(store.session(session.expose(), half_a_day).unwrap(), None);
        assert_eq!(store.token(session.expose()).unwrap(), None);
        store.end_session(session.expose()).unwrap();
        assert_eq!(store.session(session.expose(), noon(1)).unwrap(), None);
        secrets.push(secret);
    }
    assert!(
        !Scope::Ingest.reads()
            && !Scope::Read.ingests()
            && Scope::Admin.reads()
            && Scope::Admin.ingests()
    );
    // At rest there are hashes only.
    let bytes: Vec<u8> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .flat_map(|path| fs::read(path).unwrap())
        .collect();
    for secret in secrets {
        let text = secret.expose().as_bytes();
        assert!(!bytes.windows(text.len()).any(|window| window == text));
    }
}

// What is in the way.

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let folder = folder();
    drop(open(&folder));
    let sql = stores::Sql::of(&folder);
    sql.run("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')").unwrap();
    let error = Store::open(&url(&folder)).unwrap_err();
    assert!(matches!(&error, Error::Newer { migration, .. } if migration == "9999"), "{error}");
}

#[test]
fn a_store_that_cannot_be_opened_says_why() {
    let folder = folder();
    let missing = format!("sqlite://{}/no/such/folder/secmon.db", folder.path().display());
    fs::write(
        folder.path().join("text.db"),
        "this is no database, but a text of some length\n".repeat(99),
    )
    .unwrap();
    let text = format!("sqlite://{}/text.db", folder.path().display());
    let directory = format!("sqlite://{}", folder.path().display());
    for (url, words) in [
        (missing.as_str(), &["folder", "no/such"][..]),
        (&text, &["not a database"]),
        (&directory, &["unable to open", "it is a folder"]),
        ("sqlite:///proc/secmon.db", &["unable to open"]),
        ("sqlite://", &["sqlite://PATH"]),
        ("postgres://user:geheim@host/db", &["sqlite://PATH"]),
        ("", &["sqlite://PATH"]),
    ] {
        let error = Store::open(url).unwrap_err();
        assert!(matches!(error, Error::Open { .. }), "{url}: {error:?}");
        for word in words {
            assert!(error.to_string().contains(word), "{url}: {error}");
        }
        assert!(!error.to_string().contains("geheim"));
    }
    let absent = format!("sqlite://{}/absent.db", folder.path().display());
    assert!(Store::open_existing(&absent).unwrap_err().to_string().contains("no such file"));
    assert!(!folder.path().join("absent.db").exists());
}

#[test]
fn a_database_that_is_locked_is_busy_and_the_batch_goes_first_later() {
    let folder = folder();
    let store = open(&folder);
    let mut writer = writer(&store, 0);
    writer.write(lines(1), noon(1)).unwrap();
    let lock = stores::Lock::of(&folder);
    let rules = Ruleset::builtin();
    let error =
        writer.write(rules.prepare_lines(["line that waits"], noon(2)), noon(2)).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(lock);
    writer.write(rules.prepare_lines(["line behind"], noon(3)), noon(3)).unwrap();
    writer.close(noon(4)).unwrap();
    let mut found = all(&store, RecordQuery::default());
    found.sort_by_key(|row| row.seq);
    let said: Vec<_> = found
        .iter()
        .map(|row| row.event.message())
        .filter(|said| said.starts_with("line"))
        .collect();
    assert_eq!(said, ["line 0", "line that waits", "line behind"]);
    sound(&store);
}

#[test]
fn a_record_that_is_not_there_is_not_found() {
    let folder = folder();
    let store = open(&folder);
    let mut writer = writer(&store, 0);
    let receipt = writer.write(lines(2), noon(1)).unwrap();
    let (first, last) = receipt.seqs.unwrap();
    assert_eq!(store.record(&receipt.stream, last).unwrap().event.message(), "line 1");
    assert_eq!(last, first + 1);
    for (stream, seq) in
        [(receipt.stream.as_str(), last + 1), (receipt.stream.as_str(), u64::MAX), ("x", 0)]
    {
        assert!(matches!(store.record(stream, seq).unwrap_err(), Error::NotFound { .. }));
    }
}

#[test]
fn a_value_too_long_for_an_index_is_kept_and_found() {
    let folder = folder();
    let store = open(&folder);
    let mut writer = writer(&store, 0);
    let (long, short) = ("h".repeat(256), "é\\".repeat(85));
    let lines = [&long, &short].map(|name| serde_json::json!({ "host.name": name }).to_string());
    writer.write(Ruleset::builtin().prepare_lines(lines, noon(1)), noon(1)).unwrap();
    writer.close(noon(2)).unwrap();
    sound(&store);
    for name in [&long, &short] {
        let found = all(&store, RecordQuery::default().field("host.name", name));
        assert_eq!(found.len(), 1, "{} bytes", name.len());
    }
    let hosts = store.hosts(10, None).unwrap().rows;
    assert_eq!(hosts.iter().map(|host| &host.name).collect::<Vec<_>>(), [&short]);
}
