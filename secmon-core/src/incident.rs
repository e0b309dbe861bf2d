//! `Incident`: detections of one rule and group, folded over time.

use std::collections::VecDeque;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::event::{Event, Level, fields};
use crate::group::Group;
use crate::place::Place;
use crate::window::Heap;

/// A rule fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// The same for the same rule, group and place, so that a replay stores nothing twice.
    pub id: u128,
    /// Id of the rule.
    pub rule: String,
    /// Title of the rule.
    pub title: String,
    /// How grave it is.
    pub level: Level,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// In which group.
    pub group: Group,
    /// The record that made it fire.
    pub place: Place,
    /// What was expected and what was seen, where the rule says so.
    pub reason: Option<String>,
}

impl Detection {
    /// The first half of SHA-256 over rule, group, stream and place.
    pub(crate) fn id(rule: &str, group: &Group, stream: &str, seq: u64) -> u128 {
        let hash = Sha256::new_with_prefix(rule)
            .chain_update([0])
            .chain_update(group.as_json())
            .chain_update([0])
            .chain_update(stream)
            .chain_update([0])
            .chain_update(seq.to_be_bytes())
            .finalize();
        hash.first_chunk().map_or(0, |half| u128::from_be_bytes(*half))
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has looked at it.
    #[default]
    Open,
    /// Somebody is on it.
    Acknowledged,
    /// Done, or ended by itself.
    Closed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
        })
    }
}

/// What happens in one group of one rule, as one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Of its first detection.
    pub id: u128,
    /// Id of the rule.
    pub rule: String,
    /// Title of the rule.
    pub title: String,
    /// The gravest of its detections.
    pub level: Level,
    /// Open, acknowledged or closed.
    pub state: State,
    /// The group.
    pub group: Group,
    /// The sum of its signals' weights, those before it opened included.
    pub count: u64,
    /// The first signal.
    pub first: DateTime<Utc>,
    /// The last signal.
    pub last: DateTime<Utc>,
    /// The first ten and the last ten records.
    pub evidence: Vec<Place>,
    /// What was expected and what was seen, where the rule says so: of the detection that opened or raised it.
    pub reason: Option<String>,
}

/// What became of an incident.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChangeKind {
    /// It is new.
    Opened,
    /// Its level rose.
    Raised,
    /// It ended by itself.
    Recovered,
    /// It counts more.
    Updated,
}

impl ChangeKind {
    /// The action under which it is sealed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "incident_opened",
            Self::Raised => "incident_raised",
            Self::Recovered => "incident_recovered",
            Self::Updated => "incident_updated",
        }
    }
}

/// An incident and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What.
    pub kind: ChangeKind,
    /// The incident as it is now.
    pub incident: Incident,
}

impl Change {
    /// The event that is sealed behind its cause.
    pub(crate) fn event(&self) -> Event {
        let Incident { id, rule, title, level, group, count, last, reason, .. } = &self.incident;
        let mut event = Event::new(*last);
        event.level = *level;
        event.set(fields::EVENT_KIND, "alert");
        event.set(fields::EVENT_ACTION, self.kind.as_str());
        event.set(fields::RULE_NAME, title.as_str());
        event.set("rule.id", rule.as_str());
        event.set("secmon.incident.id", format!("{id:032x}"));
        event.set("secmon.incident.count", i64::try_from(*count).unwrap_or(i64::MAX));
        if let Some(reason) = reason {
            event.set("event.reason", reason.as_str());
        }
        for (name, value) in group.pairs() {
            event.set(name, value);
        }
        event
    }
}

/// How many records an incident keeps of its beginning, and how many of its end.
const EVIDENCE: usize = 10;

/// The signals of one group so far, and the incident that they belong to.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) open: Option<(u128, Level)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    head: Vec<Place>,
    tail: VecDeque<Place>,
}

impl Tally {
    pub(crate) fn add(&mut self, time: i64, weight: u32, place: Place) {
        if weight == 0 {
            return;
        }
        self.first = if self.count == 0 { time } else { self.first.min(time) };
        self.last = if self.count == 0 { time } else { self.last.max(time) };
        self.count += u64::from(weight);
        if self.head.len() < EVIDENCE {
            self.head.push(place);
            return;
        }
        if self.tail.len() == EVIDENCE {
            self.tail.pop_front();
        }
        self.tail.push_back(place);
    }

    pub(crate) fn evidence(&self) -> Vec<Place> {
        self.head.iter().chain(&self.tail).copied().collect()
    }

    /// Names the stream of records that were at hand so far.
    pub(crate) fn within(&mut self, stream: i64) {
        for place in self.head.iter_mut().chain(&mut self.tail) {
            *place = place.within(stream);
        }
    }
}

impl Heap for Tally {
    fn heap(&self) -> usize {
        let reason = self.reason.as_ref().map_or(0, String::len);
        (self.head.len() + self.tail.len()) * size_of::<Place>() + reason
    }

    fn held(&self) -> bool {
        self.open.is_some()
    }
}
