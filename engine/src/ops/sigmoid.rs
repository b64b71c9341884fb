//! `y = 1 / (1 + e^-x)`: convex below 0, concave above.

use super::DeployedError;
use super::rules::smooth::{Curvature, Piece, Smooth, two_pieces};
use crate::numerics::{Interval, elementary};

/// The logistic function.
#[derive(Debug)]
pub struct Sigmoid;

impl Smooth for Sigmoid {
    fn name(&self) -> &str {
        "Sigmoid"
    }

    fn eval(&self, x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    fn derivative(&self, x: f64) -> f64 {
        let e = (-x.abs()).exp();
        e / ((1.0 + e) * (1.0 + e))
    }

    fn interval(&self, x: Interval) -> Interval {
        Interval { low: elementary::sigmoid(x.low).low, high: elementary::sigmoid(x.high).high }
    }

    fn enclose_slope(&self, x: f64) -> Interval {
        elementary::sigmoid(x) * elementary::sigmoid(-x)
    }

    fn pieces(&self, x: Interval, visit: &mut dyn FnMut(Piece)) {
        two_pieces(x, 0.0, Curvature::Convex, Curvature::Concave, visit);
    }

    /// `s (1 - s) = t`, solved for the lesser root `1 - s` without cancellation.
    fn point_of_slope(&self, t: f64, piece: Interval) -> f64 {
        let lesser = 2.0 * t / (1.0 + (1.0 - 4.0 * t).max(0.0).sqrt());
        let distance = ((1.0 - lesser) / lesser).ln();
        if piece.high <= 0.0 { -distance } else { distance }
    }

    /// onnxruntime 1.x's rational approximation is up to 1.7e-7 off, absolutely, also in the tails, and not monotone
    /// [measured on 3 million numbers]; other libraries divide and exponentiate, a few units in the last place. Twice the sum.
    fn deployed_error(&self) -> DeployedError {
        DeployedError { absolute: 4e-7, relative: 5e-7 }
    }
}
