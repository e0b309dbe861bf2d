//! Prefix pruning: below a multiple of 65,536 rows and tiles go, once all events there have expired. What
//! verification needs stays: the writer's own records with their proofs, the compact range, the last MAC.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use secmon_core::seal::{
    BLOCK, Claim, Verifier, all_but, category_of, inclusion, leaf_hash, node_hash, passes,
    sealed_at,
};
use secmon_core::{Announcement, Step, When};

use crate::connection::{Db, on};
use crate::failpoint::hit;
use crate::schema::{
    block_macs, checkpoints, holds, kept_proofs, records, removals, streams, tiles,
};
use crate::tiles::{Leaves, Nodes, TILE};
use crate::{Error, Result, Writer, micros, sealed, search, signed, unsigned};

type Hash = [u8; 32];

/// Blocks that go at once, so that no batch waits long.
const MOST_BLOCKS: u64 = 4;
/// Rows of one statement.
const ROWS: usize = 1_000;

/// What stays of blocks that are pruned, and what goes besides.
#[derive(Debug, Default)]
struct Found {
    /// Records that stay, with the hashes from their leaf to the root of their block.
    kept: BTreeMap<u64, Vec<Hash>>,
    /// The sizes of the checkpoints that name a signing key.
    rotations: BTreeSet<i64>,
    /// Records that go: what passes, and announcements of blocks that are announced anew.
    gone: Vec<i64>,
}

impl Writer {
    /// Takes away the beginning of the stream up to a multiple of 65,536: of blocks whose events have all
    /// expired, and that were covered so long ago as an everyday event is kept, rows and tiles go, and
    /// checkpoints that name no key. What goes is sealed and committed first. Says how many records lie below
    /// that did not before; call it again while that is not 0.
    ///
    /// # Errors
    /// Nothing goes if anything there is not as it was sealed, or is missing without announcement:
    /// [`Error::Tampered`].
    pub fn prune(&mut self, now: DateTime<Utc>) -> Result<u64> {
        self.flush()?;
        self.keep_lease_long()?;
        let begin = self.stream.pruned_to();
        let end = self.prunable(begin, now)?;
        if end == begin {
            return Ok(0);
        }
        let mut found = Found::default();
        let size = self.stream.size();
        let tree = crate::tiles::tree(&mut self.db, self.stream.stream_no, size)?;
        if tree != self.stream.head().map(|head| head.tree) {
            return Err(Error::Tampered { seq: begin });
        }
        let blocks = begin / BLOCK..end / BLOCK;
        for block in blocks.clone() {
            self.examine(block, begin, &mut found)?;
        }
        let kept: BTreeSet<u64> = found.kept.keys().copied().collect();
        let announce = blocks.map(|block| {
            let policy = format!("all below record {end} has expired");
            let claim =
                Claim::Gone { block, gone: all_but(block, &kept), policy, by: "secmon".into() };
            Announcement::of(claim, "records_pruned", now)
        });
        let announce = announce.collect();
        self.run(Step { announce, checkpoint: When::Always, ..Step::default() }, now)?;
        hit("prune.announced");
        self.take_away(begin, end, &found)?;
        hit("prune.deleted");
        Ok(end - begin)
    }

    /// Up to where the stream may be pruned now.
    fn prunable(&mut self, begin: u64, now: DateTime<Utc>) -> Result<u64> {
        let no = self.stream.stream_no;
        // A start compares with the key file's state: that must stay comparable.
        let known = self.keys.read()?.map_or(0, |keys| keys.size).min(self.checkpoint_size);
        let most = (known / BLOCK * BLOCK).min(begin + MOST_BLOCKS * BLOCK);
        let events = records::table
            .filter(records::stream_no.eq(no).and(records::category.eq("event")))
            .filter(records::seq.ge(signed(begin)).and(records::seq.lt(signed(most))))
            .order(records::seq)
            .select(records::seq);
        let first: Option<i64> = on!(&mut self.db, c => events.first(c).optional())?;
        let most = first.map_or(most, |first| unsigned(first) / BLOCK * BLOCK);
        let days = i64::from(self.monitor.retention().everyday);
        let cutoff = TimeDelta::try_days(days).and_then(|days| now.checked_sub_signed(days));
        let Some(cutoff) = cutoff.map(micros) else { return Ok(begin) };
        let mut end = begin;
        for next in (begin / BLOCK + 1..=most / BLOCK).map(|block| block * BLOCK) {
            if self.sealed_behind(next)?.is_none_or(|at| at > cutoff) {
                break;
            }
            // The MAC may have gone with its record before anybody kept it: then the next block may do.
            if self.last_mac(signed(next))?.is_some() {
                end = next;
            }
        }
        Ok(end)
    }

