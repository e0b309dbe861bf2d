//! What is found of each attack, by what the verifier holds: the genesis key alone, K_0 too, the key file
//! too, a checkpoint that was kept outside too. Each attack is made on a copy of a real store whose signing
//! key rotated twice.

#[path = "support/stores.rs"]
mod stores;

use std::fs;

use base64::Engine as _;
use rusqlite::{Connection, params};
use secmon_core::Ruleset;
use secmon_core::seal::{Flaw, Head, KeyFile, Note, Sealer, Tree, Vkey, leaf_hash};
use secmon_store::{Store, VerifyOptions};
use stores::{failure, folder, noon, url};
use tempfile::TempDir;

const DAY: i64 = 86_400;
/// What each of the four holders finds.
const CLEAN: [bool; 4] = [false; 4];
const FOUND: [bool; 4] = [true; 4];

/// A store with three signing epochs and some records that no checkpoint covers yet.
struct Victim {
    folder: TempDir,
    genesis: Vkey,
    k0: [u8; 32],
    /// The last checkpoint, as somebody outside has it.
    outside: Note,
    sizes: Vec<i64>,
    size: i64,
}

fn victim() -> Victim {
    let folder = folder();
    let store = stores::open(&folder);
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    let keys = writer.take_begun().unwrap();
    for day in 0..3 {
        for batch in 0..4 {
            let second = day * DAY + 10 * batch + 5;
            let lines: Vec<_> = (0..4).map(|line| failure(second + line, "203.0.113.7")).collect();
            let now = noon(second + 5);
            writer.write(rules.prepare_lines(lines, now), now).unwrap();
        }
    }
    // So soon behind a checkpoint that none covers it.
    let now = noon(2 * DAY + 40);
    writer.write(rules.prepare_lines(["one", "two", "three"], now), now).unwrap();
    drop(writer);
    let stream = store.streams().unwrap().remove(0);
    assert_eq!(stream.signing_epoch(), 2);
    let sql = Connection::open(folder.path().join("secmon.db")).unwrap();
    let sizes = column(&sql, "SELECT size FROM checkpoints ORDER BY size");
    let size = i64::try_from(stream.size()).unwrap();
    assert!(sizes.len() >= 10 && *sizes.last().unwrap() == size - 3, "{sizes:?} of {size}");
    let note = store.checkpoint("web-1").unwrap().unwrap().note;
    let genesis = keys.vkey(&stream.origin);
    assert_eq!(genesis.to_string(), stream.genesis_vkey);
    let outside = Note::parse(&note).unwrap();
    Victim { folder, genesis, k0: *keys.k0(), outside, sizes, size }
}

fn column<T: rusqlite::types::FromSql>(sql: &Connection, query: &str) -> Vec<T> {
    let mut statement = sql.prepare(query).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// A copy of the store, triggers dropped.
struct Copy {
    folder: TempDir,
    sql: Connection,
}

impl Victim {
    fn copy(&self) -> Copy {
        let folder = folder();
        copy_store(&self.folder, &folder);
        let sql = Connection::open(folder.path().join("secmon.db")).unwrap();
        stores::drop_triggers(&sql);
        Copy { folder, sql }
    }

    /// Who finds an attack.
    fn finders(&self, attack: impl FnOnce(&Copy)) -> [bool; 4] {
        self.finders_who(false, attack)
    }

    /// As [`Victim::finders`]; `reads` says whether all of them have the key of personal values.
    fn finders_who(&self, reads: bool, attack: impl FnOnce(&Copy)) -> [bool; 4] {
        let copy = self.copy();
        attack(&copy);
        let mut options = VerifyOptions { vkeys: vec![self.genesis.clone()], ..Default::default() };
        let without_keys = copy.folder.path().join("nowhere");
        if reads {
            fs::create_dir_all(&without_keys).unwrap();
            let keys = copy.folder.path().join("secmon.db.keys");
            fs::copy(keys.join("privacy"), without_keys.join("privacy")).unwrap();
        }
        let verify = |options: &VerifyOptions, keys: Option<&std::path::Path>| {
            let store = Store::open_with(&url(&copy.folder), keys, false).unwrap();
            store.verify(options).unwrap().iter().any(|verdict| !verdict.is_ok())
        };
        let public = verify(&options, Some(&without_keys));
        options.k0 = vec![(None, self.k0)];
        let auditor = verify(&options, Some(&without_keys));
        let with_file = verify(&options, None);
        options.anchors = vec![self.outside.clone()];
        [public, auditor, with_file, verify(&options, None)]
    }

    /// A record that no rotation and no incident is.
    fn plain(&self, copy: &Copy, from: i64, to: i64) -> i64 {
        let seqs: Vec<i64> = column(
            &copy.sql,
            &format!(
                "SELECT seq FROM records WHERE category = 'event' AND seq BETWEEN {from} AND {to}"
            ),
        );
        assert!(to < self.size);
        seqs[seqs.len() / 2]
    }
}

fn copy_store(from: &TempDir, to: &TempDir) {
    let sql = Connection::open(from.path().join("secmon.db")).unwrap();
    let target = to.path().join("secmon.db");
    sql.execute_batch(&format!("VACUUM INTO '{}'", target.display())).unwrap();
    copy_keys(from, to);
}

fn copy_keys(from: &TempDir, to: &TempDir) {
    let keys = to.path().join("secmon.db.keys");
    fs::create_dir_all(&keys).unwrap();
    for entry in fs::read_dir(from.path().join("secmon.db.keys")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), keys.join(entry.file_name())).unwrap();
    }
}

