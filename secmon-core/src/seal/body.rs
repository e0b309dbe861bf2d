//! Bodies of records: written and read strictly as RFC 8785 JSON without floats.

use chrono::{DateTime, FixedOffset, Utc};

use crate::event::{Event, Level, MESSAGE_AT, Name, Value, cmp_utf16, fields};
use crate::json::{first_special, push_display, push_escaped, push_int, push_str};

/// The longest body, as a tile entry of C2SP `tlog-tiles` can hold it.
pub const MOST_BODY: usize = 65_535;
/// Room for what stands around the event in a body, with numbers at their longest.
const ENVELOPE: usize = 640;
/// The day on which what never expires does: 31 December 9999.
const NEVER: i64 = 2_932_896;

/// What the writer adds to an event to make it a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) origin: &'a str,
    pub(crate) seq: u64,
    /// Time of sealing, µs.
    pub(crate) at: i64,
    pub(crate) id: u128,
    pub(crate) category: &'a str,
}

/// Appends the body of a record.
pub(crate) fn encode(envelope: &Envelope<'_>, event: &Event, out: &mut String) {
    out.push_str("{\"at\":");
    push_int(out, envelope.at);
    out.push_str(",\"cat\":\"");
    push_escaped(out, envelope.category);
    out.push_str("\",\"ev\":");
    event.write_fields(out);
    out.push_str(",\"exp\":");
    push_int(out, expires(envelope.at, event.level, envelope.category));
    out.push_str(",\"id\":\"");
    push_id(out, envelope.id);
    out.push_str("\",\"lvl\":\"");
    out.push_str(event.level.as_str());
    if let Some(raw) = event.raw() {
        out.push_str("\",\"raw\":\"");
        push_escaped(out, raw);
    }
    out.push_str("\",\"seq\":");
    push_int(out, i64::try_from(envelope.seq).unwrap_or(i64::MAX));
    out.push_str(",\"src\":");
    event.write_sources(out);
    out.push_str(",\"st\":\"");
    push_escaped(out, envelope.origin);
    out.push_str("\",\"ts\":");
    push_int(out, event.time.timestamp_micros());
    if let Some(offset) = event.offset {
        out.push_str(",\"tz\":\"");
        push_display(out, offset);
        out.push('"');
    }
    out.push_str(",\"v\":1}");
}

/// Whether the event fits a body whatever the envelope.
pub(crate) fn fits(event: &Event) -> bool {
    // A byte becomes six at most (`\u001b`): most events need no closer look.
    if event.heap_bytes() < (MOST_BODY - ENVELOPE) / 6 {
        return true;
    }
    let mut out = String::new();
    event.write_fields(&mut out);
    event.write_sources(&mut out);
    push_str(&mut out, event.raw().unwrap_or_default());
    out.len() + ENVELOPE <= MOST_BODY
}

/// The day on which a record expires: 90 days for the everyday, five years from level high on, never
/// for what the writer itself says. Beyond 90 days in steps of a month.
pub(crate) fn expires(at: i64, level: Level, category: &str) -> i64 {
    if category != "event" {
        return NEVER;
    }
    let day = at.div_euclid(86_400_000_000);
    if level >= Level::High { (day + 5 * 365 + 29).div_euclid(30) * 30 } else { day + 90 }
}

/// A UUID in its usual form.
fn push_id(out: &mut String, id: u128) {
    let bytes = id.to_be_bytes();
    let mut text = [b'-'; 36];
    // Where the digits of each byte stand between the hyphens.
    let places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    for (byte, at) in bytes.into_iter().zip(places) {
        if let Some([high, low]) = text.get_mut(at..at + 2) {
            (*high, *low) = (hex_digit(byte >> 4), hex_digit(byte & 15));
        }
    }
    out.push_str(std::str::from_utf8(&text).unwrap_or_default());
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble }
}

/// The envelope and the indexed fields of a body, as they stand in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Body<'a> {
    pub(crate) at: i64,
    pub(crate) category: &'a str,
    pub(crate) expires: i64,
    pub(crate) level: &'a str,
    pub(crate) seq: i64,
    pub(crate) stream: &'a str,
    pub(crate) time: i64,
    version: i64,
    pub(crate) host: Option<&'a str>,
    pub(crate) source_ip: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) action: Option<&'a str>,
    pub(crate) outcome: Option<&'a str>,
    /// Whether one of the texts above holds escapes and must be decoded before it is compared.
    pub(crate) escaped: bool,
}

