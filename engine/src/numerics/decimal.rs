//! Exact decimal numbers, as written in queries.

use dashu::integer::IBig;

/// `mantissa * 10^exponent`, exactly.
#[derive(Clone, Debug)]
pub struct Decimal {
    mantissa: IBig,
    exponent: i64,
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.mantissa == other.mantissa && self.exponent == other.exponent
    }
}
