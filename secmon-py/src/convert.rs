//! JSON text to Python objects, and the clock.

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use pyo3::prelude::*;
use secmon_core::{Detection, Incident};
use serde_json::{Value, json};

/// Python's own reader makes the objects: one translation for all shapes.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (value.to_string(),))
}

/// The JSON value of a Python object.
pub(crate) fn from_python(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    let text: String = object.py().import("json")?.call_method1("dumps", (object,))?.extract()?;
    serde_json::from_str(&text).map_err(|error| crate::error::Error::new(error.to_string()).into())
}

/// The time that was given, else now: the one place where the package reads the clock.
#[expect(clippy::disallowed_methods, reason = "the edge of the package")]
pub(crate) fn now_or(given: Option<DateTime<FixedOffset>>) -> DateTime<Utc> {
    given.map_or_else(Utc::now, |given| given.to_utc())
}

pub(crate) fn detection(detection: &Detection) -> Value {
    let Detection { rule, title, level, time, group, place, reason, .. } = detection;
    let group: Value = serde_json::from_str(group.as_json()).unwrap_or_default();
    json!({
        "rule": rule,
        "title": title,
        "level": level,
        "time": rfc3339(*time),
        "group": group,
        "seq": place.seq,
        "reason": reason,
    })
}

pub(crate) fn incident(incident: &Incident) -> Value {
    let Incident { rule, title, level, group, first, last, count, reason, .. } = incident;
    let group: Value = serde_json::from_str(group.as_json()).unwrap_or_default();
    json!({
        "rule": rule,
        "title": title,
        "level": level,
        "group": group,
        "first": rfc3339(*first),
        "last": rfc3339(*last),
        "count": count,
        "reason": reason,
    })
}

fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
