//! A login that succeeds after many that failed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempts::{Attempts, push_failure};
use super::{About, Detections, Group, Input, Memory, Rule, Signals};
use crate::event::{Event, Field, Level, Value, fields};
use crate::span;

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

impl Rule for LoginAfterFailures {
    const KIND: &'static str = "login_after_failures";
    const ABOUT: About<'static> = About {
        title: "Login succeeded after many failures",
        level: Level::Critical,
        technique: "T1078",
        description: "An address that failed to log in again and again has now succeeded.",
        advice: "Treat the account as stolen: end its sessions, change its password, see what it did.",
    };
    type State = Attempts;

    fn signals(&self, event: &Event, out: &mut Signals) {
        push_failure(event, out);
        if matches!(event.action(), Some("ssh_login" | "login")) && event.outcome() == Some("success") {
            out.push_value(Group::by_source(event), Some(Value::from("success")), 1);
        }
    }

    fn count(&self, state: &mut Attempts, input: Input<'_>, out: &mut Detections) {
        match input {
            Input::Signal(signal) if signal.value == Some(Value::from("success")) => {
                if state.before(signal, self.within, self.failures) >= self.failures {
                    out.push(signal, Self::ABOUT.level);
                }
                state.forget(&signal.group);
            }
            Input::Signal(signal) => {
                state.add(signal, self.within, self.failures, out);
            }
            Input::Tick(now) => state.expire(now, self.horizon()),
        }
    }

    fn needs(&self) -> Option<Field> {
        Some(fields::EVENT_ACTION)
    }

    fn memory<'s>(&self, state: &'s mut Attempts) -> Option<&'s mut dyn Memory> {
        Some(state.memory())
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
