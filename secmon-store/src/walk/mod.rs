//! The walk of verification over one stream: records, their leaves and tiles, and checkpoints, page by
//! page and merged by index.

mod notes;
mod pages;
pub(crate) mod prefix;
mod statements;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::pages::{Page, Pages};
use self::statements::Statements;
use secmon_core::Level;
use secmon_core::seal::{BLOCK, Columns, Entry, Flaw, KeptValue, Sealed, Verifier, leaf_hash};

use crate::connection::Db;
use crate::stored::{self, Stored};
use crate::streams::{CheckpointRow, StreamRow};
use crate::tiles::{self, Leaves, Open, TILE, TileRow};
use crate::vault::Vault;
use crate::{Result, Store, holds, removals, signed, unsigned, values};

/// Rows read at once.
const CHUNK: i64 = 1_000;

/// A walk over one stream: records, their stored leaves, and checkpoints, merged by index.
pub(crate) struct Walk {
    /// As it was when the walk began, or later, where it had to look on.
    pub(crate) stream: StreamRow,
    store: Store,
    leaves: Leaves,
    /// The leaves of the records that stayed of those that were pruned.
    kept: BTreeMap<u64, [u8; 32]>,
    /// The tiles above the leaves, as those that are stored below them demand.
    open: Open,
    /// The block that is walked, and which records are known to announce removals of it.
    block: Option<u64>,
    announced: BTreeSet<u64>,
    checkpoints: VecDeque<CheckpointRow>,
    /// The keys of personal values, if they are at hand.
    vault: Option<Vault>,
    /// Records that are known to announce erasures.
    erasing: BTreeSet<(i64, i64)>,
    /// The size at which removals were asked for last.
    asked: i64,
    /// Checkpoints from this size on are not read yet.
    next_size: i64,
    /// The last checkpoint that was read.
    last_size: i64,
}

impl Walk {
    pub(crate) fn new(stream: StreamRow, store: Store, vault: Option<Vault>) -> Self {
        Self {
            stream,
            store,
            leaves: Leaves::default(),
            kept: BTreeMap::new(),
            open: Open::default(),
            block: None,
            announced: BTreeSet::new(),
            vault,
            erasing: BTreeSet::new(),
            asked: -1,
            checkpoints: VecDeque::new(),
            next_size: i64::MIN,
            last_size: i64::MIN,
        }
    }

    pub(crate) fn run(
        &mut self,
        db: &mut Db,
        verifier: &mut Verifier,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        if !self.prefix(db, verifier)? {
            return Ok(());
        }
        self.erasures(db, verifier)?;
        let mut statements = Statements::of(db, &self.stream)?;
        let mut pages = Pages::of(self.stream.stream_no, &self.store);
        let mut page = Page::default();
        let mut from = self.stream.pruned_to;
        loop {
            // What was written meanwhile comes with a later page.
            page = pages.page(db, from, self.stream.size(), page)?;
            let (mut ended, size, rows) = (page.next().is_none(), page.size, &page.rows);
            let last = rows.last().map_or(from, |row| row.seq);
            // With the last page comes a gap, perhaps, up to the end.
            let upto = if ended { size } else { unsigned(last.saturating_add(1)).min(size) };
            statements.upto(db, &self.stream.origin, verifier, upto)?;
            let mut kept =
                values::kept(db, self.vault.as_ref(), self.stream.stream_no, from, last)?;
            let entries = Entry::each(rows.iter().map(|row| row.body.as_slice()));
            for (row, entry) in rows.iter().zip(entries) {
                if row.seq < from {
                    let detail = "an index that is no integer";
                    verifier.report(Flaw::Inserted, unsigned(row.seq), detail);
                    continue;
                }
                if unsigned(row.seq) >= size {
                    self.behind(db, verifier, row.seq)?;
                    ended = true;
                    break;
                }
                from = row.seq.saturating_add(1);
                if !self.close_gap(db, verifier, unsigned(row.seq))? {
                    return Ok(());
                }
                self.enter(db, verifier, unsigned(row.seq))?;
                let values = kept.remove(&row.seq).unwrap_or_default();
                if !self.record(db, verifier, row, entry, &values)? {
                    return Ok(());
                }
            }
            progress(verifier.next_seq());
            if !ended && stored::is_twice(db, self.stream.stream_no, last)? {
                let detail = "a second record of this index";
                verifier.report(Flaw::Inserted, unsigned(last), detail);
            }
            if !ended {
                // Rows whose index is no integer must not keep the walk here for ever.
                from = from.max(last.saturating_add(1));
                continue;
            }
            if !self.close_gap(db, verifier, size)? {
                return Ok(());
            }
            if self.stream.size() <= size {
                break;
            }
            from = signed(verifier.next_seq());
        }
        statements.end(db, &self.stream, verifier)?;
        self.checkpoints(db, verifier)?;
        if let Some(left) = self.checkpoints.front() {
            verifier.checkpoint(&left.checkpoint());
        }
        for row in self.open.rows(self.stream.stream_no).into_iter().skip(1) {
            compare(db, verifier, &row)?;
        }
        if stored::has_strange(db, self.stream.stream_no)? {
            let detail = "records whose index is negative or no integer";
            verifier.report(Flaw::Inserted, verifier.next_seq(), detail);
        }
        Ok(())
    }

