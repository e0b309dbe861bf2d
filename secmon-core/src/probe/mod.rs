//! Probes: read the own host; one round of all is one metric event.
//!
//! A probe is the only part of the crate that does I/O, and only when it is called.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::event::{Event, Name, Value, fields};
use crate::{Error, Result};

probes! {
    cpu::Cpu,
    disk::Disk,
    memory::Memory,
    users::Users,
}

/// The action of metric events.
pub const ACTION: &str = "probe_round";

/// Reads values of the host.
///
/// ```
/// use secmon_core::probe::{Probe, Values};
///
/// #[derive(Debug, Default)]
/// struct Answer;
///
/// impl Probe for Answer {
///     fn name(&self) -> &'static str {
///         "answer"
///     }
///     fn read(&mut self) -> secmon_core::Result<Values> {
///         Ok(vec![("app.answer".into(), 42.into())])
///     }
/// }
/// ```
pub trait Probe: fmt::Debug + Send {
    /// Its name, for the command line and the configuration.
    fn name(&self) -> &'static str;

    /// Reads the host now.
    fn read(&mut self) -> Result<Values>;
}

/// Names and values, as fields of a metric event.
pub type Values = Vec<(Name, Value)>;

/// The names of the built-in probes.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name)
}

/// Built-in probes by name; all of them for no names.
pub fn select(wanted: &[String]) -> Result<Vec<Box<dyn Probe>>> {
    if let Some(unknown) = wanted.iter().find(|name| !names().any(|known| known == *name)) {
        return Err(Error::Unknown {
            what: "probe",
            name: unknown.clone(),
            known: names().collect::<Vec<_>>().join(", "),
        });
    }
    let chosen =
        BUILTIN.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name));
    Ok(chosen.map(|(_, build)| build()).collect())
}

/// One round of probes as a metric event of a host. A probe that fails is said in `error.message`.
pub fn round(probes: &mut [Box<dyn Probe>], host: &str, now: DateTime<Utc>) -> Event {
    let mut event = Event::new(now);
    event.set(fields::EVENT_KIND, "metric");
    event.set(fields::EVENT_ACTION, ACTION);
    event.set(fields::HOST_NAME, host);
    let mut failures = Vec::new();
    for probe in probes {
        match probe.read() {
            Ok(values) => values.into_iter().for_each(|(name, value)| event.set(name, value)),
            Err(error) => failures.push(error.to_string()),
        }
    }
    if !failures.is_empty() {
        event.set(fields::ERROR_MESSAGE, failures.join("; "));
    }
    event
}

macro_rules! probes {
    ($($module:ident::$probe:ident),* $(,)?) => {
        $( mod $module; pub use self::$module::$probe; )*
        type Build = fn() -> Box<dyn Probe>;
        const BUILTIN: &[(&str, Build)] =
            &[$((stringify!($module), || Box::new($probe::default()))),*];
    };
}
use probes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_reads_this_host() {
        let mut probes = select(&[]).unwrap();
        let event = round(&mut probes, "web-1", DateTime::UNIX_EPOCH);
        assert_eq!(event.get(fields::ERROR_MESSAGE), None);
        for name in ["host.cpu.usage", "system.memory.used.pct"] {
            let percent = event.find(name).and_then(Value::as_number).unwrap();
            assert!((0.0..=100.0).contains(&percent), "{name} {percent}");
        }
        let mounts = event.find("system.filesystem.mount_point").unwrap().each().len();
        assert_eq!(event.get(fields::DISK_USED_PCT).unwrap().each().len(), mounts);
        assert!(event.find("system.accounts.names").is_some());
        assert!(select(&["x".into()]).is_err());
    }
}
