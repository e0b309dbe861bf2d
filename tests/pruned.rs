//! Prefix pruning: once all events of the first blocks have expired, their rows and tiles go; what is left is
//! enough to verify the rest, and nobody hides behind it.

#[path = "support/stores.rs"]
mod stores;

use std::fs;
use std::process::Command;

use chrono::{DateTime, Utc};
use secmon_core::Ruleset;
use secmon_core::seal::{BLOCK, Flaw, Note, Retention, consistency_holds};
use secmon_store::{Error, Store, VerifyOptions, Writer, verify_export};
use stores::{Sql, folder, noon, url};
use tempfile::TempDir;

const DAY: i64 = 86_400;
/// Where a child finds the store that it prunes.
const STORE: &str = "SECMON_TEST_PRUNE_STORE";
/// How often a process dies at each place.
const TIMES: u64 = 5;

/// Writes so many lines that a stream ends with `size` records, on one day.
fn fill(writer: &mut Writer, size: u64, now: DateTime<Utc>) {
    let rules = Ruleset::empty();
    while writer.stream_row().size() < size {
        let left = (size - writer.stream_row().size()).min(1_000);
        let lines = (0..left).map(|line| format!("line {line}"));
        writer.write(rules.prepare_lines(lines, now), now).unwrap();
    }
    // A heartbeat tells how old what lies in front of it is, once all of that has expired.
    writer.maintain(now + chrono::TimeDelta::seconds(2)).unwrap();
    writer.maintain(now + chrono::TimeDelta::seconds(64)).unwrap();
}

fn prune(writer: &mut Writer, now: DateTime<Utc>) -> u64 {
    while writer.expire(now).unwrap() > 0 {}
    let mut pruned = 0;
    loop {
        match writer.prune(now).unwrap() {
            0 => return pruned,
            more => pruned += more,
        }
    }
}

fn count(folder: &TempDir, query: &str) -> i64 {
    Sql::of(folder).number(query)
}

/// A copy of a store and its key files.
fn copy(from: &TempDir) -> TempDir {
    let to = folder();
    Sql::of(from).copy_to(&to);
    fs::create_dir_all(stores::keys(&to)).unwrap();
    for entry in fs::read_dir(stores::keys(from)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), stores::keys(&to).join(entry.file_name())).unwrap();
    }
    to
}

#[test]
fn a_pruned_stream_is_verified_and_nobody_hides_behind_what_is_gone() {
    let folder = folder();
    let store = stores::open(&folder);
    // So many incidents that what stays of them is read in more than one page.
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    let keys = writer.take_begun().unwrap();
    writer.set_retention(Retention { everyday: 1, ..Retention::default() });
    for third in 0..10 {
        let addresses = (0..250).map(|last| format!("203.0.{third}.{last}"));
        let lines = addresses.flat_map(|from| (0..5).map(move |at| stores::failure(at, &from)));
        writer.write(rules.prepare_lines(lines, noon(5)), noon(5)).unwrap();
    }
    fill(&mut writer, 70_000, noon(5));
    let early = Note::parse(&store.checkpoint("web-1").unwrap().unwrap().note).unwrap();
    writer.rotate_key();
    assert_eq!(prune(&mut writer, noon(2 * DAY + 60)), BLOCK);
    fill(&mut writer, 135_000, noon(2 * DAY + 100));
    let middle = Note::parse(&store.checkpoint("web-1").unwrap().unwrap().note).unwrap();
    // The second block still holds events that are kept.
    assert_eq!(prune(&mut writer, noon(3 * DAY)), 0);
    fill(&mut writer, 140_000, noon(3 * DAY + 100));
    let stream = store.stream("web-1").unwrap();
    let options = VerifyOptions {
        vkeys: vec![keys.vkey(&stream.origin)],
        k0: vec![(None, *keys.k0())],
        anchors: vec![early, middle.clone()],
        ..VerifyOptions::default()
    };
    let verdict = |store: &Store| store.verify(&options).unwrap().remove(0);
    let genesis = VerifyOptions { vkeys: options.vkeys.clone(), ..VerifyOptions::default() };
    let first = verdict(&store);
    assert!(first.is_ok() && first.pruned == BLOCK, "{:?}", first.findings);
    assert!(first.notices.is_empty(), "{:?}", first.notices);
    // What was announced for the first block stays when the second goes.
    assert_eq!(prune(&mut writer, noon(4 * DAY)), BLOCK);
    writer.close(noon(4 * DAY + 60)).unwrap();
    let second = verdict(&store);
    assert!(second.is_ok() && second.pruned == 2 * BLOCK, "{:?}", second.findings);
    assert_eq!(second.notices.len(), 1, "{:?}", second.notices);

    gone_is_gone_and_proofs_of_the_rest_stay(&folder, &store, &middle);
    exported(&folder, &store, &options);
    drop(store);
    // A start compares with the key file; what follows goes on in the same stream.
    let again = copy(&folder);
    let store = stores::open(&again);
    let mut writer = store.writer("web-1", Ruleset::empty(), noon(5 * DAY)).unwrap();
    assert_eq!(writer.take_warnings(), Vec::<String>::new());
    assert_eq!(writer.stream(), stream.id());
    fill(&mut writer, 141_000, noon(5 * DAY));
    writer.close(noon(5 * DAY + 9)).unwrap();
    assert!(verdict(&store).is_ok());
    attacks(&folder, &options, &genesis);
}

