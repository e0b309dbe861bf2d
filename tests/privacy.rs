//! The privacy mode: personal values lie in no place in clear, are there for whoever may read them, and are
//! gone from all of it once erased, while every proof stays valid.

#[path = "support/stores.rs"]
mod stores;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use secmon_core::privacy::Privacy;
use secmon_core::seal::{Flaw, Retention, Sealer, StreamKeys, Verdict, commitment};
use secmon_core::{Event, Monitor, Ruleset, Value, event_of, event_with, fields};
use secmon_store::{IncidentQuery, RecordQuery, Store, VerifyOptions, Writer, verify_export};
use stores::{Sql, folder, noon, unhex, url};
use tempfile::TempDir;

const ADDRESS: &str = "203.0.113.7";
const USER: &str = "carol-q7x";

/// A store in the privacy mode with failed logins of one user from one address, some of another, and one line
/// that nobody could parse.
fn private() -> (TempDir, Store) {
    let folder = folder();
    let store = stores::open(&folder);
    store.set_erasable(vec!["user.name".into(), "source.ip".into()]).unwrap();
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    writer.write(rules.prepare_lines(lines(), noon(20)), noon(20)).unwrap();
    writer.close(noon(30)).unwrap();
    (folder, store)
}

fn lines() -> Vec<String> {
    let mut lines: Vec<String> = (0..6).map(|at| login(at, USER, ADDRESS)).collect();
    lines.extend((6..9).map(|at| login(at, "dave-k2", "198.51.100.9")));
    lines.push(format!("something about {USER}, and no known form"));
    lines
}

fn login(at: i64, user: &str, address: &str) -> String {
    stores::failure(at, address).replace("for root", &format!("for {user}"))
}

/// Files below a folder that hold a text, byte by byte.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if contains(&fs::read(&path).unwrap(), text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

fn verdict(store: &Store) -> Verdict {
    store.verify(&VerifyOptions::default()).unwrap().remove(0)
}

/// A store with several pages for a walk, which reads the next while it looks at the first, and what is found in it
/// while `work` is done behind that page.
fn looked_at(work: impl FnOnce(Writer)) -> (TempDir, Store, Verdict) {
    let (folder, store) = private();
    let rules = Ruleset::empty();
    let mut writer = store.writer("web-1", rules.clone(), noon(40)).unwrap();
    writer.set_retention(Retention { everyday: 1, ..Retention::default() });
    let lines = (0..4_500).map(|at| login(at % 30, USER, ADDRESS));
    writer.write(rules.prepare_lines(lines, noon(50)), noon(50)).unwrap();
    writer.maintain(noon(55)).unwrap();
    let mut todo = Some((writer, work));
    let verdicts = store.verify_with(&VerifyOptions::default(), |_| {
        if let Some((writer, work)) = todo.take() {
            work(writer);
        }
    });
    let found = verdicts.unwrap().remove(0);
    assert!(found.is_ok(), "{:?}", found.findings.first());
    (folder, store, found)
}

#[test]
fn what_is_erased_and_held_while_somebody_looks_is_no_flaw() {
    let (_folder, store, found) = looked_at(|mut writer| {
        writer.erase("user", USER, noon(60)).unwrap();
        writer.hold(&[1_500, 2_500, 4_000], None, "an auditor", noon(61)).unwrap();
        writer.close(noon(62)).unwrap();
    });
    assert!(found.erased > 3_000 && found.records > 4_512, "{found:?}");
    let found = verdict(&store);
    assert!(found.is_ok() && found.erased > 4_500, "{:?}", found.findings.first());
}

#[test]
fn what_expires_while_somebody_looks_is_no_flaw() {
    let (_folder, store, found) = looked_at(|mut writer| {
        while writer.expire(noon(3 * 86_400)).unwrap() > 0 {}
        writer.close(noon(3 * 86_400)).unwrap();
    });
    assert!(found.expired > 3_000, "{found:?}");
    let found = verdict(&store);
    assert!(found.is_ok() && found.expired >= 4_500, "{:?}", found.findings.first());
}

