//! Whatever is changed in a database by hand is found, on each of them: every column of a record, and every table that
//! verification relies on. `tamper.rs` goes deeper, on files.

#[path = "support/stores.rs"]
mod stores;

use secmon_core::Ruleset;
use secmon_core::seal::Vkey;
use secmon_store::{Store, VerifyOptions};
use stores::{Sql, failure, folder, keys, noon, url};

const CHANGES: &[&str] = &[
    "UPDATE records SET ts = ts + 1 WHERE seq = 3",
    "UPDATE records SET expires = expires + 1 WHERE seq = 3",
    "UPDATE records SET level = level + 1 WHERE seq = 3",
    "UPDATE records SET category = 'secmon.rules' WHERE seq = 3",
    "UPDATE records SET host = 'web-2' WHERE seq = 3",
    "UPDATE records SET host = NULL WHERE seq = 3",
    // A blank at the end is something else.
    "UPDATE records SET host = 'web-1 ' WHERE seq = 3",
    "UPDATE records SET host = 'WEB-1' WHERE seq = 3",
    "UPDATE records SET source_ip = '203.0.113.8' WHERE seq = 3",
    "UPDATE records SET user_name = 'Root' WHERE seq = 3",
    "UPDATE records SET action = NULL WHERE seq = 3",
    "UPDATE records SET outcome = 'success' WHERE seq = 3",
    "UPDATE records SET outcome = '' WHERE seq = 0",
    "UPDATE records SET body = replace(body, 'root', 'roof') WHERE seq = 3",
    "UPDATE records SET body = replace(body, '}', '} ') WHERE seq = 3",
    "UPDATE records SET mac = zeroblob(32) WHERE seq = 3",
    "UPDATE records SET seq = 1000 WHERE seq = 3",
    "UPDATE records SET seq = -1 WHERE seq = 3",
    "UPDATE records SET stream_no = 9 WHERE seq = 3",
    "DELETE FROM records WHERE seq = 3",
    "DELETE FROM records WHERE seq = (SELECT size - 1 FROM streams)",
    "INSERT INTO records SELECT stream_no, 1000, ts, expires, level, category, host, source_ip, user_name, action, \
     outcome, body, mac FROM records WHERE seq = 3",
    "UPDATE tiles SET hashes = zeroblob(64)",
    "DELETE FROM tiles",
    "UPDATE checkpoints SET note = replace(note, 'A', 'B')",
    "UPDATE checkpoints SET mac = zeroblob(32)",
    "UPDATE checkpoints SET epoch = epoch + 7",
    "DELETE FROM checkpoints",
    "UPDATE seals SET mac = zeroblob(32)",
    "DELETE FROM seals",
    "UPDATE streams SET size = size - 1",
    "UPDATE streams SET root = zeroblob(32)",
    "UPDATE streams SET frontier = zeroblob(32)",
    "UPDATE streams SET last_mac = zeroblob(32)",
    "UPDATE streams SET mac_epoch = mac_epoch + 1",
    "UPDATE streams SET origin = 'local/x'",
    "UPDATE streams SET genesis_vkey = 'x'",
    "UPDATE streams SET pruned_to = 65536",
    "DELETE FROM streams",
];

#[test]
fn whatever_is_changed_by_hand_is_refused_and_then_found() {
    let victim = folder();
    let store = stores::open(&victim);
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    let secrets = writer.take_begun().unwrap();
    for batch in 0..4 {
        let lines = (0..4).map(|line| failure(10 * batch + line, "203.0.113.7"));
        let now = noon(10 * batch + 5);
        writer.write(rules.prepare_lines(lines, now), now).unwrap();
    }
    writer.close(noon(60)).unwrap();
    let vkey: Vkey = secrets.vkey(&store.streams().unwrap()[0].origin);
    let options = VerifyOptions {
        vkeys: vec![vkey],
        k0: vec![(None, *secrets.k0())],
        ..VerifyOptions::default()
    };
    assert!(store.verify(&options).unwrap().iter().all(|verdict| verdict.is_ok()));
    // Where the day of expiry is in the key, a record can be there twice.
    let twice = "INSERT INTO records SELECT stream_no, seq, ts, expires + 7, level, category, host, source_ip, user_name, \
                 action, outcome, body, mac FROM records WHERE seq = 3";
    let twice = stores::mysql().map(|_| twice);
    for change in CHANGES.iter().copied().chain(twice) {
        let sealed = ["UPDATE records", "DELETE FROM records", "checkpoints", "seals"];
        let is_sealed = sealed.iter().any(|table| change.contains(table));
        let copy = folder();
        Sql::of(&victim).copy_to(&copy);
        let sql = Sql::of(&copy);
        if is_sealed {
            let refused = sql.run(change).unwrap_err();
            assert!(refused.contains("append-only"), "{change}: {refused}");
            sql.drop_triggers();
        }
        sql.run(change).unwrap_or_else(|error| panic!("{change}: {error}"));
        let changed = Store::open_with(&url(&copy), Some(&keys(&victim)), false).unwrap();
        let is_found = match changed.verify(&options) {
            Ok(verdicts) => verdicts.iter().any(|verdict| !verdict.is_ok()),
            // K_0 was given for the only stream, which is gone.
            Err(_) => change.contains("streams"),
        };
        assert!(is_found, "{change}");
    }
}
