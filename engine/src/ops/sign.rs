//! `y = -1, 0, 1` for negative, zero and positive `x`.

use dashu::rational::RBig;

use super::DeployedError;
use super::rules::bent::{Bend, Bent};
use crate::numerics::Interval;

/// The sign.
#[derive(Debug)]
pub struct Sign;

fn sign(x: f64) -> f64 {
    // Zero and NaN stay what they are.
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

impl Bent for Sign {
    fn name(&self) -> &str {
        "Sign"
    }

    fn eval(&self, x: f64) -> f64 {
        sign(x)
    }

    fn eval_f32(&self, x: f32) -> f32 {
        sign(x as f64) as f32
    }

    fn derivative(&self, _x: f64) -> f64 {
        0.0
    }

    fn interval(&self, x: Interval) -> Interval {
        Interval { low: sign(x.low), high: sign(x.high) }
    }

    /// The jump at 0, with the limits of the sides that belong to `x`.
    fn bends(&self, x: Interval) -> [Option<Bend>; 2] {
        let jump = Bend { at: Interval::point(0.0), values: self.interval(x) };
        [x.contains(0.0).then_some(jump), None]
    }

    /// Exact on the operand it gets; that operand's own error crosses the jump through its interval.
    fn deployed_error(&self) -> DeployedError {
        DeployedError::default()
    }

    fn eval_exact(&self, x: &RBig) -> Option<RBig> {
        Some(match x.cmp(&RBig::ZERO) {
            std::cmp::Ordering::Less => -RBig::ONE,
            std::cmp::Ordering::Equal => RBig::ZERO,
            std::cmp::Ordering::Greater => RBig::ONE,
        })
    }
}
