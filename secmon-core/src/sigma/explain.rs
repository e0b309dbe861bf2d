//! Why a rule matches an event, or why not.

use std::fmt;

use super::active::{Resolved, SigmaRule};
use super::pattern::Pattern;
use super::predicate::{Expr, Op, Predicate, Test};
use super::view::{Fields, Names, evaluate};
use crate::event::{Event, Value};

/// Why a rule matches an event, or why not.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Explanation {
    /// Whether it matches.
    pub matches: bool,
    /// Whether the event is of the rule's log source: if not, the rule is never tried.
    pub fits_source: bool,
    /// Its questions, from the outermost on.
    pub steps: Vec<Step>,
}

/// One question of a rule.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Step {
    /// How far inside it stands.
    pub depth: usize,
    /// What is asked: `all of`, `selection`, `Image ends with "\cmd.exe"`, ...
    pub asks: String,
    /// What the event has in the field that is asked for; none if it has no such field, and for what joins
    /// others.
    pub found: Option<String>,
    /// The answer.
    pub holds: bool,
}

impl SigmaRule {
    /// Why it matches an event, or why not; none for correlations, which ask more than one event.
    pub(crate) fn explain(&self, event: &Event) -> Option<Explanation> {
        let Resolved::Detection(source, expr) = &self.body else { return None };
        let names = |field: &str| self.names(field);
        let fits_source = source.fits(event);
        let mut steps = Vec::new();
        walk(expr, event, &names, 0, &mut steps);
        let matches = fits_source && evaluate(expr, event, &names);
        Some(Explanation { matches, fits_source, steps })
    }
}

fn walk(expr: &Expr, event: &Event, names: Names<'_>, depth: usize, steps: &mut Vec<Step>) {
    let (asks, inner): (String, &[Expr]) = match expr {
        Expr::Test(predicate) => {
            let value = predicate.field.as_deref().and_then(|field| event.first_of(&names(field)));
            let found = value.map(|value| shown(&value));
            let holds = evaluate(expr, event, names);
            steps.push(Step { depth, asks: predicate.to_string(), found, holds });
            return;
        }
        Expr::Not(inner) => ("not".into(), std::slice::from_ref(inner)),
        Expr::Named(name, inner) => (name.to_string(), std::slice::from_ref(inner)),
        Expr::All(parts) => ("all of".into(), parts),
        Expr::Any(parts) => ("any of".into(), parts),
        Expr::Of(count, parts) => (format!("{count} of"), parts),
    };
    steps.push(Step { depth, asks, found: None, holds: evaluate(expr, event, names) });
    for part in inner {
        walk(part, event, names, depth + 1, steps);
    }
}

/// A value, cut where it is long.
fn shown(value: &Value) -> String {
    const MOST: usize = 200;
    let mut text = value.to_string();
    if text.len() > MOST {
        text.truncate(text.floor_char_boundary(MOST));
        text.push('…');
    }
    text
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field.as_deref().unwrap_or("any field"))?;
        match &self.test {
            Test::Text(pattern) => write!(f, " is like {pattern}"),
            Test::Regex(regex) => write!(f, " matches /{}/", regex.source()),
            Test::Cidr(network) => write!(f, " is in {network}"),
            Test::Compare(op, number) => write!(f, " {op} {number}"),
            Test::Null => f.write_str(" is null or not there"),
            Test::Exists => f.write_str(" is there"),
            Test::Same(reference) => {
                let how = match (reference.starts, reference.ends) {
                    (true, true) => "is the same as",
                    (true, false) => "starts with",
                    (false, true) => "ends with",
                    (false, false) => "contains",
                };
                write!(f, " {how} the field {}", reference.field)
            }
            Test::Part(part, op, number) => {
                write!(f, "'s {} {op} {number}", format!("{part:?}").to_lowercase())
            }
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eq => "=",
            Self::Neq => "≠",
            Self::Gt => ">",
            Self::Gte => "≥",
            Self::Lt => "<",
            Self::Lte => "≤",
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"{}", self.text(), if self.is_cased() { " (case matters)" } else { "" })
    }
}
