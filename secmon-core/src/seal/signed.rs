//! Checkpoints on the walk of verification: signatures, roots, seals, and keys that follow one another.

use super::checkpoint::{Checkpoint, Note, Vkey};
use super::verdict::Flaw;
use super::verify::Verifier;

impl Verifier {
    /// Takes the checkpoint that covers just the records taken so far.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        let size = self.tree.size();
        let seq = checkpoint.size;
        if seq != size {
            self.report(Flaw::Missing, size, &format!("a checkpoint covers {seq} records"));
            return;
        }
        match Note::parse(&checkpoint.note) {
            Err(error) => self.report(Flaw::Malformed, seq, &error.to_string()),
            Ok(note) => self.check_note(checkpoint, &note),
        }
        self.check_seal(checkpoint);
        self.turn_key();
    }

    /// Goes over to the signing key that the last record names, if it names one.
    pub(super) fn turn_key(&mut self) {
        if let Some((seq, next)) = self.next_key.take() {
            match Vkey::from_bytes(&self.origin, &next) {
                Some(vkey) => (self.vkey, self.sig_epoch) = (vkey, self.sig_epoch + 1),
                None => self.report(Flaw::Malformed, seq, "the key that it names is none"),
            }
        }
    }

    /// Whether a note is one of this stream and size, signed by all keys that must have.
    pub(super) fn is_signed(&mut self, note: &Note, size: u64) -> bool {
        if !note.is_signed_by(&self.vkey) {
            let detail = format!("no signature of the key of epoch {} verifies", self.sig_epoch);
            self.report(Flaw::BadSignature, size, &detail);
        } else if self.stream_vkey.as_ref().is_some_and(|vkey| !note.is_signed_by(vkey)) {
            self.report(Flaw::BadSignature, size, "no signature of the stream's own key verifies");
        } else if note.origin != self.origin || note.size != size {
            self.report(Flaw::ColumnMismatch, size, "the note speaks of another stream or size");
        } else {
            return true;
        }
        false
    }

    fn check_note(&mut self, checkpoint: &Checkpoint, note: &Note) {
        let size = checkpoint.size;
        if !self.is_signed(note, size) {
            return;
        }
        if note.root == self.tree.root() {
            self.verdict.checkpoints += 1;
            self.verdict.covered = size;
            self.explained = false;
            self.blame_tiles();
        } else if !self.explained {
            let (from, last) = (self.verdict.covered.max(self.verdict.pruned), size.max(1) - 1);
            let detail =
                format!("one of the records {from} to {last} is not the one that was sealed");
            self.report(Flaw::Altered, from, &detail);
        }
    }

    fn check_seal(&mut self, checkpoint: &Checkpoint) {
        if checkpoint.epoch != self.epoch {
            let detail = format!("epoch {} where {} was due", checkpoint.epoch, self.epoch);
            self.report(Flaw::BadSeal, checkpoint.size, &detail);
        }
        self.epoch = checkpoint.epoch.saturating_add(1);
        if let Some((key, last)) = &mut self.mac {
            let fits = *last == checkpoint.mac;
            *key = key.evolve();
            if !fits {
                self.report(Flaw::BadSeal, checkpoint.size, "the seal differs from the last MAC");
            }
        }
    }

    /// The bodies give the root that was signed: where a stored leaf differs, the leaf is wrong.
    pub(super) fn blame_tiles(&mut self) {
        for at in self.doubtful.drain(..) {
            if let Some(finding) = self.verdict.findings.get_mut(at) {
                finding.flaw = Flaw::BadTile;
                finding.detail = "the stored leaf hash does not fit the record".into();
            }
        }
    }
}
