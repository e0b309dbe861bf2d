//! Verification of what is stored: streams page by page, with memory that does not grow.

use std::collections::VecDeque;

use diesel::prelude::*;
use secmon_core::Level;
use secmon_core::seal::{Columns, Finding, Flaw, Sealed, Verdict, Verifier, Vkey};

use crate::connection::{Db, on};
use crate::records::{self, Stored, TILE};
use crate::schema::{checkpoints, seals};
use crate::streams::{CheckpointRow, SealRow, StreamRow};
use crate::{Error, Result, Store, keys, signed, unsigned};

/// Rows read at once.
const CHUNK: i64 = 2_000;

/// What the verifier holds, and what it looks at.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Public keys that came by another way than the store; without them the store's own are used, which
    /// proves only that the store agrees with itself.
    pub vkeys: Vec<Vkey>,
    /// K_0 of streams by id or origin; without a name, of the only stream.
    pub k0: Vec<(Option<String>, [u8; 32])>,
    /// Only this stream, by id, origin or label.
    pub stream: Option<String>,
}

impl Store {
    /// Walks everything: bodies, indexed columns, leaves, roots, signatures, seals, and the key file if
    /// it is at hand. One verdict a stream.
    pub fn verify(&self, options: &VerifyOptions) -> Result<Vec<Verdict>> {
        self.verify_with(options, |_| {})
    }

    /// As [`Store::verify`]; `progress` is told how many records were read.
    pub fn verify_with(
        &self,
        options: &VerifyOptions,
        mut progress: impl FnMut(u64),
    ) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::new();
        let streams = self.streams()?;
        for vkey in &options.vkeys {
            if !streams.iter().any(|stream| stream.origin == vkey.name()) {
                let mut verdict = Verifier::new(vkey.clone());
                verdict.report(Flaw::Missing, 0, "the stream of this key is not in the store");
                verdicts.push(verdict.finish(None, None));
            }
        }
        for stream in &streams {
            let wanted = options.stream.as_deref().is_none_or(|name| {
                name == stream.id() || name == stream.origin || name == stream.label
            });
            if wanted {
                verdicts.push(self.verify_stream(stream, options, &streams, &mut progress)?);
            }
        }
        if options.stream.is_none() {
            verdicts.extend(self.orphans(&streams)?);
        }
        Ok(verdicts)
    }

    /// Looks for records of a stream that is not there.
    fn orphans(&self, streams: &[StreamRow]) -> Result<Option<Verdict>> {
        let numbers: Vec<i64> = streams.iter().map(|stream| stream.stream_no).collect();
        let Some(number) = self.read(|db| records::orphan(db, &numbers))? else { return Ok(None) };
        if self
            .streams()?
            .iter()
            .any(|stream| stream.stream_no == number && !numbers.contains(&number))
        {
            return Ok(None); // It began meanwhile.
        }
        let mut verdict =
            Verdict { origin: format!("stream number {number}"), ..Verdict::default() };
        verdict.findings.push(Finding {
            flaw: Flaw::Inserted,
            seq: 0,
            detail: "records of a stream that is not in the store".into(),
        });
        Ok(Some(verdict))
    }

    fn verify_stream(
        &self,
        listed: &StreamRow,
        options: &VerifyOptions,
        streams: &[StreamRow],
        progress: &mut dyn FnMut(u64),
    ) -> Result<Verdict> {
        // The key file is written behind the database: read before it, it cannot be ahead.
        let key_file = keys::read(&self.0.keys.join(listed.id()));
        let stream = self.streams()?.into_iter().find(|row| row.stream_no == listed.stream_no);
        let stream = stream
            .ok_or_else(|| Error::NotFound { what: format!("stream `{}`", listed.origin) })?;
        let mut verifier = match Self::vkey(&stream, options) {
            Ok(vkey) => Verifier::new(vkey),
            Err(verdict) => return Ok(verdict),
        };
        let k0 = options.k0.iter().find(|(name, _)| match name {
            Some(name) => *name == stream.id() || *name == stream.origin || *name == stream.label,
            None => streams.len() == 1,
        });
        if let Some((_, k0)) = k0 {
            verifier = verifier.with_k0(*k0);
        }
        let keys = match key_file {
            Ok(keys) => keys.filter(|keys| keys.stream == stream.origin),
            Err(error) => {
                verifier.report(
                    Flaw::Malformed,
                    0,
                    &format!("the key file cannot be read: {error}"),
                );
                None
            }
        };
        self.read(|db| {
            let mut walk = Walk {
                stream: &stream,
                tile: (-1, Vec::new()),
                checkpoints: VecDeque::new(),
                next_size: i64::MIN,
            };
            walk.run(db, &mut verifier, progress)?;
            walk.epochs(db, &mut verifier)
        })?;
        let head = stream.head();
        if head.as_ref().is_none_or(|head| stream.root != head.tree.root()) {
            verifier.report(Flaw::ColumnMismatch, 0, "the stream's row was changed");
        }
        Ok(verifier.finish(head.as_ref(), keys.as_ref()))
    }

    /// The key to start from: the one given for the stream, else its own.
    fn vkey(stream: &StreamRow, options: &VerifyOptions) -> Result<Vkey, Verdict> {
        let malformed = |reason: String| {
            let mut verdict = Verdict { origin: stream.origin.clone(), ..Verdict::default() };
            verdict.findings.push(Finding {
                flaw: Flaw::Malformed,
                seq: 0,
                detail: format!("the stream's key cannot be read: {reason}"),
            });
            verdict
        };
        let own: Vkey =
            stream.genesis_vkey.parse().map_err(|error| malformed(format!("{error}")))?;
        if own.name() != stream.origin {
            return Err(malformed("it is the key of another stream".into()));
        }
        let given = options.vkeys.iter().find(|vkey| vkey.name() == stream.origin);
        Ok(given.cloned().unwrap_or(own))
    }
}

