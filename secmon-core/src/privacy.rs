//! The privacy mode: personal values are not sealed themselves but committed to, so that they can be erased
//! and every proof stays valid. Everywhere else a token stands for them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use crate::event::{Event, MESSAGE_AT, Name, Value, fields, message_offset};
use crate::group::Group;
use crate::rules::Signal;
use crate::seal::{commitment, fits};
use crate::token::RAW;
pub use crate::token::Token;
use crate::{Error, Result};

/// Texts that nobody has looked through for persons: they are personal whatever they say.
const TEXTS: [&str; 3] = ["message", ORIGINAL, "error.message"];
/// Where all of an event is kept that does not fit.
const ORIGINAL: &str = "event.original";
/// The kind of such texts.
const TEXT: &str = "text";
/// Fields that hold words of ours or of a standard, never a person.
const WORDS: [&str; 6] = ["event.", "log.", "network.", "rule.", "secmon.", "system.auth."];
/// Fields below these that hold what anybody wrote.
const FREE: [&str; 2] = [ORIGINAL, "log.syslog.structured_data."];

/// Bytes of an event on the heap up to which its body surely fits, with commitments in it.
const MOST_SMALL: usize = 4_000;

/// Which fields are personal, and the key of their tokens.
///
/// ```
/// use secmon_core::privacy::Privacy;
/// let privacy = Privacy::new(["user.name".into(), "source.ip".into()], [7; 32])?;
/// assert_eq!(Privacy::kind_of("user.name"), "user");
/// assert_eq!(privacy.token("user", "bob").to_string().len(), 44);
/// # Ok::<(), secmon_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Privacy {
    fields: Vec<String>,
    index: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Privacy").field("fields", &self.fields).finish_non_exhaustive()
    }
}

impl Privacy {
    /// For fields by name, with 32 random bytes that stay outside the database.
    ///
    /// # Errors
    /// A name that holds words of secmon or of a standard, never a person, or none at all.
    pub fn new(fields: impl IntoIterator<Item = String>, index: [u8; 32]) -> Result<Self> {
        let fields: Vec<String> = fields.into_iter().collect();
        let wrong = |field: &&String| field.is_empty() || field.ends_with('#') || is_word(field);
        if let Some(field) = fields.iter().find(wrong) {
            let reason = format!("`{field}` is no field of an event that can be personal");
            return Err(Error::Malformed { what: "list of erasable fields", reason });
        }
        Ok(Self { fields, index: Zeroizing::new(index) })
    }

    /// What a field's values are called when they are erased: `user`, `address`, `host`, `mac`, `text`, or
    /// the field's own name.
    pub fn kind_of(field: &str) -> &str {
        let (set, last) = field.rsplit_once('.').unwrap_or(("", field));
        match last {
            _ if field == RAW || TEXTS.contains(&field) => TEXT,
            "ip" | "address" if !set.is_empty() => "address",
            "mac" if !set.is_empty() => "mac",
            "name" | "hostname" if set == "host" => "host",
            "name" if set == "user" || (set.starts_with("user.") && set != "user.group") => "user",
            _ => field,
        }
    }

    /// The token of a value.
    pub fn token(&self, kind: &str, value: &str) -> Token {
        Token::of(&self.index, kind, value)
    }

    /// Takes personal values out of an event and its signals: commitments and tokens stand there then.
    pub(crate) fn hide(
        &self,
        event: &mut Event,
        signals: &mut [Signal],
        salt: &mut dyn FnMut() -> [u8; 32],
    ) -> Hidden {
        // A commitment may be longer than its value: of what could outgrow a record all is kept.
        let whole = (event.heap_bytes() > MOST_SMALL).then(|| event.to_json());
        let is_line = event.raw.is_some();
        let mut found = self.personal(event, salt);
        for signal in signals {
            if let Some(group) = self.hidden_group(&signal.group, &found) {
                signal.group = group;
            }
            let parts = match &mut signal.value {
                // What correlations carry: groups and values.
                Some(Value::List(parts)) => parts.as_mut_slice(),
                one => one.as_mut_slice(),
            };
            for part in parts {
                self.hide_part(part, &found);
            }
        }
        let raw = commit(event, &found, is_line);
        if let Some(whole) = whole.filter(|_| !fits(event)) {
            let is_kept = |name: &str| {
                is_word(name) || name.strip_suffix('#').is_some_and(|name| self.is_listed(name))
            };
            let names = event.fields().map(|(name, _)| name).filter(|name| !is_kept(name));
            for name in names.map(Name::from).collect::<Vec<_>>() {
                event.remove(name);
            }
            found.retain(|personal| {
                let is_line = raw.is_some() && personal.field == RAW;
                is_line || (self.is_listed(&personal.field) && personal.field != ORIGINAL)
            });
            let original = Personal::of(self, ORIGINAL.into(), whole, false, salt());
            commit(event, std::slice::from_ref(&original), false);
            found.push(original);
        }
        Hidden { personal: found, raw }
    }

