//! secmon for Python: translates types, nothing else.

mod convert;
mod error;
mod parse;
mod ruleset;
mod scan;
mod store;
mod verify;
mod writer;

use pyo3::prelude::*;

/// The native part of the package `secmon`.
#[pymodule(gil_used = false)]
mod _secmon {
    #[pymodule_export]
    use super::error::SecmonError;
    #[pymodule_export]
    use super::parse::parse;
    #[pymodule_export]
    use super::ruleset::Ruleset;
    #[pymodule_export]
    use super::scan::scan;
    #[pymodule_export]
    use super::store::Store;
    #[pymodule_export]
    use super::verify::{check_proof, verify, verify_export};
    #[pymodule_export]
    use super::writer::Writer;
}
