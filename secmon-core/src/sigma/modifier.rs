//! Modifiers: what stands behind the name of a field, applied in the order written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::encoding::{base64_offsets, utf16};
use super::moment::Part;
use super::pattern::Pattern;
use super::placeholder::{Placeholders, expand};
use super::predicate::{Expr, Number, Op, Reference, Test, plain_number};
use super::regex::Regex;
use super::yaml::{Kind, Node};

/// What a modifier does to the values and to how they are compared.
type Apply = fn(&mut Item, &str) -> Result<(), String>;

/// A modifier is one function and one line here.
const MODIFIERS: &[(&str, Apply)] = &[
    ("all", |item, _| {
        item.is_all = true;
        Ok(())
    }),
    ("base64", |item, _| item.encode(|bytes| vec![STANDARD.encode(bytes)])),
    ("base64offset", |item, _| item.encode(base64_offsets)),
    ("cased", |item, _| {
        item.is_cased = true;
        Ok(())
    }),
    ("cidr", |item, _| item.switch(Mode::Cidr)),
    ("contains", |item, _| item.open(true, true)),
    ("day", part),
    ("endswith", |item, _| item.open(true, false)),
    ("exists", |item, _| item.switch(Mode::Exists)),
    // Placeholders are resolved before anything else is done with a value.
    ("expand", |_, _| Ok(())),
    ("fieldref", |item, _| item.switch(Mode::Reference { starts: true, ends: true })),
    ("gt", compare),
    ("gte", compare),
    ("hour", part),
    ("i", flag),
    ("lt", compare),
    ("lte", compare),
    ("m", flag),
    ("minute", part),
    ("month", part),
    ("neq", |item, _| {
        item.is_not = true;
        Ok(())
    }),
    ("re", |item, _| item.switch(Mode::Regex(String::new(), Edges::default()))),
    ("s", flag),
    ("startswith", |item, _| item.open(false, true)),
    ("utf16", |item, _| item.bytes(|text| utf16(&format!("\u{feff}{text}"), u16::to_le_bytes))),
    ("utf16be", |item, _| item.bytes(|text| utf16(text, u16::to_be_bytes))),
    ("utf16le", |item, _| item.bytes(|text| utf16(text, u16::to_le_bytes))),
    ("week", part),
    ("wide", |item, _| item.bytes(|text| utf16(text, u16::to_le_bytes))),
    ("windash", |item, _| item.patterns(Pattern::windash)),
    ("year", part),
];

/// A value, as far as modifiers have brought it.
#[derive(Clone, Debug)]
enum Val {
    Raw(String),
    Number(String),
    Bool(bool),
    Null,
    Bytes(Vec<u8>),
    Pattern(Pattern),
}

/// How values are compared.
#[derive(Debug)]
enum Mode {
    Text,
    Regex(String, Edges),
    Cidr,
    Compare(Op),
    Exists,
    Reference { starts: bool, ends: bool },
}

/// Whether an expression must begin or end where the value does.
#[derive(Debug, Default)]
struct Edges {
    start: bool,
    end: bool,
}

/// A field with its values, while modifiers are applied.
#[derive(Debug)]
struct Item {
    /// What each value of the rule stands for: several texts where it is encoded or expanded.
    values: Vec<Vec<Val>>,
    mode: Mode,
    part: Option<Part>,
    is_all: bool,
    is_cased: bool,
    is_not: bool,
}

/// What a field, or with none the whole event, is asked; the sentences are warnings.
pub(super) fn compile(
    field: Option<&str>,
    modifiers: &[&str],
    values: &[Node],
    placeholders: Placeholders<'_>,
    warnings: &mut Vec<String>,
) -> Result<Expr, String> {
    let expands = modifiers.contains(&"expand");
    let mut item = Item {
        values: Vec::with_capacity(values.len()),
        mode: Mode::Text,
        part: None,
        is_all: false,
        is_cased: false,
        is_not: false,
    };
    for value in values {
        item.values.push(read(value, expands.then_some(placeholders))?);
    }
    if item.values.is_empty() {
        return Err("there are no values".into());
    }
    if item.values.len() > 1 && item.values.iter().flatten().any(|value| matches!(value, Val::Null))
    {
        warnings.push("`null` has no place in a list; it is read as `null` alone would be".into());
    }
    if modifiers.contains(&"all") && item.values.len() == 1 {
        warnings.push("`all` with a single value says nothing; leave it out".into());
    }
    for name in modifiers {
        let apply = MODIFIERS.iter().find(|(known, _)| known == name).map(|(_, apply)| apply);
        let apply = apply.ok_or_else(|| format!("there is no modifier `{name}`"))?;
        apply(&mut item, name)?;
    }
    item.finish(field)
}

