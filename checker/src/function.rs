//! Functions of one number that are neither affine nor hinges.

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Function {
    /// Contains `f(x)` for all `x` in `[low, high]`; unbounded where nothing is known (NaN, ends the wrong way round).
    pub fn range(self, _low: f64, _high: f64) -> (f64, f64) {
        (f64::NEG_INFINITY, f64::INFINITY)
    }
}
