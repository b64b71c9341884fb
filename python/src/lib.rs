//! The extension module `ironbound._native`: converts, calls the engine without the interpreter lock, converts back.
//!
//! Arrays cross the border as bytes of little-endian binary64 in C order, so that no array library is needed here.

mod arrays;
mod bounds;
mod certificate;
mod errors;
mod network;
mod quantized;
mod query;
mod region;
mod running;
mod verify;

use pyo3::prelude::*;

/// Ironbound's engine; use the package `ironbound`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::bounds::{node_ranges, output_bounds};
    #[pymodule_export]
    use crate::certificate::check_certificate;
    #[pymodule_export]
    use crate::errors::{InternalError, UnsupportedError};
    #[pymodule_export]
    use crate::network::Network;
    #[pymodule_export]
    use crate::quantized::IntegerNetwork;
    #[pymodule_export]
    use crate::query::Query;
    #[pymodule_export]
    use crate::region::Region;
    #[pymodule_export]
    use crate::verify::verify;

    use super::*;

    /// The command line: carries `arguments` out (the first is the program's name) and returns the exit code.
    ///
    /// `again` starts this same program.
    #[pyfunction]
    fn main(py: Python<'_>, arguments: Vec<std::ffi::OsString>, again: Vec<std::ffi::OsString>) -> u8 {
        py.detach(|| ironbound_cli::main(arguments, again))
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
