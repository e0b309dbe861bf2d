//! Parsers: from a line to an event.
//!
//! A **format** reads a whole line (syslog, JSON, web server); a **program** reads the message that a
//! syslog envelope carries (sshd, sudo, PAM, ...). A line that no format knows becomes an event with
//! only a message. Parsers run in linear time, never panic, and keep the line.

mod accounts;
pub(crate) mod aliases;
mod combined;
mod firewall;
#[cfg(feature = "sigma")]
pub(crate) mod flat;
mod json;
mod pam;
mod peer;
mod priority;
mod sshd;
mod su;
mod sudo;
mod syslog;
mod time;
mod weberror;
mod windows;

pub(crate) use self::time::epoch;
pub use self::time::{Context, Zone};
use crate::event::{Event, Sources, fields};
use crate::{Error, Result};

/// The formats, in the order in which a line is tried on them.
const FORMATS: &[Format] =
    &[json::FORMAT, combined::FORMAT, weberror::APACHE, weberror::NGINX, syslog::FORMAT];

/// The programs whose messages are read.
const PROGRAMS: &[Program] = &[
    sshd::PROGRAM,
    sudo::PROGRAM,
    su::PROGRAM,
    accounts::PROGRAM,
    firewall::PROGRAM,
    weberror::PROGRAM,
    pam::PROGRAM,
];

/// A form of whole lines.
struct Format {
    name: &'static str,
    /// Reads a line, or says that it has another form. The event need not keep the raw line.
    parse: fn(line: &str, cx: &Context) -> Option<Event>,
}

/// A program that speaks inside an envelope.
struct Program {
    name: &'static str,
    /// Whether messages of this process are its own.
    claims: fn(process: &str) -> bool,
    /// Adds what a message says. The message field and the envelope's fields are set already.
    read: fn(message: &str, event: &mut Event),
    /// The log sources of its events.
    sources: Sources,
}

/// Which parser reads lines: detected by content, or one by name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LineFormat {
    /// Each line by its content.
    #[default]
    Detect,
    /// Always this format: `json`, `combined`, `syslog`, or a program's bare messages (`sshd`, ...).
    Named(&'static str),
}

impl LineFormat {
    /// The format of a name.
    pub fn named(name: &str) -> Result<Self> {
        let mut names = Self::names();
        if name == "detect" {
            return Ok(Self::Detect);
        }
        names.find(|known| *known == name).map(Self::Named).ok_or_else(|| Error::Unknown {
            what: "format",
            name: name.into(),
            known: Self::names().collect::<Vec<_>>().join(", "),
        })
    }

    /// The names of all formats.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FORMATS.iter().map(|format| format.name).chain(PROGRAMS.iter().map(|program| program.name))
    }
}

/// Parses one line, without its line end. A line that the format does not fit is kept as a message.
///
/// ```
/// use chrono::{TimeZone, Utc};
/// use secmon_core::parse::{Context, LineFormat, parse};
///
/// let cx = Context::new(Utc.with_ymd_and_hms(2026, 11, 20, 0, 0, 0).unwrap());
/// let line = "Nov 19 03:10:00 web-1 sshd[42]: Failed password for root from 203.0.113.7 port 51234 ssh2";
/// let event = parse(line, LineFormat::Detect, &cx)?;
/// assert_eq!(event.action(), Some("ssh_login"));
/// assert_eq!(event.source_ip(), Some("203.0.113.7".parse().unwrap()));
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// A sentence that says why, when the line claims to be JSON and is not; keep it as a
/// [`bad_line`].
pub fn parse(line: &str, format: LineFormat, cx: &Context) -> Result<Event, String> {
    // A file or a message may begin with a byte order mark, which is not a part of its first line.
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let line = line.trim_end_matches(['\r', '\n', '\0']);
    let parsed = match format {
        LineFormat::Detect => {
            if json::looks_like_object(line) {
                return json::parse(line.as_bytes(), cx);
            }
            FORMATS.iter().find_map(|format| (format.parse)(line, cx))
        }
        LineFormat::Named("json") => return json::parse(line.as_bytes(), cx),
        LineFormat::Named(name) => named(name, line, cx),
    };
    let mut event = parsed.unwrap_or_else(|| {
        let mut event = Event::new(cx.reference);
        event.set(fields::MESSAGE, line);
        event
    });
    event.raw = Some(line.into());
    Ok(event)
}

/// Parses one JSON object in bytes.
///
/// # Errors
/// A sentence that says what is wrong and where.
pub fn parse_json(bytes: &[u8], cx: &Context) -> Result<Event, String> {
    json::parse(bytes, cx)
}

