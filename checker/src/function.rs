//! Functions of one number that are neither affine nor hinges: enclosures of values and of second derivatives.
//!
//! Values come from `+ - * /` alone, whose rounding IEEE 754 fixes; TRUST.md bounds their errors. Nothing here needs to be tight.

use crate::rounding::{TINY, UNIT};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `sin x`.
    Sine,
    /// `cos x`.
    Cosine,
    /// `x^n`, 2 <= n <= 16.
    Power(u8),
    /// `1 / x`; nothing is known across 0.
    Reciprocal,
    /// The greatest integer that is at most `x`.
    Floor,
    /// `min(max(x, low), high)`, low <= high; either may be infinite.
    Clip(f64, f64),
}

/// All numbers from the first to the second.
pub type Interval = (f64, f64);

/// Nothing known.
pub const WHOLE: Interval = (f64::NEG_INFINITY, f64::INFINITY);

/// Angles beyond this are not reduced, and the deployed function is not vouched for.
const MOST_ANGLE: f64 = 1024.0;

impl Function {
    /// Contains `f(x)` for all `x` in `[low, high]`; unbounded where nothing is known (NaN, ends the wrong way round).
    pub fn range(self, low: f64, high: f64) -> Interval {
        self.range_between(low, high, (self.at(low), self.at(high)))
    }

    /// The same, given the values at both ends.
    pub fn range_between(self, low: f64, high: f64, (a, b): (Interval, Interval)) -> Interval {
        // False for NaN too.
        if !(low <= high) {
            return WHOLE;
        }
        match self {
            Function::Sigmoid | Function::Tanh | Function::Floor | Function::Clip(..) => (a.0, b.1),
            Function::Power(n) => power_range(low, high, n),
            Function::Reciprocal if low > 0.0 || high < 0.0 => (b.0, a.1),
            Function::Reciprocal => WHOLE,
            Function::Sine | Function::Cosine => wave_range(low, high, (a, b)),
        }
    }

    /// Contains `f(x)`.
    pub fn at(self, x: f64) -> Interval {
        match self {
            _ if x.is_nan() => WHOLE,
            Function::Sigmoid => sigmoid(x),
            Function::Tanh if x < 0.0 => negated(tanh_of_size(-x)),
            Function::Tanh => tanh_of_size(x),
            Function::Sine => turn(x).1,
            Function::Cosine => turn(x).0,
            Function::Power(n) => power_range(x, x, n),
            Function::Reciprocal if x == 0.0 => WHOLE,
            Function::Reciprocal => ((1.0 / x).next_down(), (1.0 / x).next_up()),
            Function::Floor => (x.floor(), x.floor()),
            Function::Clip(low, high) => (x.max(low).min(high), x.max(low).min(high)),
        }
    }

    /// Contains `f''(x)` for all `x` in `[low, high]`, given the values at both ends: `f(x) - b x^2 / 2` is convex there for the least `b`,
    /// concave for the greatest.
    pub fn bend(self, low: f64, high: f64, (a, b): (Interval, Interval)) -> Interval {
        if !(low <= high) {
            return WHOLE;
        }
        match self {
            // s'' = s' (1 - 2 s), s' = s (1 - s): no larger than s or 1 - s, and the greatest is sqrt(3) / 18.
            Function::Sigmoid => one_sided(low, high, 0.0963, ((1.0 - a.0).next_up(), b.1)),
            // t'' = -2 t (1 - t^2): no larger than 2 (1 - t^2), and the greatest is 4 sqrt(3) / 9.
            Function::Tanh => one_sided(low, high, 0.7699, (steepness(a.0), steepness(b.1))),
            Function::Sine | Function::Cosine => negated(wave_range(low, high, (a, b))),
            Function::Power(n) => {
                let factor = f64::from(n) * f64::from(n - 1);
                let (least, most) = if n == 2 { (1.0, 1.0) } else { power_range(low, high, n - 2) };
                ((factor * least).next_down(), (factor * most).next_up())
            }
            Function::Reciprocal if low > 0.0 => (0.0, twice_inverse_cube(low)),
            Function::Reciprocal if high < 0.0 => (-twice_inverse_cube(-high), 0.0),
            Function::Reciprocal | Function::Floor => WHOLE,
            Function::Clip(least, most) => bends(low < least && least < high, low < most && most < high),
        }
    }

    /// Where the slope jumps, if that is at few points; others are NaN.
    pub fn corners(self) -> [f64; 2] {
        if let Function::Clip(low, high) = self { [low, high] } else { [f64::NAN; 2] }
    }

    /// How far a deployed function of operands in `[low, high]` may be from exact: per unit of its size, and beyond that
    /// (binary32; wider types err less). Libraries' rational approximations err absolutely; TRUST.md says what was measured.
    pub fn deployed_error(self, low: f64, high: f64) -> (f64, f64) {
        let smallest = f64::from(f32::MIN_POSITIVE);
        match self {
            Function::Sigmoid => (5e-7, 4e-7),
            Function::Tanh => (5e-7, 6e-7),
            Function::Sine | Function::Cosine if -MOST_ANGLE <= low && high <= MOST_ANGLE => (0.0, 3e-7),
            Function::Sine | Function::Cosine => (0.0, f64::INFINITY),
            // At most n - 1 products in any order, or a library's power within a few units.
            Function::Power(n) => (f64::from(n + 3) * f64::from(f32::EPSILON), 2.0 * f64::from(n) * smallest),
            Function::Reciprocal => (2.5e-7, smallest),
            Function::Floor | Function::Clip(..) => (0.0, 0.0),
        }
    }
}

