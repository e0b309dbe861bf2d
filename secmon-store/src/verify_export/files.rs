//! The files of an export, line by line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use secmon_core::seal::{MOST_BODY, Note};

use crate::{Error, Result};

/// The notes of a file, one after another.
pub(super) struct Notes {
    lines: Lines,
    next: Option<(u64, String)>,
    size: u64,
}

impl Notes {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut notes = Self { lines: Lines::open(path)?, next: None, size: 0 };
        notes.next = notes.read()?;
        Ok(notes)
    }

    /// The next note, if it covers at most so many records; what is none stands where the one before ended.
    pub(super) fn next_up_to(&mut self, size: u64) -> Result<Option<(u64, String)>> {
        if self.next.as_ref().is_none_or(|(covered, _)| *covered > size) {
            return Ok(None);
        }
        let note = self.next.take();
        self.next = self.read()?;
        Ok(note)
    }

    fn read(&mut self) -> Result<Option<(u64, String)>> {
        let mut note = String::new();
        while let Some(line) = self.lines.next()? {
            // Three lines and an empty one, then signatures up to another empty line.
            if line.is_empty() && (note.is_empty() || note.contains("\n\n")) {
                if note.is_empty() {
                    continue;
                }
                break;
            }
            if note.len() > MOST_BODY {
                break;
            }
            note.extend([&*String::from_utf8_lossy(&line), "\n"]);
        }
        if note.is_empty() {
            return Ok(None);
        }
        self.size = Note::parse(&note).map_or(self.size, |parsed| parsed.size);
        Ok(Some((self.size, note)))
    }
}

/// A file of lines, none of which is longer than a body.
pub(super) struct Lines {
    file: BufReader<File>,
    path: std::path::PathBuf,
    /// Where the next line begins.
    pub(super) offset: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::file(path, error))?;
        Ok(Self { file: BufReader::with_capacity(1 << 18, file), path: path.into(), offset: 0 })
    }

    /// The next line; what is longer than a body comes in pieces, none of which is one.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::with_capacity(1_024);
        let most = MOST_BODY as u64 + 2;
        let read = self.file.by_ref().take(most).read_until(b'\n', &mut line);
        let read = read.map_err(|error| Error::file(&self.path, error))?;
        self.offset += read as u64;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok((read > 0).then_some(line))
    }

    /// The line that begins at an offset.
    pub(super) fn at(&mut self, offset: u64) -> Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(offset)).map_err(|error| Error::file(&self.path, error))?;
        Ok(self.next()?.unwrap_or_default())
    }
}
