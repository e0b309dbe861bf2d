//! Exports: a stream as files that anybody can read and verify, `records.jsonl`, `macs`,
//! `checkpoints.txt` and `vkey` in a folder named by its id, `k0.box` if K_0 was encrypted to an auditor, and
//! `pruned.jsonl` if it was pruned.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use diesel::prelude::*;
use secmon_core::seal::BLOCK;
use serde_json::json;

use crate::connection::{Db, on};
use crate::proofs::last_checkpoint;
use crate::schema::{anchors, checkpoints};
use crate::streams::StreamRow;
use crate::tiles::Leaves;
use crate::walk::prefix::{above, within};
use crate::{Error, Result, Store, records, signed, streams, unsigned};

/// The file of the K_0 that was encrypted to an auditor.
pub(crate) const K0_BOX: &str = "k0.box";
/// Rows read at once.
const CHUNK: i64 = 2_000;

impl Store {
    /// Writes all streams, or one by id, origin or label, into a folder, each up to its last checkpoint: what
    /// lies behind it nobody could verify. Says how many records that are. What expired stands there as
    /// `{"leaf","seq"}`, personal values not at all. Memory does not grow with the streams.
    ///
    /// # Errors
    /// Nothing is overwritten: files that are there already are an error.
    pub fn export(
        &self,
        folder: &Path,
        only: Option<&str>,
        mut progress: impl FnMut(u64),
    ) -> Result<u64> {
        let streams = match only {
            Some(name) => vec![self.stream(name)?],
            None => self.streams()?,
        };
        let mut total = 0;
        for stream in &streams {
            let folder = folder.join(stream.id());
            total += self.export_stream(stream, &folder, |done| progress(total + done))?;
        }
        Ok(total)
    }

    fn export_stream(
        &self,
        stream: &StreamRow,
        folder: &Path,
        mut progress: impl FnMut(u64),
    ) -> Result<u64> {
        fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
        loop {
            let begin = self.read(|db| streams::again(db, stream))?;
            let written = self.write_stream(&begin, folder, &mut progress);
            // Files that others put there are not touched.
            let is_taken = |error: &Error| match error {
                Error::File { source, .. } => source.kind() == std::io::ErrorKind::AlreadyExists,
                _ => false,
            };
            if written.as_ref().is_err_and(is_taken)
                || self.read(|db| streams::again(db, stream))?.pruned_to == begin.pruned_to
            {
                return written;
            }
            // What was pruned meanwhile is missing there: all of it is written once more.
            for name in ["vkey", K0_BOX, "records.jsonl", "macs", "checkpoints.txt", "pruned.jsonl"]
            {
                let path = folder.join(name);
                if path.exists() {
                    fs::remove_file(&path).map_err(|error| Error::file(&path, error))?;
                }
            }
        }
    }

    fn write_stream(
        &self,
        stream: &StreamRow,
        folder: &Path,
        mut progress: impl FnMut(u64),
    ) -> Result<u64> {
        let mut vkeys = Out::create(folder, "vkey")?;
        for vkey in [&stream.genesis_vkey, &stream.stream_vkey] {
            if !vkey.is_empty() {
                vkeys.line(vkey.as_bytes())?;
            }
        }
        vkeys.end()?;
        if let Some(sealed) = &stream.k0_box {
            let mut out = Out::create(folder, K0_BOX)?;
            out.line(BASE64.encode(sealed).as_bytes())?;
            out.end()?;
        }
        let mut bodies = Out::create(folder, "records.jsonl")?;
        let mut macs = Out::create(folder, "macs")?;
        let mut stream = self.covered(stream)?;
        let mut next = stream.pruned_to;
        if next > 0 {
            let out = Out::create(folder, "pruned.jsonl")?;
            self.read(|db| prefix(db, &stream, out))?;
        }
        loop {
            let gaps = self.append(&stream, &mut next, &mut bodies, &mut macs, &mut progress)?;
            let now = self.covered(&stream)?;
            // What expired meanwhile was announced behind the end: the export must hold that too.
            if !gaps || now.size == stream.size {
                break;
            }
            stream = now;
        }
        bodies.end()?;
        macs.end()?;
        self.read(|db| notes(db, &stream, Out::create(folder, "checkpoints.txt")?))?;
        Ok(stream.size())
    }

    /// The row of a stream as if it ended with its last checkpoint.
    fn covered(&self, stream: &StreamRow) -> Result<StreamRow> {
        let last = self.read(|db| last_checkpoint(db, stream.stream_no))?;
        Ok(StreamRow { size: last.map_or(0, |row| row.size), ..stream.clone() })
    }

