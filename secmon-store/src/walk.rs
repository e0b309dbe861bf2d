//! The walk of verification over one stream: records, their leaves and tiles, and checkpoints, page by
//! page and merged by index.

use std::collections::{BTreeSet, VecDeque};

use diesel::prelude::*;
use secmon_core::Level;
use secmon_core::seal::{BLOCK, Columns, Flaw, KeptValue, Sealed, Verifier};

use crate::connection::{Db, on};
use crate::records::{self, Stored};
use crate::schema::{checkpoints, seals};
use crate::streams::{CheckpointRow, SealRow, StreamRow};
use crate::tiles::{self, Open, TILE, TileRow};
use crate::vault::Vault;
use crate::{Result, removals, signed, unsigned, values};

/// Rows read at once.
const CHUNK: i64 = 2_000;

/// A walk over one stream: records, their stored leaves, and checkpoints, merged by index.
pub(crate) struct Walk {
    /// As it was when the walk began, or later, where it had to look on.
    pub(crate) stream: StreamRow,
    tile: (i64, Vec<u8>),
    /// The tiles above the leaves, as those that are stored below them demand.
    open: Open,
    /// The block that is walked, and which records are known to announce removals of it.
    block: Option<u64>,
    announced: BTreeSet<u64>,
    checkpoints: VecDeque<CheckpointRow>,
    /// The keys of personal values, if they are at hand.
    vault: Option<Vault>,
    /// Records that are known to announce erasures.
    erasing: BTreeSet<(i64, u64)>,
    /// Checkpoints from this size on are not read yet.
    next_size: i64,
    /// The last checkpoint that was read.
    last_size: i64,
}

impl Walk {
    pub(crate) fn new(stream: StreamRow, vault: Option<Vault>) -> Self {
        Self {
            stream,
            tile: (-1, Vec::new()),
            open: Open::default(),
            block: None,
            announced: BTreeSet::new(),
            vault,
            erasing: BTreeSet::new(),
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
        self.erasures(db, verifier)?;
        let mut from = i64::MIN;
        'pages: loop {
            let rows = records::stored(db, self.stream.stream_no, from, CHUNK)?;
            let full = i64::try_from(rows.len()) == Ok(CHUNK);
            let last = rows.last().map_or(from, |row| row.seq);
            let mut kept =
                values::kept(db, self.vault.as_ref(), self.stream.stream_no, from, last)?;
            for row in &rows {
                from = row.seq.saturating_add(1);
                if row.seq < 0 {
                    verifier.report(Flaw::Inserted, 0, "a record before the stream's beginning");
                    continue;
                }
                // Before the end is looked at: an announcement may move it.
                self.enter(db, verifier, unsigned(row.seq))?;
                if unsigned(row.seq) >= self.stream.size() {
                    self.behind(db, verifier, row.seq)?;
                    break 'pages;
                }
                if !self.close_gap(db, verifier, unsigned(row.seq))? {
                    return Ok(());
                }
                let leaf = self.leaf(db, row.seq)?;
                if leaf.is_none() {
                    verifier.report(
                        Flaw::BadTile,
                        unsigned(row.seq),
                        "the stored leaf hash is not there",
                    );
                }
                if let Some(leaf) = leaf {
                    self.check_tiles(db, verifier, leaf)?;
                }
                let mut values = kept.remove(&row.seq).unwrap_or_default();
                if verifier.lacks_value(&sealed(row, leaf, &values)) {
                    // Erased since the page was read, perhaps: then it was announced before.
                    self.erasures(db, verifier)?;
                    let (no, vault) = (self.stream.stream_no, self.vault.as_ref());
                    let now = values::kept(db, vault, no, row.seq, row.seq)?;
                    values = now.into_values().next().unwrap_or_default();
                }
                verifier.record(&sealed(row, leaf, &values));
                if !row.is_sound() {
                    let detail = "a column holds another type than it is made for";
                    verifier.report(Flaw::ColumnMismatch, unsigned(row.seq), detail);
                }
                self.checkpoints(db, verifier)?;
            }
            progress(verifier.next_seq());
            if !full {
                break;
            }
        }
        self.close_gap(db, verifier, self.stream.size())?;
        self.checkpoints(db, verifier)?;
        if let Some(left) = self.checkpoints.front() {
            verifier.checkpoint(&left.checkpoint());
        }
        for row in self.open.rows(self.stream.stream_no).into_iter().skip(1) {
            compare(db, verifier, &row)?;
        }
        Ok(())
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
        self.announcements(db, verifier, block).map(drop)
    }

    /// Tells the verifier what was announced of a block and is not known yet; says whether there was any.
    /// Records may expire while they are walked: then the walk must go on to where that was announced.
    fn announcements(&mut self, db: &mut Db, verifier: &mut Verifier, block: u64) -> Result<bool> {
        let mut is_new = false;
        for (at, body) in removals::of_block(db, self.stream.stream_no, block)? {
            if self.announced.insert(at) {
                is_new = true;
                verifier.announce(at, &body);
            }
        }
        if self.announced.last().is_some_and(|last| *last >= self.stream.size()) {
            self.go_on(db)?;
        }
        Ok(is_new)
    }

    /// Walks on to where the stream ends by now.
    fn go_on(&mut self, db: &mut Db) -> Result<()> {
        self.stream = crate::streams::again(db, &self.stream)?;
        self.tile.0 = -1;
        self.next_size = self.last_size.saturating_add(1);
        Ok(())
    }

