//! A batch in the making.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::batch::{Entry, Record};
use crate::incident::{Change, Detection};
use crate::place::Place;
use crate::privacy::Personal;
use crate::rules::Signal;
use crate::ruleset::Ruleset;
use crate::seal::Claim;

/// A batch in the making.
pub(crate) struct Work {
    pub(crate) records: Vec<Record>,
    pub(crate) batch_events: Vec<u64>,
    pub(crate) claims: Vec<(u64, Claim)>,
    pub(crate) personal: Vec<(u64, Personal)>,
    pub(crate) salts: u64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) unknown: BTreeSet<String>,
    pub(crate) detections: Vec<Detection>,
    pub(crate) changes: Vec<Change>,
    pub(crate) seed: [u8; 32],
    pub(crate) ids: u64,
    pub(crate) random: [u8; 32],
}

impl Work {
    pub(crate) fn new(events: usize, seed: [u8; 32]) -> Self {
        Self {
            records: Vec::with_capacity(events),
            batch_events: Vec::with_capacity(events),
            claims: Vec::new(),
            personal: Vec::new(),
            salts: 0,
            entries: Vec::new(),
            unknown: BTreeSet::new(),
            detections: Vec::new(),
            changes: Vec::new(),
            seed,
            ids: 0,
            random: [0; 32],
        }
    }

    /// A UUID version 7 (RFC 9562 section 5.7) with 74 bits of SHA-256(seed ‖ counter).
    pub(crate) fn id(&mut self, at: i64) -> u128 {
        // One hash gives two ids.
        let half = if self.ids.is_multiple_of(2) {
            let hash = Sha256::new_with_prefix(self.seed).chain_update(self.ids.to_be_bytes());
            self.random = hash.finalize().into();
            self.random.first_chunk::<16>().copied()
        } else {
            self.random.last_chunk::<16>().copied()
        };
        self.ids += 1;
        let random = u128::from_be_bytes(half.unwrap_or_default());
        let millis = u128::try_from(at / 1_000).unwrap_or(0) & 0xFFFF_FFFF_FFFF;
        let low = random & !(0xF << 76) & !(0x3 << 62) & ((1 << 80) - 1);
        (millis << 80) | low | (0x7 << 76) | (0x2 << 62)
    }

    /// 32 bytes that nobody can make again once the seed is forgotten.
    pub(crate) fn salt(&mut self) -> [u8; 32] {
        let hash = Sha256::new_with_prefix("secmon/salt/v1").chain_update(self.seed);
        self.salts += 1;
        hash.chain_update(self.salts.to_be_bytes()).finalize().into()
    }

    pub(crate) fn log(&mut self, ruleset: &Ruleset, place: Place, signal: Signal) {
        let Some(rule) = ruleset.rules().nth(signal.rule as usize) else { return };
        let time = signal.time.timestamp_micros();
        let entry =
            Entry::Signal(rule.id().into(), place, time, signal.group, signal.value, signal.weight);
        self.entries.push(entry);
    }
}
