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

impl From<Row> for Position {
    fn from(row: Row) -> Self {
        Self {
            fingerprint: row.fingerprint.as_slice().try_into().unwrap_or_default(),
            head: unsigned(row.head),
            position: unsigned(row.position),
            lines: unsigned(row.lines),
            name: row.name,
        }
    }
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
        Ok(row.map(Position::from))
    }

    /// How far files were read, those that were read furthest first.
    pub fn positions(&self) -> Result<Vec<Position>> {
        let all = inputs::table.order(inputs::position.desc());
        let rows: Vec<Row> =
            self.read(|db| Ok(on!(db, c => all.select(Row::as_select()).load(c))?))?;
        Ok(rows.into_iter().map(Position::from).collect())
    }

    /// The name of the position in a file of a machine, by its absolute path: with the machine's name before it where
    /// machines share the store.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let url = format!("sqlite://{}/secmon.db", folder.path().display());
    /// let store = secmon_store::Store::open(&url)?;
    /// assert_eq!(store.position_name("web-1", "/var/log/app.log"), "/var/log/app.log");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn position_name(&self, machine: &str, path: &str) -> String {
        if self.0.location.is_shared() { format!("{machine}:{path}") } else { path.into() }
    }

    /// Gives positions in files of a machine, by their absolute paths, the names that they have in this store, which came
    /// from another place. A name that is taken stays with whoever has it.
    pub fn adopt_positions(&self, machine: &str) -> Result<()> {
        let before = format!("{machine}:/");
        self.read(|db| {
            db.transaction(|db| {
                let names: Vec<String> = on!(db, c => inputs::table.select(inputs::name).load(c))?;
                for name in &names {
                    let path = name.strip_prefix(&before).map(|path| format!("/{path}"));
                    let path = path.unwrap_or_else(|| name.clone());
                    let new = self.position_name(machine, &path);
                    // One of the new name is of whoever used that already.
                    if path.starts_with('/') && !names.contains(&new) {
                        let own = inputs::table.filter(inputs::name.eq(name));
                        on!(db, c => diesel::update(own).set(inputs::name.eq(new)).execute(c))?;
                    }
                }
                Ok(())
            })
        })
    }
}
