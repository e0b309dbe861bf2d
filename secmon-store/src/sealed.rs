//! The only changes of what is sealed. On SQLite one row tells the triggers, inside the transaction, what they may
//! allow; on MySQL and MariaDB procedures do it, as the service's account may not.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::Result;
use crate::connection::{Db, on};
use crate::schema::{checkpoints, erasable_values, expiring, records, subjects};

/// Rows of one statement.
const ROWS: usize = 1_000;

/// What the triggers of a file allow.
#[derive(AsChangeset)]
#[diesel(table_name = expiring)]
struct Allowed {
    day: i64,
    erasing: i32,
    holding: i32,
    pruning: i64,
}

const NOTHING: Allowed = Allowed { day: -1, erasing: 0, holding: 0, pruning: 0 };
const ERASING: Allowed = Allowed { erasing: 1, ..NOTHING };

/// Changes what the triggers of a file allow, and lets them allow nothing behind that.
fn allowing(
    c: &mut SqliteConnection,
    allowed: Allowed,
    change: impl FnOnce(&mut SqliteConnection) -> QueryResult<usize>,
) -> Result<()> {
    diesel::update(expiring::table).set(allowed).execute(c)?;
    change(c)?;
    diesel::update(expiring::table).set(NOTHING).execute(c)?;
    Ok(())
}

/// Deletes events whose day is before this one, and below an index what passes.
pub(crate) fn delete_records(
    db: &mut Db,
    stream_no: i64,
    seqs: &[i64],
    day: i64,
    below: i64,
) -> Result<()> {
    for seqs in seqs.chunks(ROWS) {
        match db {
            Db::Sqlite(c) => allowing(c, Allowed { day, pruning: below, ..NOTHING }, |c| {
                let own = records::stream_no.eq(stream_no).and(records::seq.eq_any(seqs));
                diesel::delete(records::table.filter(own)).execute(c)
            })?,
            #[cfg(feature = "mysql")]
            Db::Mysql(c) => {
                use diesel::sql_types::{BigInt, Text};
                diesel::sql_query("CALL secmon_delete_records(?, ?, ?, ?)")
                    .bind::<BigInt, _>(stream_no)
                    .bind::<Text, _>(list(seqs))
                    .bind::<BigInt, _>(day)
                    .bind::<BigInt, _>(below)
                    .execute(&mut **c)?;
            }
        }
    }
    Ok(())
}

/// Deletes checkpoints up to a size.
pub(crate) fn delete_checkpoints(
    db: &mut Db,
    stream_no: i64,
    sizes: &[i64],
    up_to: i64,
) -> Result<()> {
    for sizes in sizes.chunks(ROWS) {
        match db {
            Db::Sqlite(c) => allowing(c, Allowed { pruning: up_to, ..NOTHING }, |c| {
                let own = checkpoints::stream_no.eq(stream_no).and(checkpoints::size.eq_any(sizes));
                diesel::delete(checkpoints::table.filter(own)).execute(c)
            })?,
            #[cfg(feature = "mysql")]
            Db::Mysql(c) => {
                use diesel::sql_types::{BigInt, Text};
                diesel::sql_query("CALL secmon_delete_checkpoints(?, ?, ?)")
                    .bind::<BigInt, _>(stream_no)
                    .bind::<Text, _>(list(sizes))
                    .bind::<BigInt, _>(up_to)
                    .execute(&mut **c)?;
            }
        }
    }
    Ok(())
}

