//! `Event`: one thing that happened, parsed.

mod field;
mod level;
mod sources;
mod value;

use std::net::IpAddr;

use chrono::{DateTime, FixedOffset, SecondsFormat, SubsecRound as _, Utc};

pub(crate) use self::field::cmp_utf16;
pub use self::field::{Field, Name, fields};
pub use self::level::Level;
pub use self::sources::Sources;
pub use self::value::Value;
use crate::json;

/// Where a message stands inside its raw line, when it runs to the line's end: sealed bodies then
/// carry this field in place of a second copy.
pub(crate) const MESSAGE_AT: &str = "secmon.message.offset";

/// One thing that happened: a time, a level, log sources and fields under ECS names.
///
/// ```
/// use chrono::{TimeZone, Utc};
/// use secmon_core::{Event, fields};
///
/// let mut event = Event::new(Utc.with_ymd_and_hms(2026, 11, 20, 3, 0, 0).unwrap());
/// event.set(fields::SOURCE_IP, "203.0.113.7".parse::<std::net::IpAddr>()?);
/// assert_eq!(event.to_json(), concat!(
///     r#"{"@timestamp":"2026-11-20T03:00:00Z","log.level":"informational","#,
///     r#""source.ip":"203.0.113.7"}"#,
/// ));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it happened, to the microsecond.
    pub time: DateTime<Utc>,
    /// The offset from UTC that the source gave with the time.
    pub offset: Option<FixedOffset>,
    /// How grave the source says it is.
    pub level: Level,
    /// What kind of log it comes from.
    pub sources: Sources,
    /// The whole line, for text lines.
    pub(crate) raw: Option<Box<str>>,
    fields: Vec<(Name, Value)>,
}

impl Event {
    /// An event without fields, at a time to the microsecond.
    pub fn new(time: DateTime<Utc>) -> Self {
        Self {
            time: time.trunc_subsecs(6),
            offset: None,
            level: Level::default(),
            sources: Sources::default(),
            raw: None,
            fields: Vec::with_capacity(16),
        }
    }

    /// An event of many fields at once: of two with one name the last stays. The second part of
    /// the answer says whether there were such.
    pub(crate) fn with_fields(time: DateTime<Utc>, mut fields: Vec<(Name, Value)>) -> (Self, bool) {
        fields.reverse();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        let before = fields.len();
        fields.dedup_by(|later, first| later.0 == first.0);
        let doubled = fields.len() < before;
        (Self { fields, ..Self::new(time) }, doubled)
    }

    /// Sets a field; one of this name is replaced.
    pub fn set(&mut self, name: impl Into<Name>, value: impl Into<Value>) {
        self.put(name.into(), value.into());
    }

    fn put(&mut self, name: Name, value: Value) {
        match self.fields.binary_search_by(|(other, _)| other.cmp(&name)) {
            Ok(at) => {
                if let Some(field) = self.fields.get_mut(at) {
                    field.1 = value;
                }
            }
            Err(at) => self.fields.insert(at, (name, value)),
        }
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: impl Into<Name>) -> Option<Value> {
        let name = name.into();
        let at = self.fields.binary_search_by(|(other, _)| other.cmp(&name)).ok()?;
        Some(self.fields.remove(at).1)
    }

    /// The value of a field that the crate knows.
    #[inline]
    pub fn get(&self, field: Field) -> Option<&Value> {
        self.fields.iter().find(|(name, _)| name.is(field)).map(|(_, value)| value)
    }

    /// The value of a field by its name.
    pub fn find(&self, name: &str) -> Option<&Value> {
        // Events are short, and most names differ in length: this is faster than a binary search.
        self.fields.iter().find(|(other, _)| other.as_str() == name).map(|(_, value)| value)
    }

    /// The text of a field, if it holds one.
    #[inline]
    pub fn text(&self, field: Field) -> Option<&str> {
        self.get(field).and_then(Value::as_str)
    }

    /// All fields, sorted by name.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The value at a place among the fields.
    #[cfg(feature = "sigma")]
    pub(crate) fn value_at(&self, at: usize) -> Option<&Value> {
        self.fields.get(at).map(|(_, value)| value)
    }

    /// The message: what was said, without time, host and program.
    pub fn message(&self) -> &str {
        self.text(fields::MESSAGE).unwrap_or_default()
    }

    /// The line as it came, for text lines.
    pub fn raw(&self) -> Option<&str> {
        self.raw.as_deref()
    }

    /// The host that spoke.
    pub fn host(&self) -> Option<&str> {
        self.text(fields::HOST_NAME)
    }

    /// How many times the source says that it happened, at least 1.
    pub fn repeats(&self) -> u32 {
        let repeat = self.get(fields::SECMON_REPEAT).and_then(Value::as_int).unwrap_or(1);
        u32::try_from(repeat.max(1)).unwrap_or(u32::MAX)
    }

