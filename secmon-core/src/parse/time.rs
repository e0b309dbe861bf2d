//! Time stamps of logs: with and without year, zone and fractions.

mod zone;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, Utc};

pub use self::zone::Zone;
use crate::event::Value;

/// What a line needs to be read: when it is read, and the zone of stamps without one.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Stamps without a year get the latest year that puts them not more than 24 h after this.
    pub reference: DateTime<Utc>,
    /// The zone of stamps that name none.
    pub zone: Zone,
}

impl Context {
    /// Reads stamps without a zone as UTC.
    pub fn new(reference: DateTime<Utc>) -> Self {
        Self { reference, zone: Zone::UTC }
    }
}

/// A stamp read from the head of a text.
#[derive(Debug, PartialEq)]
pub(crate) struct Stamp {
    pub(crate) time: DateTime<Utc>,
    pub(crate) offset: Option<FixedOffset>,
    /// Bytes of the text that it took.
    pub(crate) length: usize,
}

/// Reads a stamp at the head of a text, in any of the forms of syslog and of programs' own files:
/// `Dec 10 06:55:46`, `Dec  1 2025 06:55:46.123`, `2026-11-20T03:00:00.123+01:00`, `2026-11-20 03:00:00,123`, and
/// behind the day of the week what `asctime` and `journalctl -o short-full` write.
pub(crate) fn stamp(text: &str, cx: &Context) -> Option<Stamp> {
    match text.as_bytes().first()? {
        b'0'..=b'9' => iso(text, cx),
        b'@' => tai64n(text),
        _ => bsd(text, cx).or_else(|| weekday(text, cx)),
    }
}

/// Seconds since 1970 with a fraction, and one blank, as `journalctl -o short-unix` writes it: `1763639940.123456 `. Other
/// programs begin their lines so as well.
pub(super) fn unix(text: &str) -> Option<Stamp> {
    let (number, _) = text.get(..24.min(text.len()))?.split_once(' ')?;
    if text.as_bytes().get(number.len() + 1) == Some(&b' ') {
        return None;
    }
    let (seconds, fraction) = number.split_once('.')?;
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.len() != 10
        || !(3..=9).contains(&fraction.len())
        || !is_digits(seconds)
        || !is_digits(fraction)
    {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}").parse().ok()?;
    let time = DateTime::from_timestamp(seconds.parse().ok()?, nanos / 1_000 * 1_000)?;
    Some(Stamp { time, offset: FixedOffset::east_opt(0), length: number.len() })
}

/// A stamp behind the day of the week: `Thu Nov 20 11:59:00 2026`, `Thu 2026-11-20 11:59:00 CET`. Of the names of zones
/// only that of UTC says which one it is.
fn weekday(text: &str, cx: &Context) -> Option<Stamp> {
    let (day, rest) = text.split_at_checked(4)?;
    if !["Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "].contains(&day) {
        return None;
    }
    if let Some(stamp) = asctime(rest, cx) {
        return Some(Stamp { length: stamp.length + 4, ..stamp });
    }
    let mut read = iso(rest, cx)?;
    let name = rest.get(read.length..)?.strip_prefix(' ').and_then(|rest| rest.split(' ').next());
    let is_zone = |name: &&str| {
        (2..=5).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    if let Some(name) = name.filter(is_zone) {
        if matches!(name, "UTC" | "GMT") {
            let utc = Context { zone: Zone::UTC, ..*cx };
            read = Stamp { offset: FixedOffset::east_opt(0), ..iso(rest, &utc)? };
        }
        read.length += name.len() + 1;
    }
    Some(Stamp { length: read.length + 4, ..read })
}

/// `@` and 24 hexadecimal digits, as daemontools writes it: seconds since 1970 + 10 s + 2^62, nanoseconds.
fn tai64n(text: &str) -> Option<Stamp> {
    let digits = text.get(1..25)?;
    let seconds = u64::from_str_radix(digits.get(..16)?, 16).ok()?.checked_sub((1 << 62) + 10)?;
    let nanos = u32::from_str_radix(digits.get(16..)?, 16).ok()?;
    let time = DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos / 1_000 * 1_000)?;
    Some(Stamp { time, offset: FixedOffset::east_opt(0), length: 25 })
}

