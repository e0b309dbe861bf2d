//! Bodies of records, read strictly as RFC 8785 JSON without floats.

use super::claim::{BLOCK_BYTES, Claim, DIRECTORY, ERASURE, HOLD, KEY, RETENTION, STREAM};
use super::strict::{Strict, unescape};
use crate::event::{Event, Level, Name, fields};
use crate::token::RAW;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The longest body, as a tile entry of C2SP `tlog-tiles` can hold it.
pub const MOST_BODY: usize = 65_535;
/// How many days records are kept. Beyond 90 days they expire in steps of 30, so that many expire at once.
///
/// ```
/// use secmon_core::seal::Retention;
/// assert_eq!(Retention::default().everyday, 90);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    /// Events below level high.
    pub everyday: u32,
    /// Events of level high or critical.
    pub high: u32,
    /// Rounds of probes (`event.kind` is `metric`).
    pub metrics: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { everyday: 90, high: 5 * 365, metrics: 90 }
    }
}

impl Retention {
    /// The day on which what never expires does: 31 December 9999.
    pub const NEVER: i64 = 2_932_896;

    /// The day on which a record that is sealed now expires; never, if the writer itself says it.
    pub(crate) fn day(self, at: i64, event: &Event, category: &str) -> i64 {
        if category != "event" {
            return Self::NEVER;
        }
        let keep = if event.level >= Level::High {
            self.high
        } else if event.text(fields::EVENT_KIND) == Some("metric") {
            self.metrics
        } else {
            self.everyday
        };
        let day = at.div_euclid(86_400_000_000) + i64::from(keep);
        if keep > 90 { (day + 29).div_euclid(30) * 30 } else { day }
    }
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
    /// What only records of the writer's own say: apart, as events are moved about by the million.
    said: Option<Box<Said<'a>>>,
    /// What is committed to: field (`raw` for a raw line) and base64.
    pub(crate) commitments: Vec<(&'a str, &'a str)>,
    /// Whether one of the texts above holds escapes and must be decoded before it is compared.
    pub(crate) escaped: bool,
}

/// Members of the bodies of the writer's own records.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said<'a> {
    epoch: Option<i64>,
    next: Option<&'a str>,
    block: Option<i64>,
    by: Option<&'a str>,
    sealed_box: Option<&'a str>,
    gone: Option<&'a str>,
    policy: Option<&'a str>,
    of: Option<&'a str>,
    held: Option<Vec<i64>>,
    until: Option<i64>,
    notes: Vec<&'a str>,
    vkeys: Vec<&'a str>,
    erased: Vec<(&'a str, Vec<i64>)>,
}

