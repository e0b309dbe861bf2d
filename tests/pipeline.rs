//! Batches that are begun while others are stored: what is answered is stored once, in order, and nothing else.

#[path = "support/stores.rs"]
mod stores;

use std::collections::VecDeque;

use proptest::prelude::*;
use secmon_core::{Prepared, Ruleset};
use secmon_store::{
    Error, IncidentQuery, Receipt, RecordQuery, Request, RequestKey, Result, Store, VerifyOptions,
    Writer,
};
use stores::{folder, noon};

fn request(key: Option<u64>, lines: &[String], now: i64) -> Request {
    let events: Vec<Prepared> = Ruleset::builtin().prepare_lines(lines, noon(now));
    let key =
        key.map(|key| RequestKey::new("test", &format!("key {key}"), lines.join("\n").as_bytes()));
    Request { events, key, positions: Vec::new() }
}

fn lines(from: u64, count: u64) -> Vec<String> {
    (from..from + count)
        .map(|number| {
            format!(
                "2026-07-27T12:00:00Z web-1 sshd[{number}]: Failed password for root from 192.0.2.{} port 22 ssh2",
                number % 3
            )
        })
        .collect()
}

/// The process ids in stored events, in the order of their records.
fn stored(store: &Store) -> Vec<String> {
    let query = RecordQuery::default().limit(1_000);
    let mut rows = store.records(&query).unwrap().rows;
    rows.sort_by_key(|row| row.seq);
    let number =
        |row: &secmon_store::RecordRow| row.event.find("process.pid").map(|v| v.to_string());
    rows.iter().filter_map(number).collect()
}

fn numbers(from: u64, to: u64) -> Vec<String> {
    (from..to).map(|number| number.to_string()).collect()
}

fn sound(store: &Store) {
    let verdicts = store.verify(&VerifyOptions::default()).unwrap();
    assert!(verdicts.iter().all(secmon_core::seal::Verdict::is_ok), "{verdicts:?}");
}

fn seqs(answers: Vec<Result<Receipt>>) -> Vec<u64> {
    answers.into_iter().map(|answer| answer.unwrap().seqs.unwrap().0).collect()
}

#[test]
fn what_was_begun_is_answered_once_it_is_stored_and_in_order() {
    let folder = folder();
    let store = stores::open(&folder);
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(0)).unwrap();
    let begin = |writer: &mut Writer, from, now| {
        let requests =
            vec![request(None, &lines(from, 2), now), request(None, &lines(from + 2, 1), now)];
        writer.begin(requests, noon(now)).unwrap();
    };
    begin(&mut writer, 0, 1);
    assert!(writer.answers().is_empty());
    assert!(stored(&store).is_empty());
    begin(&mut writer, 3, 2);
    let first = seqs(writer.answers());
    assert_eq!(stored(&store), numbers(0, 3));
    // Other ways in keep the order, and answer for themselves.
    let other =
        writer.write(Ruleset::builtin().prepare_lines(lines(6, 1), noon(3)), noon(3)).unwrap();
    let second = seqs(writer.answers());
    begin(&mut writer, 7, 4);
    writer.maintain(noon(5)).unwrap();
    let third = seqs(writer.answers());
    let all: Vec<u64> = [first, second, vec![other.seqs.unwrap().0], third].concat();
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted(), "{all:?}");
    assert!(writer.answers().is_empty());
    begin(&mut writer, 10, 6);
    writer.close(noon(7)).unwrap();
    assert_eq!(stored(&store), numbers(0, 13));
    sound(&store);
}

#[test]
fn a_request_that_waits_is_not_taken_twice() {
    let folder = folder();
    let store = stores::open(&folder);
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(0)).unwrap();
    writer.begin(vec![request(Some(1), &lines(0, 1), 1)], noon(1)).unwrap();
    let again = vec![request(Some(1), &lines(0, 1), 1), request(Some(1), &lines(5, 1), 1)];
    writer.begin(again, noon(1)).unwrap();
    let answers = writer.answers();
    assert!(answers[0].is_ok());
    assert!(matches!(answers[1], Err(Error::Busy { .. })), "{:?}", answers[1]);
    assert!(matches!(answers[2], Err(Error::KeyReused)), "{:?}", answers[2]);
    let replayed = writer.commit(vec![request(Some(1), &lines(0, 1), 1)], noon(1)).unwrap();
    assert!(replayed[0].as_ref().unwrap().replayed);
    assert_eq!(stored(&store), numbers(0, 1));
}

#[test]
fn a_writer_that_dies_with_a_batch_in_hand_has_acknowledged_nothing_of_it() {
    let folder = folder();
    let store = stores::open(&folder);
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(0)).unwrap();
    // A checkpoint with each of them: the key file must not be ahead of what is stored.
    for (batch, now) in [(0, 10), (1, 20), (2, 30)] {
        writer.begin(vec![request(Some(batch), &lines(batch, 1), now)], noon(now)).unwrap();
    }
    assert_eq!(writer.answers().len(), 2);
    drop(writer);
    assert_eq!(stored(&store), numbers(0, 2));
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(60)).unwrap();
    assert!(writer.take_begun().is_none(), "the same stream goes on");
    for batch in [1, 2] {
        let again = vec![request(Some(batch), &lines(batch, 1), 60)];
        let answer = writer.commit(again, noon(60)).unwrap();
        assert_eq!(answer[0].as_ref().unwrap().replayed, batch == 1);
    }
    writer.close(noon(61)).unwrap();
    assert_eq!(stored(&store), numbers(0, 3));
    sound(&store);
}

