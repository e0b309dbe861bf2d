//! The writers of the service: one, or on a server several, each with a stream, a connection and a thread of its own.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use chrono::NaiveDate;
use secmon_core::{Ruleset, fields};
use secmon_store::{Held, Receipt, Request, Result, Writer};
use tokio::sync::Semaphore;

use crate::app::{OpenError, Rules};
use crate::clock::now;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::opening::Opening;
use crate::queue::{MOST_KIB, Queue};

/// More would only wait for each other.
const MOST: usize = 32;

/// The ways to the writers. Who counts for all, if this service does, is the first.
#[derive(Clone, Debug)]
pub(crate) struct Writers {
    first: Queue,
    others: Vec<Queue>,
}

impl Writers {
    /// Opens what the configuration asks for beside the first writer, and starts all of them.
    pub(crate) fn start(
        writer: Writer,
        opening: Opening,
        config: &Config,
        metrics: &Arc<Metrics>,
    ) -> std::result::Result<Self, OpenError> {
        let room = Arc::new(Semaphore::new(MOST_KIB as usize));
        let start =
            |writer, opening| Queue::start(writer, opening, Arc::clone(metrics), Arc::clone(&room));
        let openings: Vec<Opening> = (2..=config.writers)
            .map(|number| Opening {
                label: format!("{}-{number}", config.label),
                stands: false,
                ..opening.clone()
            })
            .collect();
        // It may count for all, and keeps its lease from now on.
        let mut writers = Self { first: start(writer, opening)?, others: Vec::new() };
        for mut opening in openings {
            let other = opening.reopen().map_err(OpenError::from);
            let other = other.and_then(|writer| Ok(start(writer, opening)?));
            match other {
                Ok(queue) => writers.others.push(queue),
                Err(error) => {
                    writers.stop();
                    return Err(error);
                }
            }
        }
        Ok(writers)
    }

    /// Whether the configuration asks for as many as its store takes.
    pub(crate) fn check(config: &Config) -> std::result::Result<(), String> {
        let is_file = config.store.starts_with("sqlite:");
        match config.writers {
            1 => Ok(()),
            2..=MOST if !config.privacy.erasable.is_empty() => {
                // An erasure changes the key of personal values, and only the writer that erases learns of it.
                Err("`writers`: the privacy mode (`privacy.erasable`) takes one writer".into())
            }
            2..=MOST if is_file => Err(
                "`writers`: a file of SQLite takes one writer at a time; several need a store `mysql://..`"
                    .into(),
            ),
            2..=MOST => Ok(()),
            _ => Err(format!("`writers` must be 1 to {MOST}")),
        }
    }

    /// Stores a request, in the stream to which its host belongs: that of its first event.
    pub(crate) async fn store(&self, request: Request) -> Result<Vec<Receipt>> {
        self.of(&request).store(request).await
    }

    /// All of them, the first first.
    fn all(&self) -> impl Iterator<Item = &Queue> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn of(&self, request: &Request) -> &Queue {
        let first = request.events.first().map(|prepared| &prepared.event);
        let host = first.and_then(|event| event.get(fields::HOST_NAME));
        let mut hasher = DefaultHasher::new();
        host.map(ToString::to_string).hash(&mut hasher);
        let count = self.others.len() as u64 + 1;
        let at = usize::try_from(hasher.finish() % count).unwrap_or_default();
        at.checked_sub(1).and_then(|at| self.others.get(at)).unwrap_or(&self.first)
    }

    /// Lets the first writer do something between two batches.
    pub(crate) async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.first.act(act).await
    }

    /// Lets the writer of a stream do something between two batches.
    ///
    /// # Errors
    /// [`secmon_store::Error::Query`]: the stream is of none of them.
    pub(crate) async fn act_of<T: Send + 'static>(
        &self,
        stream: &str,
        act: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        for queue in self.all() {
            if queue.act(|writer| Ok(writer.stream())).await? == stream {
                return queue.act(act).await;
            }
        }
        let reason = format!("stream `{stream}` belongs to no writer of this service");
        Err(secmon_store::Error::Query { reason })
    }

    /// Keeps what lies in their streams of an incident's evidence.
    pub(crate) async fn hold_incident(
        &self,
        id: String,
        until: Option<NaiveDate>,
        by: String,
    ) -> Result<Held> {
        let mut all = Held { records: 0, elsewhere: Vec::new() };
        let (mut own, mut refused) = (Vec::new(), Vec::new());
        for queue in self.all() {
            let (id, by) = (id.clone(), by.clone());
            own.push(queue.act(|writer| Ok(writer.stream())).await?);
            let held = queue.act(move |writer| writer.hold_incident(&id, until, &by, now())).await;
            match held {
                Ok(held) => {
                    all.records += held.records;
                    all.elsewhere.extend(held.elsewhere);
                }
                // All of it lies in other streams, perhaps of other writers here.
                Err(error @ secmon_store::Error::Query { .. }) => refused.push(error),
                Err(error) => return Err(error),
            }
        }
        if refused.len() == own.len()
            && let Some(error) = refused.pop()
        {
            return Err(error);
        }
        all.elsewhere.retain(|stream| !own.contains(stream));
        all.elsewhere.sort();
        all.elsewhere.dedup();
        Ok(all)
    }

    /// Lets all writers use other rules from their next batches on, and everybody else from then on.
    pub(crate) async fn set_rules(&self, ruleset: Ruleset, shared: &Rules) -> Result<()> {
        // Who counts has them first: the others hand over what it would not know.
        for queue in self.all() {
            queue.set_rules(ruleset.clone(), shared.clone()).await?;
        }
        Ok(())
    }

    /// Lets the writers commit what waits, checkpoint and end.
    pub(crate) fn stop(&self) {
        // All at once, but who counts for all: the others hand over to it until then.
        self.others.iter().for_each(Queue::close);
        self.others.iter().for_each(Queue::join);
        self.first.close();
        self.first.join();
    }
}
