//! JSON objects, one a line: nested keys are flattened with dots.
//!
//! Read by hand, because numbers must keep their text (`1.10`, 2^64), doubled keys must be seen, and
//! depth and size must be bounded. An array of objects gives each inner key the list of its values.

use memchr::memchr2;

use super::{Context, Format, aliases};
use crate::event::{Event, Name, Value};

pub(super) const FORMAT: Format = Format {
    name: "json",
    parse: |line, cx| looks_like_object(line).then(|| parse(line.as_bytes(), cx).ok())?,
};

/// Deeper nesting is refused, as most JSON readers do.
const MOST_DEPTH: usize = 128;
/// Bytes of a field's name, with the names of the objects around it: databases index no longer ones.
const MOST_NAME: usize = 1_000;
/// More fields than this do not fit the body of a record.
const MOST_FIELDS: usize = 16_384;

/// Whether a line claims to be a JSON object.
pub(super) fn looks_like_object(line: &str) -> bool {
    line.trim_start().starts_with('{')
}

pub(super) fn parse(bytes: &[u8], cx: &Context) -> Result<Event, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to()))?;
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, path: String::new() };
    let mut fields = Vec::with_capacity(24);
    reader.blank();
    if reader.peek() != Some(b'{') {
        return Err("not a JSON object".into());
    }
    reader.object(0, &mut fields)?;
    reader.blank();
    if reader.at < text.len() {
        return Err(reader.error("more text behind the JSON object"));
    }
    Ok(aliases::event(fields, cx))
}