/// A walk over one stream: records, their stored leaves, and checkpoints, merged by index.
struct Walk<'a> {
    stream: &'a StreamRow,
    tile: (i64, Vec<u8>),
    checkpoints: VecDeque<CheckpointRow>,
    /// Checkpoints from this size on are not read yet.
    next_size: i64,
}

impl Walk<'_> {
    fn run(
        &mut self,
        db: &mut Db,
        verifier: &mut Verifier,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut from = i64::MIN;
        loop {
            let rows = records::stored(db, self.stream.stream_no, from, CHUNK)?;
            let full = i64::try_from(rows.len()) == Ok(CHUNK);
            for row in &rows {
                from = row.seq.saturating_add(1);
                if row.seq < 0 {
                    verifier.report(Flaw::Inserted, 0, "a record before the stream's beginning");
                    continue;
                }
                if unsigned(row.seq) >= self.stream.size() {
                    return self.behind(db, verifier, row.seq);
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
                verifier.record(&sealed(row, leaf));
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
        Ok(())
    }

    /// Reports records that are missing before an index, with the leaves that are stored of them; says
    /// whether the walk can go on.
    fn close_gap(&mut self, db: &mut Db, verifier: &mut Verifier, to: u64) -> Result<bool> {
        while verifier.next_seq() < to {
            let seq = signed(verifier.next_seq());
            let Some(leaf) = self.leaf(db, seq)? else {
                verifier.report(
                    Flaw::Missing,
                    unsigned(seq),
                    "the record is not there, nor its leaf",
                );
                return Ok(false);
            };
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
    fn epochs(&self, db: &mut Db, verifier: &mut Verifier) -> Result<()> {
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
            let hashes = records::tile(db, self.stream.stream_no, idx)?;
            self.tile = (idx, hashes.unwrap_or_default());
        }
        let (hashes, _) = self.tile.1.as_chunks::<32>();
        Ok(usize::try_from(at).ok().and_then(|at| hashes.get(at)).copied())
    }
}

fn sealed(row: &Stored, leaf: Option<[u8; 32]>) -> Sealed<'_> {
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
    }
}

/// The text of a column; [`Stored::is_sound`] tells what is none.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
