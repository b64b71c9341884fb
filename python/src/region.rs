//! Boxes of inputs in exact decimals.

use engine::numerics::Decimal;
use engine::query::{DecimalRange, Ranges};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arrays::{self, decimal, decimals};
use crate::errors::value;

/// A box: one closed range per input element, as exact decimals.
#[pyclass(frozen, module = "ironbound._native")]
pub struct Region {
    pub ranges: Ranges,
}

#[pymethods]
impl Region {
    /// Between two corners; refuses crossed ends.
    #[staticmethod]
    fn of_ends(low: &Bound<'_, PyAny>, high: &Bound<'_, PyAny>) -> PyResult<Region> {
        let (low, high) = (decimals(low)?, decimals(high)?);
        if low.len() != high.len() {
            return Err(value(format!("{} lower and {} upper ends", low.len(), high.len())));
        }
        let one = |(i, (low, high)): (usize, (Decimal, Decimal))| match low <= high {
            true => Ok(DecimalRange { low, high }),
            false => Err(value(format!("input {i}: the lower end {low} is above the upper end {high}"))),
        };
        Ok(Region { ranges: low.into_iter().zip(high).enumerate().map(one).collect::<PyResult<Vec<_>>>()?.into() })
    }

    /// Everything within `radius` of `centre` in every element, and within `clip`.
    #[staticmethod]
    fn around(centre: &Bound<'_, PyAny>, radius: &str, clip: Option<(String, String)>) -> PyResult<Region> {
        let (centre, radius) = (decimals(centre)?, decimal(radius)?);
        if radius.sign() < 0 {
            return Err(value(format!("eps={radius}: a radius is not negative")));
        }
        let clip = clip.map(|(low, high)| Ok::<_, PyErr>((decimal(&low)?, decimal(&high)?))).transpose()?;
        let less = &Decimal::ZERO - &radius;
        let one = |(i, x): (usize, &Decimal)| {
            let (mut low, mut high) = (x + &less, x + &radius);
            if let Some((least, most)) = &clip {
                if x < least || x > most {
                    return Err(value(format!(
                        "element {i} of the point is {x}, outside clip=({least}, {most}); scale it, or give another clip"
                    )));
                }
                (low, high) = (low.clamp_to(least, most), high.clamp_to(least, most));
            }
            Ok(DecimalRange { low, high })
        };
        Ok(Region { ranges: centre.iter().enumerate().map(one).collect::<PyResult<Vec<_>>>()?.into() })
    }

    /// The lower ends in binary64, rounded down.
    #[getter]
    fn low<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        arrays::bytes(py, &self.ranges.iter().map(|r| r.low.to_f64_down()).collect::<Vec<_>>())
    }

    /// The upper ends in binary64, rounded up.
    #[getter]
    fn high<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        arrays::bytes(py, &self.ranges.iter().map(|r| r.high.to_f64_up()).collect::<Vec<_>>())
    }

    /// Both corners as exact decimals.
    fn ends(&self) -> (Vec<String>, Vec<String>) {
        self.ranges.iter().map(|r| (r.low.to_string(), r.high.to_string())).unzip()
    }

    fn __len__(&self) -> usize {
        self.ranges.len()
    }
}
