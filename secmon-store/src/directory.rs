//! The directory stream: a stream of its own that lists the checkpoints of all others of the store, while each
//! of them takes over the directory's. Whoever puts one back, or takes it away, contradicts the rest.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use secmon_core::seal::{Claim, Note, Vkey};
use secmon_core::{Announcement, Step, When};

use crate::streams::{CheckpointRow, StreamRow};
use crate::{Result, Writer, proofs, streams};

/// The label of the directory stream.
pub const DIRECTORY: &str = "directory";
/// Bytes of notes in one record: escaped, and with all around them, they fit a body.
const MOST_NOTES: usize = 40_000;
/// Bytes of one note; those of this writer have 400.
const MOST_NOTE: usize = 8_000;
/// How often all streams are listed, those without news too: what was said of them may have been pruned since.
const ALL_EVERY: TimeDelta = TimeDelta::hours(24);
/// How often a stream takes over the directory's latest checkpoint.
const SEEN_EVERY: TimeDelta = TimeDelta::seconds(60);

/// What a writer knows of other streams.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// The sizes that were listed last, by number.
    sizes: BTreeMap<i64, u64>,
    /// When all streams were listed.
    all_at: Option<DateTime<Utc>>,
    /// When the directory was looked at.
    seen_at: Option<DateTime<Utc>>,
}

impl Writer {
    /// Seals the latest checkpoint of each other stream of the store that has news, and once a day of all of
    /// them; says how many those were. Of a stream that has gone back [`Writer::take_warnings`] tells. It is
    /// for the writer whose label is [`DIRECTORY`]; call it every ten seconds.
    pub fn list_streams(&mut self, now: DateTime<Utc>) -> Result<usize> {
        self.flush()?;
        if self.listed.all_at.is_none_or(|at| now - at >= ALL_EVERY) {
            self.listed.all_at = Some(now);
            self.listed.sizes.clear();
        }
        let mut announce = Vec::new();
        let (mut notes, mut vkeys, mut count) = (Vec::new(), Vec::new(), 0);
        let mut bytes = 0;
        for stream in self.store.streams()? {
            if stream.stream_no == self.stream.stream_no {
                continue;
            }
            let Some(last) = proofs::last_checkpoint(&mut self.db, stream.stream_no)? else {
                continue;
            };
            if self.listed.sizes.get(&stream.stream_no) == Some(&last.size()) {
                continue;
            }
            if !is_own(&stream, &last) {
                self.warnings.push(format!(
                    "the checkpoint of {} records is none of stream `{}`: verify the store",
                    last.size(),
                    stream.origin
                ));
                continue;
            }
            let known = self.listed.sizes.insert(stream.stream_no, last.size());
            if let Some(known) = known.filter(|known| *known > last.size()) {
                self.warnings.push(format!(
                    "stream `{}` went back from {known} records to {}: verify the store",
                    stream.origin,
                    last.size()
                ));
            }
            let more = last.note.len() + stream.genesis_vkey.len();
            if bytes + more > MOST_NOTES && !notes.is_empty() {
                announce.push(listing(std::mem::take(&mut notes), std::mem::take(&mut vkeys), now));
                bytes = 0;
            }
            bytes += more;
            notes.push(last.note);
            if known.is_none() {
                vkeys.push(stream.genesis_vkey);
            }
            count += 1;
        }
        if count > 0 {
            announce.push(listing(notes, vkeys, now));
            self.run(Step { announce, checkpoint: When::Always, ..Step::default() }, now)?;
        }
        Ok(count)
    }

    /// The directory's latest checkpoint, for this stream to take over, if there is one that it has not.
    pub(crate) fn directory_seen(&mut self, now: DateTime<Utc>) -> Result<Option<Announcement>> {
        if self.listed.seen_at.is_some_and(|at| now - at < SEEN_EVERY)
            || self.stream.label == DIRECTORY
        {
            return Ok(None);
        }
        self.listed.seen_at = Some(now);
        // Of several services that share a database each has kept one when it was its turn: the last that said
        // something is of now.
        let mut latest: Option<(StreamRow, CheckpointRow)> = None;
        for directory in streams::open_of(&mut self.db, DIRECTORY)? {
            let last = proofs::last_checkpoint(&mut self.db, directory.stream_no)?;
            let Some(last) = last else { continue };
            if latest.as_ref().is_none_or(|(_, known)| known.issued_at <= last.issued_at) {
                latest = Some((directory, last));
            }
        }
        let Some((directory, last)) = latest else { return Ok(None) };
        let known = self.listed.sizes.insert(directory.stream_no, last.size());
        let is_new = known != Some(last.size()) && is_own(&directory, &last);
        Ok(is_new.then(|| listing(vec![last.note], Vec::new(), now)))
    }
}

/// Whether a checkpoint is one of the stream, signed by its key: what somebody put there is not passed on.
fn is_own(stream: &StreamRow, row: &CheckpointRow) -> bool {
    let key: Option<Vkey> = stream.stream_vkey.parse().ok();
    Note::parse(&row.note).is_ok_and(|note| {
        row.note.len() <= MOST_NOTE
            && note.origin == stream.origin
            && note.size == row.size()
            && key.is_some_and(|key| key.name() == stream.origin && note.is_signed_by(&key))
    })
}

fn listing(notes: Vec<String>, vkeys: Vec<String>, now: DateTime<Utc>) -> Announcement {
    Announcement::of(Claim::Listed { notes, vkeys }, "streams_listed", now)
}
