//! Texts with wildcards, compared without regard to case unless a rule says `cased`.

/// A part of a pattern.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Part {
    /// A character.
    Char(char),
    /// `?`: any one character.
    One,
    /// `*`: any number of characters.
    Any,
    /// Any of the dashes of `windash`.
    Dash,
}

impl Part {
    fn char(&self) -> Option<char> {
        match self {
            Self::Char(char) => Some(*char),
            _ => None,
        }
    }
}

/// What a pattern comes down to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// Any value.
    Anything,
    /// A text, folded, that stands in a folded value: at its start, at its end, both or neither.
    Plain { text: Box<str>, starts: bool, ends: bool },
    /// More than that; any match holds this text, folded.
    Other(Box<str>),
}

/// What stands for a dash in front of an option of a Windows command.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// A text to be found in the value of a field.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Pattern {
    parts: Vec<Part>,
    is_cased: bool,
}

impl Pattern {
    /// Of a value as it stands in a rule: `*` and `?` are wildcards unless a backslash stands in front, and
    /// two backslashes are one.
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Vec::with_capacity(text.len());
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            parts.push(match char {
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => Part::Char(
                    chars.next_if(|next| matches!(next, '*' | '?' | '\\')).unwrap_or('\\'),
                ),
                plain => Part::Char(plain),
            });
        }
        Self { parts, is_cased: false }
    }

    /// Of a text without wildcards.
    pub(super) fn plain(text: &str) -> Self {
        Self { parts: text.chars().map(Part::Char).collect(), is_cased: false }
    }

    /// Its texts, if it has no wildcards: one for each choice of dashes, of which there may be three.
    pub(super) fn literals(&self) -> Option<Vec<String>> {
        let mut all = vec![String::new()];
        for part in &self.parts {
            match part {
                Part::Char(char) => all.iter_mut().for_each(|text| text.push(*char)),
                Part::Dash if all.len() <= DASHES.len().pow(2) => {
                    let with = |text: &String| DASHES.map(|dash| format!("{text}{dash}"));
                    all = all.iter().flat_map(with).collect();
                }
                Part::Dash | Part::One | Part::Any => return None,
            }
        }
        Some(all)
    }

    /// What it comes down to.
    pub(super) fn shape(&self) -> Shape {
        let inner = self.parts.strip_prefix(&[Part::Any]).unwrap_or(&self.parts);
        let opens = inner.len() < self.parts.len();
        if inner.is_empty() && opens {
            return Shape::Anything;
        }
        let literal = inner.strip_suffix(&[Part::Any]).unwrap_or(inner);
        let closes = literal.len() == inner.len();
        let text: Option<String> = literal.iter().map(Part::char).collect();
        match text.filter(|_| !self.is_cased) {
            Some(text) => Shape::Plain { text: text.into(), starts: !opens, ends: closes },
            None => Shape::Other(self.longest()),
        }
    }

    /// The longest text, folded, that every match holds.
    fn longest(&self) -> Box<str> {
        let runs = self.parts.split(|part| part.char().is_none());
        let text = |run: &[Part]| run.iter().filter_map(Part::char).map(fold).collect::<String>();
        runs.map(text).max_by_key(String::len).unwrap_or_default().into()
    }

    /// Lets anything stand in front.
    pub(super) fn open_start(mut self) -> Self {
        if self.parts.first() != Some(&Part::Any) {
            self.parts.insert(0, Part::Any);
        }
        self
    }

    /// Lets anything stand behind.
    pub(super) fn open_end(mut self) -> Self {
        if self.parts.last() != Some(&Part::Any) {
            self.parts.push(Part::Any);
        }
        self
    }

    pub(super) fn is_cased(&self) -> bool {
        self.is_cased
    }

    /// It as rules write it.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Char(char @ ('*' | '?')) => out.extend(['\\', *char]),
                Part::Char(char) => out.push(*char),
                Part::One => out.push('?'),
                Part::Any => out.push('*'),
                Part::Dash => out.push('-'),
            }
        }
        out
    }

    /// Lets case matter.
    pub(super) fn cased(mut self) -> Self {
        self.is_cased = true;
        self
    }

    /// Takes any dash where one stands in front of a word, and not inside of one.
    pub(super) fn windash(mut self) -> Self {
        let is_word = |part: Option<&Part>| matches!(part, Some(Part::Char(char)) if char.is_alphanumeric() || *char == '_');
        let before = self.parts.clone();
        for (at, part) in self.parts.iter_mut().enumerate() {
            let is_dash = matches!(part, Part::Char(char) if DASHES.contains(char));
            let in_front = at.checked_sub(1).and_then(|at| before.get(at));
            if is_dash && !is_word(in_front) && is_word(before.get(at + 1)) {
                *part = Part::Dash;
            }
        }
        self
    }

    /// Folds the case of what it is compared with, once for all values: call it when it is complete.
    pub(super) fn ready(mut self) -> Self {
        if !self.is_cased {
            for part in &mut self.parts {
                if let Part::Char(char) = part {
                    *char = fold(*char);
                }
            }
        }
        self
    }

    /// Whether a whole text is what it says, in time of its length times that of the pattern at most.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut at = 0;
        let mut rest = text.chars();
        // Where to go on when what stands behind the last `*` does not fit.
        let mut back: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            match self.parts.get(at) {
                Some(Part::Any) => {
                    at += 1;
                    if at == self.parts.len() {
                        return true;
                    }
                    back = Some((at, rest.clone()));
                    continue;
                }
                Some(part) => {
                    let mut ahead = rest.clone();
                    if ahead.next().is_some_and(|char| self.fits(part, char)) {
                        rest = ahead;
                        at += 1;
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return true,
                None => {}
            }
            let Some((from, mut behind)) = back.take() else { return false };
            if behind.next().is_none() {
                return false;
            }
            (at, rest) = (from, behind.clone());
            back = Some((from, behind));
        }
    }

    fn fits(&self, part: &Part, char: char) -> bool {
        match part {
            Part::Char(wanted) => *wanted == if self.is_cased { char } else { fold(char) },
            Part::Dash => DASHES.contains(&char),
            Part::One | Part::Any => true,
        }
    }
}

