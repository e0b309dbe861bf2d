//! Pipelines: where fields of rules stand in events, conditions for log sources, and what placeholders
//! stand for. In the form of pySigma's.

use std::collections::BTreeMap;

use super::predicate::Expr;
use super::problem::Wrong;
use super::regex;
use super::selection::Compiler;
use super::source::LogSource;
use super::yaml::{self, Kind, Node};
use crate::parse::aliases::ecs_name;

/// What pipelines say, in the order of their priority.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipeline {
    priority: i64,
    mappings: Vec<(Vec<LogSource>, Mapping)>,
    conditions: Vec<(Vec<LogSource>, Expr)>,
    placeholders: BTreeMap<String, Vec<String>>,
}

/// Where each field of rules stands in events.
type Mapping = BTreeMap<String, Vec<String>>;

/// The mapping from Sigma's taxonomy to ECS.
const BUILTIN: &str = include_str!("fields.yml");

impl Pipeline {
    /// The built-in mapping.
    pub(super) fn builtin() -> Self {
        let mut all = Self::default();
        yaml::documents(BUILTIN, |node| {
            if let Ok(pipeline) = node.and_then(|node| parse(&node)) {
                all = pipeline;
            }
        });
        debug_assert!(!all.mappings.is_empty(), "fields.yml cannot be read");
        all
    }

    /// Compiles the regular expressions of its conditions, if they fit into what is left of the room for all.
    pub(super) fn compile(&self, room: &mut usize) -> Result<(), String> {
        self.conditions.iter().try_for_each(|(_, expr)| regex::compile(expr, room))
    }

    /// The names under which a field of a rule is looked for, its own first.
    pub(super) fn names(pipelines: &[Self], field: &str, source: &LogSource) -> Vec<Box<str>> {
        let mut names: Vec<Box<str>> = vec![field.into()];
        let mut add = |name: &str| {
            if !names.iter().any(|known| &**known == name) {
                names.push(name.into());
            }
        };
        for (sources, mapping) in pipelines.iter().flat_map(|pipeline| &pipeline.mappings) {
            if applies(sources, source) {
                mapping.get(field).into_iter().flatten().for_each(|name| add(name));
            }
        }
        // What the parsers rename is found under the name that came.
        if field == "level" || field == "severity" {
            add("log.level.original");
        }
        ecs_name(field).into_iter().for_each(&mut add);
        names
    }

    /// What a rule of a log source must be besides.
    pub(super) fn added(pipelines: &[Self], source: &LogSource) -> Vec<Expr> {
        let all = pipelines.iter().flat_map(|pipeline| &pipeline.conditions);
        all.filter(|(sources, _)| applies(sources, source)).map(|(_, expr)| expr.clone()).collect()
    }

    /// What a placeholder stands for.
    pub(super) fn placeholder(pipelines: &[Self], name: &str) -> Option<Vec<String>> {
        pipelines.iter().rev().find_map(|pipeline| pipeline.placeholders.get(name).cloned())
    }

    /// Adds one, in the order of priority.
    pub(super) fn insert(pipelines: &mut Vec<Self>, new: Self) {
        let at = pipelines.partition_point(|other| other.priority <= new.priority);
        pipelines.insert(at, new);
    }
}

fn applies(sources: &[LogSource], rule: &LogSource) -> bool {
    sources.iter().all(|source| source.covers(rule))
}

/// Reads a pipeline.
pub(super) fn parse(node: &Node) -> Result<Pipeline, Wrong> {
    let mut pipeline = Pipeline::default();
    let members =
        node.members().ok_or_else(|| Wrong::at(node.line, "a pipeline is a map".into()))?;
    for (key, value) in members {
        match key.text().unwrap_or_default().as_str() {
            "name" | "allowed_backends" => {}
            "priority" => {
                let number = value.text().and_then(|text| text.parse().ok());
                pipeline.priority =
                    number.ok_or_else(|| Wrong::at(value.line, "`priority` is a number".into()))?;
            }
            // pySigma calls them so; the other word is that of the specification.
            "vars" | "placeholders" => {
                for (name, values) in value.members().unwrap_or_default() {
                    let values = values.items().iter().filter_map(Node::text).collect();
                    pipeline.placeholders.insert(name.text().unwrap_or_default(), values);
                }
            }
            "transformations" => {
                value.items().iter().try_for_each(|item| transformation(item, &mut pipeline))?;
            }
            other => {
                return Err(Wrong::at(
                    key.line,
                    format!("`{other}` is none of name, priority, vars, transformations"),
                ));
            }
        }
    }
    Ok(pipeline)
}

fn transformation(node: &Node, pipeline: &mut Pipeline) -> Result<(), Wrong> {
    let kind = node.get("type").and_then(Node::text).unwrap_or_default();
    let conditions = node.get("rule_conditions").map_or(&[][..], Node::items);
    let sources = conditions.iter().map(log_source).collect::<Result<Vec<_>, _>>()?;
    let missing = |what: &str| Wrong::at(node.line, format!("`{what}` is missing"));
    for (key, value) in node.members().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        let is_known = match name.as_str() {
            "id" | "type" | "rule_conditions" => true,
            "rule_cond_op" => value.text().as_deref() == Some("and"),
            "mapping" => kind == "field_name_mapping",
            "conditions" | "negated" => kind == "add_condition",
            "include" | "exclude" => kind == "value_placeholders",
            _ => false,
        };
        if !is_known {
            let reason =
                format!("`{name}` is not understood: what it restricts would be done anyway");
            return Err(Wrong::at(key.line, reason));
        }
    }
    match kind.as_str() {
        "field_name_mapping" => {
            let mapping = node.get("mapping").ok_or_else(|| missing("mapping"))?;
            let members = mapping.members().ok_or_else(|| missing("mapping"))?;
            let pair = |(name, names): &(Node, Node)| {
                Ok((name.text().unwrap_or_default(), names.texts("mapping")?))
            };
            let mapping = members.iter().map(pair).collect::<Result<_, Wrong>>()?;
            pipeline.mappings.push((sources, mapping));
        }
        "add_condition" => {
            let conditions = node.get("conditions").ok_or_else(|| missing("conditions"))?;
            let mut compiler = Compiler { placeholders: &|_| None, warnings: Vec::new() };
            let expr = compiler.selection(conditions)?;
            let is_negated =
                matches!(node.get("negated").map(|node| &node.kind), Some(Kind::Bool(true)));
            pipeline.conditions.push((sources, if is_negated { Expr::not(expr) } else { expr }));
        }
        // Placeholders are always resolved.
        "value_placeholders" => {}
        other => {
            return Err(Wrong::at(
                node.line,
                format!(
                    "there is no transformation `{other}`: field_name_mapping, add_condition and \
                 value_placeholders are there"
                ),
            ));
        }
    }
    Ok(())
}

fn log_source(node: &Node) -> Result<LogSource, Wrong> {
    if node.get("type").and_then(Node::text).as_deref() != Some("logsource") {
        return Err(Wrong::at(
            node.line,
            "the one rule condition that is there is `logsource`".into(),
        ));
    }
    LogSource::parse(node)
}
