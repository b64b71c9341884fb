//! Differentiable functions, cut into pieces that are convex or concave.
//!
//! The rigorous rule for `sup f(a) - t a` on a piece `[l, u]`:
//! * convex: the ends decide;
//! * concave: for any `m` in the piece and `s = f'(m)`, `f(a) <= f(m) + s (a - m)`, so the difference is at most
//!   `f(m) - t m + (s - t)(a - m)`, affine in `a`, and the ends decide; `m` is chosen where `f'(m)` is nearly `t`,
//!   which is best, and any other choice is sound;
//! * unknown: the interval rule.
//!
//! Values and derivatives enter as enclosures, so no error of an elementary function can make a bound wrong.

use super::{Factor, above_line, nan_max, tighter};
use crate::numerics::Interval;
use crate::ops::{DeployedError, Scalar};

/// What is known of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curvature {
    /// Convex, and the derivative is enclosed on it.
    Convex,
    /// Concave.
    Concave,
    /// Neither is claimed.
    Unknown,
}

/// An interval on which the function has one curvature.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// The interval.
    pub on: Interval,
    /// The curvature there.
    pub curvature: Curvature,
}

/// A differentiable function with enclosures of its values and of its derivative.
pub trait Smooth: std::fmt::Debug + Send + Sync {
    /// The ONNX name.
    fn name(&self) -> &str;
    /// As [`Scalar::eval`].
    fn eval(&self, x: f64) -> f64;
    /// As [`Scalar::derivative`].
    fn derivative(&self, x: f64) -> f64;
    /// As [`Scalar::interval`].
    fn interval(&self, x: Interval) -> Interval;
    /// Contains `f'(x)`, `x` finite.
    fn enclose_slope(&self, x: f64) -> Interval;
    /// Calls `visit` for pieces that cover `x`.
    fn pieces(&self, x: Interval, visit: &mut dyn FnMut(Piece));
    /// A guess of the point of `piece` (of one curvature) where the derivative is `t`; anything finite is sound.
    fn point_of_slope(&self, t: f64, piece: Interval) -> f64;
    /// As [`Scalar::deployed_error`].
    fn deployed_error(&self) -> DeployedError;
    /// As [`Scalar::eval_exact`].
    fn eval_exact(&self, _x: &dashu::rational::RBig) -> Option<dashu::rational::RBig> {
        None
    }
}

/// Visits the two pieces of a function that changes its curvature at `bend`.
pub fn two_pieces(x: Interval, bend: f64, before: Curvature, after: Curvature, visit: &mut dyn FnMut(Piece)) {
    if x.low < bend || x.high <= bend {
        visit(Piece { on: Interval { low: x.low, high: x.high.min(bend) }, curvature: before });
    }
    if x.high > bend {
        visit(Piece { on: Interval { low: x.low.max(bend), high: x.high }, curvature: after });
    }
}

/// True if `factor * f` is convex, given the curvature of f; `None` if nothing is known.
fn is_convex(factor: Factor, curvature: Curvature) -> Option<bool> {
    match curvature {
        Curvature::Convex => Some(!factor.is_negative()),
        Curvature::Concave => Some(factor.is_negative()),
        Curvature::Unknown => None,
    }
}

/// At least `sup factor * f(a) - t a` over `x`.
fn offset<S: Smooth + ?Sized>(f: &S, factor: Factor, t: f64, x: Interval) -> f64 {
    if !t.is_finite() {
        return f64::NAN;
    }
    let mut sup = f64::NEG_INFINITY;
    f.pieces(x, &mut |piece| sup = nan_max(sup, piece_offset(f, factor, t, piece)));
    // No piece: nothing is proved.
    if sup == f64::NEG_INFINITY { f64::INFINITY } else { sup }
}

/// At least `sup c f(a) - m a` over `x`, for finite `c` and `m`.
pub fn scaled_offset<S: Smooth + ?Sized>(f: &S, c: f64, m: f64, x: Interval) -> f64 {
    if c.is_finite() { offset(f, Factor::Times(c), m, x) } else { f64::NAN }
}

