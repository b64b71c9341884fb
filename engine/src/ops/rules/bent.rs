//! Piecewise linear functions, jumps included: the ends of the interval and the bends decide everything.

use dashu::rational::RBig;

use super::{Factor, above_line, nan_max};
use crate::numerics::Interval;
use crate::ops::{DeployedError, Scalar};

/// A bend or a jump: where it is, and the closure of the function's values there (limits from both sides included).
#[derive(Clone, Copy, Debug)]
pub struct Bend {
    /// The abscissa; an interval where it is not a floating-point number.
    pub at: Interval,
    /// The values over `at`.
    pub values: Interval,
}

/// A function that is linear between its bends.
pub trait Bent: std::fmt::Debug + Send + Sync {
    /// The ONNX name.
    fn name(&self) -> &str;
    /// As [`Scalar::eval`].
    fn eval(&self, x: f64) -> f64;
    /// As [`Scalar::eval_f32`].
    fn eval_f32(&self, x: f32) -> f32;
    /// As [`Scalar::derivative`].
    fn derivative(&self, x: f64) -> f64;
    /// As [`Scalar::interval`].
    fn interval(&self, x: Interval) -> Interval;
    /// The bends in `x` that decide: with the ends of `x` they bound every difference `f(a) - t a`.
    fn bends(&self, x: Interval) -> [Option<Bend>; 2];
    /// As [`Scalar::deployed_error`].
    fn deployed_error(&self) -> DeployedError;
    /// As [`Scalar::hinge`].
    fn hinge(&self) -> Option<f64> {
        None
    }
    /// As [`Scalar::eval_exact`].
    fn eval_exact(&self, x: &RBig) -> Option<RBig>;
}

/// The ends of `x` and the bends infactor, in ascending order.
fn corners<B: Bent + ?Sized>(f: &B, x: Interval) -> impl Iterator<Item = Bend> + Clone {
    let end = |a: f64| Some(Bend { at: Interval::point(a), values: f.interval(Interval::point(a)) });
    let [first, second] = f.bends(x);
    [end(x.low), first, second, end(x.high)].into_iter().flatten()
}

/// At least `sup factor * f(a) - t a`: between corners the difference is straight, so the corners decide.
///
/// On an infinite end the difference at the corner is infinite with the sign of its slope, or NaN.
fn offset<B: Bent + ?Sized>(f: &B, factor: Factor, t: f64, x: Interval) -> f64 {
    if !t.is_finite() {
        return f64::NAN;
    }
    corners(f, x).map(|c| above_line(factor.of_interval(c.values), t, c.at)).fold(f64::NEG_INFINITY, nan_max)
}

/// Slope of the concave hull of `factor * f` on `x`, at the abscissa `at`.
fn hull_slope<B: Bent + ?Sized>(f: &B, factor: Factor, x: Interval, at: f64) -> f64 {
    if !(x.low < x.high && x.low.is_finite() && x.high.is_finite()) {
        let t = f.derivative(at);
        return if t.is_finite() { t } else { 0.0 };
    }
    let points = || corners(f, x).map(|c| (c.at.middle(), factor.of_interval(c.values).high));
    let mut edge = (0.0, f64::NEG_INFINITY);
    // The hull's edge above `at` is the highest of all segments over it.
    for (a, fa) in points().filter(|p| p.0 < at || p.0 == x.low) {
        for (b, fb) in points().filter(|p| p.0 > a && (p.0 >= at || p.0 == x.high)) {
            let t = (fb - fa) / (b - a);
            let height = fa + t * (at - a);
            if t.is_finite() && height > edge.1 {
                edge = (t, height);
            }
        }
    }
    factor.of(edge.0)
}

/// A corner where `factor * f(a) - t a` is largest; among near ties the point nearest to `near`.
fn touch<B: Bent + ?Sized>(f: &B, factor: Factor, t: f64, x: Interval, near: f64) -> f64 {
    let mut best = x.nearest(near);
    let mut height = factor.of(f.eval(best)) - t * best;
    for c in corners(f, x) {
        let a = c.at.middle();
        let here = factor.of_interval(c.values).high - t * a;
        if here > height + 1e-9 * (1.0 + height.abs()) {
            (best, height) = (a, here);
        }
    }
    best
}

/// Hull slopes (nearly) at the two ends, least first.
fn slope_range<B: Bent + ?Sized>(f: &B, factor: Factor, x: Interval) -> (f64, f64) {
    let inward = 1e-6 * (x.high - x.low);
    let (a, b) = (hull_slope(f, factor, x, x.low + inward), hull_slope(f, factor, x, x.high - inward));
    (a.min(b), a.max(b))
}

impl<B: Bent> Scalar for B {
    fn name(&self) -> &str {
        Bent::name(self)
    }
    fn eval(&self, x: f64) -> f64 {
        Bent::eval(self, x)
    }
    fn eval_f32(&self, x: f32) -> f32 {
        Bent::eval_f32(self, x)
    }
    fn derivative(&self, x: f64) -> f64 {
        Bent::derivative(self, x)
    }
    fn interval(&self, x: Interval) -> Interval {
        Bent::interval(self, x)
    }
    fn upper_offset(&self, t: f64, x: Interval) -> f64 {
        offset(self, Factor::One, t, x)
    }
    fn lower_offset(&self, t: f64, x: Interval) -> f64 {
        offset(self, Factor::MinusOne, -t, x)
    }
    fn upper_slope(&self, x: Interval) -> f64 {
        hull_slope(self, Factor::One, x, x.middle())
    }
    fn lower_slope(&self, x: Interval) -> f64 {
        hull_slope(self, Factor::MinusOne, x, x.middle())
    }
    fn lower_slope_range(&self, x: Interval) -> (f64, f64) {
        slope_range(self, Factor::MinusOne, x)
    }
    fn upper_slope_range(&self, x: Interval) -> (f64, f64) {
        slope_range(self, Factor::One, x)
    }
    fn upper_touch(&self, t: f64, x: Interval, near: f64) -> f64 {
        touch(self, Factor::One, t, x, near)
    }
    fn lower_touch(&self, t: f64, x: Interval, near: f64) -> f64 {
        touch(self, Factor::MinusOne, -t, x, near)
    }
    fn deployed_error(&self) -> DeployedError {
        Bent::deployed_error(self)
    }
    fn hinge(&self) -> Option<f64> {
        Bent::hinge(self)
    }
    fn eval_exact(&self, x: &RBig) -> Option<RBig> {
        Bent::eval_exact(self, x)
    }
}
