//! Erasure: a personal value goes from every record that holds it, and what goes is sealed before.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use secmon_core::privacy::{Privacy, Token, holds_word};
use secmon_core::seal::Claim;
use secmon_core::{Announcement, Name, Step, When, fields};

use crate::connection::{Db, on};
use crate::failpoint::hit;
use crate::schema::{erasable_values, records, streams, subjects};
use crate::vault::Vault;
use crate::{Error, Result, Writer, sealed, unsigned};

/// Values that one record announces: as many as fit its body at twelve bytes each.
const MOST_NAMED: usize = 4_000;
/// Announcements in one batch.
const MOST_ANNOUNCED: usize = 32;
/// Values erased in one transaction.
const MOST: usize = 1_000;
/// Values read at once.
const CHUNK: i64 = 1_000;

/// What an erasure reached.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct Erasure {
    /// Values of records that are gone: fields, messages and lines that held it.
    pub values: u64,
    /// Records that hold the value in clear in a column, because they were sealed before the privacy mode was
    /// on: only their expiry removes it.
    pub in_clear: u64,
}

/// A value of a record: stream, index, field.
type Place = (i64, i64, String);

impl Writer {
    /// Erases a value of a kind (`user`, `address`, `host`, ... as [`Privacy::kind_of`] says) from all streams of
    /// the store, with every line and message that holds it as a word. What goes is sealed and committed
    /// first; then the key that it was encrypted under is replaced, so that backups hold it no more either.
    ///
    /// An erasure that was interrupted is finished by the next one of the same value.
    ///
    /// # Errors
    /// The privacy mode is off; or the database refuses, and nothing, or part of it, is gone.
    pub fn erase(&mut self, kind: &str, value: &str, now: DateTime<Utc>) -> Result<Erasure> {
        self.flush()?;
        self.keep_lease_long()?;
        let folder = self.store.0.keys.clone();
        let mut vault = Vault::read(&folder)?.ok_or_else(|| Error::Query {
            reason: "no value of this store can be erased: set `[privacy] erasable` first".into(),
        })?;
        let token = vault.token(kind, value)?;
        let mut erasure = Erasure { in_clear: in_clear(&mut self.db, kind, value)?, values: 0 };
        loop {
            let places = places(&mut self.db, &vault, &token, value)?;
            if places.is_empty() {
                break;
            }
            self.announce_erasure(&places, now)?;
            hit("erase.announced");
            for places in places.chunks(MOST) {
                self.db.transaction(|db| forget(db, places))?;
                erasure.values += places.len() as u64;
            }
            hit("erase.forgotten");
        }
        vault.rotate(&folder)?;
        hit("erase.rotated");
        reseal(&mut self.db, &vault)?;
        vault.forget(&folder)?;
        if self.vault.is_some() {
            self.vault = Some(vault);
        }
        clean(&mut self.db)?;
        Ok(erasure)
    }

    /// Seals and commits which values go.
    fn announce_erasure(&mut self, places: &[Place], now: DateTime<Utc>) -> Result<()> {
        let origins = streams::table.select((streams::origin, streams::stream_no));
        let origins: Vec<(String, i64)> = on!(&mut self.db, c => origins.load(c))?;
        let mut claims = Vec::new();
        for places in places.chunk_by(|a, b| a.0 == b.0) {
            for places in places.chunks(MOST_NAMED) {
                let mut values: BTreeMap<Name, Vec<u64>> = BTreeMap::new();
                for (_, seq, field) in places {
                    values.entry(field.as_str().into()).or_default().push(unsigned(*seq));
                }
                let no = places.first().map_or(0, |(no, ..)| *no);
                let origin = origins.iter().find(|(_, known)| *known == no);
                let of = origin.filter(|_| no != self.stream.stream_no);
                claims.push(Claim::Erased { of: of.map(|(origin, _)| origin.clone()), values });
            }
        }
        for claims in claims.chunks(MOST_ANNOUNCED) {
            let announce = claims
                .iter()
                .map(|claim| Announcement::of(claim.clone(), "values_erased", now))
                .collect();
            self.erased_of.clone_from(&origins);
            self.run(Step { announce, checkpoint: When::Always, ..Step::default() }, now)?;
        }
        Ok(())
    }
}

