//! Lines above and below functions of one number, and planes above and below products.
//!
//! Slopes may be any numbers; only the constants that go with them must be right.

use crate::function::{Function, Interval};
use crate::rounding::{TINY, UNIT};

/// An interval is cut into so many pieces. The gap between a function and its lines grows by about one part in the square of it.
const PIECES: usize = 32;

/// `f(a) <= upper.0 a + upper.1` and `f(a) >= lower.0 a + lower.1` for all `a` of an interval; not finite where nothing is known.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    /// Slope and constant.
    pub upper: (f64, f64),
    /// Slope and constant.
    pub lower: (f64, f64),
    /// Contains all values.
    pub range: Interval,
}

/// A piece of the interval: its ends, the function there and its range and second derivative between them.
struct Piece {
    ends: (f64, f64),
    values: (Interval, Interval),
    range: Interval,
    bend: Interval,
}

impl Lines {
    /// Of a function on `[low, high]`: the lines are lowest, and highest, over the middle.
    pub fn of(function: Function, low: f64, high: f64) -> Lines {
        let curve = Curve::new(function, low, high);
        Lines { upper: curve.upper(0.5), lower: curve.lower(0.5), range: curve.range }
    }
}

/// A function on an interval, in pieces.
pub struct Curve {
    /// None where nothing is known.
    pieces: Vec<Piece>,
    /// Contains all values.
    pub range: Interval,
}

impl Curve {
    /// A function on `[low, high]`.
    pub fn new(function: Function, low: f64, high: f64) -> Curve {
        let pieces: Vec<Piece> = if low <= high && (high - low).is_finite() { pieces(function, low, high) } else { Vec::new() };
        let range = match pieces.is_empty() {
            true => function.range(low, high),
            false => pieces.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |r, p| (r.0.min(p.range.0), r.1.max(p.range.1))),
        };
        Curve { pieces, range }
    }

    /// Slope and constant of a line above that is lowest at the share `at` of the interval.
    pub fn upper(&self, at: f64) -> (f64, f64) {
        self.line(at, 1.0)
    }

    /// Slope and constant of a line below that is highest at the share `at` of the interval.
    pub fn lower(&self, at: f64) -> (f64, f64) {
        let (slope, constant) = self.line(at, -1.0);
        (slope, -constant)
    }

    /// `sign f(a) <= sign slope a + constant`.
    fn line(&self, at: f64, sign: f64) -> (f64, f64) {
        if self.pieces.is_empty() {
            return (0.0, f64::INFINITY);
        }
        let slope = hull_slope(&self.pieces, sign, at);
        (slope, self.pieces.iter().map(|p| p.reach(slope, sign)).fold(f64::NEG_INFINITY, greater))
    }
}

