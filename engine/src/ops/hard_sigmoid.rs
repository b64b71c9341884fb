//! `y = max(0, min(1, alpha x + beta))`.

use dashu::rational::RBig;

use super::DeployedError;
use super::rules::bent::{Bend, Bent};
use crate::numerics::Interval;

/// The piecewise linear logistic function, with a rising middle part.
#[derive(Debug)]
pub struct HardSigmoid {
    alpha: f64,
    beta: f64,
}

impl HardSigmoid {
    /// Constants as stored in the file; refuses what is not finite and slopes that do not rise.
    pub fn new(alpha: f32, beta: f32) -> Result<HardSigmoid, String> {
        if alpha > 0.0 && alpha.is_finite() && beta.is_finite() {
            Ok(HardSigmoid { alpha: alpha as f64, beta: beta as f64 })
        } else {
            Err(format!("alpha {alpha} and beta {beta} make no rising line"))
        }
    }

    /// Contains `alpha x + beta`.
    fn line(&self, x: Interval) -> Interval {
        Interval::point(self.alpha) * x + Interval::point(self.beta)
    }
}

impl Bent for HardSigmoid {
    fn name(&self) -> &str {
        "HardSigmoid"
    }

    fn eval(&self, x: f64) -> f64 {
        let y = self.alpha * x + self.beta;
        if y.is_nan() { y } else { y.clamp(0.0, 1.0) }
    }

    fn eval_f32(&self, x: f32) -> f32 {
        let y = self.alpha as f32 * x + self.beta as f32;
        if y.is_nan() { y } else { y.clamp(0.0, 1.0) }
    }

    fn derivative(&self, x: f64) -> f64 {
        if (0.0..=1.0).contains(&(self.alpha * x + self.beta)) { self.alpha } else { 0.0 }
    }

    fn interval(&self, x: Interval) -> Interval {
        let y = self.line(x);
        Interval { low: y.low.clamp(0.0, 1.0), high: y.high.clamp(0.0, 1.0) }
    }

    /// Where the line meets 0 and 1: quotients, so known only up to an interval.
    fn bends(&self, x: Interval) -> [Option<Bend>; 2] {
        [0.0, 1.0].map(|level| {
            let at = (Interval::point(level) - Interval::point(self.beta)) / Interval::point(self.alpha);
            at.intersection(x).map(|at| Bend { at, values: self.interval(at) })
        })
    }

    /// Two roundings of numbers below `2 + |beta|` where the line is not cut, and none where it is.
    fn deployed_error(&self) -> DeployedError {
        DeployedError { absolute: (4.0 + 2.0 * self.beta.abs()) / 16_777_216.0, relative: 0.0 }
    }

    fn eval_exact(&self, x: &RBig) -> Option<RBig> {
        let constant = |c: f64| RBig::try_from(c).ok();
        let y = x * constant(self.alpha)? + constant(self.beta)?;
        Some(y.clamp(RBig::ZERO, RBig::ONE))
    }
}