    /// Commits to the tokens that a record of the writer's own names.
    pub(crate) fn hide_tokens(event: &mut Event, salt: &mut dyn FnMut() -> [u8; 32]) -> Hidden {
        let tokens = event.fields().filter_map(|(name, value)| {
            let token = Token::parse(value.as_str()?)?;
            Some(Personal { field: name.into(), salt: salt(), token, subject: None })
        });
        let personal: Vec<Personal> = tokens.collect();
        let raw = commit(event, &personal, false);
        Hidden { personal, raw }
    }

    fn is_listed(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field == name)
    }

    /// The personal values of an event: of listed fields, texts, and whatever else holds one of these.
    fn personal(&self, event: &mut Event, salt: &mut dyn FnMut() -> [u8; 32]) -> Vec<Personal> {
        if event.raw.is_some()
            && let Some(value) = event.remove(RAW)
        {
            // Its commitment would stand for the line.
            event.set("raw_", value);
        }
        let at_end = event.raw().and_then(|raw| message_offset(raw, event.message()));
        let mut found = Vec::new();
        let mut of = |name: &str, value: &Value| {
            if matches!(value, Value::Null) {
                return None;
            }
            let (text, is_json) = text_of(value);
            Some(Personal::of(self, name.into(), text, is_json, salt()))
        };
        found.extend(
            event
                .fields()
                .filter(|(name, _)| self.is_listed(name))
                .filter_map(|(name, value)| of(name, value)),
        );
        let mut needles = Vec::new();
        for (_, value) in event.fields().filter(|(name, _)| self.is_listed(name)) {
            needles.extend(value.each().iter().map(ToString::to_string));
        }
        let holds = |value: &Value| {
            let (text, _) = text_of(value);
            needles.iter().any(|needle| holds_word(&text, needle))
        };
        let others = event.fields().filter(|(name, value)| {
            let is_taken = self.is_listed(name)
                // It goes with the line.
                || (at_end.is_some() && *name == fields::MESSAGE.name());
            !is_taken && (TEXTS.contains(name) || (!is_word(name) && holds(value)))
        });
        found.extend(others.filter_map(|(name, value)| of(name, value)));
        if let Some(raw) = event.raw.take() {
            if let Some(at) = at_end {
                event.remove(fields::MESSAGE);
                if at > 0 {
                    event.set(MESSAGE_AT, i64::try_from(at).unwrap_or(i64::MAX));
                }
            }
            found.push(Personal::of(self, RAW.into(), raw.into(), false, salt()));
        }
        found
    }

    /// A group with tokens for what is personal; none if nothing is.
    fn hidden_group(&self, group: &Group, found: &[Personal]) -> Option<Group> {
        let mut pairs = group.pairs();
        let mut changed = false;
        for (name, value) in &mut pairs {
            if let Some(text) = value_text(value)
                && let Some(token) = self.hidden(Some(name.as_str()), &text, found)
            {
                *value = Value::Text(token.to_string());
                changed = true;
            }
        }
        changed.then(|| Group::from_pairs(pairs))
    }

    /// Hides a value of a signal, which may be a group.
    fn hide_part(&self, part: &mut Value, found: &[Personal]) {
        let Some(text) = value_text(part) else { return };
        if let Some(group) = text
            .starts_with('{')
            .then(|| self.hidden_group(&Group::from_json(&text), found))
            .flatten()
        {
            *part = Value::Text(group.as_json().into());
        } else if let Some(token) = self.hidden(None, &text, found) {
            *part = Value::Text(token.to_string());
        }
    }

    /// The token for a value of a signal: that of the field, of an equal value, or of one that it holds.
    fn hidden(&self, name: Option<&str>, text: &str, found: &[Personal]) -> Option<Token> {
        let is = |personal: &&Personal| {
            personal.subject.as_ref().is_some_and(|subject| subject.value == text)
        };
        let by_name = found.iter().find(|one| Some(one.field.as_str()) == name && is(one));
        if let Some(personal) = by_name.or_else(|| found.iter().find(is)) {
            return Some(personal.token);
        }
        let held = found.iter().filter_map(|one| one.subject.as_ref()).any(|subject| {
            subject.kind != TEXT && !subject.is_json && holds_word(text, &subject.value)
        });
        // One of several values of a field.
        let element = found.iter().filter_map(|one| one.subject.as_ref()).any(|subject| {
            subject.is_json && elements(&subject.value).iter().any(|element| element == text)
        });
        let listed = name.is_some_and(|name| self.is_listed(name));
        (held || listed || element).then(|| self.token(name.map_or(TEXT, Self::kind_of), text))
    }
}