/// Moves the day of records back.
pub(crate) fn hold(db: &mut Db, stream_no: i64, seqs: &[i64], day: i64) -> Result<()> {
    match db {
        Db::Sqlite(c) => allowing(c, Allowed { holding: 1, ..NOTHING }, |c| {
            for seq in seqs {
                let earlier = records::stream_no
                    .eq(stream_no)
                    .and(records::seq.eq(seq))
                    .and(records::expires.lt(day));
                let row = records::table.filter(earlier);
                diesel::update(row).set(records::expires.eq(day)).execute(c)?;
            }
            Ok(seqs.len())
        }),
        #[cfg(feature = "mysql")]
        Db::Mysql(c) => {
            use diesel::sql_types::BigInt;
            for seq in seqs {
                diesel::sql_query("CALL secmon_hold(?, ?, ?)")
                    .bind::<BigInt, _>(stream_no)
                    .bind::<BigInt, _>(seq)
                    .bind::<BigInt, _>(day)
                    .execute(&mut **c)?;
            }
            Ok(())
        }
    }
}

/// Takes a personal value of a record away, with the token in its column.
pub(crate) fn erase_value(db: &mut Db, stream_no: i64, seq: i64, field: &str) -> Result<()> {
    match db {
        Db::Sqlite(c) => allowing(c, ERASING, |c| {
            let at = erasable_values::stream_no
                .eq(stream_no)
                .and(erasable_values::seq.eq(seq))
                .and(erasable_values::field.eq(field));
            diesel::delete(erasable_values::table.filter(at)).execute(c)?;
            let row = records::stream_no.eq(stream_no).and(records::seq.eq(seq));
            let row = diesel::update(records::table.filter(row));
            let none = None::<String>;
            match field {
                "host.name" => row.set(records::host.eq(none)).execute(c),
                "source.ip" => row.set(records::source_ip.eq(none)).execute(c),
                "user.name" => row.set(records::user_name.eq(none)).execute(c),
                _ => Ok(0),
            }
        }),
        #[cfg(feature = "mysql")]
        Db::Mysql(c) => {
            use diesel::sql_types::{BigInt, Text};
            diesel::sql_query("CALL secmon_erase_value(?, ?, ?)")
                .bind::<BigInt, _>(stream_no)
                .bind::<BigInt, _>(seq)
                .bind::<Text, _>(field)
                .execute(&mut **c)?;
            Ok(())
        }
    }
}

/// Takes all personal values of records away.
pub(crate) fn delete_values(db: &mut Db, stream_no: i64, seqs: &[i64]) -> Result<()> {
    for seqs in seqs.chunks(ROWS) {
        match db {
            Db::Sqlite(c) => allowing(c, ERASING, |c| {
                let own = erasable_values::stream_no.eq(stream_no);
                let own = own.and(erasable_values::seq.eq_any(seqs));
                diesel::delete(erasable_values::table.filter(own)).execute(c)
            })?,
            #[cfg(feature = "mysql")]
            Db::Mysql(c) => {
                use diesel::sql_types::{BigInt, Text};
                diesel::sql_query("CALL secmon_delete_values(?, ?)")
                    .bind::<BigInt, _>(stream_no)
                    .bind::<Text, _>(list(seqs))
                    .execute(&mut **c)?;
            }
        }
    }
    Ok(())
}

/// Takes away values to which no record commits any more.
pub(crate) fn forget_subjects(
    db: &mut Db,
    tokens: impl IntoIterator<Item = Vec<u8>>,
) -> Result<()> {
    for token in tokens {
        let bound = erasable_values::table.filter(erasable_values::token.eq(&token));
        let bound = bound.select(erasable_values::seq);
        let bound: Option<i64> = on!(db, c => bound.first(c).optional())?;
        if bound.is_some() {
            continue;
        }
        match db {
            Db::Sqlite(c) => allowing(c, ERASING, |c| {
                let row = subjects::table.filter(subjects::token.eq(token));
                diesel::delete(row).execute(c)
            })?,
            #[cfg(feature = "mysql")]
            Db::Mysql(c) => {
                use diesel::sql_types::Binary;
                diesel::sql_query("CALL secmon_erase_subject(?)")
                    .bind::<Binary, _>(token)
                    .execute(&mut **c)?;
            }
        }
    }
    Ok(())
}

/// Numbers with commas between them.
#[cfg(feature = "mysql")]
fn list(numbers: &[i64]) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    texts.join(",")
}
