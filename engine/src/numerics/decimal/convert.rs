//! Decimals to and from other numbers, and as text.

use std::fmt::{Display, Formatter};

use dashu::base::UnsignedAbs;
use dashu::integer::{IBig, UBig};
use dashu::rational::RBig;

use super::{Decimal, power_of_ten};

macro_rules! from_integer {
    ($($t:ty),*) => {$(
        impl From<$t> for Decimal {
            fn from(n: $t) -> Decimal {
                Decimal::from_small(n.into(), 0)
            }
        }
    )*};
}
from_integer!(i8, u8, i16, u16, i32, u32, i64, u64);

/// Powers of ten that are doubles.
const EXACT_TENS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

impl Decimal {
    /// The value of a double, exactly; `None` for NaN and infinities.
    pub fn from_f64(x: f64) -> Option<Decimal> {
        if !x.is_finite() {
            return None;
        }
        if x == 0.0 {
            return Some(Decimal::ZERO);
        }
        let bits = x.to_bits();
        let (fraction, biased) = ((bits & ((1 << 52) - 1)) as i64, (bits >> 52 & 0x7ff) as i64);
        let (mantissa, exponent) = if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
        let zeros = i64::from(mantissa.trailing_zeros());
        let (odd, exponent) = (mantissa >> zeros, exponent + zeros);
        let odd = if x < 0.0 { -odd } else { odd };
        Some(match exponent {
            0..=70 => Decimal::from_small(i128::from(odd) << exponent, 0),
            71.. => Decimal::new(IBig::from(odd) << exponent as usize, 0),
            // An odd number times a power of five has no factor 10: nothing to normalise.
            -31..0 => Decimal { mantissa: (i128::from(odd) * 5i128.pow(-exponent as u32)).into(), exponent },
            ..-31 => Decimal { mantissa: IBig::from(odd) * IBig::from(5).pow(-exponent as usize), exponent },
        })
    }

    /// The nearest double, ties to even; infinite beyond the largest.
    pub fn to_f64(&self) -> f64 {
        if let Ok(small @ -0x20_0000_0000_0000..=0x20_0000_0000_0000) = i64::try_from(&self.mantissa) {
            // One correctly rounded operation on exact operands.
            match self.exponent {
                -22..=0 => return small as f64 / EXACT_TENS[-self.exponent as usize],
                1..=22 => return small as f64 * EXACT_TENS[self.exponent as usize],
                _ => {}
            }
        }
        self.scientific().parse().expect("digits and an exponent")
    }

    /// The largest double that is at most this number.
    pub fn to_f64_down(&self) -> f64 {
        let nearest = self.to_f64();
        match Decimal::from_f64(nearest) {
            Some(exact) if exact <= *self => nearest,
            None if nearest < 0.0 => nearest,
            _ => nearest.next_down(),
        }
    }

    /// The smallest double that is at least this number.
    pub fn to_f64_up(&self) -> f64 {
        -(-self).to_f64_down()
    }

    /// The nearest binary32 number, ties to even, rounded once; infinite beyond the largest.
    pub fn to_f32(&self) -> f32 {
        self.scientific().parse().expect("digits and an exponent")
    }

    /// As a fraction.
    pub fn to_rational(&self) -> RBig {
        if self.exponent >= 0 {
            RBig::from(&self.mantissa * power_of_ten(self.exponent as usize))
        } else {
            RBig::from_parts(self.mantissa.clone(), power_of_ten(self.exponent.unsigned_abs() as usize).unsigned_abs())
        }
    }

    /// The value of a fraction, or `None` if it is not a decimal number.
    pub fn from_rational(x: &RBig) -> Option<Decimal> {
        let whole = |n: IBig| Decimal::new(n, 0);
        whole(x.numerator().clone()).quotient(&whole(IBig::from(UBig::clone(x.denominator()))))
    }

    /// `123e-5`.
    fn scientific(&self) -> String {
        format!("{}e{}", self.mantissa, self.exponent)
    }
}

impl Display for Decimal {
    /// Plain notation, exactly, without an exponent.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        if self.exponent >= 0 {
            return write!(f, "{}{:0<width$}", self.mantissa, "", width = self.exponent as usize);
        }
        let sign = if self.sign() < 0 { "-" } else { "" };
        let places = self.exponent.unsigned_abs() as usize;
        let digits = format!("{:0>width$}", self.abs().mantissa.to_string(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        write!(f, "{sign}{whole}.{fraction}")
    }
}
