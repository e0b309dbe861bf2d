//! Behaviour that is unlike what was seen before: hours, values and rates, per user, address, host or action.

mod habits;

use std::time::Duration;

use chrono::{Datelike, Timelike};
use serde::{Deserialize, Serialize};

use self::habits::{Deviation, Habits, Moment};
use super::{About, Detections, Group, Input, Memory, Rule, Signal, Signals};
use crate::event::{Event, Level, Name, Value, fields};
use crate::parse::Zone;
use crate::token::Token;
use crate::window::Bounded;

/// Days that a profile can hold at most.
const MOST_DAYS: u8 = 60;
/// Fields that a profile can watch at most.
const MOST_FIELDS: usize = 16;

/// Something that a user (an address, a host, an action) does not usually do. For each value of each field in
/// `by` the hours of the day, the values of the fields in `watch` and the events in an hour are learned over
/// `days`. What was seen on fewer than one in twenty of the days before that is unusual; so is an hour with
/// more than three times as many events as the busiest hour of nineteen in twenty days (and more than 20).
///
/// What a day brings is judged by the days before it only, so the order of events within a day does not
/// matter (but in a burst, of which those count that come behind the limit). Failed attempts are not looked at,
/// for nobody has to be behind them but an attacker; nor are metrics. Silent until `by` names something.
///
/// ```
/// use secmon_core::rules::Profile;
/// use secmon_core::{Counters, Event, Ruleset, fields};
///
/// let rule = Profile { by: vec!["user.name".into()], ..Default::default() };
/// let ruleset = Ruleset::builder().rule("profile", rule).build()?;
/// let mut counters = Counters::new(&ruleset);
/// let login = |day: u32, time: &str| {
///     let mut event = Event::new(format!("2026-11-{day:02}T{time}Z").parse().unwrap());
///     event.set(fields::EVENT_ACTION, "login");
///     event.set(fields::USER_NAME, "alice");
///     ruleset.prepare_event(event)
/// };
/// for day in 1..10 {
///     assert!(counters.event("docs", 0, &login(day, "09:05:00")).is_empty());
/// }
/// let found = counters.event("docs", 0, &login(10, "03:10:00"));
/// let expected = "03:10 UTC: hour 03 seen on 0 of 9 days, usual 09";
/// assert_eq!(found[0].reason.as_deref(), Some(expected));
/// # Ok::<(), secmon_core::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Whose behaviour: for instance `user.name`, `source.ip`, `host.name`, `event.action`.
    pub by: Vec<String>,
    /// The fields whose values are learned.
    pub watch: Vec<String>,
    /// How many days are remembered, 2 to 60.
    pub days: u8,
    /// On how many days something must have happened before anything is judged.
    pub learn: u8,
    /// How many things must be unusual at once. One is of level low, two medium, three high.
    pub deviations: u8,
    /// Whose hours and days.
    pub zone: Zone,
}

impl Default for Profile {
    fn default() -> Self {
        let watch = [fields::SOURCE_IP, fields::USER_NAME, fields::HOST_NAME, fields::EVENT_ACTION];
        Self {
            by: Vec::new(),
            watch: watch.map(|field| field.name().to_owned()).into(),
            days: 30,
            learn: 7,
            deviations: 1,
            zone: Zone::UTC,
        }
    }
}

/// The habits of each user, address, host and action.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Profiles(Bounded<Habits>);

