//! Profiles on six weeks of generated work, in which it is known what is unusual.

#[path = "support/stores.rs"]
mod stores;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use secmon_core::{Counters, Detection, Event, Level, Ruleset, fields};
use secmon_store::IncidentQuery;
use stores::{folder, time};

const USERS: u64 = 40;
const DAYS: i64 = 45;
/// The days on which unusual things happen.
const LAST: i64 = 10;
const ACTIONS: [&str; 5] = ["login", "sudo_command", "session_opened", "file_read", "deploy"];

/// Numbers that look random and are the same each time (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// Something that happened; `planted` numbers the anomalies.
struct Happened {
    event: Event,
    planted: Option<usize>,
}

#[derive(Clone)]
struct Act {
    user: u64,
    at: DateTime<Utc>,
    from: String,
    host: u64,
    action: &'static str,
}

impl Act {
    fn happened(self, planted: Option<usize>) -> Happened {
        let mut event = Event::new(self.at);
        event.set(fields::EVENT_ACTION, self.action);
        event.set(fields::EVENT_OUTCOME, "success");
        event.set(fields::USER_NAME, format!("user-{}", self.user));
        event.set(fields::SOURCE_IP, self.from.parse::<std::net::IpAddr>().unwrap());
        event.set(fields::HOST_NAME, format!("host-{}", self.host));
        Happened { event, planted }
    }
}

/// What a user does at a time of a working day: hours, addresses, hosts and actions of its own.
fn usual(user: u64, at: DateTime<Utc>, dice: &mut Dice) -> Act {
    Act {
        user,
        at,
        from: format!("192.0.2.{}", user * 3 % 200 + dice.below(1 + user % 3)),
        host: user % 7 + dice.below(1 + user % 3),
        action: ACTIONS[usize::try_from(dice.below(3 + user % 3)).unwrap()],
    }
}

/// A time of a day within a user's hours.
fn by_day(user: u64, day: i64, dice: &mut Dice) -> DateTime<Utc> {
    let (begin, length) = (7 + user % 4, 7 + user % 3);
    let second = begin * 3_600 + dice.below(length * 3_600);
    time("2026-06-01T00:00:00Z")
        + TimeDelta::days(day)
        + TimeDelta::seconds(i64::try_from(second).unwrap())
}

/// Six weeks of all users, by time. With `noise` people also work late, travel and help out elsewhere.
fn weeks(noise: bool, planted: usize) -> Vec<Happened> {
    let mut dice = Dice(88_172_645_463_325_252);
    let mut all = Vec::new();
    for user in 0..USERS {
        for day in 0..DAYS {
            let works = day % 7 < 5 || dice.one_in(4);
            let events = if works { 4 + dice.below(8 + user % 20) } else { 0 };
            for _ in 0..events {
                let mut act = usual(user, by_day(user, day, &mut dice), &mut dice);
                if noise && dice.one_in(400) {
                    act.at += TimeDelta::hours(4);
                }
                if noise && dice.one_in(400) {
                    act.from = format!("198.51.100.{}", dice.below(250));
                }
                if noise && dice.one_in(800) {
                    act.host = 7 + dice.below(5);
                }
                all.push(act.happened(None));
            }
        }
    }
    for number in 0..planted {
        let user = dice.below(USERS);
        let day = DAYS - 1 - i64::try_from(dice.below(u64::try_from(LAST).unwrap())).unwrap();
        let mut act = usual(user, by_day(user, day, &mut dice), &mut dice);
        match number % 4 {
            0 => {
                act.at = act.at.date_naive().and_hms_opt(2, 40, 0).unwrap().and_utc();
                act.from = format!("203.0.113.{}", dice.below(250));
            }
            1 => {
                act.host = 20 + dice.below(30);
                act.from = format!("203.0.113.{}", dice.below(250));
            }
            2 => {
                act.host = 20 + dice.below(30);
                act.action = "user_created";
            }
            _ => {
                for second in 0..150 {
                    let at = act.at + TimeDelta::seconds(second);
                    all.push(Act { at, ..act.clone() }.happened(Some(number)));
                }
            }
        }
        all.push(act.happened(Some(number)));
    }
    all.sort_by_key(|happened| happened.event.time);
    all
}

fn rules(deviations: u8) -> Ruleset {
    let settings = serde_json::json!({"by": ["user.name"], "deviations": deviations});
    Ruleset::builder().settings("profile", "profile", settings).unwrap().build().unwrap()
}

