//! What the streams of an export say of one another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secmon_core::seal::{Claim, Flaw, Note, Verdict, Verifier};

use super::files::Lines;
use crate::Result;

/// What marks a record that lists checkpoints.
const LISTS: &[u8] = b"\"cat\":\"secmon.directory\"";
/// Roots kept of one stream; where there are more, every second is forgotten.
const MOST: usize = 50_000;
/// Streams that are not in the export, and are named.
const MOST_OTHERS: usize = 1_000;

/// What others say of one stream.
#[derive(Debug, Default)]
pub(super) struct Stated {
    roots: BTreeMap<u64, [u8; 32]>,
    /// A size of which two roots are stated, or that is smaller than one before.
    forked: Option<u64>,
}

impl Stated {
    fn add(&mut self, size: u64, root: [u8; 32], before: Option<u64>) {
        let known = self.roots.insert(size, root);
        if before.is_some_and(|before| before > size) || known.is_some_and(|known| known != root) {
            self.forked.get_or_insert(size);
        }
        if self.roots.len() > MOST {
            let mut at = 0;
            self.roots.retain(|_, _| {
                at += 1;
                at % 2 == 0
            });
        }
    }

    /// Tells the verifier of the stream, before it begins.
    pub(super) fn tell(&self, verifier: &mut Verifier) {
        for (size, root) in &self.roots {
            verifier.expect_root(*size, *root);
        }
        if let Some(size) = self.forked {
            verifier.report(Flaw::Fork, size, "another stream lists two pasts of this one");
        }
    }

    /// Says so where more is listed than the export holds: it may have been written since.
    pub(super) fn compare(&self, verdict: &mut Verdict) {
        if let Some((size, _)) =
            self.roots.last_key_value().filter(|(size, _)| **size > verdict.covered)
        {
            verdict.notices.push(format!("another stream lists {size} records of this one"));
        }
    }
}

/// What all streams of an export say, by the origin of whom they speak; of those that are not there only the
/// names, and not more of these than there may be streams.
pub(super) fn read(folders: &[PathBuf]) -> Result<BTreeMap<String, Stated>> {
    let is_there = |origin: &str| {
        let id = origin.rsplit('/').next();
        folders.iter().any(|folder| folder.file_name().and_then(|name| name.to_str()) == id)
    };
    let mut all: BTreeMap<String, Stated> = BTreeMap::new();
    for folder in folders {
        let mut lines = Lines::open(&folder.join("records.jsonl"))?;
        let mut before: BTreeMap<String, u64> = BTreeMap::new();
        while let Some(line) = lines.next()? {
            if memchr::memmem::find(&line, LISTS).is_none() {
                continue;
            }
            let Some(Claim::Listed { notes, .. }) = Claim::of(&line) else { continue };
            for note in notes.iter().filter_map(|note| Note::parse(note).ok()) {
                if !is_there(&note.origin) {
                    if all.len() < folders.len() + MOST_OTHERS {
                        all.entry(note.origin).or_default();
                    }
                    continue;
                }
                let last = before.insert(note.origin.clone(), note.size);
                all.entry(note.origin).or_default().add(note.size, note.root, last);
            }
        }
    }
    Ok(all)
}
