//! What other streams say of the one that is walked: each checkpoint of it that they list is compared.

use std::collections::VecDeque;

use diesel::prelude::*;
use secmon_core::seal::{Claim, Flaw, Note, Verifier};

use crate::connection::{Db, on};
use crate::schema::records;
use crate::streams::{self, StreamRow};
use crate::{Result, unsigned};

/// Records read at once: they are long.
const CHUNK: i64 = 100;
/// Only a partial index finds these among all the rest, and it is used where its words stand.
const IS_LISTING: &str = "category = 'secmon.directory'";

type Hash = [u8; 32];

/// A checkpoint of the stream as another lists it.
struct Statement {
    seq: u64,
    size: u64,
    root: Hash,
}

/// Another stream that lists this one, read as far as the walk has come.
struct Source {
    stream_no: i64,
    origin: String,
    next: i64,
    is_ended: bool,
    read: VecDeque<Statement>,
    last: Option<(u64, Hash)>,
}

/// What all other streams say of one.
#[derive(Default)]
pub(super) struct Statements(Vec<Source>);

impl Statements {
    pub(super) fn of(db: &mut Db, stream: &StreamRow) -> Result<Self> {
        let query = records::table
            .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(IS_LISTING))
            .filter(records::stream_no.ne(stream.stream_no))
            .select(records::stream_no)
            .distinct();
        let numbers: Vec<i64> = on!(db, c => query.load(c))?;
        let mut sources = Vec::new();
        for stream_no in numbers {
            let origin = streams::origin(db, stream_no)?.unwrap_or_default();
            let (read, last) = (VecDeque::new(), None);
            sources.push(Source { stream_no, origin, next: 0, is_ended: false, read, last });
        }
        Ok(Self(sources))
    }

    /// Tells the verifier what is said of the stream up to a size that the walk is about to come to.
    pub(super) fn upto(
        &mut self,
        db: &mut Db,
        origin: &str,
        verifier: &mut Verifier,
        size: u64,
    ) -> Result<()> {
        for source in &mut self.0 {
            while let Some(statement) = source.front(db, origin)? {
                if statement.size > size {
                    break;
                }
                source.take(verifier);
            }
        }
        Ok(())
    }

    /// Ends the walk: no stream may say that there were more records than there are.
    pub(super) fn end(
        &mut self,
        db: &mut Db,
        stream: &StreamRow,
        verifier: &mut Verifier,
    ) -> Result<()> {
        for source in &mut self.0 {
            while let Some(statement) = source.front(db, &stream.origin)? {
                let (seq, size) = (statement.seq, statement.size);
                // Read behind the statement: a writer that has gone on meanwhile has as many.
                if unsigned(streams::size(db, stream.stream_no)?.0) < size {
                    let detail =
                        format!("record {seq} of `{}` lists {size} records", source.origin);
                    verifier.report(Flaw::Rollback, verifier.next_seq(), &detail);
                    break;
                }
                source.read.pop_front();
            }
        }
        Ok(())
    }
}

impl Source {
    /// The next statement.
    fn front(&mut self, db: &mut Db, origin: &str) -> Result<Option<&Statement>> {
        while self.read.is_empty() && !self.is_ended {
            let body = diesel::dsl::sql::<diesel::sql_types::Binary>(&db.raw("body"));
            let query = records::table
                .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(IS_LISTING))
                .filter(records::stream_no.eq(self.stream_no).and(records::seq.ge(self.next)))
                .order(records::seq)
                .limit(CHUNK)
                .select((records::seq, body));
            let rows: Vec<(i64, Vec<u8>)> = on!(db, c => query.load(c))?;
            self.is_ended = i64::try_from(rows.len()) != Ok(CHUNK);
            for (seq, body) in rows {
                self.next = seq.saturating_add(1);
                let Some(Claim::Listed { notes, .. }) = Claim::of(&body) else { continue };
                let notes = notes.iter().filter_map(|note| Note::parse(note).ok());
                let own = notes.filter(|note| note.origin == origin);
                let seq = unsigned(seq);
                self.read.extend(own.map(|note| Statement {
                    seq,
                    size: note.size,
                    root: note.root,
                }));
            }
        }
        Ok(self.read.front())
    }

    /// Takes the next statement.
    fn take(&mut self, verifier: &mut Verifier) {
        let Some(Statement { seq, size, root }) = self.read.pop_front() else { return };
        let last = self.last.replace((size, root));
        if last == Some((size, root)) {
            return;
        }
        if last.is_some_and(|(before, _)| before >= size) {
            let detail = format!("record {seq} of `{}` lists another past of it", self.origin);
            verifier.report(Flaw::Fork, size, &detail);
        } else if size > verifier.next_seq() {
            verifier.expect_root(size, root);
        }
    }
}
