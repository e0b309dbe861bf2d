//! Syslog envelopes: RFC 5424, RFC 3164, and what senders make of them.

use std::borrow::Cow;

use memchr::memchr;

use super::time::{Stamp, stamp, unix};
use super::{Context, Format, PROGRAMS, cut, priority, read_message};
use crate::event::{Event, Name, Sources, fields};

pub(super) const FORMAT: Format = Format { name: "syslog", parse };

const SOURCES: Sources = Sources::fixed(&[Cow::Borrowed("linux")], &[], &[]);
const SYSLOG: Sources = Sources::fixed(&[Cow::Borrowed("linux")], &[], &[Cow::Borrowed("syslog")]);

/// Reads an envelope, or says that the line has none.
fn parse(line: &str, cx: &Context) -> Option<Event> {
    let (priority, rest) = priority::priority(line);
    if priority.is_some()
        && let Some(rest) = rest.strip_prefix("1 ")
        && let Some(mut event) = rfc5424(rest, cx)
    {
        priority::set(&mut event, priority);
        return Some(event);
    }
    let stamp =
        stamp(rest, cx).or_else(|| unix(rest).filter(|stamp| is_tagged(rest, stamp.length)));
    if stamp.is_none() && priority.is_none() {
        return timeless(line, cx);
    }
    let mut event = Event::new(cx.reference);
    priority::set(&mut event, priority);
    let rest = match stamp {
        Some(Stamp { time, offset, length }) => {
            event.time = time;
            event.offset = offset;
            let rest = rest.get(length..)?;
            let rest = rest.strip_prefix(' ').or_else(|| rest.strip_prefix(": "))?;
            let rest = written_priority(rest, &mut event);
            let (host, rest) = host(rest);
            if let Some(host) = host {
                event.set(fields::HOST_NAME, host);
            }
            written_priority(rest, &mut event)
        }
        None => rest,
    };
    read_tagged(rest, &mut event);
    Some(event)
}

/// `HOST PROGRAM[PID]: message`, as a journal is shown without times.
fn timeless(line: &str, cx: &Context) -> Option<Event> {
    let (host, rest) = line.split_once(' ')?;
    let (process, pid) = rest.split_once("]: ")?.0.split_once('[')?;
    let plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./()@".contains(&byte))
    };
    if !plain(host) || !plain(process) || pid.parse::<u32>().is_err() {
        return None;
    }
    let mut event = Event::new(cx.reference);
    event.set(fields::HOST_NAME, host);
    read_tagged(rest, &mut event);
    Some(event)
}

/// Whether `HOST TAG` stands behind a stamp.
fn is_tagged(line: &str, stamp: usize) -> bool {
    let behind = line.get(stamp + 1..).map(host);
    behind.is_some_and(|(host, rest)| host.is_some() && tag(rest).is_some())
}

/// Sets the priority where one stands in words, and returns what stands behind.
fn written_priority<'a>(text: &'a str, event: &mut Event) -> &'a str {
    let Some((number, rest)) = priority::written(text) else { return text };
    priority::set(event, Some(number));
    rest
}

/// The host in front of the tag; none if the next word is the tag itself (`sshd[42]:`, `kernel:`).
fn host(rest: &str) -> (Option<&str>, &str) {
    let rest = rest.trim_start_matches(' ');
    let Some(end) = memchr(b' ', rest.as_bytes()) else { return (None, rest) };
    let word = rest.get(..end).unwrap_or_default();
    if word.ends_with(':') || word.ends_with(']') {
        return (None, rest);
    }
    (Some(word), rest.get(end + 1..).unwrap_or_default())
}

/// Program, process id and message: `sshd[42]: text`, `[sshd]: text`, `sshd(pam_unix)[42]: text`, or
/// `sshd text` of a known program.
fn read_tagged(rest: &str, event: &mut Event) {
    let text = rest.trim_start_matches(' ');
    let Some((process, pid, message)) = tag(text) else {
        event.sources.extend(&SYSLOG);
        event.set(fields::MESSAGE, text);
        return;
    };
    let message = solaris_id(message.trim_start_matches(' '));
    if let Some(pid) = pid {
        event.set(fields::PROCESS_PID, pid);
    }
    event.set(fields::PROCESS_NAME, process);
    event.set(fields::MESSAGE, message);
    event.sources.extend(&SOURCES);
    read_message(process, message, event);
    if event.sources.service.is_empty() {
        event.sources.extend(&SYSLOG);
    }
}

