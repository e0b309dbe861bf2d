//! Checkpoints: C2SP `tlog-checkpoint` in C2SP `signed-note`, Ed25519.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::tree::Hash;
use crate::{Error, Result};

/// Ed25519 in C2SP's list of algorithms.
const ED25519: u8 = 1;
/// Signature lines of one key that are tried: anybody may send a note full of them.
const MOST_TRIED: usize = 8;
/// With what a signature line begins.
pub(super) const SIGNATURE: &str = "\u{2014} ";

/// A public key with its name, as verifiers are given it: `<name>+<key id>+<base64>`.
///
/// ```
/// use secmon_core::seal::Vkey;
/// let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// let vkey: Vkey = text.parse()?;
/// assert_eq!(vkey.name(), "PeterNeumann");
/// assert_eq!(vkey.to_string(), text);
/// # Ok::<(), secmon_core::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vkey {
    name: String,
    key: VerifyingKey,
}

impl Vkey {
    /// The public half of a secret key.
    pub(crate) fn of(name: &str, key: &SigningKey) -> Self {
        Self { name: name.into(), key: key.verifying_key() }
    }

    /// The key of these bytes; none if they are no Ed25519 key.
    pub(crate) fn from_bytes(name: &str, key: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(key).ok().map(|key| Self { name: name.into(), key })
    }

    /// Its name: the origin of the stream.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, &self.key)
    }
}

impl std::fmt::Display for Vkey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![ED25519];
        key.extend(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), BASE64.encode(key))
    }
}

impl std::str::FromStr for Vkey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: &str| Error::Malformed { what: "vkey", reason: reason.into() };
        // Base64 may hold `+` too: the name and the id end at the first two.
        let (name, rest) = text.split_once('+').ok_or_else(|| wrong("no `+` behind the name"))?;
        let (id, key) = rest.split_once('+').ok_or_else(|| wrong("no `+` behind the key id"))?;
        let key = BASE64.decode(key).map_err(|_| wrong("the key is not base64"))?;
        let Some((&ED25519, key)) = key.split_first() else {
            return Err(wrong("not an Ed25519 key"));
        };
        let key = key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok());
        let key = key.ok_or_else(|| wrong("not the 32 bytes of an Ed25519 key"))?;
        let vkey = Self { name: name.into(), key };
        if format!("{:08x}", u32::from_be_bytes(vkey.id())) != id {
            return Err(wrong("the key id does not belong to the key"));
        }
        Ok(vkey)
    }
}

fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let hash = Sha256::new_with_prefix(name)
        .chain_update([b'\n', ED25519])
        .chain_update(key.as_bytes())
        .finalize();
    hash.first_chunk().copied().unwrap_or_default()
}

/// A statement about a stream: its origin, size and root, signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// The stream.
    pub origin: String,
    /// How many records it had.
    pub size: u64,
    /// The root of its tree.
    pub root: [u8; 32],
    signatures: Vec<(String, Vec<u8>)>,
}

impl Note {
    /// The signed text: three lines.
    pub(super) fn text(&self) -> String {
        text(&self.origin, self.size, &self.root)
    }

    /// The note of a stream's state, with a signature line of each key.
    pub(crate) fn sign<'a>(
        origin: &str,
        size: u64,
        root: &Hash,
        keys: impl IntoIterator<Item = &'a SigningKey>,
    ) -> String {
        let text = text(origin, size, root);
        let mut note = format!("{text}\n");
        for key in keys {
            let mut signature = key_id(origin, &key.verifying_key()).to_vec();
            signature.extend(key.sign(text.as_bytes()).to_bytes());
            note.extend([SIGNATURE, origin, " ", &BASE64.encode(signature), "\n"]);
        }
        note
    }

    /// Reads a note; nothing is verified yet.
    pub fn parse(note: &str) -> Result<Self> {
        let wrong = |reason: &str| Error::Malformed { what: "checkpoint", reason: reason.into() };
        let (text, signatures) =
            note.split_once("\n\n").ok_or_else(|| wrong("no empty line before the signatures"))?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(wrong("not three lines: origin, size, root"));
        };
        let number: u64 = size.parse().map_err(|_| wrong("the size is no number"))?;
        let root = BASE64.decode(root).ok().and_then(|root| root.try_into().ok());
        let root = root.ok_or_else(|| wrong("the root is not 32 bytes in base64"))?;
        if origin.is_empty() || number.to_string() != size {
            return Err(wrong("empty origin, or a size with leading zeros"));
        }
        let signatures =
            signatures.strip_suffix('\n').ok_or_else(|| wrong("no newline at the end"))?;
        let signatures = signatures.split('\n').map(|line| {
            let (name, signature) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
            Some((name.to_owned(), BASE64.decode(signature).ok()?))
        });
        let signatures: Option<Vec<_>> = signatures.collect();
        let signatures = signatures.ok_or_else(|| wrong("a signature line has another form"))?;
        Ok(Self { origin: origin.into(), size: number, root, signatures })
    }

    /// Reads notes one behind another, with empty lines between them, as exports and anchor files have
    /// them. What is no note is given back as its error: half a note, as a crash leaves it, does not spoil
    /// those behind it.
    pub fn parse_all(text: &str) -> Vec<(String, Result<Self>)> {
        let mut notes = Vec::new();
        let mut note = String::new();
        let mut is_signed = false;
        for line in text.lines() {
            let is_signature = line.starts_with(SIGNATURE);
            if is_signed && !is_signature {
                Self::take(&mut notes, std::mem::take(&mut note));
            }
            is_signed = is_signature;
            if !(line.is_empty() && note.is_empty()) {
                note.extend([line, "\n"]);
            }
        }
        if !note.trim().is_empty() {
            Self::take(&mut notes, note);
        }
        notes
    }

    /// Takes a text that should be a note; where half of another stands before it, both.
    fn take(notes: &mut Vec<(String, Result<Self>)>, note: String) {
        let parsed = Self::parse(&note);
        let header = note.find(&format!("\n\n{SIGNATURE}")).and_then(|end| note.get(..end));
        let start =
            header.and_then(|header| header.rmatch_indices('\n').nth(2)).map(|(at, _)| at + 1);
        let halves =
            start.filter(|_| parsed.is_err()).and_then(|start| note.split_at_checked(start));
        match halves.map(|(half, whole)| (half, whole, Self::parse(whole))) {
            Some((half, whole, Ok(rescued))) => {
                notes.push((half.into(), parsed));
                notes.push((whole.into(), Ok(rescued)));
            }
            _ => notes.push((note, parsed)),
        }
    }

    /// Whether the key signed it. Lines of other keys are ignored.
    pub fn is_signed_by(&self, vkey: &Vkey) -> bool {
        let (text, id) = (self.text(), vkey.id());
        let lines = self.signatures.iter().filter(|(name, _)| *name == vkey.name);
        let own =
            lines.filter_map(|(_, line)| line.split_first_chunk().filter(|(of, _)| **of == id));
        own.take(MOST_TRIED).any(|(_, signature)| {
            Signature::from_slice(signature)
                .is_ok_and(|signature| vkey.key.verify_strict(text.as_bytes(), &signature).is_ok())
        })
    }
}

fn text(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", BASE64.encode(root))
}

/// A checkpoint as it is stored: the note, with what the holder of K_0 checks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The epoch of the MAC key that it ends.
    pub epoch: u64,
    /// How many records it covers.
    pub size: u64,
    /// The MAC of the last of them.
    pub mac: [u8; 32],
    /// The signed note.
    pub note: String,
}
