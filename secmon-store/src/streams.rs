//! Streams: one row a writer, changed in the transaction of each batch; and their checkpoints.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use secmon_core::seal::{Checkpoint, Head, Prefix, Tree};

use crate::connection::{Db, Statement, on};
use crate::schema::{checkpoints, seals, streams};
use crate::{Error, Page, Result, Store, micros, signed, time, unsigned};

/// A stream as the store has it.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = streams, treat_none_as_default_value = false)]
pub struct StreamRow {
    pub(crate) stream_no: i64,
    pub(crate) stream_id: Vec<u8>,
    /// Its name, also in its checkpoints.
    pub origin: String,
    /// The label by which its writer is opened.
    pub label: String,
    /// The public key from which verification starts.
    pub genesis_vkey: String,
    pub(crate) size: i64,
    pub(crate) root: Vec<u8>,
    pub(crate) frontier: Vec<u8>,
    pub(crate) last_mac: Vec<u8>,
    pub(crate) mac_epoch: i64,
    pub(crate) sig_epoch: i64,
    pub(crate) last_at: i64,
    pub(crate) logged: i64,
    /// Whether no writer may resume it.
    pub closed: bool,
    pub(crate) k0_box: Option<Vec<u8>>,
    /// The public key of the stream's own key, which signs every checkpoint; empty if it has none.
    pub stream_vkey: String,
    /// Below this index records were pruned.
    pub(crate) pruned_to: i64,
    pub(crate) pruned_range: Vec<u8>,
    pub(crate) pruned_mac: Vec<u8>,
    pub(crate) pruned_epoch: i64,
}

impl StreamRow {
    /// Its id, 32 hexadecimal digits.
    pub fn id(&self) -> String {
        secmon_core::hex(&self.stream_id)
    }

    /// Whether this is its id, origin or label.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.id() == name || self.origin == name || self.label == name
    }

    /// How many records it has.
    pub fn size(&self) -> u64 {
        unsigned(self.size)
    }

    /// The epoch of its signing key.
    pub fn signing_epoch(&self) -> u64 {
        unsigned(self.sig_epoch)
    }

    /// The state behind its last record; none if the row was tampered with.
    pub(crate) fn head(&self) -> Option<Head> {
        let (hashes, rest) = self.frontier.as_chunks::<32>();
        if !rest.is_empty() {
            return None;
        }
        Some(Head {
            tree: Tree::from_frontier(self.size(), hashes.to_vec())?,
            last_mac: self.last_mac.as_slice().try_into().ok()?,
            mac_epoch: unsigned(self.mac_epoch),
            sig_epoch: unsigned(self.sig_epoch),
            last_at: self.last_at,
        })
    }

    /// Below which index records were pruned; 0 if none were.
    pub fn pruned_to(&self) -> u64 {
        unsigned(self.pruned_to)
    }

    /// What is left of the records that were pruned; none if the row was tampered with.
    pub(crate) fn prefix(&self) -> Option<Prefix> {
        let (range, rest) = self.pruned_range.as_chunks::<32>();
        let mac = self.pruned_mac.as_slice().try_into().ok().filter(|_| rest.is_empty())?;
        Prefix::new(self.pruned_to(), range.to_vec(), mac, unsigned(self.pruned_epoch))
    }

    /// Takes over a state.
    pub(crate) fn set_head(&mut self, head: &Head, logged: u64) {
        self.size = signed(head.tree.size());
        self.root = head.tree.root().to_vec();
        self.frontier = head.tree.frontier().concat();
        self.last_mac = head.last_mac.to_vec();
        self.mac_epoch = signed(head.mac_epoch);
        self.sig_epoch = signed(head.sig_epoch);
        self.last_at = head.last_at;
        self.logged = signed(logged);
    }
}

/// A checkpoint as the store has it.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = checkpoints, treat_none_as_default_value = false)]
pub struct CheckpointRow {
    pub(crate) stream_no: i64,
    pub(crate) size: i64,
    pub(crate) epoch: i64,
    pub(crate) mac: Vec<u8>,
    /// The signed note.
    pub note: String,
    pub(crate) issued_at: i64,
}

impl CheckpointRow {
    /// How many records it covers.
    pub fn size(&self) -> u64 {
        unsigned(self.size)
    }

