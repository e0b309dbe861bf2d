//! Sliding windows with bounds on memory: what all counting rules share.
//!
//! A window keeps only as many of the newest entries as its question needs, so one signal costs a few
//! steps whatever the rate. A budget of bytes bounds all groups together; the groups that were silent
//! longest go first, and are counted.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::group::Group;
use crate::rules::Signal;
use crate::span::micros;

/// Entries kept beyond those that the question needs, so that signals out of order find their place.
const SLACK: usize = 32;
/// Bytes that all windows of one rule may take.
const BUDGET: usize = 8 << 20;

/// Weights in a sliding window, by group.
///
/// ```
/// use std::time::Duration;
/// use secmon_core::rules::{Group, Signal, Windows};
///
/// let mut windows = Windows::default();
/// let at = |second| Signal::new(chrono::DateTime::from_timestamp(second, 0).unwrap(), Group::none());
/// for second in [0, 599, 600] {
///     windows.add(&at(second), Duration::from_secs(600), 3);
/// }
/// assert_eq!(windows.add(&at(601), Duration::from_secs(600), 9), 3); // the one at 0 has left
/// ```
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Windows {
    groups: Bounded<VecDeque<(i64, u32)>>,
}

impl Windows {
    /// Adds a signal; says the greatest weight of any window of this length that holds it, counted up
    /// to `need`.
    pub fn add(&mut self, signal: &Signal, within: Duration, need: u32) -> u32 {
        self.add_weight(signal, signal.weight, within, need)
    }

    /// As [`Windows::add`], with another weight than the signal's.
    pub(crate) fn add_weight(
        &mut self,
        signal: &Signal,
        weight: u32,
        within: Duration,
        need: u32,
    ) -> u32 {
        let time = signal.time.timestamp_micros();
        let most = usize::try_from(need).unwrap_or(usize::MAX).saturating_add(SLACK);
        let within = micros(within);
        self.groups.update(&signal.group, time, |entries: &mut VecDeque<(i64, u32)>| {
            let at = entries.iter().rposition(|(other, _)| *other <= time).map_or(0, |at| at + 1);
            entries.insert(at, (time, weight));
            let sum = heaviest(entries, at, within, need);
            if entries.len() > most {
                entries.pop_front();
            }
            sum
        })
    }

    /// The weight in the window of this length that ends at a time, counted up to `need`.
    pub fn count(&self, group: &Group, end: i64, within: Duration, need: u32) -> u32 {
        let from = end.saturating_sub(micros(within));
        let entries = self.groups.get(group).into_iter().flatten();
        entries
            .filter(|(time, _)| (from..=end).contains(time))
            .map(|(_, weight)| *weight)
            .fold(0_u32, u32::saturating_add)
            .min(need)
    }

    /// Forgets groups for which nothing came for this long, by the time of receipt: lines of last year
    /// that come today stay together.
    pub fn expire(&mut self, now: DateTime<Utc>, idle: Duration) {
        self.groups.expire(now, idle);
    }

    /// Forgets one group.
    pub fn forget(&mut self, group: &Group) {
        self.groups.remove(group);
    }
}

impl Memory for Windows {
    fn bytes(&self) -> usize {
        self.groups.bytes()
    }

    fn evicted(&self) -> u64 {
        self.groups.evicted()
    }

    fn evict(&mut self) {
        self.groups.evict();
    }
}

/// The greatest weight of a window that holds the entry at a place, counted up to `need`.
fn heaviest(entries: &VecDeque<(i64, u32)>, at: usize, within: i64, need: u32) -> u32 {
    let time = entries.get(at).map_or(0, |(time, _)| *time);
    let mut best: u32 = 0;
    if at + 1 == entries.len() {
        // In order, as nearly always: only windows that end here hold the entry.
        for (_, weight) in entries.iter().rev().take_while(|(other, _)| time - other <= within) {
            best = best.saturating_add(*weight);
            if best >= need {
                return need;
            }
        }
        return best;
    }
    let starts = entries.iter().enumerate().take(at + 1).rev();
    for (start, (first, _)) in starts.take_while(|(_, (first, _))| time - first <= within) {
        let window = entries.iter().skip(start).take_while(|(other, _)| other - first <= within);
        let sum = window.fold(0_u32, |sum, (_, weight)| sum.saturating_add(*weight));
        best = best.max(sum);
        if best >= need {
            return need;
        }
    }
    best
}

/// Distinct values in a sliding window, by group.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct DistinctWindows {
    /// Values with when they were seen, the newest at the end; of one value only what some window needs.
    groups: Bounded<VecDeque<Seen>>,
}

type Seen = (i64, Box<str>);

