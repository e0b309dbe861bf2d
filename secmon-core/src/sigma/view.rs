//! How rules see an event: values by name, those that are no plain fields included.

use std::borrow::Cow;

use aho_corasick::packed::Searcher;
use chrono::SecondsFormat;

use super::pattern::{Pattern, fold_into};
use super::predicate::{Expr, Predicate, Reference, Test, plain_number};
use crate::event::{Event, Value, rfc3339};

/// What an event says besides its fields.
pub(super) const PSEUDO: &[&str] =
    &["@timestamp", "category", "event.timezone", "log.level", "product", "service"];

/// Where keywords are looked for besides fields. Not in the level, a word of ours, and not in the time, which
/// may be that of receipt.
pub(super) const SEARCHED: &[&str] = &["category", "product", "service"];

/// What rules are matched against.
pub(super) trait Fields {
    /// Shows the name of each field, with its place.
    fn each_name(&self, visit: impl FnMut(usize, &str));

    /// The value at a place.
    fn value(&self, at: usize) -> Option<Cow<'_, Value>>;

    /// Shows the texts of a value, folded: elements of lists one by one, without nulls. There is a text to
    /// fold in.
    fn folded(&self, at: usize, room: &mut String, visit: &mut dyn FnMut(&str));

    /// Whether any field may hold one of some folded texts.
    fn may_hold(&self, _: &Searcher) -> bool {
        true
    }

    /// The value of what is no plain field.
    fn pseudo(&self, name: &str) -> Option<Value>;

    /// The line as it came.
    fn raw(&self) -> Option<&str>;

    /// The names of product, category and service.
    fn each_source(&self, visit: impl FnMut(usize, &str));

    /// Whether any of these is the name of an object.
    fn is_object(&self, names: &[Box<str>]) -> bool {
        let mut found = false;
        self.each_name(|_, other| {
            let is_inside =
                |name: &str| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
            found = found || names.iter().any(|name| is_inside(name));
        });
        found
    }

    /// The first of these names under which there is something.
    fn first_of(&self, names: &[Box<str>]) -> Option<Cow<'_, Value>> {
        names.iter().find_map(|name| {
            let mut place = None;
            self.each_name(|at, other| {
                if other == &**name {
                    place = Some(at);
                }
            });
            match place {
                Some(at) => self.value(at),
                None => self.pseudo(name).map(Cow::Owned),
            }
        })
    }
}

impl Fields for Event {
    fn each_name(&self, mut visit: impl FnMut(usize, &str)) {
        self.fields().enumerate().for_each(|(at, (name, _))| visit(at, name));
    }

    fn value(&self, at: usize) -> Option<Cow<'_, Value>> {
        self.value_at(at).map(Cow::Borrowed)
    }

    fn folded(&self, at: usize, room: &mut String, visit: &mut dyn FnMut(&str)) {
        if let Some(value) = self.value_at(at) {
            each_text(value, &mut |text| visit(folded(text, room)));
        }
    }

    fn pseudo(&self, name: &str) -> Option<Value> {
        match name {
            // With the offset that it came with: parts of a date are those that were written.
            "@timestamp" => Some(match self.offset {
                Some(offset) => {
                    let time = self.time.with_timezone(&offset);
                    time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
                }
                None => rfc3339(self.time).into(),
            }),
            "event.timezone" => self.offset.map(|offset| offset.to_string().into()),
            "log.level" => Some(self.level.as_str().into()),
            "product" => names(self.sources.product.iter()),
            "category" => names(self.sources.category.iter()),
            "service" => names(self.sources.service.iter()),
            _ => None,
        }
    }

    fn raw(&self) -> Option<&str> {
        Event::raw(self)
    }

    fn each_source(&self, mut visit: impl FnMut(usize, &str)) {
        let sets = [&self.sources.product, &self.sources.category, &self.sources.service];
        for (dimension, set) in sets.into_iter().enumerate() {
            set.iter().for_each(|name| visit(dimension, name));
        }
    }
}

/// A text, folded in this room.
pub(super) fn folded<'a>(text: &str, room: &'a mut String) -> &'a str {
    room.clear();
    fold_into(text, room);
    room
}

/// One name is a text, several are a list.
pub(super) fn names<N: AsRef<str>>(names: impl Iterator<Item = N>) -> Option<Value> {
    let mut names: Vec<Value> = names.map(|name| name.as_ref().into()).collect();
    if names.len() > 1 { Some(names.into()) } else { names.pop() }
}