impl Copy {
    fn run(&self, sql: &str) {
        self.sql.execute_batch(sql).unwrap();
    }

    fn body(&self, seq: i64) -> Vec<u8> {
        column(&self.sql, &format!("SELECT body FROM records WHERE seq = {seq}")).remove(0)
    }

    fn set_body(&self, seq: i64, body: &[u8]) {
        self.sql
            .execute("UPDATE records SET body = ?1 WHERE seq = ?2", params![body, seq])
            .unwrap();
    }

    /// Changes what an event says, in its body and in no other place.
    fn edit(&self, seq: i64) {
        let body = String::from_utf8(self.body(seq)).unwrap();
        let other =
            body.replace("root", "r00t").replace("\"two\"", "\"2wo\"").replace("one", "0ne");
        assert_ne!(body, other, "{body}");
        self.set_body(seq, other.as_bytes());
        let columns = "UPDATE records SET user_name = 'r00t' WHERE user_name = 'root' AND seq = ?1";
        self.sql.execute(columns, params![seq]).unwrap();
    }

    /// Makes tiles, frontier and root fit the bodies that there are.
    fn fit_tree(&self) {
        let bodies: Vec<Vec<u8>> = column(&self.sql, "SELECT body FROM records ORDER BY seq");
        let mut tree = Tree::default();
        let mut hashes = Vec::new();
        for body in &bodies {
            hashes.extend(leaf_hash(body));
            tree.push(leaf_hash(body));
        }
        assert!(bodies.len() < 256);
        self.sql.execute("UPDATE tiles SET hashes = ?1 WHERE level = 0", params![hashes]).unwrap();
        self.sql
            .execute(
                "UPDATE streams SET size = ?1, root = ?2, frontier = ?3",
                params![i64::try_from(tree.size()).unwrap(), tree.root(), tree.frontier().concat()],
            )
            .unwrap();
    }

    fn key_file(&self) -> KeyFile {
        let id: Vec<u8> = column(&self.sql, "SELECT stream_id FROM streams").remove(0);
        let keys = self.folder.path().join("secmon.db.keys").join(secmon_core::hex(&id));
        KeyFile::parse(&fs::read(keys).unwrap()).unwrap()
    }