    /// When the first record behind a place was sealed, as its body says, which no column can change.
    fn sealed_behind(&mut self, end: u64) -> Result<Option<i64>> {
        let no = self.stream.stream_no;
        let Some(row) = crate::records::walk(&mut self.db, no, signed(end), 1)?.into_iter().next()
        else {
            return Ok(None);
        };
        let leaf = Leaves::default().get(&mut self.db, no, row.seq)?;
        if leaf != Some(leaf_hash(&row.body)) {
            return Err(Error::Tampered { seq: unsigned(row.seq) });
        }
        Ok(sealed_at(&row.body))
    }

    /// Looks at a block: what is there must be what was sealed, what is not must have been announced.
    fn examine(&mut self, block: u64, begin: u64, found: &mut Found) -> Result<()> {
        let (no, first) = (self.stream.stream_no, block * BLOCK);
        let levels = self.levels(block)?;
        let mut announced = Verifier::new(self.stream.genesis_vkey.parse()?);
        let mut leaves = Leaves::default();
        for (at, body) in crate::removals::of_block(&mut self.db, no, block)? {
            if leaves.get(&mut self.db, no, signed(at))? != Some(leaf_hash(&body)) {
                return Err(Error::Tampered { seq: at });
            }
            announced.announce(at, &body);
        }
        let mut next = first;
        while next < first + BLOCK {
            let rows = crate::records::walk(&mut self.db, no, signed(next), signed(ROWS as u64))?;
            let is_last = rows.len() < ROWS
                || rows.last().is_some_and(|row| unsigned(row.seq) >= first + BLOCK);
            for row in rows.into_iter().take_while(|row| unsigned(row.seq) < first + BLOCK) {
                let seq = unsigned(row.seq);
                is_announced(&mut announced, next..seq)?;
                let at = seq - first;
                let leaf = level(&levels, 0, at).ok_or(Error::Tampered { seq })?;
                if leaf != leaf_hash(&row.body) {
                    return Err(Error::Tampered { seq });
                }
                next = seq + 1;
                let category = category_of(&row.body).unwrap_or_default();
                // Nothing goes on the word of a column.
                if category == "event" || category != row.category {
                    return Err(Error::Tampered { seq });
                }
                if passes(&category) {
                    found.gone.push(row.seq);
                    continue;
                }
                // Of blocks that were pruned before, nobody announces anything again.
                if let Some(Claim::Gone { block, .. }) = Claim::of(&row.body)
                    && block * BLOCK >= begin
                {
                    found.gone.push(row.seq);
                    continue;
                }
                if category == "secmon.key" {
                    found.rotations.insert(row.seq + 1);
                }
                let path = inclusion(at, BLOCK, |height, at| {
                    level(&levels, height as usize, at).ok_or(Error::Tampered { seq })
                })?;
                found.kept.insert(seq, path);
            }
            if is_last {
                break;
            }
        }
        is_announced(&mut announced, next..first + BLOCK)
    }

    /// The nodes of a block's subtree by level, as its leaves have them; its root must be the tree's.
    fn levels(&mut self, block: u64) -> Result<Vec<Vec<Hash>>> {
        let no = self.stream.stream_no;
        let mut leaves: Vec<Hash> = Vec::new();
        for idx in block * TILE..(block + 1) * TILE {
            let tile = crate::tiles::tile(&mut self.db, no, 0, signed(idx))?.unwrap_or_default();
            leaves.extend(tile.as_chunks().0);
        }
        let mut levels = vec![leaves];
        while let Some(last) = levels.last().filter(|last| last.len() > 1) {
            let pairs = last.as_chunks().0.iter();
            levels.push(pairs.map(|[left, right]| node_hash(left, right)).collect());
        }
        let height = BLOCK.trailing_zeros();
        let root = Nodes::new(&mut self.db, no).node(height, block)?;
        if level(&levels, height as usize, 0) != Some(root) {
            return Err(Error::Tampered { seq: block * BLOCK });
        }
        Ok(levels)
    }

