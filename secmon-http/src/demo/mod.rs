//! Logs of several invented hosts: a day of normal work, and anomalies on request. Pure and
//! deterministic: the same options give the same lines.
//!
//! Addresses are those set aside for documentation; 192.0.2.0/24 is the inside network.

mod anomalies;
mod normal;
mod random;
mod wire;

use chrono::{DateTime, SubsecRound as _, Utc};

use self::anomalies::ANOMALIES;
use self::random::Random;
use self::wire::Lines;

/// What to make up.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many normal events.
    pub events: usize,
    /// Of how many hosts, at least 1.
    pub hosts: usize,
    /// The same seed gives the same lines.
    pub seed: u64,
    /// Ids of the rules that find the anomalies.
    pub anomalies: Vec<String>,
    /// The end of the day that is made up.
    pub end: DateTime<Utc>,
}

/// The lines, by time.
///
/// ```
/// use secmon_http::demo::{Options, lines};
/// let options = Options {
///     events: 100,
///     hosts: 3,
///     seed: 1,
///     anomalies: vec!["off_hours".into()],
///     end: "2026-11-20T12:00:00Z".parse().unwrap(),
/// };
/// assert_eq!(lines(&options)?.len(), 101);
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// An unknown anomaly; the sentence names those that there are.
pub fn lines(options: &Options) -> Result<Vec<String>, String> {
    // Not every form of line holds fractions: whole seconds keep the lines in order.
    let end = options.end.trunc_subsecs(0);
    let options = &Options { end, ..options.clone() };
    let mut random = Random::new(options.seed);
    let mut lines = Lines::default();
    normal::write(options, &mut random, &mut lines);
    for wanted in &options.anomalies {
        let (_, write) = ANOMALIES.iter().find(|(id, _)| id == wanted).ok_or_else(|| {
            let known: Vec<_> = ANOMALIES.iter().map(|(id, _)| *id).collect();
            format!("unknown anomaly `{wanted}`; known are {}", known.join(", "))
        })?;
        write(options.end, &mut lines);
    }
    Ok(lines.sorted())
}

/// The anomalies that are found only with [`config`].
pub const CONFIGURED: [&str; 2] = ["address", "profile"];

/// The configuration that the anomalies need: the inside network, and whose behaviour is learned. All others
/// are found with defaults.
pub fn config() -> String {
    "# What the anomalies of `secmon demo` need.\n\
     [rules.address]\n\
     allowed = [\"192.0.2.0/24\"]\n\
     [rules.profile]\n\
     by = [\"user.name\"]\n"
        .into()
}
