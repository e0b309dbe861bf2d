//! A rule of your own: settings are plain data, memory is apart, and the two halves are separate.

use std::time::Duration;

use secmon_core::rules::{Detections, Group, Input, Rule, Signals, Windows};
use secmon_core::{Counters, Event, Level, Ruleset, fields};

/// One user who fails to log in on many hosts.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct Spray {
    failures: u32,
}

impl Rule for Spray {
    const KIND: &'static str = "spray";
    type State = Windows;

    fn signals(&self, event: &Event, out: &mut Signals) {
        if event.action() == Some("ssh_login") && event.outcome() == Some("failure") {
            out.push(Group::of(event, &[fields::USER_NAME]));
        }
    }

    fn count(&self, state: &mut Windows, input: Input<'_>, out: &mut Detections) {
        if let Input::Signal(signal) = input
            && state.add(signal, Duration::from_hours(1), self.failures) >= self.failures
        {
            out.push(signal, Level::High);
        }
    }
}

fn main() -> anyhow::Result<()> {
    let ruleset = Ruleset::builder().rule("spray", Spray { failures: 3 }).build()?;
    let mut counters = Counters::new(&ruleset);
    let now = "2026-11-20T12:00:00Z".parse()?;
    let lines = (1..=4).map(|host| {
        format!("Nov 20 11:5{host}:00 web-{host} sshd[42]: Failed password for root from 203.0.113.{host} port 1 ssh2")
    });
    for (seq, prepared) in (0..).zip(ruleset.prepare_lines(lines, now)) {
        for detection in counters.event("auth.log", seq, &prepared) {
            println!("line {}: {} {}", seq + 1, detection.rule, detection.group);
        }
    }
    Ok(())
}
