//! Search identifiers: a map is all of its fields, a list is any of its items, texts are keywords.

use super::modifier;
use super::placeholder::Placeholders;
use super::predicate::Expr;
use super::problem::Wrong;
use super::yaml::{Kind, Node};

/// Compiles search identifiers, and collects what they warn of.
pub(super) struct Compiler<'a> {
    pub(super) placeholders: Placeholders<'a>,
    pub(super) warnings: Vec<Wrong>,
}

impl Compiler<'_> {
    /// What a search identifier asks.
    pub(super) fn selection(&mut self, node: &Node) -> Result<Expr, Wrong> {
        match &node.kind {
            Kind::Map(members) if members.is_empty() => {
                Err(Wrong::at(node.line, "a selection without fields".into()))
            }
            Kind::Map(members) => {
                let each = members.iter().map(|(key, value)| self.item(key, value));
                Ok(Expr::all(each.collect::<Result<_, _>>()?))
            }
            Kind::Null => Err(Wrong::at(node.line, "a selection without fields".into())),
            Kind::List(items) if items.is_empty() => {
                Err(Wrong::at(node.line, "a selection without items".into()))
            }
            Kind::List(items) => {
                let each = items.iter().map(|item| match &item.kind {
                    Kind::Map(_) | Kind::Null => self.selection(item),
                    _ => self.ask(None, &[], item),
                });
                Ok(Expr::any(each.collect::<Result<_, _>>()?))
            }
            _ => self.ask(None, &[], node),
        }
    }

    /// A field with its modifiers, and what its value is compared with.
    fn item(&mut self, key: &Node, value: &Node) -> Result<Expr, Wrong> {
        let key_text = key.text().unwrap_or_default();
        let mut parts = key_text.split('|');
        let field = parts.next().filter(|field| !field.is_empty());
        let modifiers: Vec<&str> = parts.collect();
        self.ask(field, &modifiers, value).map_err(|wrong| {
            let reason = format!("`{key_text}`: {}", wrong.reason);
            Wrong::at(wrong.line.max(key.line), reason)
        })
    }

    fn ask(
        &mut self,
        field: Option<&str>,
        modifiers: &[&str],
        value: &Node,
    ) -> Result<Expr, Wrong> {
        let mut warnings = Vec::new();
        let expr =
            modifier::compile(field, modifiers, value.items(), self.placeholders, &mut warnings);
        self.warnings.extend(warnings.into_iter().map(|reason| Wrong::at(value.line, reason)));
        expr.map_err(|reason| Wrong::at(value.line, reason))
    }
}
