//! The counters: the deterministic half of all rules, with signals and ticks as the only input.

mod saved;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};

pub use self::saved::RuleState;
use crate::group::Group;
use crate::incident::{Change, ChangeKind, Detection, Incident, State, Tally};
use crate::place::Place;
use crate::rules::{Counter, Detections, Found, Input, Memory as _, Signal};
use crate::ruleset::{ActiveRule, Ruleset};
use crate::span::micros;
use crate::window::Bounded;

/// Signals may come so late without finding their group forgotten.
const MOST_LATE: Duration = Duration::from_mins(10);
/// Bytes that the memory of all rules together may take; each has a budget of its own too.
const BUDGET: usize = 256 << 20;

/// The memory of all rules of a ruleset.
///
/// ```
/// use secmon_core::parse::{Context, LineFormat};
/// use secmon_core::{Counters, Ruleset};
///
/// let ruleset = Ruleset::builtin();
/// let mut counters = Counters::new(&ruleset);
/// let cx = Context::new("2026-11-20T00:00:00Z".parse().unwrap());
/// for seq in 0..5 {
///     let line = "Nov 19 03:10:00 web-1 sshd[42]: Failed password for root from 203.0.113.7 port 51234 ssh2";
///     let prepared = ruleset.prepare(line, LineFormat::Detect, &cx);
///     counters.event("scan", seq, &prepared);
/// }
/// let incidents = counters.incidents();
/// assert_eq!((incidents.len(), incidents[0].count), (1, 5));
/// ```
#[derive(Debug)]
pub struct Counters {
    rules: Vec<Running>,
    /// In a scan a group stays one incident to the end, whatever recovers.
    keep_open: bool,
    touched: BTreeSet<(usize, Group)>,
    /// Bytes of all memory, and how many there may be.
    bytes: usize,
    most: usize,
}

#[derive(Debug)]
struct Running {
    rule: ActiveRule,
    counter: Box<dyn Counter>,
    tallies: Bounded<Tally>,
    dirty: bool,
}

impl Counters {
    /// Empty memory, for a scan: a group stays one incident to the end.
    pub fn new(ruleset: &Ruleset) -> Self {
        Self { keep_open: true, ..Self::live(ruleset) }
    }

    /// Empty memory of a service.
    pub(crate) fn live(ruleset: &Ruleset) -> Self {
        let running = |rule: &ActiveRule| Running {
            rule: rule.clone(),
            counter: rule.kind().counter(),
            tallies: Bounded::default(),
            dirty: false,
        };
        Self {
            rules: ruleset.rules().map(running).collect(),
            keep_open: false,
            touched: BTreeSet::new(),
            bytes: 0,
            most: BUDGET,
        }
    }

    /// Counts the signals of a prepared event that stands at this place of the stream.
    pub fn event(&mut self, stream: &str, seq: u64, prepared: &crate::Prepared) -> Vec<Detection> {
        self.signals(stream, seq, prepared.signals())
    }

    /// Counts the signals of an event that stands, or would stand, at this place of the stream.
    pub fn signals(&mut self, stream: &str, seq: u64, signals: &[Signal]) -> Vec<Detection> {
        let mut found = Vec::new();
        for signal in signals {
            found.extend(self.signal(stream, Place::own(seq), signal).0);
        }
        found
    }

    /// Counts a signal.
    pub(crate) fn signal(
        &mut self,
        stream: &str,
        place: Place,
        signal: &Signal,
    ) -> (Vec<Detection>, Vec<Change>) {
        let at = signal.rule as usize;
        let Some(running) = self.rules.get_mut(at) else { return Default::default() };
        running.dirty = true;
        let before = running.bytes();
        let time = signal.time.timestamp_micros();
        let mut out = Detections::default();
        running.counter.count(Input::Signal(signal), &mut out);
        let weight = out.weight.unwrap_or(signal.weight);
        // In a service what lies before a long silence belongs to no incident of now. By the time of the
        // signals: when a tick happened to come must not change a count.
        let silence = if self.keep_open { i64::MAX } else { micros(running.rule.kind().horizon) };
        let is_new = || running.tallies.get(&signal.group).is_none();
        if weight == 0 && is_new() {
            // What does not count leaves no trace.
            return self.settle(at, stream, place, out, before);
        }
        let open = running.tallies.update(&signal.group, time, |tally| {
            if tally.open.is_none() && time.saturating_sub(tally.last) > silence {
                *tally = Tally::default();
            }
            tally.add(time, weight, place);
            tally.open.is_some()
        });
        if open && weight > 0 && !self.keep_open {
            self.touched.insert((at, signal.group.clone()));
        }
        self.settle(at, stream, place, out, before)
    }

