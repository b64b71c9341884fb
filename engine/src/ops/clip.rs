//! `y = min(max(x, low), high)`.

use dashu::rational::RBig;

use super::DeployedError;
use super::rules::bent::{Bend, Bent};
use crate::numerics::Interval;

/// Clipping to `[low, high]`; an end may be infinite. Relu6 is `Clip(0, 6)`.
#[derive(Debug)]
pub struct Clip {
    low: f64,
    high: f64,
}

impl Clip {
    /// Refuses NaN and crossed ends (ONNX gives `high` there; no real network asks for it), and ends no number lies between.
    pub fn new(low: f64, high: f64) -> Result<Clip, String> {
        if low <= high && low < f64::INFINITY && high > f64::NEG_INFINITY {
            Ok(Clip { low, high })
        } else {
            Err(format!("clips to [{low}, {high}]"))
        }
    }
}

impl Bent for Clip {
    fn name(&self) -> &str {
        "Clip"
    }

    fn eval(&self, x: f64) -> f64 {
        if x.is_nan() { x } else { x.clamp(self.low, self.high) }
    }

    fn eval_f32(&self, x: f32) -> f32 {
        Bent::eval(self, x as f64) as f32
    }

    fn derivative(&self, x: f64) -> f64 {
        if self.low <= x && x <= self.high { 1.0 } else { 0.0 }
    }

    fn interval(&self, x: Interval) -> Interval {
        Interval { low: x.low.clamp(self.low, self.high), high: x.high.clamp(self.low, self.high) }
    }

    fn bends(&self, x: Interval) -> [Option<Bend>; 2] {
        [self.low, self.high].map(|end| x.contains(end).then(|| Bend { at: Interval::point(end), values: Interval::point(end) }))
    }

    fn deployed_error(&self) -> DeployedError {
        DeployedError::default()
    }

    fn eval_exact(&self, x: &RBig) -> Option<RBig> {
        let end = |e: f64| RBig::try_from(e).ok();
        let x = end(self.low).filter(|low| low > x).unwrap_or_else(|| x.clone());
        Some(end(self.high).filter(|high| *high < x).unwrap_or(x))
    }
}
