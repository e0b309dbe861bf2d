//! The second half of correlations: windows over signals, chained where a correlation refers to another.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::predicate::Op;
use super::measure::{Entry, Measure, Question, Sample};
use super::window::Lanes;
use super::{Correlation, CorrelationKind};
use crate::event::{Level, Value};
use crate::group::Group;
use crate::rules::{Detections, Input, Memory, Rule, Signal, Signals};
use crate::window::Bounded;

/// Signals may come so late within their group and still be counted with the others.
const LATENESS: i64 = 600_000_000;
/// What incidents of a backlog say.
const LATE: &str = "late: counted apart, for the group's newer events came long before";

/// A correlation with those that it refers to: numbered, itself first.
#[derive(Debug)]
pub(in super::super) struct Counting {
    pub(in super::super) nodes: Vec<Node>,
    /// Hashes of those that it refers to.
    pub(in super::super) inner: Vec<[u8; 32]>,
    pub(in super::super) level: Level,
}

/// One correlation of a chain.
#[derive(Debug)]
pub(in super::super) struct Node {
    measure: Measure,
    timespan: i64,
    condition: Vec<(Op, f64)>,
    /// The correlation that refers to it, and as which of its rules.
    pub(in super::super) parent: Option<(usize, usize)>,
}

impl Node {
    pub(in super::super) fn new(correlation: &Correlation, parent: Option<(usize, usize)>) -> Self {
        let mut condition = correlation.condition.clone();
        if condition.is_empty() {
            // Temporal correlations without a condition: all rules must occur.
            #[expect(clippy::cast_precision_loss, reason = "64 rules at most")]
            condition.push((Op::Gte, correlation.rules.len() as f64));
        }
        let measure = match correlation.kind {
            CorrelationKind::EventCount => Measure::Weight(needed(&condition)),
            CorrelationKind::ValueCount => Measure::Distinct,
            CorrelationKind::Temporal => Measure::Members,
            CorrelationKind::TemporalOrdered => Measure::Ordered(correlation.rules.len()),
            CorrelationKind::ValueSum => Measure::Sum,
            CorrelationKind::ValueAvg => Measure::Average,
            CorrelationKind::ValuePercentile => match correlation.percentile {
                Some(percentile) => Measure::Percentile(percentile),
                None => Measure::Share,
            },
        };
        Self { measure, timespan: correlation.timespan, condition, parent }
    }

    fn question(&self) -> Question<'_> {
        Question { measure: self.measure, timespan: self.timespan, condition: &self.condition }
    }

    /// What is counted of an occurrence; none where there is no number to compute with.
    fn sample(&self, value: Option<&Value>, member: usize) -> Option<Sample> {
        Some(match self.measure {
            Measure::Weight(_) => Sample::Plain,
            Measure::Members | Measure::Ordered(_) => Sample::Member(member),
            Measure::Distinct | Measure::Share => Sample::Digest(digest(value?)),
            Measure::Sum | Measure::Average | Measure::Percentile(_) => {
                Sample::number(fixed(value?)?)
            }
        })
    }
}

/// 128 bits of SHA-256 over a value: nobody can make two users look like one.
fn digest(value: &Value) -> [u64; 2] {
    let hash: [u8; 32] = match value {
        Value::Text(text) => Sha256::digest(text).into(),
        other => Sha256::digest(other.to_string()).into(),
    };
    let half = |at: usize| hash.get(at..at + 8).and_then(|half| half.first_chunk().copied());
    [0, 8].map(|at| half(at).map_or(0, u64::from_be_bytes))
}

/// A number in billionths: sums of such do not depend on the order, as those of floats would.
fn fixed(value: &Value) -> Option<i128> {
    const BILLION: i128 = 1_000_000_000;
    if let Some(whole) = value.as_int() {
        return Some(i128::from(whole) * BILLION);
    }
    let number = value.as_number().filter(|number| number.is_finite())?;
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let scaled = (number.clamp(-1e20, 1e20) * 1e9).round() as i128;
    Some(scaled)
}

/// Counts beyond the greatest number of a condition make no difference.
fn needed(condition: &[(Op, f64)]) -> u32 {
    let most = condition.iter().map(|(_, number)| *number).fold(0.0, f64::max);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let most = most.ceil() as u32;
    most.saturating_add(1)
}

/// What a matched event is to a correlation.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Payload {
    /// The innermost correlation, and as which of its rules the event matched.
    pub(in super::super) node: usize,
    pub(in super::super) member: usize,
    /// For each correlation from that one on the group, none for that of the signal, and the value that it
    /// looks at.
    pub(in super::super) path: Vec<(Option<Group>, Option<Value>)>,
}

