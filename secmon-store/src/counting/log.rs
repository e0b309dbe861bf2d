//! Where what the rules were told goes, and what of others goes with it.

use diesel::prelude::*;
use secmon_core::{Batch, RuleState};

use super::ALL;
use crate::connection::{Db, on};
use crate::leases::{self, Lease};
use crate::schema::uncounted;
use crate::{Error, Result, signals, signed, unsigned};

/// Where what the rules were told goes, in the transaction of the batch.
#[derive(Debug)]
pub(crate) enum Log {
    /// Into the log of the own stream; with the rows of others that are counted.
    Own(Vec<(i64, i64)>),
    /// To whoever counts for all.
    Other,
    /// Nowhere: there is nothing.
    None,
    /// Into the log of all streams; with the rows of others that are counted.
    All(Lease, Vec<(i64, i64)>),
}

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = uncounted, treat_none_as_default_value = false)]
pub(super) struct Row {
    pub(super) stream_no: i64,
    pub(super) no: i64,
    pub(super) at: i64,
    pub(super) log: Vec<u8>,
}

impl Log {
    /// Writes what the rules were told in one batch.
    pub(crate) fn write(&self, db: &mut Db, stream_no: i64, batch: &Batch) -> Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Own(taken) => {
                signals::insert(db, stream_no, batch.logged, &batch.signals)?;
                take(db, taken)
            }
            Self::Other if batch.signals.is_empty() => Ok(()),
            Self::Other => {
                let log = signals::written(&batch.signals)?;
                let row = Row { stream_no, no: signed(batch.logged), at: batch.head.last_at, log };
                on!(db, c => diesel::insert_into(uncounted::table).values(&row).execute(c))?;
                Ok(())
            }
            Self::All(lease, taken) => {
                leases::advance(db, lease)?;
                signals::insert(db, ALL, unsigned(lease.logged), &batch.signals)?;
                take(db, taken)
            }
        }
    }

    /// Whether the batch that counts for all is stored; nothing where it does not, or where that cannot be told.
    pub(crate) fn is_stored(&self, db: &mut Db) -> Result<Option<bool>> {
        match self {
            Self::All(lease, _) if leases::is_stored(db, lease)? => Ok(Some(true)),
            // Another has the lease by now, perhaps behind this batch.
            Self::All(lease, _) if !leases::renew(db, lease, leases::TTL)? => Ok(None),
            Self::All(..) => Ok(Some(false)),
            _ => Ok(None),
        }
    }

    /// Whether signals of all streams are counted.
    pub(crate) fn is_of_all(&self) -> bool {
        matches!(self, Self::All(..))
    }

    /// Stores the memory of rules.
    pub(crate) fn snapshot(
        &self,
        db: &mut Db,
        stream_no: i64,
        logged: u64,
        states: &[RuleState],
        whole: bool,
    ) -> Result<()> {
        match self {
            Self::Own(_) => signals::snapshot(db, stream_no, logged, states, whole),
            Self::All(lease, _) => {
                signals::snapshot(db, ALL, unsigned(lease.logged), states, whole)
            }
            // Whoever counts nothing has nothing to remember.
            Self::Other | Self::None => Ok(()),
        }
    }
}

/// Takes away rows that are counted in this transaction, which nobody else has counted.
fn take(db: &mut Db, taken: &[(i64, i64)]) -> Result<()> {
    for (stream_no, no) in taken {
        let row = uncounted::stream_no.eq(stream_no).and(uncounted::no.eq(no));
        let gone = on!(db, c => diesel::delete(uncounted::table.filter(row)).execute(c))?;
        if gone != 1 {
            return Err(Error::Deposed);
        }
    }
    Ok(())
}
