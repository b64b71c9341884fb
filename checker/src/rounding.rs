//! Rounding: a-priori error bounds (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1), and the
//! floating-point environment that they are stated for.

use std::hint::black_box;

use crate::Semantics;
use crate::function::Function;

/// Unit roundoff of binary64.
pub const UNIT: f64 = f64::EPSILON / 2.0;
/// More than underflow can cost one operation, gradual or flushed.
pub const TINY: f64 = f64::MIN_POSITIVE;
/// Covers the rounding of error terms themselves, all of them sums of nonnegative terms, and products of small relative errors.
pub const SLACK: f64 = 1.0 + 1.0 / 512.0;

/// `n u / (1 - n u)` rounded up: the relative error of a sum of products in which each term meets at most `n` roundings.
/// Infinite for `n u >= 1/2`.
pub fn gamma(terms: usize) -> f64 {
    gamma_of(terms, UNIT)
}

fn gamma_of(terms: usize, unit: f64) -> f64 {
    let nu = terms as f64 * unit;
    if nu < 0.5 { (nu / (1.0 - nu)).next_up().next_up() } else { f64::INFINITY }
}

/// What the deployed network may differ from the real one: nothing, or the rounding of its own type (TRUST.md).
#[derive(Clone, Copy, Debug)]
pub struct Deployed {
    unit: f64,
    /// More than `2 / (9 unit)` smallest normal numbers of the type; 0 for the real network.
    tiny: f64,
    /// Sums of absolute terms from here on may overflow.
    largest: f64,
}

impl Deployed {
    /// What `semantics` asks of a network stored in binary64 (`double`) or binary32.
    pub fn new(semantics: Semantics, double: bool) -> Deployed {
        match (semantics, double) {
            (Semantics::Real | Semantics::Integer, _) => Deployed { unit: 0.0, tiny: 0.0, largest: f64::INFINITY },
            (_, false) => Deployed { unit: f32::EPSILON as f64 / 2.0, tiny: 1e-29, largest: f32::MAX as f64 / 4.0 },
            (_, true) => Deployed { unit: UNIT, tiny: 1e-290, largest: f64::MAX / 4.0 },
        }
    }

    /// What underflow may add to a sum of absolute terms (`terms` of values of at most `below`), at the scale at which
    /// [`Deployed::relative`] pays for it.
    pub fn underflow(self, terms: usize, below: f64) -> f64 {
        self.tiny * (terms as f64 + 1.0) * (1.0 + below)
    }

    /// A sum of absolute terms, infinite where partial sums may overflow.
    pub fn magnitude(self, size: f64) -> f64 {
        if size < self.largest { size } else { f64::INFINITY }
    }

    /// How far an affine block of `terms` roundings may be from the exact value, per unit of its magnitude.
    pub fn relative(self, terms: usize) -> f64 {
        if terms == 0 || self.unit == 0.0 { 0.0 } else { gamma_of(terms.saturating_add(8), self.unit) }
    }

    /// How far the product of a number with a constant may be from exact: per unit of the product's size, and beyond that.
    pub fn product(self) -> (f64, f64) {
        (2.0 * self.unit, 2.0 * self.unit * self.tiny)
    }

    /// How far a function of operands in `[low, high]` may be from exact: per unit of its size, and beyond that.
    pub fn of_function(self, function: Function, low: f64, high: f64) -> (f64, f64) {
        if self.unit == 0.0 { (0.0, 0.0) } else { function.deployed_error(low, high) }
    }

    /// How far a number of at most `size` may move when it is rounded to the type.
    pub fn conversion(self, size: f64) -> f64 {
        2.0 * self.unit * (size + self.tiny)
    }
}

/// True if this thread rounds to nearest and keeps subnormal numbers.
pub fn environment_is_default() -> bool {
    let one = black_box(1.0f64);
    let half = black_box(f64::EPSILON / 2.0);
    let nearest = one + half == 1.0 && -one - half == -1.0 && one + black_box(1.5) * half > 1.0;
    let gradual = black_box(f64::MIN_POSITIVE) * black_box(0.5) > 0.0;
    let kept = black_box(f64::from_bits(1)) * black_box(2.0) > 0.0;
    nearest && gradual && kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_is_infinite_where_it_means_nothing() {
        assert!(gamma(10) > 10.0 * UNIT && gamma(10) < 10.1 * UNIT);
        assert_eq!(gamma(usize::MAX), f64::INFINITY);
        // A quarter over three quarters.
        assert!(gamma(1 << 51) > 1.0 / 3.0);
        assert!(environment_is_default());
    }

    #[test]
    fn the_real_network_has_no_error_and_the_deployed_one_has() {
        let real = Deployed::new(Semantics::Real, false);
        assert_eq!((real.relative(5), real.underflow(5, 9.0), real.magnitude(3.0), real.conversion(2.0)), (0.0, 0.0, 3.0, 0.0));
        let single = Deployed::new(Semantics::Both, false);
        assert!(single.relative(5) >= 13.0 * 2f64.powi(-24) && single.relative(0) == 0.0);
        assert_eq!(single.magnitude(1e38), f64::INFINITY);
        assert_eq!(single.magnitude(f64::NAN), f64::INFINITY);
        // Two flushed products per term are paid for.
        let paid = single.relative(1) * single.underflow(1, 0.0);
        assert!(paid > 4.0 * f32::MIN_POSITIVE as f64);
        let many = single.relative(3) * single.underflow(3, 1e6);
        assert!(many > 6.0 * f32::MIN_POSITIVE as f64 * 1e6);
        // Half a unit in the last place, subnormal numbers included.
        assert!(single.conversion(1e6) > 1e6 / 2f64.powi(24) && single.conversion(1e6) < 1.0);
        assert!(single.conversion(0.0) > f32::from_bits(1) as f64 / 2.0);
    }
}
