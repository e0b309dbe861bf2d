//! Conditions of rules over numbered questions, and which of these must say yes for a rule to fire.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::pattern::Shape;
use super::super::predicate::{Expr, Predicate, Test};
use super::literals::Literal;

/// A condition over numbered questions.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Ask(u32),
    Not(Box<Self>),
    All(Box<[Self]>),
    Any(Box<[Self]>),
    Of(usize, Box<[Self]>),
}

/// A question to an event, asked by any number of rules.
#[derive(Debug)]
pub(super) struct Ask {
    /// The field; none for keywords.
    pub(super) slot: Option<u32>,
    pub(super) test: Test,
    /// The field that it is compared with.
    pub(super) other: Option<u32>,
    /// Found by the pass over the value; all other questions are answered when a rule needs it.
    pub(super) literal: Option<Literal>,
    /// How many rules ask.
    pub(super) uses: u32,
}

/// Numbers fields and questions.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    pub(super) asks: Vec<Ask>,
    /// The names under which a field is looked for, the first that is there counts.
    pub(super) slots: Vec<Arc<[Box<str>]>>,
    known: HashMap<(Option<u32>, Test), u32>,
    known_slots: HashMap<Arc<[Box<str>]>, u32>,
}

impl Numbering {
    /// Numbers all questions of an expression; `names` says where a field is looked for.
    pub(super) fn tree(&mut self, expr: &Expr, names: &dyn Fn(&str) -> Vec<Box<str>>) -> Tree {
        match expr {
            Expr::Test(predicate) => self.ask(predicate, names),
            Expr::Not(inner) => Tree::Not(Box::new(self.tree(inner, names))),
            Expr::Named(_, inner) => self.tree(inner, names),
            Expr::All(parts) => Tree::All(self.trees(parts, names)),
            Expr::Any(parts) => Tree::Any(self.trees(parts, names)),
            Expr::Of(count, parts) => Tree::Of(*count, self.trees(parts, names)),
        }
    }

    /// Forgets what only numbering needs.
    pub(super) fn end(&mut self) {
        self.known = HashMap::new();
        self.known_slots = HashMap::new();
    }

    fn trees(&mut self, parts: &[Expr], names: &dyn Fn(&str) -> Vec<Box<str>>) -> Box<[Tree]> {
        let mut trees: Vec<Tree> = parts.iter().map(|part| self.tree(part, names)).collect();
        // What was answered by the passes comes first, what is dear last.
        trees.sort_by_cached_key(|tree| dearness(tree, &self.asks));
        trees.into()
    }

    fn ask(&mut self, predicate: &Predicate, names: &dyn Fn(&str) -> Vec<Box<str>>) -> Tree {
        let slot = predicate.field.as_deref().map(|field| self.slot(names(field)));
        let needs = match &predicate.test {
            Test::Text(pattern) => match pattern.shape() {
                Shape::Plain { text, starts, ends } => {
                    let is_whole = !text.is_empty() || (starts && ends);
                    let literal = Literal { text, starts, ends, hit: 0 };
                    let literal = is_whole.then_some(literal);
                    return Tree::Ask(self.number(slot, &predicate.test, None, literal));
                }
                Shape::Anything => None,
                Shape::Other(text) => Some(text),
            },
            Test::Regex(regex) => regex.needs.clone(),
            _ => None,
        };
        let other = match &predicate.test {
            Test::Same(reference) => Some(self.slot(names(&reference.field))),
            _ => None,
        };
        let ask = Tree::Ask(self.number(slot, &predicate.test, other, None));
        // A text that must be there is found in the same pass as all others, and spares the dear question.
        let guard = needs.filter(|text| text.len() >= 3).map(|text| {
            let literal = Literal { text, starts: false, ends: false, hit: 0 };
            let test = super::super::pattern::Pattern::plain(&literal.text);
            let test = Test::Text(test.open_start().open_end().ready());
            Tree::Ask(self.number(slot, &test, None, Some(literal)))
        });
        match guard {
            Some(guard) => Tree::All([guard, ask].into()),
            None => ask,
        }
    }

    fn slot(&mut self, names: Vec<Box<str>>) -> u32 {
        let names: Arc<[Box<str>]> = names.into();
        if let Some(slot) = self.known_slots.get(&names) {
            return *slot;
        }
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Arc::clone(&names));
        self.known_slots.insert(names, slot);
        slot
    }

    fn number(
        &mut self,
        slot: Option<u32>,
        test: &Test,
        other: Option<u32>,
        literal: Option<Literal>,
    ) -> u32 {
        let key = (slot, test.clone());
        if let Some(at) = self.known.get(&key) {
            if let Some(ask) = self.asks.get_mut(*at as usize) {
                ask.uses += 1;
            }
            return *at;
        }
        let at = u32::try_from(self.asks.len()).unwrap_or(u32::MAX);
        self.asks.push(Ask { slot, test: test.clone(), other, literal, uses: 1 });
        self.known.insert(key, at);
        at
    }
}

/// How much is to be done to know whether a tree holds.
fn dearness(tree: &Tree, asks: &[Ask]) -> usize {
    match tree {
        Tree::Ask(at) => match asks.get(*at as usize) {
            Some(Ask { literal: Some(_), .. }) => 1,
            _ => 1_000,
        },
        Tree::Not(inner) => 1 + dearness(inner, asks),
        // The first that fails ends it.
        Tree::All(parts) => 1 + parts.first().map_or(0, |part| dearness(part, asks)),
        Tree::Any(parts) | Tree::Of(_, parts) => {
            parts.iter().fold(1, |sum, part| sum + dearness(part, asks))
        }
    }
}

/// Questions of which one at least says yes whenever the tree does, with what they cost; none if there
/// are no such.
pub(super) fn witness(tree: &Tree, asks: &[Ask]) -> Option<(f32, Vec<u32>)> {
    match tree {
        Tree::Ask(at) => {
            let ask = asks.get(*at as usize)?;
            Some((cost(ask)?, vec![*at]))
        }
        Tree::Not(_) => None,
        Tree::All(parts) => {
            let each = parts.iter().filter_map(|part| witness(part, asks));
            each.min_by(|(a, _), (b, _)| a.total_cmp(b))
        }
        Tree::Any(parts) => union(parts, asks),
        Tree::Of(count, parts) => (*count > 0).then(|| union(parts, asks))?,
    }
}

fn union(parts: &[Tree], asks: &[Ask]) -> Option<(f32, Vec<u32>)> {
    let mut all = (0.0, Vec::new());
    for part in parts {
        let (cost, asks) = witness(part, asks)?;
        all.0 += cost;
        all.1.extend(asks);
    }
    Some(all)
}

/// How often a question is likely to say yes: a longer text less often, one that many rules ask for more
/// often.
fn cost(ask: &Ask) -> Option<f32> {
    let literal = ask.literal.as_ref()?;
    let length = f32::from(u16::try_from(literal.text.len()).unwrap_or(u16::MAX)).max(0.5);
    let place = match (literal.starts, literal.ends) {
        (true, true) => 0.3,
        (false, true) => 0.5,
        (false, false) => 1.0,
        (true, false) => 2.0,
    };
    let uses = f32::from(u16::try_from(ask.uses).unwrap_or(u16::MAX));
    Some(place / length * (1.0 + uses / 10.0))
}
