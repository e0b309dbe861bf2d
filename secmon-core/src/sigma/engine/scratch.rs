//! The memory in which one event is matched, kept from event to event: nothing is allocated, and what was
//! written for another event is told by its number.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use aho_corasick::packed::Searcher;

use super::super::pattern::fold_into;
use super::super::view::{Fields, anywhere, each_text, field_passes, folded};
use super::Engine;
use super::bucket::Bucket;
use super::literals::Literals;
use super::tree::Tree;
use crate::event::Value;

/// Events are numbered up to here, then all is cleared.
const LAST: u32 = u32::MAX >> 1;
/// Of so many comparisons of a rule one is timed.
const TIMED: u64 = 16;

#[derive(Debug, Default)]
pub(super) struct Scratch {
    event: u32,
    /// For each question the number of the event and the answer, in the lowest bit.
    answers: Vec<u32>,
    slots: Vec<Slot>,
    filled: Vec<u32>,
    /// For each rule the event for which it was announced.
    announced: Vec<u32>,
    candidates: Vec<u32>,
    /// For texts that are folded.
    room: String,
}

/// Where the value of a rule's field stands in the event.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    event: u32,
    /// The place of its name among those that count.
    rank: u32,
    at: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Field(usize),
    Pseudo(&'static str),
}

impl Default for Place {
    fn default() -> Self {
        Self::Field(0)
    }
}

/// What does not change while an event is matched.
struct Run<'a, F> {
    engine: &'a Engine,
    event: &'a F,
}

impl Scratch {
    /// Adds the rules of a bucket that an event matches.
    pub(super) fn run(
        &mut self,
        engine: &Engine,
        bucket: &Bucket,
        event: &impl Fields,
        found: &mut Vec<u32>,
    ) {
        self.begin(engine);
        event.each_name(|at, name| {
            for (slot, rank) in bucket.slots(name) {
                self.fill(*slot, *rank, Place::Field(at));
            }
        });
        for (name, slot, rank) in &bucket.pseudo {
            // A field of this name was there before.
            if event.pseudo(name).is_some() {
                self.fill(*slot, *rank, Place::Pseudo(name));
            }
        }
        for at in 0..self.filled.len() {
            let Some(slot) = self.filled.get(at).copied() else { continue };
            let Some(Some(literals)) = bucket.literals.get(slot as usize) else { continue };
            match self.place(slot) {
                Some(Place::Field(at)) => self.pass_field(event, at, bucket, literals),
                Some(Place::Pseudo(name)) => {
                    if let Some(value) = event.pseudo(name) {
                        each_text(&value, &mut |text| self.pass(text, bucket, literals));
                    }
                }
                None => {}
            }
        }
        if let Some(literals) = &bucket.anywhere {
            if literals.few().is_none_or(|few| event.may_hold(few)) {
                event.each_name(|at, _| self.pass_field(event, at, bucket, literals));
            }
            if literals.few().is_none_or(|few| self.sources_may_hold(few, event)) {
                event.each_source(|_, name| self.pass(name, bucket, literals));
            }
            if let Some(raw) = event.raw() {
                self.pass(raw, bucket, literals);
            }
        }
        let run = &Run { engine, event };
        for at in 0..self.candidates.len() {
            let Some(rule) = self.candidates.get(at).copied() else { continue };
            self.attempt(run, rule, found);
        }
        for rule in &bucket.always {
            self.attempt(run, *rule, found);
        }
    }

    fn begin(&mut self, engine: &Engine) {
        if self.event >= LAST {
            *self = Self::default();
        }
        self.event += 1;
        grow(&mut self.answers, engine.numbering.asks.len());
        grow(&mut self.slots, engine.numbering.slots.len());
        grow(&mut self.announced, engine.rules.len());
        self.filled.clear();
        self.candidates.clear();
    }

    fn fill(&mut self, slot: u32, rank: u32, at: Place) {
        let Some(entry) = self.slots.get_mut(slot as usize) else { return };
        if entry.event != self.event {
            self.filled.push(slot);
        } else if entry.rank <= rank {
            return;
        }
        *entry = Slot { event: self.event, rank, at };
    }

    fn place(&self, slot: u32) -> Option<Place> {
        let entry = self.slots.get(slot as usize).filter(|entry| entry.event == self.event)?;
        Some(entry.at)
    }

