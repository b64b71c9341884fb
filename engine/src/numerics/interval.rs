//! Closed intervals with outward rounding, for code outside hot loops.

/// A closed, non-empty interval `[low, high]` of reals; the ends may be infinite, never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The whole line: what is known when nothing is.
    pub const WHOLE: Interval = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };

    /// `[low, high]`, or `None` for NaN or crossed ends.
    pub fn new(low: f64, high: f64) -> Option<Interval> {
        (low <= high).then_some(Interval { low, high })
    }

    /// The interval of one number; NaN gives the whole line.
    pub fn point(x: f64) -> Interval {
        Interval::new(x, x).unwrap_or(Interval::WHOLE)
    }

    /// True if `x` lies inside.
    pub fn contains(self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    /// Largest absolute value.
    pub fn magnitude(self) -> f64 {
        self.low.abs().max(self.high.abs())
    }

    /// `high - low`, rounded up.
    pub fn width(self) -> f64 {
        (self.high - self.low).next_up()
    }

    /// A point inside, near the middle.
    pub fn middle(self) -> f64 {
        self.nearest(0.5 * self.low + 0.5 * self.high)
    }

    /// The point inside that is nearest to `x`; the lower end for NaN. Never panics, also where the ends cross
    /// (as in a subproblem that holds no point).
    pub fn nearest(self, x: f64) -> f64 {
        x.max(self.low).min(self.high)
    }

    /// Both ends moved outward by `by >= 0`.
    pub fn widened(self, by: f64) -> Interval {
        Interval { low: (self.low - by).next_down(), high: (self.high + by).next_up() }.or_whole()
    }

    /// The common part, or `None` if there is none.
    pub fn intersection(self, other: Interval) -> Option<Interval> {
        Interval::new(self.low.max(other.low), self.high.min(other.high))
    }

    /// The smallest interval that holds both.
    pub fn hull(self, other: Interval) -> Interval {
        Interval { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// Turns NaN ends, as from `inf - inf`, into the whole line.
    fn or_whole(self) -> Interval {
        Interval::new(self.low, self.high).unwrap_or(Interval::WHOLE)
    }
}

impl std::ops::Add for Interval {
    type Output = Interval;
    fn add(self, other: Interval) -> Interval {
        Interval { low: (self.low + other.low).next_down(), high: (self.high + other.high).next_up() }.or_whole()
    }
}

impl std::ops::Neg for Interval {
    type Output = Interval;
    fn neg(self) -> Interval {
        Interval { low: -self.high, high: -self.low }
    }
}

impl std::ops::Sub for Interval {
    type Output = Interval;
    fn sub(self, other: Interval) -> Interval {
        self + -other
    }
}

impl std::ops::Mul for Interval {
    type Output = Interval;
    /// Hull of the four end products; `0 * inf` counts as 0, as ends stand for real numbers.
    fn mul(self, other: Interval) -> Interval {
        let mut result = Interval { low: f64::INFINITY, high: f64::NEG_INFINITY };
        for x in [self.low, self.high] {
            for y in [other.low, other.high] {
                let product = if x == 0.0 || y == 0.0 { 0.0 } else { x * y };
                result = result.hull(Interval { low: product.next_down(), high: product.next_up() });
            }
        }
        result.or_whole()
    }
}

impl std::ops::Div for Interval {
    type Output = Interval;
    /// Hull of the four end quotients; the whole line if the divisor may be 0.
    fn div(self, other: Interval) -> Interval {
        if other.contains(0.0) {
            return Interval::WHOLE;
        }
        let mut result = Interval { low: f64::INFINITY, high: f64::NEG_INFINITY };
        for x in [self.low, self.high] {
            for y in [other.low, other.high] {
                let quotient = x / y;
                if quotient.is_nan() {
                    return Interval::WHOLE;
                }
                result = result.hull(Interval { low: quotient.next_down(), high: quotient.next_up() });
            }
        }
        result
    }
}
