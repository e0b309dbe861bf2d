//! The Merkle tree in tiles of 256 hashes (C2SP `tlog-tiles`): tile level L holds the roots of perfect
//! subtrees of 256^L leaves.

use std::collections::BTreeMap;

use diesel::prelude::*;
use secmon_core::Batch;
use secmon_core::seal::{Tree, leaf_hash, node_hash};

use crate::connection::{Db, on};
#[cfg(feature = "mysql")]
use crate::connection::{Insert, Statement, Value, runs};
use crate::records::walk;
use crate::schema::tiles;
use crate::streams::StreamRow;
use crate::{Error, Result, signed};

type Hash = [u8; 32];

/// How many hashes a tile holds.
pub(crate) const TILE: u64 = 256;
const FULL: usize = 256 * 32;
/// Levels of tiles: 256^8 leaves are more than any stream has.
const LEVELS: i32 = 8;

/// A run of hashes.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = tiles, treat_none_as_default_value = false)]
pub(crate) struct TileRow {
    pub(crate) stream_no: i64,
    pub(crate) level: i32,
    pub(crate) idx: i64,
    pub(crate) hashes: Vec<u8>,
}

/// The hashes of a tile, if it is there.
pub(crate) fn tile(db: &mut Db, stream_no: i64, level: i32, idx: i64) -> Result<Option<Vec<u8>>> {
    let at = tiles::stream_no.eq(stream_no).and(tiles::level.eq(level)).and(tiles::idx.eq(idx));
    Ok(on!(db, c => tiles::table.filter(at).select(tiles::hashes).first(c).optional())?)
}

/// Leaf hashes by index, a tile kept as long as they are asked of it.
#[derive(Debug, Default)]
pub(crate) struct Leaves(Option<(i64, Vec<u8>)>);

impl Leaves {
    /// The stored leaf hash of a record.
    pub(crate) fn get(&mut self, db: &mut Db, stream_no: i64, seq: i64) -> Result<Option<Hash>> {
        let (idx, at) = (seq.div_euclid(signed(TILE)), seq.rem_euclid(signed(TILE)));
        if self.0.as_ref().is_none_or(|(kept, _)| *kept != idx) {
            self.0 = Some((idx, tile(db, stream_no, 0, idx)?.unwrap_or_default()));
        }
        let (hashes, _) = self.0.as_ref().map_or((&[][..], &[][..]), |(_, tile)| tile.as_chunks());
        Ok(usize::try_from(at).ok().and_then(|at| hashes.get(at)).copied())
    }

    /// Reads the tile again when it is asked for next: it may have grown.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }
}

/// Stores tiles; one that is there, only partly filled, is replaced.
pub(crate) fn put(db: &mut Db, rows: &[TileRow]) -> Result<()> {
    match db {
        #[cfg(feature = "mysql")]
        Db::Mysql(c) => {
            let grown = " ON DUPLICATE KEY UPDATE hashes = VALUES(hashes)";
            for rows in runs(rows) {
                Statement::of_rows("INSERT", rows, grown).execute(&mut **c)?;
            }
        }
        db => {
            for row in rows {
                on!(db, c => diesel::replace_into(tiles::table).values(row).execute(c))?;
            }
        }
    }
    Ok(())
}

#[cfg(feature = "mysql")]
impl Insert for TileRow {
    const INTO: &'static str = "tiles (stream_no, level, idx, hashes)";

    fn values(&self) -> Vec<Value<'_>> {
        vec![self.stream_no.into(), self.level.into(), self.idx.into(), (&self.hashes).into()]
    }
}

/// The root of a full tile or of a run of it whose length is a power of two.
fn fold(hashes: &[Hash]) -> Option<Hash> {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    level.first().copied()
}

/// The tiles of a stream that are not full yet, the one of the leaves first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open(Vec<(i64, Vec<u8>)>);

impl Open {
    /// Of a stream of this size. A tile that was taken away is made again of the bodies, or of the tiles
    /// below it.
    pub(crate) fn resume(db: &mut Db, stream: &StreamRow) -> Result<Self> {
        let mut open = Vec::new();
        let mut size = stream.size();
        for level in 0..LEVELS {
            if size == 0 {
                break;
            }
            let (idx, count) = (signed(size / TILE), usize::try_from(size % TILE).unwrap_or(0));
            let mut hashes = tile(db, stream.stream_no, level, idx)?.unwrap_or_default();
            if hashes.len() < count * 32 {
                hashes = rebuilt(db, stream.stream_no, level, idx)?;
            }
            if hashes.len() < count * 32 {
                let reason =
                    format!("tile {idx} of level {level} of `{}` is damaged", stream.origin);
                return Err(Error::Database { reason });
            }
            hashes.truncate(count * 32);
            open.push((idx, hashes));
            size /= TILE;
        }
        Ok(Self(open))
    }

