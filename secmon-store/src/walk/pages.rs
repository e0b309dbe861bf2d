//! Pages of records for a walk: while one is verified the next is read, over a connection of its own.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use super::CHUNK;
use crate::connection::Db;
use crate::stored::{self, Stored};
use crate::{Result, Store};

/// Records of a stream, page by page.
pub(super) struct Pages {
    stream_no: i64,
    /// None once the next page could not be read ahead: the walk goes on without.
    store: Option<Store>,
    ahead: Option<Ahead>,
}

/// The thread that reads what is asked for, one page at a time.
struct Ahead {
    asked: Sender<Asked>,
    pages: Receiver<Page>,
    thread: JoinHandle<Result<()>>,
}

/// A page that is asked for.
struct Asked {
    from: i64,
    size: u64,
    /// Rows that are done with. Freed by another thread than the one that reads more of them, each would make
    /// the other wait for its memory, which takes as long again as all the rest.
    used: Vec<Stored>,
}

/// Records in the order of their indexes, as many as a page holds at most.
#[derive(Default)]
pub(super) struct Page {
    from: i64,
    /// How many records the stream held before the page was read: those below were all there.
    pub(super) size: u64,
    pub(super) rows: Vec<Stored>,
}

impl Pages {
    pub(super) fn of(stream_no: i64, store: &Store) -> Self {
        Self { stream_no, store: Some(store.clone()), ahead: None }
    }

    /// The page from an index on of a stream that holds so many records, when the one before is done with.
    pub(super) fn page(&mut self, db: &mut Db, from: i64, size: u64, used: Page) -> Result<Page> {
        let page = match self.ahead.as_ref().map(|ahead| ahead.pages.recv()) {
            Some(Ok(page)) if page.from == from => page,
            ahead => {
                if let Some(Err(_)) = ahead {
                    // What is wrong says the walk's own connection, if it is still so.
                    self.end();
                    self.store = None;
                }
                Page::read(db, self.stream_no, from, size)?
            }
        };
        match page.next() {
            Some(from) => self.ask(Asked { from, size, used: used.rows }),
            None => self.end(),
        }
        Ok(page)
    }

    /// Lets a page be read in the background, if there is a thread for it.
    fn ask(&mut self, asked: Asked) {
        if self.ahead.is_none() {
            self.ahead = self.store.as_ref().and_then(|store| Ahead::begin(store, self.stream_no));
        }
        if let Some(ahead) = &self.ahead {
            // That it has ended is seen when the page is taken.
            drop(ahead.asked.send(asked));
        }
    }

    /// Waits until nobody reads ahead.
    fn end(&mut self) {
        if let Some(Ahead { asked, pages, thread }) = self.ahead.take() {
            drop((asked, pages));
            drop(thread.join());
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.end();
    }
}

impl Ahead {
    fn begin(store: &Store, stream_no: i64) -> Option<Self> {
        let store = store.clone();
        let (asked, asks) = channel::<Asked>();
        let (sender, pages) = channel();
        let read = move || {
            store.read(|db| {
                for Asked { from, size, used } in asks {
                    drop(used);
                    if sender.send(Page::read(db, stream_no, from, size)?).is_err() {
                        break;
                    }
                }
                Ok(())
            })
        };
        let thread = Builder::new().name("pages".into()).spawn(read).ok()?;
        Some(Self { asked, pages, thread })
    }
}

impl Page {
    fn read(db: &mut Db, stream_no: i64, from: i64, size: u64) -> Result<Self> {
        Ok(Self { from, size, rows: stored::all(db, stream_no, from, CHUNK)? })
    }

    /// Where the next begins, if there may be more.
    pub(super) fn next(&self) -> Option<i64> {
        let is_full = i64::try_from(self.rows.len()) == Ok(CHUNK);
        self.rows.last().filter(|_| is_full).map(|last| last.seq.saturating_add(1))
    }
}