fn found(rules: &Ruleset, all: &[Happened]) -> Vec<Detection> {
    let mut counters = Counters::new(rules);
    let count = |(seq, happened): (u64, &Happened)| {
        counters.event("weeks", seq, &rules.prepare_event(happened.event.clone()))
    };
    (0..).zip(all).flat_map(count).collect()
}

/// How many of the planted anomalies of each kind were found, how many detections are right, and how many there are.
fn score(deviations: u8) -> ([usize; 4], usize, usize) {
    let all = weeks(true, 200);
    let detections = found(&rules(deviations), &all);
    let hit: Vec<usize> = detections
        .iter()
        .filter_map(|one| all[usize::try_from(one.place.seq).unwrap()].planted)
        .collect();
    let mut kinds = [0; 4];
    for number in hit.iter().collect::<BTreeSet<_>>() {
        kinds[number % 4] += 1;
    }
    (kinds, hit.len(), detections.len())
}

#[test]
fn planted_anomalies_are_found_among_people_who_travel_and_work_late() {
    for deviations in [1, 2] {
        let (kinds, right, all) = score(deviations);
        let recall = kinds.iter().sum::<usize>();
        println!(
            "{deviations} deviation(s): {kinds:?} of 50 each, {recall} of 200 found; {right} of {all} detections are right"
        );
    }
    // With one deviation everything is found, work at night and in hotels too; with two only what people do not
    // do by chance, but no burst. What is missing was planted with somebody for the third time.
    let (kinds, right, all) = score(1);
    assert!(kinds.iter().all(|kind| *kind >= 44), "{kinds:?}");
    assert!(right * 10 >= all * 7, "{right} of {all}");
    let (kinds, right, all) = score(2);
    assert!(kinds[..3].iter().all(|kind| *kind >= 44), "{kinds:?}");
    assert!(right * 100 >= all * 95, "{right} of {all}");
}

#[test]
fn work_as_ever_is_not_unusual() {
    let all = weeks(false, 0);
    assert_eq!(found(&rules(1), &all), []);
    assert!(all.len() > 15_000);
}

#[test]
fn the_order_of_a_minute_does_not_matter() {
    let mut all = weeks(true, 40);
    // Of a burst those events count that come behind the limit, whichever they are.
    all.retain(|happened| happened.planted.is_none_or(|number| number % 4 != 3));
    let incidents = |all: &[Happened]| {
        let rules = rules(1);
        let mut counters = Counters::new(&rules);
        for (seq, happened) in (0..).zip(all) {
            counters.event("weeks", seq, &rules.prepare_event(happened.event.clone()));
        }
        let all = counters.incidents().into_iter();
        all.map(|one| (one.group, one.count, one.first, one.last, one.level)).collect::<Vec<_>>()
    };
    let sorted = incidents(&all);
    let mut dice = Dice(7);
    all.sort_by_cached_key(|happened| {
        happened.event.time.timestamp() + i64::try_from(dice.below(60)).unwrap()
    });
    assert_eq!(incidents(&all), sorted);
    assert!(sorted.len() > 20);
}

#[test]
fn a_store_that_crashes_finds_the_same_and_keeps_the_reasons() {
    let all = weeks(true, 20);
    let rules = rules(2);
    let mut expected: Vec<_> = found(&rules, &all)
        .into_iter()
        .map(|one| (one.time, one.reason.unwrap(), one.level))
        .collect();
    let folder = folder();
    let store = stores::open(&folder);
    for part in all.chunks(900) {
        let now = part[0].event.time;
        let mut writer = store.writer("web-1", rules.clone(), now).unwrap();
        for some in part.chunks(170) {
            let events = some.iter().map(|happened| rules.prepare_event(happened.event.clone()));
            writer.write(events.collect::<Vec<_>>(), some.last().unwrap().event.time).unwrap();
            writer.maintain(some.last().unwrap().event.time).unwrap();
        }
        drop(writer); // as if it had been killed
    }
    let mut stored: Vec<_> = store
        .detections(&IncidentQuery { limit: 1_000, ..Default::default() })
        .unwrap()
        .rows
        .into_iter()
        .map(|row| (row.time, row.reason.unwrap(), row.level))
        .collect();
    stored.sort();
    expected.sort();
    assert_eq!(stored, expected);
    let incidents =
        store.incidents(&IncidentQuery { limit: 1_000, ..Default::default() }).unwrap().rows;
    assert!(incidents.iter().all(|row| row.level >= Level::Medium));
    let reason = incidents[0].reason.as_deref().unwrap();
    assert!(reason.contains(" seen on ") && reason.contains(", usual "), "{reason}");
}
