//! Error logs of Apache and nginx, as files and inside syslog.

use std::borrow::Cow;

use super::combined;
use super::peer::set_source_and_port;
use super::time::{asctime, iso};
use super::{Context, Format, Program, bare_name};
use crate::event::{Event, Level, Sources, fields};

pub(super) const APACHE: Format = Format { name: "apache_error", parse: parse_apache };
pub(super) const NGINX: Format = Format { name: "nginx_error", parse: parse_nginx };
pub(super) const PROGRAM: Program = Program { name: "webserver", claims, read, sources: PLAIN };

const PLAIN: Sources = Sources::fixed(&[], &[Cow::Borrowed("webserver")], &[]);
const APACHE_SOURCES: Sources =
    Sources::fixed(&[], &[Cow::Borrowed("webserver")], &[Cow::Borrowed("apache")]);
const NGINX_SOURCES: Sources =
    Sources::fixed(&[], &[Cow::Borrowed("webserver")], &[Cow::Borrowed("nginx")]);

fn claims(process: &str) -> bool {
    let service = process.split('/').next().unwrap_or(process);
    [service, bare_name(process)]
        .iter()
        .any(|name| matches!(*name, "httpd" | "apache" | "apache2" | "nginx" | "openresty"))
}

/// Error and access lines that a web server sends to syslog. The message stays whole: an event
/// from JSON keeps no raw line.
fn read(message: &str, event: &mut Event) {
    let is_dated = message.as_bytes().first().is_some_and(u8::is_ascii_digit);
    let dated = message.split_once(" [").filter(|_| is_dated);
    if message.starts_with('[') && apache(message, event).is_some() {
        event.sources.extend(&APACHE_SOURCES);
    } else if dated.is_some_and(|(_, rest)| nginx(rest, event).is_some()) {
        event.sources.extend(&NGINX_SOURCES);
    } else {
        combined::read(message, event);
        return;
    }
    event.set(fields::MESSAGE, message);
}

/// `[Sun Dec 04 04:47:44.123 2005] [module:level] [pid N:tid M] [client A:P] text`.
fn parse_apache(line: &str, cx: &Context) -> Option<Event> {
    let inner = line.strip_prefix('[')?;
    let mut event = Event::new(cx.reference);
    let body = match inner.as_bytes().get(3) {
        Some(b' ') => {
            let stamp = asctime(inner.get(4..)?, cx)?;
            event.time = stamp.time;
            inner.get(4 + stamp.length..)?.strip_prefix(']')?.trim_start()
        }
        // Some write no time.
        _ => line,
    };
    event.set(fields::MESSAGE, line);
    apache(body, &mut event)?;
    event.sources.extend(&APACHE_SOURCES);
    Some(event)
}

/// The brackets behind the time, and the message.
fn apache(body: &str, event: &mut Event) -> Option<()> {
    let (word, mut rest) = body.strip_prefix('[')?.split_once(']')?;
    let (module, level) = word.split_once(':').unwrap_or(("", word));
    let level = Level::from_word(level.trim_end_matches(|digit: char| digit.is_ascii_digit()))?;
    event.level = level;
    if !module.is_empty() {
        event.set("apache.error.module", module);
    }
    rest = rest.trim_start();
    if let Some((ids, behind)) = rest.strip_prefix("[pid ").and_then(|rest| rest.split_once(']')) {
        let (pid, tid) = ids.split_once(":tid ").unwrap_or((ids, ""));
        if let Ok(pid) = pid.parse::<i64>() {
            event.set(fields::PROCESS_PID, pid);
        }
        if let Ok(tid) = tid.parse::<i64>() {
            event.set("process.thread.id", tid);
        }
        rest = behind.trim_start();
    }
    let text = apache_client(rest, event);
    if let Some((_, referrer)) = text.rsplit_once(", referer: ") {
        event.set(fields::HTTP_REQUEST_REFERRER, referrer);
    }
    event.set(fields::MESSAGE, text);
    finish(event);
    Some(())
}