    /// The address that it came from.
    pub fn source_ip(&self) -> Option<IpAddr> {
        self.get(fields::SOURCE_IP).and_then(Value::as_ip)
    }

    /// Whether it succeeded, failed, or neither is known, as ECS words it.
    pub fn outcome(&self) -> Option<&str> {
        self.text(fields::EVENT_OUTCOME)
    }

    /// What was done, an ECS action.
    pub fn action(&self) -> Option<&str> {
        self.text(fields::EVENT_ACTION)
    }

    /// The event as one flat JSON object under ECS names, with `@timestamp` and log sources.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(512);
        out.push_str("{\"@timestamp\":\"");
        out.push_str(&rfc3339(self.time));
        out.push('"');
        if let Some(offset) = self.offset {
            out.push_str(",\"event.timezone\":\"");
            json::push_display(&mut out, offset);
            out.push('"');
        }
        out.push_str(",\"log.level\":\"");
        out.push_str(self.level.as_str());
        out.push('"');
        for (name, value) in &self.fields {
            out.push(',');
            json::push_str(&mut out, name.as_str());
            out.push(':');
            value.write_output(&mut out);
        }
        for (name, values) in self.sources.each() {
            match &**values {
                [] => {}
                [one] => {
                    json::push_display(&mut out, format_args!(",\"{name}\":"));
                    json::push_str(&mut out, one);
                }
                more => {
                    json::push_display(&mut out, format_args!(",\"{name}\":"));
                    push_names(&mut out, more);
                }
            }
        }
        out.push('}');
        out
    }

    /// Appends the fields as the `ev` of a sealed body.
    pub(crate) fn write_fields(&self, out: &mut String) {
        let message_at = self.raw.as_deref().map(|raw| message_offset(raw, self.message()));
        let mut offset = message_at.flatten();
        let mut separator = '{';
        for (name, value) in &self.fields {
            if offset.is_some() && name.is(fields::MESSAGE) {
                continue;
            }
            if let Some(at) = offset
                && at > 0
                && name.as_str() > MESSAGE_AT
            {
                push_offset(out, &mut separator, at);
                offset = Some(0);
            }
            out.push(separator);
            separator = ',';
            name.write(out);
            out.push(':');
            value.write_body(out);
        }
        if let Some(at) = offset
            && at > 0
        {
            push_offset(out, &mut separator, at);
        }
        out.push_str(if separator == '{' { "{}" } else { "}" });
    }

    /// Appends the log sources as the `src` of a sealed body.
    pub(crate) fn write_sources(&self, out: &mut String) {
        let mut separator = '{';
        for (name, values) in self.sources.each() {
            out.push(separator);
            separator = ',';
            json::push_str(out, name);
            out.push(':');
            push_names(out, values);
        }
        out.push('}');
    }

    /// Bytes on the heap, roughly, for budgets.
    pub fn heap_bytes(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| name.heap_bytes() + value.heap_bytes());
        fields.sum::<usize>()
            + self.fields.capacity() * size_of::<(Name, Value)>()
            + self.sources.heap_bytes()
            + self.raw().map_or(0, str::len)
    }
}

/// RFC 3339 in UTC with `Z`, with as many decimals as are needed.
pub(crate) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn push_names(out: &mut String, names: &[std::borrow::Cow<'static, str>]) {
    json::push_list(out, names, |out, name| json::push_str(out, name));
}

/// Where the message begins in the raw line if it runs to its end.
pub(crate) fn message_offset(raw: &str, message: &str) -> Option<usize> {
    raw.ends_with(message).then(|| raw.len() - message.len())
}

fn push_offset(out: &mut String, separator: &mut char, at: usize) {
    out.push(*separator);
    *separator = ',';
    json::push_display(out, format_args!("\"{MESSAGE_AT}\":{at}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_fields_with_one_name_the_last_stays() {
        let fields = vec![
            (Name::from("b"), Value::Int(1)),
            (Name::from("a"), Value::Int(2)),
            (Name::from("b"), Value::Int(3)),
        ];
        let (event, doubled) = Event::with_fields(DateTime::UNIX_EPOCH, fields);
        assert!(doubled);
        assert_eq!(event.find("b"), Some(&Value::Int(3)));
        assert_eq!(event.fields().count(), 2);
    }

    #[test]
    fn a_message_at_the_end_of_its_line_is_written_once() {
        let mut event = Event::new(DateTime::UNIX_EPOCH);
        event.raw = Some("web-1 sshd: hello".into());
        event.set(fields::MESSAGE, "hello");
        event.set(fields::SOURCE_PORT, 22);
        let mut out = String::new();
        event.write_fields(&mut out);
        assert_eq!(out, r#"{"secmon.message.offset":12,"source.port":22}"#);
    }
}
