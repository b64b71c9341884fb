//! Arrays as bytes.

use engine::numerics::Decimal;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::value;

/// Binary64 numbers from their bytes.
pub fn numbers(bytes: &[u8]) -> PyResult<Vec<f64>> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    match rest.is_empty() {
        true => Ok(chunks.iter().map(|&c| f64::from_le_bytes(c)).collect()),
        false => Err(value("an array must hold binary64 numbers")),
    }
}

/// The bytes of binary64 numbers.
pub fn bytes<'py>(py: Python<'py>, numbers: &[f64]) -> Bound<'py, PyBytes> {
    let flat: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    PyBytes::new(py, &flat)
}

/// Exact decimals: bytes of binary64 numbers, or a list of texts.
pub fn decimals(given: &Bound<'_, PyAny>) -> PyResult<Vec<Decimal>> {
    if let Ok(bytes) = given.cast::<PyBytes>() {
        let exact = |x: f64| Decimal::from_f64(x).ok_or_else(|| value(format!("{x} is not a finite number")));
        return numbers(bytes.as_bytes())?.into_iter().map(exact).collect();
    }
    given.extract::<Vec<String>>()?.iter().map(|text| decimal(text)).collect()
}

/// An exact decimal from its text.
pub fn decimal(text: &str) -> PyResult<Decimal> {
    Decimal::parse(text.as_bytes()).map_err(|e| value(format!("`{text}`: {e}")))
}
