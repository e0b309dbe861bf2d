//! Statements that are prepared once for each of their texts.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::{QueryResult, RunQueryDsl};

/// A statement that the connection keeps: Diesel prepares an UPDATE, an upsert and an INSERT of a slice anew each time,
/// as their texts may be many. Only for what has few: see [`runs`].
#[derive(Debug)]
pub(crate) struct Kept<T>(pub(crate) T);

impl<DB: Backend, T: QueryFragment<DB>> QueryFragment<DB> for Kept<T> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<T> QueryId for Kept<T> {
    // It is known by its text.
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C, T> RunQueryDsl<C> for Kept<T> {}

/// Inserts rows with the beginning of a statement, and says how many: one by one where that is a call, many at once where
/// each takes a way to the server and back.
macro_rules! insert_rows {
    ($db:expr, $insert:expr, $rows:expr) => {
        match $db {
            $crate::connection::Db::Sqlite(c) => $rows
                .iter()
                .try_fold(0, |count, row| Ok(count + $insert.values(row).execute(&mut **c)?)),
            #[cfg(feature = "mysql")]
            $crate::connection::Db::Mysql(c) => {
                $crate::connection::runs($rows).try_fold(0, |count, rows| {
                    Ok(count + $crate::connection::Kept($insert.values(rows)).execute(&mut **c)?)
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
