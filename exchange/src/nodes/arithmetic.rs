//! The two arithmetics of a check: outward-rounded doubles first, exact decimals where they cannot decide.

use engine::numerics::rounding::{gamma, underflow};
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

    /// `sum factor row` over rows of at most `width` numbers, place by place.
    fn weighted(parts: &[(Self, &[Number])], width: usize) -> Vec<Self> {
        let mut sums = vec![Self::ZERO; width];
        for (factor, row) in parts {
            sums.iter_mut().zip(*row).for_each(|(sum, x)| sum.add_product(factor, &Self::of(x)));
        }
        sums
    }
}

/// Up to this many rows every operation is rounded outward; zeros and ones stay exact.
const FEW_ROWS: usize = 2;

/// Sums of many rows with factors that are doubles, to nearest, and one error bound for each sum.
///
/// With `c` the lower end of a number x and `s` the width of its enclosure: `|sum w x - sum w c| <= sum |w| s`, and computing
/// `sum w c` errs by at most `gamma_{n+1} sum |w c|` and n underflows (Higham, section 3.1).
fn many_rows(parts: &[(Interval, &[Number])], width: usize) -> Vec<Interval> {
    let mut sums = vec![[0.0f64; 3]; width];
    for (factor, row) in parts.iter().filter(|(factor, _)| factor.low != 0.0) {
        let w = factor.low;
        for ([sum, size, spread], x) in sums.iter_mut().zip(*row) {
            let product = w * x.near.low;
            *sum += product;
            *size += product.abs();
            *spread += w.abs() * (x.near.high - x.near.low);
        }
    }
    let (relative, lost) = (gamma::<f64>(parts.len() + 2), underflow::<f64>(2 * parts.len() + 2));
    // The last factor pays for the rounding of the three bounds themselves.
    let error = |size: f64, spread: f64| ((relative * size + spread) * (1.0 + 1.0 / 1024.0) + lost).next_up();
    sums.into_iter().map(|[sum, size, spread]| Interval::point(sum).widened(error(size, spread))).collect()
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

    fn weighted(parts: &[(Interval, &[Number])], width: usize) -> Vec<Interval> {
        match parts.len() > FEW_ROWS && parts.iter().all(|(factor, _)| factor.low == factor.high) {
            true => many_rows(parts, width),
            false => {
                let mut sums = vec![Interval::ZERO; width];
                for (factor, row) in parts {
                    sums.iter_mut().zip(*row).for_each(|(sum, x)| sum.add_product(factor, &x.near));
                }
                sums
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use engine::numerics::Random;

    #[test]
    fn fast_sums_enclose_exact_ones() {
        let mut random = Random::new(17);
        let mut number = |scale: i64| {
            let digits = (random.bits() % 2_000_001) as i64 - 1_000_000;
            format!("{digits}e{}", (random.bits() % 40) as i64 - scale)
        };
        for trial in 0..300 {
            // Also products that underflow, and sums that cancel.
            let scale = if trial % 3 == 0 { 330 } else { 25 };
            let factors: Vec<f64> = (0..12).map(|_| number(20).parse().expect("a number")).collect();
            let mut rows: Vec<Vec<Number>> =
                (0..12).map(|_| (0..3).map(|_| Number::new(number(scale).parse().expect("a number"))).collect()).collect();
            if trial % 2 == 0 {
                rows[11] = rows[0].clone();
            }
            let mut factors = factors;
            if trial % 2 == 0 {
                factors[11] = -factors[0];
            }
            let parts: Vec<(Interval, &[Number])> = factors.iter().zip(&rows).map(|(w, r)| (Interval::point(*w), r.as_slice())).collect();
            let exact: Vec<(Decimal, &[Number])> = factors.iter().zip(&rows).map(|(w, r)| (Decimal::of_f64(*w), r.as_slice())).collect();
            for (k, (fast, sum)) in Interval::weighted(&parts, 3).iter().zip(Decimal::weighted(&exact, 3)).enumerate() {
                let end = |x: f64| Decimal::from_f64(x).expect("finite");
                assert!(end(fast.low) <= sum && sum <= end(fast.high), "{fast:?} {sum}");
                let size: f64 = parts.iter().map(|(w, row)| (w.low * row[k].near.high).abs()).sum();
                assert!(fast.high - fast.low <= 1e-13 * size + 1e-290, "{fast:?}");
            }
        }
        let huge = Number::of_f64(f64::MAX).expect("finite");
        let row = [huge];
        let parts = vec![(Interval::point(f64::MAX), &row[..]), (Interval::point(-f64::MAX), &row[..]), (Interval::point(1.0), &row[..])];
        assert_eq!(Interval::weighted(&parts, 1), [Interval::WHOLE], "an overflow says nothing");
    }
}
