//! `y = 1 / x`: concave below 0, convex above; nothing is claimed on intervals that hold 0.

use dashu::rational::RBig;

use super::DeployedError;
use super::rules::smooth::{Curvature, Piece, Smooth, two_pieces};
use crate::numerics::Interval;

/// The reciprocal.
#[derive(Debug)]
pub struct Reciprocal;

impl Smooth for Reciprocal {
    fn name(&self) -> &str {
        "Reciprocal"
    }

    fn eval(&self, x: f64) -> f64 {
        1.0 / x
    }

    fn derivative(&self, x: f64) -> f64 {
        -1.0 / (x * x)
    }

    fn interval(&self, x: Interval) -> Interval {
        Interval::point(1.0) / x
    }

    fn enclose_slope(&self, x: f64) -> Interval {
        let x = Interval::point(x);
        Interval::point(-1.0) / (x * x)
    }

    fn pieces(&self, x: Interval, visit: &mut dyn FnMut(Piece)) {
        match x.contains(0.0) {
            true => visit(Piece { on: x, curvature: Curvature::Unknown }),
            false => two_pieces(x, 0.0, Curvature::Concave, Curvature::Convex, visit),
        }
    }

    fn point_of_slope(&self, t: f64, piece: Interval) -> f64 {
        let distance = 1.0 / (-t).sqrt();
        if piece.high <= 0.0 { -distance } else { distance }
    }

    /// One rounded division, or Newton steps within two units; underflow may be flushed.
    fn deployed_error(&self) -> DeployedError {
        DeployedError { absolute: f32::MIN_POSITIVE as f64, relative: 2.5e-7 }
    }

    fn eval_exact(&self, x: &RBig) -> Option<RBig> {
        (*x != RBig::ZERO).then(|| RBig::ONE / x)
    }
}
