//! Lines of files: plain or gzip, bounded in memory, whatever they hold.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use chrono::{DateTime, Utc};
use flate2::bufread::MultiGzDecoder;
use secmon_core::parse::{Context, LineFormat};
use secmon_core::{Glance, Prepared, Ruleset};
use sha2::{Digest as _, Sha256};

/// Lines up to this length are parsed; of longer ones only the head, the length and the hash are kept.
pub const MOST_LINE: usize = 256 * 1024;

/// A line as it was read.
#[derive(Debug)]
pub enum Line<'a> {
    /// Its bytes, without the line feed.
    Whole(&'a [u8]),
    /// It is too long: its head, length and SHA-256.
    Oversized {
        /// The first bytes.
        head: &'a [u8],
        /// All bytes.
        length: u64,
        /// SHA-256 of all bytes.
        sha256: [u8; 32],
    },
}

impl Line<'_> {
    /// Parses and matches the line.
    pub fn prepare(&self, ruleset: &Ruleset, format: LineFormat, cx: &Context) -> Prepared {
        match self {
            Self::Whole(bytes) => ruleset.prepare_bytes(bytes, format, cx),
            Self::Oversized { head, length, sha256 } => {
                ruleset.prepare_oversized(head, *length, *sha256, cx)
            }
        }
    }

    /// What the line is to the rules, for who keeps no events.
    pub fn glance(&self, ruleset: &Ruleset, format: LineFormat, cx: &Context) -> Glance {
        match self {
            Self::Whole(bytes) => ruleset.glance(bytes, format, cx),
            Self::Oversized { .. } => self.prepare(ruleset, format, cx).into(),
        }
    }
}

/// Reads lines one by one.
pub struct Lines {
    reader: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    /// Bytes read, of the content if it is compressed.
    position: u64,
    /// When the file was changed last; none for standard input.
    pub modified: Option<DateTime<Utc>>,
    /// How large the file is, if it is plain.
    pub size: Option<u64>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens a file, plain or gzip by its first bytes; `-` is standard input.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn open(path: &str) -> Result<Self, String> {
        let failed = |error: io::Error| format!("cannot read `{path}`: {error}");
        if path == "-" {
            return Self::new(Box::new(io::stdin()), None, None).map_err(failed);
        }
        if Path::new(path).is_dir() {
            return Err(format!("cannot read `{path}`: it is a folder"));
        }
        let file = File::open(path).map_err(failed)?;
        let facts = file.metadata().map_err(failed)?;
        let modified = facts.modified().ok().map(DateTime::<Utc>::from);
        Self::new(Box::new(file), modified, facts.is_file().then_some(facts.len())).map_err(failed)
    }

    /// Reads lines from anything.
    pub fn new(
        source: Box<dyn Read + Send>,
        modified: Option<DateTime<Utc>>,
        size: Option<u64>,
    ) -> io::Result<Self> {
        let mut plain = BufReader::with_capacity(256 * 1024, source);
        let compressed = plain.fill_buf()?.starts_with(&[0x1F, 0x8B]);
        let reader: Box<dyn BufRead + Send> = if compressed {
            Box::new(BufReader::with_capacity(256 * 1024, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        let size = size.filter(|_| !compressed);
        Ok(Self { reader, buffer: Vec::new(), position: 0, modified, size })
    }

    /// The next line; none at the end.
    ///
    /// # Errors
    /// The file cannot be read further, for instance because a gzip file was cut off.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let limit = MOST_LINE as u64 + 1;
        let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut self.buffer)?;
        self.position += read as u64;
        if read == 0 {
            return Ok(None);
        }
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if read as u64 == limit {
            return self.oversized().map(Some);
        }
        Ok(Some(Line::Whole(&self.buffer)))
    }

    /// The first bytes, at most so many, in place of lines; fewer where the file cannot be read further.
    pub fn into_head(self, most: u64) -> Vec<u8> {
        let mut head = Vec::new();
        // Who reads its lines is told what is wrong.
        drop(self.reader.take(most).read_to_end(&mut head));
        head
    }

    /// Bytes read so far, of the content if it is compressed.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Reads on to the end of a line whose head is in the buffer.
    fn oversized(&mut self) -> io::Result<Line<'_>> {
        let mut hash = Sha256::new_with_prefix(&self.buffer);
        let mut length = self.buffer.len() as u64;
        loop {
            let chunk = self.reader.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            hash.update(part);
            length += part.len() as u64;
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            self.position += used as u64;
            if end.is_some() {
                break;
            }
        }
        Ok(Line::Oversized { head: &self.buffer, length, sha256: hash.finalize().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let source = Box::new(io::Cursor::new(bytes.to_vec()));
        let mut lines = Lines::new(source, None, None).unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(match line {
                Line::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Line::Oversized { length, .. } => format!("<{length}>"),
            });
        }
        assert_eq!(lines.position(), bytes.len() as u64);
        all
    }

    #[test]
    fn lines_are_whole_whatever_their_end_and_length() {
        assert_eq!(lines(b"a\n\nb"), ["a", "", "b"]);
        let long = format!("x\n{}\ny\n", "z".repeat(10 << 20));
        assert_eq!(lines(long.as_bytes()), ["x", "<10485760>", "y"]);
        let just = format!("{}\ny", "z".repeat(MOST_LINE));
        assert_eq!(lines(just.as_bytes()), ["z".repeat(MOST_LINE).as_str(), "y"]);
    }
}
