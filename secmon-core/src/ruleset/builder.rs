//! `Builder`: collects rules, and compiles them.

#[cfg(feature = "sigma")]
use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use super::{ActiveRule, Inner, Ruleset, hash_of};
use crate::event::fields;
use crate::rules::{AnyRule, MOST_ID, Rule, erase, of_kind};
#[cfg(feature = "sigma")]
use crate::sigma::{Matcher, SigmaRule, SigmaRules};
use crate::{Error, Result};

/// Collects rules.
#[derive(Debug, Default)]
pub struct Builder {
    rules: Vec<ActiveRule>,
    /// Whether Sigma rules are tried on all events, whatever their log sources.
    #[cfg(feature = "sigma")]
    is_unrouted: bool,
    /// Nanoseconds of any clock that does not go back.
    #[cfg(feature = "sigma")]
    clock: Option<fn() -> u64>,
}

impl Builder {
    /// Begins with the rules of a ruleset.
    pub fn of(ruleset: &Ruleset) -> Self {
        Self { rules: ruleset.rules().cloned().collect(), ..Self::default() }
    }

    /// Adds a rule with its settings; one of the same id is replaced.
    #[must_use]
    pub fn rule<R: Rule + Serialize>(mut self, id: &str, rule: R) -> Self {
        self.put(id, erase(rule));
        self
    }

    /// Adds a rule of a built-in kind by its name, as configuration, HTTP and Python do; one of the
    /// same id is replaced.
    pub fn settings(mut self, id: &str, kind: &str, settings: serde_json::Value) -> Result<Self> {
        self.put(id, of_kind(id, kind, settings)?);
        Ok(self)
    }

    /// Whether a rule of this id was added.
    pub fn has(&self, id: &str) -> bool {
        self.rules.iter().any(|rule| rule.id == id)
    }

    /// Adds all built-in kinds with their defaults.
    #[must_use]
    pub fn builtin(mut self) -> Self {
        for (kind, _) in crate::rules::kinds() {
            if let Ok(rule) = of_kind(kind, kind, serde_json::json!({})) {
                self.put(kind, rule);
            }
        }
        for (id, metric) in [
            ("threshold_memory", fields::MEMORY_USED_PCT),
            ("threshold_disk", fields::DISK_USED_PCT),
        ] {
            let rule = crate::rules::Threshold {
                metric: metric.name().into(),
                above: 95.0,
                ..Default::default()
            };
            self.put(id, erase(rule));
        }
        self
    }

    /// Adds Sigma rules; a rule of the same id is replaced. What is wrong with them is among their
    /// [problems](SigmaRules::problems).
    #[cfg(feature = "sigma")]
    #[must_use]
    pub fn sigma(mut self, rules: &SigmaRules) -> Self {
        let mut new: Vec<&Arc<SigmaRule>> = rules.resolved().iter().collect();
        new.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        let ids: HashSet<&str> = new.iter().map(|rule| rule.id.as_str()).collect();
        self.rules.retain(|rule| !ids.contains(rule.id.as_str()));
        self.rules.extend(new.into_iter().map(|rule| ActiveRule {
            id: rule.id.clone(),
            rule: rule.erased(),
            sigma: Some(Arc::clone(rule)),
        }));
        self
    }

    /// Tries Sigma rules on all events, whatever their log sources: for samples whose origin nobody says.
    #[cfg(feature = "sigma")]
    #[must_use]
    pub fn unrouted(mut self) -> Self {
        self.is_unrouted = true;
        self
    }

    /// Measures what each Sigma rule takes, by a clock that gives nanoseconds since any moment and never goes
    /// back; one comparison in sixteen is timed. Without a clock nothing is.
    #[cfg(feature = "sigma")]
    #[must_use]
    pub fn clock(mut self, clock: fn() -> u64) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Takes a rule out.
    #[must_use]
    pub fn without(mut self, id: &str) -> Self {
        self.rules.retain(|rule| rule.id != id);
        self
    }

    /// Keeps only these rules.
    ///
    /// # Errors
    /// An id that is not there.
    pub fn only(mut self, ids: &[String]) -> Result<Self> {
        for id in ids {
            if !self.has(id) {
                return Err(Error::Unknown {
                    what: "rule",
                    name: id.clone(),
                    known: match self.rules.as_slice() {
                        [] => "none: there are no rules".into(),
                        rules => {
                            rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>().join(", ")
                        }
                    },
                });
            }
        }
        self.rules.retain(|rule| ids.contains(&rule.id));
        Ok(self)
    }

    /// The ruleset.
    ///
    /// # Errors
    /// An id that is empty or too long, or settings that make no sense.
    pub fn build(self) -> Result<Ruleset> {
        for rule in &self.rules {
            if rule.id.is_empty() || rule.id.len() > MOST_ID {
                let reason = format!("an id has 1 to {MOST_ID} bytes");
                return Err(Error::Settings { rule: rule.id.clone(), reason });
            }
            if let Some(reason) = rule.rule.wrong.clone() {
                return Err(Error::Settings { rule: rule.id.clone(), reason });
            }
        }
        let is_direct = |(_, rule): &(u32, &ActiveRule)| {
            #[cfg(feature = "sigma")]
            return rule.sigma.is_none();
            #[cfg(not(feature = "sigma"))]
            true
        };
        let direct = (0..).zip(&self.rules).filter(is_direct).map(|(at, _)| at).collect();
        #[cfg(feature = "sigma")]
        let sigma = {
            let rules = (0..).zip(&self.rules);
            let mut rules =
                rules.filter_map(|(at, rule)| Some((at, rule.sigma.as_ref()?))).peekable();
            rules.peek().is_some().then(|| Matcher::new(rules, !self.is_unrouted, self.clock))
        };
        let mark = hash_of(&self.rules).first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        Ok(Ruleset(Arc::new(Inner {
            rules: self.rules,
            direct,
            mark,
            #[cfg(feature = "sigma")]
            sigma,
        })))
    }

    fn put(&mut self, id: &str, rule: AnyRule) {
        let rule = ActiveRule {
            id: id.into(),
            rule,
            #[cfg(feature = "sigma")]
            sigma: None,
        };
        match self.rules.iter_mut().find(|other| other.id == rule.id) {
            Some(other) => *other = rule,
            None => self.rules.push(rule),
        }
    }
}
