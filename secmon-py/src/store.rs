//! `secmon.Store`.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::now_or;
use crate::error::Error;
use crate::ruleset::Ruleset;
use crate::writer::Writer;

/// A store, made when it is absent: `Store("sqlite://secmon.db")`.
#[pyclass(frozen, module = "secmon")]
#[derive(Debug)]
pub(crate) struct Store(secmon_store::Store);

#[pymethods]
impl Store {
    #[new]
    fn new(py: Python<'_>, url: &str) -> PyResult<Self> {
        Ok(Self(py.detach(|| secmon_store::Store::open(url)).map_err(Error::from)?))
    }

    /// The privacy mode: values of these fields, messages and lines can be erased from now on; for writers
    /// that are opened behind this.
    fn set_erasable(&self, fields: Vec<String>) -> PyResult<()> {
        Ok(self.0.set_erasable(fields).map_err(Error::from)?)
    }

    /// Opens the writer of a label: resumes its stream, or begins one.
    #[pyo3(signature = (label, rules = None, *, now = None))]
    fn writer(
        &self,
        py: Python<'_>,
        label: &str,
        rules: Option<&Ruleset>,
        now: Option<DateTime<FixedOffset>>,
    ) -> PyResult<Writer> {
        let ruleset = rules.map_or_else(secmon_core::Ruleset::builtin, |rules| rules.0.clone());
        let writer = py.detach(|| self.0.writer(label, ruleset.clone(), now_or(now)));
        Ok(Writer::new(writer.map_err(Error::from)?, ruleset))
    }

    /// The proof of a record as a C2SP tlog-proof, by stream (id, origin or label) and index.
    fn proof(&self, py: Python<'_>, stream: &str, seq: u64) -> PyResult<String> {
        let proof = py.detach(|| self.0.proof(stream, seq)).map_err(Error::from)?;
        Ok(proof.to_string())
    }

    /// The body of a record, byte for byte as it was hashed.
    fn body<'py>(&self, py: Python<'py>, stream: &str, seq: u64) -> PyResult<Bound<'py, PyBytes>> {
        let record = py.detach(|| self.0.record(&self.0.stream(stream)?.id(), seq));
        Ok(PyBytes::new(py, &record.map_err(Error::from)?.body))
    }

    /// The latest checkpoint of a stream, a signed note; none before the first.
    fn checkpoint(&self, py: Python<'_>, stream: &str) -> PyResult<Option<String>> {
        let row = py.detach(|| self.0.checkpoint(stream)).map_err(Error::from)?;
        Ok(row.map(|row| row.note))
    }

    /// The public keys of a stream: the genesis key, then the stream's own.
    fn vkeys(&self, py: Python<'_>, stream: &str) -> PyResult<Vec<String>> {
        let row = py.detach(|| self.0.stream(stream)).map_err(Error::from)?;
        let keys = [row.genesis_vkey, row.stream_vkey];
        Ok(keys.into_iter().filter(|key| !key.is_empty()).collect())
    }

    /// Writes all streams, or one, as files that anybody can verify; how many records they have.
    #[pyo3(signature = (folder, stream = None))]
    fn export(&self, py: Python<'_>, folder: PathBuf, stream: Option<&str>) -> PyResult<u64> {
        Ok(py.detach(move || self.0.export(&folder, stream, |_| {})).map_err(Error::from)?)
    }
}