fn tag(text: &str) -> Option<(&str, Option<i64>, &str)> {
    let bytes = text.as_bytes();
    if let Some(rest) = text.strip_prefix('[') {
        let (process, message) = rest.split_once("]:")?;
        return is_tag(process).then_some((process, None, message));
    }
    let end = bytes.iter().take(128).position(|byte| matches!(byte, b'[' | b':' | b' '))?;
    let (process, rest) = text.split_at_checked(end)?;
    if process.is_empty() {
        return None;
    }
    if let Some(inner) = rest.strip_prefix('[') {
        let (pid, message) = cut(inner, b']')?;
        let message = message.strip_prefix(':').unwrap_or(message);
        return pid.parse().ok().map(|pid| (process, Some(pid), message));
    }
    if let Some(message) = rest.strip_prefix(':') {
        // `kernel: text` is a tag; `12:30` and `http://` are not.
        let stands_apart = message.is_empty() || message.starts_with(' ');
        return (stands_apart && is_tag(process)).then_some((process, None, message));
    }
    // `syslogd 1.4.1: restart.`
    if let Some((version, message)) = rest.trim_start().split_once(": ")
        && version.starts_with(|first: char| first.is_ascii_digit())
        && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && version.contains('.')
    {
        return Some((process, None, message));
    }
    let known = PROGRAMS.iter().any(|program| (program.claims)(process));
    known.then_some((process, None, rest))
}

fn is_tag(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && !text.contains(' ')
}

/// Without the `[ID 800047 auth.info] ` that Solaris puts before the message.
fn solaris_id(message: &str) -> &str {
    let inner = message.strip_prefix("[ID ").and_then(|rest| rest.split_once("] "));
    inner.map_or(message, |(_, message)| message)
}

/// What stands behind `<PRI>1 ` (RFC 5424 section 6).
fn rfc5424(rest: &str, cx: &Context) -> Option<Event> {
    let mut event = Event::new(cx.reference);
    let (time, rest) = rest.split_once(' ')?;
    if time != "-" {
        let stamp = stamp(time, cx)?;
        event.time = stamp.time;
        event.offset = stamp.offset;
    }
    let (host, rest) = rest.split_once(' ')?;
    let (app, rest) = rest.split_once(' ')?;
    let (pid, rest) = rest.split_once(' ')?;
    let (id, rest) = rest.split_once(' ')?;
    for (name, value) in
        [(fields::HOST_NAME, host), (fields::PROCESS_NAME, app), (fields::LOG_SYSLOG_MSGID, id)]
    {
        if value != "-" {
            event.set(name, value);
        }
    }
    match pid.parse::<i64>() {
        Ok(pid) => event.set(fields::PROCESS_PID, pid),
        Err(_) if pid != "-" => event.set("log.syslog.procid", pid),
        Err(_) => {}
    }
    let rest = structured_data(rest, &mut event)?;
    let message = rest.strip_prefix(' ').unwrap_or(rest);
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    event.set(fields::MESSAGE, message);
    event.sources.extend(&SOURCES);
    if app != "-" {
        read_message(app, message.trim_start(), &mut event);
    }
    if event.sources.service.is_empty() {
        event.sources.extend(&SYSLOG);
    }
    Some(event)
}

/// `-` or elements `[id name="value" ...]`, as fields `log.syslog.structured_data.<id>.<name>`.
fn structured_data<'a>(text: &'a str, event: &mut Event) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest);
    }
    let mut rest = text;
    while let Some(element) = rest.strip_prefix('[') {
        let end = element.find([' ', ']'])?;
        let (id, mut inner) = element.split_at_checked(end)?;
        while let Some(parameter) = inner.strip_prefix(' ') {
            let (name, value) = parameter.split_once("=\"")?;
            let (value, after) = quoted(value)?;
            event
                .set(Name::from(format!("log.syslog.structured_data.{id}.{name}").as_str()), value);
            inner = after;
        }
        rest = inner.strip_prefix(']')?;
    }
    Some(rest)
}

