//! Probes the own host, every minute from the start.

use secmon_core::probe::{Probe, round, select};
use secmon_store::Request;

use crate::app::App;
use crate::clock::now;
use crate::host::host_name;

pub(super) async fn run(app: App) {
    let config = &app.0.config.probe;
    if !config.enabled {
        return;
    }
    let mut probes = match select(&config.names) {
        Ok(probes) => probes,
        Err(error) => {
            tracing::error!(%error, "no probe runs: {error}");
            return;
        }
    };
    let mut clock = tokio::time::interval(config.every);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let Some((event, back)) = read(probes).await else { return };
        probes = back;
        let events = vec![app.ruleset().prepare_event(event)];
        match app.0.writers.store(Request { events, ..Request::default() }).await {
            Ok(_) => app.0.metrics.ingested("probe", 1, 0),
            Err(error) => tracing::warn!(%error, "a probe round was not stored: {error}"),
        }
    }
}

/// One round, on a thread that may block.
async fn read(
    mut probes: Vec<Box<dyn Probe>>,
) -> Option<(secmon_core::Event, Vec<Box<dyn Probe>>)> {
    let round =
        tokio::task::spawn_blocking(move || (round(&mut probes, &host_name(), now()), probes));
    round.await.ok()
}