/// Simple case folding of Unicode: one character for one.
pub(super) fn fold(char: char) -> char {
    if char.is_ascii() {
        return char.to_ascii_lowercase();
    }
    // The dotless i is a letter of its own.
    if char == '\u{131}' {
        return char;
    }
    let upper = only(char.to_uppercase()).unwrap_or(char);
    only(upper.to_lowercase()).unwrap_or(char)
}

/// Appends a text, folded.
pub(super) fn fold_into(text: &str, out: &mut String) {
    if text.is_ascii() {
        return fold_ascii(text, out);
    }
    let mut rest = text;
    // Whole pieces of ASCII are much faster than one character after the other.
    while let Some(at) = rest.bytes().position(|byte| !byte.is_ascii())
        && let Some((plain, other)) = rest.split_at_checked(at)
    {
        fold_ascii(plain, out);
        let mut chars = other.chars();
        out.extend(chars.next().map(fold));
        rest = chars.as_str();
    }
    fold_ascii(rest, out);
}

fn fold_ascii(text: &str, out: &mut String) {
    let start = out.len();
    out.push_str(text);
    if let Some(new) = out.get_mut(start..) {
        new.make_ascii_lowercase();
    }
}

fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).ready().matches(text)
    }

    #[test]
    fn escapes_are_those_of_the_specification() {
        for (written, text) in [
            (r"C:\Windows", r"C:\Windows"),
            (r"C:\\Windows", r"C:\Windows"),
            (r"a\*b", "a*b"),
            (r"a\?b", "a?b"),
            (r"a\\*b", r"a\anything b"),
            (r"a\\\*b", r"a\*b"),
            (r"a\\\\b", r"a\\b"),
            (r"a\", r"a\"),
        ] {
            assert!(matches(written, text), "{written} {text}");
        }
        assert!(!matches(r"a\*b", "axb"));
        assert!(!matches(r"a\?b", "axb"));
        assert!(!matches(r"a\\\*b", r"a\xb"));
    }

    #[test]
    fn case_is_that_of_unicode_unless_cased() {
        assert!(matches("STRASSE \u{c4}\u{d6} \u{3a3}", "strasse \u{e4}\u{f6} \u{3c2}"));
        assert!(matches("kelvin", "\u{212a}elvin"));
        assert!(!matches("i", "\u{131}"));
        assert!(!Pattern::parse("Abc").cased().ready().matches("abc"));
        assert!(Pattern::parse("Abc").cased().ready().matches("Abc"));
    }

    #[test]
    fn a_dash_is_exchanged_where_a_word_begins() {
        let windash = |pattern: &str, text: &str| {
            Pattern::parse(pattern).windash().open_start().open_end().ready().matches(text)
        };
        for dash in DASHES {
            assert!(windash(" -enc", &format!("powershell {dash}enc x")));
            assert!(windash(" /enc", &format!("powershell {dash}enc x")));
            assert_eq!(windash(" -a-b", &format!("x {dash}a{dash}b")), dash == '-');
        }
        assert!(!windash("a-b", "a/b"));
    }

    proptest! {
        #[test]
        fn wildcards_match_as_a_regular_expression_would(
            pattern in "[ab*?]{0,12}", text in "[ab]{0,12}",
        ) {
            let source = format!("^{}$", pattern.replace('*', ".*").replace('?', "."));
            let expected = regex::Regex::new(&source).unwrap().is_match(&text);
            prop_assert_eq!(matches(&pattern, &text), expected);
        }

        #[test]
        fn a_shape_says_the_same_as_its_pattern(pattern in "[aB*?]{0,6}", text in "[Ab]{0,8}") {
            let ready = Pattern::parse(&pattern).ready();
            let mut folded = String::new();
            fold_into(&text, &mut folded);
            let says = match ready.shape() {
                Shape::Anything => true,
                Shape::Plain { text: part, starts, ends } => match (starts, ends) {
                    (true, true) => folded == *part,
                    (true, false) => folded.starts_with(&*part),
                    (false, true) => folded.ends_with(&*part),
                    (false, false) => folded.contains(&*part),
                },
                Shape::Other(part) => ready.matches(&text) && folded.contains(&*part),
            };
            prop_assert_eq!(says, ready.matches(&text));
        }
    }
}