    /// Whoever has the keys of today seals and signs everything from a record on again.
    fn resign(&self, from: i64) {
        let file = self.key_file();
        let bodies: Vec<Vec<u8>> = column(&self.sql, "SELECT body FROM records ORDER BY seq");
        let macs: Vec<Vec<u8>> = column(&self.sql, "SELECT mac FROM records ORDER BY seq");
        let sizes: Vec<i64> = column(&self.sql, "SELECT size FROM checkpoints ORDER BY size");
        let (mut tree, mut last_mac) = (Tree::default(), [0; 32]);
        for (seq, body) in (0_i64..).zip(&bodies) {
            let at = usize::try_from(seq).unwrap();
            if seq < from {
                last_mac = macs[at].as_slice().try_into().unwrap();
                tree.push(leaf_hash(body));
                continue;
            }
            let head = |tree: &Tree, last_mac| Head {
                tree: tree.clone(),
                last_mac,
                mac_epoch: file.mac_epoch,
                sig_epoch: file.sig_epoch,
                last_at: 0,
            };
            let mut thief = Sealer::resume(&file.stream, head(&tree, last_mac), &file).unwrap();
            (_, last_mac) = thief.seal(body);
            tree.push(leaf_hash(body));
            self.sql
                .execute("UPDATE records SET mac = ?1 WHERE seq = ?2", params![last_mac, seq])
                .unwrap();
            if sizes.contains(&(seq + 1)) {
                let note = thief.checkpoint().note;
                for table in ["checkpoints", "seals"] {
                    let update = format!("UPDATE {table} SET mac = ?1 WHERE size = ?2");
                    self.sql.execute(&update, params![last_mac, seq + 1]).unwrap();
                }
                let update = "UPDATE checkpoints SET note = ?1 WHERE size = ?2";
                self.sql.execute(update, params![note, seq + 1]).unwrap();
            }
        }
        self.sql.execute("UPDATE streams SET last_mac = ?1", params![last_mac]).unwrap();
        self.fit_tree();
    }

    /// Makes the stream end at an old checkpoint, as it was then.
    fn truncate(&self, size: i64) {
        self.run(&format!(
            "DELETE FROM records WHERE seq >= {size}; DELETE FROM checkpoints WHERE size > {size};
             DELETE FROM seals WHERE size > {size};
             UPDATE streams SET last_mac = (SELECT mac FROM records WHERE seq = {size} - 1),
                 mac_epoch = (SELECT max(epoch) + 1 FROM checkpoints),
                 sig_epoch = (SELECT count(*) FROM records WHERE category = 'secmon.key'),
                 last_at = (SELECT CAST(substr(body, 7, 16) AS INTEGER) FROM records WHERE seq = {size} - 1)"
        ));
        self.fit_tree();
    }
}

#[test]
fn nothing_is_found_where_nothing_was_done() {
    assert_eq!(victim().finders(|_| {}), CLEAN);
}

#[test]
fn records_that_expired_as_was_announced_are_no_flaw() {
    let victim = victim();
    let store = stores::open(&victim.folder);
    let now = noon(120 * DAY);
    let mut writer = store.writer("web-1", Ruleset::builtin(), now).unwrap();
    // Three were covered by no checkpoint before the removal of the others was.
    let gone: Vec<u64> = (0..3).map(|_| writer.expire(now).unwrap()).collect();
    assert_eq!(gone, [48, 3, 0]);
    writer.close(noon(120 * DAY + 5)).unwrap();
    let verdict = store.verify(&VerifyOptions::default()).unwrap().remove(0);
    assert_eq!((verdict.is_ok(), verdict.expired), (true, 51), "{:?}", verdict.findings);
    assert_eq!(victim.finders(|_| {}), CLEAN);
    // One more that goes with them is found all the same, and named.
    let sql = Connection::open(victim.folder.path().join("secmon.db")).unwrap();
    let left: Vec<i64> = column(&sql, "SELECT min(seq) FROM records WHERE category <> 'event'");
    let hidden = |copy: &Copy| copy.run(&format!("DELETE FROM records WHERE seq = {}", left[0]));
    assert_eq!(victim.finders(hidden), FOUND);
}

#[test]
fn an_edited_body_is_found() {
    let victim = victim();
    let edit = |copy: &Copy| copy.edit(victim.plain(copy, 10, 20));
    assert_eq!(victim.finders(edit), FOUND);
    let with_leaf = |copy: &Copy| {
        edit(copy);
        copy.fit_tree();
    };
    assert_eq!(victim.finders(with_leaf), FOUND);
}

#[test]
fn an_edited_column_is_found() {
    let victim = victim();
    for column in ["ts", "expires", "level"] {
        let edit = |copy: &Copy| {
            let seq = victim.plain(copy, 10, 20);
            copy.run(&format!("UPDATE records SET {column} = {column} + 1 WHERE seq = {seq}"));
        };
        assert_eq!(victim.finders(edit), FOUND, "{column}");
    }
    let edit =
        |copy: &Copy| copy.run("UPDATE records SET source_ip = '203.0.113.8' WHERE seq = 12");
    assert_eq!(victim.finders(edit), FOUND);
}

