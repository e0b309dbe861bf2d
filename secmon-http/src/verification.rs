//! The last verification of the store, and the one that runs.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use chrono::{DateTime, Utc};
use secmon_core::seal::{Note, Verdict, WitnessVkey};
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
    alarms: BTreeSet<String>,
}

/// Alarms beyond these say no more.
const MOST_ALARMS: usize = 20;

/// What a verification found.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    pub(crate) at: DateTime<Utc>,
    pub(crate) seconds: f64,
    pub(crate) verdicts: Vec<Verdict>,
    /// Why the store, or the anchor file, could not be read.
    pub(crate) errors: Vec<String>,
}

impl Last {
    /// Whether all was looked at, and nothing is wrong.
    pub(crate) fn is_ok(&self) -> bool {
        self.errors.is_empty() && self.verdicts.iter().all(Verdict::is_ok)
    }
}

impl Verification {
    /// Whether one runs, and what the last one found.
    pub(crate) fn state(&self) -> (bool, Option<Last>) {
        let state = self.0.lock();
        state.map_or((false, None), |state| (state.running, state.last.clone()))
    }

    /// Notes what somebody outside has proved against this store; it stays until the service ends.
    pub(crate) fn alarm(&self, alarm: String) {
        tracing::error!("{alarm}");
        if let Ok(mut state) = self.0.lock()
            && state.alarms.len() < MOST_ALARMS
        {
            state.alarms.insert(alarm);
        }
    }

    /// What was proved so.
    pub(crate) fn alarms(&self) -> Vec<String> {
        self.0.lock().map(|state| state.alarms.iter().cloned().collect()).unwrap_or_default()
    }

    /// Notes that one begins; no, if one runs already.
    fn begin(&self) -> bool {
        self.0.lock().is_ok_and(|mut state| !std::mem::replace(&mut state.running, true))
    }

    fn end(&self, last: Last) {
        if let Ok(mut state) = self.0.lock() {
            state.running = false;
            state.last = Some(last);
        }
    }
}

/// Verifies the whole store, unless a verification runs already: that it does is known at once. Says
/// whether it began, and gives the work, which takes as long as it takes.
pub(crate) fn begin(app: &App) -> Option<impl FnOnce() + Send + 'static> {
    let app = app.clone();
    let is_begun = app.0.verification.begin();
    is_begun.then_some(move || {
        let started = Instant::now();
        // A verification that could not be made must never look like the sound one before it.
        let work = std::panic::AssertUnwindSafe(|| verify(&app));
        let (verdicts, errors) = std::panic::catch_unwind(work)
            .unwrap_or_else(|_| (Vec::new(), vec!["verification ended unexpectedly".into()]));
        for verdict in &verdicts {
            if let Some(first) = verdict.first() {
                tracing::error!(stream = %verdict.origin, "verification: {first}");
            }
        }
        for error in &errors {
            tracing::error!("verification: {error}");
        }
        let seconds = started.elapsed().as_secs_f64();
        app.0.verification.end(Last { at: now(), seconds, verdicts, errors });
    })
}

fn verify(app: &App) -> (Vec<Verdict>, Vec<String>) {
    let mut errors = Vec::new();
    // What lies in the anchor file, the store cannot have changed.
    let anchors = match app.0.config.integrity.anchor_file.as_deref().map(|path| kept(app, path)) {
        Some(Ok((notes, bad))) => {
            errors.extend((bad > 0).then(|| {
                format!("{bad} checkpoints in the anchor file cannot be read; look who wrote there")
            }));
            notes
        }
        Some(Err(error)) => {
            errors.push(error);
            Vec::new()
        }
        None => Vec::new(),
    };
    match cosignatures(app) {
        Ok(wrong) => errors.extend(wrong),
        Err(error) => errors.push(format!("the cosignatures could not be checked: {error}")),
    }
    let options = VerifyOptions { anchors, ..VerifyOptions::default() };
    match app.0.store.verify(&options) {
        Ok(verdicts) => (verdicts, errors),
        Err(error) => {
            errors.push(format!("the store could not be verified: {error}"));
            (Vec::new(), errors)
        }
    }
}

/// What is wrong with what witnesses cosigned: none of it can be made again without their keys, so the
/// checkpoints that they saw must still be there. The stream goes on from these, as the walk shows.
fn cosignatures(app: &App) -> secmon_store::Result<Vec<String>> {
    let store = &app.0.store;
    let mut wrong = Vec::new();
    for anchor in store.anchors()?.iter().filter(|anchor| anchor.kind == "witness") {
        let witnesses = &app.0.config.integrity.witnesses;
        let witness = witnesses.iter().find(|witness| witness.url == anchor.place);
        let vkey = witness.and_then(|witness| witness.vkey.parse::<WitnessVkey>().ok());
        // What it signed with another key, or what was pruned since, cannot be compared.
        let Some(vkey) = vkey.filter(|vkey| vkey.is_named_in(&anchor.evidence)) else { continue };
        if store.stream(&anchor.stream)?.pruned_to() >= anchor.size {
            continue;
        }
        let row = store.checkpoint_at(&anchor.stream, anchor.size)?;
        let note = row.and_then(|row| Note::parse(&row.note).ok());
        if note.and_then(|note| vkey.cosigned(&note, &anchor.evidence)).is_none() {
            wrong.push(format!(
                "the witness at {} cosigned {} records of stream {}, and the checkpoint here is not the one \
                 that it saw",
                anchor.place, anchor.size, anchor.stream
            ));
        }
    }
    Ok(wrong)
}

/// The checkpoints of the anchor file, and how many of them cannot be read. It must be there once something was
/// put into it.
fn kept(app: &App, path: &Path) -> Result<(Vec<Note>, usize), String> {
    let failed = |error: String| format!("the anchor file `{}`: {error}", path.display());
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let anchors = app.0.store.anchors().map_err(|error| failed(error.to_string()))?;
            let place = path.display().to_string();
            let was_there =
                anchors.iter().any(|anchor| anchor.kind == "file" && anchor.place == place);
            let gone = failed("it is gone, though checkpoints were put there".into());
            return if was_there { Err(gone) } else { Ok((Vec::new(), 0)) };
        }
        Err(error) => return Err(failed(error.to_string())),
    };
    let all = Note::parse_all(&String::from_utf8_lossy(&bytes));
    let count = all.len();
    let notes: Vec<Note> = all.into_iter().filter_map(|(_, note)| note.ok()).collect();
    let bad = count - notes.len();
    Ok((notes, bad))
}
