//! Fractions as texts, and a limit on how much work they may make.

use dashu::base::BitTest;
use dashu::integer::{IBig, UBig};
use dashu::rational::RBig;

use crate::ExchangeError;
use crate::json::Field;

/// Most digits of a numerator or a denominator.
const MOST_DIGITS: usize = 1000;

/// Reads `-12` or `3/4`. Numbers of JSON are refused, as in the format's definition: they are not exact everywhere.
pub fn fraction(field: &Field) -> Result<RBig, ExchangeError> {
    let expected = || field.expected("a text such as `-12` or `3/4`, with a positive denominator");
    let text = field.text()?;
    let (negative, size) = match text.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, text),
    };
    let (above, below) = size.split_once('/').unwrap_or((size, "1"));
    let digits = |part: &str| match part.len() {
        1..=MOST_DIGITS if part.bytes().all(|b| b.is_ascii_digit()) => UBig::from_str_radix(part, 10).map_err(|_| expected()),
        n if n > MOST_DIGITS => Err(field.expected(format!("at most {MOST_DIGITS} digits"))),
        _ => Err(expected()),
    };
    let (above, below) = (IBig::from(digits(above)?), digits(below)?);
    if below == UBig::ZERO {
        return Err(expected());
    }
    Ok(RBig::from_parts(if negative { -above } else { above }, below))
}

/// The text of a fraction.
pub fn text(x: &RBig) -> String {
    match x.denominator().is_one() {
        true => x.numerator().to_string(),
        false => format!("{}/{}", x.numerator(), x.denominator()),
    }
}

/// The size of a fraction in bits.
pub fn bits(x: &RBig) -> usize {
    x.numerator().bit_len() + x.denominator().bit_len()
}

/// Exact arithmetic was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("exact arithmetic on a network of this size would take too much time or memory")]
pub struct TooMuch;

/// What exact arithmetic may still cost, in bits of intermediate results.
#[derive(Clone, Debug)]
pub struct Budget(u64);

impl Default for Budget {
    /// Some minutes at most.
    fn default() -> Budget {
        Budget(1 << 35)
    }
}

impl Budget {
    /// Longest intermediate number.
    const LONGEST: usize = 1 << 16;

    /// `sum += a b`.
    pub fn add_product(&mut self, sum: &mut RBig, a: &RBig, b: &RBig) -> Result<(), TooMuch> {
        if a.is_zero() || b.is_zero() {
            return Ok(());
        }
        let product = if a.is_one() { b.clone() } else { a * b };
        *sum = std::mem::take(sum) + product;
        let size = bits(sum);
        self.0 = self.0.checked_sub(size as u64 + 64).ok_or(TooMuch)?;
        if size > Budget::LONGEST { Err(TooMuch) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Value;

    fn read(s: &str) -> Result<String, String> {
        let value = Value::Text(s.into());
        fraction(&Field::top("f", &value)).map(|x| text(&x)).map_err(|e| e.to_string())
    }

    #[test]
    fn fractions_are_read_exactly_and_reduced() {
        for (written, value) in [("-12", "-12"), ("6/4", "3/2"), ("-0", "0"), ("0/7", "0"), ("007", "7")] {
            assert_eq!(read(written), Ok(value.into()));
        }
        for bad in ["", "-", "1/0", "1/-2", "1.5", "1e3", "+1", " 1", "1/2/3", "/2", "1/", "--1", "0x1", "¾"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&"1".repeat(1001)).unwrap_err().contains("at most 1000 digits"));
        assert!(fraction(&Field::top("f", &Value::Null)).unwrap_err().to_string().contains("a text"));
    }
}
