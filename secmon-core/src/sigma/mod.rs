//! Sigma rules: detections, correlations and filters of version 2.1.0, matched all at once.
//!
//! ```
//! use secmon_core::{Counters, Ruleset, sigma::SigmaRules};
//!
//! let mut rules = SigmaRules::default();
//! rules.load("rules/sudo.yml", r#"
//! title: A shell as root
//! id: 5f3c7c1e-0000-4000-8000-000000000001
//! logsource: {product: linux, service: sudo}
//! detection:
//!   shell: {process.command_line|endswith: [/bin/sh, /bin/bash]}
//!   condition: shell
//! level: high
//! "#);
//! assert!(rules.problems().is_empty());
//!
//! let ruleset = Ruleset::builder().sigma(&rules).build()?;
//! let line = "Nov 20 11:59:00 web-1 sudo: bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/bash";
//! let now = "2026-11-20T12:00:00Z".parse()?;
//! let mut counters = Counters::new(&ruleset);
//! for prepared in ruleset.prepare_lines([line], now) {
//!     counters.event("auth.log", 0, &prepared);
//! }
//! assert_eq!(counters.incidents()[0].title, "A shell as root");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod active;
mod condition;
mod correlation;
mod encoding;
mod engine;
mod explain;
mod line;
mod literal;
mod matcher;
mod modifier;
mod moment;
mod pattern;
mod pipeline;
mod placeholder;
mod plain;
mod predicate;
mod problem;
mod regex;
mod resolve;
mod rule;
mod selection;
mod shipped;
mod source;
mod view;
mod yaml;

use std::sync::{Arc, OnceLock};

pub(crate) use self::active::SigmaRule;
pub use self::engine::RuleCounts;
pub use self::explain::{Explanation, Step};
pub(crate) use self::matcher::Matcher;
use self::pipeline::Pipeline;
pub use self::problem::Problem;
pub use self::rule::FilterMode;
use self::rule::{Body, Header};

/// The kind of all rules that were written in Sigma.
pub(crate) const KIND: &str = "sigma";

/// Sigma rules, filters and pipelines as they were read.
///
/// One bad rule never stops the others: it is among the [problems](SigmaRules::problems).
#[derive(Clone, Debug)]
pub struct SigmaRules {
    documents: Vec<Document>,
    pipelines: Vec<Pipeline>,
    filter_mode: FilterMode,
    problems: Vec<Problem>,
    /// Bytes that are left for regular expressions.
    room: usize,
    /// Rules in use and what is wrong with them, once somebody asked.
    resolved: OnceLock<Resolution>,
}

type Resolution = (Vec<Arc<SigmaRule>>, Vec<Problem>);

#[derive(Clone, Debug)]
struct Document {
    file: Arc<str>,
    header: Header,
    body: Body,
    /// Whether it comes with secmon: it gives way to whoever has its name.
    is_shipped: bool,
}

/// A rule with fields that no parser and no mapping gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unmapped {
    /// The name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The fields.
    pub fields: Vec<String>,
}

impl Default for SigmaRules {
    fn default() -> Self {
        Self {
            documents: Vec::new(),
            pipelines: vec![Pipeline::builtin()],
            filter_mode: FilterMode::default(),
            problems: Vec::new(),
            room: regex::MOST_TOGETHER,
            resolved: OnceLock::new(),
        }
    }
}

impl SigmaRules {
    /// Reads the rules of a file; the name is for messages. Placeholders must be known before: load
    /// [pipelines](SigmaRules::load_pipeline) first.
    pub fn load(&mut self, file: &str, text: &str) {
        self.read(file, text, false);
    }

    fn read(&mut self, file: &str, text: &str, is_shipped: bool) {
        self.resolved = OnceLock::new();
        let name: Arc<str> = file.into();
        let mut documents = Vec::new();
        yaml::documents(text, |node| documents.push(node));
        for node in documents {
            let node = match node {
                // Behind a last `---` there is nothing, which is no rule.
                Ok(node) if matches!(node.kind, yaml::Kind::Null) => continue,
                Ok(node) => node,
                Err(wrong) => {
                    self.problem(file, wrong, false);
                    continue;
                }
            };
            let mut warnings = Vec::new();
            let pipelines = &self.pipelines;
            let parsed =
                rule::parse(&node, &|name| Pipeline::placeholder(pipelines, name), &mut warnings);
            for warning in warnings {
                self.problem(file, warning, true);
            }
            let room = &mut self.room;
            let parsed = parsed.and_then(|(header, body)| {
                let fits = body.expr().map_or(Ok(()), |expr| regex::compile(expr, room));
                fits.map_err(|reason| problem::Wrong::at(header.line, reason))?;
                Ok((header, body))
            });
            match parsed {
                Ok((header, body)) => {
                    self.documents.push(Document {
                        file: Arc::clone(&name),
                        header,
                        body,
                        is_shipped,
                    });
                }
                Err(wrong) => self.problem(file, wrong, false),
            }
        }
    }

    /// Reads a pipeline: mappings of fields, conditions, and what placeholders stand for.
    pub fn load_pipeline(&mut self, file: &str, text: &str) {
        self.resolved = OnceLock::new();
        let mut documents = Vec::new();
        yaml::documents(text, |node| documents.push(node));
        let parsed = documents.into_iter().map(|node| pipeline::parse(&node?)).collect();
        match parsed {
            Ok::<Vec<Pipeline>, _>(new) => {
                for new in new {
                    match new.compile(&mut self.room) {
                        Ok(()) => Pipeline::insert(&mut self.pipelines, new),
                        Err(reason) => {
                            self.problem(file, problem::Wrong::at(1, reason), false);
                        }
                    }
                }
            }
            Err(wrong) => self.problem(file, wrong, false),
        }
    }

    /// Says how filters are to be read that do not say it themselves (`filter: {mode: and}`).
    pub fn set_filter_mode(&mut self, mode: FilterMode) {
        self.resolved = OnceLock::new();
        self.filter_mode = mode;
    }

    /// What is wrong with what was loaded, and what looks as if something else was meant.
    pub fn problems(&self) -> Vec<Problem> {
        let (_, found) = self.resolve();
        self.problems.iter().chain(found).cloned().collect()
    }

    /// The rules with fields that no parser and no mapping gives: they match only events that come with these
    /// very names.
    pub fn unmapped(&self) -> Vec<Unmapped> {
        self.resolved().iter().filter_map(|rule| rule.unmapped()).collect()
    }

    /// The rules in use.
    pub(crate) fn resolved(&self) -> &[Arc<SigmaRule>] {
        &self.resolve().0
    }

    fn resolve(&self) -> &Resolution {
        self.resolved.get_or_init(|| resolve::resolve(self))
    }

    fn problem(&mut self, file: &str, wrong: problem::Wrong, is_warning: bool) {
        let problem::Wrong { line, reason } = wrong;
        self.problems.push(Problem { file: file.into(), line, reason, is_warning });
    }
}
