//! What a correlation computes over a sliding window, in steps that do not depend on its length.
//!
//! Entries are kept sorted by time. The window that ends at the newest one has a running measure. What comes
//! out of order is put in its place, and the windows around it are measured afresh: so the order of arrival
//! does not matter within the lateness.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use super::measure::{Entry, Measure, Question, Sample, Total};
use crate::window::Heap;

/// Entries that one window holds at most; then those that cannot matter go, and then the oldest.
const MOST_ENTRIES: usize = 1 << 19;
/// The same where one signal out of order walks over them.
const MOST_ORDERED: usize = 4_096;
/// Kept beyond what the condition needs, so that signals out of order find their place.
const SLACK: usize = 64;

/// The windows of one group: of what comes in time, and of what comes so late that others have moved on, an
/// agent's backlog for instance.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Lanes {
    main: Window,
    /// Few groups ever have one.
    late: Option<Box<Window>>,
}

impl Lanes {
    /// Adds an entry; says whether a window that holds it is as asked, and whether it was too late for the
    /// others.
    pub(super) fn add(
        &mut self,
        question: &Question<'_>,
        lateness: i64,
        entry: Entry,
        dropped: &mut u64,
    ) -> (bool, bool) {
        let newest = self.main.entries.back().map_or(i64::MIN, |newest| newest.time);
        let is_late = entry.time < newest.saturating_sub(question.timespan + lateness);
        let window = if is_late { self.late.get_or_insert_default() } else { &mut self.main };
        let before = window.dropped;
        let fired = window.add(question, lateness, entry);
        *dropped += window.dropped - before;
        (fired, is_late)
    }
}

impl Heap for Lanes {
    const BUDGET: usize = 64 << 20;

    fn heap(&self) -> usize {
        // Entries, for which there is room in powers of two, and their share of the running measure.
        let entries = |window: &Window| match window.entries.len() {
            0 => 0,
            count => count.next_power_of_two().max(4) * size_of::<Entry>() + 32 * count,
        };
        let late = self.late.as_ref().map_or(0, |late| size_of::<Window>() + entries(late));
        entries(&self.main) + late
    }
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Window {
    entries: VecDeque<Entry>,
    /// How many entries were dropped that might have mattered.
    dropped: u64,
    /// The window that ends at the newest entry; computed again after a restart.
    #[serde(skip)]
    live: Option<Live>,
    /// The same for rules in order.
    #[serde(skip)]
    begins: Option<Begins>,
}

#[derive(Debug)]
struct Live {
    /// Where the window begins.
    start: usize,
    total: Total,
}

impl Window {
    fn add(&mut self, question: &Question<'_>, lateness: i64, entry: Entry) -> bool {
        if let Measure::Ordered(rules) = question.measure {
            return self.add_ordered(question, lateness, entry, rules);
        }
        let span = question.timespan;
        let mut live = match self.live.take() {
            Some(live) => live,
            None => self.measured(question),
        };
        // In order, as nearly always: what lies further back is cold memory.
        let is_newest = self.entries.back().is_none_or(|last| last.time <= entry.time);
        let place = if is_newest {
            self.entries.len()
        } else {
            self.entries.partition_point(|other| other.time <= entry.time)
        };
        self.entries.insert(place, entry);
        if is_newest {
            live.total.add(&entry);
            live.shrink(&self.entries, entry.time.saturating_sub(span));
        } else if place >= live.start {
            live.total.add(&entry);
        } else {
            live.start += 1;
        }
        let is_in = place >= live.start;
        let mut fired = is_in && question.holds(live.total.value(question.measure, &entry));
        if !is_newest && !fired && self.could(question, place, &live) {
            fired = self.around(question, place);
        }
        self.forget(question, lateness, &mut live);
        self.live = Some(live);
        fired
    }

    /// The window that ends at the newest entry, measured afresh.
    fn measured(&self, question: &Question<'_>) -> Live {
        let newest = self.entries.back().map_or(i64::MIN, |entry| entry.time);
        let from = newest.saturating_sub(question.timespan);
        let start = self.entries.partition_point(|entry| entry.time < from);
        let mut total = Total::new(question.measure);
        self.entries.range(start..).for_each(|entry| total.add(entry));
        Live { start, total }
    }

    /// Whether any window around a place can be as asked: where more can only help, all that lies around
    /// must be enough.
    fn could(&self, question: &Question<'_>, place: usize, live: &Live) -> bool {
        if !question.only_grows() || matches!(question.measure, Measure::Weight(_)) {
            return true;
        }
        let Some(entry) = self.entries.get(place) else { return false };
        let from =
            self.entries.partition_point(|other| other.time < entry.time - question.timespan);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let most = live.start.saturating_sub(from) as f64;
        let known = live.total.value(question.measure, entry).unwrap_or_default();
        question.holds(Some(known + most))
    }

    /// Whether a window that holds the entry at a place, and does not end at the newest, is as asked.
    fn around(&self, question: &Question<'_>, place: usize) -> bool {
        let Some(own) = self.entries.get(place) else { return false };
        let span = question.timespan;
        let mut start = self.entries.partition_point(|other| other.time < own.time - span);
        let mut total = Total::new(question.measure);
        self.entries.range(start..place).for_each(|entry| total.add(entry));
        for end in self.entries.range(place..) {
            if end.time - span > own.time {
                break;
            }
            total.add(end);
            while let Some(first) =
                self.entries.get(start).filter(|first| first.time < end.time - span)
            {
                total.remove(first);
                start += 1;
            }
            if question.holds(total.value(question.measure, own)) {
                return true;
            }
            if matches!(question.measure, Measure::Share) {
                break;
            }
        }
        false
    }

