//! Where the walk begins in a stream that was pruned: what is left of the records below, each with its proof.

use std::collections::BTreeSet;

use diesel::prelude::*;
use secmon_core::seal::{BLOCK, Entry, Flaw, Verifier, inclusion};

use super::{CHUNK, Walk, sealed};
use crate::connection::{Db, on};
use crate::schema::tiles as tile_rows;
use crate::schema::{checkpoints, kept_proofs, seals};
use crate::stored::{self, Stored};
use crate::tiles::{self, Nodes, Open, TILE};
use crate::{Error, Result, signed, unsigned, values};

type Hash = [u8; 32];

impl Walk {
    /// Begins behind what was pruned; says whether the walk can go on.
    pub(super) fn prefix(&mut self, db: &mut Db, verifier: &mut Verifier) -> Result<bool> {
        let (no, end) = (self.stream.stream_no, self.stream.pruned_to());
        if end == 0 {
            return Ok(true);
        }
        let prefix = self.stream.prefix().filter(|_| end <= self.stream.size());
        let begun = prefix.as_ref().is_some_and(|prefix| {
            verifier.begin_behind(prefix);
            verifier.next_seq() == end
        });
        if !begun || tiles::tree(db, no, end)? != prefix.map(|prefix| prefix.tree) {
            let detail = "what is left of the pruned records does not fit the tree";
            verifier.report(Flaw::BadTile, 0, detail);
            return Ok(false);
        }
        (self.next_size, self.last_size) = (signed(end) + 1, signed(end));
        let upto = crate::streams::StreamRow { size: signed(end), ..self.stream.clone() };
        self.open = Open::resume(db, &upto)?;
        // What they announce is needed before the first of them is looked at closely.
        self.stayed(db, |walk, _, row, path| {
            let seq = unsigned(row.seq);
            let entry = Entry::read(&row.body);
            if verifier.was_there(seq, &entry, path) {
                walk.kept.insert(seq, entry.leaf());
            }
            Ok(())
        })?;
        self.erasures(db, verifier)?;
        let mut ends = BTreeSet::new();
        self.stayed(db, |walk, db, row, path| {
            if !walk.kept.contains_key(&unsigned(row.seq)) {
                return Ok(());
            }
            let kept = values::kept(db, walk.vault.as_ref(), no, row.seq, row.seq)?;
            let kept = kept.into_values().next().unwrap_or_default();
            let mut note = None;
            if row.category == b"secmon.key" {
                note = ended(db, no, row.seq + 1)?;
                ends.insert(row.seq + 1);
            }
            let mut record = sealed(row, Entry::read(&row.body), None, &kept);
            let mut is_sound = row.is_sound();
            let again;
            if verifier.is_unexplained(&record) {
                again = walk.again(db, verifier, row.seq)?;
                if let Some((row, values)) = &again {
                    record = sealed(row, Entry::read(&row.body), None, values);
                    is_sound = row.is_sound();
                }
            }
            verifier.kept(&record, path, note.as_deref());
            if !is_sound {
                let detail = "a column holds another type than it is made for";
                verifier.report(Flaw::ColumnMismatch, unsigned(row.seq), detail);
            }
            Ok(())
        })?;
        let kept: BTreeSet<u64> = self.kept.keys().copied().collect();
        for block in 0..end / BLOCK {
            self.announced.clear();
            self.announcements(db, verifier, block)?;
            // The first that is not announced ends it: a stream may claim to be longer than any can be.
            if !verifier.pruned(block, &kept) {
                return Ok(false);
            }
        }
        verifier.end_prefix();
        self.nothing_else(db, verifier, &ends)?;
        Ok(true)
    }

