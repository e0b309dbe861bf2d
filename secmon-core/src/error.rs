//! The one error of the crate.

/// What can go wrong in the core.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key file, vkey or checkpoint does not have the form that it must have.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// What was read, for instance "checkpoint".
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A probe could not read the host.
    #[error("probe `{probe}` failed: {reason}")]
    Probe {
        /// Name of the probe.
        probe: String,
        /// What the system said.
        reason: String,
    },
    /// The settings of a rule do not fit its kind: correct them.
    #[error("settings of rule `{rule}` are wrong: {reason}")]
    Settings {
        /// Id of the rule.
        rule: String,
        /// What is wrong, with the name of the field.
        reason: String,
    },
    /// Saved state does not belong to this rule or version.
    #[error("saved state of rule `{rule}` cannot be read: {reason}")]
    State {
        /// Id of the rule.
        rule: String,
        /// What is wrong.
        reason: String,
    },
    /// Two rules have the same id: give one of them another.
    #[error("rule id `{id}` is used twice")]
    TwiceUsed {
        /// The id.
        id: String,
    },
    /// A name that is in no list; the message says which names there are.
    #[error("unknown {what} `{name}`; known are {known}")]
    Unknown {
        /// What was looked for: rule kind, format, probe, time zone.
        what: &'static str,
        /// The name that was given.
        name: String,
        /// The names that exist.
        known: String,
    },
}

/// `std::result::Result` with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
