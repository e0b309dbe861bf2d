//! From matches to signals: what each rule and each correlation is told of an event.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::active::{Leaf, Resolved, SigmaRule, Where};
use super::correlation::Payload;
use super::engine::{Engine, RuleCounts};
use super::line::Line;
use super::view::Fields;
use crate::event::{Event, Name, Value, fields};
use crate::group::Group;
use crate::parse::flat::Flat;
use crate::rules::{Signal, Signals};

/// All Sigma rules of a ruleset: matches events, and tells the rules.
#[derive(Debug)]
pub(crate) struct Matcher {
    engine: Engine,
    /// For each rule of the engine, what its match means.
    outputs: Vec<Vec<Output>>,
    /// The rule of the engine for each rule of the ruleset, if it is a detection.
    places: HashMap<u32, usize>,
    /// By what plain detections are grouped.
    host: [Box<str>; 1],
}

thread_local! {
    static FLAT: RefCell<Flat> = RefCell::default();
}

#[derive(Debug)]
enum Output {
    /// The rule of the ruleset is told.
    Detection(u32),
    /// A correlation of the ruleset is told.
    Correlation(u32, Arc<SigmaRule>, usize),
}

impl Matcher {
    /// Of the Sigma rules of a ruleset, with their places in it.
    pub(crate) fn new<'a>(
        rules: impl Iterator<Item = (u32, &'a Arc<SigmaRule>)>,
        is_routed: bool,
        clock: Option<fn() -> u64>,
    ) -> Self {
        let mut numbers: HashMap<*const SigmaRule, usize> = HashMap::new();
        let mut detections: Vec<Arc<SigmaRule>> = Vec::new();
        let mut outputs: Vec<Vec<Output>> = Vec::new();
        let mut places = HashMap::new();
        let mut add = |rule: &Arc<SigmaRule>, output: Option<Output>| {
            let next = detections.len();
            let at = *numbers.entry(Arc::as_ptr(rule)).or_insert(next);
            if at == next {
                detections.push(Arc::clone(rule));
                outputs.push(Vec::new());
            }
            if let Some(outputs) = outputs.get_mut(at) {
                outputs.extend(output);
            }
            at
        };
        for (place, rule) in rules {
            match &rule.body {
                Resolved::Detection(..) => {
                    let output = (!rule.is_silent).then_some(Output::Detection(place));
                    places.insert(place, add(rule, output));
                }
                Resolved::Correlation(_, leaves) if !rule.is_silent => {
                    for (at, leaf) in leaves.iter().enumerate() {
                        add(&leaf.rule, Some(Output::Correlation(place, Arc::clone(rule), at)));
                    }
                }
                Resolved::Correlation(..) => {}
            }
        }
        let pipelines = detections.first().map(|rule| Arc::clone(&rule.pipelines));
        let each = detections.iter().filter_map(|rule| match &rule.body {
            Resolved::Detection(source, expr) => Some((source, expr)),
            Resolved::Correlation(..) => None,
        });
        let names = |field: &str, source: &super::source::LogSource| {
            super::Pipeline::names(pipelines.as_deref().unwrap_or_default(), field, source)
        };
        let host = [fields::HOST_NAME.name().into()];
        Self { engine: Engine::new(each, &names, is_routed, clock), outputs, places, host }
    }

    /// Tells the rules what an event is to them.
    pub(crate) fn signals(&self, event: &Event, out: &mut Signals) {
        self.tell(event, out);
    }

    /// The same for a line of JSON without its event; none if only an event tells.
    pub(crate) fn signals_of_line(
        &self,
        line: &str,
        reference: DateTime<Utc>,
    ) -> Option<Vec<Signal>> {
        FLAT.with_borrow_mut(|flat| {
            if !flat.read(line) {
                return None;
            }
            let time = flat.time(line).map_or(reference, |(_, time)| time);
            let mut out = Signals::at(time, 1);
            self.tell(&Line { text: line, flat, reference }, &mut out);
            Some(out.into_found())
        })
    }

    fn tell(&self, event: &impl Fields, out: &mut Signals) {
        let mut found = Vec::new();
        self.engine.matches(event, &mut found);
        for at in found {
            for output in self.outputs.get(at as usize).into_iter().flatten() {
                match output {
                    Output::Detection(rule) => {
                        out.for_rule(*rule);
                        let host = event.first_of(&self.host).filter(|host| **host != Value::Null);
                        let pair =
                            |host: Cow<'_, Value>| (fields::HOST_NAME.into(), host.into_owned());
                        out.push(Some(Group::from_pairs(host.map(pair).into_iter().collect())));
                    }
                    Output::Correlation(place, rule, leaf) => {
                        out.for_rule(*place);
                        correlate(event, rule, *leaf, out);
                    }
                }
            }
        }
    }

    /// What a rule of the ruleset has cost and brought; none for correlations.
    pub(crate) fn counts(&self, rule: u32) -> Option<RuleCounts> {
        self.places.get(&rule).map(|at| self.engine.counts(*at))
    }
}

/// Pushes the signal of a match for a correlation. An event that lacks a field of a group, or the value that
/// is counted, does not count.
fn correlate(event: &impl Fields, rule: &SigmaRule, leaf: usize, out: &mut Signals) {
    let Resolved::Correlation(counting, leaves) = &rule.body else { return };
    let Some(Leaf { node, member, path, .. }) = leaves.get(leaf) else { return };
    let mut groups = Vec::with_capacity(path.len());
    for place in path {
        let Some(group) = group(event, place) else { return };
        groups.push((Some(group), value(event, place)));
    }
    if path.first().is_some_and(|place| !place.values.is_empty())
        && groups.first().is_some_and(|(_, value)| value.is_none())
    {
        return;
    }
    let Some(own) = groups.last_mut().and_then(|(group, _)| group.take()) else { return };
    // Where it does not matter which rule an event matched, it counts once.
    let asks_which = counting.asks_which(*node);
    let member = if asks_which { *member } else { 0 };
    let payload = Payload { node: *node, member, path: groups };
    out.push_once(own, payload.encode(counting.is_plain()));
}

fn group(event: &impl Fields, place: &Where) -> Option<Group> {
    let pair = |(name, names): &(Box<str>, Vec<Box<str>>)| {
        let value = event.first_of(names)?.into_owned();
        (value != Value::Null).then(|| (Name::from(&**name), value))
    };
    place.group.iter().map(pair).collect::<Option<Vec<_>>>().map(Group::from_pairs)
}

fn value(event: &impl Fields, place: &Where) -> Option<Value> {
    let values = place.values.iter().map(|names| {
        let value = event.first_of(names)?.into_owned();
        (value != Value::Null).then_some(value)
    });
    let mut values = values.collect::<Option<Vec<_>>>()?;
    if values.len() > 1 {
        // Several fields count as one: their texts, told apart whatever they hold.
        let texts: Vec<String> =
            values.iter().map(|value| format!("{:?}", value.to_string())).collect();
        return Some(Value::Text(texts.join(",")));
    }
    values.pop()
}
