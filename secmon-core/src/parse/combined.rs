//! Access logs of web servers: common, combined, with virtual host before and extras behind.

use std::borrow::Cow;
use std::net::IpAddr;

use memchr::memchr_iter;

use super::peer::{set_source, split_port};
use super::time::{Stamp, common_log, stamp};
use super::{Context, Format};
use crate::event::{Event, Sources, fields};

pub(super) const FORMAT: Format = Format { name: "combined", parse };

const SOURCES: Sources = Sources::fixed(&[], &[Cow::Borrowed("webserver")], &[]);

/// Reads a line, or says that it has another form.
fn parse(line: &str, cx: &Context) -> Option<Event> {
    let at = date_at(line)?;
    let head = line.get(..at)?.trim_end();
    // A syslog line can carry such a line; then the envelope comes first.
    if line.starts_with('<') || stamp(line, cx).is_some() {
        return None;
    }
    let mut event = Event::new(cx.reference);
    access(head, line.get(at + 1..)?, cx, &mut event)?;
    event.set(fields::MESSAGE, line);
    Some(event)
}

/// Reads an access line inside a syslog message; the envelope's time stays.
pub(super) fn read(message: &str, event: &mut Event) -> Option<()> {
    let at = date_at(message)?;
    let (time, offset) = (event.time, event.offset);
    let cx = Context::new(time);
    access(message.get(..at)?.trim_end(), message.get(at + 1..)?, &cx, event)?;
    (event.time, event.offset) = (time, offset);
    Some(())
}

/// Where `[dd/Mmm/yyyy:` stands.
fn date_at(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    memchr_iter(b'[', bytes).find(|at| {
        let Some([a, b, c, d, ..]) = bytes.get(at + 1..) else { return false };
        let short = a.is_ascii_digit() && *b == b'/' && c.is_ascii_uppercase();
        short || (a.is_ascii_digit() && b.is_ascii_digit() && *c == b'/' && d.is_ascii_uppercase())
    })
}

/// What stands before the date, and from the date on.
fn access(head: &str, tail: &str, cx: &Context, event: &mut Event) -> Option<()> {
    let Stamp { time, offset, length } = common_log(tail, cx)?;
    let (_, rest) = tail.get(length..)?.split_once(']')?;
    if head.is_empty() {
        proxy(rest, event)?;
    } else {
        client(head, event)?;
        let (_, quoted) = rest.split_once('"')?;
        let (request, rest) = quoted_end(quoted);
        set_request(request, event);
        answer(rest, event)?;
    }
    event.time = time;
    event.offset = offset;
    event.set(fields::EVENT_CATEGORY, ["web"]);
    event.set(fields::EVENT_TYPE, ["access"]);
    event.sources.extend(&SOURCES);
    Some(())
}

/// `[VHOST ]ADDRESS[, ADDRESS ..] IDENT USER`: of a list of forwarders the last, who really called.
fn client(head: &str, event: &mut Event) -> Option<()> {
    let mut rest = head;
    let mut next = || {
        rest = rest.trim_start();
        let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = behind;
        (!word.is_empty()).then_some(word)
    };
    let mut word = next()?;
    let is_ip = |word: &str| word.trim_end_matches(',').parse::<IpAddr>().is_ok();
    if word.starts_with('"') {
        while !word.ends_with('"') {
            word = next()?;
        }
        word = next()?;
    } else if !is_ip(word) && !word.ends_with(',') {
        let following = rest_word(head, word);
        if is_ip(following) || following.ends_with(',') {
            let (domain, port) = split_port(word);
            event.set("url.domain", domain);
            if let Some(port) = port {
                event.set("url.port", port);
            }
            word = next()?;
        }
    }
    while word.ends_with(',') {
        word = next()?;
    }
    let mut ident = next()?;
    if is_ip(ident) {
        (word, ident) = (ident, next()?);
    }
    let _ = ident;
    let user = rest.trim();
    if !set_source(event, word) {
        return None;
    }
    if !matches!(user, "" | "-" | "\"\"" | "- -") {
        event.set(fields::USER_NAME, user);
    }
    Some(())
}

