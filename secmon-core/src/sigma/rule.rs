//! Documents of rules: detections, correlations and filters, with what they say of themselves.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::condition::{self, Condition};
use super::correlation::{self, Correlation};
use super::placeholder::Placeholders;
use super::predicate::Expr;
use super::problem::Wrong;
use super::selection::Compiler;
use super::source::LogSource;
use super::yaml::{Kind, Node};
use crate::event::Level;

/// What every document says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) title: String,
    pub(super) level: Option<Level>,
    pub(super) description: String,
    pub(super) tags: Vec<String>,
    pub(super) false_positives: Vec<String>,
    /// Keys that the specification does not know, as JSON.
    pub(super) custom: BTreeMap<String, serde_json::Value>,
    pub(super) line: usize,
    /// SHA-256 over the whole document.
    pub(super) hash: [u8; 32],
}

/// What a document is.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Detection(LogSource, Expr),
    Correlation(Correlation),
    Filter(Filter),
}

impl Body {
    /// What it asks of one event, if it does.
    pub(super) fn expr(&self) -> Option<&Expr> {
        match self {
            Self::Detection(_, expr) => Some(expr),
            Self::Filter(filter) => Some(&filter.expr),
            Self::Correlation(_) => None,
        }
    }
}

/// Events that rules shall not report.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) source: LogSource,
    /// Ids or names; none for all rules of the log source.
    pub(super) rules: Option<Vec<String>>,
    pub(super) expr: Expr,
    /// Whether the condition begins with `not`, as those are written that shall be joined by `and`.
    pub(super) is_negated: bool,
    /// How the filter itself says that it is to be read.
    pub(super) mode: Option<FilterMode>,
}

/// How a filter is joined with its rules. The specification and its first implementation differ.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterMode {
    /// `rule and not filter`, as the specification's example means it: what the filter matches is
    /// suppressed.
    #[default]
    AndNot,
    /// `rule and filter`, as pySigma joins them: only what the filter matches is kept.
    And,
}

const KNOWN: &[&str] = &[
    "action",
    "author",
    "correlation",
    "date",
    "description",
    "detection",
    "falsepositives",
    "fields",
    "filter",
    "generate",
    "id",
    "level",
    "license",
    "logsource",
    "modified",
    "name",
    "references",
    "related",
    "scope",
    "status",
    "tags",
    "taxonomy",
    "title",
];

/// Reads a document.
pub(super) fn parse(
    node: &Node,
    placeholders: Placeholders<'_>,
    warnings: &mut Vec<Wrong>,
) -> Result<(Header, Body), Wrong> {
    let members = node.members().ok_or_else(|| {
        Wrong::at(node.line, "a rule must be a map with title, logsource and detection".into())
    })?;
    let header = header(node, members)?;
    let mut compiler = Compiler { placeholders, warnings: Vec::new() };
    let body = if let Some(correlation) = node.get("correlation") {
        let mut correlation = correlation::parse(correlation, warnings)?;
        // The specification has `generate` beside `level`, pySigma inside of `correlation`.
        correlation.generate |= match node.get("generate").map(|node| (&node.kind, node.line)) {
            None => false,
            Some((Kind::Bool(value), _)) => *value,
            Some((_, line)) => {
                return Err(Wrong::at(line, "`generate` is true or false".into()));
            }
        };
        Body::Correlation(correlation)
    } else if let Some(filter) = node.get("filter") {
        Body::Filter(read_filter(filter, source(node)?, &mut compiler)?)
    } else {
        let detection = node
            .get("detection")
            .ok_or_else(|| Wrong::at(node.line, "`detection` is missing".into()))?;
        let (expr, _) = read_detection(detection, &[], &mut compiler)?;
        Body::Detection(source(node)?, expr)
    };
    warnings.append(&mut compiler.warnings);
    Ok((header, body))
}

fn source(node: &Node) -> Result<LogSource, Wrong> {
    let source = node
        .get("logsource")
        .ok_or_else(|| Wrong::at(node.line, "`logsource` is missing".into()))?;
    LogSource::parse(source)
}

fn header(node: &Node, members: &[(Node, Node)]) -> Result<Header, Wrong> {
    let text = |name: &str| node.get(name).and_then(Node::text).filter(|text| !text.is_empty());
    let texts = |name: &str| {
        let items = node.get(name).map_or(&[][..], Node::items);
        items.iter().filter_map(Node::text).collect::<Vec<_>>()
    };
    let title = text("title").ok_or_else(|| Wrong::at(node.line, "`title` is missing".into()))?;
    let level = match node.get("level") {
        Some(level) => {
            let word = level.text().unwrap_or_default().to_lowercase();
            let all =
                [Level::Informational, Level::Low, Level::Medium, Level::High, Level::Critical];
            let found = all.into_iter().find(|one| one.as_str() == word);
            let wrong = || {
                Wrong::at(
                    level.line,
                    format!("`{word}` is no level: informational, low, medium, high or critical"),
                )
            };
            Some(found.ok_or_else(wrong)?)
        }
        None => None,
    };
    let custom = members.iter().filter_map(|(key, value)| {
        let key = key.text().filter(|key| !KNOWN.contains(&key.as_str()))?;
        Some((key, value.json()))
    });
    Ok(Header {
        id: text("id"),
        name: text("name"),
        title,
        level,
        description: text("description").unwrap_or_default(),
        tags: texts("tags"),
        false_positives: texts("falsepositives"),
        custom: custom.collect(),
        line: node.line,
        hash: Sha256::digest(node.json().to_string()).into(),
    })
}

