//! `secmon rules`: the rules in use, what is wrong with Sigma rules, what a rule would find, and why.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use secmon_core::rules::Signal;
use secmon_core::{Counters, Detection, Group, Incident, Ruleset};
use secmon_http::{Config, SigmaConfig};

use super::lines::LineArgs;
use super::output::{Format, Table, say, stdout, style};
use super::scan::{EventArgs, RuleArgs};
use super::{Failure, Run};

/// Rules: list them, check Sigma files, try one on events, explain one
///
/// Example: secmon rules check rules/
#[derive(Args, Debug)]
pub(crate) struct Rules {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The rules in use
    ///
    /// Example: secmon rules list --config secmon.toml
    List {
        #[command(flatten)]
        source: RuleArgs,
        /// How to print it [default: table on a terminal, else jsonl]
        #[arg(long, value_enum)]
        output: Option<Format>,
    },
    /// What is wrong with Sigma rules, by file and line; exits with 1 if a rule was refused
    ///
    /// Example: secmon rules check rules/ extra.yml
    Check {
        /// Files, and folders of .yml files
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// A pipeline in pySigma's form; may repeat
        #[arg(long, value_name = "FILE")]
        pipeline: Vec<PathBuf>,
    },
    /// What a rule would find: incidents a day, its groups, and what a filter or a silence would hide
    ///
    /// Over files, or over what is stored. Example: secmon rules test rule.yml --since 30d
    Test(Test),
    /// Why a rule matches an event, or why not
    ///
    /// The event is the first line of a file, JSON or a log line. Example: secmon rules explain rule.yml event.json
    Explain {
        /// A file of one rule, or the id of a rule in use
        #[arg(value_name = "RULE")]
        rule: String,
        /// A file; `-` is standard input
        #[arg(value_name = "EVENT")]
        event: String,
        #[command(flatten)]
        source: RuleArgs,
        #[command(flatten)]
        lines: LineArgs,
    },
}

#[derive(Args, Debug)]
struct Test {
    /// A file of one rule, or the id of a rule in use
    #[arg(value_name = "RULE")]
    rule: String,
    #[command(flatten)]
    events: EventArgs,
    /// A Sigma filter: what it would hide is told
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
    /// What groups hold that would be silenced: what that would hide is told; may repeat, all must hold
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    silence: Vec<(String, String)>,
    #[command(flatten)]
    source: RuleArgs,
    #[command(flatten)]
    lines: LineArgs,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| format!("`{text}` is no NAME=VALUE, such as source.ip=192.0.2.7"))
}

impl Run for Rules {
    fn run(self) -> Result<u8, Failure> {
        match self.action {
            Action::List { source, output } => list(&source, output),
            Action::Check { paths, pipeline } => check(paths, pipeline),
            Action::Test(mut test) => {
                test.lines.configure(&Config::load(test.source.config.as_deref())?);
                test.run()
            }
            Action::Explain { rule, event, source, mut lines } => {
                lines.configure(&Config::load(source.config.as_deref())?);
                explain(&rule, event, &source, &lines)
            }
        }
    }
}

/// The rules in use; a file of rules may be given by its path in place of an id.
fn ruleset(
    source: &RuleArgs,
    rule: Option<&str>,
    filter: Option<&PathBuf>,
) -> Result<Ruleset, Failure> {
    let mut config = Config::load(source.config.as_deref())?;
    let file = rule.map(PathBuf::from).filter(|path| path.is_file());
    if file.is_some() {
        config.sigma.rules.clear();
        config.rules.clear();
        config.builtin = false;
    }
    source.add_to(&mut config);
    config.sigma.rules.extend(file.iter().chain(filter).cloned());
    let builder = super::rule_builder(&config)?;
    Ok(match rule.filter(|_| file.is_none()) {
        Some(id) => builder.only(&[id.to_owned()])?,
        None => builder,
    }
    .build()?)
}

fn list(source: &RuleArgs, output: Option<Format>) -> Result<u8, Failure> {
    let ruleset = ruleset(source, None, None)?;
    let mut out = stdout();
    let mut table = Table::new(["LEVEL", "ID", "KIND", "ATT&CK", "TITLE"]);
    for rule in ruleset.rules() {
        if Format::or_default(output) == Format::Table {
            let (level, kind) = (rule.level().to_string(), rule.kind_name().to_owned());
            let cells = [level, rule.id().into(), kind, rule.about().technique.into(), rule.title().into()];
            table.row(style(rule.level()), cells);
            continue;
        }
        out.line(serde_json::to_string(rule)?)?;
    }
    if Format::or_default(output) == Format::Table {
        table.print(&mut out)?;
    }
    out.flush()?;
    Ok(0)
}

