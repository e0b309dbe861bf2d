//! Regular expressions of rules, bounded each and in sum before anything is compiled.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use regex_syntax::hir::{Class, Hir, HirKind};

use super::literal;
use super::predicate::{Expr, Test};

/// Bytes of a compiled expression: what repeats a thousand times a thousand is refused.
const MOST_BYTES: usize = 4 << 20;
/// Bytes of all of them together.
pub(super) const MOST_TOGETHER: usize = 128 << 20;
/// Bytes of a state, about.
const STATE: usize = 32;

/// A regular expression, the same as another of the same text and flags.
#[derive(Clone, Debug)]
pub(super) struct Regex {
    source: Arc<str>,
    /// Once all expressions are known to fit.
    compiled: Arc<OnceLock<regex::Regex>>,
    /// Bytes that it takes, about.
    weight: usize,
    /// A text that every value holds that it matches, folded.
    pub(super) needs: Option<Box<str>>,
}

impl Regex {
    /// With flags such as `i`, `m` and `s`.
    pub(super) fn new(text: &str, flags: &str) -> Result<Self, String> {
        let text = &plain_angles(text);
        let source = if flags.is_empty() { text.clone() } else { format!("(?{flags}){text}") };
        let hir = regex_syntax::parse(&source).map_err(|error| wrong(text, &error))?;
        // Reckoned; what really is too much is refused when it is compiled.
        let weight = states(&hir).saturating_mul(STATE).min(MOST_BYTES);
        let needs = literal::needed(&hir);
        Ok(Self { source: source.into(), compiled: Arc::default(), weight, needs })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.compiled.get().is_some_and(|compiled| compiled.is_match(text))
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    fn compile(&self) -> Result<(), String> {
        if self.compiled.get().is_none() {
            let built = regex::RegexBuilder::new(&self.source).size_limit(MOST_BYTES).build();
            let compiled = built.map_err(|error| wrong(&self.source, &error))?;
            self.compiled.get_or_init(|| compiled);
        }
        Ok(())
    }
}

/// `\<` and `\>` are brackets to PCRE, which Sigma names, and ends of words to the library.
fn plain_angles(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, chars.clone().next()) {
            ('\\', Some('<' | '>')) => {}
            ('\\', Some(escaped)) => {
                out.extend([char, escaped]);
                chars.next();
            }
            _ => out.push(char),
        }
    }
    out
}

/// Why a text is of no use, in one line.
fn wrong(text: &str, error: &dyn std::fmt::Display) -> String {
    let whole = error.to_string();
    let last = whole.lines().last().unwrap_or_default().trim();
    format!("`{text}` is no regular expression that can be used: {last}")
}

/// Compiles the expressions of a rule, if they fit into what is left of the room for all of them.
pub(super) fn compile(expr: &Expr, left: &mut usize) -> Result<(), String> {
    let mut answer = Ok(());
    expr.each(&mut |predicate| {
        if let (Test::Regex(regex), Ok(())) = (&predicate.test, &answer) {
            answer = match left.checked_sub(regex.weight) {
                Some(rest) => {
                    *left = rest;
                    regex.compile()
                }
                None => Err(format!(
                    "the regular expressions of all rules together take more than {MOST_TOGETHER} bytes"
                )),
            };
        }
    });
    answer
}

/// About how many states an expression is compiled to.
fn states(hir: &Hir) -> usize {
    let sum = |parts: &[Hir]| parts.iter().map(states).fold(1, usize::saturating_add);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            states(&repetition.sub).saturating_add(1).saturating_mul(times as usize)
        }
    }
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Regex {}

impl Hash for Regex {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}
