//! The five levels.

use std::fmt;
use std::str::FromStr;

/// How grave something is: Sigma's five levels, from harmless to critical.
///
/// ```
/// use secmon_core::Level;
/// assert!(Level::High > Level::Medium);
/// assert_eq!("high".parse::<Level>()?, Level::High);
/// # Ok::<(), secmon_core::Error>(())
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    serde::Deserialize,
    serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth keeping.
    #[default]
    Informational,
    /// Worth a look some day.
    Low,
    /// Worth a look.
    Medium,
    /// Look today.
    High,
    /// Look now.
    Critical,
}

impl Level {
    /// All of them, rising.
    pub const ALL: [Self; 5] =
        [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The Sigma word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Its place from 0 (informational) to 4 (critical), as stores index it.
    pub fn rank(self) -> i32 {
        self as i32
    }

    /// The level of a rank, if there is one.
    pub fn from_rank(rank: i32) -> Option<Self> {
        Self::ALL.get(usize::try_from(rank).ok()?).copied()
    }

    /// The level of a syslog severity (RFC 5424 table 2: 0 emergency to 7 debug).
    pub fn from_syslog(severity: i64) -> Self {
        match severity {
            ..=2 => Self::Critical,
            3 => Self::High,
            4 => Self::Medium,
            5 => Self::Low,
            _ => Self::Informational,
        }
    }

    /// The level that a program's own word means (`WARN`, `error`, `crit`, ...), if it is known.
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase();
        Some(match word.as_str() {
            "critical" | "crit" | "fatal" | "alert" | "emerg" | "emergency" | "panic" => {
                Self::Critical
            }
            "high" | "error" | "err" | "severe" => Self::High,
            "medium" | "warning" | "warn" => Self::Medium,
            "low" | "notice" => Self::Low,
            "informational" | "info" | "information" | "debug" | "trace" | "verbose" => {
                Self::Informational
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Level {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or_else(|| {
            crate::Error::Unknown {
                what: "level",
                name: text.into(),
                known: Self::ALL.map(Self::as_str).join(", "),
            }
        })
    }
}
