//! The fields of a JSON object where they stand, for whoever looks at them and keeps nothing.
//!
//! Only objects whose event would hold the same names and texts are read so; all others are refused, and
//! take the way of an event.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use memchr::memchr2;

use super::aliases::{ALIASES, ecs_name};
use super::windows;

/// Longer objects are not read so: what does not fit a record becomes another event.
const MOST_BYTES: usize = 16 * 1024;
const MOST_DEPTH: usize = 16;
const MOST_FIELDS: usize = 512;

/// A JSON object without a copy of its values; used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    fields: Vec<(Part, Raw)>,
    elements: Vec<Raw>,
    /// Names of nested fields, and texts with escapes.
    arena: String,
    /// Line and arena in lower case, where all is ASCII.
    lower: Option<(String, String)>,
    /// The memory for both while they are not there.
    spare: Option<(String, String)>,
    sources: [Vec<Raw>; 3],
    /// Service and categories that a Windows channel and event id tell.
    windows: Option<(&'static str, &'static [&'static str])>,
    time: Option<(Part, DateTime<Utc>)>,
    path: String,
    /// The names that stand here.
    seen: Bits,
    /// The places of fields that tell the kind of a Windows event.
    channel: Option<Raw>,
    id: (Option<Raw>, Option<Raw>, Option<Raw>),
    kind: Option<Raw>,
    has_process: bool,
    has_message: bool,
}

/// Bits for names, by a small hash: what is not in there is not there.
type Bits = [u64; 4];

/// Names that mean more than a plain field, besides aliases.
const SPECIAL: &[&str] = &[
    "@timestamp",
    "Channel",
    "EventID",
    "EventType",
    "category",
    "destination.ip",
    "event.action",
    "event.code",
    "event.module",
    "event.outcome",
    "event.timezone",
    "log.level",
    "message",
    "process.name",
    "product",
    "secmon.repeat",
    "service",
    "source.ip",
    "winlog.channel",
    "winlog.event_id",
];

static IS_SPECIAL: LazyLock<Bits> = LazyLock::new(|| {
    let mut bits = [0; 4];
    let aliases = ALIASES.iter().map(|(alias, _)| alias);
    aliases.chain(SPECIAL).for_each(|name| set(&mut bits, small_hash(name)));
    bits
});

fn is_set(bits: &Bits, hash: usize) -> bool {
    bits.get(hash / 64).is_some_and(|word| word >> (hash % 64) & 1 == 1)
}

fn set(bits: &mut Bits, hash: usize) {
    if let Some(word) = bits.get_mut(hash / 64) {
        *word |= 1 << (hash % 64);
    }
}

/// A piece of the line, of the arena, or a name that the crate knows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Line(usize, usize),
    Arena(usize, usize),
    Known(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw {
    Text(Part),
    Number(usize, usize),
    Bool(bool),
    Null,
    /// Places among the elements.
    List(usize, usize),
}

impl Flat {
    /// Reads an object; false if only an event tells what it says.
    pub(crate) fn read(&mut self, line: &str) -> bool {
        self.fields.clear();
        self.elements.clear();
        self.arena.clear();
        self.path.clear();
        self.sources.iter_mut().for_each(Vec::clear);
        self.windows = None;
        self.time = None;
        self.seen = [0; 4];
        (self.channel, self.id, self.kind) = (None, (None, None, None), None);
        (self.has_process, self.has_message) = (false, false);
        let line = line.trim_end_matches(['\r', '\n', '\0']);
        // One pass finds control characters, which no string may hold.
        if line.len() > MOST_BYTES || line.bytes().min().is_some_and(|least| least < 0x20) {
            return false;
        }
        let mut reader = Reader { line, bytes: line.as_bytes(), at: 0, flat: self };
        reader.blank();
        let read = reader.object(0).is_some();
        reader.blank();
        let is_whole = reader.at == line.len();
        self.fold(line);
        read && is_whole && self.finish(line)
    }

    /// Fields with their names.
    pub(crate) fn names<'a>(&'a self, line: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().map(move |(name, _)| self.text(line, *name))
    }

    pub(crate) fn value(&self, at: usize) -> Option<Raw> {
        self.fields.get(at).map(|(_, value)| *value)
    }

    pub(crate) fn elements(&self, from: usize, to: usize) -> &[Raw] {
        self.elements.get(from..to).unwrap_or_default()
    }

    /// A part in lower case, where all is ASCII.
    pub(crate) fn lower(&self, part: Part) -> Option<&str> {
        let (line, arena) = self.lower.as_ref()?;
        match part {
            Part::Line(from, to) => line.get(from..to),
            Part::Arena(from, to) => arena.get(from..to),
            Part::Known(_) => None,
        }
    }

    /// All that the object holds in lower case, where all is ASCII: line, and texts with escapes.
    pub(crate) fn all_lower(&self) -> Option<[&str; 2]> {
        self.lower.as_ref().map(|(line, arena)| [line.as_str(), arena.as_str()])
    }

    /// Puts line and arena in lower case, in memory that is there already.
    fn fold(&mut self, line: &str) {
        let (mut first, mut second) =
            self.spare.take().or_else(|| self.lower.take()).unwrap_or_default();
        if !line.is_ascii() || !self.arena.is_ascii() {
            self.spare = Some((first, second));
            return;
        }
        for (lower, text) in [(&mut first, line), (&mut second, &self.arena)] {
            lower.clear();
            lower.push_str(text);
            lower.make_ascii_lowercase();
        }
        self.lower = Some((first, second));
    }

    pub(crate) fn text<'a>(&'a self, line: &'a str, part: Part) -> &'a str {
        match part {
            Part::Line(from, to) => line.get(from..to).unwrap_or_default(),
            Part::Arena(from, to) => self.arena.get(from..to).unwrap_or_default(),
            Part::Known(name) => name,
        }
    }

    /// The time stamp as it stands there, and what it says.
    pub(crate) fn time<'a>(&'a self, line: &'a str) -> Option<(&'a str, DateTime<Utc>)> {
        let (part, time) = self.time?;
        Some((self.text(line, part), time))
    }

    /// Shows the names of product, category and service.
    pub(crate) fn each_source(&self, line: &str, mut visit: impl FnMut(usize, &str)) {
        for (dimension, raws) in self.sources.iter().enumerate() {
            for raw in raws {
                if let Raw::Text(part) = raw {
                    visit(dimension, self.text(line, *part));
                }
            }
        }
        if let Some((service, categories)) = self.windows {
            visit(0, "windows");
            for category in categories {
                visit(1, category);
            }
            visit(2, service);
        }
    }

    fn finish(&mut self, line: &str) -> bool {
        let text = |raw: Option<Raw>| match raw {
            Some(Raw::Text(part)) => Some(self.text(line, part)),
            _ => None,
        };
        let told = text(self.channel).and_then(|channel| {
            let (first, second, third) = self.id;
            let id = [first, second, third].into_iter().flatten().find_map(|raw| match raw {
                Raw::Number(from, to) => line.get(from..to)?.parse().ok(),
                Raw::Text(part) => self.text(line, part).parse().ok(),
                _ => None,
            });
            windows::sources(channel, id, text(self.kind))
        });
        self.windows = told;
        // A program's message may say more than the fields.
        !(self.has_process && self.has_message)
    }
}

