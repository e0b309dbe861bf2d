//! The chain of MACs over records, and the key that evolves.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::tree::Hash;

/// The key of one epoch, ready for use.
#[derive(Clone)]
pub(crate) struct MacKey {
    key: Zeroizing<Hash>,
    /// The keyed state: saves two compressions a record.
    keyed: Hmac<Sha256>,
}

impl MacKey {
    pub(crate) fn new(key: Hash) -> Self {
        // A key of 32 bytes fits SHA-256's block of 64, padded with zeros.
        let mut block = Zeroizing::new([0_u8; 64]);
        for (to, from) in block.iter_mut().zip(key) {
            *to = from;
        }
        Self { key: Zeroizing::new(key), keyed: Hmac::new((&*block).into()) }
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
        let mut mac = self.keyed.clone();
        mac.update(&message);
        mac.finalize().into_bytes().into()
    }

    /// K_{e+1} = `HMAC(K_e`, "secmon/evolve/v1")
    pub(crate) fn evolve(&self) -> Self {
        let mut mac = self.keyed.clone();
        mac.update(b"secmon/evolve/v1");
        Self::new(mac.finalize().into_bytes().into())
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
