//! The directory stream: a stream that is put back, forked or taken away contradicts the others.

#[path = "support/stores.rs"]
mod stores;

use rusqlite::Connection;
use secmon_core::Ruleset;
use secmon_core::seal::{Flaw, Verdict};
use secmon_store::{DIRECTORY, Store, VerifyOptions, Writer, verify_export};
use stores::{folder, noon};
use tempfile::TempDir;

/// Three writers and a directory, for ten minutes; in the middle of it a copy is made.
struct Fleet {
    folder: TempDir,
    store: Store,
    /// The database as it was in the middle.
    before: TempDir,
}

fn write(writer: &mut Writer, at: i64) {
    let rules = Ruleset::builtin();
    writer.write(rules.prepare_lines([format!("at {at}")], noon(at)), noon(at)).unwrap();
    writer.maintain(noon(at + 2)).unwrap();
}

fn fleet() -> Fleet {
    let folder = folder();
    let store = stores::open(&folder);
    let open = |label: &str, at: i64| store.writer(label, Ruleset::builtin(), noon(at)).unwrap();
    let mut writers = vec![open("web-1", 0), open("web-2", 0), open("web-3", 0)];
    let mut directory = open(DIRECTORY, 0);
    let before = stores::folder();
    for round in 0..60 {
        let at = 10 * round;
        for (no, writer) in writers.iter_mut().enumerate() {
            if round % 3 == i64::try_from(no).unwrap() {
                write(writer, at);
            }
            writer.maintain(noon(at + 5)).unwrap();
        }
        directory.list_streams(noon(at + 7)).unwrap();
        directory.maintain(noon(at + 8)).unwrap();
        if round == 30 {
            let sql = Connection::open(folder.path().join("secmon.db")).unwrap();
            let to = before.path().join("secmon.db");
            sql.execute("VACUUM INTO ?", [to.to_str().unwrap()]).unwrap();
        }
    }
    for writer in writers {
        writer.close(noon(700)).unwrap();
    }
    directory.list_streams(noon(701)).unwrap();
    directory.close(noon(702)).unwrap();
    Fleet { folder, store, before }
}

fn verdicts(store: &Store) -> Vec<Verdict> {
    // As somebody verifies who has not the key files: those would tell too.
    store.verify(&VerifyOptions::default()).unwrap()
}

fn flaws(verdicts: &[Verdict]) -> Vec<Flaw> {
    verdicts.iter().flat_map(|verdict| &verdict.findings).map(|finding| finding.flaw).collect()
}

/// A copy of the database alone, changed: what is found in it without key files.
fn changed(fleet: &Fleet, change: impl FnOnce(&Connection, i64)) -> Vec<Flaw> {
    let copy = folder();
    let path = copy.path().join("secmon.db");
    let sql = Connection::open(fleet.folder.path().join("secmon.db")).unwrap();
    sql.execute("VACUUM INTO ?", [path.to_str().unwrap()]).unwrap();
    let sql = Connection::open(&path).unwrap();
    stores::drop_triggers(&sql);
    let no = |label: &str| {
        let query = "SELECT stream_no FROM streams WHERE label = ?";
        sql.query_row(query, [label], |row| row.get::<_, i64>(0)).unwrap()
    };
    let web = no("web-2");
    change(&sql, web);
    drop(sql);
    flaws(&verdicts(&Store::open_with(&stores::url(&copy), None, false).unwrap()))
}

const TABLES: [&str; 5] = ["streams", "records", "checkpoints", "seals", "tiles"];

/// Puts one stream back to where it was in the middle.
fn put_back(fleet: &Fleet, sql: &Connection, no: i64) {
    let before = fleet.before.path().join("secmon.db");
    sql.execute("ATTACH ? AS old", [before.to_str().unwrap()]).unwrap();
    for table in TABLES {
        sql.execute(&format!("DELETE FROM {table} WHERE stream_no = ?"), [no]).unwrap();
        let copy = format!("INSERT INTO {table} SELECT * FROM old.{table} WHERE stream_no = ?");
        sql.execute(&copy, [no]).unwrap();
    }
}

