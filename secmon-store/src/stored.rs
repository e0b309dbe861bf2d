//! Records as verification reads them, and what no walk would meet.

use diesel::prelude::*;

use crate::Result;
use crate::connection::{Db, on};
use crate::schema::records;

/// A row as verification reads it: the bytes as they lie there, because whoever changes a database may
/// give a column a type of his own or texts that are none.
#[derive(Queryable)]
pub(crate) struct Stored {
    pub(crate) seq: i64,
    pub(crate) ts: i64,
    pub(crate) expires: i64,
    pub(crate) level: i64,
    pub(crate) category: Vec<u8>,
    pub(crate) host: Option<Vec<u8>>,
    pub(crate) source_ip: Option<Vec<u8>>,
    pub(crate) user_name: Option<Vec<u8>>,
    pub(crate) action: Option<Vec<u8>>,
    pub(crate) outcome: Option<Vec<u8>>,
    pub(crate) body: Vec<u8>,
    pub(crate) mac: Vec<u8>,
    is_typed: bool,
}

impl Stored {
    /// Whether every column holds what its type says.
    pub(crate) fn is_sound(&self) -> bool {
        let texts = [&self.host, &self.source_ip, &self.user_name, &self.action, &self.outcome];
        let is_text = |bytes: &Vec<u8>| std::str::from_utf8(bytes).is_ok();
        self.is_typed && is_text(&self.category) && texts.into_iter().flatten().all(is_text)
    }
}

/// Whether the columns of a record hold what their types say; SQLite lets them hold anything.
const IS_TYPED: &str = "typeof(ts) || typeof(expires) || typeof(level) || typeof(category) || typeof(body) || typeof(mac) = 'integerintegerintegertextblobblob' AND typeof(host) IN ('text', 'null') AND typeof(source_ip) IN ('text', 'null') AND typeof(user_name) IN ('text', 'null') AND typeof(action) IN ('text', 'null') AND typeof(outcome) IN ('text', 'null')";

fn is_typed(db: &Db) -> &'static str {
    match db {
        Db::Sqlite(_) => IS_TYPED,
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => "1 = 1",
    }
}

/// Records of a stream from an index on, in order, as they lie there.
pub(crate) fn all(db: &mut Db, stream_no: i64, from: i64, limit: i64) -> Result<Vec<Stored>> {
    use diesel::dsl::sql;
    use diesel::sql_types::{BigInt, Binary, Bool, Nullable};
    let query = records::table
        .filter(records::stream_no.eq(stream_no).and(records::seq.between(from, i64::MAX)))
        .order(records::seq)
        .limit(limit)
        .select((
            records::seq,
            records::ts,
            records::expires,
            sql::<BigInt>("level"),
            sql::<Binary>(&db.raw("category")),
            sql::<Nullable<Binary>>(&db.raw("host")),
            sql::<Nullable<Binary>>(&db.raw("source_ip")),
            sql::<Nullable<Binary>>(&db.raw("user_name")),
            sql::<Nullable<Binary>>(&db.raw("action")),
            sql::<Nullable<Binary>>(&db.raw("outcome")),
            sql::<Binary>(&db.raw("body")),
            sql::<Binary>(&db.raw("mac")),
            sql::<Bool>(is_typed(db)),
        ));
    Ok(on!(db, c => query.load(c))?)
}

/// Whether a stream has records that no walk meets: whose index is negative, or no number at all, which SQLite
/// sorts behind all numbers.
pub(crate) fn has_strange(db: &mut Db, stream_no: i64) -> Result<bool> {
    let strange = records::seq.lt(0).or(records::seq.gt(i64::MAX));
    let query = records::table
        .filter(records::stream_no.eq(stream_no).and(strange))
        .select(records::stream_no);
    let found: Option<i64> = on!(db, c => query.first(c).optional())?;
    Ok(found.is_some())
}

/// Whether there is more than one record of an index: where the day of expiry is in the key, there can be.
pub(crate) fn is_twice(db: &mut Db, stream_no: i64, seq: i64) -> Result<bool> {
    if !db.is_shared() {
        return Ok(false);
    }
    let own = records::stream_no.eq(stream_no).and(records::seq.eq(seq));
    let count: i64 = on!(db, c => records::table.filter(own).count().first(c))?;
    Ok(count > 1)
}

/// The number of a stream that has records and is none of these, which must be sorted.
pub(crate) fn orphan(db: &mut Db, streams: &[i64]) -> Result<Option<i64>> {
    let behind = streams.iter().copied().map(Some);
    for (after, before) in std::iter::once(None).chain(behind.clone()).zip(behind.chain([None])) {
        let found: Option<i64> = on!(db, c => {
            let mut query = records::table.select(records::stream_no).into_boxed();
            if let Some(after) = after {
                query = query.filter(records::stream_no.gt(after));
            }
            if let Some(before) = before {
                query = query.filter(records::stream_no.lt(before));
            }
            query.first(c).optional()
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
