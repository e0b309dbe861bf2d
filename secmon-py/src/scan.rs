//! `secmon.scan`.

use chrono::{DateTime, FixedOffset};
use pyo3::prelude::*;
use secmon_core::Counters;
use secmon_core::parse::{Context, LineFormat};

use crate::convert::{incident, now_or, to_python};
use crate::ruleset::Ruleset;

/// Finds incidents in lines, without a store: a list of dictionaries, ordered by first signal. All
/// built-in rules unless others are given.
#[pyfunction]
#[pyo3(signature = (lines, rules = None, *, now = None))]
pub(crate) fn scan<'py>(
    py: Python<'py>,
    lines: Vec<String>,
    rules: Option<&Ruleset>,
    now: Option<DateTime<FixedOffset>>,
) -> PyResult<Bound<'py, PyAny>> {
    let ruleset = rules.map_or_else(secmon_core::Ruleset::builtin, |rules| rules.0.clone());
    let incidents: serde_json::Value = py.detach(move || {
        let cx = Context::new(now_or(now));
        let mut counters = Counters::new(&ruleset);
        for (seq, line) in (0..).zip(lines) {
            counters.event("scan", seq, &ruleset.prepare(&line, LineFormat::Detect, &cx));
        }
        counters.incidents().iter().map(incident).collect()
    });
    to_python(py, &incidents)
}