/// Shows the texts of a value: elements of lists one by one, without nulls.
pub(super) fn each_text(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::List(values) => values.iter().for_each(|value| each_text(value, visit)),
        Value::Null => {}
        Value::Text(text) => visit(text),
        Value::Decimal(text) => {
            visit(text);
            if let Some(plain) = plain_number(text) {
                visit(&plain);
            }
        }
        other => visit(&other.to_string()),
    }
}

/// Whether any text of a value passes.
fn any_text(value: &Value, test: &mut dyn FnMut(&str) -> bool) -> bool {
    let mut found = false;
    each_text(value, &mut |text| found = found || test(text));
    found
}

/// The names under which a field of a rule is looked for.
pub(super) type Names<'a> = &'a dyn Fn(&str) -> Vec<Box<str>>;

/// Whether a field that is looked for under these names passes a test.
pub(super) fn field_passes(
    test: &Test,
    field: &[Box<str>],
    value: Option<&Value>,
    event: &impl Fields,
    names: Names<'_>,
) -> bool {
    // An object is there, though only its members are fields.
    if value.is_none() && matches!(test, Test::Exists | Test::Null) && event.is_object(field) {
        return matches!(test, Test::Exists);
    }
    passes(test, value, event, names)
}

/// Whether a value passes a test.
pub(super) fn passes(
    test: &Test,
    value: Option<&Value>,
    event: &impl Fields,
    names: Names<'_>,
) -> bool {
    let texts =
        |test: &mut dyn FnMut(&str) -> bool| value.is_some_and(|value| any_text(value, test));
    match test {
        // A field without a value, or one of whose values is none.
        Test::Null => value.is_none_or(|value| match value {
            Value::List(items) => items.contains(&Value::Null),
            value => *value == Value::Null,
        }),
        Test::Exists => value.is_some(),
        Test::Text(pattern) => texts(&mut |text| pattern.matches(text)),
        Test::Regex(regex) => texts(&mut |text| regex.is_match(text)),
        Test::Cidr(network) => {
            texts(&mut |text| text.trim().parse().is_ok_and(|address| network.contains(address)))
        }
        Test::Compare(op, number) => {
            texts(&mut |text| number.order(text).is_some_and(|order| op.holds(order)))
        }
        Test::Part(part, op, number) => {
            texts(&mut |text| part.of(text).is_some_and(|part| op.holds(part.cmp(number))))
        }
        Test::Same(reference) => {
            let Some(other) = event.first_of(&names(&reference.field)) else { return false };
            texts(&mut |text| any_text(&other, &mut |other| is_same(reference, text, other)))
        }
    }
}

fn is_same(reference: &Reference, text: &str, other: &str) -> bool {
    let mut pattern = Pattern::plain(other);
    if !reference.starts {
        pattern = pattern.open_start();
    }
    if !reference.ends {
        pattern = pattern.open_end();
    }
    if reference.is_cased { pattern.cased() } else { pattern }.ready().matches(text)
}

/// Whether an event is what an expression says: the plain way, which explains and which the engine is
/// held against.
pub(super) fn evaluate(expr: &Expr, event: &Event, names: Names<'_>) -> bool {
    match expr {
        Expr::Test(predicate) => asks(predicate, event, names),
        Expr::Not(inner) => !evaluate(inner, event, names),
        Expr::Named(_, inner) => evaluate(inner, event, names),
        Expr::All(parts) => parts.iter().all(|part| evaluate(part, event, names)),
        Expr::Any(parts) => parts.iter().any(|part| evaluate(part, event, names)),
        Expr::Of(count, parts) => {
            parts.iter().filter(|part| evaluate(part, event, names)).take(*count).count() == *count
        }
    }
}

fn asks(predicate: &Predicate, event: &Event, names: Names<'_>) -> bool {
    match &predicate.field {
        Some(field) => {
            let field = names(field);
            let value = event.first_of(&field);
            field_passes(&predicate.test, &field, value.as_deref(), event, names)
        }
        None => anywhere(&predicate.test, event, names),
    }
}

/// Whether any value of the event passes, or the line as it came.
pub(super) fn anywhere(test: &Test, event: &impl Fields, names: Names<'_>) -> bool {
    let mut found = false;
    event.each_name(|at, _| {
        found = found || passes(test, event.value(at).as_deref(), event, names);
    });
    let mut others = SEARCHED.iter().filter_map(|name| event.pseudo(name));
    let raw = event.raw().map(Value::from);
    found
        || others.any(|value| passes(test, Some(&value), event, names))
        || raw.is_some_and(|value| passes(test, Some(&value), event, names))
}
