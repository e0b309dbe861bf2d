//! Verification of an export: the same walk as over a store, over files.

mod files;
mod prefix;
mod statements;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secmon_core::seal::{BLOCK, Checkpoint, Claim, Entry, Flaw, Sealed, Verdict, Verifier, seq_of};

use self::files::{Lines, Notes};
use self::statements::Stated;
use crate::export::K0_BOX;
use crate::verify::{VerifyOptions, verifier_for};
use crate::{Error, Result};

/// What marks a record that announces removals.
const ANNOUNCES: &[u8] = b"\"cat\":\"secmon.retention\"";

/// Verifies an export that [`crate::Store::export`] wrote: one verdict a stream. Nothing is needed but
/// the files and, better, a public key that came by another way.
///
/// # Errors
/// A file cannot be read, or there is no stream in the folder.
pub fn verify_export(
    folder: &Path,
    options: &VerifyOptions,
    mut progress: impl FnMut(u64),
) -> Result<Vec<Verdict>> {
    let entries = fs::read_dir(folder).map_err(|error| Error::file(folder, error))?;
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|path| path.join("vkey").is_file());
    folders.sort();
    if folders.is_empty() {
        return Err(Error::NotFound {
            what: format!("an exported stream in `{}`", folder.display()),
        });
    }
    let alone = folders.len() == 1;
    if !alone && options.k0.iter().any(|(name, _)| name.is_none()) {
        let reason = "there are several streams: say whose K_0 it is, STREAM=@FILE".into();
        return Err(Error::Query { reason });
    }
    let has_box = folders.iter().any(|folder| folder.join(K0_BOX).is_file());
    if options.auditor.is_some() && options.k0.is_empty() && !has_box {
        let reason = "no K_0 was encrypted to an auditor in this export".into();
        return Err(Error::Query { reason });
    }
    let mut verdicts = Vec::new();
    let stated = statements::read(&folders)?;
    for folder in &folders {
        verdicts.push(stream(folder, options, alone, &stated, &mut progress)?);
    }
    let known = |name: &str| {
        let is = |folder: &PathBuf| folder.file_name().is_some_and(|id| id == name);
        verdicts.iter().any(|verdict: &Verdict| verdict.origin == name) || folders.iter().any(is)
    };
    if let Some((Some(name), _)) =
        options.k0.iter().find(|(name, _)| name.as_deref().is_some_and(|name| !known(name)))
    {
        return Err(Error::NotFound { what: format!("stream `{name}`, whose K_0 was given,") });
    }
    let there: BTreeSet<&str> = verdicts.iter().map(|verdict| verdict.origin.as_str()).collect();
    let mut left = options.anchors_of_none(there.iter().copied());
    left.extend(stated.keys().map(String::as_str).filter(|origin| !there.contains(origin)));
    let left: Vec<String> = left.into_iter().map(str::to_owned).collect();
    if let Some(verdict) = verdicts.first_mut().filter(|_| !left.is_empty()) {
        // An export may hold some streams of a store only.
        let notice = format!(
            "the export does not hold the streams of other checkpoints: {}",
            left.join(", ")
        );
        verdict.notices.push(notice);
    }
    for vkey in &options.vkeys {
        if !verdicts.iter().any(|verdict| verdict.origin == vkey.name()) {
            let mut verifier = Verifier::new(vkey.clone());
            verifier.report(Flaw::Missing, 0, "the stream of this key is not in the export");
            verdicts.push(verifier.finish(None, None));
        }
    }
    Ok(verdicts)
}

