//! Rules that several operators share: offsets of piecewise linear and of smooth functions, the largest of a group,
//! exact book-keeping of multipliers, broadcasting.

pub mod bent;
pub mod broadcast;
pub mod ledger;
pub mod maximum;
pub mod smooth;

use crate::numerics::Interval;

/// The larger; NaN if one is NaN (`f64::max` would drop it, and with it a bound).
pub fn nan_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// The lesser of two upper bounds of the same thing; a NaN says nothing.
pub fn tighter(a: f64, b: f64) -> f64 {
    a.min(b)
}

/// At least `values.high - t a` for every `a` in `at`.
pub fn above_line(values: Interval, t: f64, at: Interval) -> f64 {
    (values - Interval::point(t) * at).high
}

/// What a function is multiplied by. Lower bounds are upper bounds of the negative: `sup t a - f(a)` is `sup (-f)(a) - (-t) a`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Factor {
    /// The function itself.
    One,
    /// Its negative.
    MinusOne,
    /// A finite multiple.
    Times(f64),
}

impl Factor {
    /// The multiple of `x`, to nearest.
    pub fn of(self, x: f64) -> f64 {
        match self {
            Factor::One => x,
            Factor::MinusOne => -x,
            Factor::Times(c) => c * x,
        }
    }

    /// What has the multiple `x`, to nearest.
    pub fn undone(self, x: f64) -> f64 {
        match self {
            Factor::One => x,
            Factor::MinusOne => -x,
            Factor::Times(c) => x / c,
        }
    }

    /// Contains the multiples of `x`.
    pub fn of_interval(self, x: Interval) -> Interval {
        match self {
            Factor::One => x,
            Factor::MinusOne => -x,
            Factor::Times(c) => Interval::point(c) * x,
        }
    }

    /// True if the factor turns convex into concave.
    pub fn is_negative(self) -> bool {
        self.of(1.0) < 0.0
    }
}
