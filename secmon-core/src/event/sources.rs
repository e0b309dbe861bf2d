//! Log sources: what kind of log an event comes from, as Sigma rules ask for it.

use std::borrow::Cow;

/// The names of one dimension: none given means unknown, which fits every rule; the name `none`
/// means that there is none.
pub(crate) type Names = Cow<'static, [Cow<'static, str>]>;

/// Product, category and service of an event, each a set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sources {
    /// For instance `linux`, `windows`.
    pub product: Names,
    /// For instance `process_creation`, `webserver`.
    pub category: Names,
    /// For instance `sshd`, `auth`.
    pub service: Names,
}

impl Sources {
    /// Sources known when a parser is compiled.
    pub(crate) const fn fixed(
        product: &'static [Cow<'static, str>],
        category: &'static [Cow<'static, str>],
        service: &'static [Cow<'static, str>],
    ) -> Self {
        Self {
            product: Cow::Borrowed(product),
            category: Cow::Borrowed(category),
            service: Cow::Borrowed(service),
        }
    }

    /// Adds the names of another, each once.
    pub fn extend(&mut self, other: &Self) {
        add(&mut self.product, &other.product);
        add(&mut self.category, &other.category);
        add(&mut self.service, &other.service);
    }

    /// Bytes on the heap, for budgets.
    pub(crate) fn heap_bytes(&self) -> usize {
        let names = [&self.product, &self.category, &self.service].map(|names| match names {
            // Those of parsers are constants.
            Cow::Borrowed(_) => 0,
            Cow::Owned(names) => names.iter().map(|name| size_of_val(name) + name.len()).sum(),
        });
        names.into_iter().sum()
    }

    /// The dimensions under their names, in the order of the names.
    pub(crate) fn each(&self) -> [(&'static str, &Names); 3] {
        [("category", &self.category), ("product", &self.product), ("service", &self.service)]
    }

    /// The dimension of this name.
    pub(crate) fn dimension(&mut self, name: &str) -> Option<&mut Names> {
        match name {
            "product" => Some(&mut self.product),
            "category" => Some(&mut self.category),
            "service" => Some(&mut self.service),
            _ => None,
        }
    }
}

fn add(names: &mut Names, more: &Names) {
    if names.is_empty() {
        *names = match more {
            Cow::Borrowed(fixed) => Cow::Borrowed(*fixed),
            Cow::Owned(_) => more.clone(),
        };
        return;
    }
    for name in more.iter() {
        if !names.contains(name) {
            names.to_mut().push(name.clone());
        }
    }
}
