//! Partitions of records by their day of expiry, on MySQL and MariaDB: made ahead, and dropped once every stream has
//! announced that its events there go.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use secmon_core::seal::Retention;

use crate::connection::{Connection, Db};
use crate::failpoint::hit;
use crate::schema::records;
use crate::{Error, Result, Writer, signed};

/// How often partitions are made ahead.
const MAKE_EVERY: TimeDelta = TimeDelta::hours(12);
/// Partitions that hold the records of the shortest time for which one is kept.
const MOST: i64 = 12;
/// Days of the widest of them.
const WIDEST: i64 = 7;
/// Days that a stream which announces nothing may keep a partition of others.
const GRACE: i64 = 14;

#[derive(QueryableByName)]
struct Bound {
    #[diesel(sql_type = BigInt)]
    bound: i64,
}

#[derive(QueryableByName)]
struct Expiration {
    #[diesel(sql_type = BigInt)]
    day: i64,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = BigInt)]
    forgotten: i64,
}

/// Makes partitions for what is kept as long as records usually are.
pub(crate) fn make_usual(db: &mut Db, now: DateTime<Utc>) -> Result<()> {
    if db.is_shared() {
        make(db, now.timestamp().div_euclid(86_400), Retention::default())?;
    }
    Ok(())
}

fn make(db: &mut Db, today: i64, kept: Retention) -> Result<()> {
    let near = i64::from(kept.everyday.max(kept.metrics));
    let far = near.max(i64::from(kept.high));
    let width = (i64::from(kept.everyday.min(kept.metrics)) / MOST).clamp(1, WIDEST);
    on_mysql(db, |c| {
        sql_query("CALL secmon_make_partitions(?, ?, ?, ?)")
            .bind::<BigInt, _>(today)
            .bind::<BigInt, _>(today + near + 2 * width)
            .bind::<BigInt, _>(today + far + 2 * width)
            .bind::<BigInt, _>(width)
            .execute(c)
    })?;
    Ok(())
}

impl Writer {
    /// As [`Writer::expire`], a partition at a time: its records go at once when all streams have announced theirs.
    pub(crate) fn expire_partition(&mut self, now: DateTime<Utc>) -> Result<u64> {
        let today = now.timestamp().div_euclid(86_400);
        self.make_partitions(today, now)?;
        let due = self.due_partitions(today)?;
        let gone = self.forget_values(due.first().copied())?;
        if gone > 0 {
            return Ok(gone);
        }
        for bound in due {
            // Streams that nobody writes to announce nothing: then each takes its own away.
            let deletes = bound + GRACE <= today && self.due.deleted < bound;
            if self.due.marked < bound || deletes {
                let gone = self.expire_before(bound, deletes, now)?;
                if gone > 0 {
                    return Ok(gone);
                }
                if self.is_uncovered(bound)? {
                    // No checkpoint covers the last of them yet: they are announced at the next look.
                    return Ok(0);
                }
                self.mark(bound)?;
                if deletes {
                    self.due.deleted = bound;
                }
            }
            if self.counts() {
                self.drop_partition(bound)?;
            }
        }
        // What has gone now may have left values.
        let due = self.due_partitions(today)?;
        self.forget_values(due.first().copied())
    }

    /// Notes that all events of this stream before a day were announced to go.
    fn mark(&mut self, bound: i64) -> Result<()> {
        let (no, last) = (self.stream.stream_no, self.due.next);
        on_mysql(&mut self.db, |c| {
            sql_query(
                "INSERT INTO expirations (stream_no, day, last_seq, forgotten) VALUES (?, ?, ?, 0) \
                 ON DUPLICATE KEY UPDATE day = GREATEST(day, VALUES(day)), \
                 last_seq = GREATEST(last_seq, VALUES(last_seq))",
            )
            .bind::<BigInt, _>(no)
            .bind::<BigInt, _>(bound)
            .bind::<BigInt, _>(last)
            .execute(c)
        })?;
        self.due.marked = self.due.marked.max(bound);
        hit("expire.marked");
        Ok(())
    }

    /// Whether there are events before a day that no checkpoint covers.
    fn is_uncovered(&mut self, bound: i64) -> Result<bool> {
        let open = records::stream_no
            .eq(self.stream.stream_no)
            .and(records::seq.ge(signed(self.checkpoint_size)))
            .and(records::category.eq("event").and(records::expires.lt(bound)));
        let query = records::table.filter(open).select(records::seq);
        let found: Option<i64> = on_mysql(&mut self.db, |c| query.first(c).optional())?;
        Ok(found.is_some())
    }

