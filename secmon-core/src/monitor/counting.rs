//! Whose signals a monitor counts: its own, those of all streams, or none; and how its memory comes back.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::Monitor;
use crate::Result;
use crate::batch::{Entry, SignalLog};
use crate::count::{Counters, RuleState};
use crate::incident::{Change, Detection};
use crate::place::Place;
use crate::rules::Signal;
use crate::ruleset::Ruleset;
use crate::seal::Sealer;
use crate::work::Work;

/// Whose signals are counted.
#[derive(Debug, Default)]
pub(super) enum Counting {
    /// Those of the own stream.
    #[default]
    Own,
    /// Nobody's: another monitor counts them.
    None,
    /// Those of all streams, whose origins stand by their numbers; the own one has this number.
    All(i64, BTreeMap<i64, String>),
}

impl Monitor {
    /// Takes back the memory that rules had; says of which rules: those that are gone or have other settings
    /// begin anew.
    pub fn restore<'s>(&mut self, states: &'s [RuleState]) -> Result<Vec<&'s str>> {
        let mut taken = Vec::new();
        for state in states {
            if self.counters.restore(state)? {
                taken.push(state.rule.as_str());
            }
        }
        if let Counting::All(number, _) = self.counting {
            self.counters.within(number);
        }
        Ok(taken)
    }

    /// Says that so many batches went into the signal log.
    pub fn set_logged(&mut self, logged: u64) {
        self.logged = logged;
    }

    /// Counts nothing any more, and forgets what was counted: signals go into the log alone, for the monitor that
    /// counts those of all streams.
    pub fn count_none(&mut self) {
        self.counting = Counting::None;
        self.counters = Counters::live(&self.ruleset);
    }

    /// As [`Monitor::count_none`]; gives what was counted, for a monitor that counts for all, under which the own
    /// stream has this number.
    pub fn hand_over(&mut self, number: i64) -> Result<Vec<RuleState>> {
        self.counters.within(number);
        let states = self.counters.save_all();
        self.count_none();
        states
    }

    /// Counts the signals of all streams from now on, with empty memory. The own stream has this number; origins
    /// stand by the numbers of their streams.
    pub fn count_all(&mut self, number: i64, origins: BTreeMap<i64, String>) {
        self.counting = Counting::All(number, origins);
        self.counters = Counters::live(&self.ruleset);
    }

    /// Whether it knows the origin of the stream of this number.
    pub fn knows(&self, number: i64) -> bool {
        matches!(&self.counting, Counting::All(_, origins) if origins.contains_key(&number))
    }

    /// Is told of streams that began meanwhile.
    pub fn know(&mut self, streams: BTreeMap<i64, String>) {
        if let Counting::All(_, origins) = &mut self.counting {
            origins.extend(streams);
        }
    }

    /// Counts a batch of the signal log again; what it finds was committed then. Only rules for which
    /// `wanted` says yes are told.
    pub fn replay(&mut self, log: &SignalLog, wanted: impl Fn(&str) -> bool) {
        let ruleset = self.ruleset.clone();
        let rules = numbers(&ruleset, wanted);
        for entry in &log.entries {
            match entry {
                Entry::Signal(id, place, ..) => {
                    let rule = rules.get(id.as_str()).copied();
                    let Some(signal) = rule.and_then(|rule| entry.signal(rule)) else { continue };
                    self.count(*place, &signal);
                }
                Entry::Tick(time, place) => {
                    if let Some(time) = DateTime::from_timestamp_micros(*time) {
                        self.tick(*place, time);
                    }
                }
            }
        }
        self.counters.take_touched();
    }

    /// Counts what the rules of other writers were told.
    pub(super) fn take_others(
        &mut self,
        work: &mut Work,
        others: &[(i64, SignalLog)],
        now: DateTime<Utc>,
    ) {
        if others.is_empty() {
            return;
        }
        let ruleset = self.ruleset.clone();
        let rules = numbers(&ruleset, |_| true);
        let mut signals = Vec::new();
        for (number, log) in others {
            for entry in &log.entries {
                // Time passes by one clock alone.
                let Entry::Signal(id, place, ..) = entry else { continue };
                let rule = rules.get(id.as_str()).copied();
                match rule.and_then(|rule| entry.signal(rule)) {
                    Some(signal) => signals.push((place.within(*number), signal)),
                    None => drop(work.unknown.insert(id.clone())),
                }
            }
        }
        // What happened first counts first, wherever it was seen.
        signals.sort_by_key(|(_, signal)| signal.time);
        for (place, signal) in signals {
            let (detections, changes) = self.count(place, &signal);
            work.log(&ruleset, place, signal);
            self.derive(work, detections, changes, now);
        }
    }

    /// Where a record of the own stream stands.
    pub(super) fn place(&self, seq: u64) -> Place {
        match &self.counting {
            Counting::All(number, _) => Place { stream: *number, seq },
            _ => Place::own(seq),
        }
    }

    pub(super) fn count(&mut self, place: Place, signal: &Signal) -> (Vec<Detection>, Vec<Change>) {
        if matches!(self.counting, Counting::None) {
            return Default::default();
        }
        let stream = stream(&self.counting, &self.sealer, place);
        self.counters.signal(stream, place, signal)
    }

    pub(super) fn tick(
        &mut self,
        place: Place,
        now: DateTime<Utc>,
    ) -> (Vec<Detection>, Vec<Change>) {
        self.ticked = self.ticked.max(now);
        let stream = stream(&self.counting, &self.sealer, place);
        self.counters.tick(stream, place, self.ticked)
    }
}

/// The origin of the stream of a place.
fn stream<'m>(counting: &'m Counting, sealer: &'m Sealer, place: Place) -> &'m str {
    match counting {
        Counting::All(_, origins) => origins.get(&place.stream).map_or("", String::as_str),
        _ => sealer.origin(),
    }
}

/// The places of rules in a ruleset, by their ids.
fn numbers(ruleset: &Ruleset, wanted: impl Fn(&str) -> bool) -> HashMap<&str, u32> {
    let rules = (0_u32..).zip(ruleset.rules());
    let rules = rules.filter(|(_, rule)| wanted(rule.id()));
    rules.map(|(at, rule)| (rule.id(), at)).collect()
}
