//! SHA-256 as each record needs it: short messages whole, padded once and compressed in one call, which takes a
//! third less than a hasher that must be ready for more; behind a block that is the same for all; and of many
//! messages two beside each other.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::tree::Hash;

/// FIPS 180-4 section 5.3.3.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// SHA-256(prefix ‖ message).
pub(super) fn prefixed(prefix: u8, message: &[u8]) -> Hash {
    match message.len() {
        0..=118 => padded::<2>(prefix, message),
        119..=502 => padded::<8>(prefix, message),
        503..=1_014 => padded::<16>(prefix, message),
        _ => Sha256::new_with_prefix([prefix]).chain_update(message).finalize().into(),
    }
}

/// The same of a message that fits so many blocks with its padding.
fn padded<const BLOCKS: usize>(prefix: u8, message: &[u8]) -> Hash {
    ended::<BLOCKS>(&mut { INITIAL }, 0, [&[prefix], message])
}

/// A hash that has begun with one block, as both of HMAC's have under a key: what comes behind that block is
/// hashed as often as is wanted. Such a state is as secret as its key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Begun([u32; 8]);

impl Begun {
    pub(super) fn with(block: &[u8; 64]) -> Self {
        let mut begun = Self(INITIAL);
        compress256(&mut begun.0, std::slice::from_ref(block));
        begun
    }

    /// SHA-256(the block ‖ message).
    pub(super) fn end<const LENGTH: usize>(&self, message: &[u8; LENGTH]) -> Hash {
        const { assert!(LENGTH + 9 <= 128, "fits two blocks") };
        // Behind the last block it holds what may be a key itself.
        let mut state = Zeroizing::new(self.0);
        ended::<2>(&mut state, 64, [&[], message])
    }
}

/// Goes on from a state that so many bytes brought about, with a text in two parts that fits so many blocks
/// with its padding, to the end.
#[expect(
    clippy::inline_always,
    reason = "a MAC takes a third less where its lengths are constants"
)]
#[inline(always)]
fn ended<const BLOCKS: usize>(state: &mut [u32; 8], before: usize, parts: [&[u8]; 2]) -> Hash {
    let [first, second] = parts;
    let length = first.len() + second.len();
    let mut blocks = [[0; 64]; BLOCKS];
    let blocks = blocks.get_mut(..(length + 9).div_ceil(64)).unwrap_or_default();
    let bytes = blocks.as_flattened_mut();
    if let Some((start, rest)) = bytes.split_at_mut_checked(first.len())
        && let Some(text) = rest.get_mut(..second.len())
    {
        start.copy_from_slice(first);
        text.copy_from_slice(second);
    }
    pad(bytes, length, before + length);
    compress256(state, blocks);
    output(state)
}

/// Ends the last blocks of a message of so many bytes, behind those of them that stand there.
#[inline]
fn pad(blocks: &mut [u8], end: usize, length: usize) {
    if let Some(end) = blocks.get_mut(end) {
        *end = 0x80;
    }
    if let Some(bits) = blocks.last_chunk_mut() {
        *bits = (8 * length as u64).to_be_bytes();
    }
}

/// SHA-256(prefix ‖ message) of each message, two beside each other, block by block: the processor works on one
/// while it would wait for the other.
pub(super) fn prefixed_each(prefix: u8, messages: &[&[u8]]) -> Vec<Hash> {
    let mut hashes = Vec::with_capacity(messages.len());
    let (pairs, last) = messages.as_chunks();
    for pair in pairs {
        hashes.extend(match pair.map(|message| Blocks::of(prefix, message)) {
            [Some(one), Some(other)] => beside(&one, &other),
            _ => pair.map(|message| prefixed(prefix, message)),
        });
    }
    hashes.extend(last.iter().map(|message| prefixed(prefix, message)));
    hashes
}

/// The blocks of a prefix and a message with their padding. Those that lie whole in the message stay there.
struct Blocks<'m> {
    first: [u8; 64],
    whole: &'m [[u8; 64]],
    last: [[u8; 64]; 2],
    count: usize,
}

impl<'m> Blocks<'m> {
    /// None of a message that does not fill the first block.
    fn of(prefix: u8, message: &'m [u8]) -> Option<Self> {
        let (begin, behind) = message.split_first_chunk::<63>()?;
        let (whole, rest) = behind.as_chunks();
        let mut first = [prefix; 64];
        *first.last_chunk_mut()? = *begin;
        let padded = (rest.len() + 9).div_ceil(64);
        let mut last = [[0; 64]; 2];
        let bytes = last.get_mut(..padded)?.as_flattened_mut();
        bytes.get_mut(..rest.len())?.copy_from_slice(rest);
        pad(bytes, rest.len(), 1 + message.len());
        Some(Self { first, whole, last, count: 1 + whole.len() + padded })
    }

    fn at(&self, at: usize) -> Option<&[u8; 64]> {
        if at >= self.count {
            return None;
        }
        let Some(at) = at.checked_sub(1) else { return Some(&self.first) };
        let behind = at.checked_sub(self.whole.len());
        behind.map_or_else(|| self.whole.get(at), |behind| self.last.get(behind))
    }
}

fn beside(one: &Blocks<'_>, other: &Blocks<'_>) -> [Hash; 2] {
    let mut states = [INITIAL; 2];
    for at in 0..one.count.max(other.count) {
        for (state, blocks) in states.iter_mut().zip([one, other]) {
            if let Some(block) = blocks.at(at) {
                compress256(state, std::slice::from_ref(block));
            }
        }
    }
    states.map(|state| output(&state))
}

fn output(state: &[u32; 8]) -> Hash {
    let mut hash = [0; 32];
    let (words, _) = hash.as_chunks_mut();
    for (to, word) in words.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_hashed_as_the_hasher_does() {
        let all: Vec<u8> = (0..1_200_u32).map(|at| at.to_be_bytes()[3]).collect();
        for length in 0..all.len() {
            let message = &all[..length];
            let expected: Hash =
                Sha256::new_with_prefix([1]).chain_update(message).finalize().into();
            assert_eq!(prefixed(1, message), expected, "{length}");
            for other in [0, 62, 63, 118, 400, length] {
                let other = &all[all.len() - other..];
                let hashes = [expected, prefixed(1, other), expected];
                assert_eq!(prefixed_each(1, &[message, other, message]), hashes, "{length}");
            }
        }
    }
}
