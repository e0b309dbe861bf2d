//! From a file to a server and back, by the command line: what was read before is not read again.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[path = "../../tests/support/mariadb.rs"]
mod mariadb;

use std::fs;
use std::path::Path;
use std::process::Command;

use mariadb::Server;

fn secmon(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secmon"));
    let output = command.args(arguments).current_dir(folder).env_remove("SECMON_STORE").output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

#[test]
fn what_a_file_was_read_of_is_known_where_its_store_has_moved() {
    let server = Server::start(&["--innodb-buffer-pool-size=64M"]);
    let to = server.url("secmon");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("app.log"), "one\ntwo\nthree\n").unwrap();
    let from = ["ingest", "app.log", "--store", "sqlite://secmon.db"];
    assert!(secmon(path, &from).contains("stored 3 line(s)"));
    assert!(secmon(path, &from).contains("stored 0 line(s)"));
    secmon(path, &["move", "--from", "sqlite://secmon.db", "--to", &to]);
    fs::write(path.join("app.log"), "one\ntwo\nthree\nfour\n").unwrap();
    let onto = ["ingest", "app.log", "--store", &to];
    let said = secmon(path, &onto);
    assert!(said.contains("stored 1 line(s)"), "{said}");
    assert!(secmon(path, &onto).contains("stored 0 line(s)"));
    // And back, into a file.
    secmon(path, &["move", "--from", &to, "--to", "sqlite://back.db", "--to-keys", "back.keys"]);
    let back = ["ingest", "app.log", "--store", "sqlite://back.db"];
    assert!(secmon(path, &back).contains("stored 0 line(s)"));
    secmon(path, &["verify", "--store", "sqlite://back.db"]);
}
