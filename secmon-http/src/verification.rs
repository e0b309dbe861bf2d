//! The last verification of the store, and the one that runs.

use std::sync::Mutex;
use std::time::Instant;

use chrono::{DateTime, Utc};
use secmon_core::seal::{Note, Verdict};
use secmon_store::VerifyOptions;

use crate::app::App;
use crate::clock::now;

/// What is known of the store's integrity since the service started.
#[derive(Debug, Default)]
pub(crate) struct Verification(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: bool,
    last: Option<Last>,
}

/// What a verification found.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    pub(crate) at: DateTime<Utc>,
    pub(crate) seconds: f64,
    pub(crate) verdicts: Vec<Verdict>,
}

impl Verification {
    /// Whether one runs, and what the last one found.
    pub(crate) fn state(&self) -> (bool, Option<Last>) {
        let state = self.0.lock();
        state.map_or((false, None), |state| (state.running, state.last.clone()))
    }

    /// Notes that one begins; no, if one runs already.
    fn begin(&self) -> bool {
        self.0.lock().is_ok_and(|mut state| !std::mem::replace(&mut state.running, true))
    }

    fn end(&self, last: Option<Last>) {
        if let Ok(mut state) = self.0.lock() {
            state.running = false;
            state.last = last.or(state.last.take());
        }
    }
}

/// Verifies the whole store, unless a verification runs already: that it does is known at once. Says
/// whether it began, and gives the work, which takes as long as it takes.
pub(crate) fn begin(app: &App) -> Option<impl FnOnce() + Send + 'static> {
    let app = app.clone();
    let is_begun = app.0.verification.begin();
    is_begun.then_some(move || verify(&app))
}

fn verify(app: &App) {
    let started = Instant::now();
    // What lies in the anchor file, the store cannot have changed.
    let anchors = app.0.config.integrity.anchor_file.as_deref();
    let anchors = anchors.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let anchors = Note::parse_all(&anchors).into_iter().filter_map(|(_, note)| note.ok()).collect();
    let options = VerifyOptions { anchors, ..VerifyOptions::default() };
    let last = match app.0.store.verify(&options) {
        Ok(verdicts) => {
            for verdict in &verdicts {
                if let Some(first) = verdict.first() {
                    tracing::error!(stream = %verdict.origin, "verification: {first}");
                }
            }
            Some(Last { at: now(), seconds: started.elapsed().as_secs_f64(), verdicts })
        }
        Err(error) => {
            tracing::error!(%error, "the store could not be verified: {error}");
            None
        }
    };
    app.0.verification.end(last);
}
