//! A connection to a server with a patience: given up when an answer does not come in time, or it breaks.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use diesel::connection::{CacheSize, Instrumentation};
use diesel::mysql::Mysql;
use diesel::query_builder::{AsQuery, QueryFragment, QueryId};
use diesel::result::{ConnectionResult, DatabaseErrorKind, Error, QueryResult};
use diesel_async::{
    AnsiTransactionManager, AsyncConnection, AsyncConnectionCore, AsyncMysqlConnection,
    SimpleAsyncConnection, TransactionManager,
};
use futures_core::Stream;

use super::mysql::PATIENCE;

/// A connection that is given up when an answer does not come in time, or it breaks.
pub(crate) struct Timed {
    inner: AsyncMysqlConnection,
    patience: Duration,
    state: State,
}

/// What is known of a connection; rows that are still read tell too.
struct State {
    health: Arc<AtomicU8>,
    used_at: Instant,
}

/// What can be known of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Health {
    Sound,
    /// It broke.
    Broken,
    /// No answer came in time.
    Silent,
}

const BROKEN: u8 = 1;
const SILENT: u8 = 2;

impl State {
    fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            BROKEN => Health::Broken,
            SILENT => Health::Silent,
            _ => Health::Sound,
        }
    }
}

impl Timed {
    pub(super) fn new(inner: AsyncMysqlConnection, patience: Duration) -> Self {
        let state = State { health: Arc::default(), used_at: Instant::now() };
        Self { inner, patience, state }
    }

    pub(super) fn health(&self) -> Health {
        self.state.health()
    }

    /// How long nothing was asked.
    pub(super) fn idle(&self) -> Duration {
        self.state.used_at.elapsed()
    }
}

pub(super) fn no_answer(patience: Duration) -> String {
    format!("the database did not answer in {} s", patience.as_secs())
}

fn failed<T>(reason: String) -> QueryResult<T> {
    Err(Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(reason)))
}

/// Waits for an answer; notes when the connection is of no use behind it.
async fn within<T>(
    patience: Duration,
    state: &mut State,
    answer: impl Future<Output = QueryResult<T>>,
) -> QueryResult<T> {
    if state.health() != Health::Sound {
        return failed(LOST.into());
    }
    let Ok(answer) = tokio::time::timeout(patience, answer).await else {
        state.health.store(SILENT, Ordering::Relaxed);
        return failed(no_answer(patience));
    };
    state.used_at = Instant::now();
    note(&state.health, &answer);
    answer
}

/// Notes what an answer says of the connection.
fn note<T>(health: &AtomicU8, answer: &QueryResult<T>) {
    if let Err(Error::DatabaseError(_, told)) = answer
        && ENDS.iter().any(|words| told.message().starts_with(words))
    {
        health.store(BROKEN, Ordering::Relaxed);
    }
}

/// The rows of an answer, each with the patience of its connection.
pub(crate) struct Rows<S> {
    stream: Pin<Box<S>>,
    patience: Duration,
    until: Pin<Box<tokio::time::Sleep>>,
    health: Arc<AtomicU8>,
}

impl<S: Stream<Item = QueryResult<R>>, R> Stream for Rows<S> {
    type Item = QueryResult<R>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(row) = this.stream.as_mut().poll_next(cx) {
            let patience = this.patience;
            this.until.as_mut().reset(tokio::time::Instant::now() + patience);
            if let Some(row) = &row {
                note(&this.health, row);
            }
            return Poll::Ready(row);
        }
        if this.until.as_mut().poll(cx).is_ready() {
            this.health.store(SILENT, Ordering::Relaxed);
            return Poll::Ready(Some(failed(no_answer(this.patience))));
        }
        Poll::Pending
    }
}

const LOST: &str = "the connection to the database is lost";
/// The driver's words for its own errors and those of the network, and the server's farewells.
const ENDS: &[&str] =
    &["Input/output error", "Driver error", "Server shutdown", "Connection was killed"];

impl SimpleAsyncConnection for Timed {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        within(self.patience, &mut self.state, self.inner.batch_execute(query)).await
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = QueryResult<T>> + Send + 'a>>;

impl AsyncConnectionCore for Timed {
    type ExecuteFuture<'conn, 'query> = Answer<'conn, usize>;
    type LoadFuture<'conn, 'query> = Answer<'conn, Self::Stream<'conn, 'query>>;
    type Stream<'conn, 'query> =
        Rows<<AsyncMysqlConnection as AsyncConnectionCore>::Stream<'conn, 'query>>;
    type Row<'conn, 'query> = <AsyncMysqlConnection as AsyncConnectionCore>::Row<'conn, 'query>;
    type Backend = Mysql;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Mysql> + QueryId + 'query,
    {
        let Self { inner, patience, state } = self;
        let (patience, answer) = (*patience, inner.load(source));
        Box::pin(async move {
            let rows = within(patience, state, answer).await?;
            let until = Box::pin(tokio::time::sleep(patience));
            Ok(Rows { stream: Box::pin(rows), patience, until, health: Arc::clone(&state.health) })
        })
    }

    fn execute_returning_count<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Mysql> + QueryId + 'query,
    {
        let Self { inner, patience, state } = self;
        Box::pin(within(*patience, state, inner.execute_returning_count(source)))
    }
}

impl AsyncConnection for Timed {
    type TransactionManager = AnsiTransactionManager;

    async fn establish(url: &str) -> ConnectionResult<Self> {
        let inner = AsyncMysqlConnection::establish(url).await?;
        Ok(Self::new(inner, PATIENCE))
    }

    fn transaction_state(
        &mut self,
    ) -> &mut <AnsiTransactionManager as TransactionManager<Self>>::TransactionStateData {
        self.inner.transaction_state()
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.inner.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.inner.set_instrumentation(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.inner.set_prepared_statement_cache_size(size);
    }
}