fn piece_offset<S: Smooth + ?Sized>(f: &S, factor: Factor, t: f64, piece: Piece) -> f64 {
    let values = |x: Interval| factor.of_interval(f.interval(x));
    let end = |a: f64| above_line(values(Interval::point(a)), t, Interval::point(a));
    let crude = above_line(values(piece.on), t, piece.on);
    let curved = match is_convex(factor, piece.curvature) {
        None => return crude,
        Some(true) => nan_max(end(piece.on.low), end(piece.on.high)),
        Some(false) => tangent_offset(f, factor, t, piece.on),
    };
    tighter(crude, curved)
}

/// The rule of the module's head for a piece on which `factor * f` is concave.
fn tangent_offset<S: Smooth + ?Sized>(f: &S, factor: Factor, t: f64, on: Interval) -> f64 {
    let m = critical_point(f, factor, t, on);
    if !m.is_finite() {
        return f64::INFINITY;
    }
    let value = factor.of_interval(f.interval(Interval::point(m)));
    let excess = factor.of_interval(f.enclose_slope(m)) - Interval::point(t);
    let at_m = value - Interval::point(t) * Interval::point(m);
    let at = |a: f64| (at_m + excess * (Interval::point(a) - Interval::point(m))).high;
    // With m an end, its own term is exact.
    let end = |a: f64| if a == m { at_m.high } else { at(a) };
    nan_max(end(on.low), end(on.high))
}

/// Where `factor * f(a) - t a` is about largest on a piece on which `factor * f` is concave.
fn critical_point<S: Smooth + ?Sized>(f: &S, factor: Factor, t: f64, on: Interval) -> f64 {
    let slope = |a: f64| factor.of(f.derivative(a));
    let (low, high) = (on.low.max(-1e150), on.high.min(1e150));
    let m = match () {
        _ if slope(low) <= t => low,
        _ if slope(high) >= t => high,
        _ => f.point_of_slope(factor.undone(t), on),
    };
    // The tangent rule needs a point of the piece.
    on.nearest(m)
}

/// A point where `factor * f(a) - t a` is about largest on `x`; among near ties the one nearest to `near`.
fn touch<S: Smooth + ?Sized>(f: &S, factor: Factor, t: f64, x: Interval, near: f64) -> f64 {
    let height = |a: f64| factor.of(f.eval(a)) - t * a;
    let mut best = x.nearest(near);
    let mut top = height(best);
    let mut consider = |a: f64| {
        let here = height(a);
        if here > top + 1e-9 * (1.0 + top.abs()) {
            (best, top) = (a, here);
        }
    };
    f.pieces(x, &mut |piece| {
        consider(piece.on.low);
        consider(piece.on.high);
        if is_convex(factor, piece.curvature) == Some(false) {
            consider(critical_point(f, factor, t, piece.on));
        }
    });
    best
}

/// Slope of the lowest line above `factor * f` on `x` at the abscissa `at`: the tangent or chord of CROWN and DeepPoly.
///
/// One convex piece: the chord. One concave piece: the tangent. One of each: see [`s_shaped_slope`]. Otherwise the slope at
/// which the touching point passes `at`, by bisection between the least and the greatest derivative, which lie at ends of pieces.
fn hull_slope<S: Smooth + ?Sized>(f: &S, factor: Factor, x: Interval, at: f64) -> f64 {
    let mut pieces: Vec<(Interval, Option<bool>)> = Vec::with_capacity(2);
    f.pieces(x, &mut |piece| pieces.push((piece.on, is_convex(factor, piece.curvature))));
    let slope = match pieces[..] {
        _ if !(x.low.is_finite() && x.high.is_finite()) => 0.0,
        [(_, Some(false))] => f.derivative(at),
        [_] => (f.eval(x.high) - f.eval(x.low)) / (x.high - x.low),
        [(a, Some(true)), (b, Some(false))] => s_shaped_slope(f, factor, (a.low, b.low, b.high), at),
        [(a, Some(false)), (b, Some(true))] => s_shaped_slope(f, factor, (b.high, a.high, a.low), at),
        _ => {
            let slopes = || pieces.iter().flat_map(|(on, _)| [on.low, on.high]).map(|a| factor.of(f.derivative(a)));
            let (mut low, mut high) = (slopes().fold(f64::INFINITY, f64::min), slopes().fold(f64::NEG_INFINITY, f64::max));
            for _ in 0..30 {
                let t = 0.5 * (low + high);
                if touch(f, factor, t, x, at) > at { low = t } else { high = t }
            }
            factor.undone(0.5 * (low + high))
        }
    };
    [slope, f.derivative(at)].into_iter().find(|t| t.is_finite()).unwrap_or(0.0)
}