#[test]
fn values_lie_nowhere_in_clear_and_are_there_for_readers() {
    let (folder, store) = private();
    for text in [ADDRESS, USER, "dave-k2", "no known form"] {
        assert_eq!(holding(folder.path(), text), Vec::<String>::new(), "{text}");
    }
    let by_user = store.records(&RecordQuery::default().field("user.name", USER)).unwrap();
    assert_eq!(by_user.rows.len(), 6);
    for row in &by_user.rows {
        assert_eq!(row.event.text(fields::USER_NAME), Some(USER));
        assert_eq!(row.event.source_ip(), Some(ADDRESS.parse().unwrap()));
        assert!(row.event.message().starts_with("Failed password for carol-q7x"));
        assert!(row.event.raw().unwrap().ends_with(row.event.message()));
        assert!(!contains(&row.body, ADDRESS.as_bytes()));
    }
    let by_address = store.records(&RecordQuery::default().field("source.ip", ADDRESS)).unwrap();
    assert_eq!(by_address.rows.len(), 7, "six attempts and their incident");
    let incidents = store.incidents(&IncidentQuery::default()).unwrap();
    assert_eq!(incidents.rows[0].group, format!(r#"{{"source.ip":"{ADDRESS}"}}"#));
    let detections = store.detections(&IncidentQuery::default()).unwrap();
    assert_eq!(detections.rows[0].group, incidents.rows[0].group);
    let top = store.top("source.ip", true, None, 1).unwrap();
    assert_eq!((top[0].value.as_str(), top[0].count), (ADDRESS, 6));
    let stream = store.stream("web-1").unwrap();
    let (_, events) = store.events(&stream, 0, None).unwrap().unwrap();
    let users = events.iter().filter_map(|event| event.text(fields::USER_NAME));
    assert_eq!(users.filter(|user| *user == USER).count(), 6);
    // The same rules find the same as without.
    let plain = stores::folder();
    let open = stores::open(&plain);
    let rules = Ruleset::builtin();
    let mut writer = open.writer("web-1", rules.clone(), noon(0)).unwrap();
    writer.write(rules.prepare_lines(lines(), noon(20)), noon(20)).unwrap();
    let seen = |store: &Store| {
        let rows = store.incidents(&IncidentQuery::default()).unwrap().rows;
        rows.into_iter().map(|row| (row.rule, row.group, row.count)).collect::<BTreeSet<_>>()
    };
    assert_eq!(seen(&store), seen(&open));
    let found = verdict(&store);
    assert!(found.is_ok(), "{:?}", found.findings);
    assert_eq!((found.erased, found.hidden), (0, 0));
}

#[test]
fn who_has_not_the_key_sees_no_value_and_verifies_all_the_same() {
    let (folder, _) = private();
    let elsewhere = folder.path().join("elsewhere");
    let store = Store::open_with(&url(&folder), Some(&elsewhere), false).unwrap();
    let rows = store.records(&RecordQuery::default()).unwrap().rows;
    assert!(rows.iter().all(|row| row.event.text(fields::USER_NAME).is_none()));
    let found = verdict(&store);
    assert!(found.is_ok(), "{:?}", found.findings);
    assert_eq!(found.hidden, 28, "three values of nine records, and the line that had no form");
}

#[test]
fn an_erased_value_is_in_no_table_file_or_backup_and_every_proof_stays() {
    let (folder, store) = private();
    // A backup of before, which has the keys of today: those of then are gone.
    let backup = stores::folder();
    Sql::of(&folder).copy_to(&backup);
    let proof = |store: &Store, seq| {
        let stream = store.stream("web-1").unwrap();
        store.proof(&stream.id(), seq).map(|proof| proof.to_string())
    };
    assert!(proof(&store, 2).is_ok());
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(40)).unwrap();
    let erasure = writer.erase("user", USER, noon(41)).unwrap();
    // Of six records name and line, and the line that nobody could parse.
    assert_eq!((erasure.values, erasure.in_clear), (13, 0));
    let again = writer.erase("user", USER, noon(42)).unwrap();
    assert_eq!(again.values, 0);
    let erasure = writer.erase("address", ADDRESS, noon(43)).unwrap();
    assert_eq!(erasure.values, 7, "of six records, and of the incident");
    writer.write(rules.prepare_lines(["later"], noon(50)), noon(50)).unwrap();
    writer.close(noon(60)).unwrap();
    for text in [ADDRESS, USER] {
        assert_eq!(holding(folder.path(), text), Vec::<String>::new(), "{text}");
    }
    let found = verdict(&store);
    assert!(found.is_ok(), "{:?}", found.findings);
    assert_eq!((found.erased, found.hidden), (20, 0));
    assert!(proof(&store, 2).is_ok());
    let all = store.records(&RecordQuery::default()).unwrap().rows;
    let shown: Vec<String> = all.iter().map(|row| row.event.to_json()).collect();
    assert!(!shown.iter().any(|json| json.contains(USER) || json.contains(ADDRESS)));
    assert!(shown.iter().any(|json| json.contains("dave-k2")), "others are still there");
    for (field, value) in [("user.name", USER), ("source.ip", ADDRESS)] {
        let rows = store.records(&RecordQuery::default().field(field, value)).unwrap().rows;
        assert!(rows.is_empty(), "{field}");
    }
    let incidents = store.incidents(&IncidentQuery::default()).unwrap();
    assert!(incidents.rows.iter().all(|row| !row.group.contains(ADDRESS)));
    // The backup's ciphertext is noise by now.
    let old = Store::open_with(&url(&backup), Some(&folder.path().join("secmon.db.keys")), false)
        .unwrap();
    let rows = old.records(&RecordQuery::default()).unwrap().rows;
    assert!(rows.iter().all(|row| row.event.text(fields::USER_NAME).is_none()));
    // Who comes back is somebody new.
    let mut writer = store.writer("web-1", rules.clone(), noon(70)).unwrap();
    writer.write(rules.prepare_lines([login(70, USER, ADDRESS)], noon(71)), noon(71)).unwrap();
    writer.close(noon(80)).unwrap();
    let rows = store.records(&RecordQuery::default().field("user.name", USER)).unwrap().rows;
    assert_eq!(rows.len(), 1);
    assert!(verdict(&store).is_ok());
}

#[test]
fn values_of_other_and_of_closed_streams_are_erased_too() {
    let (folder, store) = private();
    let rules = Ruleset::builtin();
    Sql::of(&folder).run("UPDATE streams SET closed = 1").unwrap();
    let mut writer = store.writer("web-2", rules.clone(), noon(40)).unwrap();
    writer.write(rules.prepare_lines([login(40, USER, ADDRESS)], noon(41)), noon(41)).unwrap();
    assert_eq!(writer.erase("user", USER, noon(42)).unwrap().values, 15);
    writer.close(noon(43)).unwrap();
    let verdicts = store.verify(&VerifyOptions::default()).unwrap();
    assert!(verdicts.iter().all(Verdict::is_ok), "{verdicts:?}");
    assert_eq!((verdicts[0].erased, verdicts[1].erased), (13, 2));
    assert!(verdicts[0].notices[0].contains("announces erasures"), "{:?}", verdicts[0].notices);
}

/// Changes a store by hand, triggers dropped; gives the first flaw that is found, if any.
fn flaw(change: &str) -> Option<Flaw> {
    let (folder, store) = private();
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(40)).unwrap();
    writer.erase("user", "dave-k2", noon(41)).unwrap();
    writer.close(noon(42)).unwrap();
    let sql = Sql::of(&folder);
    for trigger in
        ["records_update", "erasable_values_update", "erasable_values_delete", "subjects_delete"]
    {
        sql.run(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    sql.run(change).unwrap();
    verdict(&store).first().map(|finding| finding.flaw)
}

#[test]
fn a_value_that_is_edited_moved_or_taken_without_a_word_is_found() {
    assert_eq!(flaw(""), None);
    for (change, expected) in [
        ("UPDATE erasable_values SET salt = zeroblob(32) WHERE seq = 3", Flaw::BadValue),
        ("UPDATE subjects SET ciphertext = zeroblob(60)", Flaw::BadValue),
        ("UPDATE subjects SET kind = 'user' WHERE kind = 'address'", Flaw::BadValue),
        ("DELETE FROM subjects WHERE kind = 'address'", Flaw::BadValue),
        // The value of another record.
        (
            "UPDATE erasable_values SET token = (SELECT token FROM (SELECT * FROM erasable_values) AS v
                 WHERE seq = 9 AND field = 'source.ip') WHERE seq = 3 AND field = 'source.ip'",
            Flaw::BadValue,
        ),
        ("DELETE FROM erasable_values WHERE seq = 3", Flaw::Unannounced),
        ("DELETE FROM erasable_values WHERE seq = 3 AND field = 'raw'", Flaw::Unannounced),
        ("DELETE FROM erasures", Flaw::Unannounced),
        ("UPDATE records SET source_ip = NULL WHERE seq = 3", Flaw::ColumnMismatch),
        ("UPDATE records SET source_ip = '203.0.113.8' WHERE seq = 3", Flaw::ColumnMismatch),
        // Of an erased value nothing is left to be put there.
        ("UPDATE records SET user_name = 'root' WHERE user_name IS NULL", Flaw::ColumnMismatch),
        (
            "INSERT INTO erasable_values SELECT stream_no, seq, 'x', salt, token FROM erasable_values
                 WHERE seq = 3 AND field = 'raw'",
            Flaw::BadValue,
        ),
        ("UPDATE erasures SET seq = 1", Flaw::Malformed),
    ] {
        assert_eq!(flaw(change), Some(expected), "{change}");
    }
}

#[test]
fn the_database_refuses_what_is_no_erasure() {
    let (folder, _) = private();
    let sql = Sql::of(&folder);
    for change in [
        "UPDATE records SET source_ip = NULL",
        "UPDATE records SET body = x'00'",
        "DELETE FROM erasable_values",
        "UPDATE erasable_values SET salt = x'00'",
        "DELETE FROM subjects",
        // Even whoever plays an erasure may only take tokens away.
        "UPDATE expiring SET erasing = 1; UPDATE records SET source_ip = '1.2.3.4'",
        "UPDATE expiring SET erasing = 1; UPDATE records SET body = x'00'",
    ] {
        let refused = sql.run(change).unwrap_err();
        assert!(refused.contains("append-only") || refused.contains("go by erasure"), "{refused}");
    }
}

#[test]
fn values_go_with_records_that_expire() {
    let folder = folder();
    let store = stores::open(&folder);
    store.set_erasable(vec!["user.name".into()]).unwrap();
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    writer.set_retention(Retention { everyday: 1, ..Retention::default() });
    writer.write(rules.prepare_lines([login(0, USER, ADDRESS)], noon(1)), noon(1)).unwrap();
    writer.maintain(noon(3)).unwrap();
    let later = noon(3 * 86_400);
    writer.write(rules.prepare_lines([login(0, "eve", ADDRESS)], later), later).unwrap();
    assert_eq!(writer.expire(later).unwrap(), 1);
    while writer.expire(later).unwrap() > 0 {}
    writer.close(later).unwrap();
    let sql = Sql::of(&folder);
    assert_eq!(sql.number("SELECT count(*) FROM erasable_values"), 2);
    assert_eq!(sql.number("SELECT count(*) FROM subjects"), 2);
    let found = verdict(&store);
    assert!(found.is_ok(), "{:?}", found.findings);
}

#[test]
fn no_input_can_pretend_to_be_a_commitment() {
    let (folder, store) = private();
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(40)).unwrap();
    let cx = secmon_core::parse::Context::new(noon(41));
    let forged = br##"{"message":"x","user.name#":"AAAA","raw#":"AAAA","raw":"carol"}"##;
    writer.write(vec![rules.prepare_json(forged, &cx)], noon(41)).unwrap();
    writer.close(noon(42)).unwrap();
    let found = verdict(&store);
    assert!(found.is_ok(), "{:?}", found.findings);
    let plain = stores::folder();
    let store = stores::open(&plain);
    let mut writer = store.writer("web-1", rules.clone(), noon(40)).unwrap();
    writer.write(vec![rules.prepare_json(forged, &cx)], noon(41)).unwrap();
    writer.close(noon(42)).unwrap();
    assert!(verdict(&store).is_ok());
    drop(folder);
}