/// Of a sine or cosine, whose second derivative is at least -1 and at most 1, given the values at both ends.
fn wave_range(low: f64, high: f64, (a, b): (Interval, Interval)) -> Interval {
    let width = (high - low).next_up();
    let reach = (0.125 * width * width).next_up();
    ((a.0.min(b.0) - reach).next_down().max(-1.0), (a.1.max(b.1) + reach).next_up().min(1.0))
}

/// At least `2 (1 - t^2)`, for the end of an enclosure of a tanh that is nearer to 0.
fn steepness(t: f64) -> f64 {
    (2.0 * (1.0 - (t * t).next_down())).next_up()
}

/// Of a function that is linear but for a bend upward and one downward.
fn bends(upward: bool, downward: bool) -> Interval {
    (if downward { f64::NEG_INFINITY } else { 0.0 }, if upward { f64::INFINITY } else { 0.0 })
}

fn negated((low, high): Interval) -> Interval {
    (-high, -low)
}

/// The second derivative of an odd function (plus a constant), at least 0 left of 0 and at most 0 right of it: no larger
/// than `most`, right of 0 than the first number, left of it than the second.
fn one_sided(low: f64, high: f64, most: f64, (right, left): (f64, f64)) -> Interval {
    match () {
        _ if low >= 0.0 => (-most.min(right), 0.0),
        _ if high <= 0.0 => (0.0, most.min(left)),
        _ => (-most, most),
    }
}

/// Contains `e^x` for `x <= 0`.
///
/// `e^x = (e^r)^(2^k)` with `r = x / 2^k` in `[-1/2, 0]`, exactly. Horner's rule errs by at most 3 u of `e^r >= 0.6`, and the
/// 16 terms left out are below u / 100; each squaring doubles the relative error and adds u. So `8 u 2^k` covers all of it.
fn exponential(x: f64) -> Interval {
    if x < -700.0 {
        // e^-700 < 1e-304.
        return (0.0, 1e-300);
    }
    let (mut scale, mut r) = (1.0, x);
    while r < -0.5 {
        (scale, r) = (2.0 * scale, 0.5 * r);
    }
    let mut y = 1.0;
    for k in (1..=16).rev() {
        y = 1.0 + r * y / f64::from(k);
    }
    let (mut value, mut doubled) = (y, 1.0);
    while doubled < scale {
        (value, doubled) = (value * value, 2.0 * doubled);
    }
    let error = 8.0 * UNIT * scale * value + TINY;
    ((value - error).next_down().max(0.0), (value + error).next_up().min(1.0))
}

/// Contains `1 / (1 + e^-x)`: for negative `x` it is `e^x / (1 + e^x)`. Both are monotone in the exponential.
fn sigmoid(x: f64) -> Interval {
    let (least, most) = exponential(-x.abs());
    let over = |top: f64, e: f64, up: bool| {
        if up { (top / (1.0 + e).next_down()).next_up().min(1.0) } else { (top / (1.0 + e).next_up()).next_down().max(0.0) }
    };
    if x >= 0.0 { (over(1.0, most, false), over(1.0, least, true)) } else { (over(least, least, false), over(most, most, true)) }
}

/// Contains `tanh x = (1 - e) / (1 + e)`, `e = e^(-2 x)`, for `x >= 0`; it falls with e.
fn tanh_of_size(x: f64) -> Interval {
    let (least, most) = exponential(-2.0 * x);
    let low = ((1.0 - most).next_down() / (1.0 + most).next_up()).next_down();
    let high = ((1.0 - least).next_up() / (1.0 + least).next_down()).next_up();
    (low.max(0.0), high.min(1.0))
}

/// Contains `cos x` and `sin x`.
///
/// `e^(ix) = (e^(ir))^(2^k)` with `r = x / 2^k` in `[-1/2, 1/2]`, exactly. Horner's rule in complex numbers errs by at most 6 u of
/// a number of size 1; each squaring doubles the relative error and adds less than 4 u. So `16 u 2^k` covers all of it.
fn turn(x: f64) -> (Interval, Interval) {
    if !(x.abs() <= MOST_ANGLE) {
        return ((-1.0, 1.0), (-1.0, 1.0));
    }
    let (mut scale, mut r) = (1.0, x);
    while r.abs() > 0.5 {
        (scale, r) = (2.0 * scale, 0.5 * r);
    }
    let (mut cosine, mut sine) = (1.0, 0.0);
    for k in (1..=18).rev() {
        let step = r / f64::from(k);
        (cosine, sine) = (1.0 - step * sine, step * cosine);
    }
    let mut doubled = 1.0;
    while doubled < scale {
        (cosine, sine) = (cosine * cosine - sine * sine, 2.0 * cosine * sine);
        doubled *= 2.0;
    }
    let error = 16.0 * UNIT * scale;
    let around = |y: f64| ((y - error).next_down().max(-1.0), (y + error).next_up().min(1.0));
    (around(cosine), around(sine))
}

/// Contains `x^n` on `[low, high]`.
fn power_range(low: f64, high: f64, n: u8) -> Interval {
    // Of a number that is not negative; every product is rounded outward.
    let of_size = |x: f64| (1..n).fold((x, x), |p, _| ((p.0 * x).next_down().max(0.0), (p.1 * x).next_up()));
    let at = |x: f64| match x < 0.0 && n % 2 == 1 {
        true => negated(of_size(-x)),
        false => of_size(x.abs()),
    };
    let (a, b) = (at(low), at(high));
    let least = if n.is_multiple_of(2) && low <= 0.0 && high >= 0.0 { 0.0 } else { a.0.min(b.0) };
    (least, a.1.max(b.1))
}

/// At least `2 / x^3`, for `x > 0`.
fn twice_inverse_cube(x: f64) -> f64 {
    let inverse = (1.0 / x).next_up();
    (2.0 * (inverse * (inverse * inverse).next_up()).next_up()).next_up()
}
