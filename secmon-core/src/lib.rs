//! The pure core of secmon, an embeddable security monitor: log lines, JSON events and host
//! measurements go in; sealed records and incidents come out; and anybody can prove later that nothing
//! was changed.
//!
//! It has no clock, no network, no threads and no database: the time, the keys and the randomness are
//! arguments. With a store it becomes durable (crate `secmon-store`), with a network a service (crate
//! `secmon-http`).
//!
//! ```
//! use secmon_core::{Counters, Ruleset, rules::BruteForce};
//!
//! let now = "2026-11-20T12:00:00Z".parse()?;
//! let ruleset = Ruleset::builder()
//!     .rule("brute_force", BruteForce { failures: 3, ..Default::default() })
//!     .build()?;
//!
//! let line = "Nov 20 11:59:00 web-1 sshd[42]: Failed password for root from 203.0.113.7 port 51234 ssh2";
//! let mut counters = Counters::new(&ruleset);
//! for (seq, prepared) in (0..).zip(ruleset.prepare_lines([line; 3], now)) {
//!     counters.event("auth.log", seq, &prepared);
//! }
//! let incident = &counters.incidents()[0];
//! assert_eq!((incident.rule.as_str(), incident.count), ("brute_force", 3));
//! assert_eq!(incident.group.as_json(), r#"{"source.ip":"203.0.113.7"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The words
//!
//! - **event**: one thing that happened, parsed; its fields have ECS names ([`Event`]).
//! - **record**: an event sealed at an index of a stream ([`Record`]).
//! - **stream**: the append-only sequence of records of one writer, named by its **origin**.
//! - **checkpoint**: origin, size and root of a stream, signed ([`seal::Checkpoint`]).
//! - **rule**: id, kind and settings ([`ActiveRule`]); a **kind** is its code ([`rules::Rule`]).
//! - **signal**: a rule's stateless answer to one event: this counts ([`rules::Signal`]).
//! - **detection**: a rule fired ([`Detection`]).
//! - **incident**: detections of one rule and group, folded over time ([`Incident`]).
//! - **token**: stands for a personal value in the privacy mode ([`privacy::Token`]).
//! - **probe**: reads the host; a round of probes is a metric event ([`probe`]).
//! - **[`Ruleset`]**: rules compiled and shared; prepares events on any thread.
//! - **[`Monitor`]**: seals and counts prepared events; gives a **[`Batch`]** to be committed whole.
//!
//! # A rule of your own
//!
//! Implement [`rules::Rule`]: settings are plain data, memory is apart, and the two halves are separate.
//!
//! # Checking a stream
//!
//! [`seal::Verifier`] walks records and checkpoints with the public key alone; with K_0 it checks every
//! MAC too. The bytes are in [`_documentation::format`], what is found of which attack in
//! [`_documentation::threats`].
//!
//! # Features
//!
//! - `probe` (default): processor, memory, disks and users of the own host; brings `sysinfo`.
//! - `sigma` (default): the [Sigma engine](sigma).
//!
//! # What it does not do
//!
//! Capture packets, read EVTX files, trace the kernel, or guess with a model that nobody can explain.

mod batch;
mod count;
mod error;
mod event;
mod group;
mod hex;
mod incident;
mod json;
mod monitor;
pub mod parse;
mod place;
pub mod privacy;
#[cfg(feature = "probe")]
pub mod probe;
pub mod rules;
mod ruleset;
pub mod seal;
#[cfg(feature = "sigma")]
pub mod sigma;
mod span;
mod token;
mod window;
mod work;

pub use self::batch::{Announcement, Batch, Record, SignalLog, Step, When};
pub use self::count::{Counters, RuleState};
pub use self::error::{Error, Result};
pub use self::event::{Event, Field, Level, Name, Sources, Value, fields};
pub use self::group::Group;
pub use self::hex::hex;
pub use self::incident::{Change, ChangeKind, Detection, Incident, State};
pub use self::monitor::{Monitor, event_of, event_with};
pub use self::place::Place;
pub use self::ruleset::{ActiveRule, Builder, Glance, Prepared, Ruleset};
pub use self::span::parse_span;

/// Documents of some length.
pub mod _documentation {
    #[doc = include_str!("../docs/format.md")]
    pub mod format {}
    #[doc = include_str!("../docs/threats.md")]
    pub mod threats {}
}
