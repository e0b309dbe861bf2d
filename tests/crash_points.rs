//! A process that dies at each named step of a commit, of the key file, of a rotation and of expiry, many
//! times: what is left starts cleanly, verifies, raises no false alarm, and loses nothing that was
//! acknowledged.

#[path = "support/stores.rs"]
mod stores;

use std::fs;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use secmon_core::Ruleset;
use secmon_core::seal::Retention;
use secmon_store::{Request, RequestKey, VerifyOptions};
use stores::{folder, noon};

/// How often a process dies at each place.
const TIMES: u64 = 20;
/// Whose values are erased again and again.
const PERSON: &str = "carol";
/// Where the child finds its store, and the hour at which it begins.
const STORE: &str = "SECMON_TEST_CRASH_STORE";
const HOUR: &str = "SECMON_TEST_CRASH_HOUR";

/// What a child does, again and again until it dies: it writes keyed batches five hours apart, so that
/// signing keys rotate, removes what has expired, and says what was acknowledged. A test of its own that
/// does nothing when it is not asked.
#[test]
fn child() {
    let (Ok(folder), Ok(hour)) = (std::env::var(STORE), std::env::var(HOUR)) else { return };
    let (folder, hour) = (Path::new(&folder), hour.parse::<i64>().unwrap());
    let store = stores::open(folder);
    store.set_erasable(vec!["user.name".into()]).unwrap();
    let rules = Ruleset::builtin();
    let at = |hour: i64| -> DateTime<Utc> { noon(0) + TimeDelta::hours(hour) };
    let mut writer = store.writer("main", rules.clone(), at(hour)).unwrap();
    writer.set_retention(Retention { everyday: 1, ..Retention::default() });
    for round in 0..40 {
        let now = at(hour + 5 * round);
        let name = format!("{hour} {round}");
        let said =
            |line| format!("sshd[{line}]: Failed password for {PERSON} from ::1 port {line} ssh2");
        let lines = (0..30).map(|line| match line {
            0 => format!("{} web-1 {}", now.format("%Y-%m-%dT%H:%M:%SZ"), said(line)),
            _ => format!("line {line} of {name}"),
        });
        let key = RequestKey::new("child", &name, name.as_bytes());
        let events = rules.prepare_lines(lines, now);
        writer
            .write_request(Request { events, key: Some(key), ..Request::default() }, now)
            .unwrap();
        // Behind the commit: whoever reads this line was answered.
        let mut acknowledged = fs::read_to_string(folder.join("acknowledged")).unwrap_or_default();
        acknowledged.push_str(&format!("{name}\n"));
        fs::write(folder.join("acknowledged"), acknowledged).unwrap();
        if round % 4 == 3 {
            writer.expire(now).unwrap();
        }
        if round % 6 == 5 {
            writer.erase("user", PERSON, now).unwrap();
        }
    }
    writer.erase("user", PERSON, at(hour + 299)).unwrap();
    writer.close(at(hour + 300)).unwrap();
}

#[test]
fn whatever_step_a_process_dies_at_the_store_is_sound() {
    if !cfg!(debug_assertions) {
        println!("skipped: places to die at are in debug builds");
        return;
    }
    let places = [
        "commit.before",
        "commit.records",
        "commit.tiles",
        "commit.after",
        "keys.rename",
        "rotation.pending",
        "expire.announced",
        "expire.deleted",
        "erase.announced",
        "erase.forgotten",
        "erase.rotated",
    ];
    for place in places {
        let folder = folder();
        let mut hour = 0;
        for time in 1..=TIMES {
            // At another visit each time, of those that there are: a rotation comes with every fifth
            // batch, expiry with every fourth from the second day on.
            let visit = match place {
                "rotation.pending" => 1 + time % 8,
                "expire.announced" | "expire.deleted" => 1 + time % 3,
                "erase.announced" | "erase.forgotten" | "erase.rotated" => 1 + time % 4,
                _ => 1 + time % 13,
            };
            let died = run(folder.path(), hour, Some(&format!("{place}:{visit}")));
            assert!(died, "nobody came to {place} for the time {visit}");
            hour += 210;
            check(folder.path(), place, time);
        }
        // The one that is left alone goes through.
        assert!(!run(folder.path(), hour, None));
        check(folder.path(), place, TIMES + 1);
        let sql = stores::Sql::of(&folder);
        let count = |query: &str| sql.number(query);
        assert_eq!(count("SELECT count(*) FROM erasable_values WHERE field = 'user.name'"), 0);
        assert_eq!(count("SELECT count(DISTINCT key_id) FROM subjects"), 1, "{place}");
    }
}

/// Runs a child; says whether it died at the place that was named.
fn run(folder: &Path, hour: i64, failpoint: Option<&str>) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["child", "--exact", "--nocapture"])
        .env(STORE, folder)
        .env(HOUR, hour.to_string());
    if let Some(failpoint) = failpoint {
        command.env("SECMON_FAILPOINT", failpoint);
    }
    let output = command.output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{said}");
    }
    !output.status.success()
}

fn check(folder: &Path, place: &str, time: u64) {
    let store = stores::open(folder);
    let streams = store.streams().unwrap();
    assert_eq!(streams.len(), 1, "{place}, time {time}: a false rollback alarm began a new stream");
    let verdict = store.verify(&VerifyOptions::default()).unwrap().remove(0);
    assert!(verdict.is_ok(), "{place}, time {time}: {:?}", verdict.findings);
    let acknowledged = fs::read_to_string(folder.join("acknowledged")).unwrap_or_default();
    let query = "SELECT count(*) FROM records WHERE category = 'event'";
    let lines = stores::Sql::of(folder).number(query);
    // Batches are whole or not at all, and of those that died at most one was stored unanswered.
    let stored = u64::try_from(lines).unwrap() + verdict.expired;
    let answered = 30 * acknowledged.lines().count() as u64;
    assert!(
        stored >= answered && stored <= answered + 30 * time,
        "{place}: {stored} of {answered}"
    );
    assert_eq!(stored % 30, 0, "{place}, time {time}");
}