    /// Adds the leaves of a batch; gives the tiles that changed.
    pub(crate) fn push(&mut self, stream_no: i64, batch: &Batch) -> Vec<TileRow> {
        let mut rows = Vec::new();
        let mut touched = 0;
        for record in &batch.records {
            touched = self.add(stream_no, record.leaf, &mut rows).max(touched);
        }
        rows.extend(self.rows(stream_no).into_iter().take(touched));
        rows.retain(|row| !row.hashes.is_empty());
        rows
    }

    /// The tiles as they are, one a level.
    pub(crate) fn rows(&self, stream_no: i64) -> Vec<TileRow> {
        let row = |(level, (idx, hashes)): (i32, &(i64, Vec<u8>))| TileRow {
            stream_no,
            level,
            idx: *idx,
            hashes: hashes.clone(),
        };
        (0..).zip(&self.0).map(row).collect()
    }

    /// Adds a leaf; tiles that are full then go to `rows`. Says how many levels changed.
    pub(crate) fn add(&mut self, stream_no: i64, leaf: Hash, rows: &mut Vec<TileRow>) -> usize {
        let mut hash = leaf;
        for level in 0..LEVELS {
            let at = usize::try_from(level).unwrap_or(0);
            if self.0.len() <= at {
                self.0.push((0, Vec::with_capacity(FULL)));
            }
            let Some((idx, hashes)) = self.0.get_mut(at) else { return at };
            hashes.extend(hash);
            if hashes.len() < FULL {
                return at + 1;
            }
            let full = std::mem::replace(hashes, Vec::with_capacity(FULL));
            let root = fold(full.as_chunks().0);
            rows.push(TileRow { stream_no, level, idx: *idx, hashes: full });
            *idx += 1;
            let Some(root) = root else { return at + 1 };
            hash = root;
        }
        usize::try_from(LEVELS).unwrap_or(0)
    }
}

/// What a tile must hold, from what it stands on.
fn rebuilt(db: &mut Db, stream_no: i64, level: i32, idx: i64) -> Result<Vec<u8>> {
    let tile_size = signed(TILE);
    let from = idx.saturating_mul(tile_size);
    if level == 0 {
        let rows = walk(db, stream_no, from, tile_size)?;
        let rows = (from..).zip(&rows).take_while(|(seq, row)| row.seq == *seq);
        return Ok(rows.flat_map(|(_, row)| leaf_hash(&row.body)).collect());
    }
    let mut hashes = Vec::new();
    for below in from..from + tile_size {
        let lower = tile(db, stream_no, level - 1, below)?.unwrap_or_default();
        let (lower, _) = lower.as_chunks();
        let Some(root) = fold(lower).filter(|_| lower.len() as u64 == TILE) else { break };
        hashes.extend(root);
    }
    Ok(hashes)
}

/// The tree of a stream's first records, as its tiles have it; none if they lack hashes.
pub(crate) fn tree(db: &mut Db, stream_no: i64, size: u64) -> Result<Option<Tree>> {
    let mut nodes = Nodes::new(db, stream_no);
    let mut frontier = Vec::new();
    for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
        // The last perfect subtree of this size stands in front of all smaller ones.
        match nodes.node(level, (size >> level) - 1) {
            Ok(hash) => frontier.push(hash),
            Err(Error::Database { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Tree::from_frontier(size, frontier))
}

/// Nodes of a stream's tree, read tile by tile as a proof asks for them.
#[derive(Debug)]
pub(crate) struct Nodes<'a> {
    db: &'a mut Db,
    stream_no: i64,
    read: BTreeMap<(i32, i64), Vec<u8>>,
}

impl<'a> Nodes<'a> {
    pub(crate) fn new(db: &'a mut Db, stream_no: i64) -> Self {
        Self { db, stream_no, read: BTreeMap::new() }
    }

    /// The root of the perfect subtree of 2^level leaves at a place of its level.
    pub(crate) fn node(&mut self, level: u32, at: u64) -> Result<Hash> {
        let (tile_level, height) = (signed(u64::from(level) / 8), level % 8);
        let tile_level = i32::try_from(tile_level).unwrap_or(i32::MAX);
        let first = at << height;
        let idx = signed(first / TILE);
        let hashes = match self.read.entry((tile_level, idx)) {
            std::collections::btree_map::Entry::Occupied(tile) => tile.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(tile(self.db, self.stream_no, tile_level, idx)?.unwrap_or_default())
            }
        };
        let from = usize::try_from(first % TILE).unwrap_or(0);
        if hashes.len() < (from + (1 << height)) * 32 {
            *hashes = rebuilt(self.db, self.stream_no, tile_level, idx)?;
        }
        let (hashes, _) = hashes.as_chunks();
        let run = hashes.get(from..from + (1 << height));
        run.and_then(fold).ok_or_else(|| Error::Database {
            reason: format!("tile {idx} of level {tile_level} lacks hashes: verify the store"),
        })
    }
}