#[test]
fn an_export_can_be_verified_without_any_value() {
    let (folder, store) = private();
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(40)).unwrap();
    writer.erase("user", USER, noon(41)).unwrap();
    writer.close(noon(42)).unwrap();
    let out = folder.path().join("export");
    store.export(&out, None, |_| {}).unwrap();
    assert_eq!(holding(&out, ADDRESS), Vec::<String>::new());
    let verdicts = verify_export(&out, &VerifyOptions::default(), |_| {}).unwrap();
    assert!(verdicts[0].is_ok(), "{:?}", verdicts[0].findings);
}

#[test]
fn what_is_sealed_in_clear_is_said() {
    let folder = folder();
    let store = stores::open(&folder);
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    writer.write(rules.prepare_lines(lines(), noon(20)), noon(20)).unwrap();
    let off = writer.erase("user", USER, noon(21)).unwrap_err().to_string();
    assert!(off.contains("[privacy] erasable"), "{off}");
    writer.close(noon(22)).unwrap();
    drop(store);
    let store = stores::open(&folder);
    store.set_erasable(vec!["user.name".into()]).unwrap();
    let mut writer = store.writer("web-1", rules, noon(30)).unwrap();
    assert_eq!(writer.erase("user", USER, noon(31)).unwrap().in_clear, 6);
    for wrong in ["", "event.action", "x#"] {
        assert!(stores::open(&folder).set_erasable(vec![wrong.into()]).is_err(), "{wrong}");
    }
}

