//! The sealed log: leaves in a Merkle tree, a chain of MACs whose key evolves, signed checkpoints.
//!
//! What is hashed is what is stored. The formats are RFC 6962 (tree), RFC 8785 (bodies) and C2SP
//! `tlog-checkpoint` in `signed-note`. Pure: time, keys and randomness are arguments.

mod anchors;
mod body;
mod chain;
mod checkpoint;
mod claim;
mod columns;
mod decode;
mod encode;
mod entry;
mod finish;
mod keys;
mod prefix;
mod proof;
mod removals;
mod sha256;
mod signed;
mod strict;
mod tree;
mod value;
mod verdict;
mod verify;
mod witness;

use ed25519_dalek::SigningKey;

pub use self::body::{MOST_BODY, Retention, category_of, day_of_expiry, sealed_at, seq_of};
pub use self::chain::first_mac;
pub use self::checkpoint::{Checkpoint, Note, Vkey};
pub use self::claim::{BLOCK, Claim};
pub use self::columns::{Columns, MOST_COPIED, Sealed};
pub(crate) use self::decode::decode;
pub(crate) use self::encode::{Envelope, encode, fits};
pub use self::entry::Entry;
use self::keys::Secrets;
pub use self::keys::{KeyFile, StreamKeys};
pub use self::prefix::{Prefix, all_but, passes};
pub use self::proof::{Proof, consistency, consistency_holds, inclusion, inclusion_holds};
pub use self::tree::{Tree, leaf_hash, node_hash};
pub use self::value::{Disclosed, KeptValue, commitment};
pub use self::verdict::{Finding, Flaw, Verdict};
pub use self::verify::Verifier;
pub use self::witness::{AddCheckpoint, WitnessKey, WitnessVkey};
use crate::{Error, Result};

/// The state of a stream behind its last record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// Size and frontier of the tree.
    pub tree: Tree,
    /// The MAC of the last record.
    pub last_mac: [u8; 32],
    /// The epoch of the MAC key in use.
    pub mac_epoch: u64,
    /// The epoch of the signing key in use.
    pub sig_epoch: u64,
    /// When the last record was sealed, µs.
    pub last_at: i64,
}

/// Seals bodies into one stream.
///
/// ```
/// use secmon_core::seal::{Sealer, StreamKeys};
/// let mut sealer = Sealer::create("demo/0a", &StreamKeys::from_bytes([1; 32], [2; 32]))?;
/// let (leaf, _mac) = sealer.seal(br#"{"v":1}"#);
/// assert_eq!(leaf, secmon_core::seal::leaf_hash(br#"{"v":1}"#));
/// let checkpoint = sealer.checkpoint();
/// assert_eq!((checkpoint.epoch, checkpoint.size), (0, 1));
/// # Ok::<(), secmon_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Sealer {
    origin: String,
    head: Head,
    secrets: Secrets,
}

impl Sealer {
    /// Begins a stream.
    pub fn create(origin: &str, keys: &StreamKeys) -> Result<Self> {
        check_origin(origin)?;
        let head = Head {
            tree: Tree::default(),
            last_mac: first_mac(origin),
            mac_epoch: 0,
            sig_epoch: 0,
            last_at: 0,
        };
        let secrets =
            Secrets { mac: keys.mac_key(), signer: keys.signer(), stream: keys.stream_signer() };
        Ok(Self { origin: origin.into(), head, secrets })
    }

    /// Goes on with a stream, with the keys that [`KeyFile::reconcile`] gave.
    pub fn resume(origin: &str, head: Head, keys: &KeyFile) -> Result<Self> {
        check_origin(origin)?;
        Ok(Self { origin: origin.into(), head, secrets: keys.secrets()? })
    }

    /// Seals a body: its leaf hash and MAC.
    pub fn seal(&mut self, body: &[u8]) -> ([u8; 32], [u8; 32]) {
        let leaf = leaf_hash(body);
        let mac = self.secrets.mac.chain(self.head.tree.size(), &self.head.last_mac, &leaf);
        self.head.tree.push(leaf);
        self.head.last_mac = mac;
        (leaf, mac)
    }

    /// Signs the stream as it is, and evolves the MAC key: what was sealed before cannot be sealed
    /// again with what is in memory from now on.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let size = self.head.tree.size();
        let signers = self.secrets.stream.iter().chain([&self.secrets.signer]);
        let note = Note::sign(&self.origin, size, &self.head.tree.root(), signers);
        let checkpoint =
            Checkpoint { epoch: self.head.mac_epoch, size, mac: self.head.last_mac, note };
        self.secrets.mac = self.secrets.mac.evolve();
        self.head.mac_epoch += 1;
        checkpoint
    }

    /// What the record says with which the signing key rotates; it must be the last record of a
    /// checkpoint, and [`Sealer::rotate`] must follow.
    pub fn next_key(&self, secret: &[u8; 32]) -> Claim {
        let next = SigningKey::from_bytes(secret).verifying_key().to_bytes();
        Claim::Key { epoch: self.head.sig_epoch + 1, next }
    }

    /// Signs with another key from now on, and forgets the one before.
    pub fn rotate(&mut self, secret: &[u8; 32]) {
        self.secrets.signer = SigningKey::from_bytes(secret);
        self.head.sig_epoch += 1;
    }

    /// The key file that belongs to the present state.
    pub fn key_file(&self) -> KeyFile {
        KeyFile::of(&self.origin, &self.head, &self.secrets)
    }

    /// The public key of the present signing key.
    pub fn vkey(&self) -> Vkey {
        Vkey::of(&self.origin, &self.secrets.signer)
    }

    /// The public key of the stream's own key, if it has one.
    pub fn stream_vkey(&self) -> Option<Vkey> {
        self.secrets.stream.as_ref().map(|key| Vkey::of(&self.origin, key))
    }

    /// The stream's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The state behind the last record.
    pub fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn set_last_at(&mut self, at: i64) {
        self.head.last_at = at;
    }
}

/// An origin is a C2SP key name: not empty, no blanks, no `+`.
fn check_origin(origin: &str) -> Result<()> {
    let wrong = origin.is_empty()
        || origin.len() > 200
        || origin.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
    if wrong {
        return Err(Error::Malformed {
            what: "origin",
            reason: format!(
                "`{}` is empty, too long, or holds a blank or `+`",
                origin.escape_debug()
            ),
        });
    }
    Ok(())
}
