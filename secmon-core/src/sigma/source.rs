//! Log sources of rules, and whether an event is of them.

use super::problem::Wrong;
use super::view::Fields;
use super::yaml::Node;

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
        let dimension = |name| -> Result<Option<Box<str>>, Wrong> {
            let Some(node) = node.get(name) else { return Ok(None) };
            let wrong = || Wrong::at(node.line, format!("`{name}` is one word"));
            let text = node.text().ok_or_else(wrong)?;
            Ok((!text.is_empty()).then(|| text.to_lowercase().into()))
        };
        Ok(Self {
            product: dimension("product")?,
            category: dimension("category")?,
            service: dimension("service")?,
        })
    }

    fn dimensions(&self) -> [Option<&str>; 3] {
        [&self.product, &self.category, &self.service].map(Option::as_deref)
    }

    /// Whether each dimension that it names is in the event's set. A set without names is unknown, and
    /// fits all.
    pub(super) fn fits(&self, event: &impl Fields) -> bool {
        let wanted = self.dimensions();
        let mut known = [(false, false); 3];
        event.each_source(|dimension, name| {
            if let (Some(known), Some(wanted)) = (known.get_mut(dimension), wanted.get(dimension)) {
                let is_it = wanted.is_some_and(|wanted| equal(name, wanted));
                *known = (true, known.1 || is_it);
            }
        });
        wanted
            .iter()
            .zip(known)
            .all(|(wanted, (is_named, is_it))| wanted.is_none() || !is_named || is_it)
    }

    /// Whether a rule of another log source is within this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let pairs = self.dimensions().into_iter().zip(other.dimensions());
        pairs.into_iter().all(|(mine, theirs)| mine.is_none() || mine == theirs)
    }
}

/// The second is in lower case.
fn equal(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted) || (!name.is_ascii() && name.to_lowercase() == wanted)
}
