//! What a writer is given, and what it answers.

use secmon_core::{Detection, Prepared};

use crate::inputs::Position;
use crate::receipts::RequestKey;

/// The bounds of one batch.
const MOST_EVENTS: usize = 1_000;
const MOST_BYTES: usize = 4 << 20;

/// Events to be stored together, with what belongs into the same transaction.
#[derive(Debug, Default)]
pub struct Request {
    /// The events.
    pub events: Vec<Prepared>,
    /// Under which the request is stored once.
    pub key: Option<RequestKey>,
    /// How far the files were read that the events come from.
    pub positions: Vec<Position>,
}

impl Request {
    /// Cuts a long request into parts that fit a batch. Parts of a keyed request have keys of their
    /// own, so that a retry goes on where the first try ended.
    pub fn split(self) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut part = Self::default();
        let mut bytes = 0;
        for event in self.events {
            let size = event.bytes();
            if part.events.len() == MOST_EVENTS
                || (bytes + size > MOST_BYTES && !part.events.is_empty())
            {
                parts.push(std::mem::take(&mut part));
                bytes = 0;
            }
            bytes += size;
            part.events.push(event);
        }
        part.positions = self.positions;
        parts.push(part);
        if let Some(key) = self.key {
            for (part, number) in parts.iter_mut().zip(0..) {
                part.key = Some(key.part(number));
            }
        }
        parts
    }

    /// Bytes, roughly, for budgets.
    pub fn bytes(&self) -> usize {
        self.events.iter().map(Prepared::bytes).sum()
    }
}

/// What a writer answers once everything is committed.
#[derive(Clone, Debug, Default)]
pub struct Receipt {
    /// The id of the stream.
    pub stream: String,
    /// The first and the last index of the request's records; derived records may lie between.
    pub seqs: Option<(u64, u64)>,
    /// What the rules found in the batch.
    pub detections: Vec<Detection>,
    /// Whether the request was stored before, and is answered from its receipt.
    pub replayed: bool,
}

impl Receipt {
    /// Adds the receipt of the next part.
    pub(crate) fn join(&mut self, part: Self) {
        self.stream = part.stream;
        self.seqs = match (self.seqs, part.seqs) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (one, other) => one.or(other),
        };
        self.detections.extend(part.detections);
        self.replayed &= part.replayed;
    }
}
