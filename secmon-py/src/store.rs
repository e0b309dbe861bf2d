//! `secmon.Store`.

use chrono::{DateTime, FixedOffset};
use pyo3::prelude::*;

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
}
