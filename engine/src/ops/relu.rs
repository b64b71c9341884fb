//! `y = max(x, 0)`.

use dashu::rational::RBig;

use super::rules::nan_max;
use super::{DeployedError, Scalar};
use crate::numerics::Interval;

/// The rectifier. Above: the chord; below: a line through the kink with any slope in `[0, 1]`
/// (CROWN, Zhang et al., NeurIPS 2018; alpha-CROWN, Xu et al., ICLR 2021).
#[derive(Debug)]
pub struct Relu;

impl Scalar for Relu {
    fn name(&self) -> &str {
        "Relu"
    }

    fn eval(&self, x: f64) -> f64 {
        if x > 0.0 || x.is_nan() { x } else { 0.0 }
    }

    fn eval_f32(&self, x: f32) -> f32 {
        if x > 0.0 || x.is_nan() { x } else { 0.0 }
    }

    fn derivative(&self, x: f64) -> f64 {
        if x > 0.0 { 1.0 } else { 0.0 }
    }

    fn interval(&self, x: Interval) -> Interval {
        Interval { low: x.low.max(0.0), high: x.high.max(0.0) }
    }

    // Both differences are piecewise linear with one kink: the ends and the kink decide.
    fn upper_offset(&self, t: f64, x: Interval) -> f64 {
        let above = |a: f64| (a.max(0.0) - (t * a).next_down()).next_up();
        if t.is_finite() { corners(x).into_iter().flatten().map(above).fold(f64::NEG_INFINITY, nan_max) } else { f64::NAN }
    }

    fn lower_offset(&self, t: f64, x: Interval) -> f64 {
        let below = |a: f64| ((t * a).next_up() - a.max(0.0)).next_up();
        if t.is_finite() { corners(x).into_iter().flatten().map(below).fold(f64::NEG_INFINITY, nan_max) } else { f64::NAN }
    }

    fn upper_slope(&self, x: Interval) -> f64 {
        match (x.low >= 0.0, x.high <= 0.0) {
            (true, _) => 1.0,
            (_, true) => 0.0,
            _ => x.high / (x.high - x.low),
        }
    }

    fn lower_slope(&self, x: Interval) -> f64 {
        if x.low >= 0.0 || (x.high > 0.0 && x.high > -x.low) { 1.0 } else { 0.0 }
    }

    fn lower_slope_range(&self, x: Interval) -> (f64, f64) {
        match (x.low >= 0.0, x.high <= 0.0) {
            (true, _) => (1.0, 1.0),
            (_, true) => (0.0, 0.0),
            _ => (0.0, 1.0),
        }
    }

    fn upper_touch(&self, t: f64, x: Interval, near: f64) -> f64 {
        best(x, near, |a| a.max(0.0) - t * a)
    }

    fn lower_touch(&self, t: f64, x: Interval, near: f64) -> f64 {
        best(x, near, |a| t * a - a.max(0.0))
    }

    fn deployed_error(&self) -> DeployedError {
        DeployedError::default()
    }

    fn hinge(&self) -> Option<f64> {
        Some(0.0)
    }

    fn eval_exact(&self, x: &RBig) -> Option<RBig> {
        Some(if *x > RBig::ZERO { x.clone() } else { RBig::ZERO })
    }
}

/// The ends of `x`, and the kink where it lies inside.
fn corners(x: Interval) -> [Option<f64>; 3] {
    [Some(x.low), Some(x.high), x.contains(0.0).then_some(0.0)]
}

fn best(x: Interval, near: f64, value: impl Fn(f64) -> f64) -> f64 {
    let near = x.nearest(near);
    let mut touch = near;
    for a in corners(x).into_iter().flatten() {
        if value(a) > value(touch) + 1e-9 * (1.0 + value(touch).abs()) {
            touch = a;
        }
    }
    touch
}
