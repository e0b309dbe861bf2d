//! A metric above its limit for too long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{About, Detections, Group, Input, Memory, Rule, Signals};
use crate::event::{Event, Field, Level, Name, Value, fields};
use crate::span::{self, micros};
use crate::window::{Bounded, Heap};

/// A metric above `above` for as long as `for` says; it recovers when the metric falls below `below`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Threshold {
    /// The field of metric events that is watched.
    pub metric: String,
    /// The limit.
    pub above: f64,
    /// Where it counts as recovered; between the two nothing changes, so a metric at the limit does
    /// not flap. By default five below the limit.
    pub below: Option<f64>,
    /// How long the metric must stay above.
    #[serde(rename = "for", with = "span")]
    pub lasting: Duration,
}

impl Default for Threshold {
    fn default() -> Self {
        Self {
            metric: fields::HOST_CPU_USAGE.name().into(),
            above: 90.0,
            below: None,
            lasting: Duration::from_mins(5),
        }
    }
}

/// Since when each group is above its limit.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Excesses(Bounded<Excess>);

#[derive(Debug, Default, Deserialize, Serialize)]
struct Excess {
    since: Option<i64>,
    fired: bool,
}

impl Heap for Excess {
    fn heap(&self) -> usize {
        0
    }
}

impl Rule for Threshold {
    const KIND: &'static str = "threshold";
    const ABOUT: About<'static> = About {
        title: "A metric stays above its limit",
        level: Level::Medium,
        technique: "T1496",
        description: "A measured value of a host stays above its limit.",
        advice: "See what uses the resource; free or add some.",
    };
    type State = Excesses;

    fn signals(&self, event: &Event, out: &mut Signals) {
        let Some(value) = event.find(&self.metric) else { return };
        let devices = self.metric.starts_with("system.filesystem.").then(|| {
            event.find("system.filesystem.mount_point").map(Value::each).unwrap_or_default()
        });
        for (at, value) in value.each().iter().enumerate() {
            let Some(number) = value.as_number() else { continue };
            let mut group = vec![(Name::from("metric"), Value::from(self.metric.as_str()))];
            if let Some(host) = event.get(fields::HOST_NAME) {
                group.push((fields::HOST_NAME.into(), host.clone()));
            }
            if let Some(device) = devices.and_then(|devices| devices.get(at)) {
                group.push(("device".into(), device.clone()));
            }
            let weight = if number > self.above { out.repeats() } else { 0 };
            out.push_value(Some(Group::from_pairs(group)), Some(value.clone()), weight);
        }
    }

    fn count(&self, state: &mut Excesses, input: Input<'_>, out: &mut Detections) {
        let signal = match input {
            Input::Signal(signal) => signal,
            Input::Tick(now) => return state.0.expire(now, self.horizon()),
        };
        let Some(value) = signal.value.as_ref().and_then(Value::as_number) else { return };
        let time = signal.time.timestamp_micros();
        let below = self.below.unwrap_or(self.above - 5.0);
        state.0.update(&signal.group, time, |excess: &mut Excess| {
            if value > self.above {
                let since = *excess.since.get_or_insert(time);
                if !excess.fired && time.saturating_sub(since) >= micros(self.lasting) {
                    excess.fired = true;
                    out.push(signal, Self::ABOUT.level);
                }
            } else if value <= below {
                if excess.fired {
                    out.recover(signal.time, signal.group.clone());
                }
                *excess = Excess::default();
            } else if !excess.fired {
                excess.since = None;
            }
        });
    }

    fn needs(&self) -> Option<Field> {
        Field::known(&self.metric)
    }

    fn memory<'s>(&self, state: &'s mut Excesses) -> Option<&'s mut dyn Memory> {
        Some(&mut state.0)
    }

    fn horizon(&self) -> Duration {
        self.lasting + Duration::from_hours(24)
    }

    fn check(&self) -> Result<(), String> {
        if self.metric.is_empty() {
            return Err("`metric` must name a field, for instance `host.cpu.usage`".into());
        }
        if self.below.is_some_and(|below| below > self.above) {
            return Err("`below` must not be greater than `above`".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::rules::{Found, Signal};

    #[test]
    fn a_metric_must_stay_above_and_recovers_below() {
        let rule = Threshold { lasting: Duration::from_mins(2), ..Threshold::default() };
        let mut state = Excesses::default();
        let mut feed = |minute: i64, value: f64| {
            let time = DateTime::from_timestamp(minute * 60, 0).unwrap();
            let mut out = Detections::default();
            let signal =
                Signal { value: Some(Value::percent(value)), ..Signal::new(time, Group::none()) };
            rule.count(&mut state, Input::Signal(&signal), &mut out);
            match out.found.first() {
                Some(Found::Fired { .. }) => "fired",
                Some(Found::Recovered { .. }) => "recovered",
                None => "",
            }
        };
        let answers = [95.0, 89.0, 95.0, 95.0, 95.0, 89.0, 91.0, 84.9, 95.0]
            .map({
                let mut minute = 0;
                move |value| {
                    minute += 1;
                    feed(minute, value)
                }
            });
        assert_eq!(answers, ["", "", "", "", "fired", "", "", "recovered", ""]);
    }
}
