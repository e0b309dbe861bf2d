//! Logs of several hosts, made up.

/// What to make up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Normal events.
    pub events: usize,
    /// Hosts.
    pub hosts: usize,
    /// Seed.
    pub seed: u64,
    /// Rule ids.
    pub anomalies: Vec<String>,
    /// The time of the last event.
    pub end: chrono::DateTime<chrono::Utc>,
}

/// The lines.
///
/// # Errors
/// An unknown anomaly.
pub fn lines(_: &Options) -> Result<Vec<String>, String> {
    Ok(Vec::new())
}

/// The configuration.
pub fn config() -> String {
    String::new()
}
