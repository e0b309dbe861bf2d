//! The matcher: all rules at once over one event.
//!
//! Rules for the same log sources form a bucket. Of an event, each field that any of them asks for is
//! folded once and passed over once; each text that is found answers a question, and announces the rules
//! that cannot fire without it. Only those are evaluated, over answers that are already there. What is dear
//! (regular expressions, networks, other fields) is asked when a rule comes that far, once an event.

mod bucket;
mod literals;
mod scratch;
mod sources;
mod tree;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use foldhash::fast::FixedState;

use self::bucket::Bucket;
use self::scratch::Scratch;
use self::sources::{Index, Key};
use self::tree::{Numbering, Tree};
use super::predicate::Expr;
use super::source::LogSource;
use super::view::Fields;

/// Log sources for which rules are kept apart; events of others are tried by all rules, more slowly.
const MOST_BUCKETS: usize = 256;

/// All rules of a set, compiled.
#[derive(Debug)]
pub(crate) struct Engine {
    rules: Vec<Rule>,
    numbering: Numbering,
    /// None if events are shown to all rules, whatever their log sources.
    index: Option<Index>,
    buckets: RwLock<HashMap<Key, Arc<Bucket>, FixedState>>,
    /// All rules, for events whose log sources have no bucket.
    all: OnceLock<Bucket>,
    is_routed: bool,
    /// Nanoseconds since any moment, if time is to be measured.
    clock: Option<fn() -> u64>,
}

#[derive(Debug)]
struct Rule {
    source: LogSource,
    tree: Tree,
    candidates: AtomicU64,
    matches: AtomicU64,
    nanos: AtomicU64,
}

/// What a rule has cost and brought.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RuleCounts {
    /// How many events looked as if the rule could match, and were compared.
    pub candidates: u64,
    /// How many matched.
    pub matches: u64,
    /// Nanoseconds that comparing took, reckoned from one in sixteen; 0 where no [clock](crate::Builder::clock)
    /// was given. What rules ask together counts for the one that asked first.
    pub nanos: u64,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Engine {
    /// Of rules, each with what it asks and the names under which its fields are looked for.
    pub(super) fn new<'a>(
        rules: impl Iterator<Item = (&'a LogSource, &'a Expr)>,
        names: &dyn Fn(&str, &LogSource) -> Vec<Box<str>>,
        is_routed: bool,
        clock: Option<fn() -> u64>,
    ) -> Self {
        let mut numbering = Numbering::default();
        let compile = |(source, expr): (&LogSource, &Expr)| Rule {
            source: source.clone(),
            tree: numbering.tree(expr, &|field| names(field, source)),
            candidates: AtomicU64::new(0),
            matches: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
        };
        let rules: Vec<Rule> = rules.map(compile).collect();
        numbering.end();
        let index =
            if is_routed { Index::new(rules.iter().map(|rule| &rule.source)) } else { None };
        Self {
            rules,
            numbering,
            index,
            buckets: RwLock::default(),
            all: OnceLock::new(),
            is_routed,
            clock,
        }
    }

    /// Tells the rules that an event matches, in their order.
    pub(crate) fn matches(&self, event: &impl Fields, found: &mut Vec<u32>) {
        found.clear();
        let bucket = self.index.as_ref().and_then(|index| self.bucket(index, event));
        SCRATCH.with_borrow_mut(|scratch| {
            if let Some(bucket) = &bucket {
                scratch.run(self, bucket, event, found);
            } else {
                let all = self.all.get_or_init(|| self.compile(|_| true));
                scratch.run(self, all, event, found);
                if self.is_routed {
                    let fits = |at: &u32| {
                        self.rules.get(*at as usize).is_some_and(|rule| rule.source.fits(event))
                    };
                    found.retain(fits);
                }
            }
        });
        found.sort_unstable();
        for at in found {
            if let Some(rule) = self.rules.get(*at as usize) {
                rule.matches.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The bucket for an event; none if there are too many.
    fn bucket(&self, index: &Index, event: &impl Fields) -> Option<Arc<Bucket>> {
        let key = index.key(event);
        let known = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = known.get(&key) {
            return Some(Arc::clone(bucket));
        }
        if known.len() >= MOST_BUCKETS {
            return None;
        }
        drop(known);
        let bucket = Arc::new(self.compile(|source| index.fits(source, key)));
        let mut known = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, Arc::clone(&bucket));
        Some(bucket)
    }

    fn compile(&self, fits: impl Fn(&LogSource) -> bool) -> Bucket {
        let rules = (0..).zip(&self.rules).filter(|(_, rule)| fits(&rule.source));
        let rules = rules.map(|(at, rule)| (at, &rule.tree));
        Bucket::new(rules, &self.numbering.asks, &self.numbering.slots)
    }

    /// What a rule has cost and brought.
    pub(crate) fn counts(&self, rule: usize) -> RuleCounts {
        self.rules.get(rule).map_or_else(RuleCounts::default, |rule| RuleCounts {
            candidates: rule.candidates.load(Ordering::Relaxed),
            matches: rule.matches.load(Ordering::Relaxed),
            nanos: rule.nanos.load(Ordering::Relaxed),
        })
    }
}