/// The word behind the first one.
fn rest_word<'a>(head: &'a str, first: &str) -> &'a str {
    let rest = head.trim_start().get(first.len()..).unwrap_or_default();
    rest.trim_start().split(' ').next().unwrap_or_default()
}

/// Splits at the closing quote; a backslash takes the next character with it. Without one, all.
fn quoted_end(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                return (text.get(..at).unwrap_or_default(), rest);
            }
            _ => {}
        }
    }
    (text, "")
}

/// `METHOD URL HTTP/VERSION`; what is no request is kept whole as the URL.
pub(super) fn set_request(request: &str, event: &mut Event) {
    if matches!(request, "" | "-") {
        return;
    }
    let method = request.split_once(' ').filter(|(method, url)| {
        let word =
            method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte == b'-');
        word && !method.is_empty() && !url.is_empty()
    });
    let Some((method, rest)) = method else {
        event.set(fields::URL_ORIGINAL, request);
        return;
    };
    event.set(fields::HTTP_REQUEST_METHOD, method);
    let url = match rest.rsplit_once(" HTTP/") {
        Some((url, version)) => {
            event.set(fields::HTTP_VERSION, version);
            url
        }
        None => rest,
    };
    set_url(url, event);
}

fn set_url(url: &str, event: &mut Event) {
    event.set(fields::URL_ORIGINAL, url);
    let (path, query) =
        url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    event.set(fields::URL_PATH, path);
    if let Some(query) = query {
        event.set(fields::URL_QUERY, query);
    }
}

/// `STATUS BYTES[ "REFERRER" "AGENT" ..]`.
fn answer(text: &str, event: &mut Event) -> Option<()> {
    let mut words = text.trim_start().splitn(3, ' ');
    set_status(words.next()?, event)?;
    if let Some(Ok(bytes)) = words.next().map(str::parse::<i64>) {
        event.set(fields::HTTP_RESPONSE_BODY_BYTES, bytes);
    }
    let mut rest = words.next().unwrap_or_default();
    for field in [fields::HTTP_REQUEST_REFERRER, fields::USER_AGENT_ORIGINAL] {
        let Some((_, quoted)) = rest.split_once('"') else { break };
        let (value, behind) = quoted_end(quoted);
        rest = behind;
        if !matches!(value, "" | "-") {
            event.set(field, value);
        }
    }
    Some(())
}

fn set_status(word: &str, event: &mut Event) -> Option<()> {
    let status: i64 = word.trim().parse().ok().filter(|status| (0..1000).contains(status))?;
    event.set(fields::HTTP_RESPONSE_STATUS_CODE, status);
    event.set(fields::EVENT_OUTCOME, if status < 400 { "success" } else { "failure" });
    Some(())
}

