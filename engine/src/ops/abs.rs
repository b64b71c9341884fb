//! `y = |x|`.

use dashu::base::Abs as _;
use dashu::rational::RBig;

use super::DeployedError;
use super::rules::bent::{Bend, Bent};
use crate::numerics::Interval;

/// The absolute value.
#[derive(Debug)]
pub struct Abs;

impl Bent for Abs {
    fn name(&self) -> &str {
        "Abs"
    }

    fn eval(&self, x: f64) -> f64 {
        x.abs()
    }

    fn eval_f32(&self, x: f32) -> f32 {
        x.abs()
    }

    fn derivative(&self, x: f64) -> f64 {
        if x < 0.0 { -1.0 } else { 1.0 }
    }

    fn interval(&self, x: Interval) -> Interval {
        let low = if x.contains(0.0) { 0.0 } else { x.low.abs().min(x.high.abs()) };
        Interval { low, high: x.magnitude() }
    }

    fn bends(&self, x: Interval) -> [Option<Bend>; 2] {
        let zero = Interval::point(0.0);
        [x.contains(0.0).then_some(Bend { at: zero, values: zero }), None]
    }

    fn deployed_error(&self) -> DeployedError {
        DeployedError::default()
    }

    fn hinge(&self) -> Option<f64> {
        Some(-1.0)
    }

    fn eval_exact(&self, x: &RBig) -> Option<RBig> {
        Some(x.clone().abs())
    }
}