#[test]
fn a_record_that_is_deleted_doubled_or_moved_is_found() {
    let victim = victim();
    assert_eq!(victim.finders(|copy| copy.run("DELETE FROM records WHERE seq = 12")), FOUND);
    let renumbered = |copy: &Copy| {
        copy.run(
            "DELETE FROM records WHERE seq = 12;
             UPDATE records SET seq = -seq WHERE seq > 12; UPDATE records SET seq = -seq - 1 WHERE seq < 0",
        );
        copy.fit_tree();
    };
    assert_eq!(victim.finders(renumbered), FOUND);
    let doubled = |copy: &Copy| {
        copy.run(
            "UPDATE records SET seq = -seq WHERE seq > 12; UPDATE records SET seq = -seq + 1 WHERE seq < 0;
             CREATE TEMP TABLE one AS SELECT * FROM records WHERE seq = 12; UPDATE one SET seq = 13;
             INSERT INTO records SELECT * FROM one",
        );
        copy.fit_tree();
    };
    assert_eq!(victim.finders(doubled), FOUND);
    let swapped = |copy: &Copy| {
        let (one, other) = (copy.body(12), copy.body(13));
        copy.set_body(12, &other);
        copy.set_body(13, &one);
        copy.fit_tree();
    };
    assert_eq!(victim.finders(swapped), FOUND);
}

#[test]
fn a_stream_cut_at_an_old_checkpoint_is_found_by_the_key_file_and_outside() {
    let victim = victim();
    for size in [victim.sizes[2], victim.sizes[victim.sizes.len() - 2]] {
        let found = victim.finders(|copy| copy.truncate(size));
        assert_eq!(found, [false, false, true, true], "cut at {size}");
    }
}

#[test]
fn a_database_rolled_back_is_found_by_the_key_file_and_with_it_only_outside() {
    let victim = victim();
    let old = folder();
    copy_store(&victim.folder, &old);
    // The true stream goes on.
    let store = stores::open(&victim.folder);
    let now = noon(2 * DAY + 100);
    let mut writer = store.writer("web-1", Ruleset::builtin(), now).unwrap();
    writer.write(Ruleset::builtin().prepare_lines(["more"], now), now).unwrap();
    writer.close(now).unwrap();
    let note = store.checkpoint("web-1").unwrap().unwrap().note;
    let victim = Victim { outside: Note::parse(&note).unwrap(), ..victim };
    let roll_back = |copy: &Copy| {
        let _ = fs::remove_file(copy.folder.path().join("secmon.db-wal"));
        fs::copy(old.path().join("secmon.db"), copy.folder.path().join("secmon.db")).unwrap();
    };
    assert_eq!(victim.finders(roll_back), [false, false, true, true]);
    let both = |copy: &Copy| {
        roll_back(copy);
        copy_keys(&old, &copy.folder);
    };
    assert_eq!(victim.finders(both), [false, false, false, true]);
}

#[test]
fn a_restored_stream_is_closed_and_its_end_is_announced() {
    let victim = victim();
    let old = folder();
    copy_store(&victim.folder, &old);
    let rules = Ruleset::builtin();
    let (now, later) = (noon(2 * DAY + 100), noon(2 * DAY + 200));
    let mut writer = stores::open(&victim.folder).writer("web-1", rules.clone(), now).unwrap();
    writer.write(rules.prepare_lines(["more"], now), now).unwrap();
    writer.close(now).unwrap();
    // The database of before, with the keys of today: as after a restore from a backup.
    copy_keys(&victim.folder, &old);
    let store = stores::open(&old);
    let is_ok = || {
        let verdicts = store.verify(&VerifyOptions::default()).unwrap();
        verdicts.iter().all(secmon_core::seal::Verdict::is_ok)
    };
    assert!(!is_ok(), "until somebody says so, it is a rollback");
    let mut writer = store.writer("web-1", rules.clone(), later).unwrap();
    assert_eq!(writer.take_warnings().len(), 1);
    writer.write(rules.prepare_lines(["after"], later), later).unwrap();
    writer.close(later).unwrap();
    // Whether that was a restore or an attack, no program can know: it stays a rollback, and the verdict
    // says by which record it was noticed and announced.
    let verdicts = store.verify(&VerifyOptions::default()).unwrap();
    assert_eq!(verdicts.len(), 2);
    let flaws: Vec<_> = verdicts[0].findings.iter().map(|found| found.flaw).collect();
    assert_eq!(flaws, [Flaw::Rollback]);
    assert!(verdicts[0].notices[0].contains("announces"), "{:?}", verdicts[0].notices);
    assert!(verdicts[1].is_ok() && verdicts[1].notices.is_empty(), "{:?}", verdicts[1]);
    // By the public key alone both are sound: what is there was sealed.
    let elsewhere = old.path().join("nowhere");
    let public = Store::open_with(&url(&old), Some(&elsewhere), false).unwrap();
    let verdicts = public.verify(&VerifyOptions::default()).unwrap();
    assert!(verdicts.iter().all(secmon_core::seal::Verdict::is_ok), "{verdicts:?}");
}

