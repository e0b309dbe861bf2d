//! Witnesses: whoever cosigns that a log only grew. C2SP `tlog-witness` and, for the signature,
//! `tlog-cosignature` with Ed25519.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::checkpoint::{Note, SIGNATURE};
use super::proof::consistency_holds;
use super::tree::Hash;
use crate::{Error, Result};

/// Ed25519 cosignatures in C2SP's list of algorithms.
const COSIGNATURE: u8 = 4;
/// A proof has no more hashes than these.
const MOST_HASHES: usize = 63;

/// A request to cosign: the size that the witness saw last, the proof that the log only grew, and the
/// log's checkpoint.
///
/// ```
/// use secmon_core::seal::{AddCheckpoint, Sealer, StreamKeys};
/// let mut sealer = Sealer::create("demo/0a", &StreamKeys::from_bytes([1; 32], [2; 32]))?;
/// sealer.seal(b"{}");
/// let request = AddCheckpoint { old: 0, proof: vec![], note: sealer.checkpoint().note };
/// assert_eq!(AddCheckpoint::parse(&request.to_string())?, request);
/// # Ok::<(), secmon_core::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddCheckpoint {
    /// How many records the last cosigned checkpoint had; 0 for none.
    pub old: u64,
    /// The consistency proof from that size.
    pub proof: Vec<[u8; 32]>,
    /// The checkpoint, as it was signed.
    pub note: String,
}

impl std::fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}

impl AddCheckpoint {
    /// Reads a request; nothing is verified yet.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |reason: &str| Error::Malformed { what: "request", reason: reason.into() };
        let (head, note) =
            text.split_once("\n\n").ok_or_else(|| wrong("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let size = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = size.and_then(|size| size.parse::<u64>().ok());
        let old = old.filter(|old| size == Some(&old.to_string()));
        let old = old.ok_or_else(|| wrong("no line `old <size>`"))?;
        let hash = |line: &str| BASE64.decode(line).ok()?.try_into().ok();
        let proof: Option<Vec<Hash>> = lines.map(hash).collect();
        let proof = proof.filter(|proof| proof.len() <= MOST_HASHES);
        let proof = proof.ok_or_else(|| wrong("the proof is not up to 63 hashes in base64"))?;
        Ok(Self { old, proof, note: note.into() })
    }

    /// Whether the proof shows that the checkpoint goes on from what the witness saw: nothing, or a root
    /// of the old size.
    pub fn holds(&self, note: &Note, seen: Option<&[u8; 32]>) -> bool {
        if note.size == 0 && note.root != Hash::from(Sha256::digest([])) {
            return false;
        }
        match seen {
            None => self.old == 0 && self.proof.is_empty(),
            // Nothing needs to be proved of an empty tree.
            Some(_) if self.old == 0 => self.proof.is_empty(),
            Some(root) => consistency_holds((self.old, root), (note.size, &note.root), &self.proof),
        }
    }
}

/// The key of a witness.
pub struct WitnessKey {
    name: String,
    key: SigningKey,
}

impl std::fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WitnessKey {{ name: {:?}, .. }}", self.name)
    }
}

impl WitnessKey {
    /// The key of 32 random bytes, under a name without blanks and `+`.
    pub fn new(name: &str, secret: &[u8; 32]) -> Result<Self> {
        super::check_origin(name)?;
        Ok(Self { name: name.into(), key: SigningKey::from_bytes(secret) })
    }

    /// Its public half.
    pub fn vkey(&self) -> WitnessVkey {
        WitnessVkey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// The signature line, with its line end, that says that the checkpoint was seen at a time (seconds
    /// since 1970), and that the log only grew until then.
    pub fn cosign(&self, note: &Note, seconds: u64) -> String {
        let signature = self.key.sign(&message(note, seconds)).to_bytes();
        let vkey = self.vkey();
        let line = [vkey.id().as_slice(), &seconds.to_be_bytes(), &signature].concat();
        format!("{SIGNATURE}{} {}\n", self.name, BASE64.encode(line))
    }
}

/// The public key of a witness: `<name>+<key id>+<base64>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WitnessVkey {
    name: String,
    key: VerifyingKey,
}

impl WitnessVkey {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new_with_prefix(&self.name)
            .chain_update([b'\n', COSIGNATURE])
            .chain_update(self.key.as_bytes())
            .finalize();
        hash.first_chunk().copied().unwrap_or_default()
    }

    /// Whether one of the lines claims to be its cosignature.
    pub fn is_named_in(&self, lines: &str) -> bool {
        self.own_lines(lines).next().is_some()
    }

    /// When the witness saw the checkpoint (seconds since 1970), if one of the lines is its cosignature.
    pub fn cosigned(&self, note: &Note, lines: &str) -> Option<u64> {
        self.own_lines(lines).find_map(|line| {
            let (seconds, signature) = line.split_first_chunk::<8>()?;
            let seconds = u64::from_be_bytes(*seconds);
            let signature = Signature::from_slice(signature).ok()?;
            let message = message(note, seconds);
            self.key.verify_strict(&message, &signature).is_ok().then_some(seconds)
        })
    }

    /// What stands behind the key id in the lines under its name and key id.
    fn own_lines<'l>(&'l self, lines: &'l str) -> impl Iterator<Item = Vec<u8>> + 'l {
        let id = self.id();
        lines.lines().filter_map(move |line| {
            let (name, line) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
            let line = BASE64.decode(line).ok()?;
            (name == self.name).then(|| line.strip_prefix(&id).map(<[u8]>::to_vec))?
        })
    }
}

impl std::fmt::Display for WitnessVkey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [[COSIGNATURE].as_slice(), self.key.as_bytes()].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), BASE64.encode(key))
    }
}

impl std::str::FromStr for WitnessVkey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Malformed {
            what: "witness's vkey",
            reason: "it is not `<name>+<key id>+<base64>` of an Ed25519 cosigner".into(),
        };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let key = BASE64.decode(key).map_err(|_| wrong())?;
        let Some((&COSIGNATURE, key)) = key.split_first() else { return Err(wrong()) };
        let key = key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok());
        let vkey = Self { name: name.into(), key: key.ok_or_else(wrong)? };
        if format!("{:08x}", u32::from_be_bytes(vkey.id())) == id { Ok(vkey) } else { Err(wrong()) }
    }
}

/// What a cosignature signs.
fn message(note: &Note, seconds: u64) -> Vec<u8> {
    let mut text = String::from("cosignature/v1\n");
    // A String never refuses a write.
    let _ = writeln!(text, "time {seconds}");
    text.push_str(&note.text());
    text.into_bytes()
}
