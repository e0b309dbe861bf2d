//! What is learned of one user, address, host or action: on which of the last days each thing was seen.

use serde::{Deserialize, Serialize};

use super::Profile;
use crate::window::Heap;

/// Values of one field that are remembered. With more of them the field says nothing about behaviour: it is
/// forgotten, and learned afresh after as many days as are remembered.
const MOST_VALUES: usize = 32;
/// Bytes of a value that are remembered.
const MOST_BYTES: usize = 96;
/// Hours in which events are still counted when they come late.
const MOST_HOURS: usize = 3;
/// Days of which it is known how much was told.
const MOST_TOLD: usize = 3;
/// Seen on fewer than one of so many days is unusual.
const RARE: u32 = 20;
/// An hour with so many times the usual events is unusual ...
const TIMES: u32 = 3;
/// ... if there are more than so many.
const LEAST: u32 = 20;

/// On which days something was seen: bit 0 is the newest day of the [`Habits`], bit 1 the day before.
type Days = u64;

/// A day, counted from any day, and an hour of it, local time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) day: i32,
    pub(super) hour: u32,
}

/// What was learned.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Habits {
    /// The newest day; 0 before the first event.
    newest: i32,
    /// Days with events.
    active: Days,
    /// For each hour of the day the days on which it had events.
    hours: [Days; 24],
    /// The last hours that had events, and how many.
    recent: Vec<(i64, u32)>,
    /// The busiest hour of each day, the newest day first.
    peaks: Vec<u32>,
    /// On the last days with something unusual, how many things were told of at once.
    told: Vec<(i32, u8)>,
    fields: Vec<Watched>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Watched {
    /// The day from which on it is learned.
    since: i32,
    /// Few values, so that they are found by walking over them.
    seen: Vec<(Box<str>, Days)>,
}

/// Something that is unusual.
#[derive(Debug, PartialEq)]
pub(super) enum Deviation {
    /// The hour of the day.
    Hour { seen: u32, of: u32 },
    /// The value of a field.
    Value { field: usize, value: String, seen: u32, of: u32 },
    /// The number of events in the hour.
    Rate { events: u32, usual: u32, of: u32 },
}

/// What an event is beside the days before it.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) deviations: Vec<Deviation>,
    /// Whether one of them is seen for the first time that day.
    pub(super) is_news: bool,
}

impl Habits {
    /// Judges an event by the days before its own, and learns it.
    pub(super) fn learn(
        &mut self,
        rule: &Profile,
        at: Moment,
        weight: u32,
        values: impl Iterator<Item = Option<String>>,
    ) -> Judged {
        let mut judged = Judged::default();
        let Some(ago) = self.advance(at.day, rule.days) else { return judged };
        let past = Past { ago, days: rule.days };
        let today = 1 << ago;
        let known = past.of(self.active).count_ones();
        let is_known = known >= u32::from(rule.learn);

        let seen = past.of(self.around(at.hour)).count_ones();
        if let Some(hour) = self.hours.get_mut(at.hour as usize) {
            if is_known && is_rare(seen, known) {
                judged.is_news |= *hour & today == 0;
                judged.deviations.push(Deviation::Hour { seen, of: known });
            }
            *hour |= today;
        }
        for (field, value) in values.enumerate() {
            if self.fields.len() <= field {
                self.fields.push(Watched { since: at.day, seen: Vec::new() });
            }
            let (Some(value), Some(watched)) = (value, self.fields.get_mut(field)) else { continue };
            let value = value.get(..value.floor_char_boundary(MOST_BYTES)).unwrap_or_default();
            let Ok(age) = u32::try_from(at.day - watched.since) else { continue };
            // Of the days before only those on which the field was learned.
            let young = 1_u64.checked_shl(age).map_or(u64::MAX, |end| end - 1) << (ago + 1);
            let of = (past.mask() & self.active & young).count_ones();
            let days = watched.seen.iter().find(|(known, _)| **known == *value);
            let days = days.map_or(0, |(_, days)| *days);
            let seen = past.of(days).count_ones();
            if of >= u32::from(rule.learn) && is_rare(seen, of) {
                judged.is_news |= days & today == 0;
                judged.deviations.push(Deviation::Value { field, value: value.into(), seen, of });
            }
            watched.see(value, today, at.day + i32::from(rule.days) + 1);
        }
        if let Some(events) = self.count(at, ago, weight) {
            let usual = self.usual_rate(past);
            let limit = usual.saturating_mul(TIMES).max(LEAST);
            if is_known && events > limit {
                judged.is_news |= events.saturating_sub(weight) <= limit;
                judged.deviations.push(Deviation::Rate { events, usual, of: known });
            }
        }
        self.active |= today;
        if !judged.deviations.is_empty() {
            judged.is_news |= self.is_more(at.day, judged.deviations.len());
        }
        judged
    }

    /// Whether so many unusual things at once are more than were told of that day.
    fn is_more(&mut self, day: i32, count: usize) -> bool {
        let count = u8::try_from(count).unwrap_or(u8::MAX);
        if let Some((_, told)) = self.told.iter_mut().find(|(told, _)| *told == day) {
            let is_more = count > *told;
            *told = (*told).max(count);
            return is_more;
        }
        self.told.push((day, count));
        if self.told.len() > MOST_TOLD {
            self.told.remove(0);
        }
        true
    }

