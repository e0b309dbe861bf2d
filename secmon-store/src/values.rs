//! Personal values beside the records that commit to them: put with each batch, and put back into what is read.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use secmon_core::privacy::{Personal, Subject, Token};
use secmon_core::seal::{Claim, Disclosed, KeptValue};
use secmon_core::{Group, Value};

use crate::connection::{Db, on};
use crate::schema::{erasable_values, erasures, records, subjects};
use crate::streams::StreamRow;
use crate::vault::Vault;
use crate::{Result, Store, signed, unsigned};

/// A value once, encrypted.
#[derive(Clone, Debug, Insertable, Queryable)]
#[diesel(table_name = subjects, treat_none_as_default_value = false)]
pub(crate) struct SubjectRow {
    token: Vec<u8>,
    kind: String,
    ciphertext: Vec<u8>,
    key_id: i64,
}

/// What binds a value to a record.
#[derive(Clone, Debug, Insertable)]
// Else Diesel would open a transaction of its own for each run.
#[diesel(table_name = erasable_values, treat_none_as_default_value = false)]
pub(crate) struct ValueRow {
    stream_no: i64,
    seq: i64,
    field: String,
    salt: Vec<u8>,
    token: Vec<u8>,
}

/// What a batch puts there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    subjects: Vec<SubjectRow>,
    values: Vec<ValueRow>,
}

/// Rows of one statement.
const ROWS: usize = 50;

impl Values {
    /// The rows of what was hidden, encrypted.
    pub(crate) fn of(
        vault: &Vault,
        stream_no: i64,
        personal: Vec<(u64, Personal)>,
    ) -> Result<Self> {
        let mut all = Self::default();
        let mut seen = BTreeSet::new();
        for (seq, Personal { field, salt, token, subject }) in personal {
            if let Some(subject) = subject.filter(|_| seen.insert(token)) {
                all.subjects.push(SubjectRow {
                    token: token.as_bytes().to_vec(),
                    ciphertext: vault.seal(&token, &subject)?,
                    kind: subject.kind,
                    key_id: vault.current(),
                });
            }
            let (salt, token) = (salt.to_vec(), token.as_bytes().to_vec());
            all.values.push(ValueRow { stream_no, seq: signed(seq), field, salt, token });
        }
        Ok(all)
    }

    /// Stores them in the transaction of their batch.
    pub(crate) fn insert(&self, db: &mut Db) -> Result<()> {
        for row in &self.subjects {
            on!(db, c => diesel::insert_or_ignore_into(subjects::table).values(row).execute(c))?;
        }
        let (runs, rest) = self.values.as_chunks::<ROWS>();
        for run in runs {
            on!(db, c => diesel::insert_into(erasable_values::table).values(run).execute(c))?;
        }
        for row in rest {
            on!(db, c => diesel::insert_into(erasable_values::table).values(row).execute(c))?;
        }
        Ok(())
    }
}

/// Notes where a batch announces erasures.
pub(crate) fn announce(
    db: &mut Db,
    stream: &StreamRow,
    claims: &[(u64, Claim)],
    streams: &[(String, i64)],
) -> Result<()> {
    for (seq, claim) in claims {
        let Claim::Erased { of, .. } = claim else { continue };
        let of = of.as_ref().and_then(|of| streams.iter().find(|(origin, _)| origin == of));
        let row = (
            erasures::of_stream.eq(of.map_or(stream.stream_no, |(_, no)| *no)),
            erasures::stream_no.eq(stream.stream_no),
            erasures::seq.eq(signed(*seq)),
        );
        on!(db, c => diesel::insert_into(erasures::table).values(row).execute(c))?;
    }
    Ok(())
}

/// The records that announce erasures in a stream: stream and index.
pub(crate) fn announcing(db: &mut Db, of_stream: i64) -> Result<Vec<(i64, i64)>> {
    let query = erasures::table
        .filter(erasures::of_stream.eq(of_stream))
        .order((erasures::stream_no, erasures::seq))
        .select((erasures::stream_no, erasures::seq));
    Ok(on!(db, c => query.load(c))?)
}

/// The bodies of records, as they lie there: stream, index, body.
pub(crate) fn bodies(db: &mut Db, places: Vec<(i64, i64)>) -> Result<Vec<(i64, u64, Vec<u8>)>> {
    let mut all = Vec::with_capacity(places.len());
    for (no, seq) in places {
        let body = diesel::dsl::sql::<diesel::sql_types::Binary>(&db.raw("body"));
        let at = records::stream_no.eq(no).and(records::seq.eq(seq));
        let query = records::table.filter(at).select(body);
        let body: Option<Vec<u8>> = on!(db, c => query.first(c).optional())?;
        all.push((no, unsigned(seq), body.unwrap_or_default()));
    }
    Ok(all)
}

