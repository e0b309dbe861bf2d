//! What is wrong with a rule, and where.

use std::fmt;

/// What is wrong at a line of the document that is being read.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) reason: String,
}

impl Wrong {
    pub(super) fn at(line: usize, reason: String) -> Self {
        Self { line, reason }
    }
}

/// A rule that was refused, or that looks as if something else was meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The name of the file, as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub reason: String,
    /// Whether the rule was taken all the same.
    pub is_warning: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, reason, is_warning } = self;
        let word = if *is_warning { "warning" } else { "error" };
        write!(f, "{file}:{line}: {word}: {reason}")
    }
}
