//! `secmon.verify`.

use pyo3::prelude::*;
use secmon_core::seal::{Verdict, Vkey};
use secmon_store::{Store, VerifyOptions};

use crate::convert::to_python;
use crate::error::Error;

/// Verifies every stream of a store: a list of verdicts. Public keys that came by another way prove more
/// than the store's own.
#[pyfunction]
#[pyo3(signature = (url, *, vkeys = None))]
pub(crate) fn verify<'py>(
    py: Python<'py>,
    url: &str,
    vkeys: Option<Vec<String>>,
) -> PyResult<Bound<'py, PyAny>> {
    let verdicts = py.detach(|| {
        let vkeys = vkeys.unwrap_or_default();
        let vkeys = vkeys.iter().map(|vkey| vkey.parse::<Vkey>()).collect::<Result<_, _>>()?;
        let options = VerifyOptions { vkeys, ..VerifyOptions::default() };
        Ok::<_, Error>(Store::open_existing(url)?.verify(&options)?)
    })?;
    to_python(py, &verdicts.iter().map(Verdict::to_json).collect())
}
