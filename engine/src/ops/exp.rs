//! `y = e^x`, convex.

use super::DeployedError;
use super::rules::smooth::{Curvature, Piece, Smooth};
use crate::numerics::{Interval, elementary};

/// The exponential function.
#[derive(Debug)]
pub struct Exp;

impl Smooth for Exp {
    fn name(&self) -> &str {
        "Exp"
    }

    fn eval(&self, x: f64) -> f64 {
        x.exp()
    }

    fn derivative(&self, x: f64) -> f64 {
        x.exp()
    }

    fn interval(&self, x: Interval) -> Interval {
        Interval { low: elementary::exp(x.low).low, high: elementary::exp(x.high).high }
    }

    fn enclose_slope(&self, x: f64) -> Interval {
        elementary::exp(x)
    }

    fn pieces(&self, x: Interval, visit: &mut dyn FnMut(Piece)) {
        visit(Piece { on: x, curvature: Curvature::Convex });
    }

    fn point_of_slope(&self, t: f64, _piece: Interval) -> f64 {
        t.ln()
    }

    /// onnxruntime 1.x errs by 7.4e-8 relatively (measured); results below the normal range may be flushed.
    fn deployed_error(&self) -> DeployedError {
        DeployedError { absolute: 1e-37, relative: 5e-7 }
    }
}