impl DistinctWindows {
    /// Adds a signal's value; says the greatest number of distinct values in any window of this length
    /// that holds it, counted up to `need`.
    pub fn add(&mut self, signal: &Signal, within: Duration, need: u32) -> u32 {
        let Some(value) = &signal.value else { return 0 };
        let value = value.to_string();
        let time = signal.time.timestamp_micros();
        let most = usize::try_from(need).unwrap_or(usize::MAX).saturating_mul(2);
        let within = micros(within);
        self.groups.update(&signal.group, time, |seen: &mut VecDeque<Seen>| {
            let at = seen.iter().rposition(|(other, _)| *other <= time).map_or(0, |at| at + 1);
            seen.insert(at, (time, value.as_str().into()));
            let count = most_distinct(seen, at, within, need);
            thin(seen, &value, within);
            if seen.len() > most.saturating_add(SLACK) {
                seen.pop_front();
            }
            count
        })
    }

    /// Forgets groups for which nothing came for this long, by the time of receipt: lines of last year
    /// that come today stay together.
    pub fn expire(&mut self, now: DateTime<Utc>, idle: Duration) {
        self.groups.expire(now, idle);
    }
}

impl Memory for DistinctWindows {
    fn bytes(&self) -> usize {
        self.groups.bytes()
    }

    fn evicted(&self) -> u64 {
        self.groups.evicted()
    }

    fn evict(&mut self) {
        self.groups.evict();
    }
}

/// The greatest number of distinct values of a window that holds the entry at a place, up to `need`.
fn most_distinct(seen: &VecDeque<Seen>, at: usize, within: i64, need: u32) -> u32 {
    let time = seen.get(at).map_or(0, |(time, _)| *time);
    let distinct = |entries: &mut dyn Iterator<Item = &Seen>| {
        let values: HashSet<&str> = entries.map(|(_, value)| &**value).collect();
        u32::try_from(values.len()).unwrap_or(u32::MAX).min(need)
    };
    if at + 1 == seen.len() {
        return distinct(&mut seen.iter().rev().take_while(|(other, _)| time - other <= within));
    }
    let mut best = 0;
    let starts = seen.iter().enumerate().take(at + 1).rev();
    for (start, (first, _)) in starts.take_while(|(_, (first, _))| time - first <= within) {
        let mut window = seen.iter().skip(start).take_while(|(other, _)| other - first <= within);
        best = best.max(distinct(&mut window));
        if best >= need {
            break;
        }
    }
    best
}

/// Drops sightings of a value that no window needs: one between two others that a window can hold
/// together. So a flood of one value takes no more than two places.
fn thin(seen: &mut VecDeque<Seen>, value: &str, within: i64) {
    let own = seen.iter().enumerate().filter(|(_, (_, other))| **other == *value);
    let own: Vec<(usize, i64)> = own.map(|(place, (time, _))| (place, *time)).collect();
    let needless = own.array_windows().find(|[(_, first), _, (_, last)]| last - first <= within);
    if let Some([_, (place, _), _]) = needless {
        seen.remove(*place);
    }
}

/// What a budget bounds in the memory of a rule.
pub trait Memory {
    /// Bytes, reckoned by what is in it: the same after a restart.
    fn bytes(&self) -> usize;

    /// How many groups or counts were dropped to stay within a budget.
    fn evicted(&self) -> u64;

    /// Drops the eighth that was silent longest.
    fn evict(&mut self);
}

/// What a group's state weighs.
pub(crate) trait Heap {
    /// Bytes that the states of all groups of one rule may take.
    const BUDGET: usize = BUDGET;

    /// Bytes on the heap, by length and not by capacity: a restored state must weigh the same.
    fn heap(&self) -> usize;

    /// Whether it should be dropped only when nothing else is left to drop.
    fn held(&self) -> bool {
        false
    }
}

impl Heap for VecDeque<(i64, u32)> {
    fn heap(&self) -> usize {
        self.len() * size_of::<(i64, u32)>()
    }
}

impl Heap for VecDeque<Seen> {
    fn heap(&self) -> usize {
        self.len() * (size_of::<Seen>() + 8)
    }
}

/// State by group, within a budget of bytes.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Bounded<T> {
    groups: HashMap<Group, Entry<T>>,
    bytes: usize,
    evicted: u64,
    /// When silent groups were looked for last, µs: a walk a minute is enough.
    walked: i64,
}

#[derive(Debug, Deserialize, Serialize)]
struct Entry<T> {
    last: i64,
    /// Whether a signal came since silent groups were looked for last.
    fresh: bool,
    state: T,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { groups: HashMap::new(), bytes: 0, evicted: 0, walked: i64::MIN }
    }
}

