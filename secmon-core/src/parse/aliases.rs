//! Brings the names and values that common programs use in JSON to ECS.

use std::borrow::Cow;
use std::net::IpAddr;

use chrono::{DateTime, Utc};

use super::time::stamp;
use super::{Context, epoch, read_message};
use crate::event::{Event, Level, Name, Value, fields};

/// Other names for ECS fields, as common programs write them (`timestamp`, syslog-ng's `HOST`, the journal's
/// `_HOSTNAME`, ...). Case
/// matters: Windows events have a `User` and a `Message` of their own.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("@timestamp.$date", "@timestamp"),
    ("FACILITY", "log.syslog.facility.name"),
    ("HOST", "host.name"),
    ("ISODATE", "@timestamp"),
    ("LEVEL", "log.level"),
    ("MESSAGE", "message"),
    ("PID", "process.pid"),
    ("PRIORITY", "log.level"),
    ("PROGRAM", "process.name"),
    ("SYSLOG_IDENTIFIER", "process.name"),
    ("SYSLOG_PID", "process.pid"),
    ("_HOSTNAME", "host.name"),
    ("_PID", "process.pid"),
    ("__REALTIME_TIMESTAMP", "@timestamp"),
    ("action", "event.action"),
    ("app", "process.name"),
    ("appname", "process.name"),
    ("client_ip", "source.ip"),
    ("datetime", "@timestamp"),
    ("dest_ip", "destination.ip"),
    ("dest_port", "destination.port"),
    ("dst_ip", "destination.ip"),
    ("dst_port", "destination.port"),
    ("facility", "log.syslog.facility.name"),
    ("host", "host.name"),
    ("hostname", "host.name"),
    ("ip", "source.ip"),
    ("level", "log.level"),
    ("msg", "message"),
    ("outcome", "event.outcome"),
    ("pid", "process.pid"),
    ("procid", "process.pid"),
    ("program", "process.name"),
    ("remote_addr", "source.ip"),
    ("severity", "log.level"),
    ("src_ip", "source.ip"),
    ("src_port", "source.port"),
    ("status", "event.outcome"),
    ("time", "@timestamp"),
    ("timestamp", "@timestamp"),
    ("timestamp.$date", "@timestamp"),
    ("timestamp.$date.$numberLong", "@timestamp"),
    ("ts", "@timestamp"),
    ("user", "user.name"),
    ("username", "user.name"),
];

/// The ECS field that an alias stands for.
pub(crate) fn ecs_name(alias: &str) -> Option<&'static str> {
    let at = ALIASES.binary_search_by(|(name, _)| (*name).cmp(alias)).ok()?;
    ALIASES.get(at).map(|(_, name)| *name)
}

/// The event of flattened JSON fields.
pub(super) fn event(flat: Vec<(Name, Value)>, cx: &Context) -> Event {
    let (renamed, direct) =
        flat.into_iter().partition::<Vec<_>, _>(|(name, _)| ecs_name(name.as_str()).is_some());
    let (mut event, doubled) = Event::with_fields(cx.reference, direct);
    let (aliases, doubled_alias) = Event::with_fields(cx.reference, renamed);
    for (alias, value) in aliases.fields() {
        let name = ecs_name(alias).filter(|name| {
            event.find(name).is_none() && (*name != "event.outcome" || outcome(value).is_some())
        });
        event.set(name.unwrap_or(alias), value.clone());
    }
    if doubled || doubled_alias {
        note(&mut event, "a key stands twice; the last value was kept");
    }
    take_time(&mut event, cx);
    take_level(&mut event);
    take_sources(&mut event);
    for (ip, address) in [
        (fields::SOURCE_IP, fields::SOURCE_ADDRESS),
        (fields::DESTINATION_IP, fields::DESTINATION_ADDRESS),
    ] {
        set_address(&mut event, ip, address);
    }
    if let Some(word) = event.get(fields::EVENT_OUTCOME).and_then(outcome) {
        event.set(fields::EVENT_OUTCOME, word);
    }
    if event.get(fields::EVENT_CATEGORY).is_none()
        && matches!(event.action(), Some("login" | "ssh_login" | "logout"))
    {
        event.set(fields::EVENT_CATEGORY, ["authentication"]);
    }
    if let Some(message) = event.get(fields::MESSAGE).filter(|value| value.as_str().is_none()) {
        let message = message.to_string();
        event.set(fields::MESSAGE, message);
    }
    if let (Some(process), Some(message)) =
        (event.text(fields::PROCESS_NAME), event.text(fields::MESSAGE))
    {
        let (process, message) = (process.to_owned(), message.trim_start().to_owned());
        read_message(&process, &message, &mut event);
    }
    event
}

