//! The Merkle tree of RFC 6962 section 2.1, kept as its frontier.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::sha256::{prefixed, prefixed_each};

/// A SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// Hash of a leaf: SHA-256(0x00 ‖ body).
pub fn leaf_hash(body: &[u8]) -> [u8; 32] {
    prefixed(0, body)
}

/// The same of many, which takes less time than one after the other.
pub(super) fn leaf_hashes(bodies: &[&[u8]]) -> Vec<Hash> {
    prefixed_each(0, bodies)
}

/// Hash of two nodes: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    prefixed(1, [*left, *right].as_flattened())
}

/// A tree that grows, of which only the roots of its perfect subtrees are kept.
///
/// ```
/// use secmon_core::seal::{Tree, leaf_hash, node_hash};
/// let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
/// let mut tree = Tree::default();
/// tree.push(a);
/// tree.push(b);
/// assert_eq!(tree.root(), node_hash(&a, &b));
/// ```
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tree {
    size: u64,
    /// Roots of the perfect subtrees, the largest first.
    frontier: Vec<Hash>,
}

impl Tree {
    /// The tree of a size with these roots of perfect subtrees; none if their number does not fit.
    pub fn from_frontier(size: u64, frontier: Vec<[u8; 32]>) -> Option<Self> {
        (frontier.len() == size.count_ones() as usize).then_some(Self { size, frontier })
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: [u8; 32]) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.frontier.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.frontier.push(node);
        self.size += 1;
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its perfect subtrees, the largest first.
    pub fn frontier(&self) -> &[[u8; 32]] {
        &self.frontier
    }

    /// Its root; SHA-256 of nothing when it is empty.
    pub fn root(&self) -> [u8; 32] {
        let mut nodes = self.frontier.iter().rev();
        let Some(last) = nodes.next() else { return Sha256::digest([]).into() };
        nodes.fold(*last, |right, left| node_hash(left, &right))
    }
}