/// Prunes a store in a process that can be told to die; does nothing when it is not asked.
#[test]
fn child() {
    let Ok(folder) = std::env::var(STORE) else { return };
    let store = stores::open(folder);
    let mut writer = store.writer("web-1", Ruleset::empty(), noon(3 * DAY)).unwrap();
    writer.set_retention(Retention { everyday: 1, ..Retention::default() });
    assert_eq!(prune(&mut writer, noon(3 * DAY)), BLOCK);
}

#[test]
fn a_process_may_die_while_it_prunes_and_nothing_that_was_changed_is_pruned() {
    let folder = folder();
    let store = stores::open(&folder);
    let mut writer = store.writer("web-1", Ruleset::empty(), noon(0)).unwrap();
    writer.set_retention(Retention { everyday: 1, ..Retention::default() });
    fill(&mut writer, 66_000, noon(5));
    writer.rotate_key();
    writer.maintain(noon(100)).unwrap();
    while writer.expire(noon(3 * DAY)).unwrap() > 0 {}
    writer.close(noon(3 * DAY)).unwrap();
    drop(store);
    for place in ["prune.announced", "prune.deleted"] {
        for time in 0..if cfg!(debug_assertions) { TIMES } else { 0 } {
            let victim = copy(&folder);
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["child", "--exact"]).env(STORE, victim.path());
            command.env("SECMON_FAILPOINT", format!("{place}:1"));
            assert!(!command.output().unwrap().status.success(), "{place}");
            let store = stores::open(&victim);
            let verdict = || store.verify(&VerifyOptions::default()).unwrap().remove(0);
            assert!(verdict().is_ok(), "{place}, time {time}: {:?}", verdict().findings);
            let now = noon(4 * DAY + time.cast_signed());
            let mut writer = store.writer("web-1", Ruleset::empty(), now).unwrap();
            assert_eq!(writer.take_warnings(), Vec::<String>::new());
            writer.set_retention(Retention { everyday: 1, ..Retention::default() });
            let left = if place == "prune.announced" { BLOCK } else { 0 };
            assert_eq!(prune(&mut writer, now), left, "{place}");
            writer.close(now).unwrap();
            let verdict = verdict();
            assert!(verdict.is_ok() && verdict.pruned == BLOCK, "{:?}", verdict.findings);
        }
    }
    let changes = [
        "DELETE FROM records WHERE seq = (SELECT max(seq) FROM records WHERE seq < 65536)",
        "UPDATE records SET body = CAST(replace(CAST(body AS TEXT), 'rules', 'ruled') AS BLOB) WHERE seq = 0",
        "UPDATE tiles SET hashes = zeroblob(8192) WHERE level = 0 AND idx = 7",
        "DELETE FROM removals",
        "UPDATE records SET category = 'secmon.heartbeat' WHERE category = 'secmon.rules'",
    ];
    for change in changes {
        let victim = copy(&folder);
        let db = without_triggers(&victim);
        db.change(change);
        drop(db);
        let store = stores::open(&victim);
        let mut writer = store.writer("web-1", Ruleset::empty(), noon(4 * DAY)).unwrap();
        writer.set_retention(Retention { everyday: 1, ..Retention::default() });
        let refused = writer.prune(noon(4 * DAY));
        assert!(matches!(refused, Err(Error::Tampered { .. })), "{change}: {refused:?}");
    }
    let refused = Sql::of(&folder).run("DELETE FROM records WHERE seq < 65536").unwrap_err();
    assert!(refused.contains("append-only"), "{refused}");
}