fn check(rules: Vec<PathBuf>, pipelines: Vec<PathBuf>) -> Result<u8, Failure> {
    let rules = SigmaConfig { rules, pipelines, ..SigmaConfig::default() }.load(false)?;
    let mut out = stdout();
    let problems = rules.problems();
    for problem in &problems {
        out.line(problem)?;
    }
    let unmapped = rules.unmapped();
    for rule in &unmapped {
        let fields = rule.fields.join(", ");
        let (file, line) = (&rule.file, rule.line);
        out.line(format_args!("{file}:{line}: note: only events that bring these names have them: {fields}"))?;
    }
    out.flush()?;
    let refused = problems.iter().filter(|problem| !problem.is_warning).count();
    let count = Ruleset::builder().sigma(&rules).build()?.rules().count();
    say(format_args!(
        "{count} rule(s) can be used, {refused} error(s), {} warning(s), {} rule(s) with fields of their own",
        problems.len() - refused,
        unmapped.len(),
    ));
    Ok(u8::from(refused > 0))
}

/// What one run of a rule over events found.
#[derive(Default)]
struct Found {
    events: u64,
    detections: Vec<Detection>,
    incidents: Vec<Incident>,
}

impl Test {
    fn run(self) -> Result<u8, Failure> {
        let found = self.found(None)?;
        let mut out = stdout();
        // Incidents that begin, and detections, a day.
        let mut days: BTreeMap<NaiveDate, (usize, usize)> = BTreeMap::new();
        let mut groups: BTreeMap<String, usize> = BTreeMap::new();
        for incident in &found.incidents {
            days.entry(incident.first.date_naive()).or_default().0 += 1;
        }
        for detection in &found.detections {
            days.entry(detection.time.date_naive()).or_default().1 += 1;
            *groups.entry(detection.group.to_string()).or_default() += 1;
        }
        out.line(format_args!(
            "{} event(s), {} detection(s), {} incident(s)",
            found.events,
            found.detections.len(),
            found.incidents.len()
        ))?;
        for (day, (incidents, detections)) in &days {
            out.line(format_args!("{day}  {incidents} incident(s), {detections} detection(s)"))?;
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (group, count) in groups.iter().take(10) {
            let group = if group.is_empty() { "(one group)" } else { group };
            out.line(format_args!("{count:>10}  {group}"))?;
        }
        if let Some(filter) = &self.filter {
            let left = self.found(Some(filter))?;
            let hidden = found.detections.len().saturating_sub(left.detections.len());
            let gone = found.incidents.len().saturating_sub(left.incidents.len());
            out.line(format_args!("the filter hides {hidden} detection(s), {gone} incident(s)"))?;
        }
        if !self.silence.is_empty() {
            let hides = |group: &Group| {
                let pairs = group.pairs();
                self.silence.iter().all(|(name, value)| {
                    pairs.iter().any(|(own, held)| own.as_str() == name && held.to_string() == *value)
                })
            };
            let hidden = found.detections.iter().filter(|one| hides(&one.group)).count();
            let gone = found.incidents.iter().filter(|one| hides(&one.group)).count();
            out.line(format_args!("the silence hides {hidden} detection(s), {gone} incident(s)"))?;
        }
        out.flush()?;
        Ok(u8::from(!found.detections.is_empty()))
    }

    fn found(&self, filter: Option<&PathBuf>) -> Result<Found, Failure> {
        let ruleset = ruleset(&self.source, Some(&self.rule), filter)?;
        let mut counters = Counters::new(&ruleset);
        let mut found = Found::default();
        let mut visit = |signals: &[Signal]| {
            found.detections.extend(counters.signals("test", found.events, signals));
            found.events += 1;
            Ok(())
        };
        self.events.each_signals(&self.lines, &ruleset, &mut visit)?;
        found.incidents = counters.incidents();
        Ok(found)
    }
}

fn explain(rule: &str, event: String, source: &RuleArgs, lines: &LineArgs) -> Result<u8, Failure> {
    let ruleset = ruleset(source, Some(rule), None)?;
    let mut first = None;
    lines.each(&[event], &Ruleset::empty(), |prepared| {
        first.get_or_insert(prepared.event);
        Ok(())
    })?;
    let event = first.ok_or("there is no event")?;
    let mut out = stdout();
    for rule in ruleset.rules() {
        let Some(explanation) = ruleset.explain(rule.id(), &event) else {
            out.line(format_args!("{}: asks more than one event, or is not written in Sigma", rule.id()))?;
            continue;
        };
        let verdict = if explanation.matches { "matches" } else { "does not match" };
        out.line(format_args!("{} {verdict}: {}", rule.id(), rule.title()))?;
        if !explanation.fits_source {
            out.line("  the event is of another log source: the rule is not tried")?;
        }
        for step in &explanation.steps {
            let sign = if step.holds { '✓' } else { '✗' };
            let found = step.found.as_ref().map(|found| format!("   [{found}]")).unwrap_or_default();
            let indent = 2 * step.depth + 2;
            out.line(format_args!("{:indent$}{sign} {}{found}", "", step.asks))?;
        }
    }
    out.flush()?;
    Ok(0)
}