/// The values of a scalar; more than one where a placeholder stands for several.
fn read(node: &Node, placeholders: Option<Placeholders<'_>>) -> Result<Vec<Val>, String> {
    Ok(match (&node.kind, placeholders) {
        (Kind::Text(text), Some(placeholders)) => {
            expand(text, placeholders)?.into_iter().map(Val::Raw).collect()
        }
        (Kind::Text(text), None) => vec![Val::Raw(text.clone())],
        (Kind::Number(text), _) => vec![Val::Number(text.clone())],
        (Kind::Bool(value), _) => vec![Val::Bool(*value)],
        (Kind::Null, _) => vec![Val::Null],
        (Kind::List(_) | Kind::Map(_), _) => {
            return Err("a value must be a text, a number, true, false or null".into());
        }
    })
}

impl Item {
    /// Changes how values are compared, which can be said once.
    fn switch(&mut self, mode: Mode) -> Result<(), String> {
        if !matches!(self.mode, Mode::Text) {
            return Err("these modifiers exclude one another".into());
        }
        self.mode = mode;
        Ok(())
    }

    /// Changes all values as patterns.
    fn patterns(&mut self, change: impl Fn(Pattern) -> Pattern) -> Result<(), String> {
        for value in self.values.iter_mut().flatten() {
            *value = Val::Pattern(change(value.pattern()?));
        }
        Ok(())
    }

    /// Lets anything stand in front of the values, behind them, or both.
    fn open(&mut self, start: bool, end: bool) -> Result<(), String> {
        match &mut self.mode {
            Mode::Text => self.patterns(|pattern| {
                let pattern = if start { pattern.open_start() } else { pattern };
                if end { pattern.open_end() } else { pattern }
            }),
            Mode::Regex(_, edges) => {
                *edges = Edges { start: !start, end: !end };
                Ok(())
            }
            Mode::Reference { starts, ends } => {
                (*starts, *ends) = (!start, !end);
                Ok(())
            }
            Mode::Cidr | Mode::Compare(_) | Mode::Exists => {
                Err("`contains`, `startswith` and `endswith` compare texts".into())
            }
        }
    }

    /// Turns texts into bytes.
    fn bytes(&mut self, encode: impl Fn(&str) -> Vec<u8>) -> Result<(), String> {
        for values in &mut self.values {
            let mut encoded = Vec::with_capacity(values.len());
            for value in &*values {
                encoded.extend(value.plain()?.iter().map(|text| Val::Bytes(encode(text))));
            }
            *values = encoded;
        }
        Ok(())
    }

    /// Turns texts or bytes into texts, one or several of each.
    fn encode(&mut self, encode: impl Fn(&[u8]) -> Vec<String>) -> Result<(), String> {
        for values in &mut self.values {
            let mut encoded = Vec::with_capacity(3 * values.len());
            for value in &*values {
                match value {
                    Val::Bytes(bytes) => encoded.extend(encode(bytes)),
                    other => {
                        for text in other.plain()? {
                            encoded.extend(encode(text.as_bytes()));
                        }
                    }
                }
            }
            *values = encoded.iter().map(|text| Val::Pattern(Pattern::plain(text))).collect();
        }
        Ok(())
    }

