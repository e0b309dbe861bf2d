//! Words: what a text search looks for, and what it finds in an event.

use secmon_core::{Event, event_of};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Error, Result};

/// The bounds of what may be asked for; longer words are compared by their beginnings.
const MOST_BYTES: usize = 1_000;
const MOST_WORDS: usize = 16;
const LONGEST: usize = 64;

/// Gives each word of a text: letters and digits without a break, in lower case.
pub(super) fn each(text: &str, mut tell: impl FnMut(&str)) {
    let mut lower = String::new();
    for word in text.split(|letter: char| !letter.is_alphanumeric()) {
        if word.is_empty() {
            continue;
        }
        let cut = word.get(..word.floor_char_boundary(LONGEST)).unwrap_or_default();
        let is_lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if cut.bytes().all(is_lower) {
            tell(cut);
        } else {
            lower.clear();
            lower.extend(cut.chars().flat_map(char::to_lowercase));
            tell(&lower);
        }
    }
}

/// Gives each word of an event: of its message and of all its values.
pub(super) fn of_event(event: &Event, mut tell: impl FnMut(&str)) {
    each(event.message(), &mut tell);
    for (_, value) in event.fields() {
        for one in value.each() {
            each(&one.to_string(), &mut tell);
        }
    }
}

/// Gives at least each word of the event that a body holds: most bodies need not be read for that.
pub(super) fn of_body(body: &[u8], mut tell: impl FnMut(&str)) {
    if let Some(parts) = Parts::of(body) {
        each(parts.fields, &mut tell);
        each(parts.message, &mut tell);
    } else if let Ok(event) = event_of(body) {
        of_event(&event, tell);
    }
}

/// The parts of a body that hold words, as they are written.
struct Parts<'b> {
    fields: &'b str,
    message: &'b str,
}

#[derive(Deserialize)]
struct Body<'b> {
    #[serde(borrow)]
    ev: &'b RawValue,
    raw: Option<&'b str>,
}

/// Where the message begins in the raw line.
const OFFSET: &str = "\"secmon.message.offset\":";

impl<'b> Parts<'b> {
    /// None where words may be written in another way than they are read: escaped.
    fn of(body: &'b [u8]) -> Option<Self> {
        if memchr::memchr(b'\\', body).is_some() {
            return None;
        }
        let Body { ev, raw } = serde_json::from_slice(body).ok()?;
        let offset = ev.get().split_once(OFFSET).map_or("", |(_, rest)| rest);
        let offset = offset.split_once(|letter: char| !letter.is_ascii_digit());
        let offset = offset.and_then(|(digits, _)| digits.parse().ok()).unwrap_or(0);
        let message = raw.unwrap_or_default().get(offset..)?;
        Some(Self { fields: ev.get(), message })
    }
}

/// The words that a search asks for.
pub(super) fn asked(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    if text.len() <= MOST_BYTES {
        each(text, |word| words.push(word.to_owned()));
        words.sort_unstable();
        words.dedup();
    }
    if words.is_empty() || words.len() > MOST_WORDS {
        let reason = format!(
            "`text` has 1 to {MOST_WORDS} words of letters and digits, and at most {MOST_BYTES} bytes"
        );
        return Err(Error::Query { reason });
    }
    Ok(words)
}

/// Whether all these words may stand in a body: a look at its bytes spares reading most of them.
pub(super) fn may_have_all(body: &[u8], words: &[String]) -> bool {
    // Others may be written in another way: escaped, or folded.
    let plain = |word: &&String| word.is_ascii();
    let lower = body.to_ascii_lowercase();
    words.iter().filter(plain).all(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())
}

/// Whether all these words stand in an event.
pub(super) fn has_all(event: &Event, words: &[String]) -> bool {
    let mut missing: Vec<&String> = words.iter().collect();
    of_event(event, |word| missing.retain(|one| *one != word));
    missing.is_empty()
}