#[test]
fn commitments_are_those_of_the_known_answers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/integrity/kat.json");
    let Ok(text) = fs::read_to_string(path) else {
        println!("skipped: ../shared/data is not there");
        return;
    };
    let known: serde_json::Value = serde_json::from_str(&text).unwrap();
    let values = known["erasable"].as_array().unwrap();
    assert_eq!(values.len(), 40);
    for value in values {
        let seq = usize::try_from(value["seq"].as_u64().unwrap()).unwrap();
        let field = value["field"].as_str().unwrap();
        let body = known["records"][seq]["body"].as_str().unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let salt = unhex(value["salt"].as_str().unwrap()).try_into().unwrap();
        let made = commitment(&salt, field, value["value"].as_str().unwrap());
        let sealed = body[format!("{field}#")].as_str().unwrap();
        assert_eq!(stores::unbase64(sealed), made);
    }
}

#[test]
fn a_line_is_kept_where_its_commitments_outgrow_a_record() {
    let parameters: String = (0..900).map(|at| format!(" p{at}=\"carol\"")).collect();
    let line =
        format!("<36>1 2026-11-21T01:25:02Z vm prog - - [a@1 user=\"carol\"{parameters}] hi carol");
    let rules = Ruleset::empty();
    let keys = StreamKeys::from_bytes([1; 32], [2; 32]);
    let mut monitor = Monitor::new(rules.clone(), Sealer::create("c/0a", &keys).unwrap());
    let listed = ["log.syslog.structured_data.a@1.user", "event.original"].map(str::to_owned);
    monitor.set_privacy(Privacy::new(listed, [3; 32]).unwrap());
    let batch = monitor.take(rules.prepare_lines([line.as_str()], noon(0)), noon(1), [4; 32]);
    let body = &batch.records[0].body;
    assert!(body.len() <= 65_535 && !body.contains("carol"), "{body}");
    assert!(body.contains("\"raw#\":") && body.contains("\"event.original#\":"), "{body}");
    let fields: BTreeSet<&str> =
        batch.personal.iter().map(|(_, personal)| personal.field.as_str()).collect();
    assert_eq!(fields.len(), batch.personal.len(), "none stands twice");
    let kept = batch.personal.iter().find(|(_, personal)| personal.field == "raw").unwrap();
    assert_eq!(kept.1.subject.as_ref().unwrap().value, line);
}