/// The text up to the closing quote, with `\"`, `\\` and `\]` read (RFC 5424 section 6.3.3).
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()? {
                (_, escaped @ ('"' | '\\' | ']')) => value.push(escaped),
                (_, other) => value.extend(['\\', other]),
            },
            plain => value.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::event::Level;

    fn read(line: &str) -> Event {
        let reference: DateTime<chrono::Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        parse(line, &Context::new(reference)).unwrap()
    }

    #[test]
    fn tags_are_found_in_all_their_forms() {
        for (line, process, pid, message) in [
            ("Nov 21 01:23:37 vm prog[42]: hi", Some("prog"), Some(42), "hi"),
            ("Nov 21 01:23:37 vm [prog]: hi", Some("prog"), None, "hi"),
            ("Nov 21 01:23:37 vm prog: hi", Some("prog"), None, "hi"),
            ("<35>hi there", None, None, "hi there"),
            ("<36>Nov 21 01:25:02 vm sshd hello", Some("sshd"), None, "hello"),
            ("<83>Nov 21 01:23:37 vm prog: [ID 800047 auth.info] hi", Some("prog"), None, "hi"),
            ("2026-11-21T01:23:37+01:00 vm prog[42]: hi", Some("prog"), Some(42), "hi"),
            ("Nov 21 01:23:37 vm see http://x/ now", None, None, "see http://x/ now"),
        ] {
            let event = read(line);
            assert_eq!(event.text(fields::PROCESS_NAME), process, "{line}");
            assert_eq!(
                event.get(fields::PROCESS_PID).and_then(crate::Value::as_int),
                pid,
                "{line}"
            );
            assert_eq!(event.message(), message, "{line}");
        }
    }

    #[test]
    fn priorities_in_words_are_no_hosts() {
        for (line, host, priority, time) in [
            (
                "Nov 20 11:59:00 alpine auth.info sshd[42]: hi",
                Some("alpine"),
                Some(38),
                "2026-11-20T11:59:00Z",
            ),
            (
                "Nov 20 11:59:00 <4.6> bsd1 sshd[42]: hi",
                Some("bsd1"),
                Some(38),
                "2026-11-20T11:59:00Z",
            ),
            (
                "Nov 20 11:59:00 <auth.info> bsd1 sshd[42]: hi",
                Some("bsd1"),
                Some(38),
                "2026-11-20T11:59:00Z",
            ),
            (
                "Nov 20 11:59:00 aix1 auth|security:info sshd[42]: hi",
                Some("aix1"),
                Some(38),
                "2026-11-20T11:59:00Z",
            ),
            (
                "Thu Nov 20 11:59:00 2025 auth.info sshd[42]: hi",
                None,
                Some(38),
                "2025-11-20T11:59:00Z",
            ),
            (
                "Thu 2026-11-20 11:59:00 UTC web-1 sshd[42]: hi",
                Some("web-1"),
                None,
                "2026-11-20T11:59:00Z",
            ),
            (
                "Thu 2026-11-20 11:59:00 CET web-1 sshd[42]: hi",
                Some("web-1"),
                None,
                "2026-11-20T11:59:00Z",
            ),
            (
                "1763639940.123456 web-1 sshd[42]: hi",
                Some("web-1"),
                None,
                "2025-11-20T11:59:00.123456Z",
            ),
            (
                "Nov 20 11:59:00 mail.example sshd[42]: hi",
                Some("mail.example"),
                None,
                "2026-11-20T11:59:00Z",
            ),
        ] {
            let event = read(line);
            assert_eq!(event.host(), host, "{line}");
            let number = event.get(fields::LOG_SYSLOG_PRIORITY).and_then(crate::Value::as_int);
            assert_eq!(number, priority, "{line}");
            assert_eq!(event.time, time.parse::<DateTime<chrono::Utc>>().unwrap(), "{line}");
            assert_eq!(event.text(fields::PROCESS_NAME), Some("sshd"), "{line}");
            assert_eq!(event.message(), "hi", "{line}");
        }
    }

    #[test]
    fn what_only_looks_like_an_envelope_is_a_message() {
        for line in [
            "1763639940.123    456 192.0.2.1 TCP_MISS/200 1024 GET http://x.example/ - DIRECT/192.0.2.2 text/html",
            "1763639940.123456 IP 192.0.2.1.22 > 192.0.2.2.5: Flags [P.], length 10",
            "Thu Nov 20 11:59:00 UTC 2025: backup started",
            "Thu Nov 20 03:15:01 PM CET 2025: backup started",
        ] {
            let event = parse(line, &Context::new(DateTime::UNIX_EPOCH));
            assert_eq!(event.map(|event| event.message().to_owned()), None, "{line}");
        }
        // The name of this host is a number.
        let event = read("Nov 20 11:59:00 2001 sshd[42]: hi");
        assert_eq!((event.host(), event.message()), (Some("2001"), "hi"));
    }

    #[test]
    fn structured_data_and_byte_order_mark_are_read() {
        let event = read(
            "<36>1 2026-11-21T01:25:02.5+00:00 vm prog - - [a@1 k=\"v\\\"]\"][b x=\"\"] \u{feff}hi",
        );
        assert_eq!(event.find("log.syslog.structured_data.a@1.k"), Some(&"v\"]".into()));
        assert_eq!(event.find("log.syslog.structured_data.b.x"), Some(&"".into()));
        assert_eq!(event.message(), "hi");
        assert_eq!(event.level, Level::Medium);
        assert_eq!(event.text(fields::LOG_SYSLOG_FACILITY_NAME), Some("auth"));
    }
}
