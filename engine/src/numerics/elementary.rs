//! Enclosures of exp, expm1, ln1p, sigmoid, tanh, softplus, sin and cos at one number.
//!
//! Results of the system's mathematical library carry no guarantee, so these are built from `+ - * /` alone, whose
//! rounding IEEE 754 fixes. Each function says how its error was bounded (`u = 2^-53`); the result is widened by at least
//! three times that. NaN gives the whole line.

use super::Interval;

/// Widening of every kernel result: 16 u.
const SLACK: f64 = 1.0 / (1u64 << 49) as f64;

/// `[y - 16 u |y|, y + 16 u |y|]` and one step outward, which pays for subnormal results too.
fn around(y: f64) -> Interval {
    let by = y.abs() * SLACK;
    if y.is_nan() { Interval::WHOLE } else { Interval { low: (y - by).next_down(), high: (y + by).next_up() } }
}

fn within(x: Interval, low: f64, high: f64) -> Interval {
    Interval { low: x.low.clamp(low, high), high: x.high.clamp(low, high) }
}

/// `sum_k r^k / (k + first)! * first!`, by Horner's rule; 15 terms.
fn exponential_series(r: f64, first: u32) -> f64 {
    let mut sum = 0.0;
    for k in (first..first + 15).rev() {
        sum = 1.0 + r * sum / (k + 1) as f64;
    }
    sum
}

/// Contains `e^x`.
///
/// `x = k ln 2 + r`, `|r| <= 0.36`: `k LN2_HEAD` is exact (32 + 11 bits), the two subtractions round by `u |.|` each and
/// `ln 2 - head - tail` is below 1e-26, so r errs by at most u: relative error u of the result. Horner's rule with
/// `|r| < 0.36`: with `E_k` the error of the k-th partial sum `s_k`, `E_k <= u s_k + 2 u |r| s_{k+1} / (k + 1) + |r| E_{k+1} / (k + 1)`,
/// hence `E_0 <= 3.1 u` for a value of at least 0.69; the cut-off tail is below 0.36^15 / 15! < u / 100. Below 5.6 u together.
pub fn exp(x: f64) -> Interval {
    const LN2_HEAD: f64 = f64::from_bits(0x3fe62e42fee00000); // 0.6931471803691238
    const LN2_TAIL: f64 = f64::from_bits(0x3dea39ef35793c76); // 1.9082149292705877e-10
    if x.is_nan() {
        return Interval::WHOLE;
    }
    if x > 709.7 {
        return Interval { low: 1.6e308, high: f64::INFINITY };
    }
    if x < -745.2 {
        return Interval { low: 0.0, high: f64::from_bits(1) };
    }
    let k = (x * std::f64::consts::LOG2_E).round();
    let r = (x - k * LN2_HEAD) - k * LN2_TAIL;
    let half = (k / 2.0).floor();
    let y = exponential_series(r, 0) * power_of_two(half) * power_of_two(k - half);
    within(around(y), 0.0, f64::INFINITY)
}

/// `2^k` for an integer `|k| <= 600`.
fn power_of_two(k: f64) -> f64 {
    f64::from_bits(((k as i64 + 1023) as u64) << 52)
}

/// Contains `e^x - 1`; relatively tight near 0.
///
/// For `|x| <= 0.35` it is `x` times the series from 1, whose error is below 4 u by the argument of [`exp`], plus u for the product.
pub fn exp_m1(x: f64) -> Interval {
    if x.abs() <= 0.35 { around(x * exponential_series(x, 1)) } else { exp(x) - Interval::point(1.0) }
}

/// Contains `ln(1 + e)` for `0 <= e <= 1`; the whole line for other `e`.
///
/// `2 atanh(w)` with `w = e / (2 + e) <= 1/3`, which errs by 2 u; `z = w^2` by 5 u, which weighs at most 0.05 in the sum. All terms
/// are positive and a step weighs the error of the inner sum by at most 1/9, so Horner's rule errs by at most 2.4 u. With the
/// product below 6 u together, relatively; the cut-off tail is below 9^-20 < u / 1000.
pub fn ln_1p(e: f64) -> Interval {
    if !(0.0..=1.0).contains(&e) {
        return Interval::WHOLE;
    }
    let w = e / (2.0 + e);
    let z = w * w;
    let mut sum = 0.0;
    for k in (0..20).rev() {
        sum = 1.0 / (2 * k + 1) as f64 + z * sum;
    }
    within(around(2.0 * w * sum), 0.0, 0.7)
}

/// Contains `1 / (1 + e^-x)`; relatively tight for negative `x` too.
pub fn sigmoid(x: f64) -> Interval {
    let one = Interval::point(1.0);
    let e = exp(-x.abs());
    // Monotone in e, so the ends decide.
    let away = |e: Interval| Interval {
        low: (e.low / (1.0 + e.low).next_up()).next_down(),
        high: (e.high / (1.0 + e.high).next_down()).next_up(),
    };
    let y = match x {
        _ if x.is_nan() => return Interval::WHOLE,
        _ if x >= 0.0 => one / (one + e),
        _ => away(e),
    };
    within(y, 0.0, 1.0)
}

