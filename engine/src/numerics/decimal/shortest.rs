//! The shortest decimal that stands for a binary number.

use super::Decimal;

/// A binary number type that decimals round to.
trait Rounded: Copy + PartialEq + std::fmt::LowerExp {
    fn exact(self) -> Option<Decimal>;
    fn nearest(x: &Decimal) -> Self;
}

impl Rounded for f32 {
    fn exact(self) -> Option<Decimal> {
        Decimal::from_f64(self.into())
    }
    fn nearest(x: &Decimal) -> f32 {
        x.to_f32()
    }
}

impl Rounded for f64 {
    fn exact(self) -> Option<Decimal> {
        Decimal::from_f64(self)
    }
    fn nearest(x: &Decimal) -> f64 {
        x.to_f64()
    }
}

impl Decimal {
    /// The shortest decimal that rounds to `x`; `None` for NaN and infinities.
    pub fn shortest_f32(x: f32) -> Option<Decimal> {
        x.is_finite().then(|| Decimal::parse(format!("{x:e}").as_bytes()).expect("a finite number"))
    }

    /// The shortest decimal that rounds to `x`; `None` for NaN and infinities.
    pub fn shortest_f64(x: f64) -> Option<Decimal> {
        x.is_finite().then(|| Decimal::parse(format!("{x:e}").as_bytes()).expect("a finite number"))
    }

    /// The shortest decimal of `[low, high]` that rounds to `x`, or `None` if no decimal of the range does.
    pub fn shortest_f32_within(x: f32, low: &Decimal, high: &Decimal) -> Option<Decimal> {
        shortest_within(x, low, high)
    }

    /// The shortest decimal of `[low, high]` that rounds to `x`, or `None` if no decimal of the range does.
    pub fn shortest_f64_within(x: f64, low: &Decimal, high: &Decimal) -> Option<Decimal> {
        shortest_within(x, low, high)
    }

    /// The nearest number of `[low, high]`; expects `low <= high`.
    pub fn clamp_to(&self, low: &Decimal, high: &Decimal) -> Decimal {
        self.max(low).min(high).clone()
    }
}

/// The numbers that round to `x` form an interval around it, so that the range holds one exactly if `x` clamped to the range is one.
fn shortest_within<T: Rounded>(x: T, low: &Decimal, high: &Decimal) -> Option<Decimal> {
    let clamped = x.exact()?.clamp_to(low, high);
    if low > high || T::nearest(&clamped) != x {
        return None;
    }
    let fits = |d: &Decimal| low <= d && d <= high && T::nearest(d) == x;
    let shortest = Decimal::parse(format!("{x:e}").as_bytes()).expect("a finite number");
    let longer = (0..17).map(|places| Decimal::parse(format!("{x:.places$e}").as_bytes()).expect("a finite number"));
    Some(std::iter::once(shortest).chain(longer).find(fits).unwrap_or(clamped))
}