    /// Takes the next record; says whether the walk can go on.
    fn record(
        &mut self,
        db: &mut Db,
        verifier: &mut Verifier,
        row: &Stored,
        entry: Entry<'_>,
        values: &[KeptValue],
    ) -> Result<bool> {
        let leaf = self.leaf(db, row.seq)?;
        let record = sealed(row, entry, leaf, values);
        if !verifier.is_unexplained(&record) {
            self.take(db, verifier, &record, row.is_sound())?;
            return Ok(true);
        }
        let Some((row, values)) = self.again(db, verifier, row.seq)? else {
            return self.close_gap(db, verifier, unsigned(row.seq).saturating_add(1));
        };
        let record = sealed(&row, Entry::read(&row.body), leaf, &values);
        self.take(db, verifier, &record, row.is_sound())?;
        Ok(true)
    }

    fn take(
        &mut self,
        db: &mut Db,
        verifier: &mut Verifier,
        record: &Sealed<'_>,
        is_sound: bool,
    ) -> Result<()> {
        if let Some(leaf) = record.leaf {
            self.check_tiles(db, verifier, leaf)?;
        } else {
            let detail = "the stored leaf hash is not there";
            verifier.report(Flaw::BadTile, record.seq, detail);
        }
        verifier.record(record);
        if !is_sound {
            let detail = "a column holds another type than it is made for";
            verifier.report(Flaw::ColumnMismatch, record.seq, detail);
        }
        self.checkpoints(db, verifier)
    }

    /// Reads a record once more of which something was erased, held or expired since its page was read,
    /// perhaps; none if it is gone. What is gone was announced before: so that is asked for last, and all of it
    /// twice, as it may go between two questions.
    fn again(
        &mut self,
        db: &mut Db,
        verifier: &mut Verifier,
        seq: i64,
    ) -> Result<Option<(Stored, Vec<KeptValue>)>> {
        let no = self.stream.stream_no;
        let mut found = None;
        for _ in 0..2 {
            let row = stored::all(db, no, seq, 1)?.pop().filter(|row| row.seq == seq);
            let Some(row) = row else { return Ok(None) };
            let mut kept = values::kept(db, self.vault.as_ref(), no, seq, seq)?;
            let values = kept.remove(&seq).unwrap_or_default();
            let record = sealed(&row, Entry::read(&row.body), None, &values);
            if verifier.is_unexplained(&record) {
                self.erasures(db, verifier)?;
            }
            let is_explained = !verifier.is_unexplained(&record);
            found = Some((row, values));
            if is_explained {
                break;
            }
        }
        Ok(found)
    }

    /// Comes to a record: with a new block, what was announced of it.
    fn enter(&mut self, db: &mut Db, verifier: &mut Verifier, seq: u64) -> Result<()> {
        let block = seq / BLOCK;
        // A gap in front belongs to a block of its own, which is looked at when it is closed.
        if self.block == Some(block) || seq > verifier.next_seq() {
            return Ok(());
        }
        self.block = Some(block);
        self.announced.clear();
        self.announcements(db, verifier, block)
    }

    /// Tells the verifier what was announced of a block and is not known yet. Records may expire while they
    /// are walked: then the walk must go on to where that was announced.
    fn announcements(&mut self, db: &mut Db, verifier: &mut Verifier, block: u64) -> Result<()> {
        for (at, body) in removals::of_block(db, self.stream.stream_no, block)? {
            if self.announced.insert(at) && self.is_walked(db, verifier, at, &body)? {
                verifier.announce(at, &body);
            }
        }
        if self.announced.last().is_some_and(|last| *last >= self.stream.size()) {
            self.go_on(db)?;
        }
        Ok(())
    }

    /// Whether a record that the walk has passed is still the one that it met; yes, if it comes later.
    fn is_walked(
        &mut self,
        db: &mut Db,
        verifier: &mut Verifier,
        at: u64,
        body: &[u8],
    ) -> Result<bool> {
        if at >= verifier.next_seq() {
            return Ok(true);
        }
        let known = if at < self.stream.pruned_to() {
            self.kept.get(&at).copied()
        } else {
            self.leaf(db, signed(at))?
        };
        if known == Some(leaf_hash(body)) {
            return Ok(true);
        }
        verifier.report(Flaw::Altered, at, "this record changed while it was verified");
        Ok(false)
    }

