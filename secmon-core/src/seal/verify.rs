//! Verification of a stream: offline, with the public key alone; with K_0 the MACs too.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::anchors::Anchors;
use super::body::Body;
use super::chain::{MacKey, first_mac};
use super::checkpoint::{Note, Vkey};
use super::claim::{Claim, DIRECTORY, KEY};
use super::columns::{Sealed, differing};
use super::keys::KeyFile;
use super::removals::Removals;
use super::tree::{Hash, Tree, leaf_hash};
use super::value::Erasures;
use super::verdict::{Finding, Flaw, Verdict};

/// More findings than these say no more.
const MOST_FINDINGS: usize = 1_000;

/// Names of other streams beyond these are not remembered.
const MOST_LISTED: usize = 100_000;

/// Walks a stream from its first record: records and checkpoints in their order, then `finish`.
/// Memory does not grow with the stream.
#[derive(Clone, Debug)]
pub struct Verifier {
    pub(super) origin: String,
    /// The signing key of the next checkpoint.
    pub(super) vkey: Vkey,
    pub(super) sig_epoch: u64,
    /// The stream's own key, which must have signed every checkpoint.
    pub(super) stream_vkey: Option<Vkey>,
    /// The key that the last record names.
    pub(super) next_key: Option<(u64, [u8; 32])>,
    pub(super) removals: Removals,
    pub(super) erasures: Erasures,
    /// The days until which records are held.
    pub(super) holds: BTreeMap<u64, i64>,
    /// Hash of the encrypted K_0 that the first record names, and of the one that is stored.
    pub(super) named_box: Option<Hash>,
    pub(super) kept_box: Option<Hash>,
    pub(super) anchors: Anchors,
    /// What other streams say of this one, of places to which the walk comes.
    pub(super) stated: Anchors,
    pub(super) tree: Tree,
    pub(super) last_at: i64,
    /// The stored MAC of the record before; none if there is none to compare with.
    pub(super) last_mac: Option<Hash>,
    pub(super) mac: Option<(MacKey, Hash)>,
    pub(super) epoch: u64,
    /// Whether a flaw since the last good checkpoint explains a root that differs.
    pub(super) explained: bool,
    /// Findings since then that say body and stored leaf differ: which of the two is wrong, the next
    /// root tells.
    pub(super) doubtful: Vec<usize>,
    pub(super) verdict: Verdict,
}

impl Verifier {
    /// For the stream whose origin is the key's name. The key is the first signing key, the genesis
    /// key: those that follow are named in the stream.
    pub fn new(vkey: Vkey) -> Self {
        let verdict = Verdict { origin: vkey.name().into(), ..Verdict::default() };
        let last_mac = Some(first_mac(vkey.name()));
        Self {
            origin: vkey.name().into(),
            vkey,
            sig_epoch: 0,
            stream_vkey: None,
            next_key: None,
            removals: Removals::default(),
            erasures: Erasures::default(),
            holds: BTreeMap::new(),
            named_box: None,
            kept_box: None,
            anchors: Anchors::default(),
            stated: Anchors::default(),
            tree: Tree::default(),
            last_at: i64::MIN,
            last_mac,
            mac: None,
            epoch: 0,
            explained: false,
            doubtful: Vec::new(),
            verdict,
        }
    }

    /// Checks every MAC and seal too.
    #[must_use]
    pub fn with_k0(mut self, k0: [u8; 32]) -> Self {
        self.mac = Some((MacKey::new(k0), first_mac(&self.origin)));
        self.verdict.macs_checked = true;
        self
    }

    /// Asks of every checkpoint that the stream's own key signed it too.
    #[must_use]
    pub fn with_stream_key(mut self, vkey: Vkey) -> Self {
        self.stream_vkey = Some(vkey);
        self
    }

    /// Asks that the stream goes on from a checkpoint that was kept outside. It is believed for where it
    /// was kept: of a stream with another name it says nothing.
    #[must_use]
    pub fn with_anchor(mut self, note: &Note) -> Self {
        if note.origin == self.origin {
            self.anchors.add(note.size, note.root);
        }
        self
    }

    /// Asks that the stream goes on from where the key file saw it.
    pub fn expect_keys(&mut self, keys: &KeyFile) {
        if let Some(root) = keys.root().filter(|_| keys.stream == self.origin) {
            self.anchors.add(keys.size, root);
        }
    }

