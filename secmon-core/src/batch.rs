//! What a [`Monitor`](crate::Monitor) is asked for, and the [`Batch`] that it gives: what must be committed
//! as one.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::event::{Event, Level, Value, fields};
use crate::group::Group;
use crate::incident::{Change, ChangeKind, Detection};
use crate::place::Place;
use crate::privacy::Personal;
use crate::rules::Signal;
use crate::ruleset::Prepared;
use crate::seal::{Checkpoint, Claim, Head};

/// What a [`Monitor`](crate::Monitor) is asked to do in one batch, in this order.
#[derive(Debug, Default)]
pub struct Step {
    /// What the writer itself says.
    pub announce: Vec<Announcement>,
    /// What the rules of other writers were told, each with the number of its stream: counted before the events.
    pub others: Vec<(i64, SignalLog)>,
    /// Events to seal and count.
    pub events: Vec<Prepared>,
    /// Whether time passes for the rules; it does before each checkpoint.
    pub tick: bool,
    /// Whether a checkpoint ends the batch.
    pub checkpoint: When,
    /// The secret of the next signing key, when the key rotates: a checkpoint ends the batch then.
    pub rotate: Option<Zeroizing<[u8; 32]>>,
}

/// What the writer itself says: a record of a category of its own (`secmon.*`).
#[derive(Clone, Debug)]
pub struct Announcement {
    /// The category.
    pub category: &'static str,
    /// What is said, for readers.
    pub event: Event,
    /// What is said to whoever verifies the stream.
    pub claim: Option<Claim>,
}

impl Announcement {
    /// One of this category, with an action in words of ECS, that claims nothing.
    pub fn new(category: &'static str, action: &str, now: DateTime<Utc>) -> Self {
        let mut event = Event::new(now);
        event.set(fields::EVENT_KIND, "state");
        event.set(fields::EVENT_ACTION, action);
        Self { category, event, claim: None }
    }

    /// One that claims something, in the category of that.
    pub fn of(claim: Claim, action: &str, now: DateTime<Utc>) -> Self {
        let announcement = Self::new(claim.category(), action, now);
        Self { claim: Some(claim), ..announcement }
    }
}

/// When a checkpoint ends a batch.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum When {
    /// Not now.
    #[default]
    Never,
    /// If an incident of level high or more opened or rose in it.
    OnHighIncident,
    /// In any case.
    Always,
}

/// What one commit must hold, whole or not at all.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The records, in their order.
    pub records: Vec<Record>,
    /// The places of the records of the events that were given, in the order of the events.
    pub events: Vec<u64>,
    /// What records of the writer's own say to whoever verifies the stream, with their places.
    pub claims: Vec<(u64, Claim)>,
    /// The personal values that were hidden, with the places of their records.
    pub personal: Vec<(u64, Personal)>,
    /// What the rules were told, for replay.
    pub signals: SignalLog,
    /// Rules that others have and this monitor has not: their signals were not counted.
    pub unknown: BTreeSet<String>,
    /// What the rules found.
    pub detections: Vec<Detection>,
    /// What became of incidents; each incident once, as it is at the end.
    pub changes: Vec<Change>,
    /// The checkpoint, if one ends the batch.
    pub checkpoint: Option<Checkpoint>,
    /// The stream's state behind the batch.
    pub head: Head,
    /// How many batches went into the signal log.
    pub logged: u64,
}

impl Batch {
    /// Whether an incident of level high or more opened or rose in it: its checkpoint should not wait.
    pub fn has_high_incident(&self) -> bool {
        self.changes.iter().any(is_high)
    }
}

pub(crate) fn is_high(change: &Change) -> bool {
    let news = matches!(change.kind, ChangeKind::Opened | ChangeKind::Raised);
    news && change.incident.level >= Level::High
}

/// A sealed record, with the indexed copies of what its body says.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its index in the stream.
    pub seq: u64,
    /// Time of the event, µs.
    pub time: i64,
    /// When it was sealed, µs.
    pub at: i64,
    /// The day on which it expires, since 1970.
    pub expires: i64,
    /// The event's level.
    pub level: Level,
    /// `event`, or what the writer itself says (`secmon.*`).
    pub category: &'static str,
    /// Text of `host.name`.
    pub host: Option<String>,
    /// Text of `source.ip`.
    pub source_ip: Option<String>,
    /// Text of `user.name`.
    pub user: Option<String>,
    /// Text of `event.action`.
    pub action: Option<String>,
    /// Text of `event.outcome`.
    pub outcome: Option<String>,
    /// The body.
    pub body: String,
    /// Hash of the body as a leaf.
    pub leaf: [u8; 32],
    /// The MAC.
    pub mac: [u8; 32],
}

/// What the rules were told in one batch, for replay.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct SignalLog {
    pub(crate) entries: Vec<Entry>,
}

impl SignalLog {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Entry {
    /// Rule id, record, time, group, value, weight.
    Signal(String, Place, i64, Group, Option<Value>, u32),
    Tick(i64, Place),
}

impl Entry {
    /// The signal for a rule at this place of the ruleset; none for a tick.
    pub(crate) fn signal(&self, rule: u32) -> Option<Signal> {
        let Self::Signal(_, _, time, group, value, weight) = self else { return None };
        let time = DateTime::from_timestamp_micros(*time)?;
        Some(Signal { time, group: group.clone(), value: value.clone(), weight: *weight, rule })
    }
}
