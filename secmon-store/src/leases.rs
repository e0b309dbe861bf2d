//! The right to count for all streams: a lease that is taken by compare and swap, and whose epoch fences the
//! transactions of whoever had it before.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::connection::{Db, on};
use crate::schema::leases;
use crate::{Error, Result};

/// The name of the lease.
const COUNTING: &str = "counting";
/// How long it is good for, in microseconds: so long nobody counts when its holder dies.
pub(crate) const TTL: i64 = 5_000_000;
/// ... while its holder does what may take long, as reading the memory of rules does.
pub(crate) const LONG: i64 = 60_000_000;
/// No lease is given for so long: a clock was wrong.
const TOO_LONG: i64 = 2 * LONG;

/// The lease as somebody has it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = leases)]
pub(crate) struct Lease {
    pub(crate) epoch: i64,
    /// The last batch of the signal log of all streams.
    pub(crate) logged: i64,
}

/// Makes the lease, which nobody has, unless it is there.
pub(crate) fn make(db: &mut Db) -> Result<()> {
    if logged(db)?.is_some() {
        return Ok(());
    }
    // What a log of before has left is none of this one's.
    crate::counting::forget_all(db)?;
    let row = (
        leases::name.eq(COUNTING),
        leases::holder.eq(""),
        leases::epoch.eq(0),
        leases::expires.eq(0),
        leases::logged.eq(0),
    );
    on!(db, c => diesel::insert_or_ignore_into(leases::table).values(row).execute(c))?;
    Ok(())
}

/// Lets the log of all streams begin behind that of one; false if it has begun.
pub(crate) fn begin(db: &mut Db, logged: i64) -> Result<bool> {
    let fresh = leases::name.eq(COUNTING).and(leases::epoch.eq(0)).and(leases::logged.eq(0));
    let set = leases::logged.eq(logged);
    Ok(on!(db, c => diesel::update(leases::table.filter(fresh)).set(set).execute(c))? == 1)
}

/// The last batch of the log of all streams, if writers of this store hand their signals over.
pub(crate) fn logged(db: &mut Db) -> Result<Option<i64>> {
    let row = leases::table.filter(leases::name.eq(COUNTING)).select(leases::logged);
    Ok(on!(db, c => row.first(c).optional())?)
}

/// Forgets the lease: nobody hands signals over any more.
pub(crate) fn forget(db: &mut Db) -> Result<()> {
    let row = leases::table.filter(leases::name.eq(COUNTING));
    on!(db, c => diesel::delete(row).execute(c))?;
    Ok(())
}

/// Takes the lease if nobody has it, or whoever asks had it before; none if somebody else has.
pub(crate) fn take(db: &mut Db, holder: &str) -> Result<Option<Lease>> {
    let row = leases::table.filter(leases::name.eq(COUNTING));
    let clock = db.clock();
    let free = || {
        let by_now = leases::expires.le(sql::<BigInt>(clock));
        let wrong = leases::expires.gt(sql::<BigInt>(clock) + TOO_LONG);
        row.filter(leases::holder.eq(holder).or(by_now).or(wrong))
    };
    let seen: Option<Lease> = on!(db, c => free().select(Lease::as_select()).first(c).optional())?;
    let Some(seen) = seen else { return Ok(None) };
    // Whoever was faster has changed the epoch, and whoever has it may have renewed it.
    let same = free().filter(leases::epoch.eq(seen.epoch));
    let set = (
        leases::holder.eq(holder),
        leases::epoch.eq(seen.epoch + 1),
        leases::expires.eq(sql::<BigInt>(clock) + LONG),
    );
    let won = on!(db, c => diesel::update(same).set(set).execute(c))? == 1;
    if !won {
        return Ok(None);
    }
    // Read again: its former holder may have counted until now, and can no more.
    let own = row.filter(leases::epoch.eq(seen.epoch + 1).and(leases::holder.eq(holder)));
    Ok(on!(db, c => own.select(Lease::as_select()).first(c).optional())?)
}

/// Keeps the lease for so many microseconds more; false if another has taken it.
pub(crate) fn renew(db: &mut Db, lease: &Lease, time: i64) -> Result<bool> {
    let own = leases::name.eq(COUNTING).and(leases::epoch.eq(lease.epoch));
    let set = leases::expires.eq(sql::<BigInt>(db.clock()) + time);
    Ok(on!(db, c => diesel::update(leases::table.filter(own)).set(set).execute(c))? == 1)
}

/// Moves the log on in the transaction that writes it.
///
/// # Errors
/// [`Error::Deposed`]: another has taken the lease.
pub(crate) fn advance(db: &mut Db, lease: &Lease) -> Result<()> {
    let own = leases::name.eq(COUNTING).and(leases::epoch.eq(lease.epoch));
    let own = own.and(leases::logged.eq(lease.logged - 1));
    let set =
        (leases::logged.eq(lease.logged), leases::expires.eq(sql::<BigInt>(db.clock()) + TTL));
    match on!(db, c => diesel::update(leases::table.filter(own)).set(set).execute(c))? {
        1 => Ok(()),
        _ => Err(Error::Deposed),
    }
}

/// Whether a transaction that moved the log on is stored.
pub(crate) fn is_stored(db: &mut Db, lease: &Lease) -> Result<bool> {
    let own = leases::name.eq(COUNTING).and(leases::epoch.eq(lease.epoch));
    let own = leases::table.filter(own.and(leases::logged.ge(lease.logged)));
    let found: Option<i64> = on!(db, c => own.select(leases::logged).first(c).optional())?;
    Ok(found.is_some())
}

/// Gives the lease back, for another to take at once.
pub(crate) fn release(db: &mut Db, lease: &Lease) -> Result<()> {
    let own = leases::name.eq(COUNTING).and(leases::epoch.eq(lease.epoch));
    let set = (leases::expires.eq(0), leases::holder.eq(""));
    on!(db, c => diesel::update(leases::table.filter(own)).set(set).execute(c))?;
    Ok(())
}
