//! Decimals from text: `-12.5`, `3e-4`.

use std::str::FromStr;

use dashu::integer::{IBig, UBig};

use super::Decimal;

/// Why a text is not taken as a decimal number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not digits with an optional sign, point and exponent.
    #[error("not a decimal number: expected digits, as in `-12.5` or `3e-4`")]
    Malformed,
    /// Beyond [`Decimal::MAX_EXPONENT`] in size.
    #[error("the exponent is out of range: numbers from 1e-{max} to 1e{max} are read", max = Decimal::MAX_EXPONENT)]
    Exponent,
    /// More than [`Decimal::MAX_DIGITS`] digits.
    #[error("{0} digits: at most {max} are read", max = Decimal::MAX_DIGITS)]
    Digits(usize),
}

impl Decimal {
    /// Largest size of a decimal exponent in text; every double needs less than 1,100.
    pub const MAX_EXPONENT: i64 = 5_000;
    /// Largest number of significant digits in text; every double needs less than 800.
    pub const MAX_DIGITS: usize = 10_000;

    /// Reads digits with an optional sign, point and exponent, exactly.
    pub fn parse(text: &[u8]) -> Result<Decimal, DecimalError> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (whole, rest) = split_digits(rest);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => split_digits(rest),
            rest => (&[][..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(DecimalError::Malformed);
        }
        let written = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => parse_exponent(rest)?,
            _ => return Err(DecimalError::Malformed),
        };
        let digits = Digits::trim(whole, fraction);
        let Some(exponent) = digits.exponent(written)? else { return Ok(Decimal::ZERO) };
        Ok(digits.into_decimal(negative, exponent))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;
    fn from_str(text: &str) -> Result<Decimal, DecimalError> {
        Decimal::parse(text.as_bytes())
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len()))
}

/// The number after `e`, saturating far outside of the range that is read.
fn parse_exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::Malformed);
    }
    let size = digits.iter().fold(0i64, |n, d| (n * 10 + i64::from(d - b'0')).min(i64::MAX / 100));
    Ok(if negative { -size } else { size })
}

/// The digits before and after the point, without zeros at the outer ends.
struct Digits<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
}

impl<'a> Digits<'a> {
    fn trim(whole: &'a [u8], fraction: &'a [u8]) -> Digits<'a> {
        let end = fraction.iter().rposition(|&d| d != b'0').map_or(0, |last| last + 1);
        let start = whole.iter().position(|&d| d != b'0').unwrap_or(whole.len());
        Digits { whole: &whole[start..], fraction: &fraction[..end] }
    }

    /// Power of ten of the last digit, or `None` for zero; refuses what is out of range before any large number is made.
    fn exponent(&self, written: i64) -> Result<Option<i64>, DecimalError> {
        let leading = if self.whole.is_empty() { self.fraction.iter().take_while(|&&d| d == b'0').count() } else { 0 };
        let significant = self.whole.len() + self.fraction.len() - leading;
        if significant == 0 {
            return Ok(None);
        }
        if significant > Decimal::MAX_DIGITS {
            return Err(DecimalError::Digits(significant));
        }
        let exponent = written - self.fraction.len() as i64;
        let magnitude = exponent + significant as i64 - 1;
        if magnitude.abs() > Decimal::MAX_EXPONENT { Err(DecimalError::Exponent) } else { Ok(Some(exponent)) }
    }

    fn into_decimal(self, negative: bool, exponent: i64) -> Decimal {
        let digits = self.whole.iter().chain(self.fraction).skip_while(|&&d| d == b'0');
        let count = digits.clone().count();
        if count <= 18 {
            let size = digits.fold(0i64, |n, d| n * 10 + i64::from(d - b'0'));
            return Decimal::from_small(if negative { -size } else { size }.into(), exponent);
        }
        if count <= 38 {
            let size = digits.fold(0i128, |n, d| n * 10 + i128::from(d - b'0'));
            return Decimal::from_small(if negative { -size } else { size }, exponent);
        }
        let text: String = digits.map(|&d| char::from(d)).collect();
        let size = IBig::from(UBig::from_str_radix(&text, 10).expect("decimal digits only"));
        Decimal::from_large(if negative { -size } else { size }, exponent)
    }
}