    /// Deletes what was announced, and keeps what a walk needs to begin behind it.
    fn take_away(&mut self, begin: u64, end: u64, found: &Found) -> Result<()> {
        let no = self.stream.stream_no;
        let mac = self.last_mac(signed(end))?.ok_or(Error::Tampered { seq: end - 1 })?;
        let tree = crate::tiles::tree(&mut self.db, no, end)?;
        let range = tree.ok_or(Error::Tampered { seq: end - 1 })?.frontier().concat();
        let (from, to) = (signed(begin), signed(end));
        let epoch = self.db.transaction(|db| {
            let behind = checkpoints::stream_no.eq(no).and(checkpoints::size.gt(to));
            let query = checkpoints::table.filter(behind).order(checkpoints::size);
            let epoch: i64 = on!(db, c => query.select(checkpoints::epoch).first(c))?;
            let row = streams::table.filter(streams::stream_no.eq(no));
            let set = (
                streams::pruned_to.eq(to),
                streams::pruned_range.eq(&range),
                streams::pruned_mac.eq(&mac),
                streams::pruned_epoch.eq(epoch),
            );
            on!(db, c => diesel::update(row).set(set).execute(c))?;
            for (seq, path) in &found.kept {
                let row = (
                    kept_proofs::stream_no.eq(no),
                    kept_proofs::seq.eq(signed(*seq)),
                    kept_proofs::path.eq(path.concat()),
                );
                on!(db, c => diesel::replace_into(kept_proofs::table).values(row).execute(c))?;
            }
            delete(db, no, (from, to), found)?;
            Ok(epoch)
        })?;
        self.stream.pruned_to = to;
        (self.stream.pruned_range, self.stream.pruned_mac) = (range, mac);
        self.stream.pruned_epoch = epoch;
        Ok(())
    }

    /// The MAC of the last record below a multiple of 65,536, which may have expired.
    fn last_mac(&mut self, end: i64) -> Result<Option<Vec<u8>>> {
        let no = self.stream.stream_no;
        let at = records::stream_no.eq(no).and(records::seq.eq(end - 1));
        let row = records::table.filter(at).select(records::mac);
        let mac: Option<Vec<u8>> = on!(&mut self.db, c => row.first(c).optional())?;
        if mac.is_some() {
            return Ok(mac);
        }
        let block = signed(unsigned(end) / BLOCK) - 1;
        let at = block_macs::stream_no.eq(no).and(block_macs::block.eq(block));
        let row = block_macs::table.filter(at).select(block_macs::mac);
        Ok(on!(&mut self.db, c => row.first(c).optional())?)
    }
}

/// Keeps the MACs with which blocks end, before their records go.
pub(crate) fn keep_macs(db: &mut Db, stream_no: i64, seqs: &[i64]) -> Result<()> {
    for seq in seqs.iter().filter(|seq| (unsigned(**seq) + 1).is_multiple_of(BLOCK)) {
        let at = records::stream_no.eq(stream_no).and(records::seq.eq(seq));
        let row = records::table.filter(at).select(records::mac);
        let mac: Vec<u8> = on!(db, c => row.first(c))?;
        let row = (
            block_macs::stream_no.eq(stream_no),
            block_macs::block.eq(signed(unsigned(*seq) / BLOCK)),
            block_macs::mac.eq(mac),
        );
        on!(db, c => diesel::insert_or_ignore_into(block_macs::table).values(row).execute(c))?;
    }
    Ok(())
}

/// Deletes rows and tiles of a range, inside the transaction that prunes it.
fn delete(db: &mut Db, no: i64, (from, to): (i64, i64), found: &Found) -> Result<()> {
    // The triggers let nothing go above.
    sealed::delete_records(db, no, &found.gone, -1, to)?;
    let block = |seq: i64| seq / signed(BLOCK);
    let own = removals::stream_no.eq(no).and(removals::seq.lt(to));
    let own = own.and(removals::block.ge(block(from))).and(removals::block.lt(block(to)));
    on!(db, c => diesel::delete(removals::table.filter(own)).execute(c))?;
    let own = block_macs::stream_no.eq(no).and(block_macs::block.lt(block(to)));
    on!(db, c => diesel::delete(block_macs::table.filter(own)).execute(c))?;
    // The tiles above are few, and make up the roots of all that was.
    for (level, idx) in [(0, to / signed(TILE)), (1, block(to))] {
        let own = tiles::stream_no.eq(no).and(tiles::level.eq(level)).and(tiles::idx.lt(idx));
        on!(db, c => diesel::delete(tiles::table.filter(own)).execute(c))?;
    }
    let own = checkpoints::stream_no.eq(no).and(checkpoints::size.gt(from));
    let sizes = checkpoints::table.filter(own.and(checkpoints::size.le(to)));
    let mut sizes: Vec<i64> = on!(db, c => sizes.select(checkpoints::size).load(c))?;
    sizes.retain(|size| !found.rotations.contains(size));
    sealed::delete_checkpoints(db, no, &sizes, to)?;
    search::forget(db, no, to)?;
    let own = holds::stream_no.eq(no).and(holds::held.lt(to));
    on!(db, c => diesel::delete(holds::table.filter(own)).execute(c))?;
    Ok(())
}

fn is_announced(announced: &mut Verifier, mut seqs: std::ops::Range<u64>) -> Result<()> {
    match seqs.find(|seq| !announced.is_removed(*seq)) {
        Some(seq) => Err(Error::Tampered { seq }),
        None => Ok(()),
    }
}

fn level(levels: &[Vec<Hash>], height: usize, at: u64) -> Option<Hash> {
    levels.get(height)?.get(usize::try_from(at).ok()?).copied()
}
