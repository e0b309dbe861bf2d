//! Whatever is changed in a store behind secmon's back is found, and the first bad record is named.

#[path = "support/stores.rs"]
mod stores;

use std::fmt::Write as _;

use proptest::prelude::*;
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use secmon_core::Ruleset;
use secmon_core::seal::{Flaw, Sealer, StreamKeys, Tree, Verdict, Vkey, leaf_hash};
use secmon_store::{Store, VerifyOptions};
use stores::{failure, folder, noon, url};
use tempfile::TempDir;

/// A store that nobody writes to any more, with what its auditor holds.
struct Target {
    folder: TempDir,
    store: Store,
    sql: Connection,
    vkey: Vkey,
    k0: [u8; 32],
    size: i64,
}

const TRIGGERS: [&str; 6] = [
    "records_update",
    "records_delete",
    "checkpoints_update",
    "checkpoints_delete",
    "seals_update",
    "seals_delete",
];

fn write(store: &Store, batches: std::ops::Range<i64>) -> Option<StreamKeys> {
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(batches.start * 10)).unwrap();
    let keys = writer.take_begun();
    for batch in batches.clone() {
        let now = noon(batch * 10 + 5);
        let second = batch * 10;
        let lines = (0..7).map(|line| match line {
            0..3 => failure(second + line, "203.0.113.7"),
            3 => failure(second + line, "2001:db8::7"),
            4 => format!("{{\"message\":\"x\\u00e9\\n \\\"{line}\\\"\",\"user.name\":\"b\\u00f6b\",\"source.ip\":\"198.51.100.9\"}}"),
            5 => format!("Nov 20 12:00:0{batch} web-1 sudo: bob : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/x"),
            _ => "a line x that nobody knows".into(),
        });
        let prepared = rules.prepare_lines(lines, now);
        writer.write(prepared, now).unwrap();
    }
    writer.close(noon(batches.end * 10)).unwrap();
    keys
}

