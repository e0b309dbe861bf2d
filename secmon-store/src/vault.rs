//! The keys of the privacy mode, in a file beside the key files: the index key, of which tokens are made, and
//! the keys under which values are encrypted (XChaCha20-Poly1305).

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secmon_core::privacy::{Subject, Token};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::keys::{self, KeyPlace, random};
use crate::{Error, Result};

/// The file's name in the folder of key files.
const FILE: &str = "privacy";
const NONCE: usize = 24;

/// The keys of the privacy mode.
#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vault {
    index: String,
    /// The last one is in use; others are there only while values move to it.
    keys: Vec<Key>,
}

#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
struct Key {
    id: i64,
    key: String,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(..)")
    }
}

impl Vault {
    /// Reads the keys; none where there are none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let Some(json) = keys::bytes(&path)? else { return Ok(None) };
        let vault = serde_json::from_slice(&json);
        vault.map(Some).map_err(|error| Error::file(&path, error.into()))
    }

    /// Reads the keys, made when they are absent.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        if let Some(vault) = Self::read(folder)? {
            return Ok(vault);
        }
        let place = place(folder)?;
        // Another process may have made them meanwhile.
        if let Some(vault) = Self::read(folder)? {
            return Ok(vault);
        }
        let index = BASE64.encode(Zeroizing::new(random::<32>()?));
        let vault = Self { index, keys: vec![Key::new(number()?)?] };
        vault.write(&place)?;
        Ok(vault)
    }

    /// The key of tokens.
    pub(crate) fn index(&self) -> Result<Zeroizing<[u8; 32]>> {
        key_of(&self.index)
    }

    /// The token of a value.
    pub(crate) fn token(&self, kind: &str, value: &str) -> Result<Token> {
        Ok(Token::of(&*self.index()?, kind, value))
    }

    /// The number of the key in use.
    pub(crate) fn current(&self) -> i64 {
        self.keys.last().map_or(0, |key| key.id)
    }

    /// Encrypts a value under the key in use.
    pub(crate) fn seal(&self, token: &Token, subject: &Subject) -> Result<Vec<u8>> {
        let key = self.keys.last().map(|key| key_of(&key.key)).transpose()?.unwrap_or_default();
        let nonce: [u8; NONCE] = random()?;
        let msg = Zeroizing::new([&[u8::from(subject.is_json)], subject.value.as_bytes()].concat());
        let aad = [token.as_bytes(), subject.kind.as_bytes()].concat();
        let sealed = XChaCha20Poly1305::new((&*key).into())
            .encrypt(&XNonce::from(nonce), Payload { msg: &msg, aad: &aad })
            .map_err(|_| Error::Database { reason: "a value cannot be encrypted".into() })?;
        Ok([&nonce, sealed.as_slice()].concat())
    }

    /// Decrypts a value; `Err` says that it was changed or moved, none that its key is not at hand.
    pub(crate) fn open_value(
        &self,
        token: &[u8],
        kind: &str,
        key_id: i64,
        sealed: &[u8],
    ) -> Option<Result<Subject, ()>> {
        let key = self.keys.iter().find(|key| key.id == key_id)?;
        let key = key_of(&key.key).ok()?;
        let open = || {
            let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
            let aad = [token, kind.as_bytes()].concat();
            let opened = XChaCha20Poly1305::new((&*key).into())
                .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad });
            let opened = opened.ok().map(Zeroizing::new)?;
            let (is_json, value) = opened.split_first()?;
            let value = String::from_utf8(value.to_vec()).ok()?;
            Some(Subject { kind: kind.into(), value, is_json: *is_json == 1 })
        };
        Some(open().ok_or(()))
    }

    /// Begins to use a new key; those before stay until [`Vault::forget`].
    pub(crate) fn rotate(&mut self, folder: &Path) -> Result<()> {
        let place = place(folder)?;
        self.keys.push(Key::new(number()?)?);
        self.write(&place)
    }

    /// Forgets all keys but the one in use: what was encrypted under them is noise from now on.
    pub(crate) fn forget(&mut self, folder: &Path) -> Result<()> {
        let place = place(folder)?;
        let current = self.current();
        self.keys.retain(|key| key.id == current);
        self.write(&place)
    }

    fn write(&self, place: &KeyPlace) -> Result<()> {
        let json = serde_json::to_vec(self).map(Zeroizing::new);
        let json = json.map_err(|error| Error::Database { reason: error.to_string() })?;
        place.write_bytes(&json)
    }
}

impl Key {
    fn new(id: i64) -> Result<Self> {
        Ok(Self { id, key: BASE64.encode(Zeroizing::new(random::<32>()?)) })
    }
}

/// A number that no other machine has given a key.
fn number() -> Result<i64> {
    Ok(i64::from_be_bytes(random()?) & i64::MAX)
}

fn place(folder: &Path) -> Result<KeyPlace> {
    KeyPlace::lock(folder, FILE)?.ok_or_else(|| Error::Locked { label: FILE.into() })
}

fn key_of(text: &str) -> Result<Zeroizing<[u8; 32]>> {
    let bytes = BASE64.decode(text).map(Zeroizing::new).ok();
    let key = bytes.and_then(|bytes| bytes.as_slice().try_into().ok()).map(Zeroizing::new);
    key.ok_or_else(|| {
        let reason = "a key of the privacy mode is not 32 bytes in base64".into();
        Error::Core(secmon_core::Error::Malformed { what: "key file", reason })
    })
}
