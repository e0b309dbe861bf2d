//! What correlations compute, and what they keep of an occurrence for it.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use super::super::predicate::Op;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Measure {
    /// Weights, up to a number beyond which nothing changes.
    Weight(u32),
    /// Distinct values.
    Distinct,
    /// Distinct rules.
    Members,
    /// Rules in the order of their numbers, the last of them this less one.
    Ordered(usize),
    Sum,
    Average,
    Percentile(f64),
    /// How many in a hundred are the same as the one that came.
    Share,
}

/// What is asked of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) measure: Measure,
    /// µs.
    pub(super) timespan: i64,
    pub(super) condition: &'a [(Op, f64)],
}

impl Question<'_> {
    pub(super) fn holds(&self, value: Option<f64>) -> bool {
        let Some(value) = value else { return false };
        self.condition
            .iter()
            .all(|(op, number)| value.partial_cmp(number).is_some_and(|order| op.holds(order)))
    }

    /// Whether more entries can only help.
    pub(super) fn only_grows(&self) -> bool {
        let grows =
            matches!(self.measure, Measure::Weight(_) | Measure::Distinct | Measure::Members);
        grows && self.condition.iter().all(|(op, _)| matches!(op, Op::Gt | Op::Gte))
    }
}

/// What is kept of an occurrence.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub(super) enum Sample {
    Plain,
    Member(usize),
    Digest([u64; 2]),
    /// A number of 128 bits, its upper and its lower half.
    Number(i64, u64),
}

impl Sample {
    pub(super) fn number(number: i128) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the halves")]
        Self::Number((number >> 64) as i64, number as u64)
    }

    fn as_number(self) -> i128 {
        match self {
            Self::Number(upper, lower) => (i128::from(upper) << 64) | i128::from(lower),
            _ => 0,
        }
    }

    pub(super) fn member(self) -> usize {
        match self {
            Self::Member(member) => member,
            _ => 0,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Entry {
    pub(super) time: i64,
    pub(super) sample: Sample,
    pub(super) weight: u32,
}

/// A measure to which entries are added, and from which they are taken.
#[derive(Debug)]
pub(super) enum Total {
    Weight(u64),
    Counted(HashMap<Sample, u32, FixedState>, u64),
    Sum(i128, u64),
    Sorted(Vec<i128>),
}

impl Total {
    pub(super) fn new(measure: Measure) -> Self {
        match measure {
            Measure::Weight(_) => Self::Weight(0),
            Measure::Distinct | Measure::Members | Measure::Ordered(_) | Measure::Share => {
                Self::Counted(HashMap::default(), 0)
            }
            Measure::Sum | Measure::Average => Self::Sum(0, 0),
            Measure::Percentile(_) => Self::Sorted(Vec::new()),
        }
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        match self {
            Self::Weight(sum) => *sum += u64::from(entry.weight),
            Self::Counted(counts, all) => {
                *counts.entry(entry.sample).or_default() += 1;
                *all += 1;
            }
            Self::Sum(sum, count) => {
                *sum = sum.saturating_add(entry.sample.as_number());
                *count += 1;
            }
            Self::Sorted(values) => {
                let number = entry.sample.as_number();
                let at = values.partition_point(|other| *other < number);
                values.insert(at, number);
            }
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        match self {
            Self::Weight(sum) => *sum = sum.saturating_sub(entry.weight.into()),
            Self::Counted(counts, all) => {
                *all = all.saturating_sub(1);
                if let Some(count) = counts.get_mut(&entry.sample) {
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(&entry.sample);
                    }
                }
            }
            Self::Sum(sum, count) => {
                *sum = sum.saturating_sub(entry.sample.as_number());
                *count = count.saturating_sub(1);
            }
            Self::Sorted(values) => {
                let number = entry.sample.as_number();
                let at = values.partition_point(|other| *other < number);
                if values.get(at) == Some(&number) {
                    values.remove(at);
                }
            }
        }
    }

    /// The measure; of a share that of the given entry.
    #[expect(clippy::cast_precision_loss, reason = "compared with numbers that people write")]
    pub(super) fn value(&self, measure: Measure, own: &Entry) -> Option<f64> {
        Some(match self {
            Self::Weight(sum) => *sum as f64,
            Self::Counted(counts, all) if measure == Measure::Share => {
                let same = counts.get(&own.sample).copied().unwrap_or_default();
                f64::from(same) * 100.0 / (*all).max(1) as f64
            }
            Self::Counted(counts, _) => counts.len() as f64,
            Self::Sum(sum, count) => {
                let sum = *sum as f64 / 1e9;
                if measure == Measure::Average { sum / (*count).max(1) as f64 } else { sum }
            }
            Self::Sorted(values) => {
                let Measure::Percentile(percentile) = measure else { return None };
                // The nearest rank.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a place"
                )]
                let rank = (percentile / 100.0 * values.len() as f64).ceil() as usize;
                *values.get(rank.saturating_sub(1))? as f64 / 1e9
            }
        })
    }
}
