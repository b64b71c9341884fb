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

/// Turns the upper-bound rules into lower-bound rules: `sup t a - f(a)` is `sup (-f)(a) - (-t) a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The function itself.
    Upper,
    /// Its negative.
    Lower,
}

impl Side {
    /// `x` or `-x`.
    pub fn signed(self, x: f64) -> f64 {
        match self {
            Side::Upper => x,
            Side::Lower => -x,
        }
    }

    /// `x` or `-x`.
    pub fn signed_interval(self, x: Interval) -> Interval {
        match self {
            Side::Upper => x,
            Side::Lower => -x,
        }
    }
}