    /// Takes away personal values of records that have gone with a partition; says of how many records.
    fn forget_values(&mut self, first_due: Option<i64>) -> Result<u64> {
        let no = self.stream.stream_no;
        let own = "SELECT day, last_seq, forgotten FROM expirations WHERE stream_no = ?";
        let own: Vec<Expiration> =
            on_mysql(&mut self.db, |c| sql_query(own).bind::<BigInt, _>(no).load(c))?;
        let Some(own) = own.first() else { return Ok(0) };
        // What was announced before a start need not be announced again.
        self.due.marked = self.due.marked.max(own.day);
        if own.day <= own.forgotten {
            return Ok(0);
        }
        let mut patient = self.store.0.location.connect_patiently()?;
        let gone = "SELECT DISTINCT v.seq AS bound FROM erasable_values AS v \
                    WHERE v.stream_no = ? AND v.seq <= ? AND NOT EXISTS \
                    (SELECT 1 FROM records AS r WHERE r.stream_no = v.stream_no AND r.seq = v.seq) LIMIT 1000";
        let gone: Vec<Bound> = on_mysql(&mut patient, |c| {
            sql_query(gone).bind::<BigInt, _>(no).bind::<BigInt, _>(own.last_seq).load(c)
        })?;
        let seqs: Vec<i64> = gone.into_iter().map(|row| row.bound).collect();
        if !seqs.is_empty() {
            self.db.transaction(|db| crate::erase::forget_records(db, no, &seqs))?;
            return Ok(seqs.len() as u64);
        }
        // More goes with what others keep there.
        if first_due.is_some_and(|bound| bound <= own.day) {
            return Ok(0);
        }
        on_mysql(&mut self.db, |c| {
            sql_query("UPDATE expirations SET forgotten = ? WHERE stream_no = ?")
                .bind::<BigInt, _>(own.day)
                .bind::<BigInt, _>(no)
                .execute(c)
        })?;
        Ok(0)
    }

    /// Drops a partition, if all streams have announced that what is theirs in it goes.
    fn drop_partition(&mut self, bound: i64) -> Result<()> {
        let mut db = self.store.0.location.connect_patiently()?;
        let drop = sql_query("CALL secmon_drop_partition(?)").bind::<BigInt, _>(bound);
        match on_mysql(&mut db, |c| drop.execute(c)) {
            // Others have not announced theirs yet, or were as fast; or read there, as a backup does.
            Err(Error::Database { reason } | Error::Busy { reason })
                if ["announced to go", "no partition", "Lock wait timeout"]
                    .iter()
                    .any(|words| reason.contains(words)) =>
            {
                Ok(())
            }
            done => done.map(|_| ()),
        }
    }

    /// Makes the partitions of the days that records written from now on expire on.
    fn make_partitions(&mut self, today: i64, now: DateTime<Utc>) -> Result<()> {
        // On a cluster two changes of a table from two nodes may wait for each other for ever.
        if !self.counts() || self.due.made_at.is_some_and(|at| now - at < MAKE_EVERY) {
            return Ok(());
        }
        let mut db = self.store.0.location.connect_patiently()?;
        match make(&mut db, today, self.monitor.retention()) {
            // Somebody reads there, as a backup does: an hour later will do.
            Err(Error::Busy { reason }) if reason.contains("Lock wait timeout") => {}
            made => made?,
        }
        self.due.made_at = Some(now);
        Ok(())
    }

    /// Where partitions end all of whose days have passed.
    fn due_partitions(&mut self, today: i64) -> Result<Vec<i64>> {
        let query = "SELECT CAST(SUBSTRING(partition_name, 2) AS SIGNED) AS bound \
                     FROM information_schema.partitions \
                     WHERE table_schema = DATABASE() AND table_name = 'records' AND partition_name LIKE 'd%' \
                     AND CAST(SUBSTRING(partition_name, 2) AS SIGNED) <= ? ORDER BY bound";
        let found: Vec<Bound> =
            on_mysql(&mut self.db, |c| sql_query(query).bind::<BigInt, _>(today).load(c))?;
        // The first of all holds nothing: the others begin behind it.
        Ok(found.into_iter().map(|row| row.bound).collect())
    }
}

fn on_mysql<T>(
    db: &mut Db,
    query: impl FnOnce(&mut Connection) -> diesel::QueryResult<T>,
) -> Result<T> {
    match db {
        Db::Mysql(c) => Ok(query(c)?),
        Db::Sqlite(_) => Err(Error::Database { reason: "a file has no partitions".into() }),
    }
}
