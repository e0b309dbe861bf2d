//! `secmon ingest`: files into the store, resumable and idempotent.

use clap::Args;
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
    /// The label of the writer: each has a stream of its own
    #[arg(long, value_name = "NAME", default_value = "ingest")]
    label: String,
    /// A configuration with rules, networks and zones
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    #[command(flatten)]
    lines: LineArgs,
}

impl Run for Ingest {
    fn run(self) -> Result<u8, Failure> {
        let config = Config::load(self.config.as_deref())?;
        let ruleset = super::rule_builder(&config)?.build()?;
        // What cannot be read is said before anything is stored.
        for file in self.files.iter().filter(|file| *file != "-") {
            Lines::open(file)?;
        }
        let store = self.store.open(true)?;
        // Before anything is stored under the name of a file that was renamed.
        let endings = self.files.iter().map(|file| Ending::of(file, &store));
        let endings = endings.collect::<Result<Vec<_>, _>>()?;
        config.prepare(&store)?;
        let mut writer = store.writer_in(&config.cluster, &self.label, ruleset.clone(), now())?;
        for warning in writer.take_warnings() {
            say(format_args!("warning: {warning}"));
        }
        let (mut stored, mut bad) = (0_u64, Bad::default());
        for (file, mut ending) in self.files.iter().zip(endings) {
            let mut events: Vec<Prepared> = Vec::with_capacity(MOST_LINES);
            let read = self.lines.each_of(file, ending.place(), &ruleset, &mut bad, |place, prepared| {
                stored += 1;
                ending.read(place);
                events.push(prepared);
                if events.len() < MOST_LINES {
                    return Ok(());
                }
                commit(&mut writer, std::mem::take(&mut events), &ending)
            });
            // Lines in front of an error are kept: the next run goes on behind them.
            commit(&mut writer, events, &ending)?;
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

fn commit(writer: &mut Writer, events: Vec<Prepared>, ending: &Ending) -> Result<(), Failure> {
    let positions = ending.position.clone().into_iter().collect();
    writer.write_request(Request { events, key: None, positions }, now())?;
    Ok(())
}

/// How far a file is stored; nothing is remembered of standard input.
struct Ending {
    position: Option<Position>,
    head: Vec<u8>,
}

impl Ending {
    /// The stored position of the file, or of the one that it was before it was renamed.
    fn of(file: &str, store: &Store) -> Result<Self, Failure> {
        if file == "-" {
            return Ok(Self { position: None, head: Vec::new() });
        }
        let (head, size) = beginning(file)?;
        let fits = |known: &Position| begins(&head, known) && size.is_none_or(|size| known.position <= size);
        let path = std::fs::canonicalize(file).map_or_else(|_| file.into(), |path| path.display().to_string());
        let machine = secmon_http::host_name();
        let name = store.position_name(&machine, &path);
        let known = store.position(&name)?.filter(fits);
        let known = match known {
            Some(known) => Some(known),
            None => store.positions()?.into_iter().find(|known| {
                let before = known.name.strip_prefix(&store.position_name(&machine, ""));
                let before = before.filter(|path| path.starts_with('/') && known.head > 0);
                // A copy that still stands where it was is another file.
                before.is_some_and(|path| fits(known) && !beginning(path).is_ok_and(|(head, _)| begins(&head, known)))
            }),
        };
        let fresh = || Position { name: name.clone(), fingerprint: fingerprint(&[]), head: 0, position: 0, lines: 0 };
        let known = known.map(|known| Position { name: name.clone(), ..known });
        Ok(Self { position: Some(known.unwrap_or_else(fresh)), head })
    }

    fn place(&self) -> Place {
        self.position.as_ref().map_or_else(Place::default, |position| Place { lines: position.lines, bytes: position.position })
    }

    fn read(&mut self, place: Place) {
        if let Some(position) = &mut self.position {
            (position.lines, position.position) = (place.lines, place.bytes);
            // Of what was not read yet it is not known whether it stays.
            let covered = usize::try_from(place.bytes).ok().and_then(|bytes| self.head.get(..bytes));
            let covered = covered.unwrap_or(&self.head);
            (position.fingerprint, position.head) = (fingerprint(covered), covered.len() as u64);
        }
    }
}

/// Whether a file that begins so is the one of a position.
fn begins(head: &[u8], known: &Position) -> bool {
    let covered = usize::try_from(known.head).ok().and_then(|bytes| head.get(..bytes));
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
