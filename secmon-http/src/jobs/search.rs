//! Makes the filters of text search, behind what is appended.

use std::time::{Duration, Instant};

use crate::app::App;

/// How often it looks for what is missing; and how long it works at once, with as long a rest behind it.
const PAUSE: Duration = Duration::from_secs(2);
const WORK: Duration = Duration::from_millis(500);

pub(super) async fn run(app: App) {
    loop {
        // Of services that share a database the one that counts does it for all.
        let more = if app.0.metrics.counts() { work(&app).await } else { Some(false) };
        match more {
            Some(true) => tokio::time::sleep(WORK).await,
            Some(false) => tokio::time::sleep(PAUSE).await,
            None => return,
        }
    }
}

/// Works for a while; says whether there is more to do, and nothing once the runtime ends.
async fn work(app: &App) -> Option<bool> {
    let store = app.0.store.clone();
    let worked = tokio::task::spawn_blocking(move || {
        let begun = Instant::now();
        while begun.elapsed() < WORK {
            match store.index_text() {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) => {
                    tracing::warn!("text search is not made ready: {error}");
                    return false;
                }
            }
        }
        true
    });
    worked.await.ok()
}