    /// Asks that the stream has this root where it holds so many records, as another stream says. It must be
    /// told before the walk comes there.
    pub fn expect_root(&mut self, size: u64, root: [u8; 32]) {
        self.stated.add(size, root);
    }

    /// The encrypted K_0 that is stored: the stream must have begun with it.
    pub fn expect_box(&mut self, k0_box: Option<&[u8]>) {
        self.kept_box = k0_box.map(|sealed| Sha256::digest(sealed).into());
    }

    /// How many records the last good checkpoint covers so far.
    pub fn covered(&self) -> u64 {
        self.verdict.covered
    }

    /// Takes the body of a record that stands further behind and announces removals or erasures, before the
    /// first record of which it speaks. The walk must meet the same body at the index; of one that it has
    /// passed already the caller must know that it is the one that was walked.
    pub fn announce(&mut self, seq: u64, body: &[u8]) {
        match Claim::of(body) {
            Some(Claim::Gone { block, gone, .. }) => self.removals.add(seq, block, &gone),
            Some(Claim::Held { seqs, until, .. }) => {
                for held in seqs.into_iter().filter(|held| *held < seq) {
                    let day = self.holds.entry(held).or_insert(until);
                    *day = until.max(*day);
                }
            }
            Some(claim @ Claim::Erased { of: None, .. }) => self.erasures.add(Some(seq), claim),
            _ => {
                self.report(Flaw::Malformed, seq, "this record announces no removal");
                return;
            }
        }
        self.removals.expect(seq, leaf_hash(body), self.tree.size());
    }

    /// Takes the body of a record of another stream that announces erasures in this one. Whether it stands
    /// there says the verdict on that stream.
    pub fn announce_from(&mut self, origin: &str, seq: u64, body: &[u8]) {
        match Claim::of(body) {
            Some(claim @ Claim::Erased { .. }) if matches!(&claim, Claim::Erased { of: Some(of), .. } if *of == self.origin) =>
            {
                self.erasures.add(None, claim);
                self.verdict.relies_on.push((origin.into(), seq));
                self.verdict.notices.push(format!(
                    "record {seq} of `{origin}` announces erasures in this stream: verify that stream too"
                ));
            }
            _ => self.report(Flaw::Malformed, seq, "this record announces no erasure here"),
        }
    }

    /// The index of the record that comes next.
    pub fn next_seq(&self) -> u64 {
        self.tree.size()
    }

    /// Whether the removal of a record of the block that is walked was announced.
    pub fn is_removed(&mut self, seq: u64) -> bool {
        self.removals.is_announced(seq)
    }

    /// The MAC of the last record as K_0 gives it, if that is at hand: of records that are gone too.
    pub fn last_mac(&self) -> Option<[u8; 32]> {
        self.mac.as_ref().map(|(_, last)| *last)
    }

    /// Takes the next record of the store.
    pub fn record(&mut self, record: &Sealed<'_>) {
        let next = self.tree.size();
        if record.seq < next {
            self.report(Flaw::Inserted, record.seq, "this index stands twice");
            return;
        }
        if record.seq > next {
            // Without the leaves of what is missing the roots behind the gap cannot be compared.
            let gap = record.seq - next;
            self.report(Flaw::Missing, next, &format!("{gap} record(s) are not there"));
            return;
        }
        self.verdict.records += 1;
        let leaf = record.entry.leaf;
        self.enter(record.seq, &leaf);
        self.check_body(record);
        if let Some((key, last)) = &mut self.mac {
            let mac = key.chain(record.seq, last, &leaf);
            // The stored MAC goes on the chain: one bad record does not spoil those behind it.
            *last = record.mac.try_into().unwrap_or(mac);
            if mac != record.mac {
                self.report(
                    Flaw::BadMac,
                    record.seq,
                    "the MAC does not fit the record and those before",
                );
            }
        }
        self.last_mac = record.mac.try_into().ok();
        self.push(leaf);
    }