/// Contains `tanh x`; relatively tight near 0.
pub fn tanh(x: f64) -> Interval {
    let two = Interval::point(2.0);
    let y = match x.abs() {
        a if a.is_nan() => return Interval::WHOLE,
        a if a <= 0.17 => {
            let e = exp_m1(2.0 * a);
            // e / (e + 2) grows with e.
            Interval { low: (e.low / (e.low + 2.0).next_up()).next_down(), high: (e.high / (e.high + 2.0).next_down()).next_up() }
        }
        a => Interval::point(1.0) - two / (exp(2.0 * a) + Interval::point(1.0)),
    };
    let y = within(y, 0.0, 1.0);
    match x {
        _ if x == 0.0 => Interval::point(0.0),
        _ if x > 0.0 => y,
        _ => -y,
    }
}

/// Contains `ln(1 + e^x)`.
pub fn softplus(x: f64) -> Interval {
    if x.is_nan() {
        return Interval::WHOLE;
    }
    let e = exp(-x.abs());
    let rest = ln_1p(e.low.clamp(0.0, 1.0)).hull(ln_1p(e.high.clamp(0.0, 1.0)));
    let y = if x > 0.0 { Interval::point(x) + rest } else { rest };
    Interval { low: y.low.max(0.0), high: y.high }
}

/// An interval around pi, one step wide: the nearest number lies below it.
pub const PI: Interval = Interval { low: std::f64::consts::PI, high: std::f64::consts::PI.next_up() };

/// Contains `sin x`; `[-1, 1]` beyond a million quarter turns.
pub fn sin(x: f64) -> Interval {
    quarter_turned(x, 0)
}

/// Contains `cos x`; `[-1, 1]` beyond a million quarter turns.
pub fn cos(x: f64) -> Interval {
    quarter_turned(x, 1)
}

/// Contains `sin(x + quarters pi / 2)`.
///
/// `x = k pi/2 + r`, `|r| <= 0.8`. With `|k| <= 2^20` the products of k with the two 33-bit heads of pi/2 are exact; three
/// subtractions round by at most 0.8 u each; the rest of the tail is below 1e-30. So r errs by at most 2.5 u, and sine and
/// cosine by as much; their series (`z = r^2 <= 0.64`) err relatively by less than 3.5 u each. Below 6 u together, absolutely;
/// without reduction (k = 0) relatively.
fn quarter_turned(x: f64, quarters: i64) -> Interval {
    const HEAD: f64 = f64::from_bits(0x3ff921fb54400000); // 1.5707963267341256
    const SECOND: f64 = f64::from_bits(0x3dd0b4611a600000); // 6.077100506303966e-11
    const TAIL: f64 = f64::from_bits(0x3ba3198a2e037073); // 2.0222662487959506e-21
    let k = (x * std::f64::consts::FRAC_2_PI).round();
    let r = ((x - k * HEAD) - k * SECOND) - k * TAIL;
    // Written so that NaN and infinities end here too.
    if !(k.abs() <= 1_048_576.0 && r.abs() <= 0.8) {
        return if x.is_nan() { Interval::WHOLE } else { Interval { low: -1.0, high: 1.0 } };
    }
    let turn = (k as i64 + quarters).rem_euclid(4);
    let y = around(if turn % 2 == 0 { r * alternating_series(r * r, 2) } else { alternating_series(r * r, 1) });
    let y = if turn >= 2 { -y } else { y };
    let y = if k == 0.0 { y } else { y.widened(SLACK) };
    within(y, -1.0, 1.0)
}

/// `1 - z / (f (f+1)) (1 - z / ((f+2) (f+3)) (1 - ...))`: `cos sqrt z` for `f = 1`, `sin(sqrt z) / sqrt z` for `f = 2`.
fn alternating_series(z: f64, first: u32) -> f64 {
    let mut sum = 1.0;
    for k in (0..11).rev() {
        let f = (first + 2 * k) as f64;
        sum = 1.0 - z * sum / (f * (f + 1.0));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_values_are_enclosed() {
        for f in [exp, exp_m1, sigmoid, tanh, softplus, sin, cos] {
            assert_eq!(f(f64::NAN), Interval::WHOLE);
        }
        assert!(exp(f64::NEG_INFINITY).contains(0.0) && exp(f64::INFINITY).high.is_infinite());
        assert!(tanh(0.0) == Interval::point(0.0) && tanh(f64::INFINITY).contains(1.0) && tanh(f64::NEG_INFINITY).contains(-1.0));
        assert!(sigmoid(f64::INFINITY).contains(1.0) && sigmoid(f64::NEG_INFINITY).contains(0.0) && sigmoid(0.0).contains(0.5));
        assert!(softplus(f64::INFINITY).high.is_infinite() && softplus(f64::NEG_INFINITY).contains(0.0));
        assert!(sin(f64::INFINITY) == Interval { low: -1.0, high: 1.0 } && sin(0.0).contains(0.0) && cos(0.0).contains(1.0));
        assert!(exp(0.0).contains(1.0) && exp(-745.0).contains(5e-324) && exp(709.71).high.is_infinite());
    }

    #[test]
    fn enclosures_are_narrow() {
        for x in [1e-300, 1e-9, 0.1, 0.17, 0.35, 0.7, 3.0, 20.0, -0.3, -5.0] {
            for f in [exp, exp_m1, sigmoid, tanh, sin, cos] {
                let y = f(x);
                assert!(y.high - y.low <= 1e-13 * y.magnitude() + 1e-300, "{x}: {y:?}");
            }
        }
    }
}
