//! The auditor: whoever may check every MAC, and nobody else. K_0 of a stream is encrypted to his public key
//! (HPKE, RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305), so that it need not be carried by hand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use zeroize::Zeroizing;

use crate::{Error, Result};

const INFO: &[u8] = b"secmon/k0/v1";

type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Private = <X25519HkdfSha256 as Kem>::PrivateKey;

/// The public X25519 key of an auditor: 32 bytes in base64.
#[derive(Clone)]
pub struct AuditorKey(Public);

impl std::fmt::Debug for AuditorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AuditorKey({})", BASE64.encode(self.0.to_bytes()))
    }
}

impl std::str::FromStr for AuditorKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = BASE64.decode(text.trim()).ok();
        let key = bytes.and_then(|bytes| Public::from_bytes(&bytes).ok());
        key.map(Self).ok_or_else(|| wrong("an auditor's key is 32 bytes in base64"))
    }
}

impl AuditorKey {
    /// K_0 of the stream of this origin, for the auditor alone.
    pub(crate) fn seal(&self, origin: &str, k0: &[u8; 32]) -> Result<Vec<u8>> {
        let sealed = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &self.0,
            INFO,
            k0,
            origin.as_bytes(),
        );
        let (key, text) = sealed.map_err(|error| wrong(&error.to_string()))?;
        Ok([key.to_bytes().as_slice(), &text].concat())
    }
}

/// The secret key of an auditor.
#[derive(Clone)]
pub struct AuditorSecret(Private);

impl std::fmt::Debug for AuditorSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditorSecret(..)")
    }
}

impl std::str::FromStr for AuditorSecret {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = BASE64.decode(text.trim()).ok().map(Zeroizing::new);
        let key = bytes.and_then(|bytes| Private::from_bytes(&bytes).ok());
        key.map(Self).ok_or_else(|| wrong("an auditor's secret key is 32 bytes in base64"))
    }
}

impl AuditorSecret {
    /// K_0 out of what was encrypted to the auditor; none if that was not.
    pub(crate) fn open(&self, origin: &str, sealed: &[u8]) -> Option<[u8; 32]> {
        let (key, text) = sealed.split_at_checked(32)?;
        let key = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(key).ok()?;
        let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &key,
            INFO,
            text,
            origin.as_bytes(),
        );
        opened.ok().map(Zeroizing::new)?.as_slice().try_into().ok()
    }
}

fn wrong(reason: &str) -> Error {
    Error::Core(secmon_core::Error::Malformed { what: "auditor's key", reason: reason.into() })
}