/// `Mmm dd [yyyy] hh:mm:ss[.fraction]`, as RFC 3164 and Cisco write it.
pub(crate) fn bsd(text: &str, cx: &Context) -> Option<Stamp> {
    let bytes = text.as_bytes();
    let month = month(bytes.get(..3)?)?;
    let mut at = 3;
    while bytes.get(at) == Some(&b' ') && at < 5 {
        at += 1;
    }
    let (day, end) = digits(bytes, at, 2)?;
    if at == 3 || bytes.get(end) != Some(&b' ') {
        return None;
    }
    at = end + 1;
    let mut year = None;
    if let Some((number, end)) = digits(bytes, at, 4)
        && end == at + 4
        && bytes.get(end) == Some(&b' ')
    {
        year = Some(i32::try_from(number).ok()?);
        at = end + 1;
    }
    let (clock, end) = clock(bytes, at)?;
    let time = match year {
        Some(year) => cx.zone.instant(clock.on(NaiveDate::from_ymd_opt(year, month, day)?)?),
        None => yearless(month, day, clock, cx)?,
    };
    Some(Stamp { time, offset: None, length: end })
}

/// The latest year that puts the stamp not more than 24 h after the reference.
fn yearless(month: u32, day: u32, clock: Clock, cx: &Context) -> Option<DateTime<Utc>> {
    let latest = cx.reference + TimeDelta::hours(24);
    let year = cx.reference.year();
    // No zone is further from UTC than a day: most of the time the next year needs no closer look.
    let newest = year + i32::from(cx.reference.month() == 12 && cx.reference.day() >= 29);
    // Nine years reach back to a 29 February over a century without leap year.
    let mut years = (0..9).map(|back| year + 1 - back).filter(|year| *year <= newest);
    years.find_map(|year| {
        let time = cx.zone.instant(clock.on(NaiveDate::from_ymd_opt(year, month, day)?)?);
        (time <= latest).then_some(time)
    })
}

/// `yyyy-mm-dd[T ]hh:mm:ss[.,fraction][ ][Z|+hh[:]mm]` (RFC 3339 and ISO 8601), also with `/` in the date.
pub(crate) fn iso(text: &str, cx: &Context) -> Option<Stamp> {
    let bytes = text.as_bytes();
    let (year, end) = digits(bytes, 0, 4)?;
    let separator = *bytes.get(end)?;
    if end != 4 || !matches!(separator, b'-' | b'/') {
        return None;
    }
    let (month, end) = digits(bytes, end + 1, 2)?;
    if bytes.get(end) != Some(&separator) {
        return None;
    }
    let (day, end) = digits(bytes, end + 1, 2)?;
    if !matches!(bytes.get(end)?, b'T' | b't' | b' ' | b'_') {
        return None;
    }
    let (clock, end) = clock(bytes, end + 1)?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let local = clock.on(date)?;
    if matches!(bytes.get(end), Some(b'Z' | b'z')) {
        let utc = FixedOffset::east_opt(0);
        return Some(Stamp { time: local.and_utc(), offset: utc, length: end + 1 });
    }
    let spaced = end + usize::from(bytes.get(end) == Some(&b' '));
    if matches!(bytes.get(spaced), Some(b'+' | b'-'))
        && let Some((offset, end)) = offset_at(text, spaced)
    {
        let time = local.and_utc() - TimeDelta::seconds(offset.local_minus_utc().into());
        return Some(Stamp { time, offset: Some(offset), length: end });
    }
    Some(Stamp { time: cx.zone.instant(local), offset: None, length: end })
}

/// `dd/Mmm/yyyy:hh:mm:ss[ +zzzz]`, as web servers write it.
pub(crate) fn common_log(text: &str, cx: &Context) -> Option<Stamp> {
    let bytes = text.as_bytes();
    let (day, end) = digits(bytes, 0, 2)?;
    let month = month(bytes.get(end + 1..end + 4)?)?;
    let (year, end) = digits(bytes, end + 5, 4)?;
    if bytes.get(end) != Some(&b':') {
        return None;
    }
    let (clock, end) = clock(bytes, end + 1)?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let local = clock.on(date)?;
    let Some((offset, end)) = offset_at(text, end + 1) else {
        return Some(Stamp { time: cx.zone.instant(local), offset: None, length: end });
    };
    let time = local.and_utc() - TimeDelta::seconds(offset.local_minus_utc().into());
    Some(Stamp { time, offset: Some(offset), length: end })
}

