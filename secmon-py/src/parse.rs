//! `secmon.parse`.

use chrono::{DateTime, FixedOffset};
use pyo3::prelude::*;
use secmon_core::Ruleset;
use secmon_core::parse::{Context, LineFormat};

use crate::convert::{now_or, to_python};
use crate::error::Error;

/// Parses one line into a dictionary of ECS fields. A line that cannot be parsed is kept as
/// `event.kind` `pipeline_error`.
#[pyfunction]
#[pyo3(signature = (line, *, format = None, now = None))]
pub(crate) fn parse<'py>(
    py: Python<'py>,
    line: &str,
    format: Option<&str>,
    now: Option<DateTime<FixedOffset>>,
) -> PyResult<Bound<'py, PyAny>> {
    let format = format.map_or(Ok(LineFormat::Detect), LineFormat::named).map_err(Error::from)?;
    let prepared = Ruleset::empty().prepare(line, format, &Context::new(now_or(now)));
    let value: serde_json::Value = serde_json::from_str(&prepared.event.to_json())
        .map_err(|error| Error::new(error.to_string()))?;
    to_python(py, &value)
}
