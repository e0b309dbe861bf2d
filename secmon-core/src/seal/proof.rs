//! Proofs that a record is in a stream, and that a stream only grew: RFC 6962 section 2.1, checked as
//! RFC 9162 sections 2.1.3.2 and 2.1.4.2 say; and the file of C2SP `tlog-proof`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::checkpoint::{Note, Vkey};
use super::tree::{Hash, Tree, leaf_hash, node_hash};
use crate::{Error, Result};

/// The first line of a proof file.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The hashes that prove that the leaf at `index` is in the tree of `size` leaves, the nearest sibling
/// first. `node` gives the root of the perfect subtree of 2^level leaves at a place of its level.
///
/// ```
/// use secmon_core::seal::{inclusion, inclusion_holds, leaf_hash, node_hash};
/// let leaves = [leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")];
/// let node = |level, at: u64| match level {
///     0 => leaves.get(at as usize).copied().ok_or("no such leaf"),
///     _ => Ok(node_hash(&leaves[0], &leaves[1])),
/// };
/// let proof = inclusion(2, 3, node)?;
/// let root = node_hash(&node_hash(&leaves[0], &leaves[1]), &leaves[2]);
/// assert!(inclusion_holds(&leaves[2], 2, 3, &proof, &root));
/// # Ok::<(), &str>(())
/// ```
///
/// # Errors
/// What `node` failed with.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<[u8; 32]>, E> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(root_of(middle, end, &mut node)?);
            end = middle;
        } else {
            path.push(root_of(start, middle, &mut node)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that prove that the tree of `new` leaves begins with the tree of `old` ones, which must
/// not be more; `node` as for [`inclusion`]. Nothing is to be proved of an empty tree.
///
/// # Errors
/// What `node` failed with.
pub fn consistency<E>(
    old: u64,
    new: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<[u8; 32]>, E> {
    let (mut start, mut end) = (0, new);
    let mut path = Vec::new();
    if old == 0 || old > new {
        return Ok(path);
    }
    while old < end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(root_of(middle, end, &mut node)?);
            end = middle;
        } else {
            path.push(root_of(start, middle, &mut node)?);
            start = middle;
        }
    }
    if start > 0 {
        path.push(root_of(start, end, &mut node)?);
    }
    path.reverse();
    Ok(path)
}

/// The greatest power of two below a size of two or more.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The root over the leaves from `start` to `end`, of which `start` is where a subtree of that size
/// may begin.
fn root_of<E>(
    start: u64,
    end: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let size = end - start;
    if size.is_power_of_two() {
        return node(size.trailing_zeros(), start / size);
    }
    let middle = start + split(size);
    let left = root_of(start, middle, node)?;
    Ok(node_hash(&left, &root_of(middle, end, node)?))
}

/// The root that a proof leads to from a leaf; none if it has too many hashes or too few.
fn root_from(leaf: &Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut root = *leaf;
    for hash in proof {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            root = node_hash(hash, &root);
            while at.is_multiple_of(2) && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            root = node_hash(&root, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(root)
}

/// The tree of the leaves before the one that a proof is of: its siblings to the left are the roots of just
/// those perfect subtrees. None if the proof has too few hashes.
pub(super) fn left_of(index: u64, size: u64, proof: &[Hash]) -> Option<Tree> {
    let (mut start, mut end) = (0, size);
    let mut frontier = Vec::new();
    for hash in proof.iter().rev() {
        if end - start < 2 {
            return None;
        }
        let middle = start + split(end - start);
        if index < middle {
            end = middle;
        } else {
            frontier.push(*hash);
            start = middle;
        }
    }
    Tree::from_frontier(index, frontier)
}

/// Whether a proof shows that a leaf is in the tree of this root.
pub fn inclusion_holds(
    leaf: &[u8; 32],
    index: u64,
    size: u64,
    proof: &[[u8; 32]],
    root: &[u8; 32],
) -> bool {
    root_from(leaf, index, size, proof).is_some_and(|found| found == *root)
}

/// Whether a proof shows that the tree of the new root begins with the tree of the old one. Of size 0
/// nothing can be shown: the answer is no.
pub fn consistency_holds(old: (u64, &[u8; 32]), new: (u64, &[u8; 32]), proof: &[[u8; 32]]) -> bool {
    let ((old, old_root), (new, new_root)) = (old, new);
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    // Where the old tree is one perfect subtree, the proof begins with its root, left out.
    let implied = old.is_power_of_two().then_some(*old_root);
    let mut hashes = implied.iter().chain(proof);
    let Some(first) = hashes.next() else { return false };
    let (mut at, mut last) = (old - 1, new - 1);
    while at % 2 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut before, mut after) = (*first, *first);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            before = node_hash(hash, &before);
            after = node_hash(hash, &after);
            while at.is_multiple_of(2) && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            after = node_hash(&after, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && before == *old_root && after == *new_root
}

/// The proof of one record, a text of its own: C2SP `tlog-proof`.
///
/// ```
/// use secmon_core::seal::{Proof, Sealer, StreamKeys};
/// let keys = StreamKeys::from_bytes([1; 32], [2; 32]);
/// let mut sealer = Sealer::create("demo/0a", &keys)?;
/// sealer.seal(b"{}");
/// let proof = Proof { index: 0, extra: None, path: vec![], note: sealer.checkpoint().note };
/// let read: Proof = proof.to_string().parse()?;
/// read.check(b"{}", &[keys.vkey("demo/0a")])?;
/// assert!(read.check(b"[]", &[keys.vkey("demo/0a")]).is_err());
/// # Ok::<(), secmon_core::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proof {
    /// The record's index.
    pub index: u64,
    /// What its maker added; nothing of it is proved.
    pub extra: Option<Vec<u8>>,
    /// The hashes from the leaf's sibling up.
    pub path: Vec<[u8; 32]>,
    /// The checkpoint, as it was signed.
    pub note: String,
}

impl Proof {
    /// Checks that the body is the record that was sealed at the index, under a checkpoint that one of
    /// the keys signed.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self, body: &[u8], vkeys: &[Vkey]) -> Result<Note> {
        let wrong = |reason: &str| Error::Malformed { what: "proof", reason: reason.into() };
        let note = Note::parse(&self.note)?;
        if !vkeys.iter().any(|vkey| vkey.name() == note.origin && note.is_signed_by(vkey)) {
            return Err(wrong("no signature of a given key verifies on its checkpoint"));
        }
        if !inclusion_holds(&leaf_hash(body), self.index, note.size, &self.path, &note.root) {
            return Err(wrong("it does not lead from this body to the checkpoint"));
        }
        Ok(note)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}

impl std::str::FromStr for Proof {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: &str| Error::Malformed { what: "proof", reason: reason.into() };
        let (head, note) =
            text.split_once("\n\n").ok_or_else(|| wrong("no empty line before its checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(wrong("it does not begin with `c2sp.org/tlog-proof@v1`"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra =
            extra.map(|line| BASE64.decode(line.strip_prefix("extra ").unwrap_or_default()));
        let extra = extra.transpose().map_err(|_| wrong("`extra` is not base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let number = index.and_then(|index| index.parse::<u64>().ok());
        let number = number.filter(|number| index == Some(&number.to_string()));
        let index = number.ok_or_else(|| wrong("no line `index <number>`"))?;
        let hash = |line: &str| BASE64.decode(line).ok()?.try_into().ok();
        let path: Option<Vec<Hash>> = lines.map(hash).collect();
        let path = path.ok_or_else(|| wrong("a hash is not 32 bytes in base64"))?;
        Note::parse(note)?;
        Ok(Self { index, extra, path, note: note.into() })
    }
}
