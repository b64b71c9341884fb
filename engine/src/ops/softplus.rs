//! `y = ln(1 + e^x)`, convex.

use super::DeployedError;
use super::rules::smooth::{Curvature, Piece, Smooth};
use crate::numerics::{Interval, elementary};

/// The smooth rectifier.
#[derive(Debug)]
pub struct Softplus;

impl Smooth for Softplus {
    fn name(&self) -> &str {
        "Softplus"
    }

    fn eval(&self, x: f64) -> f64 {
        let positive_part = if x > 0.0 || x.is_nan() { x } else { 0.0 };
        positive_part + (-x.abs()).exp().ln_1p()
    }

    fn derivative(&self, x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    fn interval(&self, x: Interval) -> Interval {
        Interval { low: elementary::softplus(x.low).low, high: elementary::softplus(x.high).high }
    }

    fn enclose_slope(&self, x: f64) -> Interval {
        elementary::sigmoid(x)
    }

    fn pieces(&self, x: Interval, visit: &mut dyn FnMut(Piece)) {
        visit(Piece { on: x, curvature: Curvature::Convex });
    }

    fn point_of_slope(&self, t: f64, _piece: Interval) -> f64 {
        (t / (1.0 - t)).ln()
    }

    /// onnxruntime 1.x errs by 3.1e-7 relatively (measured); `log(1 + exp(x))` loses `2^-24` absolutely.
    fn deployed_error(&self) -> DeployedError {
        DeployedError { absolute: 2e-7, relative: 1e-6 }
    }
}
