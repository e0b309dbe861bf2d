//! `SecmonError`, and what becomes one.

use pyo3::PyErr;
use pyo3::exceptions::PyException;

pyo3::create_exception!(secmon, SecmonError, PyException, "Something that secmon could not do.");

/// Any error of the crates below.
#[derive(Debug)]
pub(crate) struct Error(String);

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl From<secmon_core::Error> for Error {
    fn from(error: secmon_core::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<secmon_store::Error> for Error {
    fn from(error: secmon_store::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        SecmonError::new_err(error.0)
    }
}
