//! The chain of MACs over records, and the key that evolves.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::sha256::Begun;
use super::tree::Hash;

/// The key of one epoch, ready for use.
#[derive(Clone)]
pub(crate) struct MacKey {
    key: Zeroizing<Hash>,
    /// The two hashes of HMAC, which begin with the key: saves two compressions a record.
    inner: Begun,
    outer: Begun,
}

impl MacKey {
    pub(crate) fn new(key: Hash) -> Self {
        // A key of 32 bytes fits SHA-256's block of 64, padded with zeros.
        let begun = |pad: u8| {
            let mut block = Zeroizing::new([pad; 64]);
            for (to, from) in block.iter_mut().zip(key) {
                *to ^= from;
            }
            Begun::with(&block)
        };
        Self { inner: begun(0x36), outer: begun(0x5C), key: Zeroizing::new(key) }
    }

    /// HMAC-SHA256 (RFC 2104) under the key.
    fn mac<const LENGTH: usize>(&self, message: &[u8; LENGTH]) -> Hash {
        self.outer.end(&self.inner.end(message))
    }

    /// M_i = `HMAC(K_e`, 0x02 ‖ be64(i) ‖ M_{i-1} ‖ L_i)
    pub(crate) fn chain(&self, index: u64, before: &Hash, leaf: &Hash) -> Hash {
        let mut message = [2; 73];
        if let Some((_, parts)) = message.split_first_mut()
            && let Some((to_index, hashes)) = parts.split_first_chunk_mut()
            && let ([to_before, to_leaf], _) = hashes.as_chunks_mut()
        {
            (*to_index, *to_before, *to_leaf) = (index.to_be_bytes(), *before, *leaf);
        }
        self.mac(&message)
    }

    /// K_{e+1} = `HMAC(K_e`, "secmon/evolve/v1")
    pub(crate) fn evolve(&self) -> Self {
        Self::new(self.mac(b"secmon/evolve/v1"))
    }

    pub(crate) fn bytes(&self) -> &Hash {
        &self.key
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey(..)")
    }
}

/// The MAC in front of the first record: H("secmon/stream/v1" ‖ 0x00 ‖ origin).
pub fn first_mac(origin: &str) -> [u8; 32] {
    Sha256::new_with_prefix(b"secmon/stream/v1\0").chain_update(origin).finalize().into()
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};

    use super::*;

    proptest::proptest! {
        #[test]
        fn a_mac_is_what_the_library_says(key: Hash, message: [[u8; 32]; 3]) {
            let message = message.as_flattened();
            let library = |message: &[u8]| -> Hash {
                let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
                mac.update(message);
                mac.finalize().into_bytes().into()
            };
            let own = MacKey::new(key);
            proptest::prop_assert_eq!(own.mac(message.first_chunk::<73>().unwrap()), library(&message[..73]));
            proptest::prop_assert_eq!(own.mac(message.first_chunk::<16>().unwrap()), library(&message[..16]));
            proptest::prop_assert_eq!(own.mac(&[]), library(&[]));
        }
    }
}