/// The selections of a `detection` and its condition; further keys that are no selections by name.
fn read_detection(
    node: &Node,
    further: &[&str],
    compiler: &mut Compiler<'_>,
) -> Result<(Expr, bool), Wrong> {
    let wrong = |reason: &str| Wrong::at(node.line, reason.into());
    let members = node.members().ok_or_else(|| wrong("selections and a `condition` are needed"))?;
    let mut names = Vec::new();
    let mut selections = Vec::new();
    for (key, value) in members {
        let name = key.text().unwrap_or_default();
        match name.as_str() {
            "condition" => {}
            "timeframe" => {
                compiler.warnings.push(Wrong::at(
                    key.line,
                    "`timeframe` says nothing without an aggregation; correlation rules replaced both".into(),
                ));
            }
            name if further.contains(&name) => {}
            _ => {
                let selection = compiler.selection(value)?;
                selections.push(Expr::Named(name.as_str().into(), Box::new(selection)));
                names.push(name);
            }
        }
    }
    let node = node.get("condition").ok_or_else(|| wrong("`condition` is missing"))?;
    let mut conditions = Vec::new();
    for item in node.items() {
        let text =
            item.text().ok_or_else(|| Wrong::at(item.line, "a condition is a text".into()))?;
        conditions.push(condition::parse(&text, item.line, &names)?);
    }
    if conditions.is_empty() {
        return Err(Wrong::at(node.line, "`condition` is empty".into()));
    }
    let is_negated = conditions.iter().all(|condition| matches!(condition, Condition::Not(_)));
    let exprs = conditions.iter().map(|condition| resolve(condition, &selections)).collect();
    Ok((Expr::any(exprs), is_negated))
}

/// Puts selections in for their numbers.
fn resolve(condition: &Condition, selections: &[Expr]) -> Expr {
    let selection = |at: &usize| selections.get(*at).cloned().unwrap_or(Expr::Any(Vec::new()));
    let all = |parts: &[Condition]| parts.iter().map(|part| resolve(part, selections)).collect();
    match condition {
        Condition::Selection(at) => selection(at),
        Condition::Not(inner) => Expr::not(resolve(inner, selections)),
        Condition::All(parts) => Expr::all(all(parts)),
        Condition::Any(parts) => Expr::any(all(parts)),
        Condition::Of(count, among) => {
            let parts: Vec<Expr> = among.iter().map(selection).collect();
            match *count {
                1 => Expr::any(parts),
                count if count == parts.len() => Expr::all(parts),
                count => Expr::Of(count, parts),
            }
        }
    }
}

fn read_filter(
    node: &Node,
    source: LogSource,
    compiler: &mut Compiler<'_>,
) -> Result<Filter, Wrong> {
    let rules = node.get("rules").ok_or_else(|| {
        Wrong::at(
            node.line,
            "`rules` is missing: ids or names, or `any` for all of the log source".into(),
        )
    })?;
    let rules = match rules.text() {
        Some(word) if word.eq_ignore_ascii_case("any") => None,
        _ => Some(rules.texts("rules")?),
    };
    if rules.as_ref().is_some_and(Vec::is_empty) {
        return Err(Wrong::at(node.line, "`rules` is empty: nothing would be filtered".into()));
    }
    let mode = match node.get("mode") {
        Some(mode) => Some(match mode.text().as_deref() {
            Some("and_not") => FilterMode::AndNot,
            Some("and") => FilterMode::And,
            _ => return Err(Wrong::at(mode.line, "`mode` is `and_not` or `and`".into())),
        }),
        None => None,
    };
    let (expr, is_negated) = read_detection(node, &["rules", "mode"], compiler)?;
    Ok(Filter { source, rules, expr, is_negated, mode })
}

impl Node {
    /// Its texts, where it is one or a list of them; `name` is for the message.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Wrong> {
        let text = |item: &Self| {
            let wrong = || Wrong::at(item.line, format!("`{name}` is a text or a list of texts"));
            item.text().ok_or_else(wrong)
        };
        match &self.kind {
            Kind::Map(_) | Kind::Null => {
                Err(Wrong::at(self.line, format!("`{name}` is a text or a list of texts")))
            }
            _ => self.items().iter().map(text).collect(),
        }
    }

    /// The same as JSON.
    fn json(&self) -> serde_json::Value {
        match &self.kind {
            Kind::Bool(value) => (*value).into(),
            Kind::Number(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| text.clone().into())
            }
            Kind::Null => serde_json::Value::Null,
            Kind::Text(text) => text.clone().into(),
            Kind::List(items) => items.iter().map(Self::json).collect(),
            Kind::Map(members) => {
                let member =
                    |(key, value): &(Self, Self)| (key.text().unwrap_or_default(), value.json());
                serde_json::Value::Object(members.iter().map(member).collect())
            }
        }
    }
}
