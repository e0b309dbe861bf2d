//! The rules for events of the same log sources, ready to be matched.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::super::view::PSEUDO;
use super::literals::{Literal, Literals};
use super::tree::{Ask, Tree, witness};

/// Rules that are tried together, and what finds those worth trying.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Rules that nothing announces: pure negations. Always tried.
    pub(super) always: Vec<u32>,
    /// Where a name of an event's field goes: fields of rules, with the place of the name among those under
    /// which they are looked for.
    names: HashMap<Box<str>, Vec<(u32, u32)>, FixedState>,
    /// A bit for each of these names by its length and ends: most names of an event are not among them.
    known: [u64; 16],
    /// The same for what is no plain field.
    pub(super) pseudo: Vec<(&'static str, u32, u32)>,
    /// What is looked for in each field.
    pub(super) literals: Vec<Option<Box<Literals>>>,
    /// What is looked for in all fields.
    pub(super) anywhere: Option<Literals>,
    hits: Vec<Hit>,
    rules: Vec<u32>,
}

/// What it means that a text was found.
#[derive(Debug)]
struct Hit {
    ask: u32,
    /// The rules to try.
    rules: Range<u32>,
}

impl Bucket {
    /// Of these rules.
    pub(super) fn new<'a>(
        rules: impl Iterator<Item = (u32, &'a Tree)>,
        asks: &[Ask],
        slots: &[Arc<[Box<str>]>],
    ) -> Self {
        let mut always = Vec::new();
        let mut wanted: HashMap<u32, Vec<u32>, FixedState> = HashMap::default();
        let mut used = vec![false; slots.len()];
        for (rule, tree) in rules {
            each(tree, &mut |at| {
                let Some(ask) = asks.get(at as usize) else { return };
                for slot in [ask.slot, ask.other].into_iter().flatten() {
                    if let Some(used) = used.get_mut(slot as usize) {
                        *used = true;
                    }
                }
                if ask.literal.is_some() {
                    wanted.entry(at).or_default();
                }
            });
            match witness(tree, asks) {
                Some((_, announced)) => {
                    for at in announced {
                        let rules = wanted.entry(at).or_default();
                        if rules.last() != Some(&rule) {
                            rules.push(rule);
                        }
                    }
                }
                None => always.push(rule),
            }
        }
        let mut bucket = Self {
            always,
            names: HashMap::default(),
            known: [0; 16],
            pseudo: Vec::new(),
            literals: Vec::new(),
            anywhere: None,
            hits: Vec::with_capacity(wanted.len()),
            rules: Vec::new(),
        };
        for (slot, names) in
            (0..).zip(slots).filter(|(at, _)| used.get(*at as usize) == Some(&true))
        {
            for (place, name) in (0..).zip(names.iter()) {
                bucket.names.entry(name.clone()).or_default().push((slot, place));
                if let Some(name) = PSEUDO.iter().find(|pseudo| **pseudo == &**name) {
                    bucket.pseudo.push((name, slot, place));
                }
            }
        }
        for name in bucket.names.keys() {
            let bit = bit(name);
            if let Some(word) = bucket.known.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        bucket.find_texts(wanted, asks, slots.len());
        bucket
    }

    fn find_texts(
        &mut self,
        wanted: HashMap<u32, Vec<u32>, FixedState>,
        asks: &[Ask],
        slots: usize,
    ) {
        let mut each: Vec<Vec<Literal>> = vec![Vec::new(); slots];
        let mut anywhere = Vec::new();
        for (at, rules) in wanted {
            let Some(Ask { literal: Some(literal), slot, .. }) = asks.get(at as usize) else {
                continue;
            };
            let from = count(self.rules.len());
            self.rules.extend(rules);
            let literal = Literal { hit: count(self.hits.len()), ..literal.clone() };
            self.hits.push(Hit { ask: at, rules: from..count(self.rules.len()) });
            match slot {
                Some(slot) => each
                    .get_mut(*slot as usize)
                    .into_iter()
                    .for_each(|all| all.push(literal.clone())),
                None => anywhere.push(literal),
            }
        }
        let made = |all: Vec<Literal>| (!all.is_empty()).then(|| Box::new(Literals::new(all)));
        self.literals = each.into_iter().map(made).collect();
        self.anywhere = (!anywhere.is_empty()).then(|| Literals::new(anywhere));
    }

    /// The fields of rules that a name of an event's field is looked for by.
    #[inline]
    pub(super) fn slots(&self, name: &str) -> &[(u32, u32)] {
        let bit = bit(name);
        if self.known.get(bit / 64).is_none_or(|word| word >> (bit % 64) & 1 == 0) {
            return &[];
        }
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// The question that a text which was found answers, and the rules to try.
    #[inline]
    pub(super) fn hit(&self, at: u32) -> Option<(u32, &[u32])> {
        let Hit { ask, rules } = self.hits.get(at as usize)?;
        Some((*ask, self.rules.get(rules.start as usize..rules.end as usize)?))
    }
}

#[inline]
fn bit(name: &str) -> usize {
    let bytes = name.as_bytes();
    let byte = |at: usize| usize::from(bytes.get(at).copied().unwrap_or_default());
    let length = bytes.len();
    let ends = byte(0) * 31 + byte(length / 2) * 131 + byte(length.saturating_sub(1)) * 517;
    (ends + length * 73) % 1024
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn each(tree: &Tree, visit: &mut impl FnMut(u32)) {
    match tree {
        Tree::Ask(at) => visit(*at),
        Tree::Not(inner) => each(inner, visit),
        Tree::All(parts) | Tree::Any(parts) | Tree::Of(_, parts) => {
            parts.iter().for_each(|part| each(part, visit));
        }
    }
}