    /// Folds what was found, and keeps to the budget; `before` are the bytes that the rule took.
    fn settle(
        &mut self,
        at: usize,
        stream: &str,
        place: Place,
        out: Detections,
        before: usize,
    ) -> (Vec<Detection>, Vec<Change>) {
        let found = self.fold(at, stream, place, out);
        let after = self.rules.get_mut(at).map_or(0, Running::bytes);
        self.bytes = (self.bytes + after).saturating_sub(before);
        while self.bytes > self.most && self.shed() {}
        found
    }

    /// Lets the rule that takes most room drop what was silent longest; false if there is nothing to drop.
    fn shed(&mut self) -> bool {
        let all = self.rules.iter_mut().map(Running::bytes).enumerate();
        let Some((at, before)) = all.max_by_key(|(_, bytes)| *bytes) else { return false };
        let Some(greatest) = self.rules.get_mut(at) else { return false };
        greatest.shed();
        greatest.dirty = true;
        self.bytes = (self.bytes + greatest.bytes()).saturating_sub(before);
        greatest.bytes() < before
    }

    /// Names the stream of all records that were at hand so far.
    pub(crate) fn within(&mut self, stream: i64) {
        for running in &mut self.rules {
            running.tallies.each(|tally| tally.within(stream));
        }
    }

    fn weigh(&mut self) {
        self.bytes = self.rules.iter_mut().map(Running::bytes).sum();
    }

    /// Lets time pass for all rules.
    pub(crate) fn tick(
        &mut self,
        stream: &str,
        place: Place,
        now: DateTime<Utc>,
    ) -> (Vec<Detection>, Vec<Change>) {
        let mut all = (Vec::new(), Vec::new());
        for at in 0..self.rules.len() {
            let Some(running) = self.rules.get_mut(at) else { continue };
            let mut out = Detections::default();
            running.counter.count(Input::Tick(now), &mut out);
            running.tallies.expire(now, running.rule.kind().horizon + MOST_LATE);
            let (detections, changes) = self.fold(at, stream, place, out);
            all.0.extend(detections);
            all.1.extend(changes);
        }
        self.weigh();
        all
    }

    /// Folds what a rule found into its incidents.
    fn fold(
        &mut self,
        at: usize,
        stream: &str,
        place: Place,
        out: Detections,
    ) -> (Vec<Detection>, Vec<Change>) {
        let mut all = (Vec::new(), Vec::new());
        let Some(running) = self.rules.get_mut(at) else { return all };
        for found in out.found {
            let (kind, time, group, level, reason) = match found {
                Found::Fired { time, group, level, reason } => (None, time, group, level, reason),
                Found::Recovered { .. } if self.keep_open => continue,
                Found::Recovered { time, group } => {
                    (Some(ChangeKind::Recovered), time, group, running.rule.level(), None)
                }
            };
            let id = Detection::id(running.rule.id(), &group, stream, place.seq);
            let rule = &running.rule;
            let change = running.tallies.update(&group, time.timestamp_micros(), |tally| {
                let change = match (kind, tally.open) {
                    (Some(kind), Some(_)) => kind,
                    (None, None) => {
                        tally.open = Some((id, level));
                        tally.reason.clone_from(&reason);
                        ChangeKind::Opened
                    }
                    (None, Some((opened, before))) if level > before => {
                        tally.open = Some((opened, level));
                        tally.reason.clone_from(&reason);
                        ChangeKind::Raised
                    }
                    (Some(_), None) | (None, Some(_)) => return None,
                };
                let mut incident = incident(rule, &group, tally)?;
                if kind.is_some() {
                    incident.state = State::Closed;
                    *tally = Tally::default();
                }
                Some(Change { kind: change, incident })
            });
            if kind.is_none() {
                let (rule, title) = (rule.id().to_owned(), rule.title().to_owned());
                let group = group.clone();
                all.0.push(Detection { id, rule, title, level, time, group, place, reason });
            }
            if let Some(change) = change {
                match change.kind {
                    ChangeKind::Recovered => self.touched.remove(&(at, group)),
                    _ => self.touched.insert((at, group)),
                };
                all.1.push(change);
            }
        }
        all
    }

