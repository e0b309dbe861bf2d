//! Rules: what counts, and when enough was counted.
//!
//! A kind of rule has two halves. `signals` is stateless: it says what one event counts for, in which
//! groups, with which weight. `count` is deterministic: signals and ticks are its only input. So events
//! are matched on any thread, and counters can be saved, restored and replayed.

mod attempts;
mod erased;

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::address::Cidr;
pub(crate) use self::erased::{AnyRule, Counter, erase, erase_with};
use self::erased::{Build, build};
use crate::event::{Event, Field, Level, Value};
pub use crate::group::Group;
pub use crate::window::{DistinctWindows, Memory, Windows};
use crate::{Error, Result};

/// Bytes of a rule's id.
pub(crate) const MOST_ID: usize = 200;

builtin! {
    address::Address,
    brute_force::BruteForce,
    login_after_failures::LoginAfterFailures,
    off_hours::OffHours,
    port_scan::PortScan,
    profile::Profile,
    threshold::Threshold,
    unauthorized_access::UnauthorizedAccess,
}

/// A kind of rule: settings that are plain data, and two halves.
///
/// ```
/// use secmon_core::rules::{Detections, Group, Input, Rule, Signals};
/// use secmon_core::{Event, Level, fields};
///
/// /// Fires whenever root logs in.
/// #[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
/// struct RootLogin {}
///
/// impl Rule for RootLogin {
///     const KIND: &'static str = "root_login";
///     type State = ();
///
///     fn signals(&self, event: &Event, out: &mut Signals) {
///         if event.action() == Some("ssh_login") && event.text(fields::USER_NAME) == Some("root") {
///             out.push(Group::of(event, &[fields::HOST_NAME]));
///         }
///     }
///
///     fn count(&self, _: &mut (), input: Input<'_>, out: &mut Detections) {
///         if let Input::Signal(signal) = input {
///             out.push(signal, Level::Medium);
///         }
///     }
/// }
/// ```
pub trait Rule: fmt::Debug + Send + Sync + 'static {
    /// The name of the kind, in snake case.
    const KIND: &'static str;
    /// What the kind says of itself.
    const ABOUT: About<'static> = About::UNKNOWN;
    /// The memory of the second half; `()` for rules without.
    type State: fmt::Debug + Default + Serialize + DeserializeOwned + Send + Sync;

    /// What an event counts for.
    fn signals(&self, event: &Event, out: &mut Signals);

    /// Counts a signal, or lets time pass.
    fn count(&self, state: &mut Self::State, input: Input<'_>, out: &mut Detections);

    /// A field without which no event counts, if there is one: events that lack it are not shown to
    /// the rule.
    fn needs(&self) -> Option<Field> {
        None
    }

    /// How long a signal may matter: counts of groups silent for longer are forgotten.
    fn horizon(&self) -> Duration {
        Duration::ZERO
    }

    /// What grows in the memory: a budget bounds it, and that of all rules together.
    fn memory<'s>(&self, _state: &'s mut Self::State) -> Option<&'s mut dyn Memory> {
        None
    }

    /// Refuses settings that make no sense; the sentence names the field.
    ///
    /// # Errors
    /// What is wrong.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What a kind or a rule says of itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct About<'a> {
    /// A short title.
    pub title: &'a str,
    /// The level of its incidents, unless it says otherwise case by case.
    pub level: Level,
    /// Its MITRE ATT&CK technique.
    pub technique: &'a str,
    /// What it finds.
    pub description: &'a str,
    /// What to do about an incident.
    pub advice: &'a str,
}

impl About<'_> {
    /// Of a kind that says nothing: its title is its name.
    pub const UNKNOWN: About<'static> =
        About { title: "", level: Level::Medium, technique: "", description: "", advice: "" };
}

/// A stateless answer of a rule to one event: this counts, in this group, with this weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// When it happened.
    pub time: DateTime<Utc>,
    /// What it is counted by.
    pub group: Group,
    /// The value that the rule compares or counts, if it has one.
    pub value: Option<Value>,
    /// How many times it counts; 0 for what only ends something.
    pub weight: u32,
    /// The place of its rule in the ruleset.
    pub(crate) rule: u32,
}

impl Signal {
    /// A signal of weight 1 without a value.
    pub fn new(time: DateTime<Utc>, group: Group) -> Self {
        Self { time, group, value: None, weight: 1, rule: 0 }
    }
}

/// Takes the signals of one event.
#[derive(Debug)]
pub struct Signals {
    time: DateTime<Utc>,
    repeats: u32,
    rule: u32,
    /// Group and value of a failed login, once a rule has asked for them.
    failure: Option<(Option<Group>, Option<Value>)>,
    found: Vec<Signal>,
}

