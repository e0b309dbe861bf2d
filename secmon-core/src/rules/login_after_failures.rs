//! A login that succeeds after many that failed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempts::{Attempts, push_failure};
use super::{About, Detections, Group, Input, Memory, Rule, Signals};
use crate::event::{Event, Field, Level, Value, fields};
use crate::span::{self, micros};
use crate::window::{Bounded, Heap};

/// A successful login from a source that failed at least `failures` times shortly before.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoginAfterFailures {
    /// How many failures before make a login suspicious.
    pub failures: u32,
    /// How long before the login they may lie.
    #[serde(with = "span")]
    pub within: Duration,
}

impl Default for LoginAfterFailures {
    fn default() -> Self {
        Self { failures: 5, within: Duration::from_hours(1) }
    }
}

/// Failures by source, and the last login of each that succeeded.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Logins {
    #[serde(flatten)]
    attempts: Attempts,
    #[serde(default)]
    last: Bounded<Login>,
    /// The last of all logins: what comes behind it, as most does, is not late.
    #[serde(default)]
    latest: Option<i64>,
}

/// A login that succeeded, and what is known to have failed before it: more of that may come late.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Login {
    time: i64,
    /// When the one before it succeeded: what failed before that is no matter of this one.
    before: Option<i64>,
    failures: u32,
}

impl Heap for Login {
    fn heap(&self) -> usize {
        0
    }
}

impl Logins {
    /// Whether a failure comes late that belongs before a login. What is further away may have a wrong clock.
    fn is_late(&self, group: &Group, time: i64, within: Duration) -> bool {
        let is_before = |login: &Login| {
            time < login.time && login.time.saturating_sub(time) <= micros(within)
        };
        Some(time) < self.latest && self.last.get(group).is_some_and(is_before)
    }
}

impl Login {
    /// A failure that comes late; says whether it is now known that too many came before.
    fn late(&mut self, time: i64, weight: u32, need: u32) -> bool {
        if self.before.is_some_and(|before| time < before) {
            return false;
        }
        let known = self.failures;
        self.failures = known.saturating_add(weight);
        known < need && self.failures >= need
    }
}

impl Memory for Logins {
    fn bytes(&self) -> usize {
        self.attempts.windows().bytes() + self.last.bytes()
    }

    fn evicted(&self) -> u64 {
        self.attempts.windows().evicted() + self.last.evicted()
    }

    fn evict(&mut self) {
        if self.attempts.windows().bytes() > self.last.bytes() {
            self.attempts.memory().evict();
        } else {
            self.last.evict();
        }
    }
}

impl Rule for LoginAfterFailures {
    const KIND: &'static str = "login_after_failures";
    const ABOUT: About<'static> = About {
        title: "Login succeeded after many failures",
        level: Level::Critical,
        technique: "T1078",
        description: "An address that failed to log in again and again has now succeeded.",
        advice: "Treat the account as stolen: end its sessions, change its password, see what it did.",
    };
    type State = Logins;

    fn signals(&self, event: &Event, out: &mut Signals) {
        push_failure(event, out);
        if matches!(event.action(), Some("ssh_login" | "login")) && event.outcome() == Some("success") {
            out.push_value(Group::by_source(event), Some(Value::from("success")), 1);
        }
    }

    fn count(&self, state: &mut Logins, input: Input<'_>, out: &mut Detections) {
        let signal = match input {
            Input::Signal(signal) => signal,
            Input::Tick(now) => {
                state.attempts.expire(now, self.horizon());
                state.last.expire(now, self.horizon());
                return;
            }
        };
        let time = signal.time.timestamp_micros();
        if signal.value == Some(Value::from("success")) {
            let failures = state.attempts.before(signal, self.within, self.failures);
            if failures >= self.failures {
                out.push(signal, Self::ABOUT.level);
            }
            state.attempts.forget(&signal.group);
            state.latest = state.latest.max(Some(time));
            state.last.update(&signal.group, time, |login| {
                if login.before.is_none() || time >= login.time {
                    *login = Login { time, before: Some(login.time), failures };
                }
            });
        } else {
            let weight = state.attempts.weight(signal, out);
            // Also where it comes late, in its place among the others: the clock of that login may be ahead of this one's.
            state.attempts.add_weight(signal, weight, self.within, self.failures);
            let late = |login: &mut Login| login.late(time, weight, self.failures);
            if state.is_late(&signal.group, time, self.within)
                && state.last.update(&signal.group, time, late)
            {
                out.push(signal, Self::ABOUT.level);
            }
        }
    }

    fn needs(&self) -> Option<Field> {
        Some(fields::EVENT_ACTION)
    }

    fn memory<'s>(&self, state: &'s mut Logins) -> Option<&'s mut dyn Memory> {
        Some(state)
    }

    fn horizon(&self) -> Duration {
        self.within * 2
    }

    fn check(&self) -> Result<(), String> {
        if self.failures == 0 {
            return Err("`failures` must be at least 1".into());
        }
        if self.failures > 1 { span::not_zero("within", self.within) } else { Ok(()) }
    }
}
