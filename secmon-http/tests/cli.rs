//! The command line, from outside.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn secmon(folder: &Path, arguments: &[&str]) -> Output {
    secmon_with(folder, arguments, b"")
}

fn secmon_with(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_secmon"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("SECMON_STORE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command that fails early does not read its input.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn objects(output: &Output) -> Vec<serde_json::Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const FAILED: &str =
    "Nov 20 11:59:00 web-1 sshd[42]: Failed password for root from 203.0.113.7 port 51234 ssh2\n";

#[test]
fn every_subcommand_explains_itself_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    let help = stdout(&secmon(folder.path(), &["--help"]));
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let commands: Vec<_> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 15 && commands.contains(&"serve"), "{commands:?}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let output = secmon(folder.path(), &[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        let help = stdout(&output);
        let (_, example) =
            help.split_once("Example: secmon ").unwrap_or_else(|| panic!("{command}: {help}"));
        // It is pasted as it stands.
        let example = example.split("\n\n").next().unwrap();
        assert!(!example.contains(['`', '<']), "{command}: {example}");
    }
}

#[test]
fn parse_gives_one_object_a_line_whatever_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let long = "x".repeat(10 << 20);
    let lines: Vec<Vec<u8>> = vec![
        FAILED.trim_end().into(),
        Vec::new(),
        long.into(),
        b"\xff\xfe invalid".to_vec(),
        b"nul \0 and \x1b[31mansi".to_vec(),
        deep.into(),
        br#"{"a":1,"a":2}"#.to_vec(),
        br#"{"a":1e400,"ip":42,"user":{"x":1},"timestamp":"soon"}"#.to_vec(),
    ];
    let input = lines.join(&b'\n');
    let output = secmon_with(folder.path(), &["parse", "-"], &input);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let events = objects(&output);
    assert_eq!(events.len(), lines.len());
    assert_eq!(events[0]["source.ip"], "203.0.113.7");
    assert_eq!(events[1]["message"], "");
    for bad in [2, 3, 5] {
        assert_eq!(events[bad]["event.kind"], "pipeline_error", "line {bad}");
    }
    assert_eq!(events[2]["event.original.length"], 10 << 20);
    assert!(events[3]["message"].as_str().unwrap().starts_with(r"\xff\xfe"));
    assert_eq!(events[4]["message"], "nul \0 and \u{1b}[31mansi");
    assert_eq!(events[6]["a"], 2);
    assert!(events[6]["error.message"].as_str().unwrap().contains("twice"));
    assert_eq!(events[7]["a"], "1e400");
    assert!(events[7]["error.message"].as_str().unwrap().contains("soon"));
    assert!(stderr(&output).contains("3 line(s)"));
}

#[test]
fn scan_exits_with_one_when_there_are_incidents() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["scan", "--output", "jsonl", "--stats", "--reference-time", "2026-11-20T12:00:00Z", "-"];
    let output = secmon_with(folder.path(), &arguments, FAILED.repeat(5).as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let incidents = objects(&output);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0]["rule"], "brute_force");
    assert_eq!(incidents[0]["group"], serde_json::json!({"source.ip": "203.0.113.7"}));
    assert_eq!(incidents[0]["count"], 5);
    assert_eq!(incidents[0]["first"], "2026-11-20T11:59:00Z");
    let stats: serde_json::Value = serde_json::from_str(stderr(&output).trim()).unwrap();
    assert_eq!((&stats["events"], &stats["detections"]), (&5.into(), &1.into()));

    let output = secmon_with(folder.path(), &arguments, FAILED.repeat(4).as_bytes());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "");

    let detections = ["scan", "--output", "jsonl", "--what", "detections", "-"];
    let output = secmon_with(folder.path(), &detections, FAILED.repeat(6).as_bytes());
    let lines: Vec<_> = objects(&output).iter().map(|found| found["line"].clone()).collect();
    assert_eq!(lines, [5, 6]);
}

#[test]
fn failures_are_named_and_exit_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("cut.gz"), b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03cut").unwrap();
    std::fs::write(path.join("not.db"), "this is no database, but it is long enough to look at")
        .unwrap();
    std::fs::write(path.join("bad.toml"), "listen = 5\n").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = port.local_addr().unwrap().to_string();
    let cases: [(&[&str], &str); 11] = [
        (&["scan", "absent.log"], "absent.log"),
        (&["parse", "cut.gz"], "cut.gz"),
        (&["ingest", "absent.log"], "absent.log"),
        (&["scan", "--only", "nope", "-"], "unknown rule `nope`"),
        (&["parse", "--format", "nope", "-"], "unknown format `nope`"),
        (&["verify", "--store", "sqlite://absent.db"], "absent.db"),
        (&["verify", "--store", "sqlite://not.db"], "not.db"),
        (
            &[
                "token",
                "create",
                "--scope",
                "read",
                "--name",
                "x",
                "--store",
                "sqlite://no/such/folder.db",
            ],
            "folder",
        ),
        (&["serve", "--config", "bad.toml"], "bad.toml"),
        (&["serve", "--listen", &taken], "cannot listen"),
        (&["serve", "--listen", "nonsense"], "nonsense"),
    ];
    for (arguments, expected) in cases {
        let output = secmon(path, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{arguments:?}");
    }
}