/// `[client A:P] text`, also behind a system error (`(70014)End of file found: [client A:P] text`):
/// the first one, because the text can quote what a client sent.
fn apache_client<'a>(rest: &'a str, event: &mut Event) -> &'a str {
    let at = ["[client ", "[remote "].iter().filter_map(|head| rest.find(head)).min();
    let Some((before, found)) = at.and_then(|at| rest.split_at_checked(at)) else { return rest };
    let is_head = before.is_empty() || (before.ends_with(": ") && !before.contains('"'));
    let found = found.get("[client ".len()..).filter(|_| is_head).unwrap_or_default();
    // IPv6 stands in brackets of its own.
    let end = match found.strip_prefix('[') {
        Some(inner) => {
            inner.find(']').and_then(|at| Some(at + 2 + inner.get(at + 1..)?.find(']')?))
        }
        None => found.find(']'),
    };
    let Some((address, behind)) = end.and_then(|end| found.split_at_checked(end)) else {
        return rest;
    };
    if !set_source_and_port(event, address) {
        return rest;
    }
    let behind = behind.strip_prefix(']').unwrap_or(behind).trim_start();
    if before.is_empty() { behind } else { rest }
}

/// `2016/10/25 14:49:34 [error] 54053#0: *1 text, client: A, server: S, request: "R", host: "H"`.
fn parse_nginx(line: &str, cx: &Context) -> Option<Event> {
    if line.as_bytes().get(4) != Some(&b'/') {
        return None;
    }
    let stamp = iso(line, cx)?;
    let body = line.get(stamp.length..)?.strip_prefix(" [")?;
    let mut event = Event::new(stamp.time);
    nginx(body, &mut event)?;
    event.sources.extend(&NGINX_SOURCES);
    Some(event)
}

fn nginx(body: &str, event: &mut Event) -> Option<()> {
    let (level, rest) = body.split_once("] ")?;
    let level = Level::from_word(level)?;
    let (ids, text) = rest.split_once(": ").unwrap_or(("", rest));
    let (pid, tid) = ids.split_once('#').unwrap_or((ids, ""));
    let is_id = pid.parse::<i64>().ok();
    let text = if let Some(pid) = is_id {
        event.set(fields::PROCESS_PID, pid);
        text
    } else {
        rest
    };
    if let Ok(tid) = tid.parse::<i64>() {
        event.set("process.thread.id", tid);
    }
    let text = match text.strip_prefix('*').and_then(|text| text.split_once(' ')) {
        Some((connection, text)) if connection.parse::<u64>().is_ok() => text,
        _ => text,
    };
    event.level = level;
    event.set(fields::MESSAGE, text);
    nginx_client(text, event);
    finish(event);
    Some(())
}

/// The pairs behind the message. The last `, client: ` counts: the message can quote a path with
/// such words in it, while blanks in a request are not decoded.
fn nginx_client(text: &str, event: &mut Event) {
    let Some((_, pairs)) = text.rsplit_once(", client: ") else { return };
    set_source_and_port(event, pairs.split(',').next().unwrap_or_default());
    let quoted = |key: &str| {
        let (_, rest) = pairs.split_once(key)?;
        rest.split_once('"').map(|(value, _)| value)
    };
    if let Some(request) = quoted(", request: \"") {
        combined::set_request(request, event);
    }
    if let Some(host) = quoted(", host: \"") {
        event.set("url.domain", host);
    }
    if let Some(referrer) = quoted(", referrer: \"") {
        event.set(fields::HTTP_REQUEST_REFERRER, referrer);
    }
}

