//! The README's commands run as they stand.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::{Command, Stdio};

/// The first shell block behind a mark.
fn block(mark: &str) -> String {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md"))
            .unwrap();
    let (_, rest) = readme.split_once(mark).unwrap();
    let (_, rest) = rest.split_once("```sh\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Runs a script that stops at its first failure; what it printed.
fn run(folder: &Path, script: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_secmon")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("SECMON_STORE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &said
}

#[test]
fn the_tour_runs() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), &block("<!-- tour"));
    for expected in ["brute_force", "port_scan", "stored 0 line(s)", "altered at record"] {
        assert!(said.contains(expected), "`{expected}` is missing in:\n{said}");
    }
}

#[test]
fn a_record_is_proved_to_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), &block("<!-- proof"));
    for expected in ["is under the checkpoint of", "Signature Verified Successfully", "\"ok\":true"]
    {
        assert!(said.contains(expected), "`{expected}` is missing in:\n{said}");
    }
    let body = std::fs::read(folder.path().join("record.json")).unwrap();
    let leaf = secmon_core::hex(&secmon_core::seal::leaf_hash(&body));
    assert!(said.contains(&format!("{leaf}  -")), "{leaf} is missing in:\n{said}");
}

#[test]
fn sigma_rules_are_checked_tried_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    // What finds something exits with 1.
    let said = run(folder.path(), &format!("set +e\n{}\nexit 0", block("<!-- sigma")));
    for expected in [
        "1 rule(s) can be used, 0 error(s)",
        "\"title\":\"A shell as root\"",
        "matches: A shell as root",
        "the silence hides 1 detection(s), 1 incident(s)",
        "stored 1 line(s)",
    ] {
        assert!(said.contains(expected), "`{expected}` is missing in:\n{said}");
    }
    assert_eq!(said.matches("1 event(s), 1 detection(s), 1 incident(s)").count(), 2, "{said}");
}

#[test]
fn the_http_quick_start_runs() {
    let folder = tempfile::tempdir().unwrap();
    let start = "secmon serve --listen 127.0.0.1:0 > ready 2> log & trap 'kill %1; wait' EXIT
        until grep -q listening ready; do sleep 0.05; done
        ADDR=$(sed 's/.*on //' ready)";
    let script = block("<!-- http").replace("http://127.0.0.1:8686", "'\"$ADDR\"'");
    // Outside quotes the closing and opening quote marks are empty words beside the address.
    let script = script.replace("$TOKEN\" '\"$ADDR\"'", "$TOKEN\" \"$ADDR\"");
    let said = run(folder.path(), &format!("{start}\n{script}"));
    assert!(said.contains("\"accepted\":1") && said.contains("\"user.name\":\"bob\""), "{said}");
}

#[test]
fn a_backup_is_made_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let fill = "secmon demo --events 50 > demo.log && secmon ingest demo.log";
    run(folder.path(), &format!("{fill}\n{}", block("<!-- backup")));
    assert!(
        folder.path().join("before.backup").is_file()
            && folder.path().join("restored.db").is_file()
    );
}
