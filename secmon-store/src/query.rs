//! What lists ask for: filters and pages that go on where the last one ended.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use secmon_core::Level;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next: Option<String>,
}

/// Which records a list shows, the newest first.
///
/// ```
/// use secmon_core::Level;
/// use secmon_store::RecordQuery;
/// let query = RecordQuery::default().level_min(Level::High).field("host.name", "web-1").limit(50);
/// ```
#[derive(Clone, Debug)]
pub struct RecordQuery {
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) level: Option<Level>,
    pub(crate) level_min: Option<Level>,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) text: Option<String>,
    pub(crate) limit: usize,
    pub(crate) page: Option<String>,
}

impl Default for RecordQuery {
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            level: None,
            level_min: None,
            fields: BTreeMap::new(),
            text: None,
            limit: 100,
            page: None,
        }
    }
}

impl RecordQuery {
    /// Events from this time on.
    #[must_use]
    pub fn since(mut self, time: DateTime<Utc>) -> Self {
        self.since = Some(time);
        self
    }

    /// Events before this time.
    #[must_use]
    pub fn until(mut self, time: DateTime<Utc>) -> Self {
        self.until = Some(time);
        self
    }

    /// Events of just this level.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// Events of this level or graver.
    #[must_use]
    pub fn level_min(mut self, level: Level) -> Self {
        self.level_min = Some(level);
        self
    }

    /// Events whose field has this value, as text; of a list, one of its values. Of `source.ip` and `destination.ip` any
    /// form of the address.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.insert(name.into(), canonical(name, value));
        self
    }

    /// Records in which all words of a text stand, whatever else stands between them: words are letters and digits
    /// without a break, in whatever case, of the message and of all values. Personal values of the privacy mode are
    /// not searched. Blocks of records come newest first, and records within a block.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.text = Some(text.into());
        self
    }

    /// At most so many, up to 1,000.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, 1_000);
        self
    }

    /// Goes on where another page ended.
    #[must_use]
    pub fn page(mut self, page: &str) -> Self {
        self.page = Some(page.into());
        self
    }
}

/// The form in which a value is kept: addresses have many, and one that is mapped is what it maps.
pub(crate) fn canonical(name: &str, value: &str) -> String {
    let address = match name {
        "source.ip" | "destination.ip" => value.parse::<std::net::IpAddr>().ok(),
        _ => None,
    };
    address.map_or_else(|| value.into(), |address| address.to_canonical().to_string())
}

/// The cursor behind the last row, if the page is full.
pub(crate) fn next_page<T, K: Serialize>(
    rows: &[T],
    limit: usize,
    key: impl Fn(&T) -> K,
) -> Option<String> {
    let last = rows.last().filter(|_| rows.len() >= limit)?;
    Some(cursor(&key(last)))
}

/// A place in a list as a word of URL-safe characters.
pub(crate) fn cursor<K: Serialize>(key: &K) -> String {
    secmon_core::hex(&serde_json::to_vec(key).unwrap_or_default())
}

/// The place that a cursor names.
pub(crate) fn read_cursor<K: DeserializeOwned>(cursor: &str) -> Result<K> {
    let wrong = || Error::Query { reason: "`page` is not a cursor of this list".into() };
    let digits = cursor.as_bytes().as_chunks::<2>();
    if !digits.1.is_empty() || cursor.len() > 2_000 {
        return Err(wrong());
    }
    let byte = |pair: &[u8; 2]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Option<Vec<u8>> = digits.0.iter().map(byte).collect();
    serde_json::from_slice(&bytes.ok_or_else(wrong)?).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back_and_others_refused() {
        assert_eq!(read_cursor::<(i64, i64)>(&cursor(&(1, -2))).unwrap(), (1, -2));
        for wrong in ["", "zz", "5b", "0", "\u{e9}\u{e9}"] {
            assert!(read_cursor::<(i64, i64)>(wrong).is_err(), "{wrong}");
        }
    }
}
