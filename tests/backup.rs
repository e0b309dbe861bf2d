//! Backups: made under load, restored in an empty place with the same roots, refused when they are damaged; and a store
//! that moves to another database with its proofs.

#[path = "support/stores.rs"]
mod stores;

use std::fs;
use std::io::{Cursor, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use secmon_core::Ruleset;
use secmon_store::{
    Error, IncidentQuery, RecordQuery, Restore, Restored, Store, VerifyOptions, Writer,
};
use stores::{failure, folder, keys, noon, url};
use tempfile::TempDir;

fn write(writer: &mut Writer, seconds: std::ops::Range<i64>) {
    let rules = Ruleset::builtin();
    for second in seconds {
        let lines = (0..3).map(|line| failure(10 * second + line, "203.0.113.7"));
        let now = noon(10 * second + 5);
        writer.write(rules.prepare_lines(lines, now), now).unwrap();
    }
}

/// A store with incidents, personal values and a stream that another writer has.
fn filled() -> (TempDir, Store) {
    let folder = folder();
    let store = stores::open(&folder);
    store.set_erasable(vec!["user.name".into()]).unwrap();
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(0)).unwrap();
    write(&mut writer, 0..10);
    writer.close(noon(200)).unwrap();
    let mut writer = store.writer("web-2", Ruleset::builtin(), noon(0)).unwrap();
    write(&mut writer, 0..3);
    writer.close(noon(200)).unwrap();
    (folder, store)
}

fn back_up(store: &Store, passphrase: Option<&str>) -> Vec<u8> {
    let mut backup = Vec::new();
    store.backup(&mut backup, passphrase, noon(300), |_| {}).unwrap();
    backup
}

fn restore(backup: &[u8], to: &TempDir, passphrase: Option<&str>) -> Result<Restored, Error> {
    let mut restore = Restore::new(&url(to)).keys(Some(&keys(to)));
    if let Some(passphrase) = passphrase {
        restore = restore.passphrase(passphrase);
    }
    restore.run(Cursor::new(backup.to_vec()), noon(400), |_| {})
}

fn sound(store: &Store) {
    for verdict in store.verify(&VerifyOptions::default()).unwrap() {
        assert!(verdict.is_ok(), "{}: {:?}", verdict.origin, verdict.findings);
    }
}

/// What lists show of a store, bodies and all.
fn shown(store: &Store) -> String {
    let records = store.records(&RecordQuery::default().limit(1_000)).unwrap();
    let bodies = records.rows.iter().map(|row| String::from_utf8(row.body.clone()).unwrap());
    let incidents = store.incidents(&IncidentQuery::default()).unwrap();
    format!(
        "{:?} {incidents:?} {:?} {:?} {:?} {:?}",
        bodies.collect::<Vec<_>>(),
        store.detections(&IncidentQuery { limit: 1_000, ..Default::default() }).unwrap(),
        store.hosts(1_000, None).unwrap(),
        store.top("source.ip", true, None, 10).unwrap(),
        store.hours(None).unwrap(),
    )
}

#[test]
fn what_is_restored_is_the_same_and_its_streams_are_closed() {
    let (_folder, store) = filled();
    for passphrase in [None, Some("correct horse")] {
        let backup = back_up(&store, passphrase);
        let clear = backup.windows(7).any(|bytes| bytes == b"records");
        assert!(!clear, "compressed at least");
        let empty = folder();
        let restored = restore(&backup, &empty, passphrase).unwrap();
        assert_eq!(restored.header.streams.len(), 2);
        let again = Store::open_with(&url(&empty), Some(&keys(&empty)), false).unwrap();
        sound(&again);
        // Whoever has not the keys sees no personal values: so it is here and there.
        let elsewhere = empty.path().join("elsewhere");
        let blind = |url: &str| Store::open_with(url, Some(&elsewhere), false).unwrap();
        assert_eq!(shown(&blind(store.url())), shown(&blind(again.url())));
        for (stream, there) in again.streams().unwrap().iter().zip(store.streams().unwrap()) {
            assert!(stream.closed && !there.closed);
            assert_eq!(stream.size(), there.size());
            let proof = |store: &Store| store.proof(&stream.id(), 3).unwrap().to_string();
            assert_eq!(proof(&again), proof(&store));
        }
        // The next writer of the label begins a stream that says so.
        let mut writer = again.writer("web-1", Ruleset::builtin(), noon(500)).unwrap();
        write(&mut writer, 60..61);
        writer.close(noon(700)).unwrap();
        let streams = again.streams().unwrap();
        assert_eq!(streams.iter().map(|row| row.closed).collect::<Vec<_>>(), [true, true, false]);
        let said = again.record(&streams[2].id(), 0).unwrap();
        assert_eq!(
            said.event.find("secmon.restore.origin"),
            Some(&streams[0].origin.as_str().into())
        );
        let verdicts = again.verify(&VerifyOptions::default()).unwrap();
        assert!(verdicts.iter().all(|verdict| verdict.is_ok()), "{verdicts:?}");
        assert!(verdicts[0].notices.iter().any(|said| said.contains("closed at record")));
        // And nothing is put over what is there.
        let refused = restore(&backup, &empty, passphrase).unwrap_err();
        assert!(matches!(refused, Error::Exists { .. }), "{refused}");
    }
}

