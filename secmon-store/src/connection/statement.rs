//! Statements that a connection prepares once: Diesel prepares an UPDATE, an upsert and an INSERT of a slice anew each
//! time, as it cannot know how many texts there will be.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, HasSqlType, Integer, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl};

/// A text with `?` where its values go, and nowhere else. It is kept: there must be few.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    sql: String,
    values: Vec<Value<'a>>,
}

/// What a statement binds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Integer(i32),
    BigInt(i64),
    Text(Option<&'a str>),
    Binary(Option<&'a [u8]>),
}

impl<'a> Statement<'a> {
    pub(crate) fn new(sql: &str, values: impl IntoIterator<Item = Value<'a>>) -> Self {
        Self { sql: sql.into(), values: values.into_iter().collect() }
    }

    /// One of many rows: what it begins with, then so many times what stands for a row, what it ends with.
    #[cfg(feature = "mysql")]
    pub(crate) fn of_rows<R: Insert>(begin: &str, rows: &'a [R], end: &str) -> Self {
        let values: Vec<Value<'a>> = rows.iter().flat_map(R::values).collect();
        let columns = values.len() / rows.len().max(1);
        let row = format!("({})", vec!["?"; columns].join(","));
        let rows = vec![row.as_str(); rows.len()].join(",");
        Self { sql: format!("{begin} INTO {} VALUES {rows}{end}", R::INTO), values }
    }
}

/// A row of which many are inserted at once.
#[cfg(feature = "mysql")]
pub(crate) trait Insert {
    /// The table and its columns, in the order of the values.
    const INTO: &'static str;

    fn values(&self) -> Vec<Value<'_>>;
}

/// Inserts rows, and says how many: one by one where that is a call, many at once where each takes a way to the server
/// and back.
macro_rules! insert_rows {
    ($db:expr, $insert:expr, $begin:literal, $rows:expr) => {
        match $db {
            $crate::connection::Db::Sqlite(c) => $rows
                .iter()
                .try_fold(0, |count, row| Ok(count + $insert.values(row).execute(&mut **c)?)),
            #[cfg(feature = "mysql")]
            $crate::connection::Db::Mysql(c) => {
                $crate::connection::runs($rows).try_fold(0, |count, rows| {
                    let insert = $crate::connection::Statement::of_rows($begin, rows, "");
                    Ok(count + insert.execute(&mut **c)?)
                })
            }
        }
        .map_err(|error: diesel::result::Error| $crate::Error::from(error))
    };
}
pub(crate) use insert_rows;

/// Cuts rows into runs of a few lengths, so that statements of them have few texts.
pub(crate) fn runs<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = [100, 25, 5, 1].into_iter().find(|length| *length <= rows.len())?;
        let (run, rest) = rows.split_at(length);
        rows = rest;
        Some(run)
    })
}

impl<DB> QueryFragment<DB> for Statement<'_>
where
    DB: Backend
        + HasSqlType<Integer>
        + HasSqlType<BigInt>
        + HasSqlType<Nullable<Text>>
        + HasSqlType<Nullable<Binary>>,
    i32: ToSql<Integer, DB>,
    i64: ToSql<BigInt, DB>,
    for<'v> Option<&'v str>: ToSql<Nullable<Text>, DB>,
    for<'v> Option<&'v [u8]>: ToSql<Nullable<Binary>, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let mut parts = self.sql.split('?');
        out.push_sql(parts.next().unwrap_or_default());
        for (value, part) in self.values.iter().zip(parts) {
            match value {
                Value::Integer(value) => out.push_bind_param::<Integer, _>(value)?,
                Value::BigInt(value) => out.push_bind_param::<BigInt, _>(value)?,
                Value::Text(value) => out.push_bind_param::<Nullable<Text>, _>(value)?,
                Value::Binary(value) => out.push_bind_param::<Nullable<Binary>, _>(value)?,
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

impl QueryId for Statement<'_> {
    // It is known by its text.
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C> RunQueryDsl<C> for Statement<'_> {}

impl From<i32> for Value<'_> {
    fn from(value: i32) -> Self {
        Self::Integer(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::BigInt(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(value))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(Some(value))
    }
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(value: &'a Option<String>) -> Self {
        Self::Text(value.as_deref())
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Binary(Some(value))
    }
}

impl<'a> From<&'a Option<Vec<u8>>> for Value<'a> {
    fn from(value: &'a Option<Vec<u8>>) -> Self {
        Self::Binary(value.as_deref())
    }
}
