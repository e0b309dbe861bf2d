//! The beginning of an export of a stream that was pruned: `pruned.jsonl`, the proof and body of each record
//! that stayed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secmon_core::seal::{BLOCK, Claim, Entry, Flaw, Prefix, Sealed, Verifier};
use serde::Deserialize;

use super::files::{Lines, Notes};
use crate::Result;

type Hash = [u8; 32];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    epoch: u64,
    mac: String,
    range: Vec<String>,
    size: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stayed {
    path: Vec<String>,
    seq: u64,
}

/// Gives the verifier what is left of the pruned records; says how many epochs ended with them, or none if
/// the walk cannot go on.
pub(super) fn walk(
    path: &Path,
    verifier: &mut Verifier,
    behind: &BTreeMap<u64, Vec<(u64, u64)>>,
    aside: &mut Lines,
    notes: &mut Notes,
) -> Result<Option<u64>> {
    let mut lines = Lines::open(path)?;
    let begin = lines.next()?.as_deref().and_then(prefix);
    let Some(begin) = begin.filter(|begin| begin.tree.size() > 0) else {
        verifier.report(Flaw::Malformed, 0, "`pruned.jsonl` does not say where the stream begins");
        return Ok(None);
    };
    verifier.begin_behind(&begin);
    let end = begin.tree.size();
    if verifier.next_seq() != end {
        return Ok(None);
    }
    let mut ended = BTreeMap::new();
    while let Some((size, note)) = notes.next_up_to(end)? {
        ended.insert(size, note);
    }
    let mut kept = BTreeSet::new();
    let mut announcing: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    while let Some(line) = lines.next()? {
        let stayed: Option<Stayed> = serde_json::from_slice(&line).ok();
        let read = stayed.and_then(|stayed| Some((hashes(&stayed.path)?, stayed.seq)));
        let offset = lines.offset;
        let (Some((path, seq)), Some(body)) = (read, lines.next()?) else {
            verifier.report(Flaw::Malformed, 0, "`pruned.jsonl` holds a line that is no proof");
            return Ok(None);
        };
        let entry = Entry::read(&body);
        if kept.last().is_some_and(|last| *last >= seq) || entry.seq() != Some(seq) {
            verifier.report(Flaw::Reordered, seq, "this record is out of place");
            continue;
        }
        let record = Sealed { seq, entry, mac: &[], leaf: None, columns: None, values: None };
        if !verifier.kept(&record, &path, ended.get(&(seq + 1)).map(String::as_str)) {
            continue;
        }
        kept.insert(seq);
        if let Some(Claim::Gone { block, .. }) = Claim::of(&body) {
            announcing.entry(block).or_default().push((seq, offset));
        }
    }
    for block in 0..end / BLOCK {
        // Those that stayed were just looked at.
        for (seq, offset) in announcing.get(&block).into_iter().flatten() {
            verifier.announce(*seq, &lines.at(*offset)?);
        }
        for (seq, offset) in behind.get(&block).into_iter().flatten() {
            verifier.announce(*seq, &aside.at(*offset)?);
        }
        if !verifier.pruned(block, &kept) {
            return Ok(None);
        }
    }
    verifier.end_prefix();
    Ok(Some(begin.epoch))
}

fn prefix(line: &[u8]) -> Option<Prefix> {
    let Begin { epoch, mac, range, size } = serde_json::from_slice(line).ok()?;
    Prefix::new(size, hashes(&range)?, hash(&mac)?, epoch)
}

fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts.iter().map(|text| hash(text)).collect()
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}