    /// Tells the verifier which erasures and holds were announced and are not known yet.
    fn erasures(&mut self, db: &mut Db, verifier: &mut Verifier) -> Result<()> {
        let own = self.stream.stream_no;
        let mut last = 0;
        let mut places = values::announcing(db, own)?;
        places.extend(holds::announcing(db, own)?);
        places.retain(|place| self.erasing.insert(*place));
        for (no, seq, body) in values::bodies(db, places)? {
            if no == own {
                if self.is_walked(db, verifier, seq, &body)? {
                    verifier.announce(seq, &body);
                }
                last = last.max(seq);
            } else {
                let origin = crate::streams::origin(db, no)?.unwrap_or_default();
                verifier.announce_from(&origin, seq, &body);
            }
        }
        if last >= self.stream.size() {
            self.go_on(db)?;
        }
        Ok(())
    }

    /// Walks on to where the stream ends by now.
    fn go_on(&mut self, db: &mut Db) -> Result<()> {
        self.stream = crate::streams::again(db, &self.stream)?;
        self.leaves.forget();
        self.next_size = self.last_size.saturating_add(1);
        Ok(())
    }

    /// Compares the tiles above a leaf that it fills.
    fn check_tiles(&mut self, db: &mut Db, verifier: &mut Verifier, leaf: [u8; 32]) -> Result<()> {
        let mut full = Vec::new();
        self.open.add(self.stream.stream_no, leaf, &mut full);
        full.iter().filter(|row| row.level > 0).try_for_each(|row| compare(db, verifier, row))
    }

    /// Reports records that are missing before an index, with the leaves that are stored of them; says
    /// whether the walk can go on.
    fn close_gap(&mut self, db: &mut Db, verifier: &mut Verifier, to: u64) -> Result<bool> {
        while verifier.next_seq() < to {
            self.enter(db, verifier, verifier.next_seq())?;
            let seq = signed(verifier.next_seq());
            let Some(leaf) = self.leaf(db, seq)? else {
                verifier.report(
                    Flaw::Missing,
                    unsigned(seq),
                    "the record is not there, nor its leaf",
                );
                return Ok(false);
            };
            if !verifier.is_removed(unsigned(seq)) {
                // Announced since, perhaps; asked again only where the stream has grown.
                let (size, _) = crate::streams::size(db, self.stream.stream_no)?;
                if size != self.asked {
                    self.asked = size;
                    self.announcements(db, verifier, unsigned(seq) / BLOCK)?;
                }
            }
            self.check_tiles(db, verifier, leaf)?;
            verifier.missing(leaf);
            self.checkpoints(db, verifier)?;
        }
        Ok(true)
    }

    /// Records behind the size that was read: a writer may have gone on meanwhile, else they were put in.
    fn behind(&self, db: &mut Db, verifier: &mut Verifier, seq: i64) -> Result<()> {
        let (size, _) = crate::streams::size(db, self.stream.stream_no)?;
        if seq >= size {
            verifier.report(Flaw::Inserted, unsigned(seq), "a record behind the stream's end");
        }
        Ok(())
    }

    /// The stored leaf hash of a record.
    fn leaf(&mut self, db: &mut Db, seq: i64) -> Result<Option<[u8; 32]>> {
        self.leaves.get(db, self.stream.stream_no, seq)
    }
}

/// Compares a stored tile with what those below it demand.
fn compare(db: &mut Db, verifier: &mut Verifier, row: &TileRow) -> Result<()> {
    let stored = tiles::tile(db, row.stream_no, row.level, row.idx)?.unwrap_or_default();
    // A writer that has gone on meanwhile has more of it.
    if !stored.starts_with(&row.hashes) {
        let leaves = TILE.saturating_pow(u32::try_from(row.level + 1).unwrap_or(u32::MAX));
        let first = unsigned(row.idx).saturating_mul(leaves);
        let detail = format!("tile {} of level {} differs from those below", row.idx, row.level);
        verifier.report(Flaw::BadTile, first, &detail);
    }
    Ok(())
}

fn sealed<'r>(
    row: &'r Stored,
    entry: Entry<'r>,
    leaf: Option<[u8; 32]>,
    values: &'r [KeptValue],
) -> Sealed<'r> {
    let level = i32::try_from(row.level).ok().and_then(Level::from_rank);
    Sealed {
        seq: unsigned(row.seq),
        entry,
        mac: &row.mac,
        leaf,
        columns: Some(Columns {
            time: row.ts,
            expires: row.expires,
            level: level.map_or("", Level::as_str),
            category: text(&row.category),
            host: row.host.as_deref().map(text),
            source_ip: row.source_ip.as_deref().map(text),
            user: row.user_name.as_deref().map(text),
            action: row.action.as_deref().map(text),
            outcome: row.outcome.as_deref().map(text),
        }),
        values: Some(values),
    }
}

/// The text of a column; [`Stored::is_sound`] tells what is none.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