impl<'a> Body<'a> {
    /// Reads a body strictly: sorted keys, none twice, no floats, no blanks, canonical escapes.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        Self::text(bytes).and_then(Self::read)
    }

    /// The text of a body.
    pub(super) fn text(bytes: &'a [u8]) -> Result<&'a str, String> {
        if bytes.len() > MOST_BODY {
            return Err(format!("longer than {MOST_BODY} bytes"));
        }
        simdutf8::compat::from_utf8(bytes).map_err(|error| error.to_string())
    }

    /// What the text of a body says.
    pub(super) fn read(text: &'a str) -> Result<Self, String> {
        let (reader, mut body) = (Strict::new(text), Self::default());
        if body.usual(&mut reader.clone()).is_none() {
            body = Self::of_any(reader)?;
        }
        if body.version != 1 {
            return Err(format!("version {} is not known", body.version));
        }
        Ok(body)
    }

    /// Reads a body by its keys, whatever they are.
    fn of_any(mut reader: Strict<'a>) -> Result<Self, String> {
        let mut body = Self::default();
        reader.object(|reader, key| body.member(reader, key))?;
        reader.end()?;
        Ok(body)
    }

    /// What the record says to whoever verifies; none if it is an event, or not of the right form.
    pub(crate) fn claim(&self) -> Option<Claim> {
        let said = self.said.as_deref()?;
        match self.category {
            STREAM => {
                Some(Claim::Box { sha256: BASE64.decode(said.sealed_box?).ok()?.try_into().ok()? })
            }
            KEY => Some(Claim::Key {
                epoch: u64::try_from(said.epoch?).ok()?,
                next: BASE64.decode(said.next?).ok()?.try_into().ok()?,
            }),
            RETENTION => Some(Claim::Gone {
                block: u64::try_from(said.block?).ok()?,
                gone: BASE64.decode(said.gone?).ok().filter(|bits| bits.len() == BLOCK_BYTES)?,
                policy: unescape(said.policy?),
                by: unescape(said.by?),
            }),
            DIRECTORY => {
                let texts = |texts: &[&str]| texts.iter().map(|text| unescape(text)).collect();
                Some(Claim::Listed { notes: texts(&said.notes), vkeys: texts(&said.vkeys) })
            }
            HOLD => Some(Claim::Held {
                seqs: indexes(said.held.as_deref()?)?,
                until: said.until?,
                by: unescape(said.by?),
            }),
            ERASURE => {
                let values = said
                    .erased
                    .iter()
                    .map(|(field, seqs)| Some((Name::from(&*unescape(field)), indexes(seqs)?)));
                Some(Claim::Erased {
                    of: said.of.map(unescape),
                    values: values.collect::<Option<_>>()?,
                })
            }
            _ => None,
        }
    }

    /// The index at which it was sealed; none if it is no index.
    pub(super) fn index(&self) -> Option<u64> {
        u64::try_from(self.seq).ok()
    }

    fn said(&mut self) -> &mut Said<'a> {
        self.said.get_or_insert_default()
    }

    /// Reads a body whose members are those of nearly all events, without looking for their keys: those are
    /// sorted as they stand here. None if there are others, or anything is wrong.
    fn usual(&mut self, reader: &mut Strict<'a>) -> Option<()> {
        reader.passes(b"{\"at\":")?;
        self.at = reader.integer().ok()?;
        reader.passes(b",\"cat\":")?;
        self.category = reader.string(&mut self.escaped).ok()?;
        reader.passes(b",\"ev\":")?;
        self.event(reader).ok()?;
        reader.passes(b",\"exp\":")?;
        self.expires = reader.integer().ok()?;
        reader.passes(b",\"id\":")?;
        reader.value(0).ok()?;
        reader.passes(b",\"lvl\":")?;
        self.level = reader.string(&mut self.escaped).ok()?;
        if reader.passes(b",\"raw\":").is_some() {
            reader.value(0).ok()?;
        }
        reader.passes(b",\"seq\":")?;
        self.seq = reader.integer().ok()?;
        reader.passes(b",\"src\":")?;
        reader.value(0).ok()?;
        reader.passes(b",\"st\":")?;
        self.stream = reader.string(&mut self.escaped).ok()?;
        reader.passes(b",\"ts\":")?;
        self.time = reader.integer().ok()?;
        if reader.passes(b",\"tz\":").is_some() {
            reader.value(0).ok()?;
        }
        reader.passes(b",\"v\":")?;
        self.version = reader.integer().ok()?;
        reader.passes(b"}")?;
        reader.end().ok()
    }

    fn event(&mut self, reader: &mut Strict<'a>) -> Result<(), String> {
        let mut escaped = false;
        reader.object(|reader, key| {
            let field = match key {
                "host.name" => &mut self.host,
                "source.ip" => &mut self.source_ip,
                "user.name" => &mut self.user,
                "event.action" => &mut self.action,
                "event.outcome" => &mut self.outcome,
                _ if key.ends_with('#') => {
                    let sealed = reader.string(&mut escaped)?;
                    self.commitments.extend(key.strip_suffix('#').zip(Some(sealed)));
                    return Ok(());
                }
                _ => return reader.value(0),
            };
            if reader.peek() == Some(b'"') {
                *field = Some(reader.string(&mut escaped)?);
                return Ok(());
            }
            reader.value(0)
        })?;
        self.escaped |= escaped;
        Ok(())
    }

    fn member(&mut self, reader: &mut Strict<'a>, key: &str) -> Result<(), String> {
        match key {
            "at" => self.at = reader.integer()?,
            "block" => self.said().block = Some(reader.integer()?),
            "box" => self.said().sealed_box = Some(reader.string(&mut self.escaped)?),
            "by" => self.said().by = Some(reader.string(&mut self.escaped)?),
            "epoch" => self.said().epoch = Some(reader.integer()?),
            "gone" => self.said().gone = Some(reader.string(&mut self.escaped)?),
            "policy" => self.said().policy = Some(reader.string(&mut self.escaped)?),
            "next" => self.said().next = Some(reader.string(&mut self.escaped)?),
            "cat" => self.category = reader.string(&mut self.escaped)?,
            "erased" => reader.object(|reader, field| {
                self.said().erased.push((field, reader.integers()?));
                Ok(())
            })?,
            "held" => self.said().held = Some(reader.integers()?),
            "until" => self.said().until = Some(reader.integer()?),
            "notes" => self.said().notes = reader.strings(&mut self.escaped)?,
            "vkeys" => self.said().vkeys = reader.strings(&mut self.escaped)?,
            "of" => self.said().of = Some(reader.string(&mut self.escaped)?),
            "raw#" => self.commitments.push((RAW, reader.string(&mut self.escaped)?)),
            "ev" => self.event(reader)?,
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

/// Indexes of records; none if one is negative.
fn indexes(seqs: &[i64]) -> Option<Vec<u64>> {
    seqs.iter().map(|seq| u64::try_from(*seq).ok()).collect()
}

/// The day on which a record expires, as its body says, since 1970; none if the body is none of ours.
pub fn day_of_expiry(body: &[u8]) -> Option<i64> {
    Body::parse(body).ok().map(|body| body.expires)
}

/// The category of a record, as its body says; none if the body is none of ours.
pub fn category_of(body: &[u8]) -> Option<String> {
    Body::parse(body).ok().map(|body| unescape(body.category))
}

/// When a body was sealed, µs since 1970; none if it is none of ours.
pub fn sealed_at(body: &[u8]) -> Option<i64> {
    Body::parse(body).ok().map(|body| body.at)
}

/// The index at which a body was sealed; none if it is none of ours.
pub fn seq_of(body: &[u8]) -> Option<u64> {
    Body::parse(body).ok()?.index()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::decode::decode;
    use super::super::encode::{Envelope, encode};
    use super::*;

    fn body(event: &Event) -> String {
        let mut out = String::new();
        let envelope = Envelope {
            origin: "c/0a",
            seq: 7,
            at: 1_700_000_000_000_000,
            id: 5,
            expires: 20_000,
            category: "event",
            claim: None,
            raw: None,
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
        assert_eq!(decode(body.as_bytes(), &BTreeMap::new()).unwrap().to_json(), event.to_json());
    }

    proptest::proptest! {
        #[test]
        fn the_usual_way_reads_what_the_other_reads(
            at in 0..400_usize,
            put in proptest::option::of(proptest::sample::select(r#"{}[]":,\09ex "#.as_bytes())),
            insert: bool,
            plain: bool,
        ) {
            let mut event = sample();
            if plain {
                event = Event::new(event.time);
                event.set(fields::HOST_NAME, "web-1");
                event.set(fields::USER_NAME, "root");
            }
            let mut bytes = body(&event).into_bytes();
            proptest::prop_assert!(Body::default().usual(&mut Strict::new(&body(&event))).is_some());
            let at = at.min(bytes.len() - 1);
            match put {
                Some(byte) if insert => bytes.insert(at, byte),
                Some(byte) => bytes[at] = byte,
                None => drop(bytes.remove(at)),
            }
            let text = String::from_utf8(bytes).unwrap();
            let mut quick = Body::default();
            let other = Body::of_any(Strict::new(&text));
            if quick.usual(&mut Strict::new(&text)).is_some() {
                proptest::prop_assert_eq!(Ok(quick), other);
            } else {
                let read = Body::parse(text.as_bytes()).is_ok();
                proptest::prop_assert_eq!(read, other.is_ok_and(|body| body.version == 1));
            }
        }
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
