//! What counts as a failed attempt to log in, and that sshd's two lines about one attempt count once.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use super::{Detections, Group, Memory, Signal, Signals, Windows};
use crate::event::{Event, Value, fields};
use crate::json::push_int;

/// How many `Invalid user` lines wait for their `Failed` line.
const MOST_WAITING: usize = 20_000;

/// Pushes a failed attempt, if the event is one: a failed `login` or `ssh_login`. Of sshd's lines only
/// `Invalid user` and `Failed password` count; keys that were tried in vain are everyday.
pub(super) fn push_failure(event: &Event, out: &mut Signals) {
    // The rule before has most often asked the same of the same event.
    let (group, value) = out.failure.get_or_insert_with(|| failure(event)).clone();
    out.push_value(group, value, out.repeats());
}

/// The group of a failed attempt, if the event is one, and its value.
fn failure(event: &Event) -> (Option<Group>, Option<Value>) {
    if !matches!(event.action(), Some("ssh_login" | "login")) || event.outcome() != Some("failure")
    {
        return (None, None);
    }
    let kind = match event.text(fields::SSH_EVENT) {
        None => None,
        Some("Invalid") => Some("invalid"),
        Some("Failed")
            if event.text(fields::SSH_METHOD).is_none_or(|method| method == "password") =>
        {
            Some("failed")
        }
        Some(_) => return (None, None),
    };
    let value = kind.map(|kind| {
        let pid = event.get(fields::PROCESS_PID).and_then(Value::as_int).unwrap_or(-1);
        let host = event.host().unwrap_or_default();
        let mut text = String::with_capacity(kind.len() + host.len() + 22);
        text.push_str(kind);
        text.push(' ');
        push_int(&mut text, pid);
        text.push(' ');
        text.push_str(host);
        Value::Text(text)
    });
    (Group::by_source(event), value)
}

/// Failed attempts by group in a sliding window.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Stored")]
pub struct Attempts {
    windows: Windows,
    waiting: Waiting,
}

/// As they are stored: the names that wait, and the order, each as often as it stands there.
#[derive(Deserialize)]
struct Stored {
    windows: Windows,
    waiting: Vec<Box<str>>,
    order: VecDeque<Box<str>>,
}

impl From<Stored> for Attempts {
    fn from(Stored { windows, waiting, order }: Stored) -> Self {
        let mut all = Waiting { order, ..Waiting::default() };
        for key in &all.order {
            all.open.entry(key.clone()).or_default().listed += 1;
        }
        for key in waiting {
            let Some(open) = all.open.get_mut(&key) else { continue };
            if open.waiting < open.listed {
                open.waiting += 1;
                all.count += 1;
            }
        }
        Self { windows, waiting: all }
    }
}

impl Serialize for Attempts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let open = self.waiting.open.iter();
        let mut waiting: Vec<&str> = open
            .flat_map(|(key, open)| std::iter::repeat_n(&**key, open.waiting as usize))
            .collect();
        waiting.sort_unstable();
        let mut all = serializer.serialize_struct("Attempts", 3)?;
        all.serialize_field("windows", &self.windows)?;
        all.serialize_field("waiting", &waiting)?;
        all.serialize_field("order", &self.waiting.order)?;
        all.end()
    }
}

/// `Invalid user` lines (process and group) whose `Failed` line has not come yet. Where a log has no process ids several
/// of one group can wait under one name.
#[derive(Debug, Default)]
struct Waiting {
    open: HashMap<Box<str>, Open>,
    /// All of them as they came, those whose `Failed` line came since included.
    order: VecDeque<Box<str>>,
    /// How many wait in all.
    count: usize,
}

/// How often a name is in the order, and how many of these still wait.
#[derive(Debug, Default)]
struct Open {
    listed: u32,
    waiting: u32,
}

