//! `secmon ingest`: files into the store, resumable and idempotent.

use std::collections::BTreeSet;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use secmon_core::Prepared;
use secmon_http::clock::now;
use secmon_http::{Config, input::Lines};
use secmon_store::{Position, Request, Store, Writer};
use sha2::{Digest as _, Sha256};

use super::lines::{Bad, LineArgs, Place};
use super::output::say;
use super::{Failure, Run, StoreArgs};

/// Lines of one commit.
const MOST_LINES: usize = 1_000;
/// Bytes that tell a file from another one of its name.
const HEAD: u64 = 4_096;

/// Store the lines of files, sealed and counted
///
/// A file that was stored before is read on where it ended, also where it was renamed since: the same file
/// twice stores nothing twice. A last line that was still being written is stored once more when it is whole.
/// Example: secmon ingest /var/log/auth.log.1 /var/log/auth.log
#[derive(Args, Debug)]
pub(crate) struct Ingest {
    /// Files, plain or .gz; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// The label of the writer: each has a stream of its own. What one has stored of a file none stores again
    #[arg(long, value_name = "NAME", default_value = "ingest", value_parser = NonEmptyStringValueParser::new())]
    label: String,
    /// A configuration with rules, networks and zones
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    #[command(flatten)]
    lines: LineArgs,
}

impl Run for Ingest {
    fn run(mut self) -> Result<u8, Failure> {
        let config = Config::load(self.config.as_deref())?;
        self.lines.configure(&config);
        let ruleset = super::rule_builder(&config)?.build()?;
        // What cannot be read is said before anything is stored.
        for file in self.files.iter().filter(|file| *file != "-") {
            Lines::open(file)?;
        }
        let store = self.store.open(true)?;
        config.prepare(&store)?;
        let mut writer = store.writer_in(&config.cluster, &self.label, ruleset.clone(), now())?;
        for warning in writer.take_warnings() {
            say(format_args!("warning: {warning}"));
        }
        // Before anything is stored under the name of a file that was renamed.
        let known = Known::of(&store)?;
        let endings = self.files.iter().map(|file| Ok((file, known.ending(file)?)));
        let mut endings = endings.collect::<Result<Vec<_>, Failure>>()?;
        let mut names = BTreeSet::new();
        endings.retain(|(_, ending)| ending.name().is_none_or(|name| names.insert(name.to_owned())));
        keep(&mut writer, endings.iter_mut().flat_map(|(_, ending)| ending.moved.drain(..)).collect())?;
        let (mut stored, mut bad) = (0_u64, Bad::default());
        for (file, mut ending) in endings {
            if !ending.is_of(file)? {
                // Another file has taken its name meanwhile.
                ending = Known::of(&store)?.ending(file)?;
                keep(&mut writer, std::mem::take(&mut ending.moved))?;
            }
            let mut events: Vec<Prepared> = Vec::with_capacity(MOST_LINES);
            let read = self.lines.each_of(file, ending.bytes(), &ruleset, &mut bad, |place, prepared| {
                stored += 1;
                ending.read(place);
                events.push(prepared);
                if events.len() < MOST_LINES {
                    return Ok(());
                }
                commit(&mut writer, std::mem::take(&mut events), &mut ending)
            });
            // Lines in front of an error are kept: the next run goes on behind them.
            commit(&mut writer, events, &mut ending)?;
            read?;
        }
        let stream = writer.stream();
        writer.close(now())?;
        let kept = bad.count;
        say(format_args!("stored {stored} line(s) in stream {stream}, {kept} of them as `pipeline_error`"));
        bad.say("could not be parsed");
        Ok(0)
    }
}

fn commit(writer: &mut Writer, events: Vec<Prepared>, ending: &mut Ending) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    let positions = ending.covered().into_iter().collect();
    writer.write_request(Request { events, key: None, positions }, now())?;
    Ok(())
}

/// Stores positions of files of which nothing is read now.
fn keep(writer: &mut Writer, positions: Vec<Position>) -> Result<(), Failure> {
    if !positions.is_empty() {
        writer.write_request(Request { events: Vec::new(), key: None, positions }, now())?;
    }
    Ok(())
}

/// How far files are stored.
struct Known<'a> {
    positions: Vec<Position>,
    store: &'a Store,
}