/// What is kept of the values of records, by index; bytes as they lie there.
pub(crate) fn kept(
    db: &mut Db,
    vault: Option<&Vault>,
    stream_no: i64,
    from: i64,
    to: i64,
) -> Result<BTreeMap<i64, Vec<KeptValue>>> {
    use diesel::dsl::sql;
    use diesel::sql_types::{BigInt, Binary, Nullable};
    type Row = (i64, Vec<u8>, Vec<u8>, Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>, Option<i64>);
    let query = erasable_values::table
        .left_join(subjects::table.on(subjects::token.eq(erasable_values::token)))
        .filter(erasable_values::stream_no.eq(stream_no))
        .filter(erasable_values::seq.between(from, to))
        .select((
            erasable_values::seq,
            sql::<Binary>(&db.raw("erasable_values.field")),
            sql::<Binary>(&db.raw("erasable_values.salt")),
            sql::<Binary>(&db.raw("erasable_values.token")),
            sql::<Nullable<Binary>>(&db.raw("subjects.kind")),
            sql::<Nullable<Binary>>(&db.raw("subjects.ciphertext")),
            sql::<Nullable<BigInt>>("subjects.key_id"),
        ));
    let rows: Vec<Row> = on!(db, c => query.load(c))?;
    let mut all: BTreeMap<i64, Vec<KeptValue>> = BTreeMap::new();
    for (seq, field, salt, token, kind, sealed, key_id) in rows {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let value = match (vault, kind.zip(sealed).zip(key_id)) {
            // The value is gone, though something says that it was there.
            (_, None) => Disclosed::Broken,
            (None, Some(_)) => Disclosed::Hidden,
            (Some(vault), Some(((kind, sealed), key_id))) => {
                let kind = text(&kind);
                match vault.open_value(&token, &kind, key_id, &sealed) {
                    None => Disclosed::Hidden,
                    Some(Ok(subject)) if is_token(vault, &token, &subject) => {
                        Disclosed::Value(subject.value)
                    }
                    Some(_) => Disclosed::Broken,
                }
            }
        };
        let field = text(&field);
        all.entry(seq).or_default().push(KeptValue { field, salt, token, value });
    }
    Ok(all)
}

fn is_token(vault: &Vault, token: &[u8], subject: &Subject) -> bool {
    vault.token(&subject.kind, &subject.value).is_ok_and(|made| made.as_bytes() == token)
}

/// Puts values back into what is read.
pub(crate) struct Reveal {
    vault: Option<Vault>,
}

impl Store {
    /// What reads personal values, if their keys are at hand.
    pub(crate) fn reveal(&self) -> Result<Reveal> {
        Ok(Reveal { vault: Vault::read(&self.0.keys)? })
    }
}

impl Reveal {
    /// The values of a record by field, for [`secmon_core::event_with`]; nothing is asked of the database
    /// where the body commits to none.
    pub(crate) fn values(
        &self,
        db: &mut Db,
        stream_no: i64,
        seq: i64,
        body: &[u8],
    ) -> Result<BTreeMap<String, serde_json::Value>> {
        let mut all = BTreeMap::new();
        let Some(vault) = &self.vault else { return Ok(all) };
        if memchr::memmem::find(body, b"#\":\"").is_none() {
            return Ok(all);
        }
        let own = erasable_values::stream_no.eq(stream_no).and(erasable_values::seq.eq(seq));
        let query = erasable_values::table
            .inner_join(subjects::table.on(subjects::token.eq(erasable_values::token)))
            .filter(own)
            .select((
                erasable_values::field,
                (subjects::token, subjects::kind, subjects::ciphertext, subjects::key_id),
            ));
        let rows: Vec<(String, SubjectRow)> = on!(db, c => query.load(c))?;
        for (field, SubjectRow { token, kind, ciphertext, key_id }) in rows {
            if let Some(Ok(subject)) = vault.open_value(&token, &kind, key_id, &ciphertext) {
                all.insert(field, json(subject));
            }
        }
        Ok(all)
    }

    /// The value that a text stands for, if it is the token of one.
    pub(crate) fn value(&self, db: &mut Db, text: &str) -> Result<Option<String>> {
        let (Some(vault), Some(token)) = (&self.vault, Token::parse(text)) else {
            return Ok(None);
        };
        let token = token.as_bytes().to_vec();
        let query = subjects::table.filter(subjects::token.eq(&token)).select((
            subjects::kind,
            subjects::ciphertext,
            subjects::key_id,
        ));
        let row: Option<(String, Vec<u8>, i64)> = on!(db, c => query.first(c).optional())?;
        let opened =
            row.and_then(|(kind, sealed, id)| vault.open_value(&token, &kind, id, &sealed));
        Ok(opened.and_then(Result::ok).map(|subject| subject.value))
    }

    /// A group with values in place of their tokens.
    pub(crate) fn group(&self, db: &mut Db, group: String) -> Result<String> {
        if self.vault.is_none() || !group.contains("\"~") {
            return Ok(group);
        }
        let mut pairs = Group::from_json(&group).pairs();
        for (_, value) in &mut pairs {
            if let Some(known) = value.as_str().map(|text| self.value(db, text)).transpose()? {
                *value = known.map_or_else(|| value.clone(), Value::Text);
            }
        }
        Ok(Group::from_pairs(pairs).as_json().to_owned())
    }

    /// What a column may hold for a value of a field: the value, or its token.
    pub(crate) fn either(&self, field: &str, value: &str) -> Result<Vec<String>> {
        let mut texts = vec![value.to_owned()];
        if let Some(vault) = &self.vault {
            let kind = secmon_core::privacy::Privacy::kind_of(field);
            texts.push(vault.token(kind, value)?.to_string());
        }
        Ok(texts)
    }
}

fn json(subject: Subject) -> serde_json::Value {
    let parsed = if subject.is_json { serde_json::from_str(&subject.value).ok() } else { None };
    parsed.unwrap_or(serde_json::Value::String(subject.value))
}
