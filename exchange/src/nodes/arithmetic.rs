//! The two arithmetics of a check: outward-rounded doubles first, exact decimals where they cannot decide.

use engine::numerics::{Decimal, Interval};

use crate::json::Number;

/// Numbers that enclose (or are) real numbers.
pub trait Arithmetic: Clone {
    /// Zero.
    const ZERO: Self;

    /// Stands for a claimed number.
    fn of(x: &Number) -> Self;

    /// Stands for `x`, exactly; expects a finite double.
    fn of_f64(x: f64) -> Self;

    /// `self += a b`.
    fn add_product(&mut self, a: &Self, b: &Self);

    /// `-self`.
    fn negated(self) -> Self;

    /// The smaller of two.
    fn least(self, other: Self) -> Self;
}

impl Arithmetic for Interval {
    const ZERO: Interval = Interval { low: 0.0, high: 0.0 };

    fn of(x: &Number) -> Interval {
        x.near
    }

    fn of_f64(x: f64) -> Interval {
        Interval::point(x)
    }

    fn add_product(&mut self, a: &Interval, b: &Interval) {
        if *a == Interval::ZERO || *b == Interval::ZERO {
            return;
        }
        let product = match (a.low == a.high, b.low == b.high) {
            (true, _) if a.low == 1.0 => *b,
            (true, true) => {
                let p = a.low * b.low;
                Interval { low: p.next_down(), high: p.next_up() }
            }
            _ => *a * *b,
        };
        *self = if *self == Interval::ZERO { product } else { *self + product };
    }

    fn negated(self) -> Interval {
        -self
    }

    fn least(self, other: Interval) -> Interval {
        Interval { low: self.low.min(other.low), high: self.high.min(other.high) }
    }
}

impl Arithmetic for Decimal {
    const ZERO: Decimal = Decimal::ZERO;

    fn of(x: &Number) -> Decimal {
        x.exact.clone()
    }

    fn of_f64(x: f64) -> Decimal {
        Decimal::from_f64(x).expect("constants of networks are finite")
    }

    fn add_product(&mut self, a: &Decimal, b: &Decimal) {
        if !a.is_zero() && !b.is_zero() {
            *self = if *a == Decimal::ONE { &*self + b } else { &*self + &(a * b) };
        }
    }

    fn negated(self) -> Decimal {
        -self
    }

    fn least(self, other: Decimal) -> Decimal {
        self.min(other)
    }
}
