//! From documents to rules in use: filters joined, references of correlations followed, ids given.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::active::{Leaf, Resolved, SigmaRule, Where};
use super::correlation::{Correlation, Counted, Counting};
use super::pipeline::Pipeline;
use super::predicate::Expr;
use super::problem::Problem;
use super::rule::{Body, Filter, FilterMode};
use super::source::LogSource;
use super::{Document, SigmaRules};
use crate::event::Level;
use crate::rules::MOST_ID;

/// Correlations of correlations.
const MOST_CHAINED: usize = 8;

/// All rules in use, and what is wrong.
pub(super) fn resolve(rules: &SigmaRules) -> (Vec<Arc<SigmaRule>>, Vec<Problem>) {
    let mut resolver = Resolver {
        rules,
        pipelines: rules.pipelines.as_slice().into(),
        by_reference: HashMap::new(),
        ids: Vec::new(),
        filters: Vec::new(),
        silent: HashSet::new(),
        made: HashMap::new(),
        problems: Vec::new(),
    };
    resolver.name_all();
    resolver.join_filters();
    resolver.find_silent();
    let made = (0..rules.documents.len()).filter_map(|at| resolver.make(at, &mut Vec::new()).ok());
    (made.collect(), resolver.problems)
}

struct Resolver<'a> {
    rules: &'a SigmaRules,
    pipelines: Arc<[Pipeline]>,
    /// Documents by id and by name.
    by_reference: HashMap<&'a str, usize>,
    /// The id of each document; none for those that are out.
    ids: Vec<Option<String>>,
    /// The filters of each document.
    filters: Vec<Vec<&'a Filter>>,
    silent: HashSet<usize>,
    made: HashMap<usize, Option<Arc<SigmaRule>>>,
    problems: Vec<Problem>,
}

/// It was said already.
struct Said;

impl<'a> Resolver<'a> {
    fn say(&mut self, document: &Document, reason: String, is_warning: bool) {
        let (file, line) = (document.file.to_string(), document.header.line);
        self.problems.push(Problem { file, line, reason, is_warning });
    }

    /// Gives each document its id; a second one of the same id is out.
    fn name_all(&mut self) {
        let mut taken: HashMap<String, &Document> = HashMap::new();
        for (at, document) in self.rules.documents.iter().enumerate() {
            let header = &document.header;
            let own = header.id.clone().or_else(|| header.name.clone());
            let id = own.unwrap_or_else(|| {
                if taken.contains_key(&*document.file) {
                    format!("{}:{}", document.file, header.line)
                } else {
                    document.file.to_string()
                }
            });
            if id.is_empty() || id.len() > MOST_ID {
                let reason = format!("an id has 1 to {MOST_ID} bytes: give the rule an `id`");
                self.say(document, reason, false);
                self.ids.push(None);
                continue;
            }
            if taken.contains_key(&id) && document.is_shipped {
                self.ids.push(None);
                continue;
            }
            if let Some(first) = taken.get(&id) {
                let first = format!("{}:{}", first.file, first.header.line);
                self.say(document, format!("`{id}` is the id of {first} already"), false);
                self.ids.push(None);
                continue;
            }
            for reference in [&header.id, &header.name].into_iter().flatten() {
                let first = *self.by_reference.entry(reference).or_insert(at);
                let Some(first) = self.rules.documents.get(first).filter(|_| first != at) else {
                    continue;
                };
                let place = format!("{}:{}", first.file, first.header.line);
                let reason =
                    format!("`{reference}` is the name of {place} already, which is meant by it");
                if !document.is_shipped {
                    self.say(document, reason, true);
                }
            }
            taken.insert(id.clone(), document);
            self.ids.push(Some(id));
        }
    }

    fn join_filters(&mut self) {
        let documents = &self.rules.documents;
        self.filters = vec![Vec::new(); documents.len()];
        for document in documents {
            let Body::Filter(filter) = &document.body else { continue };
            let mode = filter.mode.unwrap_or(self.rules.filter_mode);
            let doubt = match mode {
                FilterMode::AndNot if filter.is_negated => Some(
                    "it looks written to be joined with `and` (as pySigma does): what it names would be kept, and all \
                     else suppressed; take the `not` out, or say `mode: and`",
                ),
                FilterMode::And if !filter.is_negated => Some(
                    "it looks written to suppress what it names, but is joined with `and`: only that would be kept; put \
                     a `not` in front, or say `mode: and_not`",
                ),
                _ => None,
            };
            if let Some(doubt) = doubt.filter(|_| filter.mode.is_none()) {
                self.say(document, doubt.into(), true);
            }
            let targets: Vec<usize> = match &filter.rules {
                None => (0..documents.len()).collect(),
                Some(references) => {
                    let mut targets = Vec::new();
                    for reference in references {
                        match self.by_reference.get(reference.as_str()) {
                            Some(at) => targets.push(*at),
                            None => {
                                self.say(document, format!("there is no rule `{reference}`"), true);
                            }
                        }
                    }
                    targets
                }
            };
            for at in targets {
                let Some(Document { body, file, header, .. }) = documents.get(at) else { continue };
                let Body::Detection(source, _) = body else {
                    if filter.rules.is_some() {
                        let reason = format!(
                            "{file}:{} is no detection: name the rules that it refers to; not filtered",
                            header.line
                        );
                        self.say(document, reason, true);
                    }
                    continue;
                };
                if filter.source.covers(source) {
                    self.filters.get_mut(at).into_iter().for_each(|all| all.push(filter));
                } else if filter.rules.is_some() {
                    let reason =
                        format!("{file}:{} is of another log source: not filtered", header.line);
                    self.say(document, reason, true);
                }
            }
        }
    }

