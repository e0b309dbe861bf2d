//! A line of JSON as rules see it, without an event.

use std::borrow::Cow;

use aho_corasick::packed::Searcher;
use chrono::{DateTime, Utc};

use super::predicate::plain_number;
use super::view::{Fields, folded, names};
use crate::event::{Value, rfc3339};
use crate::parse::flat::{Flat, Raw};

/// An object that was read from a line.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    pub(super) flat: &'a Flat,
    /// The time of receipt, for objects without a time.
    pub(super) reference: DateTime<Utc>,
}

impl Line<'_> {
    fn fold(&self, raw: Raw, room: &mut String, visit: &mut dyn FnMut(&str)) {
        match raw {
            Raw::Text(part) => match self.flat.lower(part) {
                Some(lower) => visit(lower),
                None => visit(folded(self.flat.text(self.text, part), room)),
            },
            Raw::Number(from, to) => {
                let text = self.text.get(from..to).unwrap_or_default();
                visit(text);
                if let Some(plain) = plain_number(text) {
                    visit(&plain);
                }
            }
            Raw::Bool(value) => visit(if value { "true" } else { "false" }),
            Raw::Null => {}
            Raw::List(from, to) => {
                for raw in self.flat.elements(from, to) {
                    self.fold(*raw, room, visit);
                }
            }
        }
    }

    fn owned(&self, raw: Raw) -> Value {
        match raw {
            Raw::Text(part) => self.flat.text(self.text, part).into(),
            Raw::Number(from, to) => {
                let text = self.text.get(from..to).unwrap_or_default();
                text.parse().map_or_else(|_| Value::Decimal(text.into()), Value::Int)
            }
            Raw::Bool(value) => value.into(),
            Raw::Null => Value::Null,
            Raw::List(from, to) => {
                let elements = self.flat.elements(from, to).iter();
                Value::List(elements.map(|raw| self.owned(*raw)).collect())
            }
        }
    }
}

impl Fields for Line<'_> {
    fn each_name(&self, mut visit: impl FnMut(usize, &str)) {
        self.flat.names(self.text).enumerate().for_each(|(at, name)| visit(at, name));
    }

    fn value(&self, at: usize) -> Option<Cow<'_, Value>> {
        self.flat.value(at).map(|raw| Cow::Owned(self.owned(raw)))
    }

    fn folded(&self, at: usize, room: &mut String, visit: &mut dyn FnMut(&str)) {
        if let Some(raw) = self.flat.value(at) {
            self.fold(raw, room, visit);
        }
    }

    fn may_hold(&self, few: &Searcher) -> bool {
        let held = |all: [&str; 2]| all.iter().any(|text| few.find(text).is_some());
        self.flat.all_lower().is_none_or(held)
    }

    fn pseudo(&self, name: &str) -> Option<Value> {
        let source = |dimension: usize| {
            let mut all = Vec::new();
            self.flat.each_source(self.text, |other, name| {
                if other == dimension && !all.iter().any(|known| known == name) {
                    all.push(name.to_owned());
                }
            });
            names(all.iter())
        };
        match name {
            "@timestamp" => Some(match self.flat.time(self.text) {
                Some((stamp, _)) => stamp.into(),
                None => rfc3339(self.reference).into(),
            }),
            "log.level" => Some("informational".into()),
            "product" => source(0),
            "category" => source(1),
            "service" => source(2),
            _ => None,
        }
    }

    fn raw(&self) -> Option<&str> {
        None
    }

    fn each_source(&self, visit: impl FnMut(usize, &str)) {
        self.flat.each_source(self.text, visit);
    }
}