impl<'a> Body<'a> {
    /// Reads a body strictly: sorted keys, none twice, no floats, no blanks, canonical escapes.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.len() > MOST_BODY {
            return Err(format!("longer than {MOST_BODY} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let mut reader = Strict { text, bytes, at: 0 };
        let mut body = Self::default();
        reader.object(&mut |reader, key| body.member(reader, key))?;
        if reader.at < bytes.len() {
            return Err(reader.error("more behind the object"));
        }
        if body.version != 1 {
            return Err(format!("version {} is not known", body.version));
        }
        Ok(body)
    }

    fn member(&mut self, reader: &mut Strict<'a>, key: &str) -> Result<(), String> {
        match key {
            "at" => self.at = reader.integer()?,
            "cat" => self.category = reader.string(&mut self.escaped)?,
            "ev" => {
                let mut escaped = false;
                reader.object(&mut |reader, key| {
                    let field = match key {
                        "host.name" => &mut self.host,
                        "source.ip" => &mut self.source_ip,
                        "user.name" => &mut self.user,
                        "event.action" => &mut self.action,
                        "event.outcome" => &mut self.outcome,
                        _ => return reader.value(0),
                    };
                    if reader.peek() == Some(b'"') {
                        *field = Some(reader.string(&mut escaped)?);
                        return Ok(());
                    }
                    reader.value(0)
                })?;
                self.escaped |= escaped;
            }
            "exp" => self.expires = reader.integer()?,
            "lvl" => self.level = reader.string(&mut self.escaped)?,
            "seq" => self.seq = reader.integer()?,
            "st" => self.stream = reader.string(&mut self.escaped)?,
            "ts" => self.time = reader.integer()?,
            "v" => self.version = reader.integer()?,
            _ => reader.value(0)?,
        }
        Ok(())
    }
}

/// Reads canonical JSON and nothing else.
struct Strict<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

type Member<'a, 'f> = &'f mut dyn FnMut(&mut Strict<'a>, &'a str) -> Result<(), String>;

impl<'a> Strict<'a> {
    fn object(&mut self, member: Member<'a, '_>) -> Result<(), String> {
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut before: Option<(&str, bool)> = None;
        loop {
            let mut escaped = false;
            let key = self.string(&mut escaped)?;
            if let Some(before) = before
                && !is_sorted(before, (key, escaped))
            {
                return Err(self.error("keys not sorted, or one twice"));
            }
            before = Some((key, escaped));
            self.expect(b':')?;
            member(self, key)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.expect(b'}')
    }

    fn value(&mut self, depth: usize) -> Result<(), String> {
        if depth > 130 {
            return Err(self.error("nested too deeply"));
        }
        match self.peek() {
            Some(b'"') => self.string(&mut false).map(drop),
            Some(b'-' | b'0'..=b'9') => self.integer().map(drop),
            Some(b'{') => self.object(&mut |reader, _| reader.value(depth + 1)),
            Some(b'[') => {
                self.at += 1;
                if self.peek() == Some(b']') {
                    self.at += 1;
                    return Ok(());
                }
                loop {
                    self.value(depth + 1)?;
                    match self.peek() {
                        Some(b',') => self.at += 1,
                        _ => return self.expect(b']'),
                    }
                }
            }
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let literal =
                    ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
                self.at += literal.ok_or_else(|| self.error("a value expected"))?.len();
                Ok(())
            }
        }
    }

