//! Somebody tries what is not theirs: refused `sudo`, failed `su`, bursts of refused web requests.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{About, Detections, Group, Input, Memory, Rule, Signals, Windows};
use crate::event::{Event, Level, Value, fields};
use crate::span;

/// A refused `sudo` or failed `su` at once; 401 and 403 answers when one source collects many.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnauthorizedAccess {
    /// How many 401 and 403 answers to one source are too many.
    pub requests: u32,
    /// The length of their window.
    #[serde(with = "span")]
    pub within: Duration,
}

impl Default for UnauthorizedAccess {
    fn default() -> Self {
        Self { requests: 20, within: Duration::from_mins(1) }
    }
}

impl Rule for UnauthorizedAccess {
    const KIND: &'static str = "unauthorized_access";
    const ABOUT: About<'static> = About {
        title: "Unauthorized access was tried",
        level: Level::Medium,
        technique: "T1548",
        description: "sudo or su was refused, or one address collects answers 401 and 403.",
        advice: "Ask the user whether it was them; if not, treat the account as stolen.",
    };
    type State = Windows;

    fn signals(&self, event: &Event, out: &mut Signals) {
        let group = || {
            Group::by_source(event)
                .or_else(|| Group::of(event, &[fields::HOST_NAME, fields::USER_NAME]))
                .or_else(|| Group::of(event, &[fields::USER_NAME]))
        };
        if matches!(event.action(), Some("sudo" | "su")) {
            if event.outcome() == Some("failure") {
                out.push_value(group(), Some("refused".into()), out.repeats());
            }
        } else if let Some(status) = event.get(fields::HTTP_RESPONSE_STATUS_CODE)
            && matches!(status.as_int(), Some(401 | 403))
        {
            out.push(group());
        }
    }

    fn count(&self, state: &mut Windows, input: Input<'_>, out: &mut Detections) {
        match input {
            Input::Signal(signal) => {
                let refused = signal.value == Some(Value::from("refused"));
                if refused || state.add(signal, self.within, self.requests) >= self.requests {
                    out.push(signal, Self::ABOUT.level);
                }
            }
            Input::Tick(now) => state.expire(now, self.horizon()),
        }
    }

    fn memory<'s>(&self, state: &'s mut Windows) -> Option<&'s mut dyn Memory> {
        Some(state)
    }

    fn horizon(&self) -> Duration {
        self.within * 2
    }

    fn check(&self) -> Result<(), String> {
        if self.requests == 0 {
            return Err("`requests` must be at least 1".into());
        }
        if self.requests > 1 { span::not_zero("within", self.within) } else { Ok(()) }
    }
}