impl Payload {
    /// As the value of a signal: plain where it can be, since few correlations are chained.
    pub(in super::super) fn encode(mut self, is_plain: bool) -> Option<Value> {
        if is_plain {
            return self.path.pop().and_then(|(_, value)| value);
        }
        let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let mut all = vec![number(self.node), number(self.member)];
        for (group, value) in self.path {
            all.push(group.map_or(Value::Null, |group| group.as_json().into()));
            all.push(value.unwrap_or(Value::Null));
        }
        Some(Value::List(all))
    }

    fn decode(signal: &Signal, is_plain: bool) -> Option<Self> {
        if is_plain {
            return Some(Self { node: 0, member: 0, path: vec![(None, signal.value.clone())] });
        }
        let Some(Value::List(all)) = &signal.value else { return None };
        let number = |at: usize| usize::try_from(all.get(at)?.as_int()?).ok();
        let pair = |[group, value]: &[Value; 2]| {
            let value = (*value != Value::Null).then(|| value.clone());
            (group.as_str().map(Group::from_json), value)
        };
        let path = all.get(2..)?.as_chunks::<2>().0.iter().map(pair).collect();
        Some(Self { node: number(0)?, member: number(1)?, path })
    }
}

/// The memory of a correlation and of those that it refers to.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(in super::super) struct State {
    nodes: Vec<Bounded<Lanes>>,
    /// Entries that were dropped because one window held too many.
    dropped: u64,
}

impl Counting {
    /// Whether signals carry nothing but a value: one correlation, that does not ask which rule it was.
    pub(in super::super) fn is_plain(&self) -> bool {
        self.nodes.len() == 1 && !self.asks_which(0)
    }

    /// Whether it matters to a correlation which of its rules an event matched.
    pub(in super::super) fn asks_which(&self, node: usize) -> bool {
        let measure = self.nodes.get(node).map(|node| node.measure);
        matches!(measure, Some(Measure::Members | Measure::Ordered(_)))
    }
}

impl Memory for State {
    fn bytes(&self) -> usize {
        self.nodes.iter().map(Memory::bytes).sum()
    }

    fn evicted(&self) -> u64 {
        self.nodes.iter().map(Memory::evicted).sum::<u64>() + self.dropped
    }

    fn evict(&mut self) {
        if let Some(greatest) = self.nodes.iter_mut().max_by_key(|node| node.bytes()) {
            greatest.evict();
        }
    }
}

impl Rule for Counting {
    const KIND: &'static str = super::super::KIND;
    type State = State;

    /// Signals come from the matcher of all rules.
    fn signals(&self, _: &crate::event::Event, _: &mut Signals) {}

    fn count(&self, state: &mut State, input: Input<'_>, out: &mut Detections) {
        state.nodes.resize_with(self.nodes.len(), Bounded::default);
        let signal = match input {
            Input::Signal(signal) => signal,
            Input::Tick(now) => {
                let horizon = self.horizon();
                state.nodes.iter_mut().for_each(|node| node.expire(now, horizon));
                return;
            }
        };
        let Some(Payload { node: mut at, mut member, path }) =
            Payload::decode(signal, self.is_plain())
        else {
            return;
        };
        let time = signal.time.timestamp_micros();
        let is_chained = self.nodes.len() > 1;
        for (group, value) in path {
            let (Some(node), Some(groups)) = (self.nodes.get(at), state.nodes.get_mut(at)) else {
                break;
            };
            let Some(sample) = node.sample(value.as_ref(), member) else { break };
            let weight = if is_chained { 1 } else { signal.weight };
            let group = group.as_ref().unwrap_or(&signal.group);
            let dropped = &mut state.dropped;
            let (fired, is_late) = groups.update(group, time, |lanes: &mut Lanes| {
                lanes.add(&node.question(), LATENESS, Entry { time, sample, weight }, dropped)
            });
            match node.parent {
                Some(parent) if fired => (at, member) = parent,
                Some(_) => break,
                None => {
                    // What counts is what happened to the outermost.
                    if is_chained {
                        out.count_as(1);
                    }
                    if fired && is_late {
                        out.push_because(signal, self.level, LATE.into());
                    } else if fired {
                        out.push(signal, self.level);
                    }
                    return;
                }
            }
        }
        if is_chained {
            out.count_as(0);
        }
    }

    fn memory<'s>(&self, state: &'s mut State) -> Option<&'s mut dyn Memory> {
        Some(state)
    }

    fn horizon(&self) -> Duration {
        let longest = self.nodes.iter().map(|node| node.timespan).max().unwrap_or_default();
        Duration::from_micros(u64::try_from(longest + LATENESS).unwrap_or_default())
    }
}