#[test]
fn with_stolen_keys_the_past_of_earlier_signing_keys_cannot_be_rewritten() {
    let victim = victim();
    let rewrite = |copy: &Copy| {
        let seq = victim.plain(copy, 5, 15);
        copy.edit(seq);
        copy.resign(seq);
    };
    assert_eq!(victim.finders(rewrite), FOUND);
    // Cut where an earlier key signed, and continued with the keys of today (CVE-2023-31438).
    let old = victim.sizes[2];
    let cut = |copy: &Copy| {
        let file = copy.key_file();
        copy.truncate(old);
        let mut body = String::from_utf8(copy.body(old - 1)).unwrap();
        body = body.replace(&format!("\"seq\":{}", old - 1), &format!("\"seq\":{old}"));
        copy.run(&format!(
            "CREATE TEMP TABLE one AS SELECT * FROM records WHERE seq = {old} - 1;
             UPDATE one SET seq = {old}; INSERT INTO records SELECT * FROM one"
        ));
        copy.set_body(old, body.as_bytes());
        copy.run(&format!(
            "INSERT INTO checkpoints SELECT stream_no, {old} + 1, epoch + 1, mac, note, issued_at
                 FROM checkpoints WHERE size = {old};
             INSERT INTO seals SELECT stream_no, epoch + 1, {old} + 1, mac FROM seals WHERE size = {old};
             UPDATE streams SET mac_epoch = mac_epoch + 1"
        ));
        copy.resign(old);
        // The thief brings the key file along.
        copy.run("UPDATE streams SET sig_epoch = 0");
        drop(file);
    };
    assert_eq!(victim.finders(cut), FOUND);
}

#[test]
fn with_stolen_keys_what_the_present_key_signed_is_found_by_k0() {
    let victim = victim();
    let last = *victim.sizes.last().unwrap();
    let rewrite = |copy: &Copy| {
        let seq = victim.plain(copy, last - 8, last - 2);
        copy.edit(seq);
        copy.resign(seq);
    };
    assert_eq!(victim.finders(rewrite), [false, true, true, true]);
}

#[test]
fn the_open_window_behind_the_last_checkpoint_is_open() {
    let victim = victim();
    let last = victim.size - 3;
    let dropped = |copy: &Copy| {
        copy.run(&format!(
            "DELETE FROM records WHERE seq >= {last};
             UPDATE streams SET last_mac = (SELECT mac FROM records WHERE seq = {last} - 1),
                 last_at = (SELECT CAST(substr(body, 7, 16) AS INTEGER) FROM records WHERE seq = {last} - 1)"
        ));
        copy.fit_tree();
    };
    assert_eq!(victim.finders(dropped), CLEAN);
    let rewritten = |copy: &Copy| {
        copy.edit(last + 1);
        copy.resign(last);
    };
    assert_eq!(victim.finders(rewritten), CLEAN);
}

