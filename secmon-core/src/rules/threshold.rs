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
    /// not flap. By default five below the limit, or a tenth of it where that is less.
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

/// Where nothing was heard for longer, nobody knows that it was above all the time.
const SILENCE: Duration = Duration::from_hours(1);

#[derive(Debug, Default, Deserialize, Serialize)]
struct Excess {
    since: Option<i64>,
    fired: bool,
    /// The last value above, while it is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<i64>,
    /// The last value that was not: what comes late from before it says nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    low: Option<i64>,
}

impl Excess {
    /// Forgets values that lie so far ahead that their clock was wrong, or so far back that nobody knows what was between.
    fn forget_apart(&mut self, time: i64, silence: i64) {
        let is_apart = |other: i64| time.abs_diff(other) > silence.unsigned_abs();
        if self.last.is_some_and(is_apart) {
            (self.since, self.last) = (None, None);
        }
        self.low = self.low.filter(|low| *low <= time || !is_apart(*low));
    }

    /// A value above the limit; says for how long all were.
    fn above(&mut self, time: i64, silence: i64) -> Option<i64> {
        self.forget_apart(time, silence);
        if self.low.is_some_and(|low| time <= low) {
            return None;
        }
        let since = self.since.map_or(time, |since| since.min(time));
        self.since = Some(since);
        self.last = self.last.max(Some(time));
        self.last.map(|last| last.saturating_sub(since))
    }

    /// A value that is not; says whether it is the last of all.
    fn below(&mut self, time: i64, silence: i64) -> bool {
        self.forget_apart(time, silence);
        if self.low.is_some_and(|low| time <= low) {
            return false;
        }
        self.low = Some(time);
        let is_last = self.last.is_none_or(|last| time >= last);
        if is_last {
            (self.since, self.last) = (None, None);
        } else if self.since.is_some_and(|since| since <= time) {
            // Of the values behind it only the last is known still.
            self.since = self.last;
        }
        is_last
    }
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
        let below = self.below.unwrap_or_else(|| self.above - (self.above.abs() / 10.0).min(5.0));
        let silence = micros(SILENCE.max(self.lasting * 2));
        state.0.update(&signal.group, time, |excess: &mut Excess| {
            if value > self.above {
                let lasts = excess.above(time, silence);
                if !excess.fired && lasts.is_some_and(|lasts| lasts >= micros(self.lasting)) {
                    excess.fired = true;
                    out.push(signal, Self::ABOUT.level);
                }
            } else if value <= below {
                if excess.below(time, silence) && excess.fired {
                    out.recover(signal.time, signal.group.clone());
                    excess.fired = false;
                }
            } else if !excess.fired {
                excess.below(time, silence);
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

    fn answers<const N: usize>(rule: &Threshold, values: [(i64, f64); N]) -> [&'static str; N] {
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
        values.map(|(minute, value)| feed(minute, value))
    }

    fn in_order<const N: usize>(values: [f64; N]) -> [(i64, f64); N] {
        let mut minute = 0;
        values.map(|value| {
            minute += 1;
            (minute, value)
        })
    }

    #[test]
    fn a_metric_must_stay_above_and_recovers_below() {
        let rule = Threshold { lasting: Duration::from_mins(2), ..Threshold::default() };
        let values = in_order([95.0, 89.0, 95.0, 95.0, 95.0, 89.0, 91.0, 84.9, 95.0]);
        let expected = ["", "", "", "", "fired", "", "", "recovered", ""];
        assert_eq!(answers(&rule, values), expected);
        // A limit of which five is more than the whole.
        let load = Threshold { above: 4.0, lasting: Duration::from_mins(1), ..rule };
        let values = in_order([9.0, 9.0, 3.9, 0.0, 9.0, 9.0]);
        assert_eq!(answers(&load, values), ["", "fired", "", "recovered", "", "fired"]);
    }

    #[test]
    fn a_clock_that_is_ahead_neither_hides_nor_keeps_anything() {
        let rule = Threshold { lasting: Duration::from_mins(2), ..Threshold::default() };
        let ahead = 60 * 24 * 365;
        let hidden = [(ahead, 10.0), (1, 95.0), (2, 95.0), (3, 95.0)];
        assert_eq!(answers(&rule, hidden), ["", "", "", "fired"]);
        let kept = [(ahead, 95.0), (0, 95.0), (1, 95.0), (2, 95.0), (3, 10.0), (4, 95.0), (6, 95.0)];
        assert_eq!(answers(&rule, kept), ["", "", "", "fired", "recovered", "", "fired"]);
        let fired = [(1, 95.0), (3, 95.0), (ahead, 95.0), (5, 10.0)];
        assert_eq!(answers(&rule, fired), ["", "fired", "", "recovered"]);
        assert_eq!(answers(&rule, [(23 * 60, 95.0), (0, 95.0)]), ["", ""]);
    }

    #[test]
    fn what_comes_late_is_put_in_its_place_and_silence_is_no_excess() {
        let rule = Threshold { lasting: Duration::from_mins(4), ..Threshold::default() };
        let late = [(1, 95.0), (0, 95.0), (2, 95.0), (3, 95.0), (4, 95.0)];
        assert_eq!(answers(&rule, late), ["", "", "", "", "fired"]);
        let low = [(1, 95.0), (0, 10.0), (2, 95.0), (4, 95.0), (5, 95.0)];
        assert_eq!(answers(&rule, low), ["", "", "", "", "fired"]);
        // One that was low in between comes late, and one from before it.
        let between = [(0, 95.0), (3, 95.0), (2, 10.0), (1, 95.0), (4, 95.0), (7, 95.0)];
        assert_eq!(answers(&rule, between), ["", "", "", "", "", "fired"]);
        assert_eq!(answers(&rule, [(0, 95.0), (23 * 60, 95.0), (23 * 60 + 4, 95.0)]), ["", "", "fired"]);
    }
}