#[test]
fn what_a_database_has_left_beside_its_place_is_not_taken_for_that_of_a_new_one() {
    let (_folder, store) = filled();
    let backup = back_up(&store, None);
    for end in ["-wal", "-journal"] {
        let empty = folder();
        let left = empty.path().join(format!("secmon.db{end}"));
        fs::write(&left, "of a database that was moved away").unwrap();
        let to = format!("sqlite://{}/secmon.db", empty.path().display());
        let refused =
            Restore::new(&to).run(Cursor::new(backup.clone()), noon(400), |_| {}).unwrap_err();
        assert!(matches!(refused, Error::Exists { .. }), "{refused}");
        fs::remove_file(left).unwrap();
        Restore::new(&to).run(Cursor::new(backup.clone()), noon(400), |_| {}).unwrap();
        let files: Vec<_> =
            fs::read_dir(empty.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, ["secmon.db"]);
    }
}

#[test]
fn a_backup_is_made_while_a_writer_goes_on() {
    let folder = folder();
    let store = stores::open(&folder);
    let ends = AtomicBool::new(false);
    /// Ends the load also where something fails.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let end = End(&ends);
        let loading = scope.spawn(|| {
            let rules = Ruleset::builtin();
            let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
            let mut batch = 0;
            while !ends.load(Ordering::Relaxed) {
                std::thread::sleep(std::time::Duration::from_millis(20));
                let lines = (0..50).map(|line| format!("line {line} of batch {batch}"));
                let now = noon(batch);
                writer.write(rules.prepare_lines(lines, now), now).unwrap();
                batch += 1;
            }
            writer.close(noon(batch)).unwrap();
            batch
        });
        let mut sizes = Vec::new();
        while sizes.len() < 3 {
            std::thread::sleep(std::time::Duration::from_millis(150));
            let backup = back_up(&store, None);
            let empty = stores::folder();
            let restored = restore(&backup, &empty, None).unwrap();
            let Some(stream) = restored.header.streams.first() else { continue };
            // Whole batches, and all that belongs to them.
            let again = Store::open_with(&url(&empty), Some(&keys(&empty)), false).unwrap();
            let counted: u64 = again.hours(None).unwrap().iter().map(|hour| hour.count).sum();
            assert_eq!(counted % 50, 0, "{counted}");
            assert!(stream.size >= counted && stream.size < counted + 2_000);
            sizes.push(stream.size);
        }
        drop(end);
        assert!(loading.join().unwrap() > 4);
        assert!(sizes.is_sorted() && sizes[0] < sizes[2], "{sizes:?}");
    });
    sound(&store);
}

