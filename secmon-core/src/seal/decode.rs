//! Bodies read back as events, for readers: verification reads them strictly and by another way.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, Utc};

use crate::event::{Event, MESSAGE_AT, Name, Value, fields};
use crate::token::RAW;

/// The event that a body holds, with the personal values that are at hand in place of their commitments;
/// none if the body is none of ours.
pub(crate) fn decode(body: &[u8], values: &BTreeMap<String, serde_json::Value>) -> Option<Event> {
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).ok()?;
    disclose(&mut object, values);
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
    } else {
        event.remove(MESSAGE_AT);
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

/// Puts personal values in place of their commitments.
fn disclose(
    object: &mut serde_json::Map<String, serde_json::Value>,
    values: &BTreeMap<String, serde_json::Value>,
) {
    for (field, value) in values {
        let sealed = format!("{field}#");
        if field == RAW && object.remove(&sealed).is_some() {
            object.insert(field.clone(), value.clone());
        } else if let Some(event) = object.get_mut("ev").and_then(|event| event.as_object_mut())
            && event.remove(&sealed).is_some()
        {
            event.insert(field.clone(), value.clone());
        }
    }
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
