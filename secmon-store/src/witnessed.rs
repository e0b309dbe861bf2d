//! What this store has seen of other logs as their witness: the latest checkpoint of each.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use secmon_core::seal::{AddCheckpoint, Note};

use crate::connection::on;
use crate::schema::witnessed;
use crate::{Result, Store, micros, signed, unsigned};

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = witnessed)]
struct Row {
    origin: String,
    size: i64,
    root: Vec<u8>,
    note: String,
    at: i64,
}

/// What a witness answers to a checkpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Witnessed {
    /// The log goes on from what was seen: it is kept, and may be cosigned.
    Kept,
    /// The sender does not know how far the witness is: this far.
    Stale(u64),
    /// The proof does not show that the log only grew.
    Refused,
}

impl Store {
    /// Takes a checkpoint of another log, whose signature was verified, as its witness. Reading what was
    /// seen last and keeping the new one is one step.
    pub fn witness(
        &self,
        request: &AddCheckpoint,
        note: &Note,
        now: DateTime<Utc>,
    ) -> Result<Witnessed> {
        self.read(|db| {
            db.transaction(|db| {
                let own = witnessed::table.filter(witnessed::origin.eq(&note.origin));
                let row: Option<Row> =
                    on!(db, c => own.select(Row::as_select()).first(c).optional())?;
                let seen = row.as_ref().map_or(0, |row| unsigned(row.size));
                if seen != request.old {
                    return Ok(Witnessed::Stale(seen));
                }
                let root = row.and_then(|row| row.root.try_into().ok());
                if !request.holds(note, root.as_ref()) {
                    return Ok(Witnessed::Refused);
                }
                if seen == note.size && root == Some(note.root) {
                    // Seen already: nothing to write.
                    return Ok(Witnessed::Kept);
                }
                let row = Row {
                    origin: note.origin.clone(),
                    size: signed(note.size),
                    root: note.root.to_vec(),
                    note: request.note.clone(),
                    at: micros(now),
                };
                on!(db, c => diesel::replace_into(witnessed::table).values(&row).execute(c))?;
                Ok(Witnessed::Kept)
            })
        })
    }
}