fn named(name: &str, line: &str, cx: &Context) -> Option<Event> {
    if let Some(format) = FORMATS.iter().find(|format| format.name == name) {
        return (format.parse)(line, cx);
    }
    let program = PROGRAMS.iter().find(|program| program.name == name)?;
    let mut event = Event::new(cx.reference);
    event.set(fields::MESSAGE, line);
    event.set(fields::PROCESS_NAME, program.name);
    read_program(program, line, &mut event);
    Some(event)
}

/// The name of a process without its path and without what stands in brackets:
/// `/usr/sbin/sshd(pam_unix)` is `sshd`.
fn bare_name(process: &str) -> &str {
    // Names are short: a search by `str` would cost more than it finds.
    let end = process.bytes().position(|byte| byte == b'(').unwrap_or(process.len());
    let name = process.get(..end).unwrap_or_default();
    let start = name.bytes().rposition(|byte| byte == b'/').map_or(0, |at| at + 1);
    name.get(start..).unwrap_or_default()
}

/// As `split_once` with an ASCII character, in half the time.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(at, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Lets the program that claims the process read the message; `message repeated N times: [ ... ]`, as
/// rsyslog folds equal lines, is read as the line inside with its count.
fn read_message(process: &str, message: &str, event: &mut Event) {
    if let Some(program) = PROGRAMS.iter().find(|program| (program.claims)(process)) {
        read_program(program, message, event);
    } else if pam::is_pam(message) {
        read_program(&pam::PROGRAM, message, event);
    }
}

fn read_program(program: &Program, message: &str, event: &mut Event) {
    event.sources.extend(&program.sources);
    let (message, repeat) = unfold(message);
    if repeat > 1 {
        event.set(fields::SECMON_REPEAT, repeat);
    }
    if pam::is_pam(message) {
        event.sources.extend(&pam::PROGRAM.sources);
        (pam::PROGRAM.read)(message, event);
    } else {
        (program.read)(message, event);
    }
}

/// The line inside `message repeated N times: [ ... ]`, with N; else the message itself, with 1.
fn unfold(message: &str) -> (&str, i64) {
    let inner = message.strip_prefix("message repeated ").and_then(|rest| {
        let (count, rest) = rest.split_once(" times: [")?;
        let count: u32 = count.parse().ok()?;
        Some((rest.trim_end().strip_suffix(']')?.trim(), i64::from(count.max(1))))
    });
    inner.unwrap_or((message, 1))
}

/// What can be read of a line that is not UTF-8, beside all that its [`bad_line`] says: a byte in the name of a folder
/// must hide nothing from the rules.
pub(crate) fn read_lossy(
    bytes: &[u8],
    bad: &Event,
    format: LineFormat,
    cx: &Context,
) -> Option<Event> {
    let mut event = parse(&String::from_utf8_lossy(bytes), format, cx).ok()?;
    event.raw = None;
    for (name, value) in bad.fields() {
        event.set(name, value.clone());
    }
    Some(event)
}

/// The event that keeps a line which cannot be parsed: `event.kind` is `pipeline_error`, the bytes
/// stand escaped in `message`, cut at 32 KiB, with the length and SHA-256 of the whole.
///
/// ```
/// use chrono::DateTime;
/// let event = secmon_core::parse::bad_line(b"\xff{", "not UTF-8", DateTime::UNIX_EPOCH);
/// assert_eq!(event.message(), r"\xff{");
/// ```
pub fn bad_line(bytes: &[u8], error: &str, time: chrono::DateTime<chrono::Utc>) -> Event {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(bytes);
    bad_line_of(bytes, bytes.len() as u64, hash.into(), error, time)
}

/// As [`bad_line`], for a line of which only the head is at hand.
pub fn bad_line_of(
    head: &[u8],
    length: u64,
    sha256: [u8; 32],
    error: &str,
    time: chrono::DateTime<chrono::Utc>,
) -> Event {
    const MOST: usize = 32 * 1024;
    let mut escaped = String::with_capacity(head.len().min(MOST));
    for byte in head {
        let before = escaped.len();
        escaped.extend(std::ascii::escape_default(*byte).map(char::from));
        if escaped.len() > MOST {
            escaped.truncate(before);
            break;
        }
    }
    let mut event = Event::new(time);
    event.set(fields::EVENT_KIND, "pipeline_error");
    event.set(fields::ERROR_MESSAGE, error);
    event.set(fields::MESSAGE, escaped);
    event.set(fields::EVENT_ORIGINAL_LENGTH, i64::try_from(length).unwrap_or(i64::MAX));
    event.set(fields::EVENT_HASH, crate::hex(&sha256));
    event
}
