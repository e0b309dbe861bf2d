//! The end of verification: what was walked, against what the store and others say of the stream.

use super::claim::BLOCK;
use super::verdict::{Flaw, Verdict};
use super::verify::Verifier;
use super::{Head, KeyFile};

/// A writer never leaves so many records without a checkpoint: it issues one a second, or behind 10,000.
const MOST_OPEN: u64 = BLOCK;

impl Verifier {
    /// Ends the walk: compares with the head that the store claims, and with the key file.
    pub fn finish(mut self, head: Option<&Head>, keys: Option<&KeyFile>) -> Verdict {
        let size = self.tree.size();
        if let Some(head) = head {
            let claimed = head.tree.size();
            if claimed > size {
                self.report(Flaw::Truncated, size, &format!("the stream claims {claimed} records"));
            } else if claimed < size {
                self.report(Flaw::Inserted, claimed, "records behind the stream's end");
            } else if head.tree == self.tree {
                self.blame_tiles();
            } else if !self.explained {
                let from = self.verdict.covered;
                self.report(
                    Flaw::Altered,
                    from,
                    "the stream's root differs from that of its records",
                );
            }
            if claimed == size && self.last_mac.is_some_and(|last| last != head.last_mac) {
                let last = size.saturating_sub(1);
                self.report(
                    Flaw::BadMac,
                    last,
                    "the stream's last MAC is not that of its last record",
                );
            }
            if self.verdict.is_ok() && size > 0 && head.last_at != self.last_at {
                let detail = "the stream's last sealing time is not that of its last record";
                self.report(Flaw::ColumnMismatch, size - 1, detail);
            }
            if head.sig_epoch != self.sig_epoch && self.verdict.is_ok() {
                let detail = format!(
                    "the stream signs in epoch {}, its records name keys up to epoch {}",
                    head.sig_epoch, self.sig_epoch
                );
                self.report(Flaw::ColumnMismatch, size, &detail);
            }
            if head.mac_epoch != self.epoch {
                let detail = format!(
                    "the stream is in epoch {}, its checkpoints end {}",
                    head.mac_epoch, self.epoch
                );
                self.report(Flaw::BadSeal, size, &detail);
            }
        }
        let by_keys = |kept: &u64| keys.is_some_and(|keys| keys.size == *kept);
        if let Some(kept) = self.anchors.left().filter(|kept| !by_keys(kept)) {
            let detail = format!("a checkpoint kept outside covers {kept} records");
            self.report(Flaw::Rollback, size, &detail);
        }
        if let Some(seq) = self.removals.unconfirmed() {
            let detail = "the record that announced removals is not at this index";
            self.report(Flaw::Unannounced, seq, detail);
        }
        if (head.is_some() || self.kept_box.is_some()) && self.kept_box != self.named_box {
            let detail = "the encrypted K_0 is not the one with which the stream began";
            self.report(Flaw::ColumnMismatch, 0, detail);
        }
        if let Some(last) = self.removals.last().filter(|last| *last >= self.verdict.covered)
            && self.verdict.is_ok()
        {
            let detail = "no checkpoint covers the record that announced removals";
            self.report(Flaw::Unannounced, last, detail);
        }
        if self.verdict.covered < self.verdict.pruned && self.verdict.is_ok() {
            let detail = "no checkpoint covers what was pruned";
            self.report(Flaw::BadSignature, self.verdict.pruned, detail);
        }
        if head.is_some() && size.saturating_sub(self.verdict.covered) > MOST_OPEN {
            let detail = format!(
                "no checkpoint covers the {} records from here on",
                size - self.verdict.covered
            );
            self.report(Flaw::BadSignature, self.verdict.covered, &detail);
        }
        if let Some(keys) = keys
            && keys.sig_epoch == self.sig_epoch
            && keys.vkey(&self.origin).is_ok_and(|vkey| vkey != self.vkey)
        {
            self.report(
                Flaw::BadSignature,
                size,
                "the stream names another key than the key file has",
            );
        }
        if let Some(keys) = keys
            && (keys.size > size || keys.mac_epoch > self.epoch)
        {
            let detail =
                format!("the key file has seen record {}, epoch {}", keys.size, keys.mac_epoch);
            self.report(Flaw::Rollback, size, &detail);
        }
        self.verdict
    }
}
