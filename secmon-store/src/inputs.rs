//! Positions in followed files, written in the transaction of the records that were read from them.

use diesel::prelude::*;

use crate::connection::{Db, on};
use crate::schema::inputs;
use crate::{Result, Store, signed, unsigned};

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = inputs)]
struct Row {
    name: String,
    fingerprint: Vec<u8>,
    head: i64,
    position: i64,
    lines: i64,
}

/// How far a file was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Position {
    /// The file.
    pub name: String,
    /// SHA-256 of its first bytes: another file under the name begins from zero.
    pub fingerprint: [u8; 32],
    /// How many bytes the fingerprint covers.
    pub head: u64,
    /// Bytes read; of a compressed file, bytes of its content.
    pub position: u64,
    /// Lines read.
    pub lines: u64,
}

pub(crate) fn put(db: &mut Db, position: &Position) -> Result<()> {
    let row = Row {
        name: position.name.clone(),
        fingerprint: position.fingerprint.to_vec(),
        head: signed(position.head),
        position: signed(position.position),
        lines: signed(position.lines),
    };
    on!(db, c => diesel::replace_into(inputs::table).values(&row).execute(c))?;
    Ok(())
}

impl Store {
    /// How far a file was read, if it ever was.
    pub fn position(&self, name: &str) -> Result<Option<Position>> {
        let own = inputs::table.filter(inputs::name.eq(name));
        let row: Option<Row> =
            self.read(|db| Ok(on!(db, c => own.select(Row::as_select()).first(c).optional())?))?;
        Ok(row.map(|row| Position {
            fingerprint: row.fingerprint.as_slice().try_into().unwrap_or_default(),
            head: unsigned(row.head),
            position: unsigned(row.position),
            lines: unsigned(row.lines),
            name: row.name,
        }))
    }
}
