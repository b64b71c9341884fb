//! Exact numbers `integer * 2^a * 5^b`: sums and products of decimals and of binary floating-point numbers stay among them.

/// An exact number.
#[derive(Clone, Debug, PartialEq)]
pub struct Rational {
    /// True below zero.
    pub negative: bool,
    /// The integer's size, lowest digit first, base 2^32, without leading zeros.
    pub digits: Vec<u32>,
    /// Exponent of 2.
    pub twos: i64,
    /// Exponent of 5.
    pub fives: i64,
}
