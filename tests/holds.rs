//! Evidence that is held stays beyond its day, verification honours the hold, and nobody lifts it unseen.

#[path = "support/stores.rs"]
mod stores;

use secmon_core::Ruleset;
use secmon_core::seal::{Flaw, Retention};
use secmon_store::{Error, Store, VerifyOptions, Writer};
use stores::{folder, noon};
use tempfile::TempDir;

const DAY: i64 = 86_400;

/// A store whose records are kept a day, three of them held for ever.
fn held() -> (TempDir, Store, Writer) {
    let folder = folder();
    let store = stores::open(&folder);
    let rules = Ruleset::builtin();
    let mut writer = store.writer("web-1", rules.clone(), noon(0)).unwrap();
    writer.set_retention(Retention { everyday: 1, ..Retention::default() });
    let lines = (0..9).map(|line| format!("line {line}"));
    writer.write(rules.prepare_lines(lines, noon(1)), noon(1)).unwrap();
    writer.maintain(noon(3)).unwrap();
    writer.hold(&[2, 3, 5], None, "an auditor", noon(10)).unwrap();
    (folder, store, writer)
}

fn first(store: &Store) -> Option<Flaw> {
    let verdict = store.verify(&VerifyOptions::default()).unwrap().remove(0);
    verdict.first().map(|finding| finding.flaw)
}

#[test]
fn what_is_held_stays_and_the_rest_expires() {
    let (_folder, store, mut writer) = held();
    assert_eq!(first(&store), None);
    assert_eq!(writer.expire(noon(3 * DAY)).unwrap(), 6);
    assert_eq!(writer.expire(noon(4 * DAY)).unwrap(), 0);
    writer.close(noon(4 * DAY)).unwrap();
    let verdict = store.verify(&VerifyOptions::default()).unwrap().remove(0);
    assert_eq!((verdict.is_ok(), verdict.expired), (true, 6), "{:?}", verdict.findings);
    let stream = store.stream("web-1").unwrap().id();
    assert_eq!(store.record(&stream, 2).unwrap().expires.to_string(), "9999-12-31");
}

#[test]
fn a_hold_until_a_day_ends_and_an_earlier_one_changes_nothing() {
    let (_folder, store, mut writer) = held();
    let until = |seconds| Some(noon(seconds).date_naive());
    writer.hold(&[6], until(10 * DAY), "an auditor", noon(20)).unwrap();
    writer.hold(&[6, 2], until(5 * DAY), "an auditor", noon(30)).unwrap();
    assert_eq!(writer.expire(noon(7 * DAY)).unwrap(), 5);
    assert_eq!(first(&store), None);
    assert_eq!(writer.expire(noon(11 * DAY)).unwrap(), 1);
    // Twice the same, and what is no event.
    writer.hold(&[2, 2], None, "an auditor", noon(11 * DAY)).unwrap();
    let hold = writer.stream_row().size() - 1;
    let refused = writer.hold(&[hold], None, "an auditor", noon(11 * DAY)).unwrap_err();
    assert!(matches!(refused, Error::NotFound { .. }), "{refused}");
    let missing = writer.hold(&[2, 1], None, "an auditor", noon(11 * DAY)).unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
    writer.close(noon(11 * DAY + 5)).unwrap();
    assert_eq!(first(&store), None);
}

#[test]
fn a_hold_that_is_lifted_by_hand_is_found_and_nothing_goes() {
    for change in [
        "UPDATE records SET expires = (SELECT expires FROM (SELECT * FROM records) AS r WHERE seq = 1) \
         WHERE seq = 3",
        "UPDATE records SET expires = expires + 1 WHERE seq = 4",
        "DELETE FROM holds",
    ] {
        let (folder, store, mut writer) = held();
        let sql = stores::Sql::of(&folder);
        let refused = sql.run(change);
        assert!(refused.is_err() || change.starts_with("DELETE"), "{change}");
        sql.run("DROP TRIGGER records_update").unwrap();
        sql.run(change).unwrap();
        assert_eq!(first(&store), Some(Flaw::ColumnMismatch), "{change}");
        if change.contains("seq = 3") {
            let refused = writer.expire(noon(3 * DAY)).unwrap_err();
            assert!(matches!(refused, Error::Tampered { seq: 3 }), "{refused}");
        }
    }
}