impl Rule for Profile {
    const KIND: &'static str = "profile";
    const ABOUT: About<'static> = About {
        title: "Unusual behaviour",
        level: Level::Low,
        technique: "T1078",
        description: "A user, an address, a host or an action does what was not seen of it in the days before.",
        advice: "Read the reason; ask whoever is behind it whether it was them. Close the incident if it was.",
    };
    type State = Profiles;

    fn signals(&self, event: &Event, out: &mut Signals) {
        if self.by.is_empty()
            || event.outcome() == Some("failure")
            || event.text(fields::EVENT_KIND).is_some_and(|kind| kind != "event")
        {
            return;
        }
        for dimension in &self.by {
            let Some(owners) = event.find(dimension) else { continue };
            let values = self.watch.iter().map(|name| match event.find(name) {
                Some(value) if name != dimension => first(value),
                _ => Value::Null,
            });
            let values = Value::List(values.collect());
            for owner in owners.each().iter().filter(|owner| **owner != Value::Null) {
                let pair = (Name::from(dimension.as_str()), owner.clone());
                let group = Group::from_pairs(vec![pair]);
                out.push_value(Some(group), Some(values.clone()), out.repeats());
            }
        }
    }

    fn count(&self, state: &mut Profiles, input: Input<'_>, out: &mut Detections) {
        let signal = match input {
            Input::Signal(signal) => signal,
            Input::Tick(now) => return state.0.expire(now, self.horizon()),
        };
        let Some(values) = &signal.value else { return };
        let local = self.zone.local(signal.time);
        let at = Moment { day: local.date().num_days_from_ce(), hour: local.time().hour() };
        let time = signal.time.timestamp_micros();
        let judged = state.0.update(&signal.group, time, |habits: &mut Habits| {
            let values = values.each().iter().map(|value| match value {
                Value::Null => None,
                value => Some(value.to_string()),
            });
            let judged = habits.learn(self, at, signal.weight, values);
            (judged.deviations.len() >= usize::from(self.deviations)).then(|| {
                let reason = judged.is_news.then(|| self.reason(signal, habits, at, &judged.deviations));
                (judged.deviations.len(), reason)
            })
        });
        match judged {
            None => out.count_as(0),
            Some((_, None)) => {}
            Some((count, Some(reason))) => {
                let level = match count {
                    0 | 1 => Level::Low,
                    2 => Level::Medium,
                    _ => Level::High,
                };
                out.push_because(signal, level, reason);
            }
        }
    }

    fn horizon(&self) -> Duration {
        Duration::from_hours(24 * u64::from(self.days))
    }

    fn memory<'s>(&self, state: &'s mut Profiles) -> Option<&'s mut dyn Memory> {
        Some(&mut state.0)
    }

    fn check(&self) -> Result<(), String> {
        if !(2..=MOST_DAYS).contains(&self.days) {
            return Err(format!("`days` must be 2 to {MOST_DAYS}"));
        }
        if self.learn == 0 || self.learn >= self.days {
            return Err("`learn` must be at least 1 and less than `days`".into());
        }
        if self.deviations == 0 {
            return Err("`deviations` must be at least 1".into());
        }
        if self.watch.len() > MOST_FIELDS || self.by.len() > MOST_FIELDS {
            return Err(format!("`by` and `watch` name at most {MOST_FIELDS} fields each"));
        }
        if self.by.iter().chain(&self.watch).any(String::is_empty) {
            return Err("`by` and `watch` hold names of fields, for instance `user.name`".into());
        }
        Ok(())
    }
}

impl Profile {
    /// What was expected and what was seen, in one sentence.
    fn reason(&self, signal: &Signal, habits: &Habits, at: Moment, found: &[Deviation]) -> String {
        let time = self.zone.local(signal.time).format("%H:%M");
        let parts = found.iter().map(|deviation| match deviation {
            Deviation::Hour { seen, of } => {
                let usual = habits.usual_hours(self, at);
                format!("hour {:02} seen on {seen} of {of} days, usual {usual}", at.hour)
            }
            Deviation::Value { field, value, seen, of } => {
                let name = self.watch.get(*field).map_or("", String::as_str);
                let usual = habits.usual_values(self, at, *field);
                let usual: Vec<&str> = usual.into_iter().map(shown).collect();
                let usual = if usual.is_empty() { "none".into() } else { usual.join(", ") };
                format!("{name} {} seen on {seen} of {of} days, usual {usual}", shown(value))
            }
            Deviation::Rate { events, usual, of } => format!(
                "{events} events in an hour, busiest hour of nearly all of {of} days {usual}"
            ),
        });
        format!("{time} {}: {}", self.zone, parts.collect::<Vec<_>>().join("; "))
    }
}

/// A value as it may be told: one that can be erased is told nowhere else.
fn shown(value: &str) -> &str {
    if Token::parse(value).is_some() { "(a value that can be erased)" } else { value }
}

