//! YAML as rules are written in: a tree with the line of each node, bounded in size and depth.

use std::collections::{BTreeSet, HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::problem::Wrong;

/// Values of one document; a hundredth of it is a long rule.
const MOST_NODES: usize = 50_000;
const MOST_DEPTH: usize = 64;
/// Bytes of one file: all rules that are known, several times.
const MOST_BYTES: usize = 64 << 20;

/// A value and where it begins, from line 1.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Bool(bool),
    /// A number, by its text.
    Number(String),
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The member of a name.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Kind::Map(members) = &self.kind else { return None };
        members.iter().find(|(key, _)| key.text().as_deref() == Some(name)).map(|(_, value)| value)
    }

    /// The text of a scalar; none of null, lists and maps.
    pub(super) fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) | Kind::Number(text) => Some(text.clone()),
            Kind::Bool(value) => Some(value.to_string()),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The items of a list, or the one value as if it were a list of one.
    pub(super) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// The members of a map.
    pub(super) fn members(&self) -> Option<&[(Self, Self)]> {
        match &self.kind {
            Kind::Map(members) => Some(members),
            _ => None,
        }
    }

    /// How many values it holds, itself included.
    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::List(items) => items.iter().map(Self::size).sum(),
            Kind::Map(members) => {
                members.iter().map(|(key, value)| key.size() + value.size()).sum()
            }
            _ => 0,
        }
    }
}

/// Gives all documents of a file to a visitor, or what is wrong with them. What is no YAML at all ends the reading.
pub(super) fn documents(text: &str, mut visit: impl FnMut(Result<Node, Wrong>)) {
    if text.len() > MOST_BYTES {
        return visit(Err(Wrong::at(1, format!("the file is longer than {MOST_BYTES} bytes"))));
    }
    let mut builder = Builder::default();
    // To the end of a document of which it is known what is wrong.
    let mut is_skipping = false;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let (line, reason) = (error.marker().line(), error.info().to_owned());
                return visit(Err(Wrong::at(line, reason)));
            }
        };
        if matches!(event, Event::DocumentEnd) && is_skipping {
            is_skipping = false;
            builder = Builder::default();
        }
        if is_skipping {
            continue;
        }
        match builder.take(event, span.start.line()) {
            Ok(None) => {}
            Ok(Some(document)) => visit(Ok(document)),
            Err(wrong) => {
                is_skipping = true;
                visit(Err(wrong));
            }
        }
    }
}

/// What is open, from the outermost on.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    count: usize,
}

struct Open {
    line: usize,
    anchor: usize,
    is_map: bool,
    items: Vec<Node>,
}

impl Builder {
    /// Takes an event; gives a document that it ends.
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<Option<Node>, Wrong> {
        self.weigh(1, line)?;
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let kind = match style {
                    ScalarStyle::Plain => plain(&text),
                    _ => Kind::Text(text.into_owned()),
                };
                self.add(Node { line, kind }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(line, anchor, false),
            Event::MappingStart(anchor, _) => self.begin(line, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { line, anchor, is_map, items }) = self.open.pop() else {
                    return Ok(None);
                };
                let kind = if is_map { map(items)? } else { Kind::List(items) };
                self.add(Node { line, kind }, anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.add(node, anchor),
                None => Err(Wrong::at(line, "an alias inside of what it stands for".into())),
            },
            _ => Ok(None),
        }
    }

    /// Counts values, those that aliases repeat included.
    fn weigh(&mut self, nodes: usize, line: usize) -> Result<(), Wrong> {
        self.count += nodes;
        if self.count <= MOST_NODES {
            return Ok(());
        }
        Err(Wrong::at(line, format!("more than {MOST_NODES} values in one document")))
    }

    fn begin(&mut self, line: usize, anchor: usize, is_map: bool) -> Result<Option<Node>, Wrong> {
        if self.open.len() >= MOST_DEPTH {
            return Err(Wrong::at(line, format!("nested more than {MOST_DEPTH} deep")));
        }
        self.open.push(Open { line, anchor, is_map, items: Vec::new() });
        Ok(None)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, Wrong> {
        if anchor > 0 {
            self.weigh(node.size(), node.line)?;
            self.anchors.insert(anchor, node.clone());
        }
        if let Some(open) = self.open.last_mut() {
            open.items.push(node);
            Ok(None)
        } else {
            self.anchors.clear();
            self.count = 0;
            Ok(Some(node))
        }
    }
}

/// Keys and values in turns; a key that stands twice would hide what was meant.
fn map(items: Vec<Node>) -> Result<Kind, Wrong> {
    let mut members: Vec<(Node, Node)> = Vec::with_capacity(items.len() / 2);
    let mut seen = BTreeSet::new();
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        let name = match &key.kind {
            Kind::Null => Some(String::new()),
            _ => key.text(),
        };
        let Some(name) = name else {
            return Err(Wrong::at(key.line, "a key must be a text".into()));
        };
        if !seen.insert(name.clone()) {
            return Err(Wrong::at(key.line, format!("`{name}` stands here twice")));
        }
        members.push((Node { line: key.line, kind: Kind::Text(name) }, value));
    }
    Ok(Kind::Map(members))
}

/// A scalar without quotes, as the core schema of YAML 1.2 reads it.
fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ if is_number(text) => Kind::Number(text.into()),
        _ => Kind::Text(text.into()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}
