//! The tables as a database has them: of an older schema some are missing, or some of their columns. Its backup is what
//! the version of that schema would have made, and is restored by that one and by all later ones.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text};

use super::archive::damaged;
use super::tables::{Kind, LATER, TABLES, Table};
use crate::Result;
use crate::connection::{Db, known, on};

/// A table as a database has it.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) columns: Vec<(&'static str, Kind)>,
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
struct Answer {
    #[diesel(sql_type = Nullable<Text>)]
    said: Option<String>,
}

/// The tables of the schema that a database has, in their order. What is there beyond that is of a change that was begun
/// and not ended.
pub(super) fn shapes(db: &mut Db) -> Result<Vec<Shape>> {
    let Some(version) = version(db)? else { return Ok(Vec::new()) };
    let is_last = known().last() == Some(&version);
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
    let is_due = |table: &&Table| {
        let made = LATER.iter().find(|(name, _)| *name == table.name).map(|(_, made)| *made);
        made.is_none_or(|made| made <= version.as_str())
    };
    let shape = |table: &Table| {
        let has = |name: &str| there.contains(&There { tab: table.name.into(), col: name.into() });
        let columns: Vec<_> = table.columns.iter().copied().filter(|(name, _)| has(name)).collect();
        // Dropped, or hidden from an account that may not read it: left out, it would be missed too late. A column may
        // be of a later schema.
        if columns.is_empty() || (is_last && columns.len() < table.columns.len()) {
            return Err(damaged(&format!(
                "table `{}` is not there, or may not be read",
                table.name
            )));
        }
        let key = table.columns.iter().take(table.key).filter(|(name, _)| has(name)).count();
        Ok(Shape { name: table.name, columns, key })
    };
    TABLES.iter().filter(is_due).map(shape).collect()
}

/// The last change of the schema that a database has seen; none if nothing was made in it.
pub(super) fn version(db: &mut Db) -> Result<Option<String>> {
    let there = match db {
        Db::Sqlite(_) => {
            "SELECT MAX(name) AS said FROM sqlite_master WHERE name = '__diesel_schema_migrations'"
        }
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => {
            "SELECT MAX(table_name) AS said FROM information_schema.tables WHERE table_schema = DATABASE() \
             AND table_name = '__diesel_schema_migrations'"
        }
    };
    let last = "SELECT MAX(version) AS said FROM __diesel_schema_migrations";
    let mut ask = |query: &str| -> Result<Option<String>> {
        let answer: Answer = on!(&mut *db, c => sql_query(query).get_result(c))?;
        Ok(answer.said)
    };
    if ask(there)?.is_none() { Ok(None) } else { ask(last) }
}
