//! A-priori rounding-error constants (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1).

use super::Real;

/// `gamma_n = n u / (1 - n u)` rounded up: the relative error of any `n`-term dot product in type `F`,
/// in any order of summation, with or without fused multiply-add.
///
/// Infinite when `n u >= 1/2`, so that a bound built on it can prove nothing.
pub fn gamma<F: Real>(terms: usize) -> f64 {
    let nu = terms as f64 * F::UNIT;
    if nu < 0.5 { (nu / (1.0 - nu)).next_up().next_up() } else { f64::INFINITY }
}

/// What `n` operations of type `F` can lose to underflow, gradual or flushed to zero: `n` times the smallest normal.
pub fn underflow<F: Real>(operations: usize) -> f64 {
    (operations as f64 * F::TINY).next_up()
}