    /// Takes the leaf hash of a record that is missing, so that the walk goes on behind it. Where its
    /// removal was announced, nothing is wrong.
    pub fn missing(&mut self, leaf: [u8; 32]) {
        let seq = self.tree.size();
        self.enter(seq, &leaf);
        if self.removals.is_announced(seq) {
            self.verdict.expired += 1;
        } else {
            self.report(Flaw::Missing, seq, "the record is not there");
        }
        if let Some((key, last)) = &mut self.mac {
            *last = key.chain(seq, last, &leaf);
        }
        self.last_mac = None;
        self.push(leaf);
    }

    fn push(&mut self, leaf: Hash) {
        self.tree.push(leaf);
        // What was changed before makes all roots behind it differ: that is one flaw.
        let differs = self.anchors.differ(&self.tree) | self.stated.differ(&self.tree);
        if differs && !self.explained {
            let size = self.tree.size();
            let detail = format!(
                "what was kept outside, or in another stream, has another root for {size} records"
            );
            self.report(Flaw::Fork, size, &detail);
        }
    }

    /// Comes to a record: what was said of it before must fit.
    fn enter(&mut self, seq: u64, leaf: &Hash) {
        if let Some((at, _)) = self.next_key.take() {
            let detail = "a signing key is named here, and no checkpoint ends here";
            self.report(Flaw::MisplacedKey, at, detail);
        }
        if self.removals.confirm(seq, leaf) == Some(false) {
            let detail = "the removals that this record announced are others";
            self.report(Flaw::Altered, seq, detail);
        }
    }

    pub(super) fn check_body(&mut self, record: &Sealed<'_>) {
        let (seq, leaf) = (record.seq, record.entry.leaf);
        if record.leaf.is_some_and(|stored| stored != leaf) {
            if self.verdict.findings.len() < MOST_FINDINGS {
                self.doubtful.push(self.verdict.findings.len());
            }
            self.report(Flaw::Altered, seq, "the body does not fit its stored leaf hash");
        }
        let body = match &record.entry.body {
            Ok(body) => body,
            Err(reason) => {
                self.report(Flaw::Malformed, seq, reason);
                return;
            }
        };
        if body.index() != Some(seq) {
            self.report(Flaw::Reordered, seq, &format!("the body was sealed at {}", body.seq));
        }
        if body.stream != self.origin {
            self.report(Flaw::Inserted, seq, "the body belongs to another stream");
        }
        if body.at < self.last_at {
            self.report(Flaw::Reordered, seq, "sealed before the record in front of it");
        }
        // A body that is altered must not make those behind it look misplaced.
        if record.leaf.is_none_or(|stored| stored == leaf) {
            self.last_at = self.last_at.max(body.at);
        }
        if let (0, Some(Claim::Box { sha256 })) = (seq, body.claim()) {
            self.named_box = Some(sha256);
        }
        if body.category == KEY {
            match body.claim() {
                Some(Claim::Key { epoch, next }) if epoch == self.sig_epoch + 1 => {
                    self.next_key = Some((seq, next));
                }
                _ => self.report(Flaw::Malformed, seq, "it does not name the next signing key"),
            }
        }
        if body.category == DIRECTORY
            && let Some(Claim::Listed { notes, .. }) = body.claim()
        {
            self.lists(&notes);
        }
        let tokens = record.values.map(|values| self.check_values(seq, body, values));
        let (tokens, expires) = (tokens.unwrap_or_default(), self.expires(seq, body));
        if let Some(columns) = record.columns
            && let Some(column) = differing(body, &columns, &tokens, expires)
        {
            self.report(
                Flaw::ColumnMismatch,
                seq,
                &format!("column `{column}` differs from the body"),
            );
        }
    }

    /// The day on which a record expires: not before the one until which it is held.
    pub(super) fn expires(&self, seq: u64, body: &Body<'_>) -> i64 {
        self.holds.get(&seq).copied().unwrap_or(body.expires).max(body.expires)
    }

    /// Remembers the streams that a record lists.
    fn lists(&mut self, notes: &[String]) {
        for note in notes.iter().filter_map(|note| Note::parse(note).ok()) {
            if self.verdict.lists.len() < MOST_LISTED {
                self.verdict.lists.insert(note.origin);
            }
        }
    }

    /// Adds what was found beside the walk.
    pub fn report(&mut self, flaw: Flaw, seq: u64, detail: &str) {
        self.explained = true;
        if self.verdict.findings.len() < MOST_FINDINGS {
            self.verdict.findings.push(Finding { flaw, seq, detail: detail.into() });
        }
    }
}
