//! The setup link: until accounts exist, each start gives one visitor a way in.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use secmon_core::seal::StreamKeys;
use secmon_store::{Secret, StreamRow};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::clock::now;

/// How long a link is valid.
const VALID: TimeDelta = TimeDelta::hours(1);

/// The one-time token of this start, and what is shown with it once.
pub(crate) struct Setup {
    token: Mutex<Option<Secret>>,
    fragment: String,
    expires: DateTime<Utc>,
    /// K_0 of a stream that began with this start.
    k0: Mutex<Option<Zeroizing<[u8; 32]>>>,
    pub(crate) stream: String,
    pub(crate) origin: String,
    pub(crate) genesis_vkey: String,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Setup(..)")
    }
}

impl Setup {
    pub(crate) fn new(stream: &StreamRow, begun: Option<StreamKeys>) -> secmon_store::Result<Self> {
        let token = Secret::generate("")?;
        Ok(Self {
            fragment: format!("#setup={}", token.expose()),
            token: Mutex::new(Some(token)),
            expires: now() + VALID,
            k0: Mutex::new(begun.map(|keys| Zeroizing::new(*keys.k0()))),
            stream: stream.id(),
            origin: stream.origin.clone(),
            genesis_vkey: stream.genesis_vkey.clone(),
        })
    }

    pub(crate) fn fragment(&self) -> String {
        self.fragment.clone()
    }

    /// Takes the token, if it is the right one, still valid, and not used.
    pub(crate) fn redeem(&self, given: &str) -> bool {
        let Ok(mut token) = self.token.lock() else { return false };
        let right = token
            .as_ref()
            .is_some_and(|token| bool::from(token.expose().as_bytes().ct_eq(given.as_bytes())));
        if right {
            token.take();
        }
        right && now() < self.expires
    }

    /// K_0 in base64, once.
    pub(crate) fn take_k0(&self) -> Option<String> {
        let k0 = self.k0.lock().ok()?.take()?;
        Some(BASE64.encode(*k0))
    }

    /// Forgets what nobody came for, once the link has expired.
    pub(crate) async fn expire(&self) {
        tokio::time::sleep(VALID.to_std().unwrap_or_default()).await;
        let forgotten = self.k0.lock().is_ok_and(|mut k0| k0.take().is_some());
        if forgotten {
            tracing::warn!(
                "K_0 of stream {} was shown to nobody and is forgotten: MACs cannot be checked; configure `integrity.auditor`",
                self.stream
            );
        }
    }
}
