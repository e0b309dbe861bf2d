//! Zones of stamps that name none.

use std::str::FromStr;

use chrono::{DateTime, FixedOffset, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};

use super::offset;
use crate::{Error, Result};

/// The zone of stamps that name none: an IANA name (`Europe/Paris`) or an offset (`+02:00`).
///
/// ```
/// use secmon_core::parse::Zone;
/// let zone: Zone = "Europe/Paris".parse()?;
/// assert!("Mars/Olympus".parse::<Zone>().is_err());
/// # Ok::<(), secmon_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Zone(Repr);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Repr {
    Fixed(FixedOffset),
    Named(chrono_tz::Tz),
}

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(Repr::Named(chrono_tz::Tz::UTC));

    /// The instant of a local time. Of two (the hour that clocks repeat) the first; a time that clocks
    /// leap over is read with the offset before the leap.
    pub fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        match self.0 {
            Repr::Named(chrono_tz::Tz::UTC) => local.and_utc(),
            Repr::Fixed(offset) => resolve(&offset, local),
            Repr::Named(zone) => resolve(&zone, local),
        }
    }

    /// The local time of an instant.
    pub fn local(&self, time: DateTime<Utc>) -> NaiveDateTime {
        match self.0 {
            Repr::Fixed(offset) => time.with_timezone(&offset).naive_local(),
            Repr::Named(zone) => time.with_timezone(&zone).naive_local(),
        }
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl std::fmt::Display for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Repr::Fixed(offset) => offset.fmt(f),
            Repr::Named(zone) => f.write_str(zone.name()),
        }
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(zone) = chrono_tz::Tz::from_str(text) {
            return Ok(Self(Repr::Named(zone)));
        }
        offset(text).map(|offset| Self(Repr::Fixed(offset))).ok_or_else(|| Error::Unknown {
            what: "time zone",
            name: text.into(),
            known: "IANA names such as `Europe/Paris` and offsets such as `+02:00`".into(),
        })
    }
}

impl serde::Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn resolve<Z: TimeZone>(zone: &Z, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time.to_utc(),
        LocalResult::None => zone
            .from_local_datetime(&(local - TimeDelta::hours(1)))
            .earliest()
            .map_or_else(|| local.and_utc(), |before| before.to_utc() + TimeDelta::hours(1)),
    }
}