#[test]
fn k0_is_encrypted_to_the_auditor_who_alone_checks_macs() {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    // The public X25519 key of thirty-two bytes of 7, as another implementation has it.
    let public = "13be4feaeaf204c7fd3358fc9c00721881d174278128227ec674f37f7fe97b6d";
    let folder = folder();
    let store = stores::open(&folder);
    store.set_auditor(base64(&stores::unhex(public)).parse().unwrap());
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    assert!(writer.take_begun().is_none(), "nobody else is shown K_0");
    writer.write(rules.prepare_lines(["one", "two"], noon(1)), noon(1)).unwrap();
    writer.close(noon(2)).unwrap();
    let verify = |secret: [u8; 32]| {
        let auditor = Some(base64(&secret).parse().unwrap());
        store.verify(&VerifyOptions { auditor, ..Default::default() }).unwrap().remove(0)
    };
    let verdict = verify([7; 32]);
    assert!(verdict.is_ok() && verdict.macs_checked, "{:?}", verdict.findings);
    let verdict = verify([9; 32]);
    assert!(!verdict.is_ok() && !verdict.macs_checked);
    // He has it from an export too.
    let out = folder.path().join("export");
    store.export(&out, None, |_| {}).unwrap();
    let of_export = |secret: [u8; 32]| {
        let auditor = Some(base64(&secret).parse().unwrap());
        let options = VerifyOptions { auditor, ..Default::default() };
        secmon_store::verify_export(&out, &options, |_| {}).unwrap().remove(0)
    };
    let verdict = of_export([7; 32]);
    assert!(verdict.is_ok() && verdict.macs_checked, "{:?}", verdict.findings);
    assert!(!of_export([9; 32]).is_ok());
    let sealed = out.join(store.stream("web-1").unwrap().id()).join("k0.box");
    let kept = fs::read_to_string(&sealed).unwrap();
    for other in ["", "AAAA", "!"] {
        fs::write(&sealed, other).unwrap();
        assert!(!of_export([7; 32]).is_ok(), "{other}");
    }
    fs::write(&sealed, kept).unwrap();
    // Another K_0, or none, contradicts the first record, which an earlier signing key covers.
    let sql = Connection::open(folder.path().join("secmon.db")).unwrap();
    let sealed: Vec<u8> = column(&sql, "SELECT k0_box FROM streams").remove(0);
    for other in [None, Some(vec![0_u8; 80])] {
        sql.execute("UPDATE streams SET k0_box = ?1", params![other]).unwrap();
        let verdict = store.verify(&VerifyOptions::default()).unwrap().remove(0);
        assert!(
            verdict.first().unwrap().detail.contains("encrypted K_0"),
            "{:?}",
            verdict.findings
        );
    }
    sql.execute("UPDATE streams SET k0_box = ?1", params![sealed]).unwrap();
    // With it the auditor finds a MAC that was changed, which the public key does not need.
    let sql = Connection::open(folder.path().join("secmon.db")).unwrap();
    sql.execute_batch(
        "DROP TRIGGER records_update; UPDATE records SET mac = zeroblob(32) WHERE seq = 1",
    )
    .unwrap();
    assert!(!verify([7; 32]).is_ok());
    for wrong in ["", "AAAA", "!", &base64(&[1; 33])] {
        assert!(wrong.parse::<secmon_store::AuditorKey>().is_err(), "{wrong}");
        assert!(wrong.parse::<secmon_store::AuditorSecret>().is_err(), "{wrong}");
    }
}

/// As [`victim`], in the privacy mode; whoever verifies may read the values.
fn private_victim() -> Victim {
    let folder = folder();
    let store = stores::open(&folder);
    store.set_erasable(vec!["user.name".into(), "source.ip".into()]).unwrap();
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    let keys = writer.take_begun().unwrap();
    for batch in 0..6 {
        let lines: Vec<_> = (0..4).map(|line| failure(10 * batch + line, "203.0.113.7")).collect();
        let now = noon(10 * batch + 5);
        writer.write(rules.prepare_lines(lines, now), now).unwrap();
    }
    writer.erase("address", "203.0.113.7", noon(70)).unwrap();
    let now = noon(80);
    writer.write(rules.prepare_lines([failure(79, "198.51.100.9")], now), now).unwrap();
    writer.close(noon(90)).unwrap();
    let stream = store.streams().unwrap().remove(0);
    let note = store.checkpoint("web-1").unwrap().unwrap().note;
    let (genesis, outside) = (keys.vkey(&stream.origin), Note::parse(&note).unwrap());
    let size = i64::try_from(stream.size()).unwrap();
    Victim { folder, genesis, k0: *keys.k0(), outside, sizes: Vec::new(), size }
}