/// The character that a byte behind a backslash stands for; none for `u` and what is wrong.
pub(super) fn escaped(byte: u8) -> Option<char> {
    Some(match byte {
        b'"' | b'\\' | b'/' => char::from(byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    })
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The dotted name of what is being read.
    path: String,
}

impl Reader<'_> {
    fn object(&mut self, depth: usize, out: &mut Vec<(Name, Value)>) -> Result<(), String> {
        if depth >= MOST_DEPTH {
            return Err(self.error("JSON nested deeper than 128 levels"));
        }
        self.at += 1;
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            if depth > 0 {
                self.push(out, Value::Null)?;
            }
            return Ok(());
        }
        loop {
            self.blank();
            let key = self.string()?;
            self.blank();
            self.expect(b':')?;
            let length = self.path.len();
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            if self.path.len() > MOST_NAME {
                return Err(self.error("the name of a field is longer than 1,000 bytes"));
            }
            self.blank();
            if self.peek() == Some(b'{') {
                self.object(depth + 1, out)?;
            } else if let Some(value) = self.value(depth + 1, out)? {
                self.push(out, value)?;
            }
            self.path.truncate(length);
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.error("`,` or `}` expected")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// A value that is not an object; none for an array of nothing but objects, whose fields are in `out`.
    fn value(
        &mut self,
        depth: usize,
        out: &mut Vec<(Name, Value)>,
    ) -> Result<Option<Value>, String> {
        let literal = |word: &str, value| {
            self.text.get(self.at..)?.starts_with(word).then_some((word.len(), value))
        };
        let known = match self.peek() {
            Some(b'"') => return self.string().map(|text| Some(Value::Text(text))),
            Some(b'[') => return self.array(depth, out),
            Some(b't') => literal("true", Value::Bool(true)),
            Some(b'f') => literal("false", Value::Bool(false)),
            Some(b'n') => literal("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => return self.number().map(Some),
            _ => None,
        };
        let (length, value) = known.ok_or_else(|| self.error("a JSON value expected"))?;
        self.at += length;
        Ok(Some(value))
    }

    fn array(
        &mut self,
        depth: usize,
        out: &mut Vec<(Name, Value)>,
    ) -> Result<Option<Value>, String> {
        if depth >= MOST_DEPTH {
            return Err(self.error("JSON nested deeper than 128 levels"));
        }
        self.at += 1;
        let mut values = Vec::new();
        let mut objects = Vec::new();
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Some(Value::List(values)));
        }
        loop {
            self.blank();
            if self.peek() == Some(b'{') {
                self.object(depth + 1, &mut objects)?;
            } else if let Some(value) = self.value(depth + 1, &mut objects)? {
                values.push(value);
            }
            if values.len() + objects.len() > MOST_FIELDS {
                return Err(self.error("more than 16384 values"));
            }
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.error("`,` or `]` expected")),
            }
        }
        self.at += 1;
        let only_objects = values.is_empty();
        objects.sort_by(|a: &(Name, Value), b| a.0.cmp(&b.0));
        for (name, value) in objects {
            let more = match value {
                Value::List(values) => values,
                one => vec![one],
            };
            match out.last_mut() {
                Some((before, Value::List(list))) if *before == name => list.extend(more),
                _ => out.push((name, Value::List(more))),
            }
        }
        Ok((!only_objects).then_some(Value::List(values)))
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let digits = self.digits();
        let leading_zero = digits > 1 && self.bytes.get(self.at - digits) == Some(&b'0');
        let mut whole = true;
        let mut well_formed = digits > 0 && !leading_zero;
        if self.peek() == Some(b'.') {
            self.at += 1;
            well_formed &= self.digits() > 0;
            whole = false;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            well_formed &= self.digits() > 0;
            whole = false;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if !well_formed {
            return Err(self.error("malformed number"));
        }
        Ok(match text.parse() {
            Ok(integer) if whole && text != "-0" => Value::Int(integer),
            _ => Value::Decimal(text.into()),
        })
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let length =
                memchr2(b'"', b'\\', rest).ok_or_else(|| self.error("string without an end"))?;
            let plain = self.text.get(self.at..self.at + length).unwrap_or_default();
            if plain.bytes().any(|byte| byte < 0x20) {
                return Err(self.error("control character in a string"));
            }
            self.at += length + 1;
            if rest.get(length) == Some(&b'"') {
                if out.is_empty() {
                    return Ok(plain.into());
                }
                out.push_str(plain);
                return Ok(out);
            }
            out.push_str(plain);
            let character = self.escape()?;
            out.push(character);
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char, String> {
        let byte = self.peek().ok_or_else(|| self.error("string without an end"))?;
        self.at += 1;
        if let Some(plain) = escaped(byte) {
            return Ok(plain);
        }
        Ok(match byte {
            b'u' => {
                let mut units = vec![self.hex()?];
                if matches!(units.first(), Some(0xD800..=0xDBFF))
                    && self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u"))
                {
                    self.at += 2;
                    units.push(self.hex()?);
                }
                let mut decoded = char::decode_utf16(units);
                match (decoded.next(), decoded.next()) {
                    (Some(Ok(character)), None) => character,
                    _ => return Err(self.error("lone surrogate in a string")),
                }
            }
            _ => return Err(self.error("unknown escape in a string")),
        })
    }

    fn hex(&mut self) -> Result<u16, String> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| self.error("four hexadecimal digits expected"))
    }

    fn push(&self, out: &mut Vec<(Name, Value)>, value: Value) -> Result<(), String> {
        if out.len() >= MOST_FIELDS {
            return Err(self.error("more than 16384 fields"));
        }
        out.push((Name::from(self.path.as_str()), value));
        Ok(())
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() != Some(byte) {
            return Err(self.error(&format!("`{}` expected", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    fn error(&self, what: &str) -> String {
        format!("{what} at byte {}", self.at.min(self.text.len()))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let event = parse(text.as_bytes(), &Context::new(DateTime::UNIX_EPOCH))?;
        let fields: Vec<_> =
            event.fields().map(|(name, value)| format!("{name}={value:?}")).collect();
        Ok(fields.join(" "))
    }

    #[test]
    fn nested_keys_are_flattened_and_numbers_keep_their_text() {
        assert_eq!(
            read(r#"{"a":{"b":1,"c":[1,"x"]},"d":1.10,"e":18446744073709551616,"f":1e400,"g":null}"#),
            Ok(r#"a.b=Int(1) a.c=List([Int(1), Text("x")]) d=Decimal("1.10") e=Decimal("18446744073709551616") f=Decimal("1e400") g=Null"#.into())
        );
        assert_eq!(
            read(r#"{"r":[{"n":"a","v":1},{"n":"b"}],"s":"\u00e9\ud83d\ude00\n"}"#),
            Ok(r#"r.n=List([Text("a"), Text("b")]) r.v=List([Int(1)]) s=Text("é😀\n")"#.into())
        );
    }

    #[test]
    fn a_doubled_key_is_said() {
        assert_eq!(
            read(r#"{"a":1,"a":2}"#),
            Ok(r#"a=Int(2) error.message=Text("a key stands twice; the last value was kept")"#
                .into())
        );
    }

    #[test]
    fn malformed_text_is_refused_with_its_place() {
        for (text, why) in [
            ("{", "`\"` expected at byte 1"),
            (r#"{"a":01}"#, "malformed number at byte 7"),
            (r#"{"a":1} x"#, "more text behind the JSON object at byte 8"),
            (r#"{"a":"\ud800"}"#, "lone surrogate in a string at byte 12"),
            (r#"{"a":tru}"#, "a JSON value expected at byte 5"),
            ("[1]", "not a JSON object"),
        ] {
            assert_eq!(read(text), Err(why.into()), "{text}");
        }
        let deep = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
        assert!(read(&deep).unwrap_err().contains("128"));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(read(&deep).unwrap_err().contains("128"));
    }
}
