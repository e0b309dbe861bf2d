//! Rows of any table, as bytes: read one after the other, and put back many at once.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, QueryableByName};
use diesel::prelude::*;
use diesel::row::NamedRow;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::archive::{Cells, damaged};
use super::shape::Shape;
use super::tables::Kind;
use crate::Result;
use crate::connection::{Db, on};

/// The names under which columns are read, as many as any table has.
const NAMES: [&str; 20] = [
    "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11", "c12", "c13", "c14",
    "c15", "c16", "c17", "c18", "c19",
];

struct Row(Cells);

impl<DB> QueryableByName<DB> for Row
where
    DB: Backend,
    Vec<u8>: FromSql<Binary, DB>,
{
    fn build<'a>(row: &impl NamedRow<'a, DB>) -> deserialize::Result<Self> {
        // A table has fewer columns than there are names: behind its last one none is found.
        let cells =
            NAMES.iter().map_while(|name| NamedRow::get::<Nullable<Binary>, _>(row, name).ok());
        Ok(Self(cells.collect()))
    }
}

/// The name of a column, which may be a word of SQL.
fn quoted(db: &Db, name: &str) -> String {
    match db {
        Db::Sqlite(_) => format!("\"{name}\""),
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => format!("`{name}`"),
    }
}

/// Reads all rows of a table in the order of its key, one at a time.
pub(super) fn each_row(
    db: &mut Db,
    table: &Shape,
    mut take: impl FnMut(Cells) -> Result<()>,
) -> Result<()> {
    let column = |(at, (name, kind)): (&str, &(&str, Kind))| {
        let name = quoted(db, name);
        let bytes = match (&db, kind) {
            (Db::Sqlite(_), Kind::Int) => format!("CAST(CAST({name} AS TEXT) AS BLOB)"),
            (Db::Sqlite(_), _) => format!("CAST({name} AS BLOB)"),
            #[cfg(feature = "mysql")]
            (Db::Mysql(_), Kind::Int) => format!("CAST({name} AS CHAR)"),
            #[cfg(feature = "mysql")]
            (Db::Mysql(_), _) => name,
        };
        format!("{bytes} AS {at}")
    };
    let columns: Vec<String> = NAMES.iter().copied().zip(&table.columns).map(column).collect();
    let key: Vec<String> =
        table.columns.iter().take(table.key).map(|(name, _)| quoted(db, name)).collect();
    let query =
        format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), table.name, key.join(", "));
    on!(db, c => {
        for row in sql_query(query).load_iter::<Row, _>(c)? {
            let Row(cells) = row?;
            if cells.len() != table.columns.len() {
                return Err(damaged(&format!("a row of `{}` cannot be read", table.name)));
            }
            take(cells)?;
        }
        Ok(())
    })
}

/// Whether no table holds anything.
pub(super) fn are_empty(db: &mut Db, tables: &[Shape]) -> Result<bool> {
    for table in tables {
        let query = format!("SELECT NULL AS c0 FROM {} LIMIT 1", table.name);
        let rows: Vec<Row> = on!(db, c => sql_query(query).load(c))?;
        if !rows.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Puts rows into a table.
pub(super) fn insert(db: &mut Db, table: &Shape, rows: &[Cells]) -> Result<()> {
    let names: Vec<String> = table.columns.iter().map(|(name, _)| quoted(db, name)).collect();
    let places = format!("({})", vec!["?"; names.len()].join(", "));
    let sql = format!(
        "INSERT INTO {} ({}) VALUES {}",
        table.name,
        names.join(", "),
        vec![places.as_str(); rows.len()].join(", ")
    );
    on!(db, c => {
        let mut query = sql_query(sql).into_boxed();
        for (cell, (name, kind)) in rows.iter().flat_map(|row| row.iter().zip(&table.columns)) {
            let wrong = || damaged(&format!("a value of `{}.{name}` is of another kind", table.name));
            let text = || cell.as_deref().map(std::str::from_utf8).transpose().map_err(|_| wrong());
            query = match kind {
                Kind::Int => {
                    let number = text()?.map(str::parse::<i64>).transpose().map_err(|_| wrong())?;
                    query.bind::<Nullable<BigInt>, _>(number)
                }
                Kind::Text => query.bind::<Nullable<Text>, _>(text()?),
                Kind::Bytes => query.bind::<Nullable<Binary>, _>(cell.as_deref()),
            };
        }
        query.execute(c)?;
        Ok(())
    })
}
