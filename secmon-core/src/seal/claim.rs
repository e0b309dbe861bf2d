//! What records of the writer's own say to whoever verifies the stream.

use std::collections::BTreeMap;

use super::body::Body;
use crate::event::Name;

/// What a record of the writer's own says to whoever verifies the stream, in members of its body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claim {
    /// `secmon.stream`, the first record of a stream whose K_0 lies in the store, encrypted to an auditor.
    Box {
        /// SHA-256 of what lies there.
        sha256: [u8; 32],
    },
    /// `secmon.key`: the signing key of the checkpoints behind the one that this record ends.
    Key {
        /// The epoch that begins.
        epoch: u64,
        /// The public key.
        next: [u8; 32],
    },
    /// `secmon.retention`: which records of a block of 65,536 are removed from now on.
    Gone {
        /// The number of the block.
        block: u64,
        /// A bit for each record, 8 KiB, the lowest bit of the first byte first.
        gone: Vec<u8>,
        /// Why, in words.
        policy: String,
        /// Who wanted it.
        by: String,
    },
    /// `secmon.hold`: which records are kept beyond their day.
    Held {
        /// Their indexes in this stream.
        seqs: Vec<u64>,
        /// The day on which they expire instead, since 1970.
        until: i64,
        /// Who wanted it.
        by: String,
    },
    /// `secmon.directory`: checkpoints of other streams, as they are. The directory lists those of all the
    /// others, each of them that of the directory: whoever puts one back contradicts the rest.
    Listed {
        /// The signed notes.
        notes: Vec<String>,
        /// The first signing keys of streams that were not listed before.
        vkeys: Vec<String>,
    },
    /// `secmon.erasure`: which personal values are erased from now on.
    Erased {
        /// The stream of their records by its origin, if it is another than that of this record.
        of: Option<String>,
        /// The records by field (`raw` for a raw line).
        values: BTreeMap<Name, Vec<u64>>,
    },
}

impl Claim {
    /// The category of its record.
    pub(crate) fn category(&self) -> &'static str {
        match self {
            Self::Box { .. } => STREAM,
            Self::Key { .. } => KEY,
            Self::Gone { .. } => RETENTION,
            Self::Held { .. } => HOLD,
            Self::Erased { .. } => ERASURE,
            Self::Listed { .. } => DIRECTORY,
        }
    }

    /// Reads it out of a body; none if the body makes none.
    pub fn of(body: &[u8]) -> Option<Self> {
        Body::parse(body).ok()?.claim()
    }
}

/// The category of the record with which a stream begins.
pub(super) const STREAM: &str = "secmon.stream";
/// The category of records that name the next signing key.
pub(super) const KEY: &str = "secmon.key";
/// The category of records that announce what is removed.
pub(super) const RETENTION: &str = "secmon.retention";
/// The category of records that announce which personal values are erased.
pub(super) const ERASURE: &str = "secmon.erasure";
/// The category of records that announce which evidence is held.
pub(super) const HOLD: &str = "secmon.hold";
/// The category of records that list checkpoints of other streams.
pub(super) const DIRECTORY: &str = "secmon.directory";
/// Records of one block of a retention record.
pub const BLOCK: u64 = 65_536;
/// Bytes of its bits.
pub(super) const BLOCK_BYTES: usize = 8_192;