#[test]
fn a_batch_may_hold_more_values_than_one_statement_takes() {
    let (_folder, store) = private();
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(40)).unwrap();
    let lines = (0..500).map(|at| login(at % 50, &format!("user-{at}"), ADDRESS));
    writer.write(rules.prepare_lines(lines, noon(50)), noon(50)).unwrap();
    writer.close(noon(60)).unwrap();
    assert!(verdict(&store).is_ok());
    let query = RecordQuery::default().field("user.name", "user-499");
    assert_eq!(store.records(&query).unwrap().rows.len(), 1);
}

/// Values of all kinds, some of which hold the person's name.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("carol".to_owned()),
        Just("to carol@example.org".to_owned()),
        "[a-z\"\\\\ ]{0,12}"
    ];
    prop_oneof![
        text.clone().prop_map(Value::Text),
        any::<i64>().prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Decimal("1.50".into())),
        proptest::collection::vec(text, 0..3)
            .prop_map(|texts| Value::List(texts.into_iter().map(Value::Text).collect())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_event_is_read_back_as_it_was_and_its_body_holds_no_person(
        fields in proptest::collection::btree_map("[a-c]\\.[a-c]|raw|message|url\\.path", value(), 0..8),
        crowded in any::<bool>(),
    ) {
        let rules = Ruleset::empty();
        let keys = StreamKeys::from_bytes([1; 32], [2; 32]);
        let mut monitor = Monitor::new(rules.clone(), Sealer::create("c/0a", &keys).unwrap());
        monitor.set_privacy(Privacy::new(["user.name".to_owned()], [3; 32]).unwrap());
        let mut event = Event::new(noon(0));
        event.set(fields::USER_NAME, "carol");
        for (name, value) in fields {
            event.set(name.as_str(), value);
        }
        // At the edge of what fits a record, commitments need more room than values.
        for at in 0..if crowded { 1_500 } else { 0 } {
            event.set(format!("x.{at}").as_str(), "carol");
        }
        let prepared = || vec![rules.prepare_event(event.clone())];
        // As it is read back where nothing is hidden: a body holds decimals as texts.
        let mut open = Monitor::new(rules.clone(), Sealer::create("c/0a", &keys).unwrap());
        let expected = open.take(prepared(), noon(1), [4; 32]);
        let expected = event_of(expected.records[0].body.as_bytes()).unwrap().to_json();
        let batch = monitor.take(prepared(), noon(1), [4; 32]);
        let record = &batch.records[0];
        prop_assert!(record.body.len() <= 65_535);
        prop_assert!(!record.body.contains("carol"));
        let values = batch.personal.iter().map(|(_, personal)| {
            let subject = personal.subject.clone().unwrap();
            let json = serde_json::from_str(&subject.value).ok().filter(|_| subject.is_json);
            (personal.field.clone(), json.unwrap_or(serde_json::Value::String(subject.value)))
        });
        let values = values.collect();
        let shown = event_with(record.body.as_bytes(), &values).unwrap();
        if crowded {
            prop_assert!(shown.find("event.original").unwrap().to_string().contains("x.1499"));
        } else {
            prop_assert_eq!(shown.to_json(), expected);
        }
    }
}