/// The texts in a list of JSON.
fn elements(json: &str) -> Vec<String> {
    let all: Vec<serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    all.into_iter().map(|one| Value::from(one).to_string()).collect()
}

/// What was taken out of an event.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    pub(crate) personal: Vec<Personal>,
    /// The commitment to the raw line, if there was one.
    pub(crate) raw: Option<String>,
}

impl Hidden {
    /// The text of the token that stands for a field.
    pub(crate) fn token(&self, field: &str) -> Option<String> {
        let personal = self.personal.iter().find(|personal| personal.field == field)?;
        Some(personal.token.to_string())
    }
}

/// A personal value of a record, and what was sealed in its place.
#[derive(Clone, Debug)]
pub struct Personal {
    /// The field; `raw` for a raw line.
    pub field: String,
    /// The salt of its commitment.
    pub salt: [u8; 32],
    /// What stands for it elsewhere.
    pub token: Token,
    /// The value; none where the record names only its token.
    pub subject: Option<Subject>,
}

/// A personal value.
#[derive(Clone, Eq, PartialEq)]
pub struct Subject {
    /// What it is: `user`, `address`, ...
    pub kind: String,
    /// Its text, or its JSON where it is no text.
    pub value: String,
    /// Whether the value is JSON.
    pub is_json: bool,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({}, ..)", self.kind)
    }
}

impl Personal {
    fn of(privacy: &Privacy, field: String, value: String, is_json: bool, salt: [u8; 32]) -> Self {
        let kind = Privacy::kind_of(&field).to_owned();
        let token = privacy.token(&kind, &value);
        Self { field, salt, token, subject: Some(Subject { kind, value, is_json }) }
    }

    /// What is committed to: the value, or the token's text where the record names only that.
    fn committed(&self) -> String {
        self.subject
            .as_ref()
            .map_or_else(|| self.token.to_string(), |subject| subject.value.clone())
    }
}

/// Puts commitments in place of values; gives that of a raw line, which is no field.
fn commit(event: &mut Event, found: &[Personal], is_line: bool) -> Option<String> {
    let mut raw = None;
    for personal in found {
        let sealed = commitment(&personal.salt, &personal.field, &personal.committed());
        let sealed = BASE64.encode(sealed);
        if is_line && personal.field == RAW {
            raw = Some(sealed);
            continue;
        }
        event.remove(personal.field.as_str());
        event.set(format!("{}#", personal.field).as_str(), sealed);
    }
    raw
}

/// A value as it is committed to: its text, or its JSON, which the second part says.
fn text_of(value: &Value) -> (String, bool) {
    if let Some(text) = value.body_text() {
        return (text.into_owned(), false);
    }
    let mut json = String::new();
    value.write_body(&mut json);
    (json, true)
}

fn value_text(value: &Value) -> Option<String> {
    value.body_text().map(std::borrow::Cow::into_owned)
}

fn is_word(field: &str) -> bool {
    let begins = |prefix: &&str| field.starts_with(*prefix);
    WORDS.iter().any(begins) && !FREE.iter().any(begins)
}

/// Whether a text holds a value between characters that no word has.
///
/// ```
/// use secmon_core::privacy::holds_word;
/// assert!(holds_word("from 10.0.0.1 port 22", "10.0.0.1"));
/// assert!(!holds_word("from 10.0.0.11 port 22", "10.0.0.1"));
/// ```
pub fn holds_word(text: &str, value: &str) -> bool {
    if value.is_empty() {
        return false;
    }
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    // Where the value itself begins or ends with another character, any may stand beside it.
    let (first, last) = (is_part(value.chars().next()), is_part(value.chars().next_back()));
    text.match_indices(value).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let behind = text.get(at + value.len()..).and_then(|text| text.chars().next());
        let is_inside = (first && is_part(before)) || (last && is_part(behind));
        !is_inside
    })
}
