//! Reads the fields of a JSON object, and refuses what only an event tells.

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use memchr::memchr2;

use super::names::{Meaning, Place};
use super::{Flat, MOST_DEPTH, MOST_FIELDS, Part, Raw};
use crate::json::first_special;
use crate::parse::json::escaped;

pub(super) struct Reader<'a> {
    pub(super) line: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) flat: &'a mut Flat,
}

impl Reader<'_> {
    pub(super) fn object(&mut self, depth: usize) -> Option<()> {
        self.expect(b'{')?;
        self.blank();
        if depth >= MOST_DEPTH || self.peek() == Some(b'}') {
            return None;
        }
        loop {
            self.blank();
            let (key, known) = self.key(depth)?;
            self.blank();
            let length = self.flat.path.len();
            if depth > 0 || self.peek() == Some(b'{') {
                if length > 0 {
                    self.flat.path.push('.');
                }
                let key = self.flat.text(self.line, key).to_owned();
                self.flat.path.push_str(&key);
            }
            if self.peek() == Some(b'{') {
                self.object(depth + 1)?;
            } else {
                let value = self.value()?;
                let name = if depth > 0 { self.keep_path() } else { key };
                self.push(name, known, value)?;
            }
            self.flat.path.truncate(length);
            self.blank();
            self.at += 1;
            match self.bytes.get(self.at - 1) {
                Some(b',') => {}
                Some(b'}') => return Some(()),
                _ => return None,
            }
        }
    }

    fn keep_path(&mut self) -> Part {
        let from = self.flat.arena.len();
        self.flat.arena.push_str(&self.flat.path);
        Part::Arena(from, self.flat.arena.len())
    }

    /// A name and its colon; the name's place if it was guessed right.
    fn key(&mut self, depth: usize) -> Option<(Part, Option<Place>)> {
        let rest = self.bytes.get(self.at..)?;
        if depth == 0
            && let Some((place, length)) = self.flat.names.guess(rest)
        {
            let from = self.at + 1;
            self.at += length;
            return Some((Part::Line(from, self.at - 2), Some(place)));
        }
        let key = self.string()?;
        self.blank();
        self.expect(b':')?;
        Some((key, None))
    }

    /// Keeps a field; none if an event would say something else than what stands here.
    fn push(&mut self, name: Part, known: Option<Place>, value: Raw) -> Option<()> {
        let flat = &mut *self.flat;
        let place = match (known, name) {
            (Some(place), _) => place,
            (None, Part::Line(from, to)) => flat.names.place(self.line.get(from..to)?)?,
            (None, Part::Arena(from, to)) => flat.names.place(flat.arena.get(from..to)?)?,
            (None, Part::Known(name)) => flat.names.place(name)?,
        };
        flat.names.follows(place);
        // A name that stands twice is said in the event.
        let (meaning, ecs) = flat.names.enter(place)?;
        let is_text = matches!(value, Raw::Text(_));
        match meaning {
            Meaning::Plain => {}
            Meaning::Refused => return None,
            Meaning::Time => {
                let Raw::Text(part) = value else { return None };
                let time = canonical(flat.text(self.line, part))?;
                flat.time = Some((part, time));
                return Some(());
            }
            Meaning::Source(dimension) => {
                flat.sources.get_mut(dimension).filter(|_| is_text)?.push(value);
                return Some(());
            }
            Meaning::Channel(order) => *flat.channel.get_mut(order)? = Some(value),
            Meaning::EventId(order) => *flat.id.get_mut(order)? = Some(value),
            Meaning::EventType => flat.kind = Some(value),
            Meaning::Process => flat.has_process = true,
            Meaning::Message => {
                flat.has_message = true;
                is_text.then_some(())?;
            }
        }
        if flat.fields.len() >= MOST_FIELDS {
            return None;
        }
        flat.fields.push((ecs.map_or(name, Part::Known), value));
        Some(())
    }

    fn value(&mut self) -> Option<Raw> {
        let word = |word: &str, value| {
            self.line.get(self.at..)?.starts_with(word).then_some((word.len(), value))
        };
        let (length, value) = match self.peek()? {
            b'"' => return self.string().map(Raw::Text),
            b'[' => return self.array(),
            b'-' | b'0'..=b'9' => return self.number(),
            b't' => word("true", Raw::Bool(true))?,
            b'f' => word("false", Raw::Bool(false))?,
            b'n' => word("null", Raw::Null)?,
            _ => return None,
        };
        self.at += length;
        Some(value)
    }

    /// An array of plain values.
    fn array(&mut self) -> Option<Raw> {
        self.at += 1;
        let from = self.flat.elements.len();
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Some(Raw::List(from, from));
        }
        loop {
            self.blank();
            if matches!(self.peek(), Some(b'[' | b'{')) || self.flat.elements.len() > MOST_FIELDS {
                return None;
            }
            let value = self.value()?;
            self.flat.elements.push(value);
            self.blank();
            self.at += 1;
            match self.bytes.get(self.at - 1) {
                Some(b',') => {}
                Some(b']') => return Some(Raw::List(from, self.flat.elements.len())),
                _ => return None,
            }
        }
    }

    /// An integer or a decimal in its usual form.
    fn number(&mut self) -> Option<Raw> {
        let from = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let whole = self.digits();
        let first = self.bytes.get(self.at - whole);
        if whole == 0 || (whole > 1 && first == Some(&b'0')) {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        // What an event keeps as its text takes its way.
        if matches!(self.peek(), Some(b'e' | b'E')) || self.line.get(from..self.at) == Some("-0") {
            return None;
        }
        Some(Raw::Number(from, self.at))
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - from
    }

    fn string(&mut self) -> Option<Part> {
        self.expect(b'"')?;
        let from = self.at;
        // Where what is not in the arena begins.
        let mut begin = from;
        let mut kept: Option<usize> = None;
        loop {
            let rest = self.bytes.get(self.at..)?;
            // Most texts are short.
            let head = rest.first_chunk::<16>().and_then(|head| first_special(head));
            let length = head.or_else(|| memchr2(b'"', b'\\', rest))?;
            let end = self.at + length;
            self.at = end + 1;
            if rest.get(length) == Some(&b'"') {
                let Some(kept) = kept else { return Some(Part::Line(from, end)) };
                self.flat.arena.push_str(self.line.get(begin..end)?);
                return Some(Part::Arena(kept, self.flat.arena.len()));
            }
            kept.get_or_insert(self.flat.arena.len());
            self.flat.arena.push_str(self.line.get(begin..end)?);
            begin = self.escape()?;
        }
    }

    /// Passes over an escape behind its backslash; where the text goes on.
    fn escape(&mut self) -> Option<usize> {
        let byte = self.peek()?;
        let plain = match escaped(byte) {
            Some(plain) if plain == char::from(byte) => {
                // It goes with what follows.
                self.at += 1;
                return Some(self.at - 1);
            }
            Some(plain) => plain,
            None if byte == b'u' => {
                let digits = self.line.get(self.at + 1..self.at + 5)?;
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                let code = is_hex.then(|| u32::from_str_radix(digits, 16).ok())??;
                self.at += 4;
                // None for half of a pair: rare enough for the other way.
                char::from_u32(code)?
            }
            None => return None,
        };
        self.flat.arena.push(plain);
        self.at += 1;
        Some(self.at)
    }

    pub(super) fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }
}

/// The time of a stamp that is written as events write it: in UTC, with as many decimals as are needed.
fn canonical(stamp: &str) -> Option<DateTime<Utc>> {
    let (clock, decimals) = stamp.strip_suffix('Z')?.split_at_checked(19)?;
    let is_clock = clock.bytes().zip(*b"0000-00-00T00:00:00").all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    });
    let has_decimals = match decimals.strip_prefix('.') {
        None => decimals.is_empty(),
        Some(digits) => {
            matches!(digits.len(), 3 | 6)
                && digits.bytes().all(|byte| byte.is_ascii_digit())
                && !digits.ends_with("000")
        }
    };
    let time = DateTime::parse_from_rfc3339(stamp).ok().filter(|_| is_clock && has_decimals)?;
    // Others are moved, and leap seconds are written in another way.
    ((1970..2200).contains(&time.year()) && time.nanosecond() < 1_000_000_000)
        .then(|| time.to_utc())
}
