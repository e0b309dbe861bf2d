//! Files of lines, as `parse`, `scan` and `ingest` read them.

use std::io::IsTerminal as _;

use chrono::{DateTime, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use secmon_core::Prepared;
use secmon_core::Ruleset;
use secmon_core::parse::{Context, LineFormat, Zone};
use secmon_core::rules::Signal;
use secmon_http::Config;
use secmon_http::clock::now;
use secmon_http::input::{Line, Lines};

use super::Failure;
use super::output::{printable, say};

/// Characters of an error that are shown.
const MOST_SAID: usize = 200;

/// A place in a file: behind so many lines and bytes, of the content if it is compressed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) lines: u64,
    pub(super) bytes: u64,
}

/// Whether a line, whose first bytes were read before, is no other now: at most its end has come.
fn is_known(line: &Line<'_>, before: u64) -> bool {
    match line {
        Line::Oversized { length, .. } => *length <= before,
        Line::Whole(bytes) => {
            let came = usize::try_from(before).ok().and_then(|before| bytes.get(before..));
            came.is_none_or(|came| came.is_empty() || came == b"\r")
        }
    }
}

/// Lines that could not be parsed: how many, and what was wrong with the first.
#[derive(Debug, Default)]
pub(super) struct Bad {
    pub(super) count: u64,
    first: String,
}

impl Bad {
    fn see(&mut self, file: &str, place: Place, error: Option<&str>) {
        let Some(error) = error else { return };
        if self.count == 0 {
            // JSON says itself what is wrong with it, in any length.
            let error: String = error.chars().take(MOST_SAID).collect();
            self.first = printable(&format!("the first: `{file}` line {}: {error}", place.lines));
        }
        self.count += 1;
    }

    /// Tells of the first, if there was one.
    pub(super) fn say(&self, what: &str) {
        if self.count > 0 {
            say(format_args!("{} line(s) {what}; {}", self.count, self.first));
        }
    }
}

/// How lines are read.
#[derive(Args, Debug)]
pub(super) struct LineArgs {
    /// Read every line in this format instead of detecting it
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Stamps without a year are read as the latest not more than a day after this time [default: the
    /// file's last change; for `-` the time of receipt]
    #[arg(long, value_name = "T", value_parser = time)]
    reference_time: Option<DateTime<Utc>>,
    /// The zone of stamps that name none: an IANA name or an offset [env: SECMON_TIMEZONE=] [default: that of the
    /// configuration, else UTC]
    #[arg(long, value_name = "Z", allow_hyphen_values = true)]
    timezone: Option<Zone>,
    /// That of the configuration.
    #[arg(skip)]
    configured: Option<Zone>,
}

/// A time in RFC 3339.
pub(super) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    text.parse().map_err(|_| format!("`{text}` is no time, such as 2026-11-20T12:30:00Z"))
}

impl LineArgs {
    /// Reads lines as a configuration says, where nothing else is given.
    pub(super) fn configure(&mut self, config: &Config) {
        self.configured = config.timezone;
    }

    /// The zone of stamps that name none: as given, else of the environment, else of the configuration.
    fn zone(&self) -> Result<Zone, Failure> {
        if let Some(zone) = self.timezone {
            return Ok(zone);
        }
        match std::env::var("SECMON_TIMEZONE").ok().filter(|name| !name.is_empty()) {
            Some(name) => Ok(name.parse().map_err(|error| format!("SECMON_TIMEZONE: {error}"))?),
            None => Ok(self.configured.unwrap_or_default()),
        }
    }

    /// Gives every line of the files, prepared, to a visitor; says which could not be parsed.
    pub(super) fn each(
        &self,
        files: &[String],
        ruleset: &Ruleset,
        mut visit: impl FnMut(Prepared) -> Result<(), Failure>,
    ) -> Result<Bad, Failure> {
        let mut bad = Bad::default();
        for file in files {
            self.each_of(file, 0, ruleset, &mut bad, |_, prepared| visit(prepared))?;
        }
        Ok(bad)
    }

    /// Gives every line of a file behind so many bytes, with the place behind the line; also one that was half
    /// there before, whole.
    pub(super) fn each_of(
        &self,
        file: &str,
        behind: u64,
        ruleset: &Ruleset,
        bad: &mut Bad,
        mut visit: impl FnMut(Place, Prepared) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let prepare = |line: &Line<'_>, format, cx: &Context| line.prepare(ruleset, format, cx);
        self.read(file, behind, prepare, |place, prepared| {
            bad.see(file, place, prepared.error());
            visit(place, prepared)
        })
    }

    /// Gives what every line of the files is to the rules to a visitor; says which could not be parsed.
    pub(super) fn each_signals(
        &self,
        files: &[String],
        ruleset: &Ruleset,
        mut visit: impl FnMut(&[Signal]) -> Result<(), Failure>,
    ) -> Result<Bad, Failure> {
        let mut bad = Bad::default();
        for file in files {
            let glance = |line: &Line<'_>, format, cx: &Context| line.glance(ruleset, format, cx);
            self.read(file, 0, glance, |place, found| {
                bad.see(file, place, found.error.as_deref());
                visit(&found.signals)
            })?;
        }
        Ok(bad)
    }

    fn read<R>(
        &self,
        file: &str,
        behind: u64,
        read: impl Fn(&Line<'_>, LineFormat, &Context) -> R,
        mut visit: impl FnMut(Place, R) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (format, zone) = (self.line_format()?, self.zone()?);
        let mut lines = Lines::open(file)?;
        let fixed = self.reference_time.or(lines.modified);
        let bar = progress(lines.size);
        let mut number = 0;
        loop {
            let reference = fixed.unwrap_or_else(now);
            let cx = Context { reference, zone };
            let begin = lines.position();
            let line = lines.next_line();
            let line = line
                .map_err(|error| format!("cannot read `{file}` behind line {number}: {error}"))?;
            let Some(line) = line else { break };
            number += 1;
            if begin < behind && is_known(&line, behind - begin) {
                continue;
            }
            let read = read(&line, format, &cx);
            let bytes = lines.position();
            visit(Place { lines: number, bytes }, read)?;
            if number % 4_096 == 0 {
                bar.set_position(bytes);
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn line_format(&self) -> Result<LineFormat, Failure> {
        Ok(self.format.as_deref().map_or(Ok(LineFormat::Detect), LineFormat::named)?)
    }
}

/// A bar on a terminal, and nothing elsewhere.
pub(super) fn progress(size: Option<u64>) -> ProgressBar {
    match size {
        Some(size) if std::io::stderr().is_terminal() && size > 1 << 20 => {
            let style = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            let style = ProgressStyle::with_template(style)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(size).with_style(style)
        }
        _ => ProgressBar::hidden(),
    }
}

/// A bar that counts records, on a terminal, and nothing elsewhere.
pub(super) fn counter(total: u64) -> ProgressBar {
    if std::io::stderr().is_terminal() { ProgressBar::new(total) } else { ProgressBar::hidden() }
}
