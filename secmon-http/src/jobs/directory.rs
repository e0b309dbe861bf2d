//! The directory stream: lists the checkpoints of all other streams of the store every ten seconds.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secmon_core::Ruleset;
use secmon_store::{DIRECTORY, Writer};

use crate::app::App;
use crate::clock::now;

/// How often it does what is due.
const PAUSE: Duration = Duration::from_secs(1);
const EVERY: TimeDelta = TimeDelta::seconds(10);
/// How often old lists are looked for: four blocks of them hold a month.
const PRUNE_EVERY: TimeDelta = TimeDelta::hours(1);

/// The writer of the directory, and when it listed streams last.
#[derive(Default)]
struct Directory {
    writer: Option<Writer>,
    listed_at: Option<DateTime<Utc>>,
    pruned_at: Option<DateTime<Utc>>,
}

pub(super) async fn run(app: App) {
    if !app.0.config.integrity.directory {
        return;
    }
    let mut clock = tokio::time::interval(PAUSE);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut directory = Directory::default();
    loop {
        clock.tick().await;
        let app = app.clone();
        let round = tokio::task::spawn_blocking(move || {
            if let Err(error) = directory.round(&app) {
                tracing::error!(%error, "the directory of streams is opened again: {error}");
                directory.writer = None;
            }
            directory
        });
        let Ok(back) = round.await else { return };
        directory = back;
    }
}

impl Directory {
    fn round(&mut self, app: &App) -> secmon_store::Result<()> {
        let now = now();
        // Of services that share a database the one that counts lists for all.
        if !app.0.metrics.counts() {
            return self.writer.take().map_or(Ok(()), |writer| writer.close(now));
        }
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => open(app, now)?,
        };
        match writer.maintain(now) {
            Err(secmon_store::Error::Busy { reason }) => {
                tracing::warn!("the store is busy: {reason}");
            }
            Err(error) => return Err(error),
            Ok(()) if self.listed_at.is_none_or(|at| now - at >= EVERY) => {
                self.listed_at = Some(now);
                writer.list_streams(now)?;
                if self.pruned_at.is_none_or(|at| now - at >= PRUNE_EVERY) {
                    self.pruned_at = Some(now);
                    writer.prune(now)?;
                }
            }
            Ok(()) => {}
        }
        for warning in writer.take_warnings() {
            app.0.verification.alarm(warning);
        }
        self.writer = Some(writer);
        Ok(())
    }
}

fn open(app: &App, now: DateTime<Utc>) -> secmon_store::Result<Writer> {
    let config = &app.0.config;
    let mut writer = app.0.store.writer_in(&config.cluster, DIRECTORY, Ruleset::empty(), now)?;
    writer.set_retention(config.retention.retention());
    if writer.take_begun().is_some() && config.integrity.auditor.is_none() {
        tracing::info!(
            "K_0 of the directory stream is kept by nobody: MACs cannot be checked; configure `integrity.auditor`"
        );
    }
    for warning in writer.take_warnings() {
        tracing::warn!("{warning}");
    }
    Ok(writer)
}