#[test]
fn one_of_several_values_of_a_field_lies_nowhere_in_clear() {
    let folder = folder();
    let store = stores::open(&folder);
    store.set_erasable(vec!["user.name".into(), "source.ip".into()]).unwrap();
    let settings = serde_json::json!({"by": ["user.name", "host.name"], "learn": 1});
    let rules = Ruleset::builder().settings("profile", "profile", settings).unwrap();
    let rules = rules.build().unwrap();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    for day in 0..4 {
        let at = noon(day * 90_000);
        let mut event = Event::new(at);
        event.set(fields::EVENT_ACTION, "login");
        event.set(fields::HOST_NAME, "web-1");
        let users = [format!("{USER}-{day}"), "eve-z9".to_owned()];
        event.set(fields::USER_NAME, Value::List(users.map(Value::from).into()));
        writer.write(vec![rules.prepare_event(event)], at).unwrap();
        writer.maintain(at).unwrap();
    }
    writer.close(noon(400_000)).unwrap();
    assert!(verdict(&store).is_ok());
    let incidents = store.incidents(&IncidentQuery::default()).unwrap().rows;
    let reason = incidents.iter().find_map(|row| row.reason.as_deref()).unwrap();
    assert!(reason.contains("(a value that can be erased)"), "{reason}");
    for name in [USER, "eve-z9"] {
        assert_eq!(holding(folder.path(), name), Vec::<String>::new(), "{name}");
    }
}