#[test]
fn an_erased_value_is_no_flaw_and_an_edited_one_is() {
    let victim = private_victim();
    assert_eq!(victim.finders(|_| {}), CLEAN);
    let with_salt = |copy: &Copy| {
        copy.run("UPDATE erasable_values SET salt = randomblob(32) WHERE field = 'user.name'");
    };
    assert_eq!(victim.finders(with_salt), [false, false, true, true], "without the values' key");
    let (reader, edit) =
        (true, "UPDATE subjects SET ciphertext = randomblob(60) WHERE kind = 'user'");
    assert_eq!(victim.finders_who(reader, |copy| copy.run(edit)), FOUND);
    assert_eq!(victim.finders_who(reader, with_salt), FOUND);
    assert_eq!(victim.finders_who(reader, |_| {}), CLEAN);
    let unannounced = |copy: &Copy| {
        copy.run("DELETE FROM erasable_values WHERE field = 'user.name'");
    };
    assert_eq!(victim.finders(unannounced), FOUND);
}

#[test]
fn a_removal_that_was_announced_in_the_open_window_hides_nothing() {
    let victim = victim();
    let hide = |copy: &Copy| {
        let seq = victim.plain(copy, 10, 20);
        let last = String::from_utf8(copy.body(victim.size - 1)).unwrap();
        let mut gone = vec![0_u8; 8_192];
        gone[usize::try_from(seq / 8).unwrap()] |= 1 << (seq % 8);
        let gone = base64::engine::general_purpose::STANDARD.encode(&gone);
        let at = &last[..last.find(",\"cat\"").unwrap()];
        let st = &last[last.find(",\"st\"").unwrap()..last.find(",\"ts\"").unwrap()];
        let forged = format!(
            "{at},\"block\":0,\"by\":\"x\",\"cat\":\"secmon.retention\",\"ev\":{{}},\"exp\":2932896,\
             \"gone\":\"{gone}\",\"id\":\"x\",\"lvl\":\"informational\",\"policy\":\"x\",\"seq\":{},\
             \"src\":{{}}{st},\"ts\":0,\"v\":1}}",
            victim.size
        );
        copy.sql
            .execute(
                "INSERT INTO records SELECT stream_no, ?1, 0, 2932896, 0, 'secmon.retention', NULL, NULL, NULL,
                     NULL, NULL, ?2, mac FROM records WHERE seq = ?1 - 1",
                params![victim.size, forged.as_bytes()],
            )
            .unwrap();
        copy.fit_tree();
        copy.run(&format!(
            "INSERT INTO removals SELECT stream_no, 0, {} FROM streams; DELETE FROM records WHERE seq = {seq}",
            victim.size
        ));
    };
    assert_eq!(victim.finders(hide), FOUND);
    // And no writer goes on with it, which would sign it.
    let copy = victim.copy();
    hide(&copy);
    let now = noon(3 * DAY);
    let mut writer = stores::open(&copy.folder).writer("web-1", Ruleset::builtin(), now).unwrap();
    assert!(writer.take_warnings()[0].contains("behind record"), "it is closed");
    assert_eq!(writer.store().streams().unwrap().len(), 2);
}

#[test]
fn expiry_never_removes_a_record_that_was_changed_before() {
    let victim = victim();
    let store = stores::open(&victim.folder);
    let now = noon(3 * DAY);
    let mut writer = store.writer("web-1", Ruleset::builtin(), now).unwrap();
    let sql = Connection::open(victim.folder.path().join("secmon.db")).unwrap();
    sql.execute_batch(
        "DROP TRIGGER records_update;
         UPDATE records SET body = CAST(replace(CAST(body AS TEXT), '\"exp\":' || expires, '\"exp\":20000') AS BLOB),
             expires = 20000 WHERE seq = 12",
    )
    .unwrap();
    let refused = writer.expire(now).unwrap_err();
    assert!(matches!(refused, secmon_store::Error::Tampered { seq: 12 }), "{refused}");
}

#[test]
fn a_stream_whose_row_was_changed_is_not_continued() {
    for change in [
        "UPDATE streams SET stream_id = randomblob(16)",
        "UPDATE streams SET frontier = zeroblob(length(frontier))",
        "UPDATE streams SET last_mac = zeroblob(32)",
        "UPDATE records SET mac = zeroblob(32) WHERE seq = (SELECT max(seq) FROM records)",
        "UPDATE streams SET mac_epoch = mac_epoch + 100000000",
    ] {
        let victim = victim();
        let found = victim.finders(|copy| copy.run(change));
        assert!(found[2] && found[3], "{change}: {found:?}");
        let copy = victim.copy();
        copy.run(change);
        let now = noon(3 * DAY);
        let store = stores::open(&copy.folder);
        let writer = store.writer("web-1", Ruleset::builtin(), now);
        assert!(writer.is_err() || store.streams().unwrap().len() == 2, "{change}");
    }
}

