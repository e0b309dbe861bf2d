//! The tables as a database has them: of an older schema some are missing, or some of their columns. Its backup is what
//! the version of that schema would have made, and is restored by that one and by all later ones.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text};

use super::tables::{Column, TABLES};
use crate::Result;
use crate::connection::{Db, on};

/// A table as a database has it.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) columns: Vec<Column>,
    /// How many of the columns are the key, by which rows are ordered.
    pub(super) key: usize,
}

#[derive(Eq, Ord, PartialEq, PartialOrd, QueryableByName)]
struct There {
    #[diesel(sql_type = Text)]
    tab: String,
    #[diesel(sql_type = Text)]
    col: String,
}

#[derive(QueryableByName)]
struct Last {
    #[diesel(sql_type = Nullable<Text>)]
    version: Option<String>,
}

/// The tables that a database has, in their order.
pub(super) fn shapes(db: &mut Db) -> Result<Vec<Shape>> {
    let query = match db {
        Db::Sqlite(_) => {
            "SELECT m.name AS tab, c.name AS col FROM sqlite_master AS m, pragma_table_info(m.name) AS c \
             WHERE m.type = 'table'"
        }
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => {
            "SELECT table_name AS tab, column_name AS col FROM information_schema.columns \
             WHERE table_schema = DATABASE()"
        }
    };
    let there: Vec<There> = on!(db, c => sql_query(query).load(c))?;
    let there: BTreeSet<There> = there.into_iter().collect();
    let shapes = TABLES.iter().map(|table| {
        let has = |(name, _): &Column| {
            there.contains(&There { tab: table.name.into(), col: (*name).into() })
        };
        let columns = || table.columns.iter().copied().filter(has);
        let key = table.columns.iter().take(table.key).copied().filter(has).count();
        Shape { name: table.name, columns: columns().collect(), key }
    });
    Ok(shapes.filter(|shape| !shape.columns.is_empty()).collect())
}

/// The last change of the schema that a database has seen.
pub(super) fn version(db: &mut Db) -> Result<Option<String>> {
    let query = "SELECT MAX(version) AS version FROM __diesel_schema_migrations";
    let last: Last = on!(db, c => sql_query(query).get_result(c))?;
    Ok(last.version)
}