/// `Mmm dd hh:mm:ss[.fraction] yyyy`, as C's `asctime` and Apache write it behind the weekday.
pub(crate) fn asctime(text: &str, cx: &Context) -> Option<Stamp> {
    let bytes = text.as_bytes();
    let month = month(bytes.get(..3)?)?;
    let spaces = bytes.get(3..)?.iter().take_while(|byte| **byte == b' ').count();
    let (day, end) = digits(bytes, 3 + spaces, 2)?;
    let (clock, end) = clock(bytes, end + 1)?;
    let (year, end) = digits(bytes, end + 1, 4)?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(Stamp { time: cx.zone.instant(clock.on(date)?), offset: None, length: end })
}

/// An instant from a number since 1970: seconds, milli-, micro- or nanoseconds, told apart by size.
pub(crate) fn epoch(value: &Value) -> Option<DateTime<Utc>> {
    if let Some(number) = value.as_int() {
        return DateTime::from_timestamp_micros(match number.unsigned_abs() {
            size if size < 100_000_000_000 => number.checked_mul(1_000_000)?,
            size if size < 100_000_000_000_000 => number.checked_mul(1_000)?,
            size if size < 100_000_000_000_000_000 => number,
            _ => number / 1_000,
        });
    }
    let seconds = value.as_number().filter(|number| number.abs() < 1e11)?;
    #[expect(clippy::cast_possible_truncation, reason = "below 1e17 by the line above")]
    DateTime::from_timestamp_micros((seconds * 1e6).round() as i64)
}

#[derive(Clone, Copy)]
struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
    micro: u32,
}

impl Clock {
    /// The time of day on a date; the leap second 60 is the first of the next minute.
    fn on(self, date: NaiveDate) -> Option<NaiveDateTime> {
        let leap = u32::from(self.second == 60);
        let time =
            date.and_hms_micro_opt(self.hour, self.minute, self.second - leap, self.micro)?;
        Some(if leap == 1 { time + TimeDelta::seconds(1) } else { time })
    }
}

/// `hh:mm:ss[.fraction]`, with the place behind it.
fn clock(bytes: &[u8], at: usize) -> Option<(Clock, usize)> {
    let (hour, end) = digits(bytes, at, 2)?;
    if bytes.get(end) != Some(&b':') {
        return None;
    }
    let (minute, end) = digits(bytes, end + 1, 2)?;
    if bytes.get(end) != Some(&b':') {
        return None;
    }
    let (second, mut end) = digits(bytes, end + 1, 2)?;
    let mut micro = 0;
    if matches!(bytes.get(end), Some(b'.' | b','))
        && bytes.get(end + 1).is_some_and(u8::is_ascii_digit)
    {
        end += 1;
        let mut unit = 100_000;
        while let Some(digit) = bytes.get(end).filter(|byte| byte.is_ascii_digit()) {
            micro += u32::from(digit - b'0') * unit;
            unit /= 10;
            end += 1;
        }
    }
    Some((Clock { hour, minute, second, micro }, end))
}

/// `Z`, `+hh`, `+hhmm` or `+hh:mm`.
fn offset(text: &str) -> Option<FixedOffset> {
    if matches!(text, "Z" | "z") {
        return FixedOffset::east_opt(0);
    }
    let (offset, end) = offset_at(text, 0)?;
    (end == text.len()).then_some(offset)
}

fn offset_at(text: &str, at: usize) -> Option<(FixedOffset, usize)> {
    let bytes = text.as_bytes();
    let sign = match bytes.get(at)? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, end) = digits(bytes, at + 1, 2)?;
    let colon = usize::from(bytes.get(end) == Some(&b':'));
    let (minutes, end) = digits(bytes, end + colon, 2).unwrap_or((0, end));
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    Some((FixedOffset::east_opt(sign * seconds)?, end))
}