    /// Makes a day the newest one, if it is; says how many days ago it is, none if it is too old to be judged.
    fn advance(&mut self, day: i32, days: u8) -> Option<u32> {
        if self.active == 0 {
            self.newest = day;
        }
        let ahead = u32::try_from(day - self.newest).unwrap_or(0);
        if ahead > 0 {
            let shift = |mask: &mut Days| *mask = mask.checked_shl(ahead).unwrap_or(0);
            shift(&mut self.active);
            self.hours.iter_mut().for_each(shift);
            // What lies further back is not asked for any more, and would take the place of others.
            let held = Past { ago: 0, days }.mask() | 1;
            for watched in &mut self.fields {
                watched.seen.iter_mut().for_each(|(_, days)| shift(days));
                watched.seen.retain(|(_, days)| days & held != 0);
            }
            let kept = usize::from(days) + 1;
            let new = (ahead as usize).min(kept);
            self.peaks.splice(0..0, std::iter::repeat_n(0, new));
            self.peaks.truncate(kept);
            self.newest = day;
        }
        let ago = u32::try_from(self.newest - day).ok()?;
        (ago <= u32::from(days)).then_some(ago)
    }

    /// The days on which an hour or one beside it had events.
    fn around(&self, hour: u32) -> Days {
        let beside = [hour + 23, hour, hour + 1].map(|hour| (hour % 24) as usize);
        beside.iter().filter_map(|hour| self.hours.get(*hour)).fold(0, |all, days| all | days)
    }

    /// Counts in the hour; says how many events that are, none if the hour is over for long.
    fn count(&mut self, at: Moment, ago: u32, weight: u32) -> Option<u32> {
        let hour = i64::from(at.day) * 24 + i64::from(at.hour);
        let place = self.recent.partition_point(|(other, _)| *other < hour);
        if self.recent.get(place).is_none_or(|(other, _)| *other != hour) {
            if self.recent.len() >= MOST_HOURS {
                if place == 0 {
                    return None;
                }
                self.recent.remove(0);
                return self.count(at, ago, weight);
            }
            self.recent.insert(place, (hour, 0));
        }
        let (_, events) = self.recent.get_mut(place)?;
        *events = events.saturating_add(weight);
        let ago = ago as usize;
        if self.peaks.len() <= ago {
            self.peaks.resize(ago + 1, 0);
        }
        let peak = self.peaks.get_mut(ago)?;
        *peak = (*peak).max(*events);
        Some(*events)
    }

    /// The busiest hour of nineteen in twenty days before (nearest rank).
    fn usual_rate(&self, past: Past) -> u32 {
        let before = self.peaks.iter().skip(past.ago as usize + 1).take(usize::from(past.days));
        let mut peaks: Vec<u32> = before.copied().filter(|peak| *peak > 0).collect();
        peaks.sort_unstable();
        let rank = (peaks.len() * 19).div_ceil(20);
        peaks.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    }

    /// The hours that are usual, as spans: `08–18, 22`.
    pub(super) fn usual_hours(&self, rule: &Profile, at: Moment) -> String {
        let past = self.past(rule, at);
        let known = past.of(self.active).count_ones();
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (hour, days) in self.hours.iter().enumerate() {
            if is_rare(past.of(*days).count_ones(), known) {
                continue;
            }
            match spans.last_mut() {
                Some((_, last)) if *last + 1 == hour => *last = hour,
                _ => spans.push((hour, hour)),
            }
        }
        let shown = spans.iter().map(|(first, last)| {
            if first == last { format!("{first:02}") } else { format!("{first:02}–{last:02}") }
        });
        if spans.is_empty() { "none".into() } else { shown.collect::<Vec<_>>().join(", ") }
    }

    /// The values of a field that are usual, at most three, those first that were seen on most days.
    pub(super) fn usual_values(&self, rule: &Profile, at: Moment, field: usize) -> Vec<&str> {
        let past = self.past(rule, at);
        let known = past.of(self.active).count_ones();
        let seen = self.fields.get(field).into_iter().flat_map(|watched| &watched.seen);
        let mut usual: Vec<(u32, &str)> = seen
            .map(|(value, days)| (past.of(*days).count_ones(), &**value))
            .filter(|(days, _)| !is_rare(*days, known))
            .collect();
        usual.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        usual.into_iter().take(3).map(|(_, value)| value).collect()
    }

    fn past(&self, rule: &Profile, at: Moment) -> Past {
        Past { ago: u32::try_from(self.newest - at.day).unwrap_or(0), days: rule.days }
    }
}

impl Watched {
    /// Takes a value in; with too many of them the field is forgotten until a day.
    fn see(&mut self, value: &str, today: Days, until: i32) {
        if let Some((_, days)) = self.seen.iter_mut().find(|(known, _)| **known == *value) {
            *days |= today;
        } else if self.seen.len() < MOST_VALUES {
            self.seen.push((value.into(), today));
        } else {
            self.seen.clear();
            self.since = until;
        }
    }
}

/// The days before one that are remembered.
#[derive(Clone, Copy)]
struct Past {
    ago: u32,
    days: u8,
}

impl Past {
    fn mask(self) -> Days {
        ((1 << self.days) - 1) << (self.ago + 1).min(63)
    }

    fn of(self, days: Days) -> Days {
        days & self.mask()
    }
}

fn is_rare(seen: u32, of: u32) -> bool {
    seen * RARE < of || seen == 0
}

impl Heap for Habits {
    /// Profiles hold much more than windows do.
    const BUDGET: usize = 32 << 20;

    fn heap(&self) -> usize {
        let seen = self.fields.iter().flat_map(|watched| &watched.seen);
        let values: usize = seen.map(|(value, _)| value.len() + 48).sum();
        let lists = self.recent.len() * size_of::<(i64, u32)>()
            + self.told.len() * size_of::<(i32, u8)>()
            + self.peaks.len() * size_of::<u32>();
        lists + self.fields.len() * size_of::<Watched>() + values
    }
}