#[test]
fn while_the_store_is_busy_two_batches_wait_and_are_stored_when_it_is_not() {
    let folder = folder();
    let store = stores::open(&folder);
    let mut writer = store.writer("web-1", Ruleset::builtin(), noon(0)).unwrap();
    writer.commit(vec![request(None, &lines(0, 1), 1)], noon(1)).unwrap();
    let lock = stores::Lock::of(&folder);
    writer.begin(vec![request(Some(1), &lines(1, 1), 2)], noon(2)).unwrap();
    for batch in 2..4 {
        let error =
            writer.begin(vec![request(Some(batch), &lines(batch, 1), 2)], noon(2)).unwrap_err();
        assert!(matches!(error, Error::Busy { .. }), "{error}");
    }
    drop(lock);
    writer.finish().unwrap();
    assert!(writer.answers().is_empty(), "all of them were told to come again");
    // The third found two waiting, and was not sealed.
    assert_eq!(stored(&store), numbers(0, 3));
    for batch in 1..4 {
        let answers =
            writer.commit(vec![request(Some(batch), &lines(batch, 1), 2)], noon(3)).unwrap();
        assert_eq!(answers[0].as_ref().unwrap().replayed, batch < 3, "{batch}");
    }
    writer.close(noon(4)).unwrap();
    assert_eq!(stored(&store), numbers(0, 4));
    sound(&store);
}

/// What somebody does with a writer.
#[derive(Clone, Debug)]
enum Act {
    Begin(u64),
    Commit(u64),
    Finish,
    Maintain,
    /// The writer is gone without an end, and opened again.
    Die,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1..4_u64).prop_map(Act::Begin),
        2 => (1..4_u64).prop_map(Act::Commit),
        1 => Just(Act::Finish),
        1 => Just(Act::Maintain),
        1 => Just(Act::Die),
    ];
    proptest::collection::vec(act, 1..24)
}

fn incidents(store: &Store) -> Vec<(String, u64)> {
    let rows = store.incidents(&IncidentQuery::default()).unwrap().rows;
    let mut rows: Vec<_> = rows.into_iter().map(|row| (row.group, row.count)).collect();
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However batches are stored: what was answered is there, in order and once, and counted as by a writer that
    /// stored it one by one.
    #[test]
    fn batches_that_overlap_are_those_of_one_after_the_other(acts in acts()) {
        let (here, there) = (folder(), folder());
        let (store, plain) = (stores::open(&here), stores::open(&there));
        let open = |store: &Store, now| store.writer("web-1", Ruleset::builtin(), noon(now)).unwrap();
        let mut writer = Some(open(&store, 0));
        let mut reference = open(&plain, 0);
        let mut waiting: VecDeque<Vec<String>> = VecDeque::new();
        let (mut next, mut kept) = (0, Vec::new());
        let mut settle = |writer: &mut Writer, waiting: &mut VecDeque<Vec<String>>, now| {
            for answer in writer.answers() {
                prop_assert!(answer.unwrap().seqs.is_some());
                let lines = waiting.pop_front().unwrap();
                reference.commit(vec![request(None, &lines, now)], noon(now)).unwrap();
                kept.extend(lines);
            }
            Ok(())
        };
        for (act, now) in acts.iter().zip(1..) {
            let own = writer.as_mut().unwrap();
            match act {
                Act::Begin(count) => {
                    let lines = lines(next, *count);
                    next += count;
                    own.begin(vec![request(None, &lines, now)], noon(now)).unwrap();
                    waiting.push_back(lines);
                }
                Act::Commit(count) => {
                    let lines = lines(next, *count);
                    next += count;
                    own.finish().unwrap();
                    settle(own, &mut waiting, now)?;
                    own.begin(vec![request(None, &lines, now)], noon(now)).unwrap();
                    own.finish().unwrap();
                    waiting.push_back(lines);
                }
                Act::Finish => own.finish().unwrap(),
                Act::Maintain => own.maintain(noon(now)).unwrap(),
                Act::Die => {
                    settle(own, &mut waiting, now)?;
                    writer.take();
                    // What was only begun is lost, and nobody was told otherwise.
                    waiting.clear();
                    writer = Some(open(&store, now));
                }
            }
            settle(writer.as_mut().unwrap(), &mut waiting, now)?;
        }
        let mut own = writer.take().unwrap();
        own.finish().unwrap();
        settle(&mut own, &mut waiting, 30)?;
        prop_assert!(waiting.is_empty());
        own.close(noon(31)).unwrap();
        sound(&store);
        let pid = |line: &String| line.split(['[', ']']).nth(1).unwrap().to_owned();
        prop_assert_eq!(stored(&store), kept.iter().map(pid).collect::<Vec<_>>());
        prop_assert_eq!(incidents(&store), incidents(&plain));
    }
}