impl Waiting {
    fn add(&mut self, key: Box<str>) {
        let open = self.open.entry(key.clone()).or_default();
        open.listed += 1;
        open.waiting += 1;
        self.count += 1;
        self.order.push_back(key);
        while self.order.len() > MOST_WAITING
            && let Some(oldest) = self.order.pop_front()
        {
            let Some(open) = self.open.get_mut(&oldest) else { continue };
            open.listed -= 1;
            if open.waiting > open.listed {
                open.waiting -= 1;
                self.count -= 1;
            }
            if open.listed == 0 {
                self.open.remove(&oldest);
            }
        }
    }

    /// Whether one waited, and waits no more.
    fn take(&mut self, key: &str) -> bool {
        let Some(open) = self.open.get_mut(key).filter(|open| open.waiting > 0) else {
            return false;
        };
        open.waiting -= 1;
        self.count -= 1;
        true
    }
}

impl Attempts {
    /// What grows: the lines that wait are few.
    pub(super) fn memory(&mut self) -> &mut dyn Memory {
        &mut self.windows
    }

    /// Adds an attempt; says the greatest count of any window that holds it, up to `need`. The first
    /// `Failed` line behind an `Invalid user` line of the same process and address adds nothing.
    pub(super) fn add(
        &mut self,
        signal: &Signal,
        within: Duration,
        need: u32,
        out: &mut Detections,
    ) -> u32 {
        let weight = signal.weight.saturating_sub(self.known(signal));
        out.count_as(weight);
        if weight == 0 {
            return 0;
        }
        self.windows.add_weight(signal, weight, within, need)
    }

    /// The attempts in the window before a signal.
    pub(super) fn before(&self, signal: &Signal, within: Duration, need: u32) -> u32 {
        self.windows.count(&signal.group, signal.time.timestamp_micros(), within, need)
    }

    pub(super) fn forget(&mut self, group: &Group) {
        self.windows.forget(group);
    }

    pub(super) fn expire(&mut self, now: DateTime<Utc>, idle: Duration) {
        self.windows.expire(now, idle);
    }

    /// 1 if the attempt was counted by an `Invalid user` line already.
    fn known(&mut self, signal: &Signal) -> u32 {
        let Some(Value::Text(value)) = &signal.value else { return 0 };
        let key = |process: &str| [process, signal.group.as_json()].concat().into_boxed_str();
        if let Some(process) = value.strip_prefix("failed ") {
            return u32::from(self.waiting.count > 0 && self.waiting.take(&key(process)));
        }
        let Some(process) = value.strip_prefix("invalid ") else { return 0 };
        self.waiting.add(key(process));
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_that_waits_is_met_once_and_restarts_change_nothing() {
        let mut all = Attempts::default();
        let waiting = &mut all.waiting;
        for key in ["a", "b", "a", "a"] {
            waiting.add(key.into());
        }
        assert!(waiting.take("a") && !waiting.take("c"));
        let json = serde_json::to_string(&all).unwrap();
        let mut all: Attempts = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&all).unwrap(), json);
        let waiting = &mut all.waiting;
        assert_eq!(waiting.count, 3);
        assert!(waiting.take("a") && waiting.take("a") && !waiting.take("a") && waiting.take("b"));
        assert_eq!(waiting.count, 0);
        // What is too old is forgotten, and of one name the oldest first.
        (0..=MOST_WAITING).for_each(|number| waiting.add(number.to_string().into()));
        assert!(!waiting.take("0") && waiting.take("1"));
        assert_eq!((waiting.order.len(), waiting.count), (MOST_WAITING, MOST_WAITING - 1));
        // As it was stored when a name could wait once.
        let old = r#"{"windows":WINDOWS,"waiting":["a"],"order":["a","b","a"]}"#;
        let windows = serde_json::to_string(&Windows::default()).unwrap();
        let mut old: Attempts = serde_json::from_str(&old.replace("WINDOWS", &windows)).unwrap();
        assert!(old.waiting.take("a") && !old.waiting.take("a") && !old.waiting.take("b"));
    }
}
