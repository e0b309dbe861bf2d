//! `secmon scan`: detection offline, over files or over what is stored.

use std::path::PathBuf;
use std::time::Instant;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use clap::{Args, ValueEnum};
use secmon_core::rules::Signal;
use secmon_core::{Counters, Detection, Group, Incident, Level, Ruleset, parse_span};
use secmon_http::Config;
use secmon_http::clock::now;
use serde::Serialize;
use serde_json::value::RawValue;

use super::lines::LineArgs;
use super::output::{Format, Stdout, Table, say, stdout, style};
use super::{Failure, Run};

/// Find incidents in files or in a store
///
/// Exits with 1 if there are any. Example: secmon scan /var/log/auth.log
#[derive(Args, Debug)]
pub(crate) struct Scan {
    #[command(flatten)]
    events: EventArgs,
    #[command(flatten)]
    rules: RuleArgs,
    /// Try Sigma rules on all events, whatever their log sources
    #[arg(long)]
    unrouted: bool,
    /// Leave the built-in rules out
    #[arg(long)]
    no_builtin: bool,
    /// Use only this rule; may repeat
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t = What::Incidents)]
    what: What,
    /// How to print it [default: table on a terminal, else jsonl]
    #[arg(long, value_enum)]
    output: Option<Format>,
    /// Print figures on stderr
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    lines: LineArgs,
}

/// Where rules come from.
#[derive(Args, Debug)]
pub(super) struct RuleArgs {
    /// A configuration with rules, networks and zones
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Sigma rules: a file, or a folder of .yml files; may repeat
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// A pipeline in pySigma's form: where fields stand in events, what placeholders stand for; may repeat
    #[arg(long, value_name = "FILE")]
    pipeline: Vec<PathBuf>,
}

impl RuleArgs {
    /// Adds the Sigma rules and pipelines to those of a configuration.
    pub(super) fn add_to(&self, config: &mut Config) {
        config.sigma.rules.extend_from_slice(&self.rules);
        config.sigma.pipelines.extend_from_slice(&self.pipeline);
    }
}

/// Events in files, or in a store.
#[derive(Args, Debug)]
pub(super) struct EventArgs {
    /// Files, plain or .gz; `-` is standard input
    #[arg(required_unless_present_any = ["store", "since"], conflicts_with_all = ["store", "since"])]
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// What is stored instead of files; with --since by default that of `SECMON_STORE`, else sqlite://secmon.db
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Of what is stored, only events since then: a time, or how long ago, such as 30d
    #[arg(long, value_name = "T", value_parser = since)]
    since: Option<DateTime<Utc>>,
}

impl EventArgs {
    /// Gives what each event is to the rules to a visitor.
    pub(super) fn each_signals(
        &self,
        lines: &LineArgs,
        ruleset: &Ruleset,
        visit: &mut dyn FnMut(&[Signal]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if !self.files.is_empty() {
            lines.each_signals(&self.files, ruleset, visit)?.say("could not be parsed");
            return Ok(());
        }
        let usual = || std::env::var("SECMON_STORE").unwrap_or_else(|_| "sqlite://secmon.db".into());
        stored(&self.store.clone().unwrap_or_else(usual), self.since, ruleset, visit)
    }
}

/// A time in RFC 3339, a day, or a length of time before now.
fn since(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    let wrong = || format!("`{text}` is neither a time, such as 2026-11-20T00:00:00Z, nor a length of time, such as 30d");
    let ago = parse_span(text).map_err(|_| wrong())?;
    let ago = TimeDelta::from_std(ago).map_err(|_| wrong())?;
    now().checked_sub_signed(ago).ok_or_else(wrong)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum What {
    /// One line a rule and group
    Incidents,
    /// One line each time a rule fired
    Detections,
}

#[derive(Serialize)]
struct IncidentLine<'a> {
    rule: &'a str,
    title: &'a str,
    level: Level,
    group: &'a RawValue,
    first: String,
    last: String,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct DetectionLine<'a> {
    rule: &'a str,
    title: &'a str,
    level: Level,
    line: u64,
    time: String,
    group: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Default, Serialize)]
struct Stats {
    events: u64,
    detections: u64,
    incidents: usize,
    load_seconds: f64,
    seconds: f64,
    events_per_second: f64,
}

