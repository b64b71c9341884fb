//! `y = x^n` for a constant integer `n >= 1`: convex for even n, else concave below 0 and convex above.

use dashu::rational::RBig;

use super::DeployedError;
use super::rules::smooth::{Curvature, Piece, Smooth, two_pieces};
use crate::numerics::{Interval, rounding};

/// A power with a constant integer exponent.
#[derive(Debug)]
pub struct Pow {
    exponent: u32,
}

impl Pow {
    /// Refuses exponents other than 1 to 64.
    pub fn new(exponent: f64) -> Result<Pow, String> {
        if (1.0..=64.0).contains(&exponent) && exponent.fract() == 0.0 {
            Ok(Pow { exponent: exponent as u32 })
        } else {
            Err(format!("exponent {exponent} is not an integer from 1 to 64"))
        }
    }

    fn is_even(&self) -> bool {
        self.exponent.is_multiple_of(2)
    }
}

/// Contains `x^n`.
fn power(x: f64, n: u32) -> Interval {
    let size = Interval::point(x.abs());
    let mut product = Interval::point(1.0);
    for _ in 0..n {
        product = product * size;
    }
    // Products of numbers that are not negative are not negative.
    product.low = product.low.max(0.0);
    if x < 0.0 && !n.is_multiple_of(2) { -product } else { product }
}

impl Smooth for Pow {
    fn name(&self) -> &str {
        "Pow"
    }

    fn eval(&self, x: f64) -> f64 {
        x.powi(self.exponent as i32)
    }

    fn derivative(&self, x: f64) -> f64 {
        self.exponent as f64 * x.powi(self.exponent as i32 - 1)
    }

    fn interval(&self, x: Interval) -> Interval {
        let (low, high) = (power(x.low, self.exponent), power(x.high, self.exponent));
        match (self.is_even(), x.contains(0.0)) {
            (false, _) => Interval { low: low.low, high: high.high },
            (true, false) => low.hull(high),
            (true, true) => Interval { low: 0.0, high: low.high.max(high.high) },
        }
    }

    fn enclose_slope(&self, x: f64) -> Interval {
        Interval::point(self.exponent as f64) * power(x, self.exponent - 1)
    }

    fn pieces(&self, x: Interval, visit: &mut dyn FnMut(Piece)) {
        match self.is_even() || self.exponent == 1 {
            true => visit(Piece { on: x, curvature: Curvature::Convex }),
            false => two_pieces(x, 0.0, Curvature::Concave, Curvature::Convex, visit),
        }
    }

    fn point_of_slope(&self, t: f64, piece: Interval) -> f64 {
        let distance = (t.abs() / self.exponent as f64).powf(1.0 / (self.exponent as f64 - 1.0));
        let negative = if self.is_even() { t < 0.0 } else { piece.high <= 0.0 };
        if negative { -distance } else { distance }
    }

    /// At most n - 1 rounded products in any order, or a library's power within an ulp; underflow may be flushed.
    fn deployed_error(&self) -> DeployedError {
        DeployedError { absolute: 2.0 * f32::MIN_POSITIVE as f64, relative: rounding::gamma::<f32>(self.exponent as usize + 2) }
    }

    fn eval_exact(&self, x: &RBig) -> Option<RBig> {
        Some(x.pow(self.exponent as isize))
    }
}