/// The hull's slope where `factor * f` is convex from `anchor` to `bend` and concave from `bend` to `far`, in either direction.
///
/// The hull is the line from the anchor that touches the concave part, and beyond the touching point the function itself;
/// `f(d) - f(anchor) - f'(d) (d - anchor)` is monotone in the touching point `d`.
fn s_shaped_slope<S: Smooth + ?Sized>(f: &S, factor: Factor, (anchor, bend, far): (f64, f64, f64), at: f64) -> f64 {
    let start = f.eval(anchor);
    let excess = |d: f64| factor.of(f.eval(d) - start - f.derivative(d) * (d - anchor));
    if excess(far) < 0.0 {
        return (f.eval(far) - start) / (far - anchor);
    }
    let (mut below, mut above) = (bend, far);
    for _ in 0..40 {
        let d = 0.5 * (below + above);
        if excess(d) < 0.0 { below = d } else { above = d }
    }
    f.derivative(if (at - above) * (far - above) > 0.0 { at } else { above })
}

fn slope_range<S: Smooth + ?Sized>(f: &S, factor: Factor, x: Interval) -> (f64, f64) {
    let inward = 1e-6 * (x.high - x.low);
    let (a, b) = (hull_slope(f, factor, x, x.low + inward), hull_slope(f, factor, x, x.high - inward));
    (a.min(b), a.max(b))
}

/// A [`Smooth`] function as a [`Scalar`].
#[derive(Debug)]
pub struct Curve<S>(pub S);

impl<S: Smooth> Scalar for Curve<S> {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn eval(&self, x: f64) -> f64 {
        self.0.eval(x)
    }
    fn derivative(&self, x: f64) -> f64 {
        self.0.derivative(x)
    }
    fn interval(&self, x: Interval) -> Interval {
        self.0.interval(x)
    }
    fn upper_offset(&self, t: f64, x: Interval) -> f64 {
        offset(&self.0, Factor::One, t, x)
    }
    fn lower_offset(&self, t: f64, x: Interval) -> f64 {
        offset(&self.0, Factor::MinusOne, -t, x)
    }
    fn upper_slope(&self, x: Interval) -> f64 {
        hull_slope(&self.0, Factor::One, x, x.middle())
    }
    fn lower_slope(&self, x: Interval) -> f64 {
        hull_slope(&self.0, Factor::MinusOne, x, x.middle())
    }
    fn lower_slope_range(&self, x: Interval) -> (f64, f64) {
        slope_range(&self.0, Factor::MinusOne, x)
    }
    fn upper_slope_range(&self, x: Interval) -> (f64, f64) {
        slope_range(&self.0, Factor::One, x)
    }
    fn upper_touch(&self, t: f64, x: Interval, near: f64) -> f64 {
        touch(&self.0, Factor::One, t, x, near)
    }
    fn lower_touch(&self, t: f64, x: Interval, near: f64) -> f64 {
        touch(&self.0, Factor::MinusOne, -t, x, near)
    }
    fn deployed_error(&self) -> DeployedError {
        self.0.deployed_error()
    }
    fn eval_exact(&self, x: &dashu::rational::RBig) -> Option<dashu::rational::RBig> {
        self.0.eval_exact(x)
    }
}
