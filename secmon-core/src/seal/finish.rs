//! The end of verification: what was walked, against what the store and others say of the stream.

use super::verdict::{Flaw, Verdict};
use super::verify::Verifier;
use super::{Head, KeyFile};

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
        if let Some(kept) = self.anchors.left() {
            let detail = format!("a checkpoint kept outside covers {kept} records");
            self.report(Flaw::Rollback, size, &detail);
        }
        if let Some(seq) = self.removals.unconfirmed() {
            let detail = "the record that announced removals is not at this index";
            self.report(Flaw::Unannounced, seq, detail);
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
