//! Parts of a date, for the modifiers `minute` to `year`: taken as they are written, without a zone.

use chrono::{Datelike, NaiveDate};

/// A part of a date.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Part {
    Minute,
    Hour,
    Day,
    /// The week of ISO 8601.
    Week,
    Month,
    Year,
}

impl Part {
    /// The part of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// The part of a date such as `2026-11-20T03:10:00+01:00` or `2026/11/20 03:10`.
    pub(super) fn of(self, text: &str) -> Option<i64> {
        let text = text.trim();
        let mut numbers = text.split(['-', '/']);
        let year: i32 = numbers.next()?.parse().ok()?;
        let month: u32 = numbers.next()?.parse().ok()?;
        let rest = numbers.next()?;
        let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let (day, _) = rest.split_at(end);
        let date = NaiveDate::from_ymd_opt(year, month, day.parse().ok()?)?;
        let clock = || {
            let (_, clock) = text.split_once(['T', 't', ' '])?;
            let mut parts = clock.trim_start().split(|char: char| !char.is_ascii_digit());
            let hour: i64 = parts.next()?.parse().ok().filter(|hour| *hour < 24)?;
            let minute: i64 = parts.next()?.parse().ok().filter(|minute| *minute < 60)?;
            Some((hour, minute))
        };
        Some(match self {
            Self::Minute => clock()?.1,
            Self::Hour => clock()?.0,
            Self::Day => date.day().into(),
            Self::Week => date.iso_week().week().into(),
            Self::Month => date.month().into(),
            Self::Year => date.year().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_without_a_zone() {
        let all = [Part::Minute, Part::Hour, Part::Day, Part::Week, Part::Month, Part::Year];
        let of = |text| all.map(|part| part.of(text));
        let parts = [10, 23, 3, 1, 1, 2021].map(Some);
        assert_eq!(of("2021-01-03T23:10:59.123-08:00"), [10, 23, 3, 53, 1, 2021].map(Some));
        assert_eq!(of("2021/1/4 23:10").map(|part| part.is_some()), parts.map(|_| true));
        assert_eq!(of("2021-01-03"), [None, None, Some(3), Some(53), Some(1), Some(2021)]);
        assert_eq!(of("2021-13-03T00:00:00"), [None; 6]);
        assert_eq!(of("noon"), [None; 6]);
    }
}