    /// The epoch that it ends.
    pub fn epoch(&self) -> u64 {
        unsigned(self.epoch)
    }

    /// When it was issued.
    pub fn issued_at(&self) -> DateTime<Utc> {
        time(self.issued_at)
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            epoch: self.epoch(),
            size: self.size(),
            mac: self.mac.as_slice().try_into().unwrap_or_default(),
            note: self.note.clone(),
        }
    }
}

/// The seal of an epoch.
#[derive(Clone, Debug, Eq, Insertable, PartialEq, Queryable, Selectable)]
#[diesel(table_name = seals, treat_none_as_default_value = false)]
pub(crate) struct SealRow {
    pub(crate) stream_no: i64,
    pub(crate) epoch: i64,
    pub(crate) size: i64,
    pub(crate) mac: Vec<u8>,
}

/// Begins a stream, with the next free number.
pub(crate) fn insert(db: &mut Db, row: &mut StreamRow) -> Result<()> {
    // Of services that begin at the same moment each gets a number of its own in the end.
    for _ in 0..20 {
        match begin(db, row) {
            Err(Error::Refused { .. } | Error::Busy { .. }) if db.is_shared() && !db.is_lost() => {}
            begun => return begun,
        }
    }
    begin(db, row)
}

fn begin(db: &mut Db, row: &mut StreamRow) -> Result<()> {
    db.transaction(|db| {
        let last: Option<i64> =
            on!(db, c => streams::table.select(diesel::dsl::max(streams::stream_no)).first(c))?;
        row.stream_no = last.unwrap_or(0) + 1;
        on!(db, c => diesel::insert_into(streams::table).values(&*row).execute(c))?;
        Ok(())
    })
}

/// All streams, in the order in which they began.
pub(crate) fn all(db: &mut Db) -> Result<Vec<StreamRow>> {
    let query = streams::table.order(streams::stream_no);
    Ok(on!(db, c => query.select(StreamRow::as_select()).load(c))?)
}

/// The streams of a label that are not closed, the last that began first.
pub(crate) fn open_of(db: &mut Db, label: &str) -> Result<Vec<StreamRow>> {
    let open = streams::label.eq(label).and(streams::closed.eq(false));
    let query = streams::table.filter(open).order(streams::stream_no.desc());
    Ok(on!(db, c => query.select(StreamRow::as_select()).load(c))?)
}

/// Closes a stream for ever.
pub(crate) fn close(db: &mut Db, stream_no: i64) -> Result<()> {
    let row = streams::table.filter(streams::stream_no.eq(stream_no));
    on!(db, c => diesel::update(row).set(streams::closed.eq(true)).execute(c))?;
    Ok(())
}

/// Opens a stream again that was closed to be moved.
pub(crate) fn reopen(db: &mut Db, stream_no: i64) -> Result<()> {
    let row = streams::table.filter(streams::stream_no.eq(stream_no));
    on!(db, c => diesel::update(row).set(streams::closed.eq(false)).execute(c))?;
    Ok(())
}

/// Says how many batches went into the signal log.
pub(crate) fn set_logged(db: &mut Db, row: &StreamRow) -> Result<()> {
    let own = streams::table.filter(streams::stream_no.eq(row.stream_no));
    on!(db, c => diesel::update(own).set(streams::logged.eq(row.logged)).execute(c))?;
    Ok(())
}

/// The size that the database has, to settle the outcome of a commit.
pub(crate) fn size(db: &mut Db, stream_no: i64) -> Result<(i64, i64)> {
    let row = streams::table.filter(streams::stream_no.eq(stream_no));
    Ok(on!(db, c => row.select((streams::size, streams::mac_epoch)).first(c))?)
}

/// The row of a stream as it is now.
pub(crate) fn again(db: &mut Db, row: &StreamRow) -> Result<StreamRow> {
    let query = streams::table.filter(streams::stream_no.eq(row.stream_no));
    Ok(on!(db, c => query.select(StreamRow::as_select()).first(c))?)
}

/// The origin of a stream by its number.
pub(crate) fn origin(db: &mut Db, stream_no: i64) -> Result<Option<String>> {
    let row = streams::table.filter(streams::stream_no.eq(stream_no)).select(streams::origin);
    Ok(on!(db, c => row.first(c).optional())?)
}

