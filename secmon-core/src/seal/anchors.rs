//! Checkpoints that were kept outside, as a verifier compares them with the tree that it builds.

use std::collections::BTreeMap;

use super::tree::{Hash, Tree};

/// Roots by size, of the sizes that the walk has not come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Anchors(BTreeMap<u64, Vec<Hash>>);

impl Anchors {
    pub(super) fn add(&mut self, size: u64, root: Hash) {
        self.0.entry(size).or_default().push(root);
    }

    /// Whether a root that was kept of this size is another than the tree's.
    pub(super) fn differ(&mut self, tree: &Tree) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let kept = self.0.remove(&tree.size());
        kept.is_some_and(|roots| roots.iter().any(|root| *root != tree.root()))
    }

    /// Forgets the sizes below one; says how many those were.
    pub(super) fn forget_below(&mut self, size: u64) -> usize {
        let left = self.0.split_off(&size);
        std::mem::replace(&mut self.0, left).len()
    }

    /// The greatest size that the walk did not come to.
    pub(super) fn left(&self) -> Option<u64> {
        self.0.keys().next_back().copied().filter(|size| *size > 0)
    }
}
