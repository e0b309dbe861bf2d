//! Rules are read again while the service runs.

use secmon_core::Ruleset;

use crate::app::App;
use crate::config::Config;
use crate::error::Error;

/// What was read.
pub(crate) struct Reloaded {
    pub(crate) ruleset: Ruleset,
    /// What is wrong with Sigma rules: those that were refused are out of use.
    pub(crate) problems: Vec<String>,
}

impl App {
    /// Reads rules, pipelines and filters again, those that the configuration names now, and takes them into
    /// use between two batches. Nothing else of the configuration is read again. On a mistake of the
    /// configuration the rules stay as they are.
    pub(crate) async fn reload(&self) -> Result<Reloaded, Error> {
        // One after the other: else an older set could come last.
        let _turn = self.0.reloading.lock().await;
        let before = self.0.config.clone();
        let read = tokio::task::spawn_blocking(move || read(before)).await;
        let read = read.map_err(|error| Error::busy(error.to_string()))?;
        let reloaded = read.map_err(Error::unprocessable)?;
        for problem in &reloaded.problems {
            tracing::warn!("{problem}");
        }
        self.0.writers.set_rules(reloaded.ruleset.clone(), &self.0.rules).await?;
        tracing::info!("{} rules are in use", reloaded.ruleset.rules().count());
        Ok(reloaded)
    }

    /// As by `POST /api/v1/rules/reload`, for a signal: what is wrong is logged.
    pub async fn reload_or_warn(&self) {
        if let Err(error) = self.reload().await {
            tracing::error!("the rules stay as they are: {}", error.detail());
        }
    }
}

fn read(before: Config) -> Result<Reloaded, String> {
    let config = match &before.file {
        Some(file) => Config::load(Some(file))?,
        None => before,
    };
    let mut problems = Vec::new();
    let ruleset = config.timed_rules(&mut |problem| problems.push(problem.to_string()))?;
    Ok(Reloaded { ruleset, problems })
}
