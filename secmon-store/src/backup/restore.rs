//! Restoring: into a store that is not there yet, verified before it is used.

use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use secmon_core::seal::Verdict;
use zeroize::Zeroizing;

use super::archive::{Cells, Header, In, Item, damaged};
use super::rows::{are_empty, insert};
use super::shape::{Shape, shapes};
use super::tables::LATER;
use crate::connection::{Db, Location, known, on};
use crate::schema::streams;
use crate::{Error, Result, Store, VerifyOptions};

/// Rows and bytes of one transaction, and rows of one statement.
const ROWS: usize = 2_000;
const BYTES: usize = 4 << 20;
const STATEMENT: usize = 100;

/// How a backup is put back.
#[derive(Clone)]
pub struct Restore {
    url: String,
    keys: Option<PathBuf>,
    passphrase: Option<Zeroizing<String>>,
    takes_unsound: bool,
}

impl std::fmt::Debug for Restore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Restore(..)")
    }
}

/// What was put back.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says of itself.
    pub header: Header,
    /// What verification says of each stream.
    pub verdicts: Vec<Verdict>,
}

impl Restore {
    /// Into the store of this URL, which must not be there yet; a database must be empty.
    pub fn new(url: &str) -> Self {
        let url = url.to_owned();
        Self { url, keys: None, passphrase: None, takes_unsound: false }
    }

    /// With key files in this folder.
    #[must_use]
    pub fn keys(mut self, keys: Option<&Path>) -> Self {
        self.keys = keys.map(Path::to_path_buf);
        self
    }

    /// Of a backup that is encrypted.
    #[must_use]
    pub fn passphrase(mut self, passphrase: &str) -> Self {
        self.passphrase = Some(Zeroizing::new(passphrase.into()));
        self
    }

    /// Also where verification finds something: it may have been there when the backup was made.
    #[must_use]
    pub fn takes_unsound(mut self, takes: bool) -> Self {
        self.takes_unsound = takes;
        self
    }

    /// Reads a backup into a new store. All streams in it are closed: what was written behind the backup is lost, and
    /// so nobody may go on with them. The next writer of a label begins a new one, and says so.
    ///
    /// # Errors
    /// [`Error::Archive`] when the backup is none, damaged, or cut off; [`Error::Exists`] when there is a store
    /// already; [`Error::Unsound`] when what was put back does not verify. Nothing is left of a file then; what was put
    /// into a database must be dropped by hand.
    pub fn run(
        &self,
        from: impl Read + Send + 'static,
        now: DateTime<Utc>,
        progress: impl FnMut(u64),
    ) -> Result<Restored> {
        let (header, archive) =
            In::begin(from, self.passphrase.as_ref().map(|text| text.as_str()))?;
        let location = Location::parse(&self.url)?;
        let place = location.beside()?;
        let keys = self.keys.clone().unwrap_or_else(|| location.keys());
        let restored = self.fill((&place, &keys), header, archive, now, progress);
        match &restored {
            Ok(_) => place.take_place_of(&location)?,
            Err(_) => place.discard(),
        }
        restored
    }

    fn fill(
        &self,
        (place, keys): (&Location, &Path),
        header: Header,
        mut archive: In,
        #[cfg_attr(not(feature = "mysql"), expect(unused, reason = "a file has no partitions"))]
        now: DateTime<Utc>,
        mut progress: impl FnMut(u64),
    ) -> Result<Restored> {
        if let Some(schema) = header.schema.as_ref().filter(|schema| !known().contains(schema)) {
            let reason = format!(
                "it was made by a newer version of secmon (of schema {schema}, unknown here): restore it with that"
            );
            return Err(damaged(&reason));
        }
        let mut db = place.connect(true)?;
        let there = shapes(&mut db)?;
        if !are_empty(&mut db, &there)? {
            return Err(Error::Exists { url: place.url.clone() });
        }
        // As the backup has it; with what it holds it is brought up to date.
        place.make(header.schema.as_deref())?;
        #[cfg(feature = "mysql")]
        crate::partitions::make_usual(&mut place.connect_patiently()?, now)?;
        rows(&mut db, &mut archive, header.schema.is_none(), &mut progress)?;
        // Before anything else, so that nobody goes on with them whatever happens.
        let all = diesel::update(streams::table).set(streams::closed.eq(true));
        on!(&mut db, c => all.execute(c))?;
        if super::heads(&mut db)? != header.streams {
            return Err(damaged("its streams are not those that its header names"));
        }
        drop(db);
        place.make(None)?;
        let store = Store::open_with(&place.address, Some(keys), false)?;
        let verdicts = store.verify(&VerifyOptions::default())?;
        let flaw = verdicts.iter().find_map(|verdict| Some((&verdict.origin, verdict.first()?)));
        if let Some((origin, flaw)) = flaw.filter(|_| !self.takes_unsound) {
            let (origin, detail) = (origin.clone(), flaw.detail.clone());
            return Err(Error::Unsound { origin, seq: flaw.seq, detail });
        }
        Ok(Restored { header, verdicts })
    }
}

/// Puts the rows of all tables back, as the archive has them. One that does not say what schema it has may lack the later
/// tables.
fn rows(
    db: &mut Db,
    archive: &mut In,
    is_early: bool,
    progress: &mut impl FnMut(u64),
) -> Result<()> {
    let shapes = shapes(db)?;
    let must = |table: &Shape| !is_early || LATER.iter().all(|(later, _)| *later != table.name);
    let mut next = shapes.iter();
    let mut table: Option<&Shape> = None;
    let (mut rows, mut bytes, mut total) = (Vec::new(), 0, 0);
    loop {
        let item = archive.next(table.map_or(0, |table| table.columns.len()))?;
        let is_full = rows.len() == ROWS || bytes > BYTES;
        if let Some(table) = table.filter(|_| is_full || !matches!(item, Item::Row(_))) {
            put(db, table, &rows)?;
            (total, bytes) = (total + rows.len() as u64, 0);
            rows.clear();
            progress(total);
        }
        match item {
            Item::Row(row) => {
                bytes += row.iter().flatten().map(Vec::len).sum::<usize>();
                rows.push(row);
            }
            Item::Table(name) => {
                let reason = || format!("`{name}` is none of its tables, or not in its place");
                let known = next.find(|table| table.name == name || must(table));
                let known = known.filter(|table| table.name == name);
                table = Some(known.ok_or_else(|| damaged(&reason()))?);
            }
            Item::End => break,
        }
    }
    match next.find(|table| must(table)) {
        Some(table) => Err(damaged(&format!("table `{}` is missing", table.name))),
        None => Ok(()),
    }
}

/// Puts rows into a table in one transaction.
fn put(db: &mut Db, table: &Shape, rows: &[Cells]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let put =
        db.transaction(|db| rows.chunks(STATEMENT).try_for_each(|rows| insert(db, table, rows)));
    put.map_err(|error| match error {
        // What a table does not take was never in one.
        Error::Refused { reason } => damaged(&reason),
        error => error,
    })
}
