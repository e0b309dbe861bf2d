//! Stores of an older schema: copied before it changes, refused when there is no room, and as they were when the change
//! fails. And disks that are full.

#[path = "support/stores.rs"]
mod stores;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use secmon_core::Ruleset;
use secmon_store::{Error, Store, VerifyOptions};
use stores::{failure, folder, noon};
use tempfile::TempDir;

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

/// A small disk, taken away with the test.
struct Disk(TempDir);

impl Disk {
    fn of(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path());
        assert!(mount.status().unwrap().success(), "only root may make a small disk");
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it but for so many bytes; gives what takes the room.
    fn fill_but(&self, free: u64) -> PathBuf {
        let path = self.path().join("filler");
        let facts =
            Command::new("df").args(["--output=avail", "-B1"]).arg(self.path()).output().unwrap();
        let facts = String::from_utf8(facts.stdout).unwrap();
        let available: u64 = facts.lines().nth(1).unwrap().trim().parse().unwrap();
        let size = usize::try_from(available.saturating_sub(free)).unwrap();
        fs::write(&path, vec![1; size]).unwrap();
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
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

#[test]
fn a_disk_that_is_full_is_told_and_the_writer_goes_on_when_there_is_room() {
    let disk = Disk::of("24m");
    let store = open(&disk.path().join("secmon.db")).unwrap();
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    let filler = disk.fill_but(3 << 20);
    let (mut acknowledged, mut refused) = (0, 0);
    let mut batch = 0;
    while refused < 3 {
        let lines = (0..200).map(|line| format!("line {line} of batch {batch}"));
        match writer.write(rules.prepare_lines(lines, noon(batch)), noon(batch)) {
            Ok(_) => acknowledged += 200,
            Err(Error::Busy { reason }) => {
                refused += 1;
                assert!(reason.contains("full") || reason.contains("I/O"), "{reason}");
            }
            Err(error) => panic!("{error}"),
        }
        batch += 1;
        assert!(batch < 10_000, "the disk is never full");
    }
    // A backup beside it does not fit either, and leaves nothing.
    let backup = disk.path().join("x.backup");
    let target = secmon_http::BackupTarget::File(backup.clone());
    assert!(secmon_http::back_up(&store, &target, None, true, noon(batch), |_| {}).is_err());
    let left: Vec<_> =
        fs::read_dir(disk.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().contains("backup")), "{left:?}");
    fs::remove_file(filler).unwrap();
    let now = noon(batch);
    writer.write(rules.prepare_lines(["there is room"], now), now).unwrap();
    writer.close(noon(batch + 1)).unwrap();
    let events: u64 = store.hours(None).unwrap().iter().map(|hour| hour.count).sum();
    // The batch that waited was stored too, once.
    assert_eq!(events, acknowledged + 200 + 1);
    assert!(store.verify(&VerifyOptions::default()).unwrap()[0].is_ok());
    assert!(secmon_http::back_up(&store, &target, None, true, noon(batch), |_| {}).is_ok());
}