/// The first of several values.
fn first(value: &Value) -> Value {
    value.each().first().cloned().unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    /// Learned habits of somebody who comes at nine from one desk, on 20 days.
    fn used() -> (Profile, Profiles) {
        let rule = Profile { by: vec!["user.name".into()], ..Profile::default() };
        let mut state = Profiles::default();
        for day in 0..20 {
            for hour in [8, 9, 17] {
                assert_eq!(told(&rule, &mut state, day, hour, "192.0.2.20"), None);
            }
        }
        (rule, state)
    }

    fn told(rule: &Profile, state: &mut Profiles, day: i64, hour: i64, from: &str) -> Option<(Level, String)> {
        let time = DateTime::from_timestamp((day * 24 + hour) * 3_600 + 600, 0).unwrap();
        let mut event = Event::new(time);
        event.set(fields::USER_NAME, "alice");
        event.set(fields::SOURCE_IP, from.parse::<std::net::IpAddr>().unwrap());
        event.set(fields::EVENT_ACTION, "login");
        let mut out = Signals::of(&event);
        rule.signals(&event, &mut out);
        let mut found = Detections::default();
        for signal in out.into_found() {
            rule.count(state, Input::Signal(&signal), &mut found);
        }
        found.found.into_iter().find_map(|found| match found {
            super::super::Found::Fired { level, reason, .. } => Some((level, reason?)),
            super::super::Found::Recovered { .. } => None,
        })
    }

    #[test]
    fn what_was_not_seen_before_is_told_with_what_is_usual() {
        let (rule, mut state) = used();
        let (level, reason) = told(&rule, &mut state, 20, 3, "203.0.113.7").unwrap();
        assert_eq!(level, Level::Medium);
        assert_eq!(
            reason,
            "03:10 UTC: hour 03 seen on 0 of 20 days, usual 08–09, 17; source.ip 203.0.113.7 seen on 0 of \
             20 days, usual 192.0.2.20"
        );
        assert_eq!(told(&rule, &mut state, 20, 3, "203.0.113.7"), None, "told once a day");
        assert!(told(&rule, &mut state, 21, 3, "203.0.113.7").is_some(), "one day makes no habit");
        assert_eq!(told(&rule, &mut state, 21, 10, "192.0.2.20"), None, "an hour beside the usual ones");
    }

    #[test]
    fn nothing_is_judged_before_enough_days_and_old_habits_are_forgotten() {
        let rule = Profile { by: vec!["user.name".into()], learn: 3, days: 5, ..Profile::default() };
        let mut state = Profiles::default();
        for day in 0..3 {
            assert_eq!(told(&rule, &mut state, day, 3 + day * 5, "192.0.2.20"), None);
        }
        assert!(told(&rule, &mut state, 3, 20, "192.0.2.20").is_some());
        for day in 4..9 {
            assert_eq!(told(&rule, &mut state, day, 20, "192.0.2.20"), None, "day {day}");
        }
        assert!(told(&rule, &mut state, 9, 3, "192.0.2.20").is_some(), "of day 0 nothing is left");
    }

    #[test]
    fn a_burst_is_told_once_with_the_usual_rate() {
        let (rule, mut state) = used();
        let found: Vec<_> =
            (0..60).filter_map(|_| told(&rule, &mut state, 20, 9, "192.0.2.20")).collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].1.contains("21 events in an hour"), "{}", found[0].1);
    }

    #[test]
    fn a_field_that_varies_too_much_is_not_judged() {
        let (rule, mut state) = used();
        let told: Vec<bool> = (0..60_usize)
            .map(|last| {
                let hour = [8, 9, 16, 17][last % 4];
                told(&rule, &mut state, 20, hour, &format!("198.51.100.{last}")).is_some()
            })
            .collect();
        assert!(told[..30].iter().all(|told| *told));
        assert!(told[40..].iter().all(|told| !*told));
    }

    #[test]
    fn it_says_nothing_until_it_is_configured_and_refuses_what_makes_no_sense() {
        let mut event = Event::new(DateTime::UNIX_EPOCH);
        event.set(fields::USER_NAME, "alice");
        let mut out = Signals::of(&event);
        Profile::default().signals(&event, &mut out);
        assert!(out.into_found().is_empty());
        let wrong = |rule: Profile| rule.check().unwrap_err();
        assert!(wrong(Profile { days: 61, ..Profile::default() }).contains("`days`"));
        assert!(wrong(Profile { learn: 30, ..Profile::default() }).contains("`learn`"));
        assert!(wrong(Profile { by: vec![String::new()], ..Profile::default() }).contains("`by`"));
    }
}