    /// What correlations refer to is not reported by itself, unless one of them says `generate`. Those that are
    /// refused silence nothing.
    fn find_silent(&mut self) {
        let said = self.problems.len();
        let rules = self.rules;
        let is_made: Vec<bool> = (0..rules.documents.len())
            .map(|at| {
                let body = rules.documents.get(at).map(|document| &document.body);
                matches!(body, Some(Body::Correlation(_))) && self.make(at, &mut Vec::new()).is_ok()
            })
            .collect();
        // All is made again once it is known what is silent, and said then.
        self.made.clear();
        self.problems.truncate(said);
        let mut loud = HashSet::new();
        for (document, _) in rules.documents.iter().zip(is_made).filter(|(_, is_made)| *is_made) {
            let Body::Correlation(correlation) = &document.body else { continue };
            let all = correlation.rules.iter();
            let all =
                all.filter_map(|reference| self.by_reference.get(reference.as_str()).copied());
            if correlation.generate { loud.extend(all) } else { self.silent.extend(all) }
        }
        self.silent.retain(|at| !loud.contains(at));
    }

    /// The rule of a document; `around` are the correlations on the way to it.
    fn make(&mut self, at: usize, around: &mut Vec<usize>) -> Result<Arc<SigmaRule>, Said> {
        if let Some(made) = self.made.get(&at) {
            return made.clone().ok_or(Said);
        }
        let rules = self.rules;
        let document = rules.documents.get(at).ok_or(Said)?;
        let id = self.ids.get(at).cloned().flatten().ok_or(Said)?;
        let made = match &document.body {
            Body::Filter(_) => Err(Said),
            Body::Detection(source, expr) => Ok(self.detection(at, source, expr)),
            Body::Correlation(correlation) => self.correlation(at, document, correlation, around),
        };
        let header = &document.header;
        let made = made.map(|body| {
            let mut hash = Sha256::new_with_prefix(header.hash);
            for filter in self.filters.get(at).into_iter().flatten() {
                let joined = filter.mode.unwrap_or(self.rules.filter_mode);
                hash.update(format!("{joined:?} {:?}", filter.expr));
            }
            // Behind the built-in mapping: what a pipeline says is part of the rule.
            for pipeline in self.pipelines.iter().skip(1) {
                hash.update(format!("{pipeline:?}"));
            }
            if let Resolved::Correlation(counting, _) = &body {
                // What inner correlations count is part of its memory.
                counting.inner.iter().for_each(|inner| hash.update(inner));
            }
            let technique = header.tags.iter().find_map(|tag| {
                let technique = tag.to_lowercase();
                technique.strip_prefix("attack.t").map(|number| format!("T{number}"))
            });
            // What to do is no word of the specification; rules that come with secmon say it.
            let says = header.custom.get("advice").and_then(serde_json::Value::as_str);
            let advice = match header.false_positives.as_slice() {
                _ if says.is_some() => says.unwrap_or_default().to_owned(),
                [] => String::new(),
                known => format!("Known false positives: {}.", known.join("; ")),
            };
            Arc::new(SigmaRule {
                id,
                title: header.title.clone(),
                level: header.level.unwrap_or(Level::Medium),
                technique: technique.unwrap_or_default(),
                description: header.description.clone(),
                advice,
                file: Arc::clone(&document.file),
                line: header.line,
                hash: hash.finalize().into(),
                custom: header.custom.clone(),
                is_silent: self.silent.contains(&at),
                body,
                pipelines: Arc::clone(&self.pipelines),
            })
        });
        self.made.insert(at, made.as_ref().ok().cloned());
        made
    }

