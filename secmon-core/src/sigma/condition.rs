//! Conditions of rules: selections by name, `not`, `and`, `or`, brackets, `1 of` and `all of`.

use super::problem::Wrong;

/// Brackets and `not` inside one another.
const MOST_DEPTH: usize = 64;

/// A condition; selections by their place in the rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Condition {
    Selection(usize),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// At least so many of these selections.
    Of(usize, Vec<usize>),
}

/// Reads a condition over selections of these names.
pub(super) fn parse(text: &str, line: usize, names: &[String]) -> Result<Condition, Wrong> {
    let mut reader = Reader { tokens: tokens(text), at: 0, depth: 0, names, line };
    let condition = reader.any()?;
    match reader.peek() {
        None => Ok(condition),
        Some("|") => Err(reader.wrong("`|` in a condition was replaced by correlation rules")),
        Some(token) => Err(reader.wrong(&unexpected(token))),
    }
}

fn unexpected(token: &str) -> String {
    match token {
        "AND" | "OR" | "NOT" => format!("`{token}` must be written in lower case"),
        _ => format!("`{token}` was not expected here"),
    }
}

/// Words, and brackets and bars on their own.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let mut rest = word;
        while let Some(at) = rest.find(['(', ')', '|']) {
            let (before, behind) = rest.split_at(at);
            if !before.is_empty() {
                tokens.push(before);
            }
            let (sign, behind) = behind.split_at(1);
            tokens.push(sign);
            rest = behind;
        }
        if !rest.is_empty() {
            tokens.push(rest);
        }
    }
    tokens
}

struct Reader<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    depth: usize,
    names: &'a [String],
    line: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    fn next_if(&mut self, token: &str) -> bool {
        let is_it = self.peek() == Some(token);
        self.at += usize::from(is_it);
        is_it
    }

    fn wrong(&self, reason: &str) -> Wrong {
        Wrong::at(self.line, format!("condition: {reason}"))
    }

    fn any(&mut self) -> Result<Condition, Wrong> {
        let mut all = vec![self.all()?];
        while self.next_if("or") {
            all.push(self.all()?);
        }
        Ok(one_or(all, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, Wrong> {
        let mut all = vec![self.not()?];
        while self.next_if("and") {
            all.push(self.not()?);
        }
        Ok(one_or(all, Condition::All))
    }

    fn not(&mut self) -> Result<Condition, Wrong> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(self.wrong("nested too deeply"));
        }
        let condition = if self.next_if("not") {
            Condition::Not(Box::new(self.not()?))
        } else if self.next_if("(") {
            let inner = self.any()?;
            if !self.next_if(")") {
                return Err(self.wrong("a bracket is not closed"));
            }
            inner
        } else {
            self.operand()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn operand(&mut self) -> Result<Condition, Wrong> {
        let Some(token) = self.peek() else { return Err(self.wrong("it ends too early")) };
        self.at += 1;
        if self.peek() == Some("of") {
            self.at += 1;
            return self.of(token);
        }
        if let Some(at) = self.names.iter().position(|name| name == token) {
            return Ok(Condition::Selection(at));
        }
        Err(self.wrong(&match token {
            "AND" | "OR" | "NOT" | "and" | "or" | "not" | ")" | "|" => unexpected(token),
            name => format!("there is no selection `{name}`"),
        }))
    }

    /// What stands behind `1 of` or `all of`.
    fn of(&mut self, quantity: &str) -> Result<Condition, Wrong> {
        let Some(pattern) = self.peek() else { return Err(self.wrong("`of` what?")) };
        self.at += 1;
        let fits = |name: &&String| match pattern {
            "them" => !name.starts_with('_'),
            _ => glob(pattern, name),
        };
        let among: Vec<usize> =
            (0..).zip(self.names).filter(|(_, name)| fits(name)).map(|(at, _)| at).collect();
        if among.is_empty() {
            return Err(self.wrong(&format!("no selection is named like `{pattern}`")));
        }
        let count =
            match quantity {
                "all" => among.len(),
                "any" => 1,
                number => number.parse().ok().filter(|count| *count > 0).ok_or_else(|| {
                    self.wrong(&format!("`{number} of`: write `1 of` or `all of`"))
                })?,
            };
        Ok(Condition::Of(count, among))
    }
}

fn one_or(mut all: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match all.pop() {
        Some(one) if all.is_empty() => one,
        last => {
            all.extend(last);
            many(all)
        }
    }
}

/// Whether a name is like a pattern, in which `*` stands for anything.
fn glob(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = name.find(piece) else { return false };
        name = name.get(at + piece.len()..).unwrap_or_default();
    }
    name.ends_with(end)
}