#[test]
fn a_stream_that_is_put_back_or_taken_away_contradicts_the_others() {
    let fleet = fleet();
    let sound = verdicts(&fleet.store);
    assert_eq!(sound.len(), 4);
    assert_eq!(flaws(&sound), []);
    assert!(sound.iter().all(|verdict| !verdict.lists.is_empty()), "each lists another");
    assert_eq!(changed(&fleet, |_, _| {}), []);

    let found = changed(&fleet, |sql, no| put_back(&fleet, sql, no));
    assert_eq!(found, [Flaw::Rollback]);
    let found = changed(&fleet, |sql, no| {
        for table in TABLES {
            sql.execute(&format!("DELETE FROM {table} WHERE stream_no = ?"), [no]).unwrap();
        }
    });
    assert_eq!(found, [Flaw::Missing]);
    // The directory itself is held by the others.
    let found = changed(&fleet, |sql, web| {
        let query = "SELECT stream_no FROM streams WHERE label = 'directory'";
        let no = sql.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_ne!(no, web);
        put_back(&fleet, sql, no);
    });
    assert_eq!(found, [Flaw::Rollback; 3], "each of the others tells");
    let found = changed(&fleet, |sql, _| {
        for table in TABLES {
            let of = "SELECT stream_no FROM streams WHERE label = 'directory'";
            let query = format!("DELETE FROM {table} WHERE stream_no = ({of})");
            if table != "streams" {
                sql.execute(&query, []).unwrap();
            }
        }
        sql.execute("DELETE FROM streams WHERE label = 'directory'", []).unwrap();
    });
    assert_eq!(found, [Flaw::Missing]);
}

#[test]
fn what_nobody_signed_is_not_listed() {
    let folder = folder();
    let store = stores::open(&folder);
    let mut writer = store.writer("web-1", Ruleset::empty(), noon(0)).unwrap();
    write(&mut writer, 1);
    writer.close(noon(5)).unwrap();
    let mut directory = store.writer(DIRECTORY, Ruleset::empty(), noon(5)).unwrap();
    let sql = Connection::open(folder.path().join("secmon.db")).unwrap();
    let longer = "INSERT INTO checkpoints SELECT stream_no, 1000000, epoch + 9, mac, \
                  replace(note, char(10) || size || char(10), char(10) || '1000000' || char(10)), issued_at \
                  FROM checkpoints ORDER BY size DESC LIMIT 1";
    assert_eq!(sql.execute(longer, []).unwrap(), 1);
    assert_eq!(directory.list_streams(noon(6)).unwrap(), 0);
    let warnings = directory.take_warnings();
    assert!(warnings[0].contains("none of stream"), "{warnings:?}");
}

#[test]
fn a_stream_that_goes_on_from_an_older_state_has_forked() {
    // Put back together with its key file, and continued by the service: every key is the right one.
    let old = folder();
    let store = stores::open(&old);
    let open = |store: &Store, at| store.writer("web-1", Ruleset::builtin(), noon(at)).unwrap();
    let mut directory = store.writer(DIRECTORY, Ruleset::empty(), noon(0)).unwrap();
    let mut writer = open(&store, 0);
    write(&mut writer, 1);
    directory.list_streams(noon(5)).unwrap();
    writer.close(noon(6)).unwrap();
    let kept = folder();
    let db = Connection::open(old.path().join("secmon.db")).unwrap();
    db.execute("VACUUM INTO ?", [kept.path().join("secmon.db").to_str().unwrap()]).unwrap();
    let stream = store.stream("web-1").unwrap();
    let keys = old.path().join("secmon.db.keys").join(stream.id());
    let key_file = std::fs::read(&keys).unwrap();
    let mut writer = open(&store, 10);
    write(&mut writer, 11);
    directory.list_streams(noon(20)).unwrap();
    drop(writer);
    assert_eq!(flaws(&verdicts(&store)), []);
    let definitions = stores::drop_triggers(&db);
    let no = "SELECT stream_no FROM streams WHERE label = 'web-1'";
    let no = db.query_row(no, [], |row| row.get::<_, i64>(0)).unwrap();
    db.execute("ATTACH ? AS old", [kept.path().join("secmon.db").to_str().unwrap()]).unwrap();
    for table in TABLES.into_iter().chain(["signals", "rule_states"]) {
        db.execute(&format!("DELETE FROM {table} WHERE stream_no = ?"), [no]).unwrap();
        let copy = format!("INSERT INTO {table} SELECT * FROM old.{table} WHERE stream_no = ?");
        db.execute(&copy, [no]).unwrap();
    }
    for definition in definitions {
        db.execute_batch(&definition).unwrap();
    }
    std::fs::write(&keys, key_file).unwrap();
    let mut writer = open(&store, 30);
    assert_eq!(writer.take_warnings(), Vec::<String>::new(), "the key file fits");
    for at in 31..40 {
        write(&mut writer, at);
    }
    directory.list_streams(noon(50)).unwrap();
    writer.close(noon(51)).unwrap();
    let found = flaws(&verdicts(&store));
    assert!(found.contains(&Flaw::Fork), "{found:?}");
    // An export of the whole store tells it too.
    let out = folder();
    store.export(out.path(), None, |_| {}).unwrap();
    let exported = verify_export(out.path(), &VerifyOptions::default(), |_| {}).unwrap();
    assert!(flaws(&exported).contains(&Flaw::Fork), "{:?}", flaws(&exported));
}