    /// Writes the records up to the end of the stream; says whether any were gone.
    fn append(
        &self,
        stream: &StreamRow,
        next: &mut i64,
        bodies: &mut Out,
        macs: &mut Out,
        progress: &mut dyn FnMut(u64),
    ) -> Result<bool> {
        let mut gaps = false;
        loop {
            let rows = self.read(|db| records::walk(db, stream.stream_no, *next, CHUNK))?;
            // Those behind the end tell that there are no more before it.
            let ended = i64::try_from(rows.len()) != Ok(CHUNK)
                || rows.last().is_some_and(|row| unsigned(row.seq) >= stream.size());
            for row in rows.iter().take_while(|row| unsigned(row.seq) < stream.size()) {
                gaps |= *next < row.seq;
                self.gone(stream, *next, row.seq, bodies, macs)?;
                bodies.line(&row.body)?;
                macs.line(BASE64.encode(&row.mac).as_bytes())?;
                *next = row.seq.saturating_add(1);
            }
            progress(unsigned(*next));
            if ended || unsigned(*next) >= stream.size() {
                break;
            }
        }
        let size = signed(stream.size());
        gaps |= *next < size;
        self.gone(stream, *next, size, bodies, macs)?;
        *next = size;
        Ok(gaps)
    }

    /// Writes the leaves of records that are not there.
    fn gone(
        &self,
        stream: &StreamRow,
        from: i64,
        to: i64,
        bodies: &mut Out,
        macs: &mut Out,
    ) -> Result<()> {
        let mut leaves = Leaves::default();
        for seq in from..to {
            let leaf = self.read(|db| leaves.get(db, stream.stream_no, seq))?;
            let leaf = leaf.ok_or_else(|| Error::NotFound {
                what: format!(
                    "record {seq} of `{}`, and its leaf: verify the store;",
                    stream.origin
                ),
            })?;
            bodies
                .line(format!(r#"{{"leaf":"{}","seq":{seq}}}"#, BASE64.encode(leaf)).as_bytes())?;
            macs.line(b"")?;
        }
        Ok(())
    }
}

/// Writes what is left of the records that were pruned: a line that says what a walk needs to begin behind
/// them, then two for each record that stayed, its proof and its body.
fn prefix(db: &mut Db, stream: &StreamRow, mut out: Out) -> Result<()> {
    let range = stream.pruned_range.as_chunks::<32>().0.iter().map(|hash| BASE64.encode(hash));
    let begin = json!({
        "epoch": stream.pruned_epoch,
        "mac": BASE64.encode(&stream.pruned_mac),
        "range": range.collect::<Vec<_>>(),
        "size": stream.pruned_to,
    });
    out.line(begin.to_string().as_bytes())?;
    let (mut from, blocks) = (0, stream.pruned_to() / BLOCK);
    loop {
        let rows = records::walk(db, stream.stream_no, from, CHUNK)?;
        for row in rows.iter().take_while(|row| row.seq < stream.pruned_to) {
            let mut path = within(db, stream.stream_no, row.seq)?;
            path.extend(above(db, stream.stream_no, unsigned(row.seq) / BLOCK, blocks)?);
            let path: Vec<String> = path.iter().map(|hash| BASE64.encode(hash)).collect();
            out.line(json!({"path": path, "seq": row.seq}).to_string().as_bytes())?;
            out.line(&row.body)?;
            from = row.seq.saturating_add(1);
        }
        if rows.last().is_none_or(|last| last.seq >= from) || from >= stream.pruned_to {
            return out.end();
        }
    }
}

/// Writes the checkpoints, with an empty line between them.
fn notes(db: &mut Db, stream: &StreamRow, mut out: Out) -> Result<()> {
    let mut behind = -1;
    loop {
        let own = checkpoints::stream_no.eq(stream.stream_no);
        let query = checkpoints::table
            .filter(own.and(checkpoints::size.gt(behind)).and(checkpoints::size.le(stream.size)))
            .order(checkpoints::size)
            .limit(CHUNK)
            .select((checkpoints::size, checkpoints::note));
        let rows: Vec<(i64, String)> = on!(db, c => query.load(c))?;
        for (size, note) in &rows {
            if behind >= 0 {
                out.line(b"")?;
            }
            out.line(note.trim_end_matches('\n').as_bytes())?;
            for lines in cosignatures(db, stream, *size)? {
                out.line(lines.trim_end_matches('\n').as_bytes())?;
            }
            behind = *size;
        }
        if i64::try_from(rows.len()) != Ok(CHUNK) {
            return out.end();
        }
    }
}

/// What witnesses signed of a checkpoint: more signature lines of its note.
fn cosignatures(db: &mut Db, stream: &StreamRow, size: i64) -> Result<Vec<String>> {
    let own = anchors::stream_no.eq(stream.stream_no).and(anchors::size.eq(size));
    let query = anchors::table
        .filter(own.and(anchors::kind.eq("witness")).and(anchors::evidence.ne("")))
        .select(anchors::evidence);
    Ok(on!(db, c => query.load(c))?)
}

/// A file that is being written.
struct Out {
    file: BufWriter<File>,
    path: std::path::PathBuf,
}

impl Out {
    fn create(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| Error::file(&path, error))?;
        Ok(Self { file: BufWriter::new(file), path })
    }

    fn line(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|error| Error::file(&self.path, error))
    }

    fn end(mut self) -> Result<()> {
        let ended = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        ended.map_err(|error| Error::file(&self.path, error))
    }
}