impl<'a> Known<'a> {
    fn of(store: &'a Store) -> Result<Self, Failure> {
        Ok(Self { positions: store.positions()?, store })
    }

    /// The stored position of a file, or of the one that it was before it was renamed.
    fn ending(&self, file: &str) -> Result<Ending, Failure> {
        if file == "-" {
            return Ok(Ending::default());
        }
        let (head, size) = beginning(file)?;
        let fits = |known: &Position| begins(&head, known) && size.is_none_or(|size| known.position <= size);
        let path = std::fs::canonicalize(file).map_or_else(|_| file.into(), |path| path.display().to_string());
        let machine = secmon_http::host_name();
        let name = self.store.position_name(&machine, &path);
        let own = self.positions.iter().find(|known| known.name == name);
        let is_moved = |known: &&Position| {
            let path = known.name.strip_prefix(&self.store.position_name(&machine, ""));
            let path = path.filter(|path| path.starts_with('/') && known.head > 0);
            // A copy that still stands where it was is another file.
            path.is_some_and(|path| fits(known) && !beginning(path).is_ok_and(|(head, _)| begins(&head, known)))
        };
        let mut moved = Vec::new();
        let mut known = own.filter(|known| fits(known)).cloned();
        if known.is_none() {
            // The file that had this name may come under another one, perhaps in a later run.
            moved.extend(own.filter(|known| known.head > 0).map(|known| {
                let name = format!("{}#{}", known.name, secmon_core::hex(&known.fingerprint));
                Position { name, ..known.clone() }
            }));
            let before = self.positions.iter().find(is_moved);
            known = before.map(|known| Position { name: name.clone(), ..known.clone() });
            moved.extend(known.clone());
        }
        let fresh = || Position { name, fingerprint: fingerprint(&[]), head: 0, position: 0, lines: 0 };
        Ok(Ending { position: Some(known.unwrap_or_else(fresh)), head, moved })
    }
}

/// How far a file is stored; nothing is remembered of standard input.
#[derive(Default)]
struct Ending {
    position: Option<Position>,
    head: Vec<u8>,
    /// Positions that have another name from now on.
    moved: Vec<Position>,
}

impl Ending {
    fn name(&self) -> Option<&str> {
        self.position.as_ref().map(|position| position.name.as_str())
    }

    fn bytes(&self) -> u64 {
        self.position.as_ref().map_or(0, |position| position.position)
    }

    /// Whether the file is still the one that was looked at.
    fn is_of(&self, file: &str) -> Result<bool, Failure> {
        Ok(self.position.is_none() || beginning(file)?.0.starts_with(&self.head))
    }

    fn read(&mut self, place: Place) {
        if let Some(position) = &mut self.position {
            position.position = place.bytes;
            // As many as were read under this name, also of files before it: who follows it counts so too.
            position.lines += 1;
        }
    }

    /// The position, with the fingerprint of what was read: of the rest it is not known whether it stays.
    fn covered(&mut self) -> Option<Position> {
        let position = self.position.as_mut()?;
        let covered = usize::try_from(position.position).ok().and_then(|bytes| self.head.get(..bytes));
        let covered = covered.unwrap_or(&self.head);
        if position.head != covered.len() as u64 {
            (position.fingerprint, position.head) = (fingerprint(covered), covered.len() as u64);
        }
        Some(position.clone())
    }
}

/// Whether a file that begins so is the one of a position.
fn begins(head: &[u8], known: &Position) -> bool {
    let covered = match usize::try_from(known.head).ok() {
        // Of an earlier version, which counted lines.
        Some(lines @ 1..=8) if known.position > known.head => {
            let lines = head.split_inclusive(|byte| *byte == b'\n').take(lines);
            head.get(..lines.map(<[u8]>::len).sum())
        }
        covered => covered.and_then(|bytes| head.get(..bytes)),
    };
    covered.is_some_and(|covered| fingerprint(covered) == known.fingerprint)
}

fn fingerprint(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The first bytes of a file, and how many there are if it is plain.
fn beginning(file: &str) -> Result<(Vec<u8>, Option<u64>), String> {
    let lines = Lines::open(file)?;
    let size = lines.size;
    Ok((lines.into_head(HEAD), size))
}
