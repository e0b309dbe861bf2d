//! The fields of a JSON object where they stand, for whoever looks at them and keeps nothing.
//!
//! Only objects whose event would hold the same names and texts are read so; all others are refused, and
//! take the way of an event.

mod names;
mod reader;

use chrono::{DateTime, Utc};

use self::names::Names;
use self::reader::Reader;
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
    lower: [String; 2],
    is_ascii: bool,
    sources: [Vec<Raw>; 3],
    /// Service and categories that a Windows channel and event id tell.
    windows: Option<(&'static str, &'static [&'static str])>,
    time: Option<(Part, DateTime<Utc>)>,
    path: String,
    names: Names,
    /// What tells the kind of a Windows event, under each of its names.
    channel: [Option<Raw>; 2],
    id: [Option<Raw>; 3],
    kind: Option<Raw>,
    has_process: bool,
    has_message: bool,
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
        self.names.begin();
        (self.channel, self.id, self.kind) = ([None; 2], [None; 3], None);
        (self.has_process, self.has_message) = (false, false);
        let line = line.trim_end_matches(['\r', '\n', '\0']);
        // One pass finds control characters, which no string may hold, and what is not ASCII.
        let ends = |(least, most): (u8, u8), byte: u8| (byte.min(least), byte.max(most));
        let (least, most) = line.bytes().fold((u8::MAX, 0), ends);
        if line.len() > MOST_BYTES || least < 0x20 {
            return false;
        }
        self.is_ascii = most.is_ascii();
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
        let [line, arena] = self.all_lower()?;
        match part {
            Part::Line(from, to) => line.get(from..to),
            Part::Arena(from, to) => arena.get(from..to),
            Part::Known(_) => None,
        }
    }

    /// All that the object holds in lower case, where all is ASCII: line, and texts with escapes.
    pub(crate) fn all_lower(&self) -> Option<[&str; 2]> {
        self.is_ascii.then(|| self.lower.each_ref().map(String::as_str))
    }

    fn fold(&mut self, line: &str) {
        self.is_ascii &= self.arena.is_ascii();
        if self.is_ascii {
            for (lower, text) in self.lower.iter_mut().zip([line, &self.arena]) {
                lower.clear();
                lower.push_str(text);
                lower.make_ascii_lowercase();
            }
        }
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
            // What is no integer is kept as its text.
            Some(Raw::Number(from, to)) => {
                line.get(from..to).filter(|number| number.parse::<i64>().is_err())
            }
            _ => None,
        };
        let told = self.channel.into_iter().find_map(text).and_then(|channel| {
            let id = self.id.into_iter().flatten().find_map(|raw| match raw {
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
