//! `Token`: what stands for a personal value.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The name under which a raw line is committed to.
pub(crate) const RAW: &str = "raw";

/// What stands for a personal value wherever it is not sealed: HMAC-SHA256(index key, kind ‖ 0x00 ‖ value).
/// As text `~` and 43 characters of base64url.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Token([u8; 32]);

impl Token {
    /// The token of a value, under an index key of 32 random bytes.
    pub fn of(index: &[u8; 32], kind: &str, value: &str) -> Self {
        // A key of 32 bytes is never refused.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(index) else { return Self([0; 32]) };
        for part in [kind.as_bytes(), &[0], value.as_bytes()] {
            mac.update(part);
        }
        Self(mac.finalize().into_bytes().into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The token of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The token that a text is; none if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix('~')?).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}