#[test]
fn ingest_goes_on_where_it_ended_and_verify_finds_a_changed_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let log = path.join("auth.log");
    let line = |number: usize| FAILED.replace("51234", &(40_000 + number).to_string());
    let lines = |count: usize| (0..count).map(line).collect::<String>();
    let ingest = || {
        let output = secmon(path, &["ingest", "auth.log"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output)
    };
    std::fs::write(&log, lines(2_500)).unwrap();
    assert!(ingest().contains("stored 2500 line(s)"));
    assert!(ingest().contains("stored 0 line(s)"));
    std::fs::write(&log, lines(2_600)).unwrap();
    assert!(ingest().contains("stored 100 line(s)"));
    // Another file under the name is read from its beginning.
    std::fs::write(&log, lines(2_600).replace("web-1", "web-2")).unwrap();
    assert!(ingest().contains("stored 2600 line(s)"));

    let output = secmon(path, &["verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let verdict = &objects(&output)[0];
    assert_eq!(verdict["ok"], true);
    assert_eq!(verdict["covered"], verdict["records"]);

    let output = secmon(path, &["scan", "--store", "sqlite://secmon.db", "--output", "jsonl"]);
    assert_eq!(objects(&output)[0]["count"], 5_200);

    let change = "DROP TRIGGER records_update;
        UPDATE records SET body = CAST(replace(CAST(body AS TEXT), 'port 40007', 'port 40008') AS BLOB)
        WHERE seq = 9;";
    let changed = Command::new("sqlite3").arg(path.join("secmon.db")).arg(change).output();
    let changed = changed.expect("sqlite3 is installed by tests/run");
    assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));
    let output = secmon(path, &["verify", "--output", "jsonl"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(objects(&output)[0]["findings"][0]["seq"], 9);
    assert_eq!(objects(&output)[0]["findings"][0]["verdict"], "altered");
    assert!(stderr(&output).contains("altered at record 9"), "{}", stderr(&output));
}

/// What a command says to somebody who may read and write nothing.
#[cfg(unix)]
fn reader(folder: &Path, arguments: &[&str]) -> Output {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    let binary = folder.join("secmon");
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    if !binary.exists() {
        // Where it was built others may have no access.
        std::fs::copy(env!("CARGO_BIN_EXE_secmon"), &binary).unwrap();
        mode(&binary, 0o755);
    }
    mode(folder, 0o555);
    let mut command = Command::new(binary);
    command.args(arguments).current_dir(folder).env_remove("SECMON_STORE");
    if folder.metadata().unwrap().uid() == 0 {
        // Nobody; to root all is open.
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().unwrap();
    mode(folder, 0o755);
    output
}

#[cfg(unix)]
#[test]
fn a_store_is_its_owners_and_is_verified_where_it_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // With what an address has a special meaning for.
    let name = "a 50%25?x=1#2.db";
    let store = format!("sqlite://{name}");
    std::fs::write(path.join("auth.log"), FAILED).unwrap();
    assert!(secmon(path, &["ingest", "auth.log", "--store", &store]).status.success());
    let file = path.join(name);
    let mode = |mode| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    mode(0o200);
    let denied = reader(path, &["verify", "--store", &store]);
    assert_eq!(denied.status.code(), Some(2), "{}", stderr(&denied));
    assert!(stderr(&denied).contains("Permission denied"), "{}", stderr(&denied));

    mode(0o644);
    let output = reader(path, &["verify", "--store", &store]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(objects(&output)[0]["covered"], objects(&output)[0]["records"]);
    assert!(stderr(&output).contains("not compared with its key file"), "{}", stderr(&output));
    let refused = reader(path, &["ingest", "auth.log", "--store", &store]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("cannot be written"), "{}", stderr(&refused));

    let change =
        "DROP TRIGGER records_update; UPDATE records SET mac = zeroblob(32), body = body || x'20';";
    assert!(Command::new("sqlite3").arg(&file).arg(change).status().unwrap().success());
    let output = reader(path, &["verify", "--store", &store]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    // A link is followed: what belongs to the file lies beside that, not beside the link.
    std::os::unix::fs::symlink(name, path.join("link.db")).unwrap();
    let output = reader(path, &["verify", "--store", "sqlite://link.db"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let absolute = format!("sqlite:///{}", file.display());
    let output = reader(path, &["verify", "--store", &absolute]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    // What is not yet in the file lies beside it, and is not passed over.
    std::fs::write(path.join(format!("{name}-wal")), "changes").unwrap();
    for store in [&store, "sqlite://link.db"] {
        let output = reader(path, &["verify", "--store", store]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
}

#[test]
fn a_byte_that_is_no_text_hides_nothing_and_a_byte_order_mark_neither() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let refused = b"Nov 20 11:59:00 web-1 sudo: eve : user NOT in sudoers ; TTY=pts/0 ; PWD=/tmp/\xff ; USER=root ; COMMAND=/bin/bash\n";
    std::fs::write(path.join("auth.log"), [b"\xef\xbb\xbf", FAILED.as_bytes(), refused].concat())
        .unwrap();
    let parsed = secmon(path, &["parse", "auth.log"]);
    assert_eq!(parsed.status.code(), Some(0));
    assert!(stderr(&parsed).contains("1 line(s) could not be parsed"), "{}", stderr(&parsed));
    let [marked, bad] = &objects(&parsed)[..] else { panic!("{}", stdout(&parsed)) };
    assert_eq!(marked["event.action"], "ssh_login");
    assert_eq!(bad["event.kind"], "pipeline_error");
    assert!(bad["message"].as_str().unwrap().contains(r"PWD=/tmp/\xff ;"), "{bad}");
    assert_eq!((&bad["user.name"], &bad["host.name"]), (&"eve".into(), &"web-1".into()));
    assert!(bad["error.message"].as_str().unwrap().contains("byte 77"), "{bad}");
    let found = secmon(path, &["scan", "--output", "jsonl", "auth.log"]);
    assert_eq!(found.status.code(), Some(1));
    assert_eq!(objects(&found)[0]["rule"], "unauthorized_access");
    let long = |count: usize| {
        let head = b"Nov 20 11:59:00 web-1 sudo: eve : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls ";
        std::fs::write(path.join("long.log"), [&head[..], &vec![0xff; count], b"\n"].concat())
            .unwrap();
        objects(&secmon(path, &["scan", "--output", "jsonl", "long.log"])).len()
    };
    assert_eq!([100, 9_000, 30_000, 60_000].map(long), [1; 4]);
    // And it is sealed so.
    assert_eq!(secmon(path, &["ingest", "auth.log"]).status.code(), Some(0));
    assert_eq!(secmon(path, &["verify"]).status.code(), Some(0));
    let found = secmon(path, &["scan", "--store", "sqlite://secmon.db", "--output", "jsonl"]);
    assert_eq!(objects(&found)[0]["group"]["user.name"], "eve");
}

#[test]
fn the_zone_is_that_of_the_flag_else_of_the_environment_else_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("auth.log"), FAILED).unwrap();
    std::fs::write(path.join("zone.toml"), "timezone = \"Europe/Paris\"\n").unwrap();
    let reference = ["--reference-time", "2026-11-21T00:00:00Z"];
    let time = |arguments: &[&str]| {
        let output = secmon(path, &[&["parse"], arguments, &reference, &["auth.log"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        objects(&output)[0]["@timestamp"].as_str().unwrap().to_owned()
    };
    assert_eq!(time(&[]), "2026-11-20T11:59:00Z");
    assert_eq!(time(&["--timezone", "-08:00"]), "2026-11-20T19:59:00Z");
    let wrong = secmon(path, &["parse", "--reference-time", "yesterday", "auth.log"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("`yesterday` is no time, such as 2026-"), "{}", stderr(&wrong));

    let five = FAILED.repeat(5);
    std::fs::write(path.join("five.log"), &five).unwrap();
    let first = |arguments: &[&str]| {
        let fixed = [&["scan", "--output", "jsonl"], arguments, &reference, &["five.log"]].concat();
        objects(&secmon(path, &fixed))[0]["first"].as_str().unwrap().to_owned()
    };
    assert_eq!(first(&["--config", "zone.toml"]), "2026-11-20T10:59:00Z");
    std::fs::write(path.join(".env"), "SECMON_TIMEZONE=+02:00\n").unwrap();
    assert_eq!(first(&["--config", "zone.toml"]), "2026-11-20T09:59:00Z");
    assert_eq!(first(&["--config", "zone.toml", "--timezone", "UTC"]), "2026-11-20T11:59:00Z");
    assert_eq!(time(&[]), "2026-11-20T09:59:00Z");
    std::fs::write(path.join(".env"), "SECMON_TIMEZONE=Mars\n").unwrap();
    let wrong = secmon(path, &["parse", "auth.log"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("SECMON_TIMEZONE"), "{}", stderr(&wrong));

    // What is sealed has it as well.
    std::fs::write(path.join(".env"), "").unwrap();
    let stored = [&["ingest", "--config", "zone.toml"][..], &reference, &["five.log"]].concat();
    assert_eq!(secmon(path, &stored).status.code(), Some(0));
    let found = secmon(path, &["scan", "--store", "sqlite://secmon.db", "--output", "jsonl"]);
    assert_eq!(objects(&found)[0]["first"], "2026-11-20T10:59:00Z");
}

#[test]
fn lengths_of_time_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("auth.log"), FAILED).unwrap();
    for (within, why) in [
        ("\"200000000000000d\"", "longer than a century"),
        ("\"18446744073709551615s\"", "longer than a century"),
        ("18446744073709551", "longer than a century"),
        ("\"0s\"", "longer than nothing"),
    ] {
        std::fs::write(
            path.join("secmon.toml"),
            format!("[rules.brute_force]\nwithin = {within}\n"),
        )
        .unwrap();
        for command in
            [&["scan", "--config", "secmon.toml", "auth.log"][..], &["ingest", "auth.log"]]
        {
            let output = secmon(path, command);
            assert_eq!(output.status.code(), Some(2), "{within}: {}", stderr(&output));
            assert!(stderr(&output).contains(why), "{within}: {}", stderr(&output));
        }
    }
}

#[test]
fn ingest_loses_no_line_that_was_half_written_and_doubles_none_that_was_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let log = path.join("auth.log");
    let ingest = |files: &[&str]| {
        let output = secmon(path, &[&["ingest"], files].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = stderr(&output);
        said.split_once("stored ").unwrap().1.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let messages = || {
        let store =
            secmon_store::Store::open(&format!("sqlite://{}/secmon.db", path.display())).unwrap();
        let (_, events) = store.events(&store.stream("ingest").unwrap(), 0, None).unwrap().unwrap();
        let lines = events.iter().filter_map(|event| event.raw().map(str::to_owned));
        lines.collect::<Vec<_>>()
    };
    // Few lines, and many: more than tell one file from another.
    for (count, first) in [(2, "one"), (200, "other")] {
        let line = |at: usize| {
            format!("Nov 20 03:10:00 web-1 app[42]: {first} line {at} of some length\n")
        };
        let lines: String = (0..count).map(line).collect();
        std::fs::write(&log, format!("{lines}Nov 20 03:10:00 web-1 app[42]: {first} ha")).unwrap();
        assert_eq!(ingest(&["auth.log"]), count as u64 + 1);
        assert_eq!(ingest(&["auth.log"]), 0);
        let whole = format!("Nov 20 03:10:00 web-1 app[42]: {first} half a line");
        std::fs::write(&log, format!("{lines}{whole}\n{}", line(count))).unwrap();
        assert_eq!(ingest(&["auth.log"]), 2);
        assert_eq!(ingest(&["auth.log"]), 0);
        assert_eq!(messages().iter().filter(|line| **line == whole).count(), 1);
        // Rotated, as the help has it, before and behind the one that takes its name; then compressed.
        std::fs::rename(&log, path.join("auth.log.1")).unwrap();
        std::fs::write(
            &log,
            if first == "one" { String::new() } else { format!("new {}", line(0)) },
        )
        .unwrap();
        assert_eq!(ingest(&["auth.log", "auth.log.1"]), u64::from(first != "one"));
        assert_eq!(ingest(&["auth.log.1", "auth.log"]), 0);
        let zip = Command::new("gzip").arg(path.join("auth.log.1")).status().unwrap();
        assert!(zip.success());
        assert_eq!(ingest(&["auth.log.1.gz", "auth.log"]), 0);
        std::fs::remove_file(path.join("auth.log.1.gz")).unwrap();
    }
    // A copy is a file of its own; the same file twice, and by another name, is one.
    std::fs::copy(&log, path.join("copy.log")).unwrap();
    std::os::unix::fs::symlink("copy.log", path.join("link.log")).unwrap();
    assert_eq!(ingest(&["copy.log", "copy.log", "link.log"]), 1);
    // Rotated between two runs, each of which has one of the names; and told of again.
    std::fs::rename(path.join("copy.log"), path.join("copy.log.1")).unwrap();
    std::fs::write(path.join("copy.log"), "fresh\n").unwrap();
    assert_eq!(ingest(&["copy.log"]), 1);
    assert_eq!(ingest(&["copy.log.1"]), 0);
    assert_eq!(ingest(&["copy.log.1", "copy.log"]), 0);
    // Cut, and written anew; an end of line alone is no news, the last bytes of a half line are.
    std::fs::write(&log, "short").unwrap();
    assert_eq!(ingest(&["auth.log"]), 1);
    std::fs::write(&log, "short\r\n{\"a\":1").unwrap();
    assert_eq!(ingest(&["auth.log"]), 1);
    std::fs::write(&log, "short\r\n{\"a\":1}").unwrap();
    assert_eq!(ingest(&["auth.log"]), 1);
    assert_eq!(ingest(&["auth.log"]), 0);
}

#[test]
fn lines_that_nobody_can_read_are_named_by_whoever_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ok.log"), "fine\n").unwrap();
    let bad =
        [b"fine\n".as_slice(), &[0xFF, 0xFE, b'F', 0, b'a', 0, b'\n'], b"{\"a\": }\n"].concat();
    std::fs::write(folder.path().join("bad.log"), bad).unwrap();
    let first = "the first: `bad.log` line 2: not UTF-8 at byte 0";
    for (command, says) in [
        ("parse", "2 line(s) could not be parsed and were kept as `pipeline_error`"),
        ("scan", "2 line(s) could not be parsed"),
        ("ingest", "stored 4 line(s)"),
    ] {
        let output = secmon(folder.path(), &[command, "ok.log", "bad.log"]);
        assert_eq!(output.status.code(), Some(0), "{command}: {}", stderr(&output));
        for says in [says, first] {
            assert!(stderr(&output).contains(says), "{command}: {}", stderr(&output));
        }
        let output = secmon(folder.path(), &[command, "ok.log"]);
        assert!(!stderr(&output).contains("parsed"), "{command}: {}", stderr(&output));
    }
    // What a line says of itself does not reach the terminal as it is.
    let hostile = r#"{"event.kind":"pipeline_error","error.message":"\u001b]0;x\u0007LONG"}"#;
    let hostile = hostile.replace("LONG", &"y".repeat(5_000));
    std::fs::write(folder.path().join("hostile.log"), hostile).unwrap();
    let said = stderr(&secmon(folder.path(), &["parse", "hostile.log"]));
    assert!(said.contains("1 line(s)") && !said.contains('\u{1b}') && said.len() < 500, "{said}");
}

#[test]
fn a_demo_with_the_same_seed_and_end_is_the_same_and_says_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let demo = |more: &[&str]| {
        let usual = ["demo", "--events", "50", "--end", "2026-11-20T12:00:00Z", "--anomaly"];
        let output = secmon(folder.path(), &[&usual, more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        output
    };
    let (one, other) = (demo(&["brute_force"]), demo(&["brute_force"]));
    assert_eq!((stdout(&one), stderr(&one)), (stdout(&other), String::new()));
    assert!(stdout(&one).lines().count() > 50);
    let warned = stderr(&demo(&["brute_force,profile"]));
    assert!(warned.contains("`profile`") && warned.contains("--config-out"), "{warned}");
    assert_eq!(stderr(&demo(&["profile", "--config-out", "demo.toml"])), "");
}

#[test]
fn a_service_that_is_told_to_end_covers_its_last_record_and_reads_its_settings_from_env_files() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        "SECMON_STORE=sqlite://of-env.db\nSECMON_FOLLOW_AUTO=false\nSECMON_LISTEN=127.0.0.1:0\n";
    std::fs::write(folder.path().join(".env"), settings).unwrap();
    let mut service = Command::new(env!("CARGO_BIN_EXE_secmon"))
        .arg("serve")
        .current_dir(folder.path())
        .env_remove("SECMON_STORE")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.starts_with("secmon listening on http://127.0.0.1:"), "{ready}");
    let url = ready.trim().rsplit(' ').next().unwrap();
    let token = secmon(folder.path(), &["token", "create", "--scope", "ingest", "--name", "web-1"]);
    let sent = Command::new(env!("CARGO_BIN_EXE_secmon"))
        .args(["demo", "--events", "50", "--server", url])
        .env("SECMON_TOKEN", stdout(&token).trim())
        .output()
        .unwrap();
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let id = service.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(service.wait().unwrap().code(), Some(0));
    let output = secmon(folder.path(), &["verify", "--store", "sqlite://of-env.db"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let verdict = &objects(&output)[0];
    assert!(verdict["records"].as_u64() > Some(50), "{verdict}");
    assert_eq!(verdict["covered"], verdict["records"]);
}

#[test]
fn a_token_is_printed_alone_and_probes_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        secmon(folder.path(), &["token", "create", "--scope", "ingest", "--name", "web-1"]);
    assert_eq!(output.status.code(), Some(0));
    let token = stdout(&output);
    assert!(token.starts_with("secmon_") && token.trim_end().len() == 50, "{token}");
    let output = secmon(folder.path(), &["probe", "memory"]);
    let event = &objects(&output)[0];
    assert!(event["system.memory.used.pct"].is_string());
    assert!(event.get("host.cpu.usage").is_none());
    let output = secmon(folder.path(), &["probe", "--store", "sqlite://probes.db"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = secmon(folder.path(), &["verify", "--store", "sqlite://probes.db"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn an_export_and_a_proof_are_verified_without_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| secmon(folder.path(), arguments);
    secmon_with(folder.path(), &["ingest", "-"], FAILED.repeat(3).as_bytes());
    secmon_with(folder.path(), &["ingest", "-"], b"once more\n");
    let keys = stdout(&run(&["checkpoint", "--vkey", "ingest"]));
    let [genesis, own] = keys.lines().collect::<Vec<_>>()[..] else { panic!("{keys}") };
    assert_eq!(run(&["export", "--out", "audit"]).status.code(), Some(0));
    let again = run(&["export", "--out", "audit"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("exists"), "{}", stderr(&again));

    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("proof"), run(&["proof", "ingest", "2"]).stdout).unwrap();
    std::fs::write(file("body"), run(&["proof", "ingest", "2", "--print-body"]).stdout).unwrap();
    std::fs::write(file("kept"), run(&["checkpoint", "ingest"]).stdout).unwrap();
    let verify =
        ["verify", "--export", "audit", "--vkey", genesis, "--vkey", own, "--anchor", "kept"];
    let verdict = run(&verify);
    assert_eq!(verdict.status.code(), Some(0), "{}", stderr(&verdict));
    assert_eq!((&objects(&verdict)[0]["ok"], stderr(&verdict)), (&true.into(), String::new()));
    let check = ["proof", "--check", "proof", "--body", "body", "--vkey", own];
    assert_eq!(run(&check).status.code(), Some(0));
    let other = std::fs::read_to_string(file("body")).unwrap().replace("web-1", "web-2");
    std::fs::write(file("body"), other).unwrap();
    let failed = run(&check);
    assert_eq!(failed.status.code(), Some(2));
    assert!(stderr(&failed).contains("does not lead"), "{}", stderr(&failed));

    let stream =
        objects(&verdict)[0]["origin"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let records = file("audit").join(&stream).join("records.jsonl");
    let text = std::fs::read_to_string(&records).unwrap();
    for (changed, word) in [
        (text.replacen("51234", "51235", 1), "altered"),
        (text.split_inclusive('\n').skip(1).collect(), "missing"),
        (format!("{text}{}\n", text.lines().last().unwrap()), "inserted"),
        (text.split_inclusive('\n').take(3).collect(), "truncated"),
    ] {
        std::fs::write(&records, changed).unwrap();
        let verdict = run(&verify);
        assert_eq!(verdict.status.code(), Some(1), "{word}");
        assert!(stderr(&verdict).contains(word), "{word}: {}", stderr(&verdict));
    }
    std::fs::write(&records, text).unwrap();

    let missing = run(&["proof", "ingest", "9999"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("record 9999"), "{}", stderr(&missing));
    assert!(stderr(&run(&["proof", "nobody", "0"])).contains("stream `nobody` not found"));
    assert!(stderr(&run(&["verify", "--export", "nowhere"])).contains("nowhere"));
    assert!(stderr(&run(&["verify", "--export", "."])).contains("not found"));
    // The privacy mode from now on: what is sealed in clear is said.
    let off = run(&["erase", "--label", "ingest", "user", "root"]);
    assert_eq!(off.status.code(), Some(2));
    assert!(stderr(&off).contains("[privacy] erasable"), "{}", stderr(&off));
    std::fs::write(file("secmon.toml"), "[privacy]\nerasable = [\"user.name\"]\n").unwrap();
    std::fs::write(file("carol.log"), FAILED.replace("root", "carol")).unwrap();
    assert_eq!(run(&["ingest", "carol.log"]).status.code(), Some(0));
    let erased = run(&["erase", "--label", "ingest", "user", "carol"]);
    assert!(stderr(&erased).contains("2 values are erased"), "{}", stderr(&erased));
    let erased = run(&["erase", "--label", "ingest", "user", "root"]);
    assert!(stderr(&erased).contains("0 values"), "{}", stderr(&erased));
    assert!(stderr(&erased).contains("hold the value in clear"), "{}", stderr(&erased));
    assert_eq!(run(&["verify"]).status.code(), Some(0));
    let pruned = run(&["prune", "--label", "ingest"]);
    assert!(stderr(&pruned).contains("0 records are gone"), "{}", stderr(&pruned));
}

const SIGMA: &str = "title: Shell through sudo
id: a1
logsource: {product: linux, service: sudo}
detection:
  shell: {process.command_line|endswith: [/bin/sh, /bin/bash]}
  condition: shell
level: high
---
title: Bad
id: a2
logsource: {}
detection:
  s: {f|nope: x}
  condition: s
";

#[test]
fn sigma_rules_are_checked_tried_explained_and_scanned_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::create_dir(at.join("rules")).unwrap();
    std::fs::write(at.join("rules/sudo.yml"), SIGMA).unwrap();
    std::fs::write(at.join("rules/readme.txt"), "no rule").unwrap();
    let line =
        "Nov 20 11:59:00 web-1 sudo: bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/bash\n";
    std::fs::write(at.join("auth.log"), line).unwrap();
    std::fs::write(at.join("secmon.toml"), "builtin = false\n[sigma]\nrules = [\"rules\"]\n")
        .unwrap();

    let check = secmon(at, &["rules", "check", "rules"]);
    assert_eq!(check.status.code(), Some(1), "{}", stderr(&check));
    assert!(
        stdout(&check).contains("rules/sudo.yml:13: error: `f|nope`: there is no modifier `nope`")
    );
    assert!(stderr(&check).contains("1 rule(s) can be used, 1 error(s)"));
    assert_eq!(secmon(at, &["rules", "check", "nothing"]).status.code(), Some(2));

    // One bad rule stops nothing, and is said.
    let list = secmon(at, &["rules", "list", "--output", "jsonl"]);
    assert!(stderr(&list).contains("rules/sudo.yml:13: error"));
    assert_eq!(objects(&list).len(), 1);
    assert_eq!(objects(&list)[0]["id"], "a1");

    let scan = secmon(at, &["scan", "--config", "secmon.toml", "--output", "jsonl", "auth.log"]);
    assert_eq!(scan.status.code(), Some(1), "{}", stderr(&scan));
    assert_eq!(objects(&scan)[0]["rule"], "a1");
    assert_eq!(objects(&scan)[0]["group"]["host.name"], "web-1");
    let windows = r#"{"process.command_line":"/bin/sh","product":"windows"}"#;
    let scanned = |arguments: &[&str]| {
        let arguments = [
            &[
                "scan",
                "--output",
                "jsonl",
                "--config",
                "/dev/null",
                "--no-builtin",
                "--rules",
                "rules",
            ],
            arguments,
            &["-"],
        ];
        objects(&secmon_with(at, &arguments.concat(), windows.as_bytes())).len()
    };
    assert_eq!((scanned(&[]), scanned(&["--unrouted"])), (0, 1));

    let test = secmon(at, &["rules", "test", "a1", "auth.log"]);
    assert_eq!(test.status.code(), Some(1), "{}", stderr(&test));
    assert!(stdout(&test).contains("1 event(s), 1 detection(s), 1 incident(s)"));
    std::fs::write(
        at.join("filter.yml"),
        "title: f\nlogsource: {product: linux}\nfilter: {rules: [a1], s: {user.name: bob}, condition: s}\n",
    )
    .unwrap();
    let test = secmon(at, &["rules", "test", "a1", "auth.log", "--filter", "filter.yml"]);
    assert!(
        stdout(&test).contains("the filter hides 1 detection(s), 1 incident(s)"),
        "{}",
        stdout(&test)
    );

    let explain = secmon(at, &["rules", "explain", "rules/sudo.yml", "auth.log"]);
    assert_eq!(explain.status.code(), Some(0), "{}", stderr(&explain));
    assert!(stdout(&explain).contains("a1 matches: Shell through sudo"));
    assert!(
        stdout(&explain)
            .contains("\u{2717} process.command_line is like \"*/bin/sh\"   [/bin/bash]")
    );
}

#[test]
fn a_rule_is_tried_on_what_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let now = secmon_http::clock::now();
    let lines: String = [(0, "192.0.2.7"), (1, "192.0.2.7"), (40, "198.51.100.9")]
        .map(|(days, address)| {
            let time = now - chrono::TimeDelta::days(days) - chrono::TimeDelta::minutes(5);
            let time = time.format("%Y-%m-%dT%H:%M:%SZ");
            format!("{time} web-1 sshd[7]: Failed password for root from {address} port 22 ssh2\n")
        })
        .concat();
    let ingest = secmon_with(at, &["ingest", "-"], lines.as_bytes());
    assert_eq!(ingest.status.code(), Some(0), "{}", stderr(&ingest));
    let rule = "title: t\nid: failed\nlogsource: {product: linux}\ndetection: {s: {event.outcome: failure}, condition: s}\n---\n\
                title: c\nid: many\ncorrelation: {generate: true, type: event_count, rules: [failed], group-by: [source.ip], timespan: 1h, condition: {gte: 1}}\n";
    std::fs::write(at.join("rule.yml"), rule).unwrap();
    let first = |since: &[&str]| {
        let arguments = [&["rules", "test", "rule.yml"], since].concat();
        let test = secmon(at, &arguments);
        stdout(&test).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(first(&["--since", "30d"])[0], "2 event(s), 4 detection(s), 2 incident(s)");
    assert_eq!(first(&["--since", "36h"])[0], "2 event(s), 4 detection(s), 2 incident(s)");
    assert_eq!(first(&["--since", "12h"])[0], "1 event(s), 2 detection(s), 2 incident(s)");
    let all = first(&["--store", "sqlite://secmon.db", "--silence", "source.ip=192.0.2.7"]);
    assert_eq!(all[0], "3 event(s), 6 detection(s), 3 incident(s)");
    assert_eq!(all.iter().filter(|line| line.contains("incident(s), ")).count(), 3, "{all:?}");
    assert_eq!(all.last().unwrap(), "the silence hides 2 detection(s), 1 incident(s)");
    let day = (now - chrono::TimeDelta::days(2)).format("%F").to_string();
    assert_eq!(first(&["--since", &day])[0], "2 event(s), 4 detection(s), 2 incident(s)");

    for (wrong, says) in [
        (["--since", "soon"], "`soon` is neither a time"),
        (["--silence", "bob"], "`bob` is no NAME=VALUE"),
    ] {
        let wrong = secmon(at, &[&["rules", "test", "rule.yml"][..], &wrong].concat());
        assert_eq!(wrong.status.code(), Some(2));
        assert!(stderr(&wrong).contains(says), "{}", stderr(&wrong));
    }
    let both = secmon(at, &["scan", "a.log", "--since", "1d"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn backups_are_refused_rotated_and_piped_to_a_standby() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("log"), FAILED.repeat(6)).unwrap();
    assert_eq!(secmon(path, &["ingest", "log"]).status.code(), Some(0));
    std::fs::create_dir(path.join("kept")).unwrap();
    for _ in 0..3 {
        let made = secmon(path, &["backup", "kept", "--keep", "2"]);
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    }
    assert_eq!(std::fs::read_dir(path.join("kept")).unwrap().count(), 2);
    // A warm standby: what one machine writes another reads.
    let backup = secmon(path, &["backup", "-"]).stdout;
    let restored = secmon_with(path, &["restore", "-", "--store", "sqlite://standby.db"], &backup);
    assert_eq!(restored.status.code(), Some(0), "{}", stderr(&restored));
    let verified = secmon(path, &["verify", "--store", "sqlite://standby.db"]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    std::fs::write(path.join("empty"), "").unwrap();
    for (arguments, words) in [
        (&["backup", "log"][..], "nothing is overwritten"),
        (&["backup", "/no/such/folder/x"], "No such file"),
        (&["backup", "--command", "exit 7"], "exit status: 7"),
        (&["backup", "x", "--passphrase-file", "empty"], "no passphrase"),
        (&["backup", "x", "--store", "sqlite://absent.db"], "no such file"),
        (&["backup"], "required"),
        (&["restore", "log", "--store", "sqlite://new.db"], "no backup of secmon"),
        (&["restore", "absent", "--store", "sqlite://new.db"], "absent"),
        (&["restore", "-", "--store", "sqlite://standby.db"], "no backup of secmon"),
        (&["move", "--from", "sqlite://absent.db", "--to", "sqlite://new.db"], "no such file"),
        (&["move", "--from", "sqlite://secmon.db", "--to", "sqlite://standby.db"], "already"),
    ] {
        let refused = secmon(path, arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&refused).contains(words), "{arguments:?}: {}", stderr(&refused));
    }
    for name in ["new.db", "x", "x.partial"] {
        assert!(!path.join(name).exists(), "{name}");
    }
}