    fn detection(&self, at: usize, source: &LogSource, expr: &Expr) -> Resolved {
        let mut all = vec![expr.clone()];
        all.extend(Pipeline::added(&self.pipelines, source));
        for filter in self.filters.get(at).into_iter().flatten() {
            let expr = filter.expr.clone();
            all.push(match filter.mode.unwrap_or(self.rules.filter_mode) {
                FilterMode::AndNot => Expr::not(expr),
                FilterMode::And => expr,
            });
        }
        Resolved::Detection(source.clone(), Expr::all(all))
    }

    fn correlation(
        &mut self,
        at: usize,
        document: &Document,
        correlation: &Correlation,
        around: &mut Vec<usize>,
    ) -> Result<Resolved, Said> {
        for (alias, fields) in &correlation.aliases {
            for rule in fields.keys().filter(|rule| !correlation.rules.contains(rule)) {
                let known = self.by_reference.contains_key(rule.as_str());
                let what = if known { "not among the rules of the correlation" } else { "no rule" };
                let reason = format!("alias `{alias}`: `{rule}` is {what}");
                self.say(document, reason, true);
            }
        }
        let mut chain = Chain::default();
        self.follow(at, None, around, &mut chain)?;
        let level = document.header.level.unwrap_or(Level::Medium);
        let Chain { nodes, leaves, inner, .. } = chain;
        Ok(Resolved::Correlation(Arc::new(Counting { nodes, inner, level }), leaves))
    }

    /// Numbers a correlation and those that it refers to, and finds the detections at their ends.
    fn follow(
        &mut self,
        at: usize,
        parent: Option<(usize, usize)>,
        around: &mut Vec<usize>,
        chain: &mut Chain<'a>,
    ) -> Result<(), Said> {
        let rules = self.rules;
        let Some(document) = rules.documents.get(at) else { return Err(Said) };
        let Body::Correlation(correlation) = &document.body else { return Err(Said) };
        if around.contains(&at) || around.len() >= MOST_CHAINED {
            let reason = format!(
                "correlations refer to one another in a ring, or more than {MOST_CHAINED} deep"
            );
            self.say(document, reason, false);
            return Err(Said);
        }
        around.push(at);
        let node = chain.nodes.len();
        if parent.is_some() {
            chain.inner.push(document.header.hash);
        }
        chain.nodes.push(Counted::new(correlation, parent));
        chain.around.push((document, correlation));
        for (member, reference) in correlation.rules.iter().enumerate() {
            let Some(target) = self.by_reference.get(reference.as_str()).copied() else {
                self.say(
                    document,
                    format!("there is no rule `{reference}`, or it was refused"),
                    false,
                );
                return Err(Said);
            };
            let Some(inner) = rules.documents.get(target) else { return Err(Said) };
            match inner.body {
                Body::Correlation(_) => self.follow(target, Some((node, member)), around, chain)?,
                Body::Detection(..) => {
                    let rule = self.make(target, around)?;
                    let path = chain.path(&rule, inner);
                    chain.leaves.push(Leaf { rule, node, member, path });
                }
                Body::Filter(_) => {
                    self.say(document, format!("`{reference}` is a filter"), false);
                    return Err(Said);
                }
            }
            if chain.leaves.len() > 1_024 {
                self.say(document, "more than 1024 detections in one chain".into(), false);
                return Err(Said);
            }
        }
        around.pop();
        chain.around.pop();
        Ok(())
    }
}

#[derive(Default)]
struct Chain<'a> {
    nodes: Vec<Counted>,
    leaves: Vec<Leaf>,
    /// Hashes of all but the outermost correlation.
    inner: Vec<[u8; 32]>,
    /// The correlations around what is being looked at, the outermost first.
    around: Vec<(&'a Document, &'a Correlation)>,
}

impl<'a> Chain<'a> {
    /// Where the correlations around a detection find their groups and values in its events.
    fn path(&self, rule: &SigmaRule, detection: &'a Document) -> Vec<Where> {
        // An alias may name the detection, or a correlation in between.
        let between = self.around.iter().map(|(document, _)| *document);
        let references: Vec<&str> = std::iter::once(detection)
            .chain(between)
            .flat_map(|document| [&document.header.name, &document.header.id])
            .flatten()
            .map(String::as_str)
            .collect();
        let names = |field: &str, correlation: &Correlation| {
            let fields = correlation.aliases.get(field);
            let real =
                fields.and_then(|fields| references.iter().find_map(|name| fields.get(*name)));
            rule.names(real.map_or(field, String::as_str))
        };
        let place = |(_, correlation): &(&Document, &Correlation)| Where {
            group: correlation
                .group_by
                .iter()
                .map(|field| (field.as_str().into(), names(field, correlation)))
                .collect(),
            values: correlation.fields.iter().map(|field| names(field, correlation)).collect(),
        };
        self.around.iter().rev().map(place).collect()
    }
}
