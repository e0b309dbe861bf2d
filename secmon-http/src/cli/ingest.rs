//! `secmon ingest`: files into the store, resumable and idempotent.

use clap::Args;
use secmon_core::Prepared;
use secmon_http::clock::now;
use secmon_http::{Config, input::Lines};
use secmon_store::{Position, Request, Writer};
use sha2::{Digest as _, Sha256};

use super::lines::LineArgs;
use super::output::say;
use super::{Failure, Run, StoreArgs};

/// Lines of one commit.
const MOST_LINES: usize = 1_000;
/// Lines that tell a file from another one of its name.
const HEAD_LINES: u64 = 8;

/// Store the lines of files, sealed and counted
///
/// A file that was stored before is read on where it ended; the same file twice stores nothing twice.
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
        config.prepare(&store)?;
        let mut writer = store.writer_in(&config.cluster, &self.label, ruleset.clone(), now())?;
        for warning in writer.take_warnings() {
            say(format_args!("warning: {warning}"));
        }
        let (mut stored, mut bad) = (0, 0);
        for file in &self.files {
            let mut ending = Ending::of(file, &store)?;
            let mut events: Vec<Prepared> = Vec::with_capacity(MOST_LINES);
            let skip = ending.position.as_ref().map_or(0, |position| position.lines);
            let read = self.lines.each_of(file, skip, &ruleset, |bytes, prepared| {
                stored += 1;
                bad += u64::from(prepared.error().is_some());
                ending.read(bytes);
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
        say(format_args!("stored {stored} line(s) in stream {stream}, {bad} of them as `pipeline_error`"));
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
}

impl Ending {
    /// The stored position, if the file still begins as it did.
    fn of(file: &str, store: &secmon_store::Store) -> Result<Self, Failure> {
        if file == "-" {
            return Ok(Self { position: None });
        }
        let path = std::fs::canonicalize(file).map_or_else(|_| file.into(), |path| path.display().to_string());
        let name = store.position_name(&secmon_http::host_name(), &path);
        let known = store.position(&name)?;
        let head = known.as_ref().map_or(HEAD_LINES, |position| position.head);
        let (fingerprint, lines) = fingerprint(file, head)?;
        let same = known.filter(|known| known.fingerprint == fingerprint && lines == known.head);
        let fresh = || Position { name, fingerprint, head: lines, position: 0, lines: 0 };
        Ok(Self { position: Some(same.unwrap_or_else(fresh)) })
    }

    fn read(&mut self, bytes: u64) {
        if let Some(position) = &mut self.position {
            position.position = bytes;
            position.lines += 1;
        }
    }
}

/// SHA-256 of the first lines, and how many there were.
fn fingerprint(file: &str, most: u64) -> Result<([u8; 32], u64), Failure> {
    let mut lines = Lines::open(file)?;
    let mut hash = Sha256::new();
    let mut count = 0;
    while count < most {
        let line = lines.next_line().map_err(|error| format!("cannot read `{file}`: {error}"))?;
        match line {
            None => break,
            Some(secmon_http::input::Line::Whole(bytes)) => hash.update(bytes),
            Some(secmon_http::input::Line::Oversized { sha256, .. }) => hash.update(sha256),
        }
        hash.update(b"\n");
        count += 1;
    }
    Ok((hash.finalize().into(), count))
}
