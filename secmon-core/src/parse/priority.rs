//! The priority of a syslog line: `<PRI>`, and the words for it that some senders write into their files.

use memchr::memchr;

use crate::event::{Event, Level, fields};

const FACILITIES: [&str; 24] = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "security",
    "console",
    "solaris-cron",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];
const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];
/// As they are called in files and in `syslog.conf`.
const SHORT: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// `<PRI>` at the head of a line (RFC 3164 section 4.1.1).
pub(super) fn priority(line: &str) -> (Option<i64>, &str) {
    let parsed = line.strip_prefix('<').and_then(|rest| {
        let (number, rest) = rest.split_once('>')?;
        let number: u8 = number.parse().ok().filter(|number| *number <= 191)?;
        Some((Some(i64::from(number)), rest))
    });
    parsed.unwrap_or((None, line))
}

/// `auth.info ` as `BusyBox` writes it, `auth|security:info ` as AIX, `<4.6> ` and `<auth.info> ` as FreeBSD does when
/// it is asked to; none where the next word is something else.
pub(super) fn written(text: &str) -> Option<(i64, &str)> {
    if !text.starts_with(|first: char| first == '<' || first.is_ascii_lowercase()) {
        return None;
    }
    let end = memchr(b' ', text.as_bytes().get(..32.min(text.len()))?)?;
    let (word, rest) = (text.get(..end)?, text.get(end + 1..)?);
    if let Some(inner) = word.strip_prefix('<') {
        let (facility, severity) = inner.strip_suffix('>')?.split_once('.')?;
        let number =
            |word: &str, most: i64| word.parse().ok().filter(|number| (0..=most).contains(number));
        let by_number = number(facility, 23).zip(number(severity, 7));
        let (facility, severity) =
            by_number.or_else(|| Some((code(&FACILITIES, facility)?, of_severity(severity)?)))?;
        return Some((facility * 8 + severity, rest));
    }
    // A tag or the name of a host is most often told by its last letter.
    if !word.ends_with(|last: char| last.is_ascii_lowercase()) {
        return None;
    }
    let (facility, severity) = word.split_once(['.', ':'])?;
    let facility = facility.split('|').find_map(|one| code(&FACILITIES, one))?;
    Some((facility * 8 + of_severity(severity)?, rest))
}

fn code(names: &[&str], word: &str) -> Option<i64> {
    i64::try_from(names.iter().position(|name| *name == word)?).ok()
}

fn of_severity(word: &str) -> Option<i64> {
    match word {
        "panic" => Some(0),
        "error" => Some(3),
        "warn" => Some(4),
        _ => code(&SHORT, word),
    }
}

/// Sets what a priority says.
pub(super) fn set(event: &mut Event, priority: Option<i64>) {
    let Some(priority) = priority else { return };
    let (facility, severity) = (priority / 8, priority % 8);
    event.level = Level::from_syslog(severity);
    event.set(fields::LOG_SYSLOG_PRIORITY, priority);
    event.set(fields::LOG_SYSLOG_FACILITY_CODE, facility);
    event.set(fields::LOG_SYSLOG_SEVERITY_CODE, severity);
    let name = |names: &[&'static str], code| names.get(usize::try_from(code).ok()?).copied();
    if let Some(name) = name(&FACILITIES, facility) {
        event.set(fields::LOG_SYSLOG_FACILITY_NAME, name);
    }
    if let Some(name) = name(&SEVERITIES, severity) {
        event.set(fields::LOG_SYSLOG_SEVERITY_NAME, name);
    }
}
