//! What runs beside requests: one job a file, one line here.

mod anchor;
mod backup;
mod directory;
mod follow;
mod probe;
mod search;
mod verify;
mod witness;

use std::future::Future;
use std::pin::Pin;

use crate::app::App;

type Job = fn(App) -> Pin<Box<dyn Future<Output = ()> + Send>>;

const JOBS: &[Job] = &[
    |app| Box::pin(anchor::run(app)),
    |app| Box::pin(backup::run(app)),
    |app| Box::pin(directory::run(app)),
    |app| Box::pin(follow::run(app)),
    |app| Box::pin(probe::run(app)),
    |app| Box::pin(search::run(app)),
    |app| Box::pin(verify::run(app)),
    |app| Box::pin(witness::run(app)),
];

/// Starts all jobs; they end with the runtime.
pub(crate) fn start(app: &App) {
    for job in JOBS {
        tokio::spawn(job(app.clone()));
    }
}