impl Signals {
    pub(crate) fn of(event: &Event) -> Self {
        Self::at(event.time, event.repeats())
    }

    /// Of an event at this time, which was repeated so often.
    pub(crate) fn at(time: DateTime<Utc>, repeats: u32) -> Self {
        Self { time, repeats, rule: 0, failure: None, found: Vec::new() }
    }

    /// Sets the rule that pushes from now on.
    pub(crate) fn for_rule(&mut self, rule: u32) {
        self.rule = rule;
    }

    pub(crate) fn into_found(self) -> Vec<Signal> {
        self.found
    }

    /// Counts the event in a group, as often as the event says that it was repeated; nothing if there
    /// is no group.
    pub fn push(&mut self, group: Option<Group>) {
        self.push_value(group, None, self.repeats);
    }

    /// Counts with a value and a weight of its own.
    pub fn push_value(&mut self, group: Option<Group>, value: Option<Value>, weight: u32) {
        let Some(group) = group else { return };
        self.found.push(Signal { time: self.time, group, value, weight, rule: self.rule });
    }

    /// As `push_value` with the event's weight, but once for an event.
    #[cfg(feature = "sigma")]
    pub(crate) fn push_once(&mut self, group: Group, value: Option<Value>) {
        let rule = self.rule;
        let own = self.found.iter().rev().take_while(|signal| signal.rule == rule);
        if !own.into_iter().any(|signal| signal.group == group && signal.value == value) {
            self.push_value(Some(group), value, self.repeats);
        }
    }

    /// How often the event says that it was repeated.
    pub fn repeats(&self) -> u32 {
        self.repeats
    }
}

/// What the second half of a rule is given.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A signal of its own first half.
    Signal(&'a Signal),
    /// Time has passed; ticks never go back.
    Tick(DateTime<Utc>),
}

/// Takes what a rule found.
#[derive(Debug, Default)]
pub struct Detections {
    pub(crate) found: Vec<Found>,
    /// What the signal counts for, where that is not its weight.
    pub(crate) weight: Option<u32>,
}

/// One finding of a rule.
#[derive(Debug)]
pub(crate) enum Found {
    Fired { time: DateTime<Utc>, group: Group, level: Level, reason: Option<String> },
    Recovered { time: DateTime<Utc>, group: Group },
}

impl Detections {
    /// The rule fired, on this signal.
    pub fn push(&mut self, signal: &Signal, level: Level) {
        self.push_at(signal.time, signal.group.clone(), level);
    }

    /// The rule fired, on this signal, for this reason: a sentence on what was expected and what was seen.
    pub fn push_because(&mut self, signal: &Signal, level: Level, reason: String) {
        let (time, group) = (signal.time, signal.group.clone());
        self.found.push(Found::Fired { time, group, level, reason: Some(reason) });
    }

    /// In its incident the signal counts for this, and not for its weight: part of it was counted before.
    pub fn count_as(&mut self, weight: u32) {
        self.weight = Some(weight);
    }

    /// The rule fired for a group because time passed.
    pub fn push_at(&mut self, time: DateTime<Utc>, group: Group, level: Level) {
        self.found.push(Found::Fired { time, group, level, reason: None });
    }

    /// What the rule found in this group has ended by itself.
    pub fn recover(&mut self, time: DateTime<Utc>, group: Group) {
        self.found.push(Found::Recovered { time, group });
    }
}

/// The kinds that are built in, with what they say of themselves.
pub fn kinds() -> impl Iterator<Item = (&'static str, About<'static>)> {
    BUILTIN.iter().map(|(kind, about, _)| (*kind, *about))
}

/// A built-in rule of a kind, with its settings.
pub(crate) fn of_kind(id: &str, kind: &str, settings: serde_json::Value) -> Result<AnyRule> {
    let (_, _, build) =
        BUILTIN.iter().find(|(name, ..)| *name == kind).ok_or_else(|| Error::Unknown {
            what: "rule kind",
            name: kind.into(),
            known: BUILTIN.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", "),
        })?;
    build(id, settings)
}

macro_rules! builtin {
    ($($module:ident::$rule:ident),* $(,)?) => {
        $( mod $module; pub use self::$module::$rule; )*
        const BUILTIN: &[(&str, About<'static>, Build)] =
            &[$((<$rule as Rule>::KIND, <$rule as Rule>::ABOUT, build::<$rule>)),*];
    };
}
use builtin;