struct Reader<'a> {
    line: &'a str,
    bytes: &'a [u8],
    at: usize,
    flat: &'a mut Flat,
}

impl Reader<'_> {
    fn object(&mut self, depth: usize) -> Option<()> {
        self.expect(b'{')?;
        self.blank();
        if depth >= MOST_DEPTH || self.peek() == Some(b'}') {
            return None;
        }
        loop {
            self.blank();
            let key = self.string()?;
            self.blank();
            self.expect(b':')?;
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
                self.push(name, value)?;
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

    /// Keeps a field; none if an event would say something else than what stands here.
    fn push(&mut self, name: Part, value: Raw) -> Option<()> {
        let text = self.flat.text(self.line, name);
        let hash = small_hash(text);
        let special = is_set(&IS_SPECIAL, hash)
            .then(|| ecs_name(text).or_else(|| SPECIAL.iter().find(|name| **name == text).copied()))
            .flatten();
        let Some(text) = special else {
            return if text.ends_with('#') { None } else { self.keep(name, hash, value) };
        };
        let name = Part::Known(text);
        let is_text = matches!(value, Raw::Text(_));
        let flat = &mut *self.flat;
        let source = match text {
            "product" => Some(0),
            "category" => Some(1),
            "service" => Some(2),
            "@timestamp" => {
                let Raw::Text(part) = value else { return None };
                let time = canonical(flat.text(self.line, part))?;
                let is_first = flat.time.is_none();
                flat.time = Some((part, time));
                return is_first.then_some(());
            }
            "event.timezone" | "log.level" | "event.module" | "event.outcome" | "event.action"
            | "source.ip" | "destination.ip" | "secmon.repeat" => return None,
            "message" if !is_text => return None,
            _ => None,
        };
        match text {
            "Channel" => flat.channel = Some(value),
            "winlog.channel" => flat.channel = flat.channel.or(Some(value)),
            "EventID" => flat.id.0 = Some(value),
            "winlog.event_id" => flat.id.1 = Some(value),
            "event.code" => flat.id.2 = Some(value),
            "EventType" => flat.kind = Some(value),
            "process.name" => flat.has_process = true,
            "message" => flat.has_message = true,
            _ => {}
        }
        let hash = small_hash(text);
        if let Some(dimension) = source {
            if !is_text || self.flat.sources.get(dimension).is_some_and(|names| !names.is_empty()) {
                return None;
            }
            self.flat.sources.get_mut(dimension)?.push(value);
            return Some(());
        }
        self.keep(name, hash, value)
    }

    fn keep(&mut self, name: Part, hash: usize, value: Raw) -> Option<()> {
        let text = self.flat.text(self.line, name);
        // A name that stands twice is said in the event.
        if self.flat.fields.len() >= MOST_FIELDS
            || (is_set(&self.flat.seen, hash)
                && self.flat.names(self.line).any(|other| other == text))
        {
            return None;
        }
        set(&mut self.flat.seen, hash);
        self.flat.fields.push((name, value));
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
        if matches!(self.peek(), Some(b'e' | b'E')) {
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
        let mut kept: Option<usize> = None;
        loop {
            let rest = self.bytes.get(self.at..)?;
            let length = memchr2(b'"', b'\\', rest)?;
            let end = self.at + length;
            if kept.is_some() || rest.get(length) == Some(&b'\\') {
                kept.get_or_insert(self.flat.arena.len());
                self.flat.arena.push_str(self.line.get(self.at..end)?);
            }
            self.at = end + 1;
            if rest.get(length) == Some(&b'"') {
                return Some(match kept {
                    Some(from) => Part::Arena(from, self.flat.arena.len()),
                    None => Part::Line(from, end),
                });
            }
            let plain = match self.peek()? {
                byte @ (b'"' | b'\\' | b'/') => char::from(byte),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => {
                    let digits = self.line.get(self.at + 1..self.at + 5)?;
                    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                    let code = is_hex.then(|| u32::from_str_radix(digits, 16).ok())??;
                    self.at += 4;
                    // None for half of a pair: rare enough for the other way.
                    char::from_u32(code)?
                }
                _ => return None,
            };
            self.flat.arena.push(plain);
            self.at += 1;
        }
    }

    fn blank(&mut self) {
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

fn small_hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let byte = |at: usize| usize::from(bytes.get(at).copied().unwrap_or_default());
    let length = bytes.len();
    (length * 37 + byte(0) * 7 + byte(length / 2) * 59 + byte(length.saturating_sub(1)) * 101) % 256
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