/// Nginx Proxy Manager, which writes the time first:
/// `CACHE UPSTREAM STATUS - METHOD SCHEME HOST "URL" [Client A] .. "AGENT" "REFERRER"`, and
/// `HOST ADDRESS SECONDS "REQUEST" STATUS BYTES ..`.
fn proxy(text: &str, event: &mut Event) -> Option<()> {
    let (head, quoted) = text.split_once('"')?;
    let (inner, rest) = quoted_end(quoted);
    let words: Vec<&str> = head.split_ascii_whitespace().collect();
    if let Some((_, client)) = rest.split_once("[Client ") {
        let [.., status, _, method, scheme, host] = words.as_slice() else { return None };
        set_status(status, event)?;
        event.set(fields::HTTP_REQUEST_METHOD, *method);
        event.set("url.scheme", *scheme);
        event.set("url.domain", *host);
        set_url(inner, event);
        let (address, rest) = client.split_once(']')?;
        if let Some((_, agent)) = rest.split_once('"') {
            event.set(fields::USER_AGENT_ORIGINAL, quoted_end(agent).0);
        }
        return set_source(event, address).then_some(());
    }
    let [host, address, ..] = words.as_slice() else { return None };
    event.set("url.domain", *host);
    set_request(inner, event);
    answer(rest, event)?;
    set_source(event, address).then_some(())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::Value;

    fn parsed(line: &str) -> Option<Event> {
        parse(line, &Context::new(DateTime::UNIX_EPOCH))
    }

    #[test]
    fn a_combined_line_is_read() {
        let event = parsed(r#"www.example:443 203.0.113.7 - bob smith [10/Oct/2025:13:55:36 -0700] "GET /a b?x=1 HTTP/1.1" 200 23 "http://x/" "Agent \"x\" 1" extra"#).unwrap();
        for (name, value) in [
            ("http.request.method", "GET"),
            ("http.version", "1.1"),
            ("url.original", "/a b?x=1"),
            ("url.path", "/a b"),
            ("url.query", "x=1"),
            ("url.domain", "www.example"),
            ("user.name", "bob smith"),
            ("http.request.referrer", "http://x/"),
            ("user_agent.original", r#"Agent \"x\" 1"#),
            ("event.outcome", "success"),
        ] {
            assert_eq!(event.find(name), Some(&value.into()), "{name}");
        }
        assert_eq!(event.source_ip(), Some("203.0.113.7".parse().unwrap()));
        assert_eq!(event.get(fields::HTTP_RESPONSE_BODY_BYTES), Some(&Value::Int(23)));
        assert_eq!(crate::event::rfc3339(event.time), "2025-10-10T20:55:36Z");
    }

    #[test]
    fn malformed_requests_and_odd_clients_are_read() {
        for (line, peer, url) in [
            (
                r#"203.0.113.7 - - [1/Oct/2025:13:55:36 +0000] "\x16\x03\" x" 400 - "-" "-""#,
                "203.0.113.7",
                Some(r#"\x16\x03\" x"#),
            ),
            (r#"2001:db8::1 - - [01/Oct/2025:13:55:36 +0000] "-" 408 -"#, "2001:db8::1", None),
            (r#"203.0.113.7 - - - [01/Oct/2025:13:55:36 ] "" 400 0"#, "203.0.113.7", None),
            (
                r#"198.51.100.1, 203.0.113.7 - - [01/Oct/2025:13:55:36 +0000] "GET / HTTP/1.1" 404 0"#,
                "203.0.113.7",
                Some("/"),
            ),
            (
                r#""198.51.100.1, 198.51.100.2" 203.0.113.7 - - [01/Oct/2025:13:55:36 +0000] "GET / HTTP/1.1" 404 0"#,
                "203.0.113.7",
                Some("/"),
            ),
            (
                r#"[01/Oct/2025:13:55:36 +0000] - 404 404 - GET http www.example "/x" [Client 203.0.113.7] [Length 1] "A" "-""#,
                "203.0.113.7",
                Some("/x"),
            ),
            (
                r#"[01/Oct/2025:13:55:36 +0000] www.example 203.0.113.7 0.2 "GET / HTTP/2.0" 401 7 - A"#,
                "203.0.113.7",
                Some("/"),
            ),
        ] {
            let event = parsed(line).unwrap();
            assert_eq!(event.source_ip(), Some(peer.parse().unwrap()), "{line}");
            assert_eq!(event.text(fields::URL_ORIGINAL), url, "{line}");
            assert_eq!(event.outcome(), Some("failure"), "{line}");
            assert_eq!(event.get(fields::USER_NAME), None, "{line}");
        }
    }

    #[test]
    fn lines_of_other_forms_fall_through() {
        for line in [
            "",
            "[",
            "Oct 10 13:55:36 web-1 sshd[42]: x [preauth]",
            r#"Oct 10 13:55:36 web-1 nginx: 203.0.113.7 - - [10/Oct/2025:13:55:36 +0000] "GET / HTTP/1.1" 200 1"#,
            "203.0.113.7 - - [10/Oct/2025:13:55:36 +0000] GET /",
            r#"203.0.113.7 - - [10/Oct/2025:13:55:36 +0000] "GET /"#,
        ] {
            assert!(parsed(line).is_none(), "{line}");
        }
    }
}
