//! What counts as a failed attempt to log in, and that sshd's two lines about one attempt count once.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Detections, Group, Memory, Signal, Signals, Windows};
use crate::event::{Event, Value, fields};
use crate::json::push_int;

/// How many `Invalid user` lines wait for their `Failed` line.
const MOST_WAITING: usize = 20_000;
/// Bytes of a name that tell attempts apart.
const MOST_NAME: usize = 64;

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
        let pid = event.get(fields::PROCESS_PID).and_then(Value::as_int);
        let host = event.host().unwrap_or_default();
        let mut text = String::with_capacity(kind.len() + host.len() + 22);
        text.push_str(kind);
        text.push(' ');
        push_int(&mut text, pid.unwrap_or(-1));
        text.push(' ');
        text.push_str(host);
        if pid.is_none() {
            // Without processes attempts are told apart by the names that were tried: those of one address come mixed.
            let name = event.text(fields::USER_NAME).unwrap_or_default();
            text.push(' ');
            text.push_str(name.get(..name.floor_char_boundary(MOST_NAME)).unwrap_or_default());
        }
        Value::Text(text)
    });
    (Group::by_source(event), value)
}

/// Failed attempts by group in a sliding window.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Attempts {
    windows: Windows,
    /// `Invalid user` lines (group and process) whose `Failed` line has not come yet.
    waiting: HashSet<Box<str>>,
    order: VecDeque<Box<str>>,
}

impl Attempts {
    /// What grows: the lines that wait are few.
    pub(super) fn memory(&mut self) -> &mut dyn Memory {
        &mut self.windows
    }

    pub(super) fn windows(&self) -> &Windows {
        &self.windows
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
        let weight = self.weight(signal, out);
        self.add_weight(signal, weight, within, need)
    }

    /// As [`Attempts::add`], of what [`Attempts::weight`] has said.
    pub(super) fn add_weight(
        &mut self,
        signal: &Signal,
        weight: u32,
        within: Duration,
        need: u32,
    ) -> u32 {
        if weight == 0 {
            return 0;
        }
        self.windows.add_weight(signal, weight, within, need)
    }

    /// How much of an attempt was not counted by another line.
    pub(super) fn weight(&mut self, signal: &Signal, out: &mut Detections) -> u32 {
        let weight = signal.weight.saturating_sub(self.known(signal));
        out.count_as(weight);
        weight
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
            return u32::from(!self.waiting.is_empty() && self.waiting.remove(&key(process)));
        }
        let Some(process) = value.strip_prefix("invalid ") else { return 0 };
        let key = key(process);
        if self.waiting.insert(key.clone()) {
            self.order.push_back(key);
        }
        while self.order.len() > MOST_WAITING {
            if let Some(oldest) = self.order.pop_front() {
                self.waiting.remove(&oldest);
            }
        }
        0
    }
}