fn without_triggers(folder: &TempDir) -> Sql {
    let db = Sql::of(folder);
    db.drop_triggers();
    db
}

fn gone_is_gone_and_proofs_of_the_rest_stay(folder: &TempDir, store: &Store, middle: &Note) {
    let below = |what: &str| count(folder, &format!("SELECT count(*) FROM {what}"));
    let end = 2 * BLOCK;
    assert_eq!(below(&format!("records WHERE seq < {end} AND category = 'event'")), 0);
    assert_eq!(below(&format!("tiles WHERE level = 0 AND idx < {}", end / 256)), 0);
    assert_eq!(below("tiles WHERE level = 1 AND idx < 2"), 0);
    assert_eq!(
        below(&format!("records WHERE seq < {end}")),
        below("kept_proofs"),
        "each record that stayed has its proof"
    );
    assert!((2_500..4_000).contains(&below("kept_proofs")), "{}", below("kept_proofs"));
    let key = "SELECT count(*) FROM records WHERE category = 'secmon.key'";
    assert!(count(folder, key) >= 2);
    let stream = store.stream("web-1").unwrap();
    let note = store.checkpoint("web-1").unwrap().unwrap().note;
    let last = Note::parse(&note).unwrap();
    let vkey = [stream.stream_vkey.parse().unwrap()];
    for seq in [end + 4_000, end + 4_777, last.size - 1] {
        let proof = store.proof("web-1", seq).unwrap();
        proof.check(&store.record(&stream.id(), seq).unwrap().body, &vkey).unwrap();
    }
    let hashes = store.consistency("web-1", middle.size, last.size).unwrap();
    assert!(consistency_holds((middle.size, &middle.root), (last.size, &last.root), &hashes));
    let gone = store.proof("web-1", 5).unwrap_err().to_string();
    assert!(gone.contains("below 131072 were pruned"), "{gone}");
    let gone = store.consistency("web-1", 10, last.size).unwrap_err().to_string();
    assert!(gone.contains("below 131072 were pruned"), "{gone}");
}