#[test]
fn a_backup_that_is_damaged_cut_off_or_foreign_is_refused_and_nothing_is_left() {
    let (_folder, store) = filled();
    let empty = folder();
    let refuse = |backup: &[u8], passphrase: Option<&str>, what: &str| {
        // A database must be emptied by hand behind a refusal; a file is gone.
        let fresh = if stores::mysql().is_some() { &stores::folder() } else { &empty };
        let refused = restore(backup, fresh, passphrase).unwrap_err();
        assert!(matches!(refused, Error::Archive { .. }), "{what}: {refused:?}");
        let left: Vec<_> =
            fs::read_dir(fresh.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{what}: {left:?}");
        refused.to_string()
    };
    for passphrase in [None, Some("correct horse")] {
        // A key is dear to make, a database too.
        let step = if stores::mysql().is_some() || passphrase.is_some() { 16 } else { 1 };
        let backup = back_up(&store, passphrase);
        for part in (0..64).step_by(step) {
            let at = (backup.len() - 1) * part / 63;
            let mut changed = backup.clone();
            changed[at] ^= 1;
            // Four bytes of the compressed form say when it was made, and such things: they mean nothing.
            if restore(&changed, &folder(), passphrase).is_err() {
                refuse(&changed, passphrase, &format!("byte {at} of {}", backup.len()));
            } else {
                assert!(
                    passphrase.is_none() && (27..37).contains(&at),
                    "byte {at} of {}",
                    backup.len()
                );
            }
            refuse(&backup[..at], passphrase, &format!("cut at {at}"));
        }
        let longer = [backup.as_slice(), b"x"].concat();
        if passphrase.is_some() {
            refuse(&longer, passphrase, "something behind it");
        }
    }
    let plain = back_up(&store, None);
    let secret = back_up(&store, Some("correct horse"));
    assert!(refuse(&secret, None, "no passphrase").contains("passphrase"));
    assert!(refuse(&secret, Some("wrong"), "a wrong one").contains("passphrase"));
    assert!(refuse(&plain, Some("one too many"), "not encrypted").contains("not encrypted"));
    for foreign in [&b""[..], b"PK\x03\x04", &b"SQLite format 3\0"[..], &[0; 100_000]] {
        assert!(refuse(foreign, None, "foreign").contains("no backup"));
    }
}

#[test]
fn what_does_not_verify_is_not_restored_unless_it_is_asked_for() {
    let (folder, store) = filled();
    let sql = stores::Sql::of(&folder);
    sql.drop_triggers();
    sql.run(
        "UPDATE records SET body = replace(body, 'web-1', 'web-9') WHERE seq = 4 AND stream_no = 1",
    )
    .unwrap();
    let backup = back_up(&store, None);
    let empty = stores::folder();
    let refused = restore(&backup, &empty, None).unwrap_err();
    assert!(matches!(refused, Error::Unsound { seq: 4, .. }), "{refused:?}");
    let empty = stores::folder();
    let taken = Restore::new(&url(&empty)).keys(Some(&keys(&empty))).takes_unsound(true);
    let restored = taken.run(Cursor::new(backup), noon(400), |_| {}).unwrap();
    assert!(!restored.verdicts[0].is_ok() && restored.verdicts[1].is_ok());
}

#[test]
fn a_full_disk_is_told_and_spoils_nothing() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (_folder, store) = filled();
    for room in [0, 10, 1_000, 3_000] {
        let refused = store.backup(Full(room), None, noon(300), |_| {}).unwrap_err().to_string();
        assert!(refused.contains("cannot be written"), "{refused}");
    }
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(400)).unwrap();
    write(&mut writer, 41..42);
    writer.close(noon(500)).unwrap();
    sound(&store);
}

#[test]
fn a_store_moves_to_another_database_with_its_proofs_and_goes_on_there() {
    let (_folder, store) = filled();
    let there = folder();
    let to = match stores::mysql() {
        // From a server to a file here, and back again.
        Some(_) => format!("sqlite://{}/moved.db", there.path().display()),
        None => url(&there),
    };
    let shown_before = shown(&store);
    let proof = |store: &Store| store.proof("web-1", 3).unwrap().to_string();
    let proved = proof(&store);
    // Not while somebody writes.
    let open = store.writer("web-2", Ruleset::builtin(), noon(300)).unwrap();
    let refused = store.move_to(&to, Some(&keys(&there)), noon(300), |_| {}).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "{refused:?}");
    drop(open);
    store.move_to(&to, Some(&keys(&there)), noon(300), |_| {}).unwrap();
    let moved = Store::open_with(&to, Some(&keys(&there)), false).unwrap();
    moved.set_erasable(vec!["user.name".into()]).unwrap();
    assert_eq!(shown(&moved), shown_before);
    assert_eq!(proof(&moved), proved);
    sound(&moved);
    assert!(store.streams().unwrap().iter().all(|stream| stream.closed));
    let ids =
        |store: &Store| store.streams().unwrap().iter().map(|row| row.id()).collect::<Vec<_>>();
    let mut writer = moved.writer("web-1", Ruleset::builtin(), noon(400)).unwrap();
    assert_eq!(writer.take_warnings(), Vec::<String>::new());
    assert_eq!(writer.stream(), ids(&store)[0], "the stream goes on");
    write(&mut writer, 41..45);
    writer.close(noon(500)).unwrap();
    sound(&moved);
    let back = folder();
    let again = moved.move_to(&url(&back), Some(&keys(&back)), noon(600), |_| {}).unwrap();
    assert!(again.verdicts.iter().all(|verdict| verdict.is_ok()));
    let back = Store::open_with(&url(&back), Some(&keys(&back)), false).unwrap();
    sound(&back);
    assert_eq!(shown(&back), shown(&moved));
}
