//! Reads bodies strictly: RFC 8785 JSON without floats, and nothing else.

use crate::event::cmp_utf16;
use crate::json::{eight_digits, first_quote, first_special};

/// Reads canonical JSON and nothing else.
#[derive(Clone)]
pub(super) struct Strict<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Whether nothing is escaped, nor should be: each string ends at the next quote.
    is_plain: bool,
}

impl<'a> Strict<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        // Without a branch: many bytes at a time.
        let special = |any: u8, byte: &u8| any | u8::from(*byte < 0x20) | u8::from(*byte == b'\\');
        Self { text, bytes, at: 0, is_plain: bytes.iter().fold(0, special) == 0 }
    }

    /// Passes over these bytes, if they stand here.
    #[inline]
    pub(super) fn passes<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        let found: &[u8; N] = self.bytes.get(self.at..)?.first_chunk()?;
        (found == bytes).then(|| self.at += N)
    }

    /// Refuses whatever comes behind the end.
    pub(super) fn end(&self) -> Result<(), String> {
        if self.at < self.bytes.len() { Err(self.error("more behind the object")) } else { Ok(()) }
    }

    /// An object: each member is given with its key.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a str) -> Result<(), String>,
    ) -> Result<(), String> {
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut before: Option<(&str, bool)> = None;
        loop {
            let mut escaped = false;
            let key = self.string(&mut escaped)?;
            if let Some(before) = before
                && !is_sorted(before, (key, escaped))
            {
                return Err(self.error("keys not sorted, or one twice"));
            }
            before = Some((key, escaped));
            self.expect(b':')?;
            member(self, key)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.expect(b'}')
    }

    /// An array of integers.
    pub(super) fn integers(&mut self) -> Result<Vec<i64>, String> {
        self.array(Self::integer)
    }

    /// An array of strings, escapes as they stand.
    pub(super) fn strings(&mut self, escaped: &mut bool) -> Result<Vec<&'a str>, String> {
        self.array(|reader| reader.string(escaped))
    }

    fn array<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        self.expect(b'[')?;
        let mut all = Vec::new();
        while self.peek() != Some(b']') {
            if !all.is_empty() {
                self.expect(b',')?;
            }
            all.push(item(self)?);
        }
        self.expect(b']')?;
        Ok(all)
    }

    pub(super) fn value(&mut self, depth: usize) -> Result<(), String> {
        if depth > 130 {
            return Err(self.error("nested too deeply"));
        }
        match self.peek() {
            Some(b'"') => self.string(&mut false).map(drop),
            Some(b'-' | b'0'..=b'9') => self.integer().map(drop),
            Some(b'{') => self.object(|reader, _| reader.value(depth + 1)),
            Some(b'[') => {
                self.at += 1;
                if self.peek() == Some(b']') {
                    self.at += 1;
                    return Ok(());
                }
                loop {
                    self.value(depth + 1)?;
                    match self.peek() {
                        Some(b',') => self.at += 1,
                        _ => return self.expect(b']'),
                    }
                }
            }
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let literal =
                    ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
                self.at += literal.ok_or_else(|| self.error("a value expected"))?.len();
                Ok(())
            }
        }
    }

    /// A string's text between its quotes, escapes as they stand.
    #[inline]
    pub(super) fn string(&mut self, escaped: &mut bool) -> Result<&'a str, String> {
        match self.plain_string() {
            Some(text) => Ok(text),
            None => self.string_with_escapes(escaped),
        }
    }

    /// A string without escapes, as nearly all are.
    fn plain_string(&mut self) -> Option<&'a str> {
        let start = self.at + 1;
        let rest = self.bytes.get(start..).filter(|_| self.peek() == Some(b'"'))?;
        let length = if self.is_plain { first_quote(rest) } else { first_special(rest) }?;
        if rest.get(length) != Some(&b'"') {
            return None;
        }
        self.at = start + length + 1;
        self.text.get(start..start + length)
    }

    #[cold]
    fn string_with_escapes(&mut self, escaped: &mut bool) -> Result<&'a str, String> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at += first_special(rest).unwrap_or(rest.len());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    *escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.error("control character or end in a string")),
            }
        }
        self.at += 1;
        Ok(self.text.get(start..self.at - 1).unwrap_or_default())
    }

    fn escape(&mut self) -> Result<(), String> {
        self.at += 2;
        match self.bytes.get(self.at - 1) {
            Some(b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r') => Ok(()),
            Some(b'u') => {
                let digits = self.text.get(self.at..self.at + 4).unwrap_or_default();
                let control = u32::from_str_radix(digits, 16)
                    .is_ok_and(|code| code < 0x20 && !matches!(code, 8 | 9 | 10 | 12 | 13));
                let lower =
                    !digits.bytes().any(|digit| digit.is_ascii_uppercase() || digit == b'+');
                self.at += 4;
                if control && lower { Ok(()) } else { Err(self.error("escape not canonical")) }
            }
            _ => Err(self.error("escape not canonical")),
        }
    }

    #[inline]
    pub(super) fn integer(&mut self) -> Result<i64, String> {
        self.safe_integer().ok_or_else(|| self.error("an integer of at most 53 bits expected"))
    }

    fn safe_integer(&mut self) -> Option<i64> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let is_negative = self.at > start;
        let first = self.peek();
        let mut number = 0_i64;
        let begin = self.at;
        // What does not fit wraps around, and is refused by its length.
        while let Some(digits) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk())
            && let Some(eight) = eight_digits(*digits)
        {
            number = number.wrapping_mul(100_000_000).wrapping_add(eight);
            self.at += 8;
        }
        while let Some(digit) =
            self.peek().map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            number = number.wrapping_mul(10).wrapping_add(digit.into());
            self.at += 1;
        }
        // Sixteen digits hold 53 bits, and fit 64.
        if self.at - begin > 16 {
            number = i64::MAX;
        }
        let length = self.at - start;
        let canonical = first.is_some_and(|byte| matches!(byte, b'1'..=b'9'))
            || (first == Some(b'0') && length == 1);
        let number = Some(number).filter(|number| canonical && crate::json::is_safe(*number))?;
        Some(if is_negative { -number } else { number })
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() != Some(byte) {
            return Err(self.error(&format!("`{}` expected", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    #[cold]
    fn error(&self, what: &str) -> String {
        format!("{what} at byte {}", self.at)
    }
}

fn is_sorted(before: (&str, bool), key: (&str, bool)) -> bool {
    if before.1 || key.1 {
        return cmp_utf16(&unescape(before.0), &unescape(key.0)).is_lt();
    }
    cmp_utf16(before.0, key.0).is_lt()
}

/// The text of an escaped string.
pub(super) fn unescape(text: &str) -> String {
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.to_owned())
}
