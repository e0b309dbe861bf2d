//! The one bounded queue before the writer: it seals what queued while the last commit runs.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use secmon_core::Ruleset;
use secmon_store::{Receipt, Request, Writer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::app::Rules;
use crate::clock::now;
use crate::metrics::Metrics;
use crate::opening::Opening;

/// Bytes of events that may wait, in KiB: whoever comes later is kept waiting at his socket.
pub(crate) const MOST_KIB: u32 = 64 << 10;
/// How long a caller is kept waiting before he is told to come again.
const PATIENCE: Duration = Duration::from_secs(4);
/// The bounds of one commit.
const MOST_EVENTS: usize = 1_000;
const MOST_BYTES: usize = 4 << 20;
/// How often the writer looks at the clock when nothing comes.
const PAUSE: Duration = Duration::from_millis(200);
/// How often records are looked for whose day has come.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);

/// What the writer is asked to do.
enum Task {
    Store(Job),
    /// Something else that only the writer may do, between two batches.
    Act(Box<dyn FnOnce(&mut Loop) + Send>),
}

struct Job {
    request: Request,
    answer: oneshot::Sender<secmon_store::Result<Receipt>>,
    permit: OwnedSemaphorePermit,
}

/// The way to the writer.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    jobs: Arc<Mutex<Option<mpsc::Sender<Task>>>>,
    room: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Queue {
    /// Starts the writer's thread.
    pub(crate) fn start(
        writer: Writer,
        opening: Opening,
        metrics: Arc<Metrics>,
        room: Arc<Semaphore>,
    ) -> std::io::Result<Self> {
        if opening.stands {
            metrics.set_counts(writer.counts());
        }
        let (sender, jobs) = mpsc::channel();
        let loop_metrics = Arc::clone(&metrics);
        let writer = Some(writer);
        let expired_at = None;
        let begun = VecDeque::new();
        let run = move || {
            Loop { writer, begun, opening, metrics: loop_metrics, expired_at }.run(&jobs);
        };
        let thread = std::thread::Builder::new().name("writer".into()).spawn(run)?;
        Ok(Self {
            jobs: Arc::new(Mutex::new(Some(sender))),
            room,
            metrics,
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Stores a request; answers once it is committed. A long one goes in parts, in order.
    pub(crate) async fn store(&self, request: Request) -> secmon_store::Result<Vec<Receipt>> {
        let mut answers = Vec::new();
        for part in request.split() {
            answers.push(self.enqueue(part).await?);
        }
        let mut receipts = Vec::with_capacity(answers.len());
        for answer in answers {
            // What waits no longer is not begun; what was begun may still be stored.
            let Ok(answer) = tokio::time::timeout(PATIENCE, answer).await else {
                return Err(busy("the store does not answer"));
            };
            receipts.push(answer.map_err(|_| busy("the writer has stopped"))??);
        }
        Ok(receipts)
    }

    async fn enqueue(
        &self,
        request: Request,
    ) -> secmon_store::Result<oneshot::Receiver<secmon_store::Result<Receipt>>> {
        let kib = u32::try_from(request.bytes() / 1024 + 1).unwrap_or(MOST_KIB).min(MOST_KIB);
        let room = Arc::clone(&self.room).acquire_many_owned(kib);
        let Ok(Ok(permit)) = tokio::time::timeout(PATIENCE, room).await else {
            return Err(busy("the queue is full"));
        };
        let (answer, receiver) = oneshot::channel();
        self.send(Task::Store(Job { request, answer, permit }))?;
        self.metrics.queue_depth.inc();
        Ok(receiver)
    }

    /// Lets the writer do something between two batches.
    pub(crate) async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Writer) -> secmon_store::Result<T> + Send + 'static,
    ) -> secmon_store::Result<T> {
        let (answer, receiver) = oneshot::channel();
        let task = move |this: &mut Loop| {
            // Whoever went away meanwhile asks again.
            let _ = answer.send(this.act(act));
        };
        self.send(Task::Act(Box::new(task)))?;
        receiver.await.map_err(|_| busy("the writer has stopped"))?
    }

    /// Lets the writer use other rules from the next batch on, and everybody else from then on.
    pub(crate) async fn set_rules(
        &self,
        ruleset: Ruleset,
        shared: Rules,
    ) -> secmon_store::Result<()> {
        let (answer, receiver) = oneshot::channel();
        let task = move |this: &mut Loop| {
            // Also of a writer that is opened again. Where the store is busy they are in use nevertheless, and
            // are named in a record with the next batch; what failed was logged.
            this.opening.ruleset = ruleset.clone();
            let _ = this.act(|writer| writer.set_rules(ruleset.clone(), now()));
            shared.set(ruleset);
            let _ = answer.send(());
        };
        self.send(Task::Act(Box::new(task)))?;
        receiver.await.map_err(|_| busy("the writer has stopped"))
    }

    fn send(&self, task: Task) -> secmon_store::Result<()> {
        let jobs = self.jobs.lock().ok().and_then(|jobs| jobs.clone());
        let jobs = jobs.ok_or_else(|| busy("the service is stopping"))?;
        jobs.send(task).map_err(|_| busy("the writer has stopped"))
    }

    /// Lets the writer commit what waits, checkpoint and end.
    pub(crate) fn close(&self) {
        if let Ok(mut jobs) = self.jobs.lock() {
            jobs.take();
        }
    }

    /// Waits until the writer has ended.
    pub(crate) fn join(&self) {
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer ended unexpectedly");
        }
    }
}

/// The next job, if one waits, or what else does.
fn take(jobs: &mpsc::Receiver<Task>) -> (Option<Job>, Option<Task>) {
    match jobs.try_recv() {
        Ok(Task::Store(job)) => (Some(job), None),
        other => (None, other.ok()),
    }
}

/// A batch that was begun.
struct Begun {
    started: Instant,
    events: usize,
    callers: Vec<Caller>,
}

struct Caller {
    answer: oneshot::Sender<secmon_store::Result<Receipt>>,
    /// Its room in the queue, until it is answered.
    _permit: OwnedSemaphorePermit,
}

/// What the writer's thread does.
struct Loop {
    writer: Option<Writer>,
    /// What was not answered yet, in order.
    begun: VecDeque<Begun>,
    opening: Opening,
    metrics: Arc<Metrics>,
    /// When nothing was found any more whose day had come.
    expired_at: Option<Instant>,
}

impl Loop {
    fn run(mut self, jobs: &mpsc::Receiver<Task>) {
        let mut maintained = Instant::now();
        let mut left = None;
        loop {
            let first = match left.take() {
                Some(job) => Ok(job),
                None if self.begun.is_empty() => jobs.recv_timeout(PAUSE),
                // What was begun waits for nothing else.
                None => jobs.try_recv().map_err(|error| match error {
                    mpsc::TryRecvError::Empty => mpsc::RecvTimeoutError::Timeout,
                    mpsc::TryRecvError::Disconnected => mpsc::RecvTimeoutError::Disconnected,
                }),
            };
            match first {
                Ok(Task::Store(job)) => left = self.begin(job, jobs),
                Ok(Task::Act(act)) => {
                    self.finish();
                    act(&mut self);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => self.finish(),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if maintained.elapsed() >= PAUSE {
                maintained = Instant::now();
                self.finish();
                self.maintain();
            }
        }
        self.finish();
        // What others have handed over until now is counted.
        self.maintain();
        if let Some(writer) = self.writer.take()
            && let Err(error) = writer.close(now())
        {
            tracing::error!(%error, "the last checkpoint could not be stored: {error}");
        }
    }

    fn act<T>(
        &mut self,
        act: impl FnOnce(&mut Writer) -> secmon_store::Result<T>,
    ) -> secmon_store::Result<T> {
        use secmon_store::Error;
        let answer = self.writer().and_then(act);
        // A request that makes no sense leaves the writer as it is.
        if matches!(answer, Err(Error::Query { .. } | Error::NotFound { .. })) {
            return answer;
        }
        self.settle(answer).map_err(|reason| busy(&reason))
    }

    /// Begins a batch of a job with all that fit beside it, while the one before is stored; gives back what came
    /// behind them.
    fn begin(&mut self, first: Job, jobs: &mpsc::Receiver<Task>) -> Option<Task> {
        let mut batch = Begun { started: Instant::now(), events: 0, callers: Vec::new() };
        let mut bytes = 0;
        let mut requests = Vec::new();
        let mut next = Some(first);
        let mut left = None;
        while let Some(Job { request, answer, permit }) = next {
            if answer.is_closed() {
                // Nobody waits for it any more: it was not acknowledged, and comes again.
                self.metrics.queue_depth.dec();
                (next, left) = take(jobs);
                continue;
            }
            let (more_events, more_bytes) = (request.events.len(), request.bytes());
            let full = batch.events + more_events > MOST_EVENTS || bytes + more_bytes > MOST_BYTES;
            if full && !requests.is_empty() {
                left = Some(Task::Store(Job { request, answer, permit }));
                break;
            }
            batch.events += more_events;
            bytes += more_bytes;
            self.metrics.queue_depth.dec();
            requests.push(request);
            batch.callers.push(Caller { answer, _permit: permit });
            (next, left) = take(jobs);
        }
        if !requests.is_empty() {
            self.begun.push_back(batch);
            let begun = self.writer().and_then(|writer| writer.begin(requests, now()));
            self.answer(begun);
        }
        left
    }

    /// Stores what was begun.
    fn finish(&mut self) {
        if !self.begun.is_empty() {
            let stored = self.writer().and_then(Writer::finish);
            self.answer(stored);
        }
    }

    /// Answers whoever waits for what is stored by now; and all others, where that failed.
    fn answer(&mut self, done: secmon_store::Result<()>) {
        let answers = self.writer.as_mut().map(Writer::answers).unwrap_or_default();
        let mut answers = answers.into_iter();
        while answers.len() > 0
            && let Some(batch) = self.begun.pop_front()
        {
            self.metrics.committed(batch.events, batch.started.elapsed());
            for (caller, answer) in batch.callers.into_iter().zip(answers.by_ref()) {
                // Whoever went away meanwhile asks again under his key.
                let _ = caller.answer.send(answer);
            }
        }
        if let Err(reason) = self.settle(done) {
            self.metrics.commit_failures.inc();
            for caller in self.begun.drain(..).flat_map(|batch| batch.callers) {
                let _ = caller.answer.send(Err(busy(&reason)));
            }
        }
    }

    fn maintain(&mut self) {
        let answer = self.writer().and_then(|writer| writer.maintain(now()));
        // What failed was logged where it was settled, and is tried again.
        let _ = self.settle(answer);
        self.expire();
        if let Some(writer) = self.writer.as_mut().filter(|_| self.opening.stands) {
            self.metrics.evicted(writer.evicted());
            self.metrics.set_counts(writer.counts());
        }
        let warnings = self.writer.as_mut().map(Writer::take_warnings);
        for warning in warnings.into_iter().flatten() {
            tracing::warn!("{warning}");
        }
    }

    /// Removes what has expired, some of it between two batches, until there is no more for an hour.
    fn expire(&mut self) {
        if self.expired_at.is_some_and(|at| at.elapsed() < EXPIRE_EVERY) {
            return;
        }
        let answer = self.writer().and_then(|writer| match writer.expire(now())? {
            0 => writer.prune(now()),
            gone => Ok(gone),
        });
        match answer {
            Ok(0) => self.expired_at = Some(Instant::now()),
            Ok(gone) => tracing::info!("{gone} records that have expired are gone"),
            // A record that was changed must not stop the service; verification names it.
            Err(error @ secmon_store::Error::Tampered { .. }) => {
                tracing::error!(%error, "nothing expires: {error}");
                self.expired_at = Some(Instant::now());
            }
            error => {
                self.expired_at = Some(Instant::now());
                drop(self.settle(error));
            }
        }
    }

    /// The writer, opened again if it was dropped.
    fn writer(&mut self) -> secmon_store::Result<&mut Writer> {
        if self.writer.is_none() {
            self.writer = Some(self.opening.reopen()?);
        }
        self.writer.as_mut().ok_or_else(|| busy("the writer is not open"))
    }

    /// Drops the writer on an error that does not pass: it is resumed from the store.
    fn settle<T>(&mut self, answer: secmon_store::Result<T>) -> Result<T, String> {
        answer.map_err(|error| {
            match &error {
                secmon_store::Error::Busy { reason } => {
                    tracing::warn!("the store is busy: {reason}");
                }
                error => {
                    tracing::error!(%error, "the writer is opened again: {error}");
                    self.writer = None;
                    // Until it has been opened so.
                    self.opening.anew |= matches!(error, secmon_store::Error::Conflict { .. });
                }
            }
            error.to_string()
        })
    }
}

fn busy(reason: &str) -> secmon_store::Error {
    secmon_store::Error::Busy { reason: reason.into() }
}
