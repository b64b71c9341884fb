//! The two working types of bounds, `f32` and `f64`, behind one trait.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// A binary floating-point working type.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Unit roundoff `u`: half the distance from 1 to the next number.
    const UNIT: f64;
    /// Smallest normal number; an operation that underflows errs by at most this (gradual or flushed).
    const TINY: f64;
    /// Nearest value.
    fn from_f64(x: f64) -> Self;
    /// Exact widening.
    fn to_f64(self) -> f64;
    /// Absolute value.
    fn abs(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// `max` that ignores NaN of `other` (as the standard library does).
    fn max(self, other: Self) -> Self;
    /// `min` that ignores NaN of `other`.
    fn min(self, other: Self) -> Self;
    /// True for neither NaN nor infinity.
    fn is_finite(self) -> bool;
    /// Next larger number.
    fn next_up(self) -> Self;
    /// Next smaller number.
    fn next_down(self) -> Self;

    /// Largest value of the type that is at most `x`.
    fn from_f64_down(x: f64) -> Self {
        let y = Self::from_f64(x);
        if y.to_f64() > x { y.next_down() } else { y }
    }
    /// Smallest value of the type that is at least `x`.
    fn from_f64_up(x: f64) -> Self {
        let y = Self::from_f64(x);
        if y.to_f64() < x { y.next_up() } else { y }
    }
}

macro_rules! real {
    ($t:ident, $unit:expr) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const UNIT: f64 = $unit;
            const TINY: f64 = $t::MIN_POSITIVE as f64;
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $t::sqrt(self)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                $t::max(self, other)
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                $t::min(self, other)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
            #[inline(always)]
            fn next_up(self) -> Self {
                $t::next_up(self)
            }
            #[inline(always)]
            fn next_down(self) -> Self {
                $t::next_down(self)
            }
        }
    };
}
real!(f32, 1.0 / 16_777_216.0);
real!(f64, 1.0 / 9_007_199_254_740_992.0);
