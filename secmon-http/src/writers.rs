//! The writers of the service: one, or on a server several, each with a stream, a connection and a thread of its own.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use secmon_core::{Ruleset, fields};
use secmon_store::{Receipt, Request, Result, Writer};
use tokio::sync::Semaphore;

use crate::app::{OpenError, Rules};
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
    others: Arc<[Queue]>,
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
        let mut others = Vec::new();
        for number in 2..=config.writers {
            let mut opening = Opening {
                label: format!("{}-{number}", config.label),
                stands: false,
                ..opening.clone()
            };
            let writer = opening.reopen()?;
            others.push(Queue::start(writer, opening, Arc::clone(metrics), Arc::clone(&room))?);
        }
        let first = Queue::start(writer, opening, Arc::clone(metrics), room)?;
        Ok(Self { first, others: others.into() })
    }

    /// Whether the configuration asks for as many as its store takes.
    pub(crate) fn check(config: &Config) -> std::result::Result<(), String> {
        let is_file = config.store.starts_with("sqlite:");
        match config.writers {
            1 => Ok(()),
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

    /// Lets all writers use other rules from their next batches on, and everybody else from then on.
    pub(crate) async fn set_rules(&self, ruleset: Ruleset, shared: &Rules) -> Result<()> {
        for queue in self.others.iter().chain([&self.first]) {
            queue.set_rules(ruleset.clone(), shared.clone()).await?;
        }
        Ok(())
    }

    /// Lets the writers commit what waits, checkpoint and end.
    pub(crate) fn stop(&self) {
        // Who counts for all ends last: the others hand over to it until then.
        self.others.iter().chain([&self.first]).for_each(Queue::stop);
    }
}