/// ECS's word for an outcome.
fn outcome(value: &Value) -> Option<&'static str> {
    Some(match value.as_str()?.to_ascii_lowercase().as_str() {
        "failure" | "failed" | "fail" | "denied" | "refused" => "failure",
        "success" | "succeeded" | "successful" | "ok" | "accepted" => "success",
        "unknown" => "unknown",
        _ => return None,
    })
}

fn take_time(event: &mut Event, cx: &Context) {
    if let Some(zone) = event.find("event.timezone").and_then(Value::as_str).map(str::to_owned)
        && let Some(read) = stamp(&format!("2000-01-01T00:00:00{zone}"), cx)
    {
        event.offset = read.offset;
        event.remove("event.timezone");
    }
    let Some(value) = event.remove("@timestamp") else { return };
    if let Some((time, offset)) = instant(&value, cx) {
        event.time = time;
        event.offset = offset.or(event.offset);
    } else {
        note(event, &format!("time stamp `{value}` cannot be read; the time of receipt was taken"));
        event.set("event.original_timestamp", value);
    }
}

fn instant(value: &Value, cx: &Context) -> Option<(DateTime<Utc>, Option<chrono::FixedOffset>)> {
    if let Value::Text(text) = value
        && let Some(stamp) = stamp(text.trim(), cx)
    {
        return Some((stamp.time, stamp.offset));
    }
    Some((epoch(value)?, None))
}

fn take_level(event: &mut Event) {
    let Some(value) = event.remove(fields::LOG_LEVEL) else { return };
    let level = match value.as_int() {
        Some(severity) => (0..=7).contains(&severity).then(|| Level::from_syslog(severity)),
        None => value.as_str().and_then(Level::from_word),
    };
    event.level = level.unwrap_or_default();
    if value.as_str() != Some(event.level.as_str()) {
        event.set("log.level.original", value);
    }
}

/// `product`, `category` and `service` (a text or a list), and `event.module`, name log sources.
fn take_sources(event: &mut Event) {
    for name in ["product", "category", "service"] {
        let Some(value) = event.remove(name) else { continue };
        if let Some(names) = event.sources.dimension(name) {
            *names = value.each().iter().map(|one| Cow::Owned(one.to_string())).collect();
        }
    }
    if let Some(module) = event.text(fields::EVENT_MODULE).map(str::to_owned) {
        let module = Cow::Owned(module);
        if !event.sources.service.contains(&module) {
            event.sources.service.to_mut().push(module);
        }
    }
    super::windows::add_sources(event);
}

/// An address that is none is a host name.
fn set_address(event: &mut Event, ip: crate::event::Field, address: crate::event::Field) {
    let Some(Value::Text(text)) = event.get(ip) else { return };
    match text.trim().parse::<IpAddr>() {
        Ok(parsed) => event.set(ip, parsed),
        Err(_) => {
            if let Some(name) = event.remove(ip)
                && event.get(address).is_none()
            {
                event.set(address, name);
            }
        }
    }
}

/// Adds a sentence to `error.message`.
fn note(event: &mut Event, sentence: &str) {
    let text = match event.text(fields::ERROR_MESSAGE) {
        Some(before) => format!("{before}; {sentence}"),
        None => sentence.into(),
    };
    event.set(fields::ERROR_MESSAGE, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_sorted() {
        assert!(ALIASES.is_sorted_by(|(a, _), (b, _)| a < b));
    }
}
