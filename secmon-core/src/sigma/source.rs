//! Log sources of rules, and whether an event is of them.

use std::borrow::Cow;

use super::problem::Wrong;
use super::yaml::Node;
use crate::event::Sources;

/// What a rule says about where its events come from; a dimension that it does not name is free.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct LogSource {
    pub(super) product: Option<Box<str>>,
    pub(super) category: Option<Box<str>>,
    pub(super) service: Option<Box<str>>,
}

impl LogSource {
    pub(super) fn parse(node: &Node) -> Result<Self, Wrong> {
        if node.members().is_none() {
            return Err(Wrong::at(
                node.line,
                "`logsource` must have product, category or service".into(),
            ));
        }
        let dimension = |name| {
            let text = node.get(name).and_then(Node::text)?;
            (!text.is_empty()).then(|| text.to_lowercase().into())
        };
        Ok(Self {
            product: dimension("product"),
            category: dimension("category"),
            service: dimension("service"),
        })
    }

    fn dimensions(&self) -> [Option<&str>; 3] {
        [&self.product, &self.category, &self.service].map(Option::as_deref)
    }

    /// Whether each dimension that it names is in the event's set. A set without names is unknown, and
    /// fits all.
    pub(super) fn fits(&self, sources: &Sources) -> bool {
        let sets = [&sources.product, &sources.category, &sources.service];
        self.dimensions().into_iter().zip(sets).all(|(wanted, set)| match wanted {
            Some(wanted) => set.is_empty() || set.iter().any(|name| equal(name, wanted)),
            None => true,
        })
    }

    /// Whether a rule of another log source is within this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let pairs = self.dimensions().into_iter().zip(other.dimensions());
        pairs.into_iter().all(|(mine, theirs)| mine.is_none() || mine == theirs)
    }
}

/// The second is in lower case.
fn equal(name: &Cow<'static, str>, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted) || (!name.is_ascii() && name.to_lowercase() == wanted)
}