/// About sixty records in eight batches, most of them with a checkpoint behind.
fn target() -> Target {
    let folder = folder();
    let store = stores::open(&folder);
    let keys = write(&store, 0..8).unwrap();
    let sql = Connection::open(folder.path().join("secmon.db")).unwrap();
    sql.execute_batch("PRAGMA synchronous = OFF").unwrap();
    for trigger in TRIGGERS {
        sql.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    let stream = store.streams().unwrap().remove(0);
    let vkey = keys.vkey(&stream.origin);
    assert_eq!(vkey.to_string(), stream.genesis_vkey);
    let size = i64::try_from(stream.size()).unwrap();
    let target = Target { folder, store, sql, vkey, k0: *keys.k0(), size };
    let verdict = target.verdict();
    assert!(verdict.is_ok(), "{:?}", verdict.findings);
    assert!(verdict.macs_checked && verdict.covered == verdict.records && verdict.checkpoints >= 4);
    assert!((55..75).contains(&size), "{size}");
    target
}

impl Target {
    /// What the auditor finds, with the public key, K_0 and the key file.
    fn verdict(&self) -> Verdict {
        let options = VerifyOptions {
            vkeys: vec![self.vkey.clone()],
            k0: vec![(None, self.k0)],
            ..Default::default()
        };
        self.only(self.store.verify(&options).unwrap())
    }

    /// What anybody finds who has the public key alone.
    fn public(&self) -> Verdict {
        let options = VerifyOptions { vkeys: vec![self.vkey.clone()], ..Default::default() };
        let elsewhere = self.folder.path().join("no-keys");
        let store = Store::open_with(&url(&self.folder), Some(&elsewhere), false).unwrap();
        self.only(store.verify(&options).unwrap())
    }

    fn only(&self, mut verdicts: Vec<Verdict>) -> Verdict {
        let at = verdicts.iter().position(|verdict| verdict.origin == self.vkey.name());
        verdicts.remove(at.unwrap())
    }

    fn run(&self, sql: &str) -> usize {
        self.sql.execute(sql, []).unwrap()
    }

    /// Runs statements, looks at what is found, and takes them back.
    fn found(&self, sql: &str) -> Verdict {
        self.with(sql, Self::verdict)
    }

    fn with<T>(&self, sql: &str, look: impl FnOnce(&Self) -> T) -> T {
        let tables = ["records", "tiles", "checkpoints", "seals", "streams"];
        for table in tables {
            self.run(&format!(
                "CREATE TEMP TABLE IF NOT EXISTS kept_{table} AS SELECT * FROM {table}"
            ));
        }
        self.sql.execute_batch(&format!("BEGIN; {sql}; COMMIT")).unwrap();
        let answer = look(self);
        for table in tables {
            self.sql
                .execute_batch(&format!("BEGIN; DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}; COMMIT"))
                .unwrap();
        }
        answer
    }

    fn all<T: rusqlite::types::FromSql>(&self, sql: &str) -> Vec<T> {
        let mut statement = self.sql.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn one<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        self.all(sql).remove(0)
    }

    fn bodies(&self) -> Vec<Vec<u8>> {
        self.all("SELECT body FROM records ORDER BY seq")
    }

    /// Flips in turn the bits of a column, of all records at once (each has a finding of its own), and
    /// asserts that every record is named with the flaw. Of each record every `step`-th bit: which of
    /// them differs from record to record, so that over all records every bit of the form has its turn.
    fn flip_all(&self, column: &str, cast: &str, step: usize, flaw: Flaw) -> usize {
        let kept: Vec<Value> = self.all(&format!("SELECT {column} FROM records ORDER BY seq"));
        let bits =
            kept.iter().map(|value| bytes(value).map_or(0, |bytes| bytes.len() * 8)).max().unwrap();
        let update =
            format!("UPDATE records SET {column} = {} WHERE seq = ?2", cast.replace("$", "?1"));
        let mut flipped = 0;
        for bit in (0..bits).step_by(step) {
            self.run("BEGIN");
            let mut changed = Vec::new();
            for (seq, value) in (0_i64..).zip(&kept) {
                if let Some(altered) = flip(value, bit + usize::try_from(seq).unwrap() % step) {
                    self.sql.execute(&update, params![altered, seq]).unwrap();
                    changed.push(seq);
                }
            }
            self.run("COMMIT");
            let verdict = self.verdict();
            for seq in &changed {
                assert!(
                    verdict
                        .findings
                        .iter()
                        .any(|found| found.seq == seq.unsigned_abs() && found.flaw == flaw),
                    "{column} bit {bit} of record {seq}: {:?}",
                    verdict.findings
                );
            }
            flipped += changed.len();
            self.run("BEGIN");
            for seq in &changed {
                let update = format!("UPDATE records SET {column} = ?1 WHERE seq = ?2");
                self.sql
                    .execute(&update, params![kept[usize::try_from(*seq).unwrap()], seq])
                    .unwrap();
            }
            self.run("COMMIT");
        }
        assert!(self.verdict().is_ok());
        flipped
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::Integer(number) => Some(number.to_le_bytes().to_vec()),
        Value::Real(_) => unreachable!(),
        Value::Text(text) => Some(text.clone().into_bytes()),
        Value::Blob(blob) => Some(blob.clone()),
    }
}

/// The value with one bit changed; texts come back as bytes, to be cast.
fn flip(value: &Value, bit: usize) -> Option<Value> {
    let mut bytes = bytes(value)?;
    *bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
    Some(match value {
        Value::Integer(_) => Value::Integer(i64::from_le_bytes(bytes.try_into().unwrap())),
        _ => Value::Blob(bytes),
    })
}

#[test]
fn an_untouched_store_is_sound_with_and_without_secrets() {
    let target = target();
    let verdict = target.public();
    assert!(verdict.is_ok() && !verdict.macs_checked, "{:?}", verdict.findings);
    // Without a key that came another way the store's own is taken.
    assert!(target.store.verify(&VerifyOptions::default()).unwrap()[0].is_ok());
}

#[test]
fn sealed_rows_cannot_be_changed_while_the_triggers_are_there() {
    let folder = folder();
    let store = stores::open(&folder);
    write(&store, 0..1);
    let sql = Connection::open(folder.path().join("secmon.db")).unwrap();
    for statement in [
        "UPDATE records SET host = 'x'",
        "UPDATE records SET body = replace(body, 'x', 'y')",
        "DELETE FROM records WHERE seq = 1",
        "UPDATE checkpoints SET note = ''",
        "DELETE FROM checkpoints",
        "UPDATE seals SET mac = x'00'",
        "DELETE FROM seals",
    ] {
        let error = sql.execute(statement, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{statement}: {error}");
    }
    assert!(store.verify(&VerifyOptions::default()).unwrap()[0].is_ok());
}

#[test]
fn the_bits_of_every_body_count() {
    let target = target();
    let flipped = target.flip_all("body", "$", 29, Flaw::Altered);
    assert!(flipped > 60 * 250 * 8 / 29, "{flipped}");
}

#[test]
fn the_bits_of_every_mac_count_for_the_holder_of_k0() {
    assert_eq!(target().flip_all("mac", "$", 8, Flaw::BadMac) % 32, 0);
}

#[test]
fn the_bits_of_every_indexed_number_count() {
    let target = target();
    for column in ["ts", "expires", "level"] {
        assert_eq!(
            target.flip_all(column, "$", 4, Flaw::ColumnMismatch),
            16 * usize::try_from(target.size).unwrap()
        );
    }
}

#[test]
fn the_bits_of_every_indexed_text_count() {
    let target = target();
    for column in ["category", "host", "source_ip", "user_name", "action", "outcome"] {
        assert!(
            target.flip_all(column, "CAST($ AS TEXT)", 5, Flaw::ColumnMismatch) > 60,
            "{column}"
        );
    }
}

#[test]
fn an_indexed_column_that_is_emptied_or_changes_its_type_is_found() {
    let target = target();
    for column in [
        "ts",
        "expires",
        "level",
        "category",
        "host",
        "source_ip",
        "user_name",
        "action",
        "outcome",
    ] {
        for value in
            ["NULL", "''", "$ || 'x'", "CAST($ AS BLOB)", "$ + 0.5", "x'ff'", "'x' || char(0)"]
        {
            let constant = ["ts", "expires", "level", "category"].contains(&column);
            let seq = 4; // a JSON event: user and address
            let absent: Option<i64> =
                target.one(&format!("SELECT {column} IS NULL FROM records WHERE seq = {seq}"));
            if (value == "NULL" && constant)
                || absent == Some(1) && value.contains('$')
                || (absent == Some(1) && value == "NULL")
            {
                continue;
            }
            let sql = format!(
                "UPDATE records SET {column} = {} WHERE seq = {seq}",
                value.replace('$', column)
            );
            let verdict = target.found(&sql);
            let first = verdict.first().unwrap_or_else(|| panic!("{sql}: not found"));
            assert_eq!((first.flaw, first.seq), (Flaw::ColumnMismatch, seq), "{sql}");
        }
    }
}

#[test]
fn the_bits_of_every_stored_leaf_count() {
    let target = target();
    let kept: Vec<u8> = target.one("SELECT hashes FROM tiles");
    for bit in (0..256).step_by(7) {
        let mut altered = kept.clone();
        altered.iter_mut().skip(bit / 8).step_by(32).for_each(|byte| *byte ^= 1 << (bit % 8));
        target.sql.execute("UPDATE tiles SET hashes = ?1", params![altered]).unwrap();
        let verdict = target.verdict();
        for seq in 0..u64::try_from(target.size).unwrap() {
            let named = verdict.findings.iter().find(|found| found.seq == seq);
            assert_eq!(
                named.map(|found| found.flaw),
                Some(Flaw::BadTile),
                "bit {bit} of leaf {seq}"
            );
        }
    }
}

#[test]
fn a_stored_tile_that_is_gone_or_cut_is_found() {
    let target = target();
    for sql in [
        "DELETE FROM tiles",
        "UPDATE tiles SET hashes = x''",
        "UPDATE tiles SET hashes = substr(hashes, 1, 40)",
        "UPDATE tiles SET idx = 1",
        "UPDATE tiles SET level = 1",
    ] {
        assert!(!target.found(sql).is_ok(), "{sql}");
        assert!(!target.with(sql, Target::public).is_ok(), "{sql}");
    }
}

#[test]
fn the_bits_of_every_checkpoint_note_count() {
    let target = target();
    let sizes: Vec<i64> = target.all("SELECT size FROM checkpoints ORDER BY size");
    let notes: Vec<String> = target.all("SELECT note FROM checkpoints ORDER BY size");
    let update = "UPDATE checkpoints SET note = CAST(?1 AS TEXT) WHERE size = ?2";
    let bits = notes.iter().map(|note| note.len() * 8).max().unwrap();
    // Of each note every eleventh bit, in each of them others.
    for bit in (0..bits).step_by(11) {
        let altered: Vec<_> = notes
            .iter()
            .zip(0..)
            .map(|(note, at)| flip(&Value::Text(note.clone()), bit + at % 11))
            .collect();
        for (size, note) in sizes.iter().zip(&altered) {
            if let Some(note) = note {
                target.sql.execute(update, params![note, size]).unwrap();
            }
        }
        let verdict = target.verdict();
        for (size, note) in sizes.iter().zip(&altered) {
            let found =
                verdict.findings.iter().any(|found| found.seq == u64::try_from(*size).unwrap());
            assert_eq!(
                found,
                note.is_some(),
                "bit {bit} of the note at {size}: {:?}",
                verdict.findings
            );
        }
        assert_eq!(
            verdict.checkpoints as usize,
            altered.iter().filter(|note| note.is_none()).count()
        );
        for (size, note) in sizes.iter().zip(&notes) {
            target.sql.execute(update, params![note.as_bytes(), size]).unwrap();
        }
    }
}

#[test]
fn signatures_of_foreign_keys_are_ignored() {
    let target = target();
    let sql =
        "UPDATE checkpoints SET note = note || '\u{2014} witness.example/1 AAAAAAAA' || char(10)";
    assert!(target.found(sql).is_ok());
}

#[test]
fn the_bits_of_a_seal_count() {
    let target = target();
    let sizes: Vec<i64> = target.all("SELECT size FROM checkpoints ORDER BY size");
    for (table, column) in [
        ("checkpoints", "size"),
        ("checkpoints", "epoch"),
        ("checkpoints", "mac"),
        ("seals", "size"),
        ("seals", "epoch"),
        ("seals", "mac"),
    ] {
        for size in [sizes[0], sizes[sizes.len() / 2], sizes[sizes.len() - 1]] {
            let row: i64 = target.one(&format!("SELECT rowid FROM {table} WHERE size = {size}"));
            let kept: Value =
                target.all(&format!("SELECT {column} FROM {table} WHERE rowid = {row}")).remove(0);
            let update = format!("UPDATE OR IGNORE {table} SET {column} = ?1 WHERE rowid = ?2");
            let step = if column == "mac" { 29 } else { 7 };
            for bit in (0..bytes(&kept).unwrap().len() * 8).step_by(step) {
                let changed = target.sql.execute(&update, params![flip(&kept, bit), row]).unwrap();
                if changed == 1 {
                    let verdict = target.verdict();
                    assert!(!verdict.is_ok(), "{table}.{column} at {size}, bit {bit}");
                    target.sql.execute(&update, params![kept, row]).unwrap();
                }
            }
        }
    }
    assert!(target.verdict().is_ok());
}

#[test]
fn a_checkpoint_or_seal_that_is_gone_or_doubled_is_found() {
    let target = target();
    let sizes: Vec<i64> = target.all("SELECT size FROM checkpoints ORDER BY size");
    for size in sizes {
        assert!(
            !target
                .with(&format!("DELETE FROM checkpoints WHERE size = {size}"), Target::public)
                .is_ok()
        );
        assert!(
            !target.with(&format!("DELETE FROM seals WHERE size = {size}"), Target::public).is_ok()
        );
        let both = format!(
            "DELETE FROM seals WHERE size = {size}; DELETE FROM checkpoints WHERE size = {size}"
        );
        assert!(!target.with(&both, Target::public).is_ok());
    }
    assert!(!target.found("DELETE FROM seals; DELETE FROM checkpoints").is_ok());
    let double = "INSERT INTO checkpoints SELECT stream_no, size - 1, epoch, mac, note, issued_at FROM checkpoints WHERE epoch = 1";
    assert!(!target.found(double).is_ok());
    let more = "INSERT INTO seals SELECT stream_no, max(epoch) + 1, size, mac FROM seals";
    assert!(!target.found(more).is_ok());
}

/// Renumbers records from an index on; in two steps, because the key forbids doubles on the way.
fn renumber(from: i64, by: i64) -> String {
    format!(
        "UPDATE records SET seq = -seq - 1000 WHERE seq >= {from}; \
         UPDATE records SET seq = -seq - 1000 + {by} WHERE seq < -900"
    )
}

const COLUMNS: &str =
    "ts, expires, level, category, host, source_ip, user_name, action, outcome, body, mac";

#[test]
fn a_record_that_is_gone_is_named_wherever_it_stood() {
    let target = target();
    for seq in 0..target.size {
        for verdict in [
            target.found(&format!("DELETE FROM records WHERE seq = {seq}")),
            target.with(&format!("DELETE FROM records WHERE seq = {seq}"), Target::public),
        ] {
            let first = verdict.first().unwrap();
            assert_eq!((first.flaw, first.seq), (Flaw::Missing, u64::try_from(seq).unwrap()));
        }
    }
    let verdict = target.found("DELETE FROM records WHERE seq >= 10");
    assert_eq!(verdict.first().map(|found| (found.flaw, found.seq)), Some((Flaw::Missing, 10)));
    assert!(!target.found("DELETE FROM records").is_ok());
}

#[test]
fn a_record_that_is_gone_is_found_when_those_behind_move_up() {
    let target = target();
    for seq in 0..target.size {
        let sql = format!("DELETE FROM records WHERE seq = {seq}; {}", renumber(seq + 1, -1));
        let verdict = target.with(&sql, Target::public);
        let first = verdict.first().unwrap();
        assert_eq!(first.seq, u64::try_from(seq).unwrap(), "{first}");
    }
}

#[test]
fn a_record_that_was_put_in_is_found() {
    let target = target();
    let size = target.size;
    for at in [0, 1, size / 2, size - 1, size, size + 7, i64::MAX, -1, i64::MIN] {
        let make_room = if (0..size).contains(&at) { renumber(at, 1) } else { "SELECT 1".into() };
        let source = if (0..=3).contains(&at) { 4 + i64::from(at <= 4) } else { 3 };
        let sql = format!(
            "{make_room}; INSERT INTO records SELECT stream_no, {at}, {COLUMNS} FROM records WHERE seq = {source}"
        );
        for verdict in [target.found(&sql), target.with(&sql, Target::public)] {
            assert!(!verdict.is_ok(), "at {at}");
        }
    }
}

#[test]
fn records_of_a_stream_that_is_not_there_are_found() {
    let target = target();
    let sql = format!(
        "INSERT INTO records SELECT stream_no + 1, seq, {COLUMNS} FROM records WHERE seq = 3"
    );
    let verdicts =
        target.with(&sql, |target| target.store.verify(&VerifyOptions::default()).unwrap());
    assert!(verdicts.iter().any(|verdict| !verdict.is_ok()));
}

#[test]
fn a_stream_that_is_gone_is_found_by_whoever_holds_its_key() {
    let target = target();
    let verdict = target.with("DELETE FROM streams", Target::public);
    assert_eq!(verdict.first().map(|found| found.flaw), Some(Flaw::Missing));
}

#[test]
fn two_records_that_changed_places_are_found() {
    let target = target();
    for (a, b) in [(0, 1), (3, 4), (5, 40), (0, target.size - 1)] {
        let sql = format!(
            "UPDATE records SET seq = -1 WHERE seq = {a}; UPDATE records SET seq = {a} WHERE seq = {b}; \
             UPDATE records SET seq = {b} WHERE seq = -1"
        );
        for verdict in [target.found(&sql), target.with(&sql, Target::public)] {
            for seq in [a, b] {
                let named =
                    |found: &&secmon_core::seal::Finding| found.seq == u64::try_from(seq).unwrap();
                assert!(
                    verdict
                        .findings
                        .iter()
                        .filter(named)
                        .any(|found| found.flaw == Flaw::Reordered)
                );
            }
        }
    }
}

#[test]
fn a_body_and_its_stored_leaf_that_change_together_are_found() {
    let target = target();
    let bodies = target.bodies();
    for seq in 0..bodies.len() {
        let altered =
            String::from_utf8(bodies[seq].clone()).unwrap().replacen("\"v\":1", "\"w\":1", 1);
        let tiles: Vec<u8> = target.one("SELECT hashes FROM tiles");
        let mut hashes = tiles.clone();
        hashes[seq * 32..seq * 32 + 32].copy_from_slice(&leaf_hash(altered.as_bytes()));
        // The text stays strict JSON of version 1 in one case in two.
        let altered = if seq % 2 == 0 { altered } else { plain_change(&bodies[seq]) };
        hashes[seq * 32..seq * 32 + 32].copy_from_slice(&leaf_hash(altered.as_bytes()));
        let sql = format!(
            "UPDATE records SET body = x'{}' WHERE seq = {seq}; UPDATE tiles SET hashes = x'{}'",
            hex(altered.as_bytes()),
            hex(&hashes)
        );
        let verdict = target.with(&sql, Target::public);
        assert!(!verdict.is_ok());
        // The roots say between which checkpoints; the MACs say which record.
        let verdict = target.found(&sql);
        assert_eq!(
            verdict.findings.iter().find(|found| found.flaw == Flaw::BadMac).unwrap().seq,
            seq as u64
        );
    }
}

/// The body with another id, which no other rule of form forbids.
fn plain_change(body: &[u8]) -> String {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let at = body.find("\"id\":\"").unwrap() + 6;
    let digit = if body.as_bytes()[at] == b'0' { "1" } else { "0" };
    format!("{}{digit}{}", &body[..at], &body[at + 1..])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

#[test]
fn the_replace_of_the_sqlite_shell_is_found_though_it_makes_texts_of_bodies() {
    let target = target();
    let sql = "UPDATE records SET body = replace(body, 'x', 'y')";
    let texts: Vec<i64> = target
        .with(sql, |target| target.all("SELECT count(*) FROM records WHERE typeof(body) = 'text'"));
    assert_eq!(texts[0], target.size);
    for verdict in [target.found(sql), target.with(sql, Target::public)] {
        assert!(verdict.findings.iter().any(|found| found.flaw == Flaw::Altered));
    }
    // Texts with the same bytes are the same bodies, or a finding, but no error.
    target.found("UPDATE records SET body = CAST(body AS TEXT)");
    assert!(!target.found("UPDATE records SET body = x'ff00' || body WHERE seq = 5").is_ok());
    assert!(
        !target.found("UPDATE records SET mac = CAST(mac AS TEXT) || 'x' WHERE seq = 5").is_ok()
    );
    assert!(!target.found("UPDATE checkpoints SET note = CAST(x'ff' AS TEXT)").is_ok());
}

/// The statements that make a stream end at an older size, as somebody would who knows the format.
fn truncate(target: &Target, size: i64) -> String {
    let mut tree = Tree::default();
    for body in target.bodies().iter().take(usize::try_from(size).unwrap()) {
        tree.push(leaf_hash(body));
    }
    let mac: Vec<u8> = target.one(&format!("SELECT mac FROM records WHERE seq = {size} - 1"));
    format!(
        "DELETE FROM records WHERE seq >= {size}; DELETE FROM checkpoints WHERE size > {size}; \
         DELETE FROM seals WHERE size > {size}; UPDATE tiles SET hashes = substr(hashes, 1, {size} * 32); \
         UPDATE streams SET size = {size}, root = x'{}', frontier = x'{}', last_mac = x'{}', \
         mac_epoch = (SELECT max(epoch) + 1 FROM checkpoints), \
         last_at = (SELECT json_extract(body, '$.at') FROM records WHERE seq = {size} - 1)",
        hex(&tree.root()),
        hex(&tree.frontier().concat()),
        hex(&mac)
    )
}

#[test]
fn a_cut_to_an_older_checkpoint_is_found_by_the_key_file() {
    let target = target();
    let sizes: Vec<i64> = target.all("SELECT size FROM checkpoints ORDER BY size");
    for size in &sizes[..sizes.len() - 1] {
        let sql = truncate(&target, *size);
        let verdict = target.found(&sql);
        assert_eq!(verdict.findings.len(), 1, "{:?}", verdict.findings);
        assert_eq!(verdict.first().unwrap().flaw, Flaw::Rollback);
        // Without key file or anchor nobody can know: the documented limit.
        assert!(target.with(&sql, Target::public).is_ok());
        // Whoever forgets one of the places is found without it.
        for forgotten in
            sql.split("; ").filter(|part| !part.contains("tiles") && !part.contains("seals"))
        {
            let partly = sql.replace(forgotten, "SELECT 1");
            assert!(!target.with(&partly, Target::public).is_ok(), "{forgotten}");
        }
    }
    let between = sizes[1] - 1;
    assert!(!target.found(&truncate(&target, between)).is_ok());
}

#[test]
fn a_database_that_was_rolled_back_as_a_whole_is_found_by_the_key_file() {
    let folder = folder();
    let database = folder.path().join("secmon.db");
    let old = folder.path().join("old.db");
    let store = stores::open(&folder);
    write(&store, 0..2);
    drop(store);
    let backup = format!("VACUUM INTO '{}'", old.display());
    Connection::open(&database).unwrap().execute_batch(&backup).unwrap();
    write(&stores::open(&folder), 2..4);
    assert!(stores::open(&folder).verify(&VerifyOptions::default()).unwrap()[0].is_ok());
    for name in ["secmon.db", "secmon.db-wal", "secmon.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    std::fs::copy(&old, &database).unwrap();
    let verdict = stores::open(&folder).verify(&VerifyOptions::default()).unwrap().remove(0);
    assert_eq!(
        verdict.findings.iter().map(|found| found.flaw).collect::<Vec<_>>(),
        [Flaw::Rollback]
    );
    // With the key file rolled back too nobody can know: the documented limit.
    std::fs::remove_dir_all(folder.path().join("secmon.db.keys")).unwrap();
    assert!(stores::open(&folder).verify(&VerifyOptions::default()).unwrap()[0].is_ok());
}

#[test]
fn whoever_steals_the_keys_cannot_rewrite_the_past_of_a_holder_of_k0() {
    let target = target();
    let file: Vec<_> = std::fs::read_dir(target.folder.path().join("secmon.db.keys"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none())
        .collect();
    let keys: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file[0]).unwrap()).unwrap();
    let secret = |name: &str| -> [u8; 32] {
        stores::unbase64(keys[name].as_str().unwrap()).try_into().unwrap()
    };
    let keys = StreamKeys::from_bytes(secret("mac_key"), secret("signing_key"));
    let mut forger = Sealer::create(target.vkey.name(), &keys).unwrap();
    let sizes: Vec<i64> = target.all("SELECT size FROM checkpoints ORDER BY size");
    let mut sql = String::from("SELECT 1");
    let mut hashes = Vec::new();
    for (seq, body) in (0_i64..).zip(target.bodies()) {
        let body = if seq == 5 { plain_change(&body).into_bytes() } else { body };
        let (leaf, mac) = forger.seal(&body);
        hashes.extend(leaf);
        write!(
            sql,
            "; UPDATE records SET body = x'{}', mac = x'{}' WHERE seq = {seq}",
            hex(&body),
            hex(&mac)
        )
        .unwrap();
        if sizes.contains(&(seq + 1)) {
            let made = forger.checkpoint();
            let (size, mac) = (seq + 1, hex(&made.mac));
            write!(sql, "; UPDATE seals SET mac = x'{mac}' WHERE size = {size}").unwrap();
            write!(
                sql,
                "; UPDATE checkpoints SET mac = x'{mac}', note = '{}' WHERE size = {size}",
                made.note
            )
            .unwrap();
        }
    }
    let head = forger.head();
    write!(sql, "; UPDATE tiles SET hashes = x'{}'; UPDATE streams SET root = x'{}', frontier = x'{}', last_mac = x'{}'",
        hex(&hashes), hex(&head.tree.root()), hex(&head.tree.frontier().concat()), hex(&head.last_mac)).unwrap();
    let verdict = target.found(&sql);
    assert_eq!(verdict.first().map(|found| (found.flaw, found.seq)), Some((Flaw::BadMac, 0)));
}

#[test]
fn the_row_of_a_stream_says_what_its_records_say() {
    let target = target();
    for column in ["size", "mac_epoch"] {
        for bit in (0..63).step_by(3) {
            let sql = format!(
                "UPDATE streams SET {column} = ({column} | (1 << {bit})) - ({column} & (1 << {bit}))"
            );
            assert!(!target.with(&sql, Target::public).is_ok(), "{column} bit {bit}");
        }
    }
    for column in ["root", "frontier", "last_mac"] {
        // The last byte becomes another one whatever it was: roots differ from run to run.
        let last_byte = "substr($, 1, length($) - 1) || \
                         CASE WHEN substr($, -1) = x'5a' THEN x'5b' ELSE x'5a' END";
        for change in ["x''", "substr($, 2)", last_byte, "$ || x'00'", "zeroblob(length($))"] {
            let sql = format!("UPDATE streams SET {column} = {}", change.replace('$', column));
            assert!(!target.found(&sql).is_ok(), "{sql}");
        }
    }
    for sql in ["UPDATE streams SET origin = 'local/x'", "UPDATE streams SET genesis_vkey = 'x'"] {
        let verdicts = target.with(sql, |target| {
            target
                .store
                .verify(&VerifyOptions { vkeys: vec![target.vkey.clone()], ..Default::default() })
                .unwrap()
        });
        assert!(verdicts.iter().any(|verdict| !verdict.is_ok()), "{sql}");
    }
}

#[test]
fn one_changed_bit_of_one_body_names_just_that_record() {
    let target = target();
    let bodies = target.bodies();
    let config = ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() };
    proptest!(config, |(seq in 0..bodies.len(), at in any::<prop::sample::Index>(), bit in 0..8_u32)| {
        let mut body = bodies[seq].clone();
        let row = i64::try_from(seq).unwrap();
        let at = at.index(body.len());
        body[at] ^= 1 << bit;
        target.sql.execute("UPDATE records SET body = ?1 WHERE seq = ?2", params![body, row]).unwrap();
        let verdict = target.verdict();
        target.sql.execute("UPDATE records SET body = ?1 WHERE seq = ?2", params![bodies[seq], row]).unwrap();
        prop_assert!(!verdict.is_ok());
        prop_assert!(verdict.findings.iter().all(|found| found.seq == seq as u64), "{:?}", verdict.findings);
    });
}

#[test]
fn any_mix_of_changes_is_found() {
    let target = target();
    let change = prop_oneof![
        (0..target.size).prop_map(|seq| format!("DELETE FROM records WHERE seq = {seq}")),
        (0..target.size, 1..9_i64).prop_map(|(seq, by)| format!("UPDATE records SET ts = ts + {by} WHERE seq = {seq}")),
        (0..target.size, 0..target.size).prop_filter("two", |(a, b)| a != b).prop_map(|(a, b)| format!(
            "UPDATE records SET body = coalesce((SELECT body FROM records WHERE seq = {b}), body) WHERE seq = {a}"
        )),
        (0..target.size).prop_map(|seq| format!("UPDATE records SET body = substr(body, 1, length(body) - 1) WHERE seq = {seq}")),
        (0..target.size).prop_map(|seq| format!("UPDATE records SET body = body || ' ' WHERE seq = {seq}")),
        (0..target.size, -3..3_i64).prop_filter("moved", |(_, by)| *by != 0).prop_map(|(seq, by)| renumber(seq, by).replace("UPDATE records", "UPDATE OR REPLACE records")),
    ];
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() };
    proptest!(config, |(changes in prop::collection::vec(change, 1..4))| {
        let (verdict, is_changed) = target.with(&changes.join("; "), |target| {
            let differ = |a, b| target.one::<i64>(&format!("SELECT count(*) FROM (SELECT * FROM {a} EXCEPT SELECT * FROM {b})"));
            (target.public(), differ("records", "kept_records") + differ("kept_records", "records") > 0)
        });
        // Two of them may take each other back.
        prop_assert_eq!(!verdict.is_ok(), is_changed);
    });
}
