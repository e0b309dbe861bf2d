//! Proofs out of the store: that a record is in its stream, and that a stream only grew.

use diesel::prelude::*;
use secmon_core::seal::{Note, Proof, consistency, inclusion};

use crate::connection::{Db, on};
use crate::schema::checkpoints;
use crate::streams::{CheckpointRow, StreamRow};
use crate::tiles::Nodes;
use crate::{Error, Result, Store, signed};

impl Store {
    /// The proof of a record under the latest checkpoint of its stream, which may be named by id, origin
    /// or label.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such record, [`Error::Uncovered`] when no checkpoint covers it
    /// yet.
    pub fn proof(&self, stream: &str, seq: u64) -> Result<Proof> {
        let stream = self.stream(stream)?;
        self.read(|db| {
            let missing =
                || Error::NotFound { what: format!("record {seq} of `{}`", stream.origin) };
            let note = last_checkpoint(db, stream.stream_no)?.map(|row| row.note);
            let note = note.ok_or(Error::Uncovered { seq })?;
            let size = Note::parse(&note)?.size;
            if seq >= stream.size() {
                return Err(missing());
            }
            if seq >= size {
                return Err(Error::Uncovered { seq });
            }
            if seq < stream.pruned_to() {
                let what = format!(
                    "a proof of record {seq}: records below {} were pruned, and it",
                    stream.pruned_to()
                );
                return Err(Error::NotFound { what });
            }
            let mut nodes = Nodes::new(db, stream.stream_no);
            let path = inclusion(seq, size, |level, at| nodes.node(level, at))?;
            Ok(Proof { index: seq, extra: None, path, note })
        })
    }

    /// The hashes that prove that a stream of `new` records begins with its first `old` ones.
    ///
    /// # Errors
    /// [`Error::Query`] when it never had so many records, or `old` is more than `new`.
    pub fn consistency(&self, stream: &str, old: u64, new: u64) -> Result<Vec<[u8; 32]>> {
        let stream = self.stream(stream)?;
        if old > new || new > stream.size() {
            let reason = format!(
                "sizes {old} and {new} must rise, up to the {} records there are",
                stream.size()
            );
            return Err(Error::Query { reason });
        }
        if old > 0 && old < stream.pruned_to() {
            let reason = format!(
                "records below {} were pruned: that is the smallest size of a proof",
                stream.pruned_to()
            );
            return Err(Error::Query { reason });
        }
        self.read(|db| {
            let mut nodes = Nodes::new(db, stream.stream_no);
            consistency(old, new, |level, at| nodes.node(level, at))
        })
    }

    /// The latest checkpoint of a stream, if it has one.
    pub fn checkpoint(&self, stream: &str) -> Result<Option<CheckpointRow>> {
        let stream = self.stream(stream)?;
        self.read(|db| last_checkpoint(db, stream.stream_no))
    }

    /// The checkpoint of a stream that covers just so many records, if there is one.
    pub fn checkpoint_at(&self, stream: &str, size: u64) -> Result<Option<CheckpointRow>> {
        let stream = self.stream(stream)?;
        let at =
            checkpoints::stream_no.eq(stream.stream_no).and(checkpoints::size.eq(signed(size)));
        let row = checkpoints::table.filter(at);
        self.read(|db| {
            Ok(on!(db, c => row.select(CheckpointRow::as_select()).first(c).optional())?)
        })
    }

    /// The stream of an id, origin or label; of several with one label the last that began.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none.
    pub fn stream(&self, name: &str) -> Result<StreamRow> {
        let found = self.streams()?.into_iter().rfind(|row| row.is(name));
        found.ok_or_else(|| Error::NotFound { what: format!("stream `{name}`") })
    }
}

/// The latest checkpoint of a stream, if it has one.
pub(crate) fn last_checkpoint(db: &mut Db, stream_no: i64) -> Result<Option<CheckpointRow>> {
    let query = checkpoints::table
        .filter(checkpoints::stream_no.eq(stream_no))
        .order(checkpoints::size.desc());
    Ok(on!(db, c => query.select(CheckpointRow::as_select()).first(c).optional())?)
}