    /// Below there are no checkpoints but those that end with a key, as their seals say, and no tiles but those
    /// that make up the roots.
    fn nothing_else(
        &self,
        db: &mut Db,
        verifier: &mut Verifier,
        ends: &BTreeSet<i64>,
    ) -> Result<()> {
        let (no, end) = (self.stream.stream_no, self.stream.pruned_to);
        let own = checkpoints::stream_no.eq(no).and(checkpoints::size.le(end));
        let query = checkpoints::table
            .left_join(
                seals::table.on(seals::stream_no
                    .eq(checkpoints::stream_no)
                    .and(seals::epoch.eq(checkpoints::epoch))
                    .and(seals::size.eq(checkpoints::size))
                    .and(seals::mac.eq(checkpoints::mac))),
            )
            .filter(own)
            .select((checkpoints::size, seals::size.nullable()));
        let rows: Vec<(i64, Option<i64>)> = on!(db, c => query.load(c))?;
        for (size, seal) in rows {
            if !ends.contains(&size) || seal.is_none() {
                let detail = "a checkpoint among those that were pruned, or its seal differs";
                verifier.report(Flaw::BadSeal, unsigned(size), detail);
            }
        }
        for (level, leaves) in [(0, TILE), (1, BLOCK)] {
            let idx = signed(unsigned(end) / leaves);
            let own = tile_rows::stream_no.eq(no).and(tile_rows::level.eq(level));
            let query = tile_rows::table.filter(own.and(tile_rows::idx.lt(idx)));
            let found: Option<i64> =
                on!(db, c => query.select(tile_rows::idx).first(c).optional())?;
            if let Some(idx) = found {
                let detail = "a tile among those that were pruned";
                verifier.report(Flaw::BadTile, unsigned(idx).saturating_mul(leaves), detail);
            }
        }
        Ok(())
    }

    /// Gives the records that stayed, in their order, each with its way to the root of all that was pruned.
    fn stayed(
        &mut self,
        db: &mut Db,
        mut take: impl FnMut(&mut Self, &mut Db, &Stored, &[Hash]) -> Result<()>,
    ) -> Result<()> {
        let (no, end) = (self.stream.stream_no, self.stream.pruned_to);
        let (mut from, mut upper) = (0, None);
        loop {
            let rows = stored::all(db, no, from, CHUNK)?;
            let more = i64::try_from(rows.len()) == Ok(CHUNK);
            let last = rows.last().map_or(from, |row| row.seq);
            for row in rows.iter().take_while(|row| row.seq < end) {
                from = row.seq.saturating_add(1);
                let block = unsigned(row.seq) / BLOCK;
                if upper.as_ref().is_none_or(|(of, _)| *of != block) {
                    upper = Some((block, above(db, no, block, unsigned(end) / BLOCK)?));
                }
                let mut path = within(db, no, row.seq)?;
                path.extend(upper.iter().flat_map(|(_, hashes)| hashes));
                take(self, db, row, &path)?;
            }
            from = from.max(last.saturating_add(1));
            if !more || rows.last().is_none_or(|last| last.seq >= end) {
                return Ok(());
            }
        }
    }
}

/// The hashes from a leaf that stayed to the root of its block; none if nobody kept them.
pub(crate) fn within(db: &mut Db, stream_no: i64, seq: i64) -> Result<Vec<Hash>> {
    let at = kept_proofs::stream_no.eq(stream_no).and(kept_proofs::seq.eq(seq));
    let row = kept_proofs::table.filter(at).select(kept_proofs::path);
    let path: Option<Vec<u8>> = on!(db, c => row.first(c).optional())?;
    Ok(path.unwrap_or_default().as_chunks().0.to_vec())
}

/// The hashes from the root of a block to that of the blocks that were pruned.
pub(crate) fn above(db: &mut Db, stream_no: i64, block: u64, blocks: u64) -> Result<Vec<Hash>> {
    let mut nodes = Nodes::new(db, stream_no);
    let path = inclusion(block, blocks, |level, at| nodes.node(level + BLOCK.trailing_zeros(), at));
    match path {
        // A tile that lacks hashes gives no proof, and that is found.
        Err(Error::Database { .. }) => Ok(Vec::new()),
        path => path,
    }
}

/// The checkpoint of a size, if it is there.
pub(crate) fn ended(db: &mut Db, stream_no: i64, size: i64) -> Result<Option<String>> {
    let at = checkpoints::stream_no.eq(stream_no).and(checkpoints::size.eq(size));
    let note = diesel::dsl::sql::<diesel::sql_types::Binary>(&db.raw("note"));
    let row = checkpoints::table.filter(at).select(note);
    let note: Option<Vec<u8>> = on!(db, c => row.first(c).optional())?;
    Ok(note.map(|note| String::from_utf8_lossy(&note).into_owned()))
}