/// An error about a client's request is its failure; so are requests held back.
fn finish(event: &mut Event) {
    event.set(fields::EVENT_CATEGORY, ["web"]);
    event.set(fields::EVENT_TYPE, [if event.level >= Level::High { "error" } else { "info" }]);
    let message = event.message();
    let held = message.starts_with("limiting ") || message.starts_with("delaying ");
    let from_client =
        event.get(fields::SOURCE_IP).is_some() || event.get(fields::SOURCE_ADDRESS).is_some();
    if from_client && (held || event.level >= Level::High) {
        event.set(fields::EVENT_OUTCOME, "failure");
    }
    let message = event.message();
    let user = message.split_once("user ").map(|(_, rest)| rest).and_then(|rest| {
        let rest = rest.trim_start_matches(['"', '`']);
        let end = [
            " not found",
            "\": password",
            "\" was not",
            ": authentication failure",
            ": password",
            "' in realm",
        ]
        .iter()
        .filter_map(|words| rest.find(words))
        .min()?;
        rest.get(..end).map(str::to_owned)
    });
    if let Some(name) = user.filter(|_| from_client) {
        event.set(fields::USER_NAME, name);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn cx() -> Context {
        Context::new(DateTime::UNIX_EPOCH)
    }

    #[test]
    fn apache_lines_are_read() {
        for (line, peer, level, message) in [
            (
                "[Sun Dec 04 04:47:44 2005] [error] [client 203.0.113.7] File does not exist: /x",
                Some("203.0.113.7"),
                Level::High,
                "File does not exist: /x",
            ),
            (
                "[Sun Dec 04 04:47:44.5 2005] [core:notice] [pid 7:tid 8] AH1: on",
                None,
                Level::Low,
                "AH1: on",
            ),
            (
                "[Sun Dec 04 04:47:44.5 2005] [a:error] [pid 7] [client [2001:db8::1]:5] AH1: x [client 198.51.100.1]",
                Some("2001:db8::1"),
                Level::High,
                "AH1: x [client 198.51.100.1]",
            ),
            ("[error] [client 203.0.113.7] x", Some("203.0.113.7"), Level::High, "x"),
            (
                "[Sun Dec 04 04:47:44.5 2005] [ssl:info] [pid 7:tid 8] (7)End of file: [client 203.0.113.7:5] AH2: x",
                Some("203.0.113.7"),
                Level::Informational,
                "(7)End of file: [client 203.0.113.7:5] AH2: x",
            ),
        ] {
            let event = parse_apache(line, &cx()).unwrap();
            assert_eq!(event.source_ip().map(|ip| ip.to_string()).as_deref(), peer, "{line}");
            assert_eq!(event.level, level, "{line}");
            assert_eq!(event.message(), message, "{line}");
        }
        for line in ["", "[", "[x] y", "[Sun Dec 04", "[12.5] [UFW BLOCK] IN="] {
            assert!(parse_apache(line, &cx()).is_none(), "{line}");
        }
    }

    #[test]
    fn nginx_lines_are_read() {
        let line = r#"2025/10/25 14:49:34 [error] 54#0: *1 open() "/a, client: 198.51.100.1, server: x" failed (2: No such file or directory), client: 203.0.113.7, server: x, request: "GET /a HTTP/1.1", host: "www.example""#;
        let event = parse_nginx(line, &cx()).unwrap();
        assert_eq!(event.source_ip(), Some("203.0.113.7".parse().unwrap()));
        assert_eq!(event.outcome(), Some("failure"));
        assert_eq!(event.text(fields::URL_PATH), Some("/a"));
        assert_eq!(event.find("url.domain"), Some(&"www.example".into()));
        assert!(parse_nginx("2025/10/25 14:49:34 hello", &cx()).is_none());
    }

    #[test]
    fn lines_inside_syslog_are_read() {
        for message in [
            "[authz_core:error] [pid 7] [client 203.0.113.7:5] AH01630: client denied",
            "2025/10/25 14:49:34 [warn] 54#0: *1 delaying request, client: 203.0.113.7, server: x",
            r#"203.0.113.7 - - - [27/Mar/2017:13:40:40 -0700] "GET / HTTP/1.0" 404 982 "-" "-""#,
        ] {
            let mut event = Event::new(DateTime::UNIX_EPOCH);
            event.set(fields::MESSAGE, message);
            read(message, &mut event);
            assert_eq!(event.source_ip(), Some("203.0.113.7".parse().unwrap()), "{message}");
            assert_eq!(event.outcome(), Some("failure"), "{message}");
            assert_eq!(event.message(), message);
        }
        assert!(claims("httpd/backend1") && claims("/usr/sbin/apache2") && !claims("httpdx"));
    }
}
