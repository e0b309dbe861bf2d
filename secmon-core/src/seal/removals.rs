//! Announced removals, as a verifier needs them: which records of the block that it walks may be gone.

use std::collections::{BTreeMap, BTreeSet};

use super::claim::BLOCK;
use super::tree::Hash;

/// What was announced of the blocks that are not walked yet, and of whose announcements the walk has
/// not come to the record.
#[derive(Clone, Debug, Default)]
pub(super) struct Removals {
    /// The bits of a block.
    blocks: BTreeMap<u64, Vec<u8>>,
    /// The leaves of the announcing records, until the walk meets them.
    due: BTreeMap<u64, Hash>,
    /// The last of the announcing records.
    last: Option<u64>,
}

impl Removals {
    /// Takes the leaf of an announcing record, which the walk must meet, unless it has passed it.
    pub(super) fn expect(&mut self, seq: u64, leaf: Hash, next: u64) {
        if seq >= next {
            self.due.insert(seq, leaf);
        }
        self.last = self.last.max(Some(seq));
    }

    /// The last record that announced anything.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    pub(super) fn add(&mut self, seq: u64, block: u64, gone: &[u8]) {
        let bits = self.blocks.entry(block).or_insert_with(|| vec![0; gone.len()]);
        // A record can announce the end only of those before it.
        let before = seq.saturating_sub(block.saturating_mul(BLOCK));
        for (at, (to, more)) in (0..).step_by(8).zip(bits.iter_mut().zip(gone)) {
            let kept = before.saturating_sub(at).min(8);
            *to |= more & u8::try_from((1_u16 << kept) - 1).unwrap_or(u8::MAX);
        }
    }

    /// Whether the removal of a record was announced. Blocks before are forgotten.
    pub(super) fn is_announced(&mut self, seq: u64) -> bool {
        let (block, at) = (seq / BLOCK, seq % BLOCK);
        self.blocks = self.blocks.split_off(&block);
        let bits = self.blocks.get(&block);
        let byte = usize::try_from(at / 8).ok().and_then(|byte| bits?.get(byte));
        byte.is_some_and(|byte| byte & (1 << (at % 8)) != 0)
    }

    /// The first record of a block whose removal was not announced and that is none of these. The block is
    /// forgotten then.
    pub(super) fn left(&mut self, block: u64, kept: &BTreeSet<u64>) -> Option<u64> {
        self.blocks = self.blocks.split_off(&block);
        let first = block.saturating_mul(BLOCK);
        let Some(bits) = self.blocks.remove(&block) else {
            return (first..first.saturating_add(BLOCK)).find(|seq| !kept.contains(seq));
        };
        let left = (first..).step_by(8).zip(bits).filter(|(_, byte)| *byte != u8::MAX);
        let each =
            left.flat_map(|(first, byte)| (0..8).map(move |at| (first + at, byte >> at & 1)));
        each.filter(|(_, bit)| *bit == 0).map(|(seq, _)| seq).find(|seq| !kept.contains(seq))
    }

    /// Whether the record that the walk has come to is the announcement that was given for its index.
    pub(super) fn confirm(&mut self, seq: u64, leaf: &Hash) -> Option<bool> {
        if self.due.first_key_value().is_none_or(|(first, _)| *first > seq) {
            return None;
        }
        self.due.remove(&seq).map(|announced| announced == *leaf)
    }

    /// An announcement that the walk did not meet.
    pub(super) fn unconfirmed(&self) -> Option<u64> {
        self.due.keys().next().copied()
    }
}