impl<T: Default + Heap> Bounded<T> {
    /// Changes the state of a group, made when it is new.
    pub(crate) fn update<R>(
        &mut self,
        group: &Group,
        time: i64,
        change: impl FnOnce(&mut T) -> R,
    ) -> R {
        // One look-up for a known group: hashing it is most of the cost.
        let mut new = None;
        let entry = match self.groups.get_mut(group) {
            Some(entry) => entry,
            None => new.insert(Entry { last: i64::MIN, fresh: true, state: T::default() }),
        };
        let before = entry.state.heap();
        entry.last = entry.last.max(time);
        entry.fresh = true;
        let answer = change(&mut entry.state);
        self.bytes = (self.bytes + entry.state.heap()).saturating_sub(before);
        if let Some(entry) = new {
            self.bytes += Self::fixed(group);
            self.groups.insert(group.clone(), entry);
        }
        if self.bytes > T::BUDGET {
            self.evict();
        }
        answer
    }

    pub(crate) fn get(&self, group: &Group) -> Option<&T> {
        self.groups.get(group).map(|entry| &entry.state)
    }

    pub(crate) fn remove(&mut self, group: &Group) -> Option<T> {
        let entry = self.groups.remove(group)?;
        self.bytes = self.bytes.saturating_sub(Self::fixed(group) + entry.state.heap());
        Some(entry.state)
    }

    /// Changes the states of all groups in a way that leaves their sizes.
    pub(crate) fn each(&mut self, mut change: impl FnMut(&mut T)) {
        self.groups.values_mut().for_each(|entry| change(&mut entry.state));
    }

    /// The groups in their own order, so that what follows from a walk does not depend on chance.
    pub(crate) fn sorted(&self) -> Vec<(&Group, &T)> {
        let mut all: Vec<_> =
            self.groups.iter().map(|(group, entry)| (group, &entry.state)).collect();
        all.sort_by_key(|(group, _)| *group);
        all
    }

    /// Forgets groups for which nothing came for this long, by the time of receipt.
    pub(crate) fn expire(&mut self, now: DateTime<Utc>, idle: Duration) {
        let now = now.timestamp_micros();
        if now < self.walked.saturating_add(60_000_000) {
            return;
        }
        self.walked = now;
        let before = now.saturating_sub(micros(idle));
        let mut freed = 0;
        self.groups.retain(|group, entry| {
            if std::mem::take(&mut entry.fresh) {
                entry.last = entry.last.max(now);
            }
            let stays = entry.last >= before || entry.state.held();
            if !stays {
                freed += Self::fixed(group) + entry.state.heap();
            }
            stays
        });
        self.bytes = self.bytes.saturating_sub(freed);
    }

    /// What a group takes beside its state: a place in a table that is half full, and its text.
    fn fixed(group: &Group) -> usize {
        2 * size_of::<(Group, Entry<T>)>() + group.as_json().len() + 64
    }
}

impl<T: Default + Heap> Memory for Bounded<T> {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Drops the eighth of the groups that was silent longest: one walk pays for many signals.
    fn evict(&mut self) {
        let mut lasts: Vec<_> = self
            .groups
            .iter()
            .map(|(group, entry)| (entry.state.held(), entry.last, group))
            .collect();
        let eighth = lasts.len() / 8;
        if lasts.is_empty() {
            return;
        }
        lasts.select_nth_unstable(eighth);
        let gone: Vec<Group> =
            lasts.into_iter().take(eighth + 1).map(|(.., group)| group.clone()).collect();
        for group in &gone {
            self.remove(group);
            self.evicted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Value;

    fn signal(second: i64, group: &str) -> Signal {
        let group = Group::from_pairs(vec![("g".into(), group.into())]);
        Signal::new(DateTime::from_timestamp(second, 0).unwrap(), group)
    }

    #[test]
    fn order_of_arrival_does_not_matter_within_the_slack() {
        let within = Duration::from_secs(10);
        let mut windows = Windows::default();
        let sums: Vec<_> =
            [30, 5, 14, 9, 1].map(|second| windows.add(&signal(second, "a"), within, 4)).into();
        assert_eq!(sums, [1, 1, 2, 3, 3]);
        assert_eq!(windows.add(&signal(10, "a"), within, 4), 4);
    }

    #[test]
    fn distinct_values_are_counted_once() {
        let mut windows = DistinctWindows::default();
        let within = Duration::from_mins(1);
        let mut add = |second, port: i64| {
            let signal = Signal { value: Some(Value::Int(port)), ..signal(second, "a") };
            windows.add(&signal, within, 3)
        };
        assert_eq!([add(0, 1), add(1, 1), add(2, 2), add(3, 1)], [1, 1, 2, 2]);
        assert_eq!([add(61, 3), add(62, 4)], [3, 3]);
        assert_eq!(add(200, 5), 1);
    }

    #[test]
    fn a_million_groups_stay_within_the_budget() {
        let mut windows = Windows::default();
        for number in 0..200_000 {
            windows.add(&signal(number, &number.to_string()), Duration::from_mins(10), 5);
            assert!(windows.groups.bytes <= BUDGET);
        }
        assert!(windows.evicted() > 0);
    }
}