    /// Tells the verifier which erasures were announced and are not known yet.
    fn erasures(&mut self, db: &mut Db, verifier: &mut Verifier) -> Result<()> {
        let own = self.stream.stream_no;
        let mut last = 0;
        for (no, seq, body) in values::announced(db, own)? {
            if !self.erasing.insert((no, seq)) {
                continue;
            }
            if no == own {
                verifier.announce(seq, &body);
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
                self.announcements(db, verifier, unsigned(seq) / BLOCK)?;
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

    /// Looks for checkpoints and seals that the walk did not meet: of epochs that have not ended, or of
    /// none at all.
    pub(crate) fn epochs(&self, db: &mut Db, verifier: &mut Verifier) -> Result<()> {
        let no = self.stream.stream_no;
        let last: Option<i64> = on!(db, c => checkpoints::table
            .filter(checkpoints::stream_no.eq(no))
            .select(diesel::dsl::max(checkpoints::epoch))
            .first(c))?;
        let seals = seals::table.filter(seals::stream_no.eq(no));
        let sealed: Option<i64> =
            on!(db, c => seals.select(diesel::dsl::max(seals::epoch)).first(c))?;
        // Read behind them: a writer that has gone on meanwhile is ahead of what was found.
        let (_, epoch) = crate::streams::size(db, no)?;
        let own = seals.filter(seals::epoch.lt(self.stream.mac_epoch)).count();
        let count: i64 = on!(db, c => own.first(c))?;
        if last.max(sealed).is_some_and(|last| last >= epoch) || count != self.stream.mac_epoch {
            let detail =
                format!("there are other checkpoints or seals than those of epochs 0 to {epoch}");
            verifier.report(Flaw::BadSeal, verifier.next_seq(), &detail);
        }
        Ok(())
    }

    /// Feeds the checkpoints that cover just what was walked.
    fn checkpoints(&mut self, db: &mut Db, verifier: &mut Verifier) -> Result<()> {
        let size = signed(verifier.next_seq());
        if self.checkpoints.is_empty() && self.next_size <= size {
            self.read_checkpoints(db, verifier)?;
        }
        while self.checkpoints.front().is_some_and(|row| row.size <= size) {
            if let Some(row) = self.checkpoints.pop_front() {
                verifier.checkpoint(&row.checkpoint());
            }
            if self.checkpoints.is_empty() {
                self.read_checkpoints(db, verifier)?;
            }
        }
        Ok(())
    }

    /// Reads the next checkpoints, and compares them with the seals of their epochs.
    fn read_checkpoints(&mut self, db: &mut Db, verifier: &mut Verifier) -> Result<()> {
        let no = self.stream.stream_no;
        let query = checkpoints::table
            .filter(checkpoints::stream_no.eq(no).and(checkpoints::size.ge(self.next_size)))
            .filter(checkpoints::epoch.lt(self.stream.mac_epoch))
            .order(checkpoints::size)
            .limit(CHUNK);
        // The note as bytes: what is no text must be a finding, not an error.
        let columns = (
            checkpoints::size,
            checkpoints::epoch,
            checkpoints::mac,
            diesel::dsl::sql::<diesel::sql_types::Binary>("CAST(note AS BLOB)"),
        );
        let rows: Vec<(i64, i64, Vec<u8>, Vec<u8>)> = on!(db, c => query.select(columns).load(c))?;
        let row = |(size, epoch, mac, note): (_, _, _, Vec<u8>)| CheckpointRow {
            stream_no: no,
            size,
            epoch,
            mac,
            note: String::from_utf8_lossy(&note).into_owned(),
            issued_at: 0,
        };
        let rows: Vec<CheckpointRow> = rows.into_iter().map(row).collect();
        self.next_size = match rows.last() {
            Some(last) if i64::try_from(rows.len()) == Ok(CHUNK) => last.size + 1,
            _ => i64::MAX,
        };
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        self.last_size = last.size;
        let query = seals::table
            .filter(seals::stream_no.eq(no).and(seals::epoch.between(first.epoch, last.epoch)))
            .order(seals::epoch);
        let seals: Vec<SealRow> = on!(db, c => query.select(SealRow::as_select()).load(c))?;
        for (at, row) in rows.iter().enumerate() {
            let seal =
                SealRow { stream_no: no, epoch: row.epoch, size: row.size, mac: row.mac.clone() };
            if seals.get(at) != Some(&seal) {
                verifier.report(
                    Flaw::BadSeal,
                    row.size(),
                    "the seal of this epoch is missing or differs",
                );
                break;
            }
        }
        self.checkpoints = rows.into();
        Ok(())
    }

    /// The stored leaf hash of a record.
    fn leaf(&mut self, db: &mut Db, seq: i64) -> Result<Option<[u8; 32]>> {
        let tile = signed(TILE);
        let (idx, at) = (seq.div_euclid(tile), seq.rem_euclid(tile));
        if self.tile.0 != idx {
            let hashes = tiles::tile(db, self.stream.stream_no, 0, idx)?;
            self.tile = (idx, hashes.unwrap_or_default());
        }
        let (hashes, _) = self.tile.1.as_chunks::<32>();
        Ok(usize::try_from(at).ok().and_then(|at| hashes.get(at)).copied())
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

fn sealed<'r>(row: &'r Stored, leaf: Option<[u8; 32]>, values: &'r [KeptValue]) -> Sealed<'r> {
    let level = i32::try_from(row.level).ok().and_then(Level::from_rank);
    Sealed {
        seq: unsigned(row.seq),
        body: &row.body,
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