#[test]
fn a_stream_that_is_gone_is_missed_by_whoever_has_its_key_its_key_file_or_a_checkpoint() {
    let victim = victim();
    let copy = victim.copy();
    copy.run(
        "DELETE FROM records; DELETE FROM streams; DELETE FROM checkpoints; DELETE FROM seals",
    );
    let missed = |store: &Store, options: &VerifyOptions| {
        let verdicts = store.verify(options).unwrap();
        let flaws = verdicts.iter().map(|verdict| verdict.first().unwrap().flaw);
        let flaws: Vec<Flaw> = flaws.collect();
        assert!(flaws.iter().all(|flaw| *flaw == Flaw::Missing), "{flaws:?}");
        flaws.len()
    };
    let nowhere = copy.folder.path().join("nowhere");
    let without = Store::open_with(&url(&copy.folder), Some(&nowhere), false).unwrap();
    assert_eq!(missed(&without, &VerifyOptions::default()), 0);
    let anchors = vec![victim.outside.clone()];
    let anchored = VerifyOptions { anchors, ..Default::default() };
    assert_eq!(missed(&without, &anchored), 1);
    let known = VerifyOptions { vkeys: vec![victim.genesis.clone()], ..Default::default() };
    assert_eq!(missed(&without, &known), 1);
    let with = stores::open(&copy.folder);
    assert_eq!(missed(&with, &VerifyOptions::default()), 1);
    assert_eq!(missed(&with, &anchored), 1);
    // In a folder in which others have theirs too, it is missed by the store of which it is noted to be.
    let shared = copy.folder.path().join("secmon.db.keys/../secmon.db.keys");
    let with_shared = Store::open_with(&url(&copy.folder), Some(&shared), false).unwrap();
    assert_eq!(missed(&with_shared, &VerifyOptions::default()), 0);
    let noted =
        shared.join(victim.genesis.name().rsplit('/').next().unwrap()).with_extension("store");
    let place = copy.folder.path().join("secmon.db").canonicalize().unwrap();
    fs::write(noted, place.to_str().unwrap()).unwrap();
    assert_eq!(missed(&with_shared, &VerifyOptions::default()), 1);
    // Nobody who goes on there makes it forgotten.
    let mut next = with.writer("web-1", Ruleset::empty(), noon(3 * DAY)).unwrap();
    next.maintain(noon(3 * DAY + 100)).unwrap();
    assert!(with.verify(&VerifyOptions::default()).unwrap().iter().any(|one| !one.is_ok()));
}

#[test]
fn what_the_key_file_saw_cannot_be_rewritten_to_the_same_size() {
    let victim = victim();
    // Bodies, leaves and tree of the present epoch are made to fit each other again.
    let size = victim.sizes[victim.sizes.len() - 1];
    let rewrite = |copy: &Copy| {
        let seq = victim.plain(copy, size - 6, size - 1);
        copy.edit(seq);
        copy.resign(seq);
    };
    assert_eq!(victim.finders(rewrite), [false, true, true, true]);
}

#[test]
fn a_key_that_is_of_no_use_is_refused() {
    let victim = victim();
    let store = stores::open(&victim.folder);
    let refused = |options: VerifyOptions| store.verify(&options).unwrap_err().to_string();
    let k0 = vec![(Some("nobody".to_owned()), victim.k0)];
    assert!(refused(VerifyOptions { k0, ..Default::default() }).contains("nobody"));
    let stream = Some("nobody".to_owned());
    assert!(refused(VerifyOptions { stream, ..Default::default() }).contains("nobody"));
    let mut other = store.writer("web-2", Ruleset::empty(), noon(0)).unwrap();
    other.maintain(noon(100)).unwrap();
    let k0 = vec![(None, victim.k0)];
    assert!(refused(VerifyOptions { k0, ..Default::default() }).contains("2 streams"));
}
