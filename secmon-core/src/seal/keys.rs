//! Keys of a stream, and the file that keeps them outside the database.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::chain::MacKey;
use super::tree::Hash;
use super::{Head, Vkey};
use crate::{Error, Result};

/// The secrets with which a stream begins: K_0, the first signing key, and the stream's own key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct StreamKeys {
    k0: Hash,
    signing: Hash,
    stream: Option<Hash>,
}

impl StreamKeys {
    /// Of 32 random bytes each.
    pub fn from_bytes(k0: [u8; 32], signing: [u8; 32]) -> Self {
        Self { k0, signing, stream: None }
    }

    /// With a key of 32 random bytes that signs every checkpoint beside the one that rotates: by it
    /// witnesses know the stream.
    #[must_use]
    pub fn with_stream_key(mut self, stream: [u8; 32]) -> Self {
        self.stream = Some(stream);
        self
    }

    /// K_0, which lets an auditor check every MAC. Keep it away from the host.
    pub fn k0(&self) -> &[u8; 32] {
        &self.k0
    }

    /// The public key of the first signing key, the genesis vkey.
    pub fn vkey(&self, origin: &str) -> Vkey {
        Vkey::of(origin, &self.signer())
    }

    /// The public key of the stream's own key, if it has one.
    pub fn stream_vkey(&self, origin: &str) -> Option<Vkey> {
        self.stream_signer().map(|signer| Vkey::of(origin, &signer))
    }

    pub(crate) fn stream_signer(&self) -> Option<SigningKey> {
        self.stream.as_ref().map(SigningKey::from_bytes)
    }

    pub(crate) fn mac_key(&self) -> MacKey {
        MacKey::new(self.k0)
    }

    pub(crate) fn signer(&self) -> SigningKey {
        SigningKey::from_bytes(&self.signing)
    }
}

impl std::fmt::Debug for StreamKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StreamKeys(..)")
    }
}

/// What the key file of a stream holds: the keys in use, and how far the stream was when they came
/// into use.
#[derive(Clone, Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// The stream's origin.
    pub stream: String,
    /// The epoch of the MAC key.
    pub mac_epoch: u64,
    mac_key: String,
    /// The epoch of the signing key.
    pub sig_epoch: u64,
    signing_key: String,
    /// The signing key of the next epoch, once a record that names it may have been committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream_key: Option<String>,
    /// How many records the stream had.
    pub size: u64,
    root: String,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stream, mac_epoch, sig_epoch, size, .. } = self;
        f.debug_struct("KeyFile")
            .field("stream", stream)
            .field("mac_epoch", mac_epoch)
            .field("sig_epoch", sig_epoch)
            .field("size", size)
            .finish_non_exhaustive()
    }
}

/// Epochs that a key file may be behind: months of checkpoints.
const MOST_BEHIND: u64 = 10_000_000;

impl KeyFile {
    pub(crate) fn of(origin: &str, head: &Head, secrets: &Secrets) -> Self {
        let text = |key: &SigningKey| BASE64.encode(Zeroizing::new(key.to_bytes()));
        Self {
            stream: origin.into(),
            mac_epoch: head.mac_epoch,
            mac_key: BASE64.encode(secrets.mac.bytes()),
            sig_epoch: head.sig_epoch,
            signing_key: text(&secrets.signer),
            pending_key: None,
            stream_key: secrets.stream.as_ref().map(text),
            size: head.tree.size(),
            root: BASE64.encode(head.tree.root()),
        }
    }

    /// The public key of the signing key in use.
    pub fn vkey(&self, origin: &str) -> Result<Vkey> {
        Ok(Vkey::of(origin, &self.secrets()?.signer))
    }

    /// The root that the stream had; none if it is no hash.
    pub fn root(&self) -> Option<[u8; 32]> {
        BASE64.decode(&self.root).ok()?.try_into().ok()
    }

    /// Keeps the secret of the next signing key: it must lie in the file before a record that names it
    /// is committed.
    #[must_use]
    pub fn with_pending(mut self, secret: &[u8; 32]) -> Self {
        self.pending_key = Some(BASE64.encode(secret));
        self
    }

    /// Reads the file's JSON.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let wrong = |reason: String| Error::Malformed { what: "key file", reason };
        let keys: Self = serde_json::from_slice(json).map_err(|error| wrong(error.to_string()))?;
        keys.secrets()?;
        Ok(keys)
    }

    /// The file's JSON.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec_pretty(self).unwrap_or_default())
    }

    /// Brings the keys up to the state of the database: a file that is behind (a crash between commit
    /// and file) is evolved forward.
    ///
    /// # Errors
    /// The sentence of the rollback alarm, when the file knows more than the database; or that the
    /// database names a signing key that the file does not have.
    pub fn reconcile(mut self, head: &Head) -> Result<Self, String> {
        let size = head.tree.size();
        if self.mac_epoch > head.mac_epoch || self.sig_epoch > head.sig_epoch || self.size > size {
            return Err(format!(
                "the database was rolled back: its stream `{}` is at record {size}, epoch {}, but the \
                 key file has seen record {}, epoch {}",
                self.stream, head.mac_epoch, self.size, self.mac_epoch
            ));
        }
        if head.mac_epoch - self.mac_epoch > MOST_BEHIND {
            return Err(format!(
                "the database claims epoch {}, far beyond the key file",
                head.mac_epoch
            ));
        }
        if self.sig_epoch < head.sig_epoch {
            let next = self.pending_key.take().filter(|_| self.sig_epoch + 1 == head.sig_epoch);
            self.signing_key.zeroize();
            self.signing_key = next.ok_or_else(|| {
                format!(
                    "the database has signing epoch {}, of which the key file has no key",
                    head.sig_epoch
                )
            })?;
            self.sig_epoch = head.sig_epoch;
        }
        // Of a rotation that was never committed.
        self.pending_key.zeroize();
        self.pending_key = None;
        let mut mac = self.secrets().map_err(|error| error.to_string())?.mac;
        for _ in self.mac_epoch..head.mac_epoch {
            mac = mac.evolve();
        }
        self.mac_key.zeroize();
        self.mac_key = BASE64.encode(mac.bytes());
        self.mac_epoch = head.mac_epoch;
        Ok(self)
    }

    pub(crate) fn secrets(&self) -> Result<Secrets> {
        let key = |what: &str, text: &str| -> Result<Zeroizing<Hash>> {
            let bytes = BASE64.decode(text).ok().map(Zeroizing::new);
            let bytes = bytes.and_then(|bytes| bytes.as_slice().try_into().ok());
            bytes.map(Zeroizing::new).ok_or_else(|| Error::Malformed {
                what: "key file",
                reason: format!("`{what}` is not 32 bytes in base64"),
            })
        };
        let signer =
            |what: &str, text: &str| key(what, text).map(|key| SigningKey::from_bytes(&key));
        Ok(Secrets {
            mac: MacKey::new(*key("mac_key", &self.mac_key)?),
            signer: signer("signing_key", &self.signing_key)?,
            stream: self.stream_key.as_deref().map(|key| signer("stream_key", key)).transpose()?,
        })
    }
}

/// The keys that seal: of the MAC epoch, of the signing epoch, and the stream's own.
pub(crate) struct Secrets {
    pub(crate) mac: MacKey,
    pub(crate) signer: SigningKey,
    pub(crate) stream: Option<SigningKey>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}
