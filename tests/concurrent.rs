//! Verification and export of a store while a writer goes on, records expire, blocks are pruned and keys
//! rotate: no flaw is found where there is none.

#[path = "support/stores.rs"]
mod stores;

use std::sync::atomic::{AtomicBool, Ordering};

use secmon_core::Ruleset;
use secmon_core::seal::{Retention, Verdict};
use secmon_store::{Store, VerifyOptions, verify_export};
use stores::{folder, noon, url};

const DAY: i64 = 86_400;
/// Days that pass while somebody looks.
const DAYS: i64 = 84;

#[test]
fn whoever_looks_while_records_expire_finds_no_flaw() {
    let folder = folder();
    let store = stores::open(&folder);
    let rules = Ruleset::empty();
    let mut writer = store.writer("main", rules.clone(), noon(0)).unwrap();
    writer.set_retention(Retention { everyday: 1, ..Retention::default() });
    writer.write(rules.prepare_lines(["first"], noon(0)), noon(0)).unwrap();
    let done = AtomicBool::new(false);
    let (mut expired, mut pruned, mut verified, mut exported) = (0, 0, 0, 0);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut gone = 0;
            for day in 0..DAYS {
                for batch in 0..4 {
                    let now = noon(day * DAY + batch * 10);
                    let lines = (0..400).map(|line| format!("line {line} of {batch} on day {day}"));
                    writer.write(rules.prepare_lines(lines, now), now).unwrap();
                    gone += writer.expire(now).unwrap();
                    writer.prune(now).unwrap();
                }
            }
            writer.close(noon(DAYS * DAY)).unwrap();
            done.store(true, Ordering::Relaxed);
            gone
        });
        let look = |round: u64| -> Vec<Verdict> {
            if round.is_multiple_of(2) {
                // A store of its own, as another process has it.
                let store = Store::open(&url(&folder)).unwrap();
                return store.verify(&VerifyOptions::default()).unwrap();
            }
            let out = folder.path().join(format!("export-{round}"));
            store.export(&out, None, |_| {}).unwrap();
            verify_export(&out, &VerifyOptions::default(), |_| {}).unwrap()
        };
        for round in 0.. {
            let last = done.load(Ordering::Relaxed) || writing.is_finished();
            let verdicts = look(round);
            assert!(verdicts.iter().all(Verdict::is_ok), "round {round}: {verdicts:?}");
            expired = expired.max(verdicts[0].expired);
            pruned = pruned.max(verdicts[0].pruned);
            if round.is_multiple_of(2) {
                verified += 1;
            } else {
                exported += 1;
            }
            if last && round > 2 {
                break;
            }
        }
        assert!(writing.join().unwrap() > 50_000);
    });
    println!("{verified} verifications and {exported} exports, {expired} expired, {pruned} pruned");
    assert!(expired > 10_000 && pruned > 0);
}