fn stream(
    folder: &Path,
    options: &VerifyOptions,
    alone: bool,
    stated: &BTreeMap<String, Stated>,
    progress: &mut dyn FnMut(u64),
) -> Result<Verdict> {
    let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = read(&folder.join("vkey"))?;
    let mut keys = text.lines();
    let (genesis, own) = (keys.next().unwrap_or_default(), keys.next().unwrap_or_default());
    let origin = genesis.split('+').next().unwrap_or_default();
    let mut verifier = match verifier_for(origin, genesis, own, options) {
        Ok(verifier) => verifier,
        Err(verdict) => return Ok(*verdict),
    };
    let stated = stated.get(origin);
    if let Some(stated) = stated {
        stated.tell(&mut verifier);
    }
    let k0 = options.k0.iter().find(|(name, _)| match name {
        Some(name) => *name == id || name == origin,
        None => alone,
    });
    let sealed = folder.join(K0_BOX);
    let sealed = sealed.is_file().then(|| read(&sealed)).transpose()?;
    let sealed = sealed.map(|text| BASE64.decode(text.trim_end()).unwrap_or_default());
    if sealed.is_some() {
        verifier.expect_box(sealed.as_deref());
    }
    verifier = options.with_k0(verifier, origin, k0.map(|(_, k0)| *k0), sealed.as_deref());
    let path = folder.join("records.jsonl");
    let announcing = announcing(&path)?;
    let mut aside = Lines::open(&path)?;
    let mut lines = Lines::open(&path)?;
    let mut macs = Lines::open(&folder.join("macs"))?;
    let mut notes = Notes::open(&folder.join("checkpoints.txt"))?;
    let pruned = folder.join("pruned.jsonl");
    let mut epoch = 0;
    if pruned.is_file() {
        match prefix::walk(&pruned, &mut verifier, &announcing, &mut aside, &mut notes)? {
            Some(ended) => epoch = ended,
            None => return Ok(verifier.finish(None, None)),
        }
    }
    let mut block = None;
    while let Some(line) = lines.next()? {
        let next = verifier.next_seq();
        if block != Some(next / BLOCK) {
            block = Some(next / BLOCK);
            for (seq, offset) in announcing.get(&(next / BLOCK)).into_iter().flatten() {
                verifier.announce(*seq, &aside.at(*offset)?);
            }
        }
        let mac = macs.next()?.and_then(|mac| BASE64.decode(mac).ok()).unwrap_or_default();
        match gone(&line) {
            Some((seq, leaf)) if seq == next => verifier.missing(leaf),
            Some((seq, _)) => verifier.report(Flaw::Reordered, seq, "this leaf is out of place"),
            None => {
                let entry = Entry::read(&line);
                let seq = entry.seq().unwrap_or(next);
                if seq > next {
                    let detail = format!("{} record(s) are not there", seq - next);
                    verifier.report(Flaw::Missing, next, &detail);
                    return Ok(verifier.finish(None, None));
                }
                verifier.record(&Sealed {
                    seq,
                    entry,
                    mac: &mac,
                    leaf: None,
                    columns: None,
                    values: None,
                });
            }
        }
        let last_mac = mac.try_into().ok();
        while let Some((size, note)) = notes.next_up_to(verifier.next_seq())? {
            let mac = last_mac.or(verifier.last_mac()).unwrap_or_default();
            verifier.checkpoint(&Checkpoint { epoch, size, mac, note });
            epoch += 1;
        }
        if verifier.next_seq() % 4_096 == 0 {
            progress(verifier.next_seq());
        }
    }
    if let Some((size, _)) = notes.next_up_to(u64::MAX)? {
        let detail = format!("a checkpoint covers {size} records");
        verifier.report(Flaw::Truncated, verifier.next_seq(), &detail);
    } else if verifier.covered() < verifier.next_seq() {
        let detail = "no checkpoint covers the records from here on, which no export holds";
        verifier.report(Flaw::BadSignature, verifier.covered(), detail);
    }
    let mut verdict = verifier.finish(None, None);
    if let Some(stated) = stated {
        stated.compare(&mut verdict);
    }
    Ok(verdict)
}

fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|error| Error::file(path, error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where the records stand that announce removals, by block.
fn announcing(path: &Path) -> Result<BTreeMap<u64, Vec<(u64, u64)>>> {
    let mut lines = Lines::open(path)?;
    let announces = memchr::memmem::Finder::new(ANNOUNCES);
    let mut found: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    loop {
        let offset = lines.offset;
        let Some(line) = lines.next()? else { return Ok(found) };
        if announces.find(&line).is_some()
            && let Some(Claim::Gone { block, .. }) = Claim::of(&line)
            && let Some(seq) = seq_of(&line)
        {
            found.entry(block).or_default().push((seq, offset));
        }
    }
}

/// The index and leaf of a record that is gone, if the line says that.
fn gone(line: &[u8]) -> Option<(u64, [u8; 32])> {
    let rest = line.strip_prefix(b"{\"leaf\":\"")?;
    let (leaf, rest) = rest.split_at_checked(44)?;
    let seq = rest.strip_prefix(b"\",\"seq\":")?.strip_suffix(b"}")?;
    let seq = std::str::from_utf8(seq).ok()?.parse().ok()?;
    Some((seq, BASE64.decode(leaf).ok()?.try_into().ok()?))
}
