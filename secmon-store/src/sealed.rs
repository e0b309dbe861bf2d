//! The only changes of what is sealed. On SQLite one row tells the triggers, inside the transaction, what they may
//! allow; on MySQL and MariaDB procedures do it, as the service's account may not.

use diesel::prelude::*;

use crate::Result;
use crate::connection::{Db, on};
use crate::schema::{checkpoints, erasable_values, expiring, records, subjects};

/// Rows of one statement.
const ROWS: usize = 1_000;

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
            Db::Sqlite(c) => {
                let allow = (expiring::day.eq(day), expiring::pruning.eq(below));
                diesel::update(expiring::table).set(allow).execute(&mut **c)?;
                let own = records::stream_no.eq(stream_no).and(records::seq.eq_any(seqs));
                diesel::delete(records::table.filter(own)).execute(&mut **c)?;
                let refuse = (expiring::day.eq(-1), expiring::pruning.eq(0));
                diesel::update(expiring::table).set(refuse).execute(&mut **c)?;
            }
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
            Db::Sqlite(c) => {
                diesel::update(expiring::table)
                    .set(expiring::pruning.eq(up_to))
                    .execute(&mut **c)?;
                let own = checkpoints::stream_no.eq(stream_no).and(checkpoints::size.eq_any(sizes));
                diesel::delete(checkpoints::table.filter(own)).execute(&mut **c)?;
                diesel::update(expiring::table).set(expiring::pruning.eq(0)).execute(&mut **c)?;
            }
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

/// Moves the day of a record back.
pub(crate) fn hold(db: &mut Db, stream_no: i64, seq: i64, day: i64) -> Result<()> {
    match db {
        Db::Sqlite(c) => {
            diesel::update(expiring::table).set(expiring::holding.eq(1)).execute(&mut **c)?;
            let earlier = records::stream_no
                .eq(stream_no)
                .and(records::seq.eq(seq))
                .and(records::expires.lt(day));
            let row = records::table.filter(earlier);
            diesel::update(row).set(records::expires.eq(day)).execute(&mut **c)?;
            diesel::update(expiring::table).set(expiring::holding.eq(0)).execute(&mut **c)?;
        }
        #[cfg(feature = "mysql")]
        Db::Mysql(c) => {
            use diesel::sql_types::BigInt;
            diesel::sql_query("CALL secmon_hold(?, ?, ?)")
                .bind::<BigInt, _>(stream_no)
                .bind::<BigInt, _>(seq)
                .bind::<BigInt, _>(day)
                .execute(&mut **c)?;
        }
    }
    Ok(())
}

/// Takes a personal value of a record away, with the token in its column.
pub(crate) fn erase_value(db: &mut Db, stream_no: i64, seq: i64, field: &str) -> Result<()> {
    match db {
        Db::Sqlite(c) => {
            let c = &mut **c;
            diesel::update(expiring::table).set(expiring::erasing.eq(1)).execute(c)?;
            let at = erasable_values::stream_no
                .eq(stream_no)
                .and(erasable_values::seq.eq(seq))
                .and(erasable_values::field.eq(field));
            diesel::delete(erasable_values::table.filter(at)).execute(c)?;
            let row = records::stream_no.eq(stream_no).and(records::seq.eq(seq));
            let row = diesel::update(records::table.filter(row));
            let none = None::<String>;
            match field {
                "host.name" => row.set(records::host.eq(none)).execute(c)?,
                "source.ip" => row.set(records::source_ip.eq(none)).execute(c)?,
                "user.name" => row.set(records::user_name.eq(none)).execute(c)?,
                _ => 0,
            };
            diesel::update(expiring::table).set(expiring::erasing.eq(0)).execute(c)?;
        }
        #[cfg(feature = "mysql")]
        Db::Mysql(c) => {
            use diesel::sql_types::{BigInt, Text};
            diesel::sql_query("CALL secmon_erase_value(?, ?, ?)")
                .bind::<BigInt, _>(stream_no)
                .bind::<BigInt, _>(seq)
                .bind::<Text, _>(field)
                .execute(&mut **c)?;
        }
    }
    Ok(())
}

/// Takes all personal values of records away.
pub(crate) fn delete_values(db: &mut Db, stream_no: i64, seqs: &[i64]) -> Result<()> {
    for seqs in seqs.chunks(ROWS) {
        match db {
            Db::Sqlite(c) => {
                diesel::update(expiring::table).set(expiring::erasing.eq(1)).execute(&mut **c)?;
                let own = erasable_values::stream_no.eq(stream_no);
                let own = erasable_values::table.filter(own.and(erasable_values::seq.eq_any(seqs)));
                diesel::delete(own).execute(&mut **c)?;
                diesel::update(expiring::table).set(expiring::erasing.eq(0)).execute(&mut **c)?;
            }
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
            Db::Sqlite(c) => {
                diesel::update(expiring::table).set(expiring::erasing.eq(1)).execute(&mut **c)?;
                let row = subjects::table.filter(subjects::token.eq(token));
                diesel::delete(row).execute(&mut **c)?;
                diesel::update(expiring::table).set(expiring::erasing.eq(0)).execute(&mut **c)?;
            }
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
