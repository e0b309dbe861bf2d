//! Correlation rules: several events of one group within a time span.

mod count;
mod measure;
mod window;

use std::collections::BTreeMap;

pub(super) use self::count::{Counting, Node as Counted, Payload};
use super::predicate::Op;
use super::problem::Wrong;
use super::yaml::{Kind, Node};

/// A correlation as it is written.
#[derive(Clone, Debug)]
pub(super) struct Correlation {
    pub(super) kind: CorrelationKind,
    /// Ids or names of what it correlates.
    pub(super) rules: Vec<String>,
    pub(super) group_by: Vec<String>,
    /// The length of the window, µs.
    pub(super) timespan: i64,
    pub(super) condition: Vec<(Op, f64)>,
    /// The fields whose values are counted or computed with.
    pub(super) fields: Vec<String>,
    /// Alias → rule → field.
    pub(super) aliases: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether the rules that it refers to are reported too.
    pub(super) generate: bool,
    /// Which percentile.
    pub(super) percentile: Option<f64>,
}

/// What a correlation computes of the events in its window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum CorrelationKind {
    EventCount,
    ValueCount,
    Temporal,
    TemporalOrdered,
    ValueSum,
    ValueAvg,
    /// With `percentile`, that percentile of the values; without, as in the specification's example, how
    /// many in a hundred of the values are the same as this one.
    ValuePercentile,
}

impl CorrelationKind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "event_count" => Self::EventCount,
            "value_count" => Self::ValueCount,
            "temporal" => Self::Temporal,
            "temporal_ordered" => Self::TemporalOrdered,
            "value_sum" => Self::ValueSum,
            "value_avg" => Self::ValueAvg,
            "value_percentile" => Self::ValuePercentile,
            _ => return None,
        })
    }

    fn is_temporal(self) -> bool {
        matches!(self, Self::Temporal | Self::TemporalOrdered)
    }
}

/// Windows longer than this are a slip of the pen.
const MOST_DAYS: i64 = 366;

/// What a correlation may say.
const KEYS: [&str; 7] =
    ["type", "rules", "group-by", "timespan", "condition", "aliases", "generate"];

pub(super) fn parse(node: &Node, warnings: &mut Vec<Wrong>) -> Result<Correlation, Wrong> {
    let missing = |what: &str| Wrong::at(node.line, format!("correlation: `{what}` is missing"));
    let word = node.get("type").ok_or_else(|| missing("type"))?;
    let kind = CorrelationKind::named(&word.text().unwrap_or_default()).ok_or_else(|| {
        Wrong::at(
            word.line,
            "`type` is event_count, value_count, temporal, temporal_ordered, value_sum, value_avg or \
             value_percentile"
                .into(),
        )
    })?;
    let texts = |name: &str| node.get(name).map_or_else(|| Ok(Vec::new()), |node| node.texts(name));
    for (key, _) in node.members().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        if !KEYS.contains(&name.as_str()) {
            let known = KEYS.join(", ");
            let reason = format!("correlation: `{name}` says nothing; there are {known}");
            warnings.push(Wrong::at(key.line, reason));
        }
    }
    let rules = texts("rules")?;
    if let Some(twice) = rules
        .iter()
        .enumerate()
        .find(|(at, rule)| rules.iter().take(*at).any(|other| other == *rule))
    {
        let reason = format!("correlation: `{}` stands twice in `rules`", twice.1);
        return Err(Wrong::at(node.get("rules").map_or(node.line, |node| node.line), reason));
    }
    if rules.is_empty() {
        return Err(missing("rules"));
    }
    if rules.len() > 64 {
        return Err(Wrong::at(node.line, "more than 64 rules in one correlation".into()));
    }
    let span = node.get("timespan").ok_or_else(|| missing("timespan"))?;
    let timespan = timespan(&span.text().unwrap_or_default()).ok_or_else(|| {
        Wrong::at(
            span.line,
            "`timespan` is a number and s, m, h or d, as in `90m`; up to 366d".into(),
        )
    })?;
    let generate = match node.get("generate").map(|node| (&node.kind, node.line)) {
        None => false,
        Some((Kind::Bool(value), _)) => *value,
        Some((_, line)) => return Err(Wrong::at(line, "`generate` is true or false".into())),
    };
    let mut correlation = Correlation {
        kind,
        rules,
        group_by: texts("group-by")?,
        timespan,
        condition: Vec::new(),
        fields: Vec::new(),
        aliases: aliases(node.get("aliases"))?,
        generate,
        percentile: None,
    };
    match node.get("condition") {
        Some(node) => condition(node, &mut correlation)?,
        None if kind.is_temporal() => {}
        None => return Err(missing("condition")),
    }
    let needs_field =
        !kind.is_temporal() && kind != CorrelationKind::EventCount && correlation.fields.is_empty();
    if needs_field {
        return Err(missing("condition.field"));
    }
    if correlation.fields.len() > 1 && kind != CorrelationKind::ValueCount {
        return Err(Wrong::at(node.line, "only `value_count` takes a list of fields".into()));
    }
    Ok(correlation)
}

fn condition(node: &Node, correlation: &mut Correlation) -> Result<(), Wrong> {
    let wrong = |line, reason: &str| Wrong::at(line, format!("correlation: condition: {reason}"));
    let members =
        node.members().ok_or_else(|| wrong(node.line, "a map such as `gte: 10` is needed"))?;
    for (key, value) in members {
        let name = key.text().unwrap_or_default();
        if name == "field" {
            correlation.fields = value.texts("field")?;
            continue;
        }
        let number = value.text().and_then(|text| text.trim().parse::<f64>().ok());
        let number = number.filter(|number| number.is_finite());
        let number = number.ok_or_else(|| wrong(value.line, &format!("`{name}` is a number")))?;
        if name == "percentile" {
            if !(0.0..=100.0).contains(&number) {
                return Err(wrong(value.line, "`percentile` is a number from 0 to 100"));
            }
            correlation.percentile = Some(number);
            continue;
        }
        let op = Op::named(&name).ok_or_else(|| {
            wrong(
                key.line,
                &format!("`{name}` is none of gt, gte, lt, lte, eq, neq, field, percentile"),
            )
        })?;
        correlation.condition.push((op, number));
    }
    if correlation.condition.is_empty() && !correlation.kind.is_temporal() {
        return Err(wrong(node.line, "one of gt, gte, lt, lte, eq or neq is needed"));
    }
    Ok(())
}

fn aliases(node: Option<&Node>) -> Result<BTreeMap<String, BTreeMap<String, String>>, Wrong> {
    let Some(node) = node else { return Ok(BTreeMap::new()) };
    let wrong = |line| {
        Wrong::at(line, "`aliases` is a map of aliases, each a map of rule names and fields".into())
    };
    let mut all = BTreeMap::new();
    for (alias, fields) in node.members().ok_or_else(|| wrong(node.line))? {
        let fields = fields.members().ok_or_else(|| wrong(fields.line))?;
        let pair = |(rule, field): &(Node, Node)| Some((rule.text()?, field.text()?));
        let fields = fields.iter().filter_map(pair).collect();
        all.insert(alias.text().unwrap_or_default(), fields);
    }
    Ok(all)
}

/// A number and a letter, in µs.
fn timespan(text: &str) -> Option<i64> {
    let text = text.trim();
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number: i64 = number.trim().parse().ok().filter(|number| *number > 0)?;
    let all = number.checked_mul(seconds).filter(|all| *all <= MOST_DAYS * 86_400)?;
    all.checked_mul(1_000_000)
}
