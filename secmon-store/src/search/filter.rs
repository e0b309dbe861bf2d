//! A Bloom filter over words (B. H. Bloom, 1970): it may say yes to a word that is not there, and never no to one that
//! is. One of a hundred words that are not there is taken for one that is.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};

/// Bits for each word, and how many of them are set.
const BITS: usize = 10;
const SET: u64 = 7;
/// The largest filter, in bits: 128 KiB.
const MOST: usize = 1 << 20;

/// Where a word is looked for: the same in filters of all sizes (A. Kirsch, M. Mitzenmacher, 2006).
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(u64, u64);

impl Hash {
    pub(super) fn of(word: &str) -> Self {
        let hash = Sha256::digest(word);
        let part = |at: usize| {
            let bytes = hash.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        // An odd step meets all places of a filter whose size is a power of two.
        Self(part(0), part(8) | 1)
    }

    fn places(self, bits: u64) -> impl Iterator<Item = usize> {
        let place = move |time: u64| self.0.wrapping_add(time.wrapping_mul(self.1)) & (bits - 1);
        (0..SET).map(move |time| usize::try_from(place(time)).unwrap_or(usize::MAX))
    }
}

/// The filter of these words.
pub(super) fn of(words: &HashSet<String>) -> Vec<u8> {
    let bits = (words.len() * BITS).next_power_of_two().clamp(64, MOST);
    let mut filter = vec![0; bits / 8];
    for word in words {
        for place in Hash::of(word).places(bits as u64) {
            if let Some(byte) = filter.get_mut(place / 8) {
                *byte |= 1 << (place % 8);
            }
        }
    }
    filter
}

/// Whether all these words may stand there; what is no filter says nothing.
pub(super) fn may_have(filter: &[u8], words: &[Hash]) -> bool {
    let bits = filter.len() as u64 * 8;
    if !bits.is_power_of_two() {
        return true;
    }
    let is_set =
        |place: usize| filter.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1);
    words.iter().all(|word| word.places(bits).all(is_set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_and_few_others_are() {
        for count in [0, 1, 100, 20_000] {
            let words: HashSet<String> = (0..count).map(|number| format!("word{number}")).collect();
            let filter = of(&words);
            assert!(words.iter().all(|word| may_have(&filter, &[Hash::of(word)])));
            let others = (0..10_000).map(|number| Hash::of(&format!("other{number}")));
            let wrong = others.filter(|word| may_have(&filter, &[*word])).count();
            assert!(wrong <= 200, "{count} words: {wrong} of 10,000 others");
        }
        assert!(may_have(&[], &[Hash::of("a")]) && may_have(&[0; 3], &[Hash::of("a")]));
    }
}
