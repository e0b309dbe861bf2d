//! A rule that was written in Sigma, in use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Unmapped;
use super::correlation::Counting;
use super::pipeline::Pipeline;
use super::plain::Plain;
use super::predicate::Expr;
use super::source::LogSource;
use super::view::PSEUDO;
use crate::event::{Field, Level};
use crate::rules::{About, AnyRule, erase_with};

/// A rule that was written in Sigma, in use.
#[derive(Debug)]
pub(crate) struct SigmaRule {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) level: Level,
    pub(crate) technique: String,
    pub(crate) description: String,
    pub(crate) advice: String,
    pub(crate) file: Arc<str>,
    pub(crate) line: usize,
    /// SHA-256 over what it says, filters included.
    pub(crate) hash: [u8; 32],
    /// Keys that the specification does not know.
    pub(crate) custom: BTreeMap<String, serde_json::Value>,
    /// Whether only correlations are told.
    pub(crate) is_silent: bool,
    pub(super) body: Resolved,
    pub(super) pipelines: Arc<[Pipeline]>,
}

#[derive(Debug)]
pub(super) enum Resolved {
    Detection(LogSource, Expr),
    Correlation(Arc<Counting>, Vec<Leaf>),
}

/// A detection that a correlation refers to, itself or through others.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) rule: Arc<SigmaRule>,
    /// The innermost correlation, and as which of its rules.
    pub(super) node: usize,
    pub(super) member: usize,
    /// For each correlation from that one on, where its group and its value are.
    pub(super) path: Vec<Where>,
}

/// Where a correlation finds its group and its value in the events of one detection.
#[derive(Clone, Debug)]
pub(super) struct Where {
    pub(super) group: Vec<(Box<str>, Vec<Box<str>>)>,
    pub(super) values: Vec<Vec<Box<str>>>,
}

impl SigmaRule {
    /// What it says of itself.
    pub(crate) fn about(&self) -> About<'_> {
        About {
            title: &self.title,
            level: self.level,
            technique: &self.technique,
            description: &self.description,
            advice: &self.advice,
        }
    }

    /// The same as a rule of a ruleset.
    pub(crate) fn erased(&self) -> AnyRule {
        let hash = crate::hex(&self.hash);
        let settings = serde_json::json!({
            "file": *self.file,
            "line": self.line,
            "sha256": hash,
            "custom": self.custom,
        });
        match &self.body {
            Resolved::Detection(..) => erase_with(Arc::new(Plain(self.level)), settings),
            Resolved::Correlation(counting, _) => erase_with(Arc::clone(counting), settings),
        }
    }

    /// Its fields that no parser and no mapping gives, if there are any.
    pub(super) fn unmapped(&self) -> Option<Unmapped> {
        let Resolved::Detection(_, expr) = &self.body else { return None };
        let mut fields = BTreeSet::new();
        expr.each(&mut |predicate| {
            let Some(field) = predicate.field.as_deref() else { return };
            let is_known = |name: &str| Field::known(name).is_some() || PSEUDO.contains(&name);
            let names = self.names(field);
            if names.len() == 1 && !names.iter().any(|name| is_known(name)) {
                fields.insert(field.to_owned());
            }
        });
        let fields: Vec<String> = fields.into_iter().collect();
        let (file, line) = (self.file.to_string(), self.line);
        (!fields.is_empty()).then_some(Unmapped { file, line, fields })
    }

    /// The names under which a field of the rule is looked for in events.
    pub(super) fn names(&self, field: &str) -> Vec<Box<str>> {
        match &self.body {
            Resolved::Detection(source, _) => Pipeline::names(&self.pipelines, field, source),
            Resolved::Correlation(..) => vec![field.into()],
        }
    }
}
