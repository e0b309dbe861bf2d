//! Bodies as verification takes them: hashed and read. Neither needs to know what stands before, so that
//! both can be done on any thread, and for many bodies at once.

use std::collections::VecDeque;
use std::iter;

use super::body::Body;
use super::tree::{Hash, leaf_hash, leaf_hashes};

/// Bodies that are looked through before the first of them is hashed.
const AHEAD: usize = 64;

/// A body with its leaf hash and what it says, an entry of the log.
///
/// ```
/// use secmon_core::seal::{Entry, leaf_hash};
/// let entry = Entry::read(br#"{"v":1}"#);
/// assert_eq!(entry.leaf(), leaf_hash(br#"{"v":1}"#));
/// ```
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    pub(super) leaf: Hash,
    /// What it says, or why it is none of ours.
    pub(super) body: Result<Body<'a>, String>,
}

impl<'a> Entry<'a> {
    /// Hashes and reads a body.
    pub fn read(bytes: &'a [u8]) -> Self {
        Self::of(leaf_hash(bytes), Body::text(bytes))
    }

    /// Hashes and reads bodies. Some are looked through before the first of them is hashed: the processor
    /// fetches them from memory side by side then, while it would wait for each behind the hash before.
    pub fn each(bodies: impl IntoIterator<Item = &'a [u8]>) -> impl Iterator<Item = Self> {
        let mut bodies = bodies.into_iter();
        let mut ahead = VecDeque::with_capacity(AHEAD);
        iter::from_fn(move || {
            if ahead.is_empty() {
                let next: Vec<_> = bodies.by_ref().take(AHEAD).collect();
                let texts: Vec<_> = next.iter().map(|bytes| Body::text(bytes)).collect();
                ahead.extend(leaf_hashes(&next).into_iter().zip(texts));
            }
            ahead.pop_front().map(|(leaf, text)| Self::of(leaf, text))
        })
    }

    fn of(leaf: Hash, text: Result<&'a str, String>) -> Self {
        Self { leaf, body: text.and_then(Body::read) }
    }

    /// Its leaf hash.
    pub fn leaf(&self) -> [u8; 32] {
        self.leaf
    }

    /// The index at which it was sealed; none if it is none of ours.
    pub fn seq(&self) -> Option<u64> {
        self.body.as_ref().ok()?.index()
    }
}