impl Run for Scan {
    fn run(mut self) -> Result<u8, Failure> {
        let started = Instant::now();
        let ruleset = self.ruleset()?;
        let mut stats = Stats { load_seconds: started.elapsed().as_secs_f64(), ..Stats::default() };
        let format = Format::or_default(self.output);
        let mut counters = Counters::new(&ruleset);
        let mut out = stdout();
        let mut table = Table::new(["TIME", "LEVEL", "RULE", "GROUP", "LINE"]);
        let started = Instant::now();
        let mut visit = |signals: &[Signal]| {
            let found = counters.signals("scan", stats.events, signals);
            stats.events += 1;
            stats.detections += found.len() as u64;
            if self.what == What::Detections {
                for detection in &found {
                    show(detection, format, &mut table, &mut out)?;
                }
            }
            Ok(())
        };
        self.events.each_signals(&self.lines, &ruleset, &mut visit)?;
        stats.seconds = started.elapsed().as_secs_f64();
        let incidents = counters.incidents();
        stats.incidents = incidents.len();
        match self.what {
            What::Detections if format == Format::Table => table.print(&mut out)?,
            What::Detections => {}
            What::Incidents => print(&incidents, format, &mut out)?,
        }
        out.flush()?;
        if counters.evicted() > 0 {
            say(format_args!("{} group(s) were dropped to stay within the memory budget", counters.evicted()));
        }
        if self.stats {
            #[expect(clippy::cast_precision_loss, reason = "a rate is shown")]
            let rate = stats.events as f64 / stats.seconds.max(1e-9);
            stats.events_per_second = rate.round();
            say(serde_json::to_string(&stats)?);
        }
        Ok(u8::from(!incidents.is_empty()))
    }
}

impl Scan {
    fn ruleset(&mut self) -> Result<Ruleset, Failure> {
        let mut config = match &self.rules.config {
            Some(path) => Config::load(Some(path))?,
            None => Config::default(),
        };
        self.lines.configure(&config);
        config.builtin &= !self.no_builtin;
        self.rules.add_to(&mut config);
        let mut builder = super::rule_builder(&config)?;
        if self.unrouted {
            builder = builder.unrouted();
        }
        Ok(if self.only.is_empty() { builder } else { builder.only(&self.only)? }.build()?)
    }
}

/// Gives the stored events to a visitor, stream by stream in the order in which they were sealed.
fn stored(
    url: &str,
    since: Option<DateTime<Utc>>,
    ruleset: &Ruleset,
    visit: &mut dyn FnMut(&[Signal]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let store = secmon_store::Store::open_existing(url)?;
    for stream in store.streams()? {
        let mut from = 0;
        while let Some((next, events)) = store.events(&stream, from, since)? {
            from = next;
            for event in events {
                visit(ruleset.prepare_event(event).signals())?;
            }
        }
    }
    Ok(())
}

fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A group's canonical JSON, as it is.
fn raw(group: &Group) -> Result<&RawValue, Failure> {
    Ok(serde_json::from_str(group.as_json())?)
}

fn show(detection: &Detection, format: Format, table: &mut Table, out: &mut Stdout) -> Result<(), Failure> {
    let Detection { rule, title, level, time, group, place, reason, .. } = detection;
    let (time, line) = (rfc3339(*time), place.seq + 1);
    if format == Format::Table {
        table.row(
            style(*level),
            [time, level.to_string(), rule.clone(), group.to_string(), line.to_string()],
        );
        return Ok(());
    }
    let (group, reason) = (raw(group)?, reason.as_deref());
    let line = DetectionLine { rule, title, level: *level, line, time, group, reason };
    out.line(serde_json::to_string(&line)?)
}

fn print(incidents: &[Incident], format: Format, out: &mut Stdout) -> Result<(), Failure> {
    if format == Format::Table {
        let mut table = Table::new(["LEVEL", "RULE", "GROUP", "COUNT", "FIRST", "LAST", "TITLE"]);
        for Incident { rule, title, level, group, first, last, count, reason, .. } in incidents {
            let (first, last) = (rfc3339(*first), rfc3339(*last));
            let (level_text, group, count) = (level.to_string(), group.to_string(), count.to_string());
            let title = reason.as_ref().map_or_else(|| title.clone(), |reason| format!("{title}: {reason}"));
            table.row(style(*level), [level_text, rule.clone(), group, count, first, last, title]);
        }
        return table.print(out);
    }
    for Incident { rule, title, level, group, first, last, count, reason, .. } in incidents {
        let (first, last) = (rfc3339(*first), rfc3339(*last));
        let (level, group, count, reason) = (*level, raw(group)?, *count, reason.as_deref());
        let line = IncidentLine { rule, title, level, group, first, last, count, reason };
        out.line(serde_json::to_string(&line)?)?;
    }
    Ok(())
}