    /// Lets go what no window can hold any more, and what is too much.
    fn forget(&mut self, question: &Question<'_>, lateness: i64, live: &mut Live) {
        let newest = self.entries.back().map_or(i64::MIN, |entry| entry.time);
        let before = newest.saturating_sub(question.timespan).saturating_sub(lateness);
        while self.entries.front().is_some_and(|first| first.time < before) {
            self.drop_front(live);
        }
        let most = match question.measure {
            Measure::Weight(need) => (need as usize).saturating_add(SLACK).min(MOST_ENTRIES),
            _ => MOST_ENTRIES,
        };
        if self.entries.len() <= most {
            return;
        }
        if matches!(question.measure, Measure::Distinct | Measure::Members) {
            self.thin(question.timespan);
            while self.entries.len() > most / 4 * 3 {
                self.entries.pop_front();
                self.dropped += 1;
            }
            *live = self.measured(question);
        } else {
            // Weights beyond what the condition needs change nothing.
            self.dropped += u64::from(!matches!(question.measure, Measure::Weight(_)));
            self.drop_front(live);
        }
    }

    fn drop_front(&mut self, live: &mut Live) {
        let Some(first) = self.entries.pop_front() else { return };
        if live.start > 0 {
            live.start -= 1;
        } else {
            live.total.remove(&first);
        }
    }

    /// Drops sightings of a value between two others that one window can hold: a flood of one value then takes
    /// little room.
    fn thin(&mut self, span: i64) {
        let mut kept = vec![true; self.entries.len()];
        // For each value the time of the last but one that stays, and the place of the last.
        let mut known: HashMap<Sample, (Option<i64>, usize), FixedState> = HashMap::default();
        for (at, entry) in self.entries.iter().enumerate() {
            let Some((before, last)) = known.get_mut(&entry.sample) else {
                known.insert(entry.sample, (None, at));
                continue;
            };
            if before.is_some_and(|before| entry.time - before <= span) {
                kept.get_mut(*last).into_iter().for_each(|kept| *kept = false);
            } else {
                *before = self.entries.get(*last).map(|last| last.time);
            }
            *last = at;
        }
        let mut kept = kept.into_iter();
        self.entries.retain(|_| kept.next() == Some(true));
    }

    /// As `add`, for rules in order: entries of one time stand in the order of the rules, whichever came first.
    fn add_ordered(
        &mut self,
        question: &Question<'_>,
        lateness: i64,
        entry: Entry,
        rules: usize,
    ) -> bool {
        let key = |entry: &Entry| (entry.time, entry.sample.member());
        let place = self.entries.partition_point(|other| key(other) <= key(&entry));
        let span = question.timespan;
        let fired = if place == self.entries.len() {
            let mut begins = self.begins.take().unwrap_or_else(|| {
                let mut begins = Begins(vec![None; rules]);
                self.entries.iter().for_each(|other| begins.add(other));
                begins
            });
            begins.add(&entry);
            let reached = begins.reached(entry.time - span);
            self.begins = Some(begins);
            self.entries.push_back(entry);
            question.holds(Some(reached))
        } else {
            self.begins = None;
            self.entries.insert(place, entry);
            let from = self.entries.partition_point(|other| other.time < entry.time - span);
            let mut begins = Begins(vec![None; rules]);
            self.entries.range(from..place).for_each(|other| begins.add(other));
            let behind =
                self.entries.range(place..).take_while(|other| other.time - span <= entry.time);
            behind.fold(false, |fired, other| {
                begins.add(other);
                fired || question.holds(Some(begins.reached(other.time - span)))
            })
        };
        let newest = self.entries.back().map_or(i64::MIN, |entry| entry.time);
        let before = newest.saturating_sub(span).saturating_sub(lateness);
        while self.entries.front().is_some_and(|first| first.time < before) {
            self.entries.pop_front();
        }
        while self.entries.len() > MOST_ORDERED {
            self.entries.pop_front();
            self.dropped += 1;
        }
        fired
    }
}

/// For each rule the latest begin of a sequence of all rules up to it.
#[derive(Debug)]
struct Begins(Vec<Option<i64>>);

impl Begins {
    fn add(&mut self, entry: &Entry) {
        let member = entry.sample.member();
        let begin = match member.checked_sub(1) {
            None => Some(entry.time),
            Some(before) => self.0.get(before).copied().flatten(),
        };
        if let Some(slot) = self.0.get_mut(member) {
            *slot = (*slot).max(begin);
        }
    }

    /// How many rules were reached by a sequence that began no earlier than this.
    #[expect(clippy::cast_precision_loss, reason = "64 rules at most")]
    fn reached(&self, from: i64) -> f64 {
        let in_time = |begin: &Option<i64>| begin.is_some_and(|begin| begin >= from);
        self.0.iter().rposition(in_time).map_or(0, |last| last + 1) as f64
    }
}

impl Live {
    /// Lets the window begin no earlier than this.
    fn shrink(&mut self, entries: &VecDeque<Entry>, from: i64) {
        while let Some(first) = entries.get(self.start).filter(|first| first.time < from) {
            self.total.remove(first);
            self.start += 1;
        }
    }
}
