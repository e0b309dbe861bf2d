//! Personal values: what a body commits to, and whether the values that are kept apart are those.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::body::Body;
use super::claim::Claim;
use super::columns::Sealed;
use super::strict::unescape;
use super::tree::Hash;
use super::verdict::Flaw;
use super::verify::Verifier;
use crate::event::Name;
use crate::token::Token;

/// What a body says in place of a personal value: HMAC-SHA256(salt, `secmon/field/v1` ‖ 0x00 ‖ name ‖ 0x00 ‖
/// value). Without the salt nobody can tell which value it was, however few there are to try.
///
/// ```
/// use secmon_core::seal::commitment;
/// assert_ne!(commitment(&[1; 32], "user.name", "bob"), commitment(&[2; 32], "user.name", "bob"));
/// ```
pub fn commitment(salt: &[u8; 32], field: &str, value: &str) -> [u8; 32] {
    // A key of 32 bytes is never refused.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt) else { return [0; 32] };
    for part in ["secmon/field/v1".as_bytes(), &[0], field.as_bytes(), &[0], value.as_bytes()] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A personal value as it is kept beside its record.
#[derive(Clone, Debug)]
pub struct KeptValue {
    /// The field; `raw` for a raw line.
    pub field: String,
    /// The salt.
    pub salt: Vec<u8>,
    /// What stands for the value elsewhere.
    pub token: Vec<u8>,
    /// The value.
    pub value: Disclosed,
}

/// What is known of a personal value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Disclosed {
    /// The value.
    Value(String),
    /// It is encrypted, and the key is not at hand.
    Hidden,
    /// It cannot be decrypted, or its token is that of another.
    Broken,
}

impl KeptValue {
    /// The text of its token, as it stands in columns.
    pub(super) fn token(&self) -> Option<String> {
        let bytes = self.token.as_slice().try_into().ok()?;
        Some(Token::from_bytes(bytes).to_string())
    }

    /// Whether it is what the record commits to; none if nobody can tell without the key.
    pub(super) fn holds(&self, sealed: &Hash, is_event: bool) -> Option<bool> {
        let value = match &self.value {
            // Records of the writer's own commit to the token.
            _ if !is_event => Cow::Owned(self.token().unwrap_or_default()),
            Disclosed::Value(value) => Cow::Borrowed(value.as_str()),
            Disclosed::Hidden => return None,
            Disclosed::Broken => return Some(false),
        };
        let salt = self.salt.as_slice().try_into();
        Some(salt.is_ok_and(|salt| commitment(salt, &self.field, &value).ct_eq(sealed).into()))
    }
}

/// Announced erasures of a stream: which values may be gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Erasures(BTreeMap<Name, Vec<u64>>);

impl Erasures {
    /// Takes what a record at an index of the same stream announces, or one of another stream.
    pub(super) fn add(&mut self, at: Option<u64>, claim: Claim) {
        let Claim::Erased { values, .. } = claim else { return };
        for (field, seqs) in values {
            let known = self.0.entry(field).or_default();
            // A record can announce only what stands before it.
            known.extend(seqs.into_iter().filter(|seq| at.is_none_or(|at| *seq < at)));
            known.sort_unstable();
        }
    }

    pub(super) fn is_announced(&self, seq: u64, field: &str) -> bool {
        self.0.get(&Name::from(field)).is_some_and(|seqs| seqs.binary_search(&seq).is_ok())
    }
}

impl Verifier {
    /// Whether a personal value of the record is gone, or its day of expiry is another, and nothing that was
    /// announced so far says so; or its columns are older than that and still name the value.
    pub fn is_unexplained(&self, record: &Sealed<'_>) -> bool {
        let (Some(values), Ok(body)) = (record.values, &record.entry.body) else {
            return false;
        };
        let day = self.expires(record.seq, body);
        if record.columns.is_some_and(|columns| columns.expires != day) {
            return true;
        }
        body.commitments.iter().any(|(field, _)| {
            let field = unescape(field);
            let is_named = record.columns.is_some_and(|columns| columns.text(&field).is_some());
            !values.iter().any(|value| value.field == field)
                && (is_named || !self.erasures.is_announced(record.seq, &field))
        })
    }

    /// Compares the personal values that are kept with what the body commits to; gives the tokens that must
    /// stand in columns.
    pub(super) fn check_values(
        &mut self,
        seq: u64,
        body: &Body<'_>,
        values: &[KeptValue],
    ) -> Vec<(String, Option<String>)> {
        let mut tokens = Vec::with_capacity(body.commitments.len());
        for (field, sealed) in &body.commitments {
            let field = unescape(field);
            let value = values.iter().find(|value| value.field == field);
            let Some(value) = value else {
                if self.erasures.is_announced(seq, &field) {
                    self.verdict.erased += 1;
                } else {
                    let detail = format!("the value of `{field}` is gone, and no erasure says so");
                    self.report(Flaw::Unannounced, seq, &detail);
                }
                tokens.push((field, None));
                continue;
            };
            let sealed = BASE64.decode(sealed).ok().and_then(|bytes| bytes.try_into().ok());
            let is_event = body.category == "event";
            match sealed.map(|sealed| value.holds(&sealed, is_event)) {
                Some(Some(true)) => {}
                Some(None) => self.verdict.hidden += 1,
                Some(Some(false)) | None => {
                    let detail = format!("the value of `{field}` is not the one that was sealed");
                    self.report(Flaw::BadValue, seq, &detail);
                }
            }
            tokens.push((field, value.token()));
        }
        if values.iter().any(|value| !tokens.iter().any(|(field, _)| *field == value.field)) {
            self.report(Flaw::BadValue, seq, "a value is kept that the record does not name");
        }
        tokens
    }
}