    /// The open incidents that changed since this was asked last, as they are now.
    pub(crate) fn take_touched(&mut self) -> Vec<Incident> {
        let touched = std::mem::take(&mut self.touched);
        let now = |(at, group): (usize, Group)| {
            let running = self.rules.get(at)?;
            incident(&running.rule, &group, running.tallies.get(&group)?)
        };
        touched.into_iter().filter_map(now).collect()
    }

    /// All open incidents, ordered by first signal, rule and group.
    pub fn incidents(&self) -> Vec<Incident> {
        let mut all = Vec::new();
        for running in &self.rules {
            let tallies = running.tallies.sorted();
            all.extend(
                tallies
                    .into_iter()
                    .filter_map(|(group, tally)| incident(&running.rule, group, tally)),
            );
        }
        all.sort_by(|a, b| (a.first, &a.rule, &a.group).cmp(&(b.first, &b.rule, &b.group)));
        all
    }

    /// How many incidents and counts were dropped because of budgets.
    pub fn evicted(&mut self) -> u64 {
        let each = self.rules.iter_mut();
        let counted =
            |running: &mut Running| running.counter.memory().map_or(0, |memory| memory.evicted());
        each.map(|running| running.tallies.evicted() + counted(running)).sum()
    }

    /// Forgets that an incident is open, because somebody closed it.
    pub(crate) fn close(&mut self, rule: &str, group: &Group) {
        if let Some(running) = self.rules.iter_mut().find(|running| running.rule.id() == rule) {
            running.tallies.remove(group);
            running.dirty = true;
        }
        self.weigh();
    }

    /// Takes over the memory of those rules that stay as they are.
    pub(crate) fn adopt(&mut self, before: Self) {
        self.keep_open = before.keep_open;
        let key = |running: &Running| (running.rule.id().to_owned(), running.rule.settings_hash());
        let mut known: HashMap<_, Running> =
            before.rules.into_iter().map(|running| (key(&running), running)).collect();
        for running in &mut self.rules {
            if let Some(Running { counter, tallies, dirty, .. }) = known.remove(&key(running)) {
                running.counter = counter;
                running.tallies = tallies;
                running.dirty = dirty;
            }
        }
        self.weigh();
    }
}

impl Running {
    fn bytes(&mut self) -> usize {
        self.tallies.bytes() + self.counter.memory().map_or(0, |memory| memory.bytes())
    }

    /// Drops what was silent longest where more is.
    fn shed(&mut self) {
        let tallies = self.tallies.bytes();
        match self.counter.memory().filter(|memory| memory.bytes() > tallies) {
            Some(memory) => memory.evict(),
            None => self.tallies.evict(),
        }
    }
}

fn incident(rule: &ActiveRule, group: &Group, tally: &Tally) -> Option<Incident> {
    let (id, level) = tally.open?;
    Some(Incident {
        id,
        rule: rule.id().into(),
        title: rule.title().into(),
        level,
        state: State::Open,
        group: group.clone(),
        count: tally.count,
        first: DateTime::from_timestamp_micros(tally.first)?,
        last: DateTime::from_timestamp_micros(tally.last)?,
        evidence: tally.evidence(),
        reason: tally.reason.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Threshold;

    #[test]
    fn all_rules_together_stay_within_a_budget() {
        let rule = |metric: &str| Threshold { metric: metric.into(), ..Threshold::default() };
        let rules = Ruleset::builder().rule("a", rule("a")).rule("b", rule("b")).build().unwrap();
        let mut counters = Counters { most: 100_000, ..Counters::new(&rules) };
        for number in 0..2_000_u32 {
            let group =
                Group::from_pairs(vec![("host.name".into(), number.to_string().as_str().into())]);
            let time = DateTime::from_timestamp(number.into(), 0).unwrap();
            let value = Some(crate::Value::Int(95));
            let signal = Signal { value, rule: number % 2, ..Signal::new(time, group) };
            counters.signal("test", Place::own(number.into()), &signal);
            let bytes: usize = counters.rules.iter_mut().map(Running::bytes).sum();
            assert_eq!(counters.bytes, bytes);
            assert!(bytes <= 100_000);
        }
        assert!(counters.evicted() > 0);
    }
}
