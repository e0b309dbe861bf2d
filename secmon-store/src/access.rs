//! API tokens and sessions. Only hashes are at rest; a secret is shown once.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::connection::on;
use crate::keys::random;
use crate::schema::{sessions, tokens};
use crate::{Result, Store, micros};

/// What a token or session may do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything.
    Admin,
    /// Send events, and nothing else.
    Ingest,
    /// Read, and nothing else.
    Read,
}

impl Scope {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Ingest => "ingest",
            Self::Read => "read",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Admin, Self::Ingest, Self::Read].into_iter().find(|scope| scope.as_str() == word)
    }

    /// Whether it may read.
    pub fn reads(self) -> bool {
        matches!(self, Self::Admin | Self::Read)
    }

    /// Whether it may send events.
    pub fn ingests(self) -> bool {
        matches!(self, Self::Admin | Self::Ingest)
    }
}

/// Who asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The name that the token or session was given.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
}

/// A secret that is shown once; its `Debug` says nothing.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A new one: this prefix and 43 characters of base64url, 256 random bits.
    pub fn generate(prefix: &str) -> Result<Self> {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bytes = random::<32>()?;
        let mut text = String::from(prefix);
        for three in bytes.chunks(3) {
            let mut group = [0; 3];
            for (to, from) in group.iter_mut().zip(three) {
                *to = *from;
            }
            let [a, b, c] = group.map(u32::from);
            let bits = (a << 16) | (b << 8) | c;
            for at in 0..=three.len() {
                let index = (bits >> (18 - 6 * at)) & 63;
                text.extend(ALPHABET.get(index as usize).map(|letter| char::from(*letter)));
            }
        }
        Ok(Self(text))
    }

    /// The text, to be shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How long a session lasts.
const SESSION: TimeDelta = TimeDelta::hours(12);

fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret).to_vec()
}

impl Store {
    /// Makes an API token; it is valid at once and shown once.
    pub fn create_token(&self, name: &str, scope: Scope, now: DateTime<Utc>) -> Result<Secret> {
        let secret = Secret::generate("secmon_")?;
        let row = (
            tokens::hash.eq(hash(secret.expose())),
            tokens::name.eq(name),
            tokens::scope.eq(scope.as_str()),
            tokens::created_at.eq(micros(now)),
        );
        self.read(|db| {
            on!(db, c => diesel::insert_into(tokens::table).values(row).execute(c))?;
            Ok(secret)
        })
    }

    /// Whose token it is. The look-up goes by the token's hash, so its time says nothing of the token.
    pub fn token(&self, secret: &str) -> Result<Option<Identity>> {
        let query = tokens::table.filter(tokens::hash.eq(hash(secret)));
        let row: Option<(String, String)> = self.read(|db| {
            Ok(on!(db, c => query.select((tokens::name, tokens::scope)).first(c).optional())?)
        })?;
        Ok(row.and_then(|(name, scope)| Some(Identity { name, scope: Scope::from_word(&scope)? })))
    }

    /// Begins a session; the secret goes into the cookie.
    pub fn create_session(&self, who: &Identity, now: DateTime<Utc>) -> Result<Secret> {
        let secret = Secret::generate("")?;
        let row = (
            sessions::hash.eq(hash(secret.expose())),
            sessions::name.eq(&who.name),
            sessions::scope.eq(who.scope.as_str()),
            sessions::created_at.eq(micros(now)),
            sessions::expires_at.eq(micros(now + SESSION)),
        );
        self.read(|db| {
            let old = sessions::table.filter(sessions::expires_at.lt(micros(now)));
            on!(db, c => diesel::delete(old).execute(c))?;
            on!(db, c => diesel::insert_into(sessions::table).values(row).execute(c))?;
            Ok(secret)
        })
    }

    /// Whose session it is.
    pub fn session(&self, secret: &str, now: DateTime<Utc>) -> Result<Option<Identity>> {
        let valid = sessions::hash.eq(hash(secret)).and(sessions::expires_at.gt(micros(now)));
        let query = sessions::table.filter(valid).select((sessions::name, sessions::scope));
        let row: Option<(String, String)> =
            self.read(|db| Ok(on!(db, c => query.first(c).optional())?))?;
        Ok(row.and_then(|(name, scope)| Some(Identity { name, scope: Scope::from_word(&scope)? })))
    }

    /// Ends a session.
    pub fn end_session(&self, secret: &str) -> Result<()> {
        let row = sessions::table.filter(sessions::hash.eq(hash(secret)));
        self.read(|db| {
            on!(db, c => diesel::delete(row).execute(c))?;
            Ok(())
        })
    }
}
