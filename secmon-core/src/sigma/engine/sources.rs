//! Which rules an event of some log sources is shown to.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::super::source::LogSource;
use super::super::view::Fields;

/// Names of one dimension as bits, for those that rules name; the last bit says that the event names any.
type Names = u128;
const NAMED: Names = 1 << 127;

/// What of an event's log sources matters to the rules.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Key([Names; 3]);

/// The names that rules have for log sources.
#[derive(Debug, Default)]
pub(super) struct Index([HashMap<Box<str>, u32, FixedState>; 3]);

impl Index {
    /// Of these log sources; none if they have more names than there are bits.
    pub(super) fn new<'a>(all: impl Iterator<Item = &'a LogSource>) -> Option<Self> {
        let mut index = Self::default();
        for source in all {
            let wanted = [&source.product, &source.category, &source.service];
            for (names, name) in index.0.iter_mut().zip(wanted) {
                let Some(name) = name else { continue };
                let next = u32::try_from(names.len()).ok()?;
                names.entry(name.clone()).or_insert(next);
            }
        }
        index.0.iter().all(|names| names.len() < 127).then_some(index)
    }

    pub(super) fn key(&self, event: &impl Fields) -> Key {
        let mut key = [0; 3];
        event.each_source(|dimension, name| {
            if let (Some(bits), Some(names)) = (key.get_mut(dimension), self.0.get(dimension)) {
                *bits |= NAMED | number(names, name).map_or(0, |at| 1 << at);
            }
        });
        Key(key)
    }

    /// Whether a rule fits events of a key.
    pub(super) fn fits(&self, source: &LogSource, key: Key) -> bool {
        let wanted = [&source.product, &source.category, &source.service];
        wanted.into_iter().zip(&self.0).zip(key.0).all(|((name, names), bits)| match name {
            Some(name) if bits & NAMED != 0 => {
                number(names, name).is_some_and(|at| bits >> at & 1 == 1)
            }
            _ => true,
        })
    }
}

fn number(names: &HashMap<Box<str>, u32, FixedState>, name: &str) -> Option<u32> {
    if let Some(at) = names.get(name) {
        return Some(*at);
    }
    // Rules write them small, and nearly all events do.
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return None;
    }
    names.get(name.to_lowercase().as_str()).copied()
}
