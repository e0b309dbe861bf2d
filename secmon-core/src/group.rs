//! `Group`: what a rule counts by.

use std::fmt;
use std::sync::Arc;

use crate::event::{Event, Field, Name, Value};
use crate::json;

/// The fields that signals of one rule have in common, as canonical JSON: `{"source.ip":"203.0.113.7"}`.
///
/// ```
/// use secmon_core::{Event, Group, fields};
/// let mut event = Event::new(chrono::DateTime::UNIX_EPOCH);
/// event.set(fields::USER_NAME, "bob");
/// let group = Group::of(&event, &[fields::USER_NAME]).ok_or("no user")?;
/// assert_eq!(group.as_json(), r#"{"user.name":"bob"}"#);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Group(Arc<str>);

impl Group {
    /// The group of an event by these fields; none if it lacks one of them.
    pub fn of(event: &Event, fields: &[Field]) -> Option<Self> {
        if let [field] = fields {
            // The usual case, once or more a line: nothing to sort, nothing to clone.
            let mut out = String::with_capacity(64);
            push_pair(&mut out, field.name(), event.get(*field)?);
            out.push('}');
            return Some(Self(out.into()));
        }
        let mut pairs = Vec::with_capacity(fields.len());
        for field in fields {
            pairs.push((Name::from(*field), event.get(*field)?.clone()));
        }
        Some(Self::from_pairs(pairs))
    }

    /// The group of where an event came from: `source.ip`, else `source.address`.
    pub fn by_source(event: &Event) -> Option<Self> {
        use crate::event::fields::{SOURCE_ADDRESS, SOURCE_IP};
        Self::of(event, &[SOURCE_IP]).or_else(|| Self::of(event, &[SOURCE_ADDRESS]))
    }

    /// The group of these names and values.
    pub fn from_pairs(mut pairs: Vec<(Name, Value)>) -> Self {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        let mut out = String::with_capacity(40);
        for (name, value) in &pairs {
            push_pair(&mut out, name.as_str(), value);
        }
        out.push_str(if out.is_empty() { "{}" } else { "}" });
        Self(out.into())
    }

    /// The one group of rules that do not group.
    pub fn none() -> Self {
        Self("{}".into())
    }

    /// The group of this canonical JSON.
    pub fn from_json(json: &str) -> Self {
        Self(json.into())
    }

    /// Its canonical JSON.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Its names and values.
    pub fn pairs(&self) -> Vec<(Name, Value)> {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&self.0).unwrap_or_default();
        object.into_iter().map(|(name, value)| (name.as_str().into(), value.into())).collect()
    }
}

fn push_pair(out: &mut String, name: &str, value: &Value) {
    out.push(if out.is_empty() { '{' } else { ',' });
    json::push_str(out, name);
    out.push(':');
    value.write_body(out);
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.pairs().iter().enumerate() {
            let separator = if at > 0 { " " } else { "" };
            write!(f, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}

impl serde::Serialize for Group {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Group {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|json| Self(json.into()))
    }
}
