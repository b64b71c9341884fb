//! Exact decimal numbers, as written in queries.

mod arithmetic;
mod convert;
mod parse;
mod shortest;

pub use parse::DecimalError;

use dashu::base::{BitTest, DivRem, Sign};
use dashu::integer::IBig;

/// `mantissa * 10^exponent`, exactly.
///
/// Kept normalised (the mantissa has no factor 10, zero has exponent 0), so that equal numbers are equal field by field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: IBig,
    exponent: i64,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Decimal = Decimal { mantissa: IBig::ZERO, exponent: 0 };
    /// One.
    pub const ONE: Decimal = Decimal { mantissa: IBig::ONE, exponent: 0 };

    /// `mantissa * 10^exponent`.
    pub fn new(mantissa: IBig, exponent: i64) -> Decimal {
        match i128::try_from(&mantissa) {
            Ok(small) => Decimal::from_small(small, exponent),
            Err(_) => Decimal::from_large(mantissa, exponent),
        }
    }

    /// As [`Decimal::new`], for a mantissa in machine arithmetic.
    fn from_small(mut mantissa: i128, mut exponent: i64) -> Decimal {
        if mantissa == 0 {
            return Decimal::ZERO;
        }
        while mantissa % 2 == 0 {
            let Ok(narrow) = i64::try_from(mantissa) else {
                if mantissa % 10 != 0 {
                    break;
                }
                mantissa /= 10;
                exponent += 1;
                continue;
            };
            let (narrow, zeros) = strip_tens(narrow);
            (mantissa, exponent) = (narrow.into(), exponent + zeros);
            break;
        }
        Decimal { mantissa: mantissa.into(), exponent }
    }

    fn from_large(mut mantissa: IBig, mut exponent: i64) -> Decimal {
        // There are at most as many factors 10 as factors 2: few numbers need a division at all.
        while let Some(twos @ 1..) = mantissa.trailing_zeros() {
            let mut step = 1 << twos.ilog2();
            loop {
                let (quotient, rest) = (&mantissa).div_rem(power_of_ten(step));
                if rest.is_zero() {
                    (mantissa, exponent) = (quotient, exponent + step as i64);
                    break;
                }
                if step == 1 {
                    return Decimal { mantissa, exponent };
                }
                step /= 2;
            }
        }
        Decimal { mantissa, exponent }
    }

    /// True for zero.
    pub fn is_zero(&self) -> bool {
        self.mantissa.is_zero()
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        match (self.is_zero(), self.mantissa.sign()) {
            (true, _) => 0,
            (_, Sign::Positive) => 1,
            (_, Sign::Negative) => -1,
        }
    }

    /// The absolute value.
    pub fn abs(&self) -> Decimal {
        if self.sign() < 0 { -self } else { self.clone() }
    }

    /// A rough size in bits, large exponents included: what arithmetic with this number costs.
    pub fn bits(&self) -> u64 {
        (self.mantissa.bit_len() as u64).saturating_add(self.exponent.unsigned_abs().saturating_mul(4))
    }
}

/// `10^k`.
fn power_of_ten(k: usize) -> IBig {
    match k {
        0..=38 => IBig::from(10u128.pow(k as u32)),
        _ => IBig::from(10).pow(k),
    }
}

/// Divides by 10 as often as possible; tells how often.
fn strip_tens(mut n: i64) -> (i64, i64) {
    let mut zeros = 0;
    while n != 0 && n % 10 == 0 {
        (n, zeros) = (n / 10, zeros + 1);
    }
    (n, zeros)
}

#[cfg(test)]
mod tests;
