//! Databases on a server of an older schema: backed up before it changes, and left as they are where that cannot be.

#[path = "support/disk.rs"]
mod disk;
#[path = "support/mariadb.rs"]
mod mariadb;
#[path = "support/stores.rs"]
mod stores;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use disk::Disk;
use mariadb::Server;
use secmon_core::Ruleset;
use secmon_store::{Error, Restore, Store, VerifyOptions};
use stores::{folder, noon};

/// Undoes the last changes of the schema.
const BACK: &str = concat!(
    include_str!("../secmon-store/migrations/mysql/0011_search/down.sql"),
    include_str!("../secmon-store/migrations/mysql/0010_cluster/down.sql"),
    "DELETE FROM __diesel_schema_migrations WHERE version >= '0010'",
);

fn open(url: &str, keys: &Path) -> Result<Store, Error> {
    Store::open_with(url, Some(keys), false)
}

fn sound(store: &Store) {
    for verdict in store.verify(&VerifyOptions::default()).unwrap() {
        assert!(verdict.is_ok(), "{}: {:?}", verdict.origin, verdict.findings);
    }
}

/// A proof of a record, which is the same as long as nothing before it is another.
fn proof(store: &Store) -> String {
    let stream = &store.streams().unwrap()[0];
    store.proof(&stream.id(), 2).unwrap().to_string()
}

fn write(store: &Store, from: i64) {
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(from)).unwrap();
    let lines = (from..from + 3).map(|second| stores::failure(second, "203.0.113.7"));
    let now = noon(from + 5);
    writer.write(Ruleset::builtin().prepare_lines(lines, now), now).unwrap();
    writer.close(noon(from + 60)).unwrap();
}

/// A database as the version before the last changes of the schema has left it.
fn old(server: &Server, name: &str, keys: &Path) -> String {
    let url = server.url(name);
    write(&Store::open_with(&url, Some(keys), true).unwrap(), 0);
    server.run(name, BACK).unwrap();
    url
}

/// Where the backup of the database lies.
fn kept(server: &Server, folder: &Path) -> PathBuf {
    folder.join(format!("127.0.0.1_{}_secmon.schema-0009.backup", server.port))
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_database_is_backed_up_before_its_schema_changes() {
    let server = Server::start(&["--innodb-buffer-pool-size=64M"]);
    let folder = folder();
    let keys = folder.path().join("keys");
    let url = old(&server, "secmon", &keys);
    assert_eq!(names(folder.path()), ["keys"], "a new database needs none");
    // Two services come at once.
    std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| open(&url, &keys)));
        for opened in both {
            assert!(opened.join().unwrap().is_ok());
        }
    });
    let proven = proof(&open(&url, &keys).unwrap());
    assert_eq!(names(folder.path()).len(), 2, "keys and backup");
    let backup = kept(&server, folder.path());
    let facts = fs::metadata(&backup).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&facts.permissions()) & 0o777, 0o600);

    // It is restored on either database, and brought up to date there.
    for to in [format!("sqlite://{}/again.db", folder.path().display()), server.url("again")] {
        let restore = Restore::new(&to).keys(Some(&folder.path().join("no-keys")));
        let restored = restore.run(File::open(&backup).unwrap(), noon(100), |_| {}).unwrap();
        assert_eq!(restored.header.schema.as_deref(), Some("0009"));
        let store = Store::open(&to).unwrap();
        assert_eq!(proof(&store), proven);
        assert!(store.streams().unwrap().iter().all(|stream| stream.closed));
    }
    // Not where a newer schema was made already.
    let made = server.url("made");
    drop(Store::open_with(&made, Some(&keys), true).unwrap());
    let refused = Restore::new(&made).run(File::open(&backup).unwrap(), noon(100), |_| {});
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("newer than that of the backup"), "{refused}");
}

