//! Pages of records for a walk: while one is verified the next are read, over a connection of their own.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::CHUNK;
use crate::Result;
use crate::connection::{Db, Location};
use crate::stored::{self, Stored};
use crate::streams::StreamRow;

/// Records of a stream, page by page.
pub(super) struct Pages {
    stream_no: i64,
    /// None if no further connection is to be had.
    location: Option<Location>,
    ahead: Option<Ahead>,
    /// How many records the stream holds as far as the walk knows.
    size: Arc<AtomicU64>,
}

/// The thread that reads ahead: one page waits to be taken while another is read.
struct Ahead {
    /// None: it could not be read.
    pages: Receiver<Option<Page>>,
    thread: JoinHandle<()>,
}

/// Records in the order of their indexes, as many as a page holds at most.
pub(super) struct Page {
    from: i64,
    /// How many records the stream held before the page was read: those below were all there.
    pub(super) size: u64,
    pub(super) rows: Vec<Stored>,
    /// Where the rows go when they are done with. Freed by another thread than the one that reads more of
    /// them, each would make the other wait for its memory, which takes as long again as all the rest.
    used: Option<Sender<Vec<Stored>>>,
}

impl Pages {
    pub(super) fn of(stream: &StreamRow, location: &Location) -> Self {
        Self {
            stream_no: stream.stream_no,
            location: Some(location.clone()),
            ahead: None,
            size: Arc::default(),
        }
    }

    /// The page from an index on of a stream that holds so many records.
    pub(super) fn page(&mut self, db: &mut Db, from: i64, size: u64) -> Result<Page> {
        self.size.store(size, Ordering::Release);
        match self.ahead.as_ref().map(|ahead| ahead.pages.recv()) {
            Some(Ok(Some(page))) if page.from == from => return Ok(page),
            // What is wrong says the walk's own connection, if it is still so.
            Some(Ok(None)) => self.location = None,
            _ => {}
        }
        self.end();
        let page = Page::read(db, self.stream_no, from, size)?;
        if let Some(next) = page.next() {
            self.begin(next);
        }
        Ok(page)
    }

    /// Reads on in the background, if there is a thread for it.
    fn begin(&mut self, from: i64) {
        let Some(location) = self.location.clone() else { return };
        let (stream_no, size) = (self.stream_no, Arc::clone(&self.size));
        let (sender, pages) = sync_channel(1);
        let read = move || {
            let (back, used) = channel();
            let mut db = location.reconnect().ok();
            let mut next = Some(from);
            while let Some(from) = next {
                let size = size.load(Ordering::Acquire);
                let page = db.as_mut().and_then(|db| Page::read(db, stream_no, from, size).ok());
                next = page.as_ref().and_then(Page::next);
                let page = page.map(|mut page| {
                    page.used = Some(back.clone());
                    page
                });
                if sender.send(page).is_err() {
                    return;
                }
                used.try_iter().for_each(drop);
            }
        };
        let thread = Builder::new().name("pages".into()).spawn(read).ok();
        self.ahead = thread.map(|thread| Ahead { pages, thread });
    }

    /// Waits until nobody reads ahead: no connection stays open behind the walk.
    fn end(&mut self) {
        if let Some(Ahead { pages, thread }) = self.ahead.take() {
            drop(pages);
            drop(thread.join());
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.end();
    }
}

impl Page {
    fn read(db: &mut Db, stream_no: i64, from: i64, size: u64) -> Result<Self> {
        Ok(Self { from, size, rows: stored::all(db, stream_no, from, CHUNK)?, used: None })
    }

    /// Where the next begins, if there may be more.
    pub(super) fn next(&self) -> Option<i64> {
        let is_full = i64::try_from(self.rows.len()) == Ok(CHUNK);
        self.rows.last().filter(|_| is_full).map(|last| last.seq.saturating_add(1))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(used) = &self.used {
            // The thread may have read all and be gone.
            drop(used.send(mem::take(&mut self.rows)));
        }
    }
}
