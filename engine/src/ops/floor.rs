//! `y = ` the largest integer that is at most `x`.

use dashu::rational::RBig;

use super::DeployedError;
use super::rules::bent::{Bend, Bent};
use crate::numerics::Interval;

/// Rounding down to integers.
#[derive(Debug)]
pub struct Floor;

impl Bent for Floor {
    fn name(&self) -> &str {
        "Floor"
    }

    fn eval(&self, x: f64) -> f64 {
        x.floor()
    }

    fn eval_f32(&self, x: f32) -> f32 {
        x.floor()
    }

    fn derivative(&self, _x: f64) -> f64 {
        0.0
    }

    fn interval(&self, x: Interval) -> Interval {
        Interval { low: x.low.floor(), high: x.high.floor() }
    }

    /// The first and the last jump: `floor(a) - t a` at the edges of the steps is linear in the step's number, so the steps
    /// between are bounded by these two.
    fn bends(&self, x: Interval) -> [Option<Bend>; 2] {
        let (below, last) = (x.low.floor(), x.high.floor());
        if below >= last {
            return [None, None];
        }
        // Beyond 2^53 the next integer is no floating-point number.
        let next = if below.abs() < 4e15 { Interval::point(below + 1.0) } else { Interval::point(below) + Interval::point(1.0) };
        let at = |p: Interval| p.intersection(x).unwrap_or(x);
        let first = Bend { at: at(next), values: Interval { low: below, high: next.high } };
        let before_last = Interval::point(last) - Interval::point(1.0);
        let second = Bend { at: at(Interval::point(last)), values: Interval { low: before_last.low, high: last } };
        [Some(first), Some(second)]
    }

    /// Exact on the operand it gets; that operand's own error crosses jumps through its interval.
    fn deployed_error(&self) -> DeployedError {
        DeployedError::default()
    }

    fn eval_exact(&self, x: &RBig) -> Option<RBig> {
        Some(RBig::from(x.floor()))
    }
}
