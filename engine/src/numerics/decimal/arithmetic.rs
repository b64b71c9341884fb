//! Exact order, sums and products of decimals.

use std::cmp::Ordering;
use std::ops::{Add, Mul, Neg, Sub};

use dashu::base::{BitTest, DivRemEuclid, Gcd};
use dashu::integer::{IBig, UBig};

use super::{Decimal, power_of_ten};

/// Both mantissas over the smaller exponent.
fn align(a: &Decimal, b: &Decimal) -> (IBig, IBig, i64) {
    let exponent = a.exponent.min(b.exponent);
    let shift = |x: &Decimal| match x.exponent - exponent {
        0 => x.mantissa.clone(),
        by => &x.mantissa * power_of_ten(by as usize),
    };
    (shift(a), shift(b), exponent)
}

impl Decimal {
    /// `self / by` where that is a decimal number, else `None` (also for `by = 0`).
    pub fn quotient(&self, by: &Decimal) -> Option<Decimal> {
        if by.is_zero() || self.is_zero() {
            return (!by.is_zero()).then_some(Decimal::ZERO);
        }
        let divisor = by.abs();
        let common = IBig::from((&self.mantissa).gcd(&divisor.mantissa));
        let (mut numerator, mut rest) = (&self.mantissa / &common, divisor.mantissa / common);
        let twos = rest.trailing_zeros().unwrap_or(0);
        rest >>= twos;
        let mut fives = 0;
        while !rest.is_one() {
            let (quotient, remainder) = rest.div_rem_euclid(IBig::from(5));
            if remainder != UBig::ZERO {
                return None;
            }
            (rest, fives) = (quotient, fives + 1);
        }
        let places = twos.max(fives);
        numerator = numerator * IBig::from(2).pow(places - twos) * IBig::from(5).pow(places - fives);
        let magnitude = Decimal::new(numerator, self.exponent - divisor.exponent - places as i64);
        Some(if by.sign() < 0 { -magnitude } else { magnitude })
    }

    /// A decimal at most `self / by` and within a relative error of about `10^-40`; `None` for `by = 0`.
    pub fn quotient_down(&self, by: &Decimal) -> Option<Decimal> {
        if by.is_zero() {
            return None;
        }
        let numerator = if by.sign() < 0 { -self } else { self.clone() };
        let divisor = by.abs();
        let missing = divisor.mantissa.bit_len() as i64 - numerator.mantissa.bit_len() as i64 + 140;
        // 0.302 > log10(2): enough digits for 140 bits of quotient.
        let places = (missing.max(0) as f64 * 0.302).ceil() as i64;
        let (quotient, _) = (numerator.mantissa * power_of_ten(places as usize)).div_rem_euclid(divisor.mantissa);
        Some(Decimal::new(quotient, numerator.exponent - divisor.exponent - places))
    }

    /// A decimal at least `self / by` and within a relative error of about `10^-40`; `None` for `by = 0`.
    pub fn quotient_up(&self, by: &Decimal) -> Option<Decimal> {
        (-self).quotient_down(by).map(|x| -x)
    }

    /// Bounds of log2 of the absolute value, for a number other than 0.
    fn log2_range(&self) -> (f64, f64) {
        let bits = self.mantissa.bit_len() as f64 + self.exponent as f64 * std::f64::consts::LOG2_10;
        let slack = 1.0 + self.exponent.unsigned_abs() as f64 * 1e-12;
        (bits - 1.0 - slack, bits + slack)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        let (sign, other_sign) = (self.sign(), other.sign());
        if sign != other_sign || sign == 0 {
            return sign.cmp(&other_sign);
        }
        if self.exponent == other.exponent {
            return self.mantissa.cmp(&other.mantissa);
        }
        let ((low, high), (other_low, other_high)) = (self.log2_range(), other.log2_range());
        let by_size = if sign > 0 { Ordering::Less } else { Ordering::Greater };
        if high < other_low {
            return by_size;
        }
        if low > other_high {
            return by_size.reverse();
        }
        let (a, b, _) = align(self, other);
        a.cmp(&b)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Neg for &Decimal {
    type Output = Decimal;
    fn neg(self) -> Decimal {
        Decimal { mantissa: -&self.mantissa, exponent: self.exponent }
    }
}

impl Neg for Decimal {
    type Output = Decimal;
    fn neg(self) -> Decimal {
        Decimal { mantissa: -self.mantissa, exponent: self.exponent }
    }
}

impl Add for &Decimal {
    type Output = Decimal;
    fn add(self, other: &Decimal) -> Decimal {
        if self.is_zero() || other.is_zero() {
            return if self.is_zero() { other.clone() } else { self.clone() };
        }
        let (a, b, exponent) = align(self, other);
        Decimal::new(a + b, exponent)
    }
}

impl Sub for &Decimal {
    type Output = Decimal;
    fn sub(self, other: &Decimal) -> Decimal {
        self + &-other
    }
}

impl Mul for &Decimal {
    type Output = Decimal;
    fn mul(self, other: &Decimal) -> Decimal {
        Decimal::new(&self.mantissa * &other.mantissa, self.exponent + other.exponent)
    }
}

macro_rules! by_value {
    ($($trait:ident $method:ident),*) => {$(
        impl $trait for Decimal {
            type Output = Decimal;
            fn $method(self, other: Decimal) -> Decimal {
                (&self).$method(&other)
            }
        }
    )*};
}
by_value!(Add add, Sub sub, Mul mul);