/// At most `most` digits from a place on, with the place behind them.
fn digits(bytes: &[u8], at: usize, most: usize) -> Option<(u32, usize)> {
    let mut number = 0;
    let mut end = at;
    while end < at + most
        && let Some(digit) = bytes.get(end).filter(|byte| byte.is_ascii_digit())
    {
        number = number * 10 + u32::from(digit - b'0');
        end += 1;
    }
    (end > at).then_some((number, end))
}

fn month(name: &[u8]) -> Option<u32> {
    Some(match name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(reference: &str, zone: &str) -> Context {
        Context { reference: reference.parse().unwrap(), zone: zone.parse().unwrap() }
    }

    fn read(text: &str, cx: &Context) -> String {
        stamp(text, cx).map_or("none".into(), |stamp| crate::event::rfc3339(stamp.time))
    }

    #[test]
    fn a_stamp_without_year_is_the_latest_not_a_day_ahead() {
        let cx = at("2026-01-01T00:10:00Z", "UTC");
        assert_eq!(read("Dec 31 23:59:59 x", &cx), "2025-12-31T23:59:59Z");
        assert_eq!(read("Jan  1 23:59:59 x", &cx), "2026-01-01T23:59:59Z");
        assert_eq!(read("Jan  2 23:59:59 x", &cx), "2025-01-02T23:59:59Z");
        assert_eq!(read("Feb 29 12:00:00 x", &cx), "2024-02-29T12:00:00Z");
        assert_eq!(read("Feb 30 12:00:00 x", &cx), "none");
        assert_eq!(read("Dec 10 2016 06:55:46 x", &cx), "2016-12-10T06:55:46Z");
    }

    #[test]
    fn zones_and_daylight_saving_are_kept() {
        let cx = at("2026-11-20T00:00:00Z", "Europe/Paris");
        assert_eq!(read("Jul  1 12:00:00 x", &cx), "2026-07-01T10:00:00Z");
        assert_eq!(read("Nov  1 12:00:00 x", &cx), "2026-11-01T11:00:00Z");
        assert_eq!(read("Mar 29 02:30:00 x", &cx), "2026-03-29T01:30:00Z");
        assert_eq!(read("Oct 25 02:30:00 x", &cx), "2026-10-25T00:30:00Z");
        assert_eq!(read("2026-07-01 12:00:00,250 x", &cx), "2026-07-01T10:00:00.250Z");
        assert_eq!(read("2026-07-01T12:00:00.5-0700 x", &cx), "2026-07-01T19:00:00.500Z");
        assert_eq!(read("2026-06-30T23:59:60Z", &cx), "2026-07-01T00:00:00Z");
    }

    #[test]
    fn web_servers_and_numbers_are_read() {
        let cx = at("2026-11-20T00:00:00Z", "Europe/Paris");
        let stamp = common_log("10/Oct/2000:13:55:36 -0700]", &cx).unwrap();
        assert_eq!(crate::event::rfc3339(stamp.time), "2000-10-10T20:55:36Z");
        let stamp = common_log("1/Jul/2026:12:00:00]", &cx).unwrap();
        assert_eq!(crate::event::rfc3339(stamp.time), "2026-07-01T10:00:00Z");
        let stamp = asctime("Dec  4 04:47:44.5 2005]", &cx).unwrap();
        assert_eq!(crate::event::rfc3339(stamp.time), "2005-12-04T03:47:44.500Z");
        assert_eq!(read("@400000004c91b044077a9e94 x", &cx), "2010-09-16T05:50:50.125476Z");
        for power in [0, 3, 6, 9] {
            let number = 1_500_000_000 * 10_i64.pow(power);
            assert_eq!(epoch(&Value::Int(number)).unwrap().timestamp(), 1_500_000_000);
        }
        assert_eq!(epoch(&Value::Decimal("1e400".into())), None);
        assert_eq!(epoch(&"1500000000.25".into()).unwrap().timestamp_millis(), 1_500_000_000_250);
    }
}