#[test]
fn only_a_backup_of_this_database_and_attempt_counts() {
    let server = Server::start(&["--innodb-buffer-pool-size=64M"]);
    let folder = folder();
    let keys = folder.path().join("keys");
    let url = old(&server, "secmon", &keys);
    let backup = kept(&server, folder.path());
    open(&url, &keys).unwrap();
    let made = fs::read(&backup).unwrap();

    // The attempt before made it, and the services of the version before went on.
    write(&open(&url, &keys).unwrap(), 200);
    server.run("secmon", BACK).unwrap();
    open(&url, &keys).unwrap();
    assert_eq!(fs::read(&backup).unwrap(), made);
    // That of another database of the name, or what is no backup, is not taken for it, nor overwritten.
    server.run("secmon", BACK).unwrap();
    let elsewhere = stores::folder();
    let other = Server::start(&["--innodb-buffer-pool-size=64M"]);
    let other_url = old(&other, "secmon", &elsewhere.path().join("keys"));
    for foreign in [b"notes of mine".to_vec(), {
        open(&other_url, &elsewhere.path().join("keys")).unwrap();
        fs::read(kept(&other, elsewhere.path())).unwrap()
    }] {
        fs::write(&backup, &foreign).unwrap();
        let refused = open(&url, &keys).unwrap_err().to_string();
        assert!(refused.contains("nothing was changed"), "{refused}");
        assert_eq!(fs::read(&backup).unwrap(), foreign);
    }
    // Whoever has made a backup in a way of his own says so with an empty file.
    fs::write(&backup, "").unwrap();
    open(&url, &keys).unwrap();
    assert_eq!(fs::metadata(&backup).unwrap().len(), 0);
    assert_eq!(names(folder.path()).len(), 2, "keys and backup");
}

#[test]
fn a_change_that_broke_off_is_backed_up_as_what_it_was_before() {
    let server = Server::start(&["--innodb-buffer-pool-size=64M"]);
    let folder = folder();
    let url = old(&server, "secmon", &folder.path().join("keys"));
    // The first of its statements was done.
    let change = include_str!("../secmon-store/migrations/mysql/0010_cluster/up.sql");
    server.run("secmon", change.split_inclusive(';').next().unwrap()).unwrap();
    sound(&open(&url, &folder.path().join("keys")).unwrap());
    let backup = kept(&server, folder.path());
    let again = format!("sqlite://{}/again.db", folder.path().display());
    Restore::new(&again).run(File::open(&backup).unwrap(), noon(100), |_| {}).unwrap();
    sound(&Store::open(&again).unwrap());
}

#[test]
fn what_may_not_be_read_is_not_left_out_of_a_backup() {
    let server = Server::start(&["--innodb-buffer-pool-size=64M"]);
    let folder = folder();
    let store = Store::open_with(&server.url("secmon"), Some(&folder.path().join("keys")), true);
    let store = store.unwrap();
    write(&store, 0);
    server.run("secmon", "DROP TABLE leases").unwrap();
    let refused = store.backup(Vec::new(), None, noon(100), |_| {}).unwrap_err().to_string();
    assert!(refused.contains("`leases`"), "{refused}");
}

/// A server that takes little room.
const SMALL: &[&str] = &[
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=8M",
    "--innodb-data-file-path=ibdata1:16M:autoextend",
];

#[test]
fn a_schema_that_has_no_room_to_change_changes_when_it_has() {
    let disk = Disk::of("300m");
    let folder = folder();
    // What only passes through has room: the tables have none.
    let passing = format!("--tmpdir={}", folder.path().display());
    let options: Vec<&str> = SMALL.iter().copied().chain([passing.as_str()]).collect();
    let server = Server::start_in(disk.path(), &options);
    let keys = folder.path().join("keys");
    let url = old(&server, "secmon", &keys);
    let tables = || server.run("secmon", "SHOW TABLES").unwrap();
    let before = tables();

    // No room for the backup: nothing changes.
    let place = Disk::of("64k");
    let filler = place.fill_but(0);
    let told = Store::open_with(&url, Some(&place.path().join("keys")), false).unwrap_err();
    assert!(told.to_string().contains("no backup can be made before"), "{told}");
    assert_eq!(tables(), before);
    fs::remove_file(filler).unwrap();

    // No room for the tables: what was there is there still, and the change is made later.
    let filler = disk.fill_but(0);
    let told = Store::open_with(&url, Some(&keys), false).unwrap_err().to_string();
    assert!(told.contains("cannot be brought up to date"), "{told}");
    let records = server.run("secmon", "SELECT COUNT(*) FROM records").unwrap();
    assert!(records.parse::<u64>().unwrap() > 3, "{records}");
    fs::remove_file(filler).unwrap();
    let store = Store::open_with(&url, Some(&keys), false).unwrap();
    assert_ne!(tables(), before);
    sound(&store);
    write(&store, 100);
    sound(&store);
}
