//! What a rule asks of one event: tests of single fields, joined by not, and, or.

use std::cmp::Ordering;
use std::sync::Arc;

use super::moment::Part;
use super::pattern::Pattern;
use super::regex::Regex;
use crate::rules::Cidr;

/// A condition over the fields of an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Test(Arc<Predicate>),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// At least so many of them.
    Of(usize, Vec<Self>),
    /// A selection, by its name.
    Named(Arc<str>, Box<Self>),
}

impl Expr {
    pub(super) fn test(field: Option<&str>, test: Test) -> Self {
        Self::Test(Arc::new(Predicate { field: field.map(Into::into), test }))
    }

    pub(super) fn not(inner: Self) -> Self {
        Self::Not(Box::new(inner))
    }

    /// All of them; one is itself.
    pub(super) fn all(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 { parts.remove(0) } else { Self::All(parts) }
    }

    /// Any of them; one is itself.
    pub(super) fn any(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 { parts.remove(0) } else { Self::Any(parts) }
    }

    /// Shows all predicates to a visitor.
    pub(super) fn each(&self, visit: &mut dyn FnMut(&Arc<Predicate>)) {
        match self {
            Self::Test(predicate) => visit(predicate),
            Self::Not(inner) | Self::Named(_, inner) => inner.each(visit),
            Self::All(parts) | Self::Any(parts) | Self::Of(_, parts) => {
                for part in parts {
                    part.each(visit);
                }
            }
        }
    }
}

/// A test of the values of one field, or of all fields.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Predicate {
    /// None for keywords.
    pub(super) field: Option<Box<str>>,
    pub(super) test: Test,
}

/// What a value is asked.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Test {
    Text(Pattern),
    Regex(Regex),
    Cidr(Cidr),
    Compare(Op, Number),
    /// The field is null or not there.
    Null,
    /// The field is there, even if null or empty.
    Exists,
    Same(Reference),
    Part(Part, Op, i64),
}

/// Another field that a field is compared with.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Reference {
    pub(super) field: Box<str>,
    pub(super) starts: bool,
    pub(super) ends: bool,
    pub(super) is_cased: bool,
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Op {
    Eq,
    Neq,
    Gt,
    Gte,
    Lt,
    Lte,
}

impl Op {
    /// The operator of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Eq,
            "neq" => Self::Neq,
            "gt" => Self::Gt,
            "gte" => Self::Gte,
            "lt" => Self::Lt,
            "lte" => Self::Lte,
            _ => return None,
        })
    }

    /// Whether two things that stand so to one another are what it says.
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Neq => order.is_ne(),
            Self::Gt => order.is_gt(),
            Self::Gte => order.is_ge(),
            Self::Lt => order.is_lt(),
            Self::Lte => order.is_le(),
        }
    }
}

/// The digits that an exponent may move a point by.
const MOST_SHIFT: i32 = 30;

/// Another text for the number in a text, where it is written with a point or an exponent: `1` for `1.0`, `1.5` for
/// `15e-1`. Both sides of a comparison have it, so that numbers that are the same are found to be. Of a number without an
/// exponent it is a piece of the text.
pub(super) fn plain_number(text: &str) -> Option<String> {
    if !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return None;
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let shift = exponent.parse::<i32>().ok().filter(|shift| shift.abs() <= MOST_SHIFT)?;
    let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()? + shift;
    let missing = usize::try_from(-point).unwrap_or_default();
    all.insert_str(0, &"0".repeat(missing));
    let point = usize::try_from(point).unwrap_or_default();
    let behind = point.saturating_sub(all.len());
    all.push_str(&"0".repeat(behind));
    let (whole, fraction) = all.split_at_checked(point)?;
    let whole =
        Some(whole.trim_start_matches('0')).filter(|whole| !whole.is_empty()).unwrap_or("0");
    let fraction = fraction.trim_end_matches('0');
    let sign = if mantissa.starts_with('-') && (whole, fraction) != ("0", "") { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}")).filter(|plain| plain != text)
}

/// A number by its text, compared exactly where both are integers of 64 bits.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Number(Box<str>);

impl Number {
    /// Of a text that holds one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
        Some(Self(text.trim().into()))
    }

    /// How the number in a text stands to it.
    pub(super) fn order(&self, text: &str) -> Option<Ordering> {
        let text = text.trim();
        if let (Ok(a), Ok(b)) = (text.parse::<i64>(), self.0.parse::<i64>()) {
            return Some(a.cmp(&b));
        }
        // `inf` and the like are words.
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
        number.partial_cmp(&self.0.parse::<f64>().ok()?)
    }
}
