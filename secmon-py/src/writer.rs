//! `secmon.Writer`.

use std::sync::Mutex;

use chrono::{DateTime, FixedOffset};
use pyo3::prelude::*;
use serde_json::json;

use crate::convert::{detection, now_or, to_python};
use crate::error::Error;

/// The only way into a store; a context manager.
#[pyclass(frozen, module = "secmon")]
#[derive(Debug)]
pub(crate) struct Writer {
    writer: Mutex<Option<secmon_store::Writer>>,
    ruleset: secmon_core::Ruleset,
}

impl Writer {
    pub(crate) fn new(writer: secmon_store::Writer, ruleset: secmon_core::Ruleset) -> Self {
        Self { writer: Mutex::new(Some(writer)), ruleset }
    }
}

#[pymethods]
impl Writer {
    /// Stores lines; returns once they are committed, sealed and counted.
    #[pyo3(signature = (lines, *, now = None))]
    fn write<'py>(
        &self,
        py: Python<'py>,
        lines: Vec<String>,
        now: Option<DateTime<FixedOffset>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let receipt = py.detach(|| {
            let now = now_or(now);
            // Before the lock: threads prepare at once.
            let prepared = self.ruleset.prepare_lines(lines, now);
            let mut writer = self.writer.lock().map_err(|_| Error::new("the writer has failed"))?;
            let writer = writer.as_mut().ok_or_else(|| Error::new("the writer is closed"))?;
            Ok::<_, Error>(writer.write(prepared, now)?)
        })?;
        let answer = json!({
            "stream": receipt.stream,
            "first_seq": receipt.seqs.map(|(first, _)| first),
            "last_seq": receipt.seqs.map(|(_, last)| last),
            "detections": receipt.detections.iter().map(detection).collect::<Vec<_>>(),
        });
        to_python(py, &answer)
    }

    /// Erases a personal value from all records; how many values of records are gone.
    #[pyo3(signature = (kind, value, *, now = None))]
    fn erase(
        &self,
        py: Python<'_>,
        kind: &str,
        value: &str,
        now: Option<DateTime<FixedOffset>>,
    ) -> PyResult<u64> {
        let erasure = py.detach(|| {
            let mut writer = self.writer.lock().map_err(|_| Error::new("the writer has failed"))?;
            let writer = writer.as_mut().ok_or_else(|| Error::new("the writer is closed"))?;
            Ok::<_, Error>(writer.erase(kind, value, now_or(now))?)
        })?;
        Ok(erasure.values)
    }

    /// Checkpoints and ends.
    #[pyo3(signature = (*, now = None))]
    fn close(&self, py: Python<'_>, now: Option<DateTime<FixedOffset>>) -> PyResult<()> {
        py.detach(|| {
            let mut writer = self.writer.lock().map_err(|_| Error::new("the writer has failed"))?;
            if let Some(writer) = writer.take() {
                writer.close(now_or(now))?;
            }
            Ok::<_, Error>(())
        })?;
        Ok(())
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _exception: &Bound<'_, pyo3::types::PyTuple>,
    ) -> PyResult<()> {
        self.close(py, None)
    }
}
