//! Many failed logins from one source.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempts::{Attempts, push_failure};
use super::{About, Detections, Input, Memory, Rule, Signals};
use crate::event::{Event, Field, Level, fields};
use crate::span;

/// At least `failures` failed logins from one source within a sliding window.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BruteForce {
    /// How many failures are too many.
    pub failures: u32,
    /// The length of the window.
    #[serde(with = "span")]
    pub within: Duration,
}

impl Default for BruteForce {
    fn default() -> Self {
        Self { failures: 5, within: Duration::from_mins(10) }
    }
}

impl Rule for BruteForce {
    const KIND: &'static str = "brute_force";
    const ABOUT: About<'static> = About {
        title: "Brute force: many failed logins from one source",
        level: Level::High,
        technique: "T1110",
        description: "One address fails to log in again and again within ten minutes.",
        advice: "Block the address, see whether a login from it succeeded, and allow SSH by key only.",
    };
    type State = Attempts;

    fn signals(&self, event: &Event, out: &mut Signals) {
        push_failure(event, out);
    }

    fn count(&self, state: &mut Attempts, input: Input<'_>, out: &mut Detections) {
        match input {
            Input::Signal(signal) => {
                if state.add(signal, self.within, self.failures, out) >= self.failures {
                    out.push(signal, Self::ABOUT.level);
                }
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::event::fields;
    use crate::rules::Signal;

    fn attempt(second: i64, ssh: Option<(&str, i64)>) -> Event {
        let mut event = Event::new(DateTime::from_timestamp(second, 0).unwrap());
        event.set(fields::EVENT_ACTION, "ssh_login");
        event.set(fields::EVENT_OUTCOME, "failure");
        event.set(fields::SOURCE_IP, "203.0.113.7".parse::<std::net::IpAddr>().unwrap());
        if let Some((kind, pid)) = ssh {
            event.set(fields::SSH_EVENT, kind);
            event.set(fields::PROCESS_PID, pid);
        }
        event
    }

    fn fired(rule: &BruteForce, events: &[Event]) -> usize {
        let mut state = Attempts::default();
        let mut out = Detections::default();
        for event in events {
            let mut signals = Signals::of(event);
            rule.signals(event, &mut signals);
            for signal in signals.into_found() {
                rule.count(&mut state, Input::Signal(&signal), &mut out);
            }
        }
        out.found.len()
    }

    #[test]
    fn five_failures_in_ten_minutes_are_a_detection_and_four_are_not() {
        let rule = BruteForce::default();
        let at = |seconds: &[i64]| seconds.iter().map(|s| attempt(*s, None)).collect::<Vec<_>>();
        assert_eq!(fired(&rule, &at(&[0, 150, 300, 450, 600])), 1);
        assert_eq!(fired(&rule, &at(&[0, 150, 300, 450, 601])), 0);
        assert_eq!(fired(&rule, &at(&[0, 150, 300, 450])), 0);
    }

    #[test]
    fn an_invalid_user_and_its_failed_line_are_one_attempt() {
        let rule = BruteForce { failures: 2, ..BruteForce::default() };
        let pair = |pid| [attempt(0, Some(("Invalid", pid))), attempt(1, Some(("Failed", pid)))];
        assert_eq!(fired(&rule, &pair(1)), 0);
        assert_eq!(fired(&rule, &[pair(1), pair(2)].concat()), 1);
        let again = [pair(1).as_slice(), &[attempt(2, Some(("Failed", 1)))]].concat();
        assert_eq!(fired(&rule, &again), 1);
    }

    #[test]
    fn a_repeated_line_counts_as_often_as_it_says() {
        let mut event = attempt(0, None);
        event.set(fields::SECMON_REPEAT, 5);
        assert_eq!(fired(&BruteForce::default(), &[event]), 1);
        assert!(BruteForce { failures: 0, ..BruteForce::default() }.check().is_err());
        let signal = Signal::new(DateTime::UNIX_EPOCH, crate::rules::Group::none());
        assert_eq!(signal.weight, 1);
    }
}