    fn finish(self, field: Option<&str>) -> Result<Expr, String> {
        let Self { mut values, mode, part, is_all, is_cased, is_not } = self;
        if field.is_none() && !(matches!(mode, Mode::Text | Mode::Regex(..)) && part.is_none()) {
            return Err("keywords are texts or regular expressions".into());
        }
        if let Some(part) = part {
            let op = match mode {
                Mode::Text => Op::Eq,
                Mode::Compare(op) => op,
                _ => return Err("a part of a date is compared as a number".into()),
            };
            let number = |value: &Val| {
                let number = value.raw()?.trim().parse().map_err(|_| "a whole number is needed")?;
                Ok(Test::Part(part, op, number))
            };
            return joined(field, &values, number, is_all, is_not);
        }
        // Of whole values alone: a piece of a number is a text.
        if matches!(mode, Mode::Text) && field.is_some() {
            for values in &mut values {
                let plain = |value: &Val| match value {
                    Val::Number(text) => plain_number(text).map(Val::Number),
                    _ => None,
                };
                let plain: Vec<Val> = values.iter().filter_map(plain).collect();
                values.extend(plain);
            }
        }
        let test = |value: &Val| {
            Ok(match &mode {
                Mode::Text => match value {
                    Val::Null => Test::Null,
                    value => {
                        let mut pattern = value.pattern()?;
                        if field.is_none() {
                            pattern = pattern.open_start().open_end();
                        }
                        Test::Text(if is_cased { pattern.cased() } else { pattern }.ready())
                    }
                },
                Mode::Regex(flags, edges) => {
                    let text = value.raw()?;
                    let text = match (edges.start, edges.end) {
                        (false, false) => text,
                        (start, end) => {
                            let anchor = |is_there, sign| if is_there { sign } else { "" };
                            format!("{}(?:{text}){}", anchor(start, r"\A"), anchor(end, r"\z"))
                        }
                    };
                    Test::Regex(Regex::new(&text, flags)?)
                }
                Mode::Cidr => Test::Cidr(value.raw()?.trim().parse()?),
                Mode::Compare(op) => {
                    let text = value.raw()?;
                    let number = Number::parse(&text);
                    Test::Compare(*op, number.ok_or_else(|| format!("`{text}` is no number"))?)
                }
                Mode::Exists => Test::Exists,
                Mode::Reference { starts, ends } => Test::Same(Reference {
                    field: value.raw()?.into(),
                    starts: *starts,
                    ends: *ends,
                    is_cased,
                }),
            })
        };
        if matches!(mode, Mode::Exists) {
            let is_there = match values.as_slice() {
                [one] if matches!(one.as_slice(), [Val::Bool(true)]) => true,
                [one] if matches!(one.as_slice(), [Val::Bool(false)]) => false,
                _ => return Err("`exists` takes `true` or `false`".into()),
            };
            return joined(field, &values, test, false, is_not == is_there);
        }
        joined(field, &values, test, is_all, is_not)
    }
}

fn joined(
    field: Option<&str>,
    values: &[Vec<Val>],
    test: impl Fn(&Val) -> Result<Test, String>,
    is_all: bool,
    is_not: bool,
) -> Result<Expr, String> {
    let mut each = Vec::with_capacity(values.len());
    for value in values {
        let tests = value.iter().map(|value| Ok(Expr::test(field, test(value)?)));
        each.push(Expr::any(tests.collect::<Result<_, String>>()?));
    }
    let whole = if is_all { Expr::all(each) } else { Expr::any(each) };
    Ok(if is_not { Expr::not(whole) } else { whole })
}

impl Val {
    /// Its text as it is written in the rule.
    fn raw(&self) -> Result<String, String> {
        match self {
            Self::Raw(text) | Self::Number(text) => Ok(text.clone()),
            Self::Bool(value) => Ok(value.to_string()),
            Self::Null => Err("`null` cannot be compared in this way".into()),
            Self::Bytes(_) | Self::Pattern(_) => {
                Err("these modifiers cannot follow one another".into())
            }
        }
    }

    /// Its texts, which have no wildcards; several where there is a choice of dashes.
    fn plain(&self) -> Result<Vec<String>, String> {
        match self {
            Self::Bytes(bytes) => Ok(vec![characters(bytes.clone())?]),
            other => other.pattern()?.literals().ok_or_else(|| {
                "a text with wildcards cannot be encoded, nor one with more than three dashes to \
                 choose; `contains` and the like go behind"
                    .into()
            }),
        }
    }

    fn pattern(&self) -> Result<Pattern, String> {
        Ok(match self {
            Self::Pattern(pattern) => pattern.clone(),
            Self::Bytes(bytes) => Pattern::plain(&characters(bytes.clone())?),
            Self::Raw(text) => Pattern::parse(text),
            other => Pattern::plain(&other.raw()?),
        })
    }
}

fn characters(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| {
        "encoded like this it is no text; put `base64` or `base64offset` behind".into()
    })
}

fn flag(item: &mut Item, name: &str) -> Result<(), String> {
    let Mode::Regex(flags, _) = &mut item.mode else {
        return Err(format!("`{name}` goes behind `re`"));
    };
    if !flags.contains(name) {
        flags.push_str(name);
    }
    Ok(())
}

fn compare(item: &mut Item, name: &str) -> Result<(), String> {
    item.switch(Op::named(name).map_or(Mode::Text, Mode::Compare))
}

fn part(item: &mut Item, name: &str) -> Result<(), String> {
    if item.part.is_some() {
        return Err("a date has one part at a time".into());
    }
    item.part = Part::named(name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_sorted_and_known_once() {
        assert!(MODIFIERS.is_sorted_by(|(a, _), (b, _)| a < b));
    }
}