    /// The value of a rule's field, if the event has it.
    fn value<'e>(&self, event: &'e impl Fields, slot: u32) -> Option<Cow<'e, Value>> {
        match self.place(slot)? {
            Place::Field(at) => event.value(at),
            Place::Pseudo(name) => event.pseudo(name).map(Cow::Owned),
        }
    }

    /// Passes over the texts of a field, and keeps what was found in them.
    fn pass_field(&mut self, event: &impl Fields, at: usize, bucket: &Bucket, literals: &Literals) {
        let mut room = std::mem::take(&mut self.room);
        event.folded(at, &mut room, &mut |text| {
            literals.find(text, &mut |hit| self.found(bucket, hit));
        });
        self.room = room;
    }

    /// The same for a text that is no field.
    fn pass(&mut self, text: &str, bucket: &Bucket, literals: &Literals) {
        let mut room = std::mem::take(&mut self.room);
        literals.find(folded(text, &mut room), &mut |hit| self.found(bucket, hit));
        self.room = room;
    }

    /// Whether the names of log sources may hold one of some folded texts.
    fn sources_may_hold(&mut self, few: &Searcher, event: &impl Fields) -> bool {
        self.room.clear();
        event.each_source(|_, name| {
            // One search is faster than three, and finds at most too much.
            fold_into(name, &mut self.room);
            self.room.push('\n');
        });
        few.find(&self.room).is_some()
    }

    /// A text was found: it answers a question, and announces rules.
    fn found(&mut self, bucket: &Bucket, hit: u32) {
        let Some((ask, rules)) = bucket.hit(hit) else { return };
        let yes = self.event << 1 | 1;
        let Some(answer) = self.answers.get_mut(ask as usize).filter(|answer| **answer != yes)
        else {
            return;
        };
        *answer = yes;
        for rule in rules {
            if let Some(announced) = self.announced.get_mut(*rule as usize)
                && *announced != self.event
            {
                *announced = self.event;
                self.candidates.push(*rule);
            }
        }
    }

    fn attempt(&mut self, run: &Run<'_, impl Fields>, at: u32, found: &mut Vec<u32>) {
        let Some(rule) = run.engine.rules.get(at as usize) else { return };
        let number = rule.candidates.fetch_add(1, Ordering::Relaxed);
        // Not the first one, which is slow and would count sixteen times.
        let clock = run.engine.clock.filter(|_| number % TIMED == TIMED - 1);
        let started = clock.map(|clock| clock());
        if self.holds(run, &rule.tree) {
            found.push(at);
        }
        if let (Some(clock), Some(started)) = (clock, started) {
            let took = clock().saturating_sub(started).saturating_mul(TIMED);
            rule.nanos.fetch_add(took, Ordering::Relaxed);
        }
    }

    fn holds(&mut self, run: &Run<'_, impl Fields>, tree: &Tree) -> bool {
        match tree {
            Tree::Ask(at) => self.answer(run, *at),
            Tree::Not(inner) => !self.holds(run, inner),
            Tree::All(parts) => parts.iter().all(|part| self.holds(run, part)),
            Tree::Any(parts) => parts.iter().any(|part| self.holds(run, part)),
            Tree::Of(count, parts) => {
                parts.iter().filter(|part| self.holds(run, part)).take(*count).count() == *count
            }
        }
    }

    fn answer(&mut self, run: &Run<'_, impl Fields>, at: u32) -> bool {
        let answer = self.answers.get(at as usize).copied().unwrap_or_default();
        if answer >> 1 == self.event {
            return answer & 1 == 1;
        }
        let numbering = &run.engine.numbering;
        let Some(ask) = numbering.asks.get(at as usize) else { return false };
        if ask.literal.is_some() {
            // What the pass did not find is not there.
            return false;
        }
        let names = |_: &str| {
            let slot = ask.other.and_then(|slot| numbering.slots.get(slot as usize));
            slot.map(|names| names.to_vec()).unwrap_or_default()
        };
        let says = match ask.slot {
            Some(slot) => {
                let field = numbering.slots.get(slot as usize).map_or(&[][..], |names| names);
                let value = self.value(run.event, slot);
                field_passes(&ask.test, field, value.as_deref(), run.event, &names)
            }
            None => anywhere(&ask.test, run.event, &names),
        };
        if let Some(answer) = self.answers.get_mut(at as usize) {
            *answer = self.event << 1 | u32::from(says);
        }
        says
    }
}

fn grow<T: Clone + Default>(all: &mut Vec<T>, length: usize) {
    if all.len() < length {
        all.resize(length, T::default());
    }
}