/// The greater one, NaN where one is not a number.
fn greater(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

fn pieces(function: Function, low: f64, high: f64) -> Vec<Piece> {
    let count = if low == high { 1 } else { PIECES };
    let end = |k: usize| match k {
        0 => low,
        k if k == count => high,
        k => (low + (high - low) * (k as f64 / count as f64)).clamp(low, high),
    };
    let mut ends: Vec<f64> = (0..=count).map(end).chain(function.corners().into_iter().filter(|&x| low < x && x < high)).collect();
    ends.sort_unstable_by(f64::total_cmp);
    let known: Vec<(f64, Interval)> = ends.into_iter().map(|x| (x, function.at(x))).collect();
    let piece = |ends: &[(f64, Interval)]| {
        let ((a, first), (b, last)) = (ends[0], ends[1]);
        let values = (first, last);
        Piece { ends: (a, b), values, range: function.range_between(a, b, values), bend: function.bend(a, b, values) }
    };
    known.windows(2).map(piece).collect()
}

impl Piece {
    /// At least `sign f(a) - sign t a` for all `a` of the piece.
    ///
    /// With `D >= -(sign f)''`, adding `D (a - m)^2 / 2` to the difference makes it convex, so it is at most its greater end plus
    /// `D (width / 2)^2 / 2`. It is also at most the greatest value less the least `sign t a`.
    fn reach(&self, t: f64, sign: f64) -> f64 {
        let most = |values: Interval| if sign > 0.0 { values.1 } else { -values.0 };
        // Two roundings.
        let over = |value: f64, a: f64| {
            let line = sign * t * a;
            (value - line) + (2.0 * UNIT * (value.abs() + 2.0 * line.abs()) + TINY)
        };
        let ((a, b), dent) = (self.ends, greater(if sign > 0.0 { -self.bend.0 } else { self.bend.1 }, 0.0));
        let width = (b - a).next_up();
        let bulge = if a < b { ((0.125 * width * width).next_up() * dent).next_up() } else { 0.0 };
        let bent = (greater(over(most(self.values.0), a), over(most(self.values.1), b)) + bulge).next_up();
        let crude = greater(over(most(self.range), a), over(most(self.range), b)).next_up();
        if bent < crude { bent } else { crude }
    }
}

/// The slope of the lowest line above `sign f` at the ends of the pieces, at the share `at` of them; nearly, which is enough.
fn hull_slope(pieces: &[Piece], sign: f64, at: f64) -> f64 {
    let first = pieces.first().map(|p| (p.ends.0, sign * p.values.0.0));
    let points = first.into_iter().chain(pieces.iter().map(|p| (p.ends.1, sign * p.values.1.0)));
    let mut hull: Vec<(f64, f64)> = Vec::with_capacity(pieces.len() + 1);
    let falls = |p: (f64, f64), q: (f64, f64), r: (f64, f64)| (q.1 - p.1) * (r.0 - q.0) > (r.1 - q.1) * (q.0 - p.0);
    for point in points {
        while let [.., p, q] = hull[..]
            && !falls(p, q, point)
        {
            hull.pop();
        }
        hull.push(point);
    }
    let [(low, _), .., (high, _)] = hull[..] else { return 0.0 };
    let there = (1.0 - at) * low + at * high;
    let edge = hull.windows(2).find(|w| w[1].0 >= there).map_or(0.0, |w| (w[1].1 - w[0].1) / (w[1].0 - w[0].0));
    if edge.is_finite() { sign * edge } else { 0.0 }
}

/// `least <= a b - a slopes.0 - b slopes.1 <= most` for all `a` and `b` of two intervals, and the greatest `|a b|`; not finite where
/// nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planes {
    /// Of `a` and of `b`.
    pub slopes: (f64, f64),
    /// Lower constant.
    pub least: f64,
    /// Upper constant.
    pub most: f64,
    /// At least the size of the product.
    pub size: f64,
}

impl Planes {
    /// The mean of the two planes of McCormick above, and below, a product. The difference is linear in each factor: corners decide.
    pub fn of(a: Interval, b: Interval) -> Planes {
        let (first, second) = (0.5 * b.0 + 0.5 * b.1, 0.5 * a.0 + 0.5 * a.1);
        let (mut least, mut most, mut size) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
        for x in [a.0, a.1] {
            for y in [b.0, b.1] {
                let (product, passed) = (x * y, (x * first, y * second));
                let corner = product - passed.0 - passed.1;
                // Three products and two differences.
                let error = 4.0 * UNIT * (product.abs() + passed.0.abs() + passed.1.abs()) + 4.0 * TINY;
                least = -greater(-(corner - error).next_down(), -least);
                most = greater((corner + error).next_up(), most);
                size = greater((product.abs() + TINY).next_up(), size);
            }
        }
        Planes { slopes: (first, second), least, most, size }
    }

    /// Contains the product.
    pub fn range(a: Interval, b: Interval) -> Interval {
        let corners = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
        if corners.iter().any(|x| x.is_nan()) {
            return crate::function::WHOLE;
        }
        let (least, most) = corners.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |r, &x| (r.0.min(x), r.1.max(x)));
        ((least - TINY).next_down(), (most + TINY).next_up())
    }
}
