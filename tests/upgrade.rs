//! Stores of an older schema: copied before it changes, refused when there is no room, and as they were when the change
//! fails.

#[path = "support/disk.rs"]
mod disk;
#[path = "support/stores.rs"]
mod stores;

use std::fs;
use std::path::{Path, PathBuf};

use disk::Disk;
use secmon_core::Ruleset;
use secmon_store::{Error, Store, VerifyOptions};
use stores::{failure, folder, noon};

/// A store as the version before the last change of the schema has left it.
fn old_store(folder: &Path) -> PathBuf {
    let path = folder.join("secmon.db");
    let store = Store::open(&format!("sqlite://{}", path.display())).unwrap();
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(0)).unwrap();
    let lines = (0..3).map(|second| failure(second, "203.0.113.7"));
    writer.write(Ruleset::builtin().prepare_lines(lines, noon(5)), noon(5)).unwrap();
    writer.close(noon(60)).unwrap();
    drop(store);
    let sql = rusqlite::Connection::open(&path).unwrap();
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/secmon-store/migrations/sqlite");
    for last in ["0011_search", "0010_cluster", "0009_state_parts"] {
        let back = fs::read_to_string(format!("{migrations}/{last}/down.sql")).unwrap();
        sql.execute_batch(&back).unwrap();
    }
    sql.execute_batch("DELETE FROM __diesel_schema_migrations WHERE version >= '0009'").unwrap();
    path
}

fn open(path: &Path) -> Result<Store, Error> {
    Store::open(&format!("sqlite://{}", path.display()))
}

fn tables(path: &Path) -> Vec<String> {
    let sql = rusqlite::Connection::open(path).unwrap();
    let mut all =
        sql.prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY sql").unwrap();
    let rows = all.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn an_old_store_is_copied_before_its_schema_changes() {
    let folder = folder();
    let path = old_store(folder.path());
    let before = tables(&path);
    let store = open(&path).unwrap();
    assert!(store.verify(&VerifyOptions::default()).unwrap()[0].is_ok());
    assert_ne!(tables(&path), before);
    let copy = folder.path().join("secmon.db.schema-0008");
    assert_eq!(tables(&copy), before);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Opened again, nothing is copied again.
    fs::remove_file(&copy).unwrap();
    open(&path).unwrap();
    assert!(!copy.exists());
}

#[test]
fn a_change_that_fails_midway_leaves_the_store_as_it_was() {
    let folder = folder();
    let path = old_store(folder.path());
    let sql = rusqlite::Connection::open(&path).unwrap();
    // What the change would make is in its way.
    sql.execute_batch("CREATE TABLE rule_state_parts (x)").unwrap();
    drop(sql);
    let before = tables(&path);
    for _ in 0..2 {
        let refused = open(&path).unwrap_err().to_string();
        assert!(refused.contains("rule_state_parts"), "{refused}");
        assert_eq!(tables(&path), before);
    }
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TABLE rule_state_parts")
        .unwrap();
    assert!(open(&path).unwrap().verify(&VerifyOptions::default()).unwrap()[0].is_ok());
}

#[test]
fn a_schema_is_not_changed_where_there_is_no_room_for_a_copy() {
    let disk = Disk::of("8m");
    let path = old_store(disk.path());
    let before = tables(&path);
    let filler = disk.fill_but(100_000);
    let refused = open(&path).unwrap_err().to_string();
    assert!(refused.contains("MiB free"), "{refused}");
    assert_eq!(tables(&path), before);
    fs::remove_file(filler).unwrap();
    assert!(open(&path).unwrap().verify(&VerifyOptions::default()).unwrap()[0].is_ok());
}
