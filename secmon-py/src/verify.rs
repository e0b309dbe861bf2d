//! `secmon.verify`.

use std::path::PathBuf;

use pyo3::prelude::*;
use secmon_core::seal::{Note, Proof, Verdict};
use secmon_store::{Store, VerifyOptions};

use crate::convert::to_python;
use crate::error::Error;

/// Verifies every stream of a store: a list of verdicts. Public keys that came by another way, and
/// checkpoints that were kept outside, prove more than the store's own.
#[pyfunction]
#[pyo3(signature = (url, *, vkeys = None, anchors = None))]
pub(crate) fn verify<'py>(
    py: Python<'py>,
    url: &str,
    vkeys: Option<Vec<String>>,
    anchors: Option<Vec<String>>,
) -> PyResult<Bound<'py, PyAny>> {
    let verdicts = py.detach(|| {
        let options = options(vkeys, anchors)?;
        Ok::<_, Error>(Store::open_existing(url)?.verify(&options)?)
    })?;
    to_python(py, &verdicts.iter().map(Verdict::to_json).collect())
}

/// Verifies what `Store.export` wrote, without the store: a list of verdicts.
#[pyfunction]
#[pyo3(signature = (folder, *, vkeys = None, anchors = None))]
pub(crate) fn verify_export(
    py: Python<'_>,
    folder: PathBuf,
    vkeys: Option<Vec<String>>,
    anchors: Option<Vec<String>>,
) -> PyResult<Bound<'_, PyAny>> {
    let verdicts = py.detach(move || {
        let options = options(vkeys, anchors)?;
        Ok::<_, Error>(secmon_store::verify_export(&folder, &options, |_| {})?)
    })?;
    to_python(py, &verdicts.iter().map(Verdict::to_json).collect())
}

/// Checks that a body is the record that a proof is of, under a checkpoint that one of the keys signed;
/// raises `SecmonError` when it is not.
#[pyfunction]
pub(crate) fn check_proof(proof: &str, body: &[u8], vkeys: Vec<String>) -> PyResult<()> {
    let options = options(Some(vkeys), None)?;
    let proof: Proof = proof.parse().map_err(Error::from)?;
    proof.check(body, &options.vkeys).map_err(Error::from)?;
    Ok(())
}

fn options(
    vkeys: Option<Vec<String>>,
    anchors: Option<Vec<String>>,
) -> Result<VerifyOptions, Error> {
    let vkeys = vkeys.unwrap_or_default();
    let anchors = anchors.unwrap_or_default();
    Ok(VerifyOptions {
        vkeys: vkeys.iter().map(|vkey| vkey.parse()).collect::<Result<_, _>>()?,
        anchors: anchors.iter().map(|note| Note::parse(note)).collect::<Result<_, _>>()?,
        ..VerifyOptions::default()
    })
}
