//! Streams whose first records were pruned: what is left of them, and how a walk begins behind them.
//!
//! Below a multiple of [`BLOCK`] go rows and tiles. What stays of them is the roots of the perfect subtrees of
//! what was pruned, the MAC of its last record, and the records of the writer's own that verification needs,
//! each with a proof that it was there.

use std::collections::BTreeSet;

use super::checkpoint::Note;
use super::claim::BLOCK;
use super::columns::Sealed;
use super::entry::Entry;
use super::proof::{inclusion_holds, left_of};
use super::strict::unescape;
use super::tree::{Hash, Tree};
use super::verdict::Flaw;
use super::verify::Verifier;

/// What is left of the beginning of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prefix {
    /// The tree of the records that were pruned.
    pub tree: Tree,
    /// The MAC of the last of them.
    pub last_mac: [u8; 32],
    /// How many epochs ended with them, or before.
    pub epoch: u64,
}

impl Prefix {
    /// From what a store or an export keeps; none if the hashes do not fit the size.
    pub fn new(size: u64, range: Vec<Hash>, last_mac: [u8; 32], epoch: u64) -> Option<Self> {
        Some(Self { tree: Tree::from_frontier(size, range)?, last_mac, epoch })
    }
}

impl Verifier {
    /// Begins the walk behind records that were pruned. Records that stayed of them are given with
    /// [`Verifier::kept`] next, then each block with [`Verifier::pruned`], and [`Verifier::end_prefix`] ends that.
    pub fn begin_behind(&mut self, prefix: &Prefix) {
        let size = prefix.tree.size();
        // Each epoch ends with another record.
        if !size.is_multiple_of(BLOCK) || prefix.epoch > size {
            let detail = format!("no writer prunes below record {size}, epoch {}", prefix.epoch);
            self.report(Flaw::Malformed, 0, &detail);
            return;
        }
        if let Some((_, last)) = &mut self.mac {
            *last = prefix.last_mac;
        }
        self.tree = prefix.tree.clone();
        self.last_mac = None;
        self.epoch = prefix.epoch;
        self.verdict.pruned = size;
        let unknown = self.anchors.forget_below(size);
        if unknown > 0 {
            self.verdict.notices.push(format!(
                "{unknown} checkpoint(s) kept outside speak only of records that were pruned since"
            ));
        }
        if self.anchors.differ(&self.tree) {
            let detail = format!("what was kept outside has another root for {size} records");
            self.report(Flaw::Fork, size, &detail);
        }
    }

    /// Whether a record was where it stands among those that were pruned; `path` leads to the root of all of
    /// them, the nearest sibling first.
    pub fn was_there(&mut self, seq: u64, entry: &Entry<'_>, path: &[[u8; 32]]) -> bool {
        let holds = inclusion_holds(&entry.leaf, seq, self.verdict.pruned, path, &self.tree.root());
        if !holds {
            let detail = "no proof shows that this record was among those that were pruned";
            self.report(Flaw::Altered, seq, detail);
        }
        holds
    }

    /// Takes a record that stayed of those that were pruned, in the order of their indexes; says whether it
    /// was there. If it names the next signing key, `note` is the checkpoint that it ends.
    pub fn kept(&mut self, record: &Sealed<'_>, path: &[[u8; 32]], note: Option<&str>) -> bool {
        if !self.was_there(record.seq, &record.entry, path) {
            return false;
        }
        let body = record.entry.body.as_ref().ok();
        let category = body.map(|body| unescape(body.category));
        if category.is_none_or(|category| passes(&category) || category == "event") {
            let detail = "nobody prunes around a record of this category";
            self.report(Flaw::Inserted, record.seq, detail);
        }
        self.verdict.records += 1;
        self.check_body(record);
        if self.next_key.is_none() {
            return true;
        }
        let ended = left_of(record.seq, self.verdict.pruned, path).map(|mut tree| {
            tree.push(record.entry.leaf);
            tree
        });
        match (ended, note.map(Note::parse)) {
            (Some(tree), Some(Ok(note))) => self.check_ended(&tree, &note),
            (_, Some(Err(error))) => self.report(Flaw::Malformed, record.seq, &error.to_string()),
            _ => {
                let detail = "the checkpoint that this record ended is not there";
                self.report(Flaw::BadSignature, record.seq, detail);
            }
        }
        self.turn_key();
        true
    }

    /// Checks the checkpoint that ended with the record of a key.
    fn check_ended(&mut self, tree: &Tree, note: &Note) {
        let size = tree.size();
        if !self.is_signed(note, size) {
            return;
        }
        if note.root == tree.root() {
            self.verdict.checkpoints += 1;
        } else {
            self.report(Flaw::Altered, size - 1, "its checkpoint has another root");
        }
    }

    /// Ends a block of the pruned records: but those that stayed, the removal of each must have been announced.
    /// Says whether it was: the first block of which that is not so ends the walk.
    pub fn pruned(&mut self, block: u64, kept: &BTreeSet<u64>) -> bool {
        let left = self.removals.left(block, kept);
        if let Some(seq) = left {
            self.report(Flaw::Missing, seq, "the record is not there");
        }
        left.is_none()
    }

    /// Goes on with the first record behind those that were pruned, when all blocks were looked at: only now
    /// it is known that there were as many epochs as could be.
    pub fn end_prefix(&mut self) {
        if let Some((key, _)) = &mut self.mac {
            for _ in 0..self.epoch {
                *key = key.evolve();
            }
        }
    }
}

/// Whether records of the writer's own of this category go when they are pruned: they say nothing that is
/// needed later. Announcements of removals go besides, where others take their place.
///
/// ```
/// assert!(secmon_core::seal::passes("secmon.heartbeat") && !secmon_core::seal::passes("secmon.incident"));
/// ```
pub fn passes(category: &str) -> bool {
    ["secmon.heartbeat", "secmon.directory"].contains(&category)
}

/// Which records of a block are to be removed: all but these, as [`Claim::Gone`](super::Claim) has it.
pub fn all_but(block: u64, kept: &BTreeSet<u64>) -> Vec<u8> {
    let mut bits = vec![0xff; super::claim::BLOCK_BYTES];
    let first = block.saturating_mul(BLOCK);
    for seq in kept.range(first..first.saturating_add(BLOCK)) {
        let at = seq - first;
        if let Some(byte) = usize::try_from(at / 8).ok().and_then(|at| bits.get_mut(at)) {
            *byte &= !(1 << (at % 8));
        }
    }
    bits
}
