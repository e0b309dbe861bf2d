//! Disks that are full, of a file and of a server: what is refused is told, nothing is corrupted, and everything goes on
//! when there is room again.

#[path = "support/disk.rs"]
mod disk;
#[path = "support/mariadb.rs"]
mod mariadb;
#[path = "support/stores.rs"]
mod stores;

use std::fs;

use disk::Disk;
use mariadb::Server;
use secmon_core::Ruleset;
use secmon_http::{BackupTarget, back_up};
use secmon_store::{Error, Store, VerifyOptions};
use stores::noon;

/// A server that takes little room.
const SMALL: &[&str] = &[
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=8M",
    "--innodb-data-file-path=ibdata1:16M:autoextend",
];

fn sound(store: &Store) {
    for verdict in store.verify(&VerifyOptions::default()).unwrap() {
        assert!(verdict.is_ok(), "{}: {:?}", verdict.origin, verdict.findings);
    }
}

/// Writes until nothing more is taken, tries a backup onto the same disk, makes room, and goes on.
fn until_it_is_full(disk: &Disk, store: &Store, free: u64) {
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    let filler = disk.fill_but(free);
    let (mut acknowledged, mut refused, mut batch) = (0, 0, 0);
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
    assert!(acknowledged > 0, "it was full from the start");
    // A backup beside it does not fit either, and leaves nothing.
    let target = BackupTarget::File(disk.path().join("x.backup"));
    let told = back_up(store, &target, None, true, noon(batch), |_| {}).unwrap_err();
    assert!(told.contains("space") || told.contains("full"), "{told}");
    let left = fs::read_dir(disk.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_str().unwrap().contains("backup")).collect();
    assert!(left.is_empty(), "{left:?}");
    fs::remove_file(filler).unwrap();
    let now = noon(batch);
    writer.write(rules.prepare_lines(["there is room"], now), now).unwrap();
    writer.close(noon(batch + 1)).unwrap();
    let events: u64 = store.hours(None).unwrap().iter().map(|hour| hour.count).sum();
    // The batch that waited was stored too, once.
    assert_eq!(events, acknowledged + 200 + 1);
    sound(store);
    back_up(store, &target, None, true, noon(batch), |_| {}).unwrap();
}

#[test]
fn a_file_takes_what_it_can_and_goes_on_when_there_is_room() {
    let disk = Disk::of("24m");
    let url = format!("sqlite://{}/secmon.db", disk.path().display());
    until_it_is_full(&disk, &Store::open(&url).unwrap(), 3 << 20);
}

#[test]
fn a_server_takes_what_it_can_and_goes_on_when_there_is_room() {
    let disk = Disk::of("300m");
    let server = Server::start_in(disk.path(), SMALL);
    let keys = stores::folder();
    let store = Store::open_with(&server.url("secmon"), Some(keys.path()), true).unwrap();
    until_it_is_full(&disk, &store, 12 << 20);
}
