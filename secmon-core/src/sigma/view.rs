//! How a rule sees an event: values by name, those that are no plain fields included.

use std::borrow::Cow;

use chrono::SecondsFormat;

use super::pattern::Pattern;
use super::predicate::{Expr, Predicate, Reference, Test};
use crate::event::{Event, Value};

/// What an event says besides its fields.
pub(super) const PSEUDO: &[&str] =
    &["@timestamp", "category", "event.timezone", "log.level", "product", "service"];

/// Where keywords are looked for besides fields. Not in the level, a word of ours: the source's stands in a
/// field.
pub(super) const SEARCHED: &[&str] = &["@timestamp", "category", "product", "service"];

/// The value of what is no plain field.
pub(super) fn pseudo(event: &Event, name: &str) -> Option<Value> {
    let names = |names: &[Cow<'static, str>]| match names {
        [] => None,
        [one] => Some(Value::from(&**one)),
        more => Some(more.iter().map(|name| Value::from(&**name)).collect::<Vec<_>>().into()),
    };
    match name {
        // With the offset that it came with: parts of a date are those that were written.
        "@timestamp" => Some(match event.offset {
            Some(offset) => event
                .time
                .with_timezone(&offset)
                .to_rfc3339_opts(SecondsFormat::AutoSi, true)
                .into(),
            None => event.time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into(),
        }),
        "event.timezone" => event.offset.map(|offset| offset.to_string().into()),
        "log.level" => Some(event.level.as_str().into()),
        "product" => names(&event.sources.product),
        "category" => names(&event.sources.category),
        "service" => names(&event.sources.service),
        _ => None,
    }
}

/// The first of these names under which an event has something.
pub(super) fn find<'a>(event: &'a Event, names: &[Box<str>]) -> Option<Cow<'a, Value>> {
    names.iter().find_map(|name| match event.find(name) {
        Some(value) => Some(Cow::Borrowed(value)),
        None => pseudo(event, name).map(Cow::Owned),
    })
}

/// Shows all values to a visitor until it says yes: elements of lists one by one, without nulls.
pub(super) fn any_text(value: &Value, test: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::List(values) => values.iter().any(|value| any_text(value, test)),
        Value::Null => false,
        Value::Text(text) => test(text),
        Value::Decimal(text) => test(text),
        other => test(&other.to_string()),
    }
}

/// Whether a field passes a test; by its values alone.
pub(super) fn passes(test: &Test, value: Option<&Value>, event: &Event, names: Names<'_>) -> bool {
    let texts =
        |test: &mut dyn FnMut(&str) -> bool| value.is_some_and(|value| any_text(value, test));
    match test {
        Test::Null => value.is_none_or(|value| *value == Value::Null),
        Test::Exists => value.is_some(),
        Test::Text(pattern) => texts(&mut |text| pattern.matches(text)),
        Test::Regex(regex) => texts(&mut |text| regex.compiled.is_match(text)),
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
            let Some(other) = find(event, &names(&reference.field)) else { return false };
            texts(&mut |text| any_text(&other, &mut |other| is_same(reference, text, other)))
        }
    }
}

/// The names under which a field of a rule is looked for.
pub(super) type Names<'a> = &'a dyn Fn(&str) -> Vec<Box<str>>;

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
            let value = find(event, &names(field));
            passes(&predicate.test, value.as_deref(), event, names)
        }
        None => anywhere(&predicate.test, event, names),
    }
}

/// Whether any value of the event passes, or the line as it came.
pub(super) fn anywhere(test: &Test, event: &Event, names: Names<'_>) -> bool {
    let mut plain = event.fields().map(|(_, value)| Cow::Borrowed(value));
    let mut others = SEARCHED.iter().filter_map(|name| pseudo(event, name)).map(Cow::Owned);
    let raw = event.raw().map(Value::from);
    plain.any(|value| passes(test, Some(&value), event, names))
        || others.any(|value| passes(test, Some(&value), event, names))
        || raw.is_some_and(|value| passes(test, Some(&value), event, names))
}
