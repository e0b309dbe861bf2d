//! Lengths of time in settings: `"10m"` or seconds.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// The longest: what is added to or doubled stays far from the ends of time.
const MOST: Duration = Duration::from_hours(24 * 36_525);

/// Reads `90`, `"90s"`, `"10m"`, `"24h"`, `"30d"` or `"500ms"`.
///
/// ```
/// use secmon_core::parse_span;
/// assert_eq!(parse_span("10m")?.as_secs(), 600);
/// assert!(parse_span("soon").is_err());
/// assert!(parse_span("200000000000d").is_err());
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// A sentence that says which forms there are, or that it is longer than a century.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("`{text}` is no length of time; write for instance `90s`, `10m`, `24h` or `30d`")
    };
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit {
        "ms" => return bounded(Some(Duration::from_millis(number)), text),
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    bounded(number.checked_mul(factor).map(Duration::from_secs), text)
}

fn bounded(span: Option<Duration>, text: &str) -> Result<Duration, String> {
    span.filter(|span| *span <= MOST).ok_or_else(|| {
        format!("`{text}` is longer than a century: write at most `{}d`", MOST.as_secs() / 86_400)
    })
}

/// For `#[serde(with = "span")]`.
pub(crate) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let seconds = span.as_secs();
    let (number, unit) = match seconds {
        _ if span.subsec_millis() > 0 => (span.as_millis(), "ms"),
        1.. if seconds.is_multiple_of(86_400) => ((seconds / 86_400).into(), "d"),
        1.. if seconds.is_multiple_of(3_600) => ((seconds / 3_600).into(), "h"),
        1.. if seconds.is_multiple_of(60) => ((seconds / 60).into(), "m"),
        _ => (seconds.into(), "s"),
    };
    serializer.collect_str(&format_args!("{number}{unit}"))
}

/// For `#[serde(with = "span")]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Span {
        Seconds(u64),
        Text(String),
    }
    match Span::deserialize(deserializer)? {
        Span::Seconds(seconds) => bounded(Some(Duration::from_secs(seconds)), &seconds.to_string())
            .map_err(D::Error::custom),
        Span::Text(text) => parse_span(&text).map_err(D::Error::custom),
    }
}

/// A length of time in microseconds, the unit of stamps.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// Refuses a window in which nothing can come together.
pub(crate) fn not_zero(name: &str, span: Duration) -> Result<(), String> {
    if span.is_zero() { Err(format!("`{name}` must be longer than nothing")) } else { Ok(()) }
}