/// What the database has of a stream, to settle the outcome of a commit: whether that is the state of
/// this row, its size and epoch, and whether it was closed.
pub(crate) fn settled(db: &mut Db, row: &StreamRow) -> Result<(bool, (i64, i64), bool)> {
    let stored = again(db, row)?;
    // Another writer may have come to the same size: the MAC tells its records from ours.
    let same = stored.size == row.size
        && stored.mac_epoch == row.mac_epoch
        && stored.logged == row.logged
        && stored.last_mac == row.last_mac;
    Ok((same, (stored.size, stored.mac_epoch), stored.closed))
}

/// Moves a stream from one state to the next; [`Error::Conflict`] if it is not in the first,
/// or closed.
pub(crate) fn advance(db: &mut Db, row: &StreamRow, from: (i64, i64)) -> Result<()> {
    let sql = "UPDATE streams SET size = ?, root = ?, frontier = ?, last_mac = ?, mac_epoch = ?, sig_epoch = ?, \
               last_at = ?, logged = ? \
               WHERE stream_no = ? AND size = ? AND mac_epoch = ? AND closed = 0";
    let values = [
        row.size.into(),
        (&row.root).into(),
        (&row.frontier).into(),
        (&row.last_mac).into(),
        row.mac_epoch.into(),
        row.sig_epoch.into(),
        row.last_at.into(),
        row.logged.into(),
        row.stream_no.into(),
        from.0.into(),
        from.1.into(),
    ];
    let changed = on!(db, c => Statement::new(sql, values).execute(c))?;
    if changed == 1 { Ok(()) } else { Err(Error::Conflict { origin: row.origin.clone() }) }
}

/// Stores a checkpoint and its seal.
pub(crate) fn insert_checkpoint(
    db: &mut Db,
    stream_no: i64,
    checkpoint: &Checkpoint,
    now: DateTime<Utc>,
) -> Result<()> {
    let (size, epoch) = (signed(checkpoint.size), signed(checkpoint.epoch));
    let mac = checkpoint.mac.to_vec();
    let seal = SealRow { stream_no, epoch, size, mac: mac.clone() };
    let note = checkpoint.note.clone();
    let row = CheckpointRow { stream_no, size, epoch, mac, note, issued_at: micros(now) };
    on!(db, c => diesel::insert_into(checkpoints::table).values(&row).execute(c))?;
    on!(db, c => diesel::insert_into(seals::table).values(&seal).execute(c))?;
    Ok(())
}

impl Store {
    /// All streams, in the order in which they began.
    pub fn streams(&self) -> Result<Vec<StreamRow>> {
        self.read(all)
    }

    /// Checkpoints of all streams, the newest first, each with its stream; `page` goes on behind
    /// another page.
    pub fn checkpoints(
        &self,
        limit: usize,
        page: Option<&str>,
    ) -> Result<Page<(StreamRow, CheckpointRow)>> {
        let streams = self.streams()?;
        let before: Option<(i64, i64, i64)> = page.map(crate::query::read_cursor).transpose()?;
        self.read(|db| {
            let rows: Vec<CheckpointRow> = on!(db, c => {
                let mut query = checkpoints::table.select(CheckpointRow::as_select()).into_boxed();
                if let Some((at, stream, size)) = before {
                    query = query.filter(
                        checkpoints::issued_at.lt(at).or(checkpoints::issued_at.eq(at).and(
                            checkpoints::stream_no
                                .lt(stream)
                                .or(checkpoints::stream_no.eq(stream).and(checkpoints::size.lt(size))),
                        )),
                    );
                }
                let query = query
                    .order((
                        checkpoints::issued_at.desc(),
                        checkpoints::stream_no.desc(),
                        checkpoints::size.desc(),
                    ))
                    .limit(i64::try_from(limit).unwrap_or(i64::MAX));
                query.load(c)
            })?;
            let next = crate::query::next_page(&rows, limit, |row| {
                (row.issued_at, row.stream_no, row.size)
            });
            let named = rows.into_iter().filter_map(|row| {
                let stream = streams.iter().find(|stream| stream.stream_no == row.stream_no)?;
                Some((stream.clone(), row))
            });
            Ok(Page { rows: named.collect(), next })
        })
    }
}
