//! Rules are read again while the service runs.

use secmon_core::Ruleset;

use crate::app::App;
use crate::config::Config;

/// Why rules were not read again: those in use stay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    #[error("{0}")]
    Config(String),
    #[error(transparent)]
    Store(#[from] secmon_store::Error),
}

impl App {
    /// Reads rules, pipelines and filters again, those that the configuration names now, and takes them into
    /// use between two batches. Nothing else of the configuration is read again.
    pub(crate) async fn reload(&self) -> Result<Ruleset, ReloadError> {
        let before = self.0.config.clone();
        let read = move || -> Result<Ruleset, String> {
            let config = match &before.file {
                Some(file) => Config::load(Some(file))?,
                None => before,
            };
            config.ruleset()
        };
        let read = tokio::task::spawn_blocking(read).await;
        let ruleset = read.map_err(|error| ReloadError::Config(error.to_string()))?;
        let ruleset = ruleset.map_err(ReloadError::Config)?;
        let answer = self.0.queue.set_rules(ruleset.clone()).await;
        // Whatever the store says: the writer has them, and matches again what comes with others.
        self.0.rules.set(ruleset.clone());
        answer?;
        tracing::info!("{} rules are in use", ruleset.rules().count());
        Ok(ruleset)
    }

    /// As [`App::reload`] for a signal: what is wrong is logged.
    pub async fn reload_or_warn(&self) {
        if let Err(error) = self.reload().await {
            tracing::error!("the rules stay as they are: {error}");
        }
    }
}