/// Where a value stands: under its token, and in whatever else holds it as a word.
fn places(db: &mut Db, vault: &Vault, token: &Token, value: &str) -> Result<Vec<Place>> {
    let mut tokens = BTreeSet::from([token.as_bytes().to_vec()]);
    let mut behind = Vec::new();
    loop {
        let query = subjects::table
            .filter(subjects::token.gt(&behind))
            .order(subjects::token)
            .limit(CHUNK)
            .select((subjects::token, subjects::kind, subjects::ciphertext, subjects::key_id));
        let rows: Vec<(Vec<u8>, String, Vec<u8>, i64)> = on!(db, c => query.load(c))?;
        for (token, kind, sealed, key_id) in &rows {
            let opened = vault.open_value(token, kind, *key_id, sealed).and_then(Result::ok);
            if opened.is_some_and(|subject| holds_word(&subject.value, value)) {
                tokens.insert(token.clone());
            }
        }
        match rows.last() {
            Some((last, ..)) if i64::try_from(rows.len()) == Ok(CHUNK) => behind.clone_from(last),
            _ => break,
        }
    }
    let mut places = Vec::new();
    for tokens in tokens.into_iter().collect::<Vec<_>>().chunks(500) {
        let query = erasable_values::table.filter(erasable_values::token.eq_any(tokens)).select((
            erasable_values::stream_no,
            erasable_values::seq,
            erasable_values::field,
        ));
        let more: Vec<Place> = on!(db, c => query.load(c))?;
        places.extend(more);
    }
    places.sort();
    Ok(places)
}

/// Takes values away, with their tokens in columns and whatever no record needs any more.
fn forget(db: &mut Db, places: &[Place]) -> Result<()> {
    let mut tokens = BTreeSet::new();
    for (no, seq, field) in places {
        let at = erasable_values::stream_no
            .eq(no)
            .and(erasable_values::seq.eq(seq))
            .and(erasable_values::field.eq(field));
        let row = erasable_values::table.filter(at).select(erasable_values::token);
        let token: Option<Vec<u8>> = on!(db, c => row.first(c).optional())?;
        tokens.extend(token);
        sealed::erase_value(db, *no, *seq, field)?;
    }
    sealed::forget_subjects(db, tokens)
}

/// Takes the values of records away that expired, in the transaction that deletes these.
pub(crate) fn forget_records(db: &mut Db, stream_no: i64, seqs: &[i64]) -> Result<()> {
    let at = erasable_values::stream_no.eq(stream_no).and(erasable_values::seq.eq_any(seqs));
    let tokens = erasable_values::table.filter(at).select(erasable_values::token).distinct();
    let tokens: Vec<Vec<u8>> = on!(db, c => tokens.load(c))?;
    if tokens.is_empty() {
        return Ok(());
    }
    sealed::delete_values(db, stream_no, seqs)?;
    sealed::forget_subjects(db, tokens)
}

/// Encrypts all values anew under the key in use. What this machine cannot read stays as it is: its key may be that of
/// another, and if nobody has it, verification says so.
fn reseal(db: &mut Db, vault: &Vault) -> Result<()> {
    let mut behind = Vec::new();
    loop {
        let query = subjects::table
            .filter(subjects::token.gt(&behind).and(subjects::key_id.ne(vault.current())))
            .order(subjects::token)
            .limit(CHUNK)
            .select((subjects::token, subjects::kind, subjects::ciphertext, subjects::key_id));
        let rows: Vec<(Vec<u8>, String, Vec<u8>, i64)> = on!(db, c => query.load(c))?;
        let Some((last, ..)) = rows.last() else { return Ok(()) };
        behind.clone_from(last);
        db.transaction(|db| {
            for (token, kind, sealed, key_id) in &rows {
                let opened = vault.open_value(token, kind, *key_id, sealed).and_then(Result::ok);
                let (Ok(bytes), Some(subject)) = (token.as_slice().try_into(), opened) else {
                    continue;
                };
                let sealed = vault.seal(&Token::from_bytes(bytes), &subject)?;
                let set = (subjects::ciphertext.eq(sealed), subjects::key_id.eq(vault.current()));
                let row = subjects::table.filter(subjects::token.eq(token));
                on!(db, c => diesel::update(row).set(set).execute(c))?;
            }
            Ok(())
        })?;
    }
}

/// Records whose columns hold the value itself.
fn in_clear(db: &mut Db, kind: &str, value: &str) -> Result<u64> {
    let rows = records::table.select(diesel::dsl::count_star());
    let is = |field: secmon_core::Field| Privacy::kind_of(field.name()) == kind;
    let mut count = 0_i64;
    if is(fields::SOURCE_IP) {
        count += on!(db, c => rows.filter(records::source_ip.eq(value)).first::<i64>(c))?;
    }
    if is(fields::USER_NAME) {
        count += on!(db, c => rows.filter(records::user_name.eq(value)).first::<i64>(c))?;
    }
    if is(fields::HOST_NAME) {
        count += on!(db, c => rows.filter(records::host.eq(value)).first::<i64>(c))?;
    }
    Ok(unsigned(count))
}

/// Empties the log of changes, in which old pages lie. What was freed is overwritten already.
fn clean(db: &mut Db) -> Result<()> {
    match db {
        Db::Sqlite(connection) => Ok(connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?),
        // Its log is the server's: see there for how long it keeps old pages.
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => Ok(()),
    }
}
