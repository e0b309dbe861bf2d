//! Backups by the clock.

use std::time::Duration;

use crate::app::App;
use crate::backup::{BackupTarget, back_up, passphrase};
use crate::clock::now;

pub(super) async fn run(app: App) {
    let config = app.0.config.backup.clone();
    let target = match (&config.folder, &config.command) {
        (Some(folder), _) => BackupTarget::Folder(folder.clone(), config.keep),
        (None, Some(command)) => BackupTarget::Command(command.clone()),
        (None, None) => return,
    };
    let mut clock = tokio::time::interval(config.every);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Not at once: a service that starts again and again would do nothing else.
    tokio::time::sleep(config.every.min(Duration::from_mins(5))).await;
    loop {
        clock.tick().await;
        let (store, target, config) = (app.0.store.clone(), target.clone(), config.clone());
        let made = tokio::task::spawn_blocking(move || {
            let secret = config.passphrase_file.as_deref().map(passphrase).transpose()?;
            back_up(
                &store,
                &target,
                secret.as_ref().map(|secret| secret.as_str()),
                config.verify,
                now(),
                |_| {},
            )
        });
        match made.await {
            Ok(Ok(backup)) => {
                let streams = backup.header.streams.len();
                let place = backup.file.map(|file| format!(" in `{}`", file.display()));
                tracing::info!(
                    "a backup of {streams} stream(s) was made{}",
                    place.unwrap_or_default()
                );
            }
            Ok(Err(error)) => tracing::error!("no backup was made: {error}"),
            Err(_) => return,
        }
    }
}
