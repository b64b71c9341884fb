//! Errors in Python's terms.

use std::io;

use engine::input::InputError;
use engine::input::vnnlib::QueryError;
use pyo3::create_exception;
use pyo3::exceptions::{PyFileNotFoundError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

create_exception!(
    ironbound,
    UnsupportedError,
    PyValueError,
    "Something that Ironbound cannot verify; the message names it and says what to do."
);
create_exception!(ironbound, InternalError, PyRuntimeError, "A fault of Ironbound itself; no verdict was given.");

/// A network that cannot be used.
pub fn of_input(error: InputError) -> PyErr {
    let text = error.to_string();
    match error {
        InputError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
        InputError::Read { .. } => PyOSError::new_err(text),
        _ if text.contains("unsupported") || text.contains("not supported") => UnsupportedError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// A query that cannot be used.
pub fn of_query(error: QueryError) -> PyErr {
    let text = error.to_string();
    match text.contains("unsupported") || text.contains("not supported") {
        true => UnsupportedError::new_err(text),
        false => PyValueError::new_err(text),
    }
}

/// A mistake of the caller.
pub fn value(text: impl Into<String>) -> PyErr {
    PyValueError::new_err(text.into())
}
