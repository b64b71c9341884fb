//! `y = x` for `x >= 0`, `alpha x` below.

use dashu::rational::RBig;

use super::DeployedError;
use super::rules::bent::{Bend, Bent};
use crate::numerics::Interval;

/// The leaky rectifier; `alpha` may be any finite number.
#[derive(Debug)]
pub struct LeakyRelu {
    alpha: f64,
}

impl LeakyRelu {
    /// `alpha` as stored in the file; refuses what is not finite.
    pub fn new(alpha: f32) -> Result<LeakyRelu, String> {
        if alpha.is_finite() { Ok(LeakyRelu { alpha: alpha as f64 }) } else { Err(format!("alpha is {alpha}")) }
    }
}

impl Bent for LeakyRelu {
    fn name(&self) -> &str {
        "LeakyRelu"
    }

    fn eval(&self, x: f64) -> f64 {
        if x < 0.0 { self.alpha * x } else { x }
    }

    fn eval_f32(&self, x: f32) -> f32 {
        if x < 0.0 { self.alpha as f32 * x } else { x }
    }

    fn derivative(&self, x: f64) -> f64 {
        if x < 0.0 { self.alpha } else { 1.0 }
    }

    fn interval(&self, x: Interval) -> Interval {
        let negative = (x.low < 0.0).then(|| Interval { low: x.low, high: x.high.min(0.0) } * Interval::point(self.alpha));
        let positive = (x.high >= 0.0).then(|| Interval { low: x.low.max(0.0), high: x.high });
        match (negative, positive) {
            (Some(n), Some(p)) => n.hull(p),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Interval::WHOLE,
        }
    }

    fn bends(&self, x: Interval) -> [Option<Bend>; 2] {
        let zero = Interval::point(0.0);
        [x.contains(0.0).then_some(Bend { at: zero, values: zero }), None]
    }

    /// One rounded product, or one flushed to zero.
    fn deployed_error(&self) -> DeployedError {
        DeployedError { absolute: f32::MIN_POSITIVE as f64, relative: 1.0 / 16_777_216.0 }
    }

    fn hinge(&self) -> Option<f64> {
        (self.alpha <= 1.0).then_some(self.alpha)
    }

    fn eval_exact(&self, x: &RBig) -> Option<RBig> {
        if *x >= RBig::ZERO { Some(x.clone()) } else { Some(x * RBig::try_from(self.alpha).ok()?) }
    }
}