    /// A string's text between its quotes, escapes as they stand.
    fn string(&mut self, escaped: &mut bool) -> Result<&'a str, String> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at += first_special(rest).unwrap_or(rest.len());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    *escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.error("control character or end in a string")),
            }
        }
        self.at += 1;
        Ok(self.text.get(start..self.at - 1).unwrap_or_default())
    }

    fn escape(&mut self) -> Result<(), String> {
        self.at += 2;
        match self.bytes.get(self.at - 1) {
            Some(b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r') => Ok(()),
            Some(b'u') => {
                let digits = self.text.get(self.at..self.at + 4).unwrap_or_default();
                let control = u32::from_str_radix(digits, 16)
                    .is_ok_and(|code| code < 0x20 && !matches!(code, 8 | 9 | 10 | 12 | 13));
                let lower =
                    !digits.bytes().any(|digit| digit.is_ascii_uppercase() || digit == b'+');
                self.at += 4;
                if control && lower { Ok(()) } else { Err(self.error("escape not canonical")) }
            }
            _ => Err(self.error("escape not canonical")),
        }
    }

    fn integer(&mut self) -> Result<i64, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let is_negative = self.at > start;
        let first = self.peek();
        let mut number = 0_i64;
        let digits = self.bytes.get(self.at..).unwrap_or_default();
        let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
        // Sixteen digits hold 53 bits, and fit 64.
        for (count, digit) in (1..).zip(digits) {
            self.at += 1;
            number = if count > 16 { i64::MAX } else { number * 10 + i64::from(digit - b'0') };
        }
        let length = self.at - start;
        let canonical = first.is_some_and(|byte| matches!(byte, b'1'..=b'9'))
            || (first == Some(b'0') && length == 1);
        if !canonical || !crate::json::is_safe(number) {
            return Err(self.error("an integer of at most 53 bits expected"));
        }
        Ok(if is_negative { -number } else { number })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() != Some(byte) {
            return Err(self.error(&format!("`{}` expected", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    #[cold]
    fn error(&self, what: &str) -> String {
        format!("{what} at byte {}", self.at)
    }
}

fn is_sorted(before: (&str, bool), key: (&str, bool)) -> bool {
    if before.1 || key.1 {
        return cmp_utf16(&unescape(before.0), &unescape(key.0)).is_lt();
    }
    cmp_utf16(before.0, key.0).is_lt()
}

/// The text of an escaped string.
pub(crate) fn unescape(text: &str) -> String {
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.to_owned())
}

/// The event that a body holds; none if the body is none of ours.
pub(crate) fn decode(body: &[u8]) -> Option<Event> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    let time = DateTime::<Utc>::from_timestamp_micros(object.get("ts")?.as_i64()?)?;
    let mut flat = Vec::new();
    for (name, value) in object.get("ev")?.as_object()? {
        flat.push((Name::from(name.as_str()), Value::from(value.clone())));
    }
    let (mut event, _) = Event::with_fields(time, flat);
    for field in [fields::SOURCE_IP, fields::DESTINATION_IP] {
        let address = event.text(field).and_then(|text| text.parse::<std::net::IpAddr>().ok());
        if let Some(address) = address {
            event.set(field, Value::Ip(address));
        }
    }
    event.level = object.get("lvl")?.as_str()?.parse().ok()?;
    event.offset = object.get("tz").and_then(|tz| tz.as_str()).and_then(offset);
    if let Some(raw) = object.get("raw").and_then(|raw| raw.as_str()) {
        event.raw = Some(raw.into());
        if event.get(fields::MESSAGE).is_none() {
            let at = event.remove(MESSAGE_AT).and_then(|at| at.as_int()).unwrap_or(0);
            let message = raw.get(usize::try_from(at).ok()?..).unwrap_or_default();
            event.set(fields::MESSAGE, message);
        }
    }
    for name in ["product", "category", "service"] {
        let names =
            object.get("src").and_then(|src| src.get(name)).and_then(|names| names.as_array());
        if let (Some(names), Some(dimension)) = (names, event.sources.dimension(name)) {
            let names = names.iter().filter_map(|name| name.as_str());
            *dimension = names.map(|name| name.to_owned().into()).collect();
        }
    }
    Some(event)
}

/// `+02:00`, or with seconds.
fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = text.split_at_checked(1)?;
    let mut seconds = 0;
    for (part, factor) in digits.split(':').zip([3_600, 60, 1]) {
        seconds += part.parse::<i32>().ok()? * factor;
    }
    FixedOffset::east_opt(if sign == "-" { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(event: &Event) -> String {
        let mut out = String::new();
        let envelope = Envelope {
            origin: "c/0a",
            seq: 7,
            at: 1_700_000_000_000_000,
            id: 5,
            category: "event",
        };
        encode(&envelope, event, &mut out);
        out
    }

    fn sample() -> Event {
        let cx = crate::parse::Context::new("2026-11-20T00:00:00Z".parse().unwrap());
        let line = "2026-11-19T03:10:00+01:00 web-1 app[42]: he said \"\u{1b}[1mhi\"";
        crate::parse::parse(line, crate::parse::LineFormat::Detect, &cx).unwrap()
    }

    #[test]
    fn a_body_is_canonical_and_read_back_as_the_same_event() {
        let event = sample();
        let body = body(&event);
        let canonical: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(canonical.to_string(), body);
        let parsed = Body::parse(body.as_bytes()).unwrap();
        assert_eq!((parsed.seq, parsed.host, parsed.stream), (7, Some("web-1"), "c/0a"));
        assert_eq!(decode(body.as_bytes()).unwrap().to_json(), event.to_json());
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        for wrong in [
            r#"{"v":1, "w":1}"#,
            r#"{"v":1,"a":1}"#,
            r#"{"v":1,"v":1}"#,
            r#"{"a":1.5,"v":1}"#,
            r#"{"a":01,"v":1}"#,
            r#"{"a":"\/","v":1}"#,
            r#"{"a":"\u001B","v":1}"#,
            r#"{"a":"\u0041","v":1}"#,
            r#"{"a":9007199254740992,"v":1}"#,
            r#"{"v":2}"#,
            r#"{"v":1}x"#,
            r#"{"a":-0,"v":1}"#,
        ] {
            assert!(Body::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(Body::parse(br#"{"a":["\u001b",{"b":null}],"v":1}"#).is_ok());
    }
}
