//! Logins when nobody should be there.

use chrono::{Datelike, NaiveDate, NaiveTime, Weekday};
use serde::{Deserialize, Serialize};

use super::{About, Detections, Group, Input, Rule, Signals};
use crate::event::{Event, Field, Level, fields};
use crate::parse::Zone;

/// A successful login at night, on a day off or on a holiday.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OffHours {
    /// When the quiet hours begin, local time.
    pub from: NaiveTime,
    /// When they end, local time; before `from` means the next morning.
    pub to: NaiveTime,
    /// Whose local time.
    pub zone: Zone,
    /// Days that are quiet as a whole, for instance `["Sat", "Sun"]`.
    pub days_off: Vec<Weekday>,
    /// Dates that are quiet as a whole.
    pub holidays: Vec<NaiveDate>,
}

impl Default for OffHours {
    fn default() -> Self {
        Self {
            from: NaiveTime::MIN,
            to: NaiveTime::from_hms_opt(5, 0, 0).unwrap_or(NaiveTime::MIN),
            zone: Zone::UTC,
            days_off: Vec::new(),
            holidays: Vec::new(),
        }
    }
}

impl Rule for OffHours {
    const KIND: &'static str = "off_hours";
    const ABOUT: About<'static> = About {
        title: "Login outside working hours",
        level: Level::Medium,
        technique: "T1078",
        description: "Somebody logged in at night, on a day off or on a holiday.",
        advice: "Ask the user whether it was them.",
    };
    type State = ();

    fn signals(&self, event: &Event, out: &mut Signals) {
        if !matches!(event.action(), Some("ssh_login" | "login")) || event.outcome() != Some("success") {
            return;
        }
        let local = self.zone.local(event.time);
        let (date, time) = (local.date(), local.time());
        let quiet = if self.from <= self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        };
        if quiet || self.days_off.contains(&date.weekday()) || self.holidays.contains(&date) {
            out.push(Group::of(event, &[fields::USER_NAME]));
        }
    }

    fn needs(&self) -> Option<Field> {
        Some(fields::EVENT_ACTION)
    }

    fn count(&self, (): &mut (), input: Input<'_>, out: &mut Detections) {
        if let Input::Signal(signal) = input {
            out.push(signal, Self::ABOUT.level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(rule: &OffHours, time: &str) -> bool {
        let mut event = Event::new(time.parse().unwrap());
        event.set(fields::EVENT_ACTION, "login");
        event.set(fields::EVENT_OUTCOME, "success");
        event.set(fields::USER_NAME, "bob");
        let mut out = Signals::of(&event);
        rule.signals(&event, &mut out);
        !out.into_found().is_empty()
    }

    #[test]
    fn hours_follow_the_zone_and_its_daylight_saving() {
        let paris = OffHours { zone: "Europe/Paris".parse().unwrap(), ..OffHours::default() };
        assert!(quiet(&paris, "2026-07-01T02:59:00Z")); // 04:59 in summer
        assert!(!quiet(&paris, "2026-07-01T03:00:00Z"));
        assert!(quiet(&paris, "2026-12-01T03:59:00Z")); // 04:59 in winter
        assert!(quiet(&OffHours::default(), "2026-12-01T00:00:00Z"));
        assert!(!quiet(&OffHours::default(), "2026-12-01T05:00:00Z"));
    }

    #[test]
    fn nights_may_span_midnight_and_days_may_be_off() {
        let rule: OffHours = serde_json::from_value(serde_json::json!({
            "from": "22:00:00", "to": "06:00:00", "days_off": ["Sun"], "holidays": ["2026-12-25"],
        }))
        .unwrap();
        assert!(quiet(&rule, "2026-11-20T23:00:00Z"));
        assert!(quiet(&rule, "2026-11-21T05:59:00Z"));
        assert!(!quiet(&rule, "2026-11-20T12:00:00Z"));
        assert!(quiet(&rule, "2026-11-22T12:00:00Z"));
        assert!(quiet(&rule, "2026-12-25T12:00:00Z"));
    }
}