fn exported(folder: &TempDir, store: &Store, options: &VerifyOptions) {
    let out = folder.path().join("export");
    store.export(&out, None, |_| {}).unwrap();
    let verdict = || verify_export(&out, options, |_| {}).unwrap().remove(0);
    let found = verdict();
    assert!(
        found.is_ok() && found.pruned == 2 * BLOCK && found.macs_checked,
        "{:?}",
        found.findings
    );
    let file = fs::read_dir(&out).unwrap().next().unwrap().unwrap().path().join("pruned.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Each record that stayed, left out or changed; and where the stream begins, changed.
    let last = lines.len();
    for at in (1..last).step_by(2).filter(|at| *at < 6 || at % 1_000 == 1 || *at > last - 8) {
        let mut fewer = lines.clone();
        fewer.drain(at..at + 2);
        fs::write(&file, fewer.join("\n") + "\n").unwrap();
        let category = lines[at + 1].split("\"cat\":\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(!verdict().is_ok(), "a record of `{category}` is left out");
        let changed = lines[at + 1].replacen("\"at\":1", "\"at\":2", 1);
        let mut others = lines.clone();
        others[at + 1] = &changed;
        fs::write(&file, others.join("\n") + "\n").unwrap();
        assert!(!verdict().is_ok(), "a record of `{category}` is changed");
    }
    for (from, to) in [("\"size\":131072", "\"size\":65536"), ("\"epoch\":", "\"epoch\":1")] {
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        assert!(!verdict().is_ok(), "{to}");
    }
    // An announcement that no proof was given of, in a line that is a proof of something else.
    let at = lines.iter().rposition(|line| line.contains("\"cat\":\"secmon.retention\"")).unwrap();
    let mut forged: serde_json::Value = serde_json::from_str(lines[at]).unwrap();
    let place: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
    (forged["path"], forged["seq"]) = (place["path"].clone(), place["seq"].clone());
    let forged = forged.to_string();
    let mut others = lines.clone();
    others[1] = &forged;
    others.drain(at - 1..=at);
    fs::write(&file, others.join("\n") + "\n").unwrap();
    assert!(!verdict().is_ok());
    fs::remove_file(&file).unwrap();
    assert!(!verdict().is_ok());
    fs::remove_dir_all(&out).unwrap();
}

fn attacks(folder: &TempDir, all: &VerifyOptions, genesis: &VerifyOptions) {
    let attacks = [
        ("DELETE FROM records WHERE seq = 139000", Flaw::Missing),
        ("UPDATE streams SET pruned_to = 65536", Flaw::BadTile),
        ("UPDATE streams SET pruned_range = zeroblob(32)", Flaw::BadTile),
        ("UPDATE streams SET pruned_range = zeroblob(31)", Flaw::BadTile),
        ("UPDATE streams SET pruned_mac = zeroblob(32)", Flaw::BadMac),
        ("UPDATE streams SET pruned_epoch = pruned_epoch + 1", Flaw::BadSeal),
        ("UPDATE streams SET pruned_epoch = 4000000000000", Flaw::Malformed),
        ("UPDATE streams SET pruned_to = 4611686018427387904", Flaw::BadTile),
        (
            "INSERT INTO checkpoints SELECT stream_no, 77, epoch, mac, note, issued_at FROM checkpoints LIMIT 1",
            Flaw::BadSeal,
        ),
        ("UPDATE checkpoints SET mac = zeroblob(32) WHERE size < 131072", Flaw::BadSeal),
        (
            "UPDATE seals SET mac = zeroblob(32) WHERE size IN (SELECT size FROM checkpoints WHERE size < 131072)",
            Flaw::BadSeal,
        ),
        (
            "INSERT INTO tiles SELECT stream_no, 0, 3, hashes FROM tiles WHERE level = 0 LIMIT 1",
            Flaw::BadTile,
        ),
        ("UPDATE kept_proofs SET path = zeroblob(512)", Flaw::Altered),
        ("DELETE FROM kept_proofs", Flaw::Altered),
        ("UPDATE tiles SET hashes = zeroblob(64) WHERE level = 2", Flaw::BadTile),
        ("DELETE FROM checkpoints WHERE size < 131072", Flaw::BadSignature),
        (
            "UPDATE checkpoints SET note = replace(note, char(8212), 'x') WHERE size < 131072",
            Flaw::Malformed,
        ),
        ("DELETE FROM records WHERE category = 'secmon.key' AND seq < 131072", Flaw::BadSignature),
        ("DELETE FROM records WHERE category = 'secmon.retention' AND seq < 131072", Flaw::Missing),
        ("DELETE FROM removals WHERE block = 0", Flaw::Missing),
        ("DELETE FROM records WHERE category = 'secmon.retention' AND seq > 131072", Flaw::Missing),
        ("UPDATE records SET ts = ts + 1 WHERE seq < 131072", Flaw::ColumnMismatch),
        (
            "UPDATE records SET body = CAST(replace(CAST(body AS TEXT), 'rotated', 'rotatet') AS BLOB) WHERE category = 'secmon.key'",
            Flaw::Altered,
        ),
        (
            "INSERT INTO records SELECT stream_no, 7, ts, expires, level, category, host, source_ip, user_name, action, outcome, body, mac FROM records WHERE seq = 139001",
            Flaw::Altered,
        ),
    ];
    for (attack, flaw) in attacks {
        let victim = copy(folder);
        let db = without_triggers(&victim);
        db.change(attack);
        drop(db);
        // Who has the genesis key alone finds all but what only MACs tell.
        let (options, keys) = match flaw {
            Flaw::BadMac => (all, stores::keys(&victim)),
            _ => (genesis, victim.path().join("nowhere")),
        };
        let store = Store::open_with(&url(&victim), Some(&keys), false).unwrap();
        let found = store.verify(options).unwrap().remove(0);
        assert!(
            found.findings.iter().any(|finding| finding.flaw == flaw),
            "{attack}: {:?}",
            found.findings
        );
    }
}
