//! Exact numbers `integer * 2^a * 5^b`: sums and products of decimals and of binary floating-point numbers stay among them.

mod integer;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use integer::{
    add, add_multiple, any_bit_below, bit, bits, compare, divide, divide_by_fives, shifted_down, shifted_up, subtract, times_fives,
    times_plus, trim,
};

/// Most significant digits of a decimal, and the largest size of its exponent.
const MOST_DIGITS: usize = 10_000;
/// Largest size of an exponent of two or five that [`Rational::is_moderate`] accepts.
const MOST_EXPONENT: i64 = 1 << 17;

/// An exact number.
#[derive(Clone, Debug, Default)]
pub struct Rational {
    /// True below zero.
    negative: bool,
    /// The integer's size, lowest digit first, base 2^32, without leading zeros; empty for zero.
    digits: Vec<u32>,
    /// Exponent of 2.
    twos: i64,
    /// Exponent of 5.
    fives: i64,
}

impl Rational {
    /// Zero.
    pub const ZERO: Rational = Rational { negative: false, digits: Vec::new(), twos: 0, fives: 0 };

    /// One.
    pub fn one() -> Rational {
        Rational { digits: vec![1], ..Rational::ZERO }
    }

    /// Reads a decimal such as `-12.5e-3`; digits may be missing on one side of the point. Numbers of absurd length or
    /// exponent are refused before memory is taken for them.
    pub fn parse(text: &[u8]) -> Result<Rational, &'static str> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let end = text.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(text.len());
        let exponent = if end < text.len() { parse_exponent(&text[end + 1..])? } else { 0 };
        let point = text[..end].iter().position(|&b| b == b'.').unwrap_or(end);
        let (whole, fraction) = (&text[..point], &text[(point + 1).min(end)..end]);
        if whole.len() + fraction.len() == 0 || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return Err("not a decimal number");
        }
        if whole.len() + fraction.len() > MOST_DIGITS {
            return Err("a number of more than 10000 digits");
        }
        let mut digits = Vec::new();
        for b in whole.iter().chain(fraction) {
            times_plus(&mut digits, 10, u32::from(b - b'0'));
        }
        let tens = exponent - fraction.len() as i64;
        Ok(Rational { negative, digits, twos: tens, fives: tens }.normal())
    }

    /// The number itself; `None` if it is not finite.
    pub fn from_f64(x: f64) -> Option<Rational> {
        let (size, twos) = split(x)?;
        let digits = vec![size as u32, (size >> 32) as u32];
        Some(Rational { negative: x < 0.0, digits, twos, fives: 0 }.normal())
    }

    /// Whether this is zero.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        if self.is_zero() { 0 } else { 1 - 2 * i32::from(self.negative) }
    }

    /// Number of 32-bit words of the integer.
    pub fn words(&self) -> usize {
        self.digits.len()
    }

    /// False if arithmetic with this number would need absurd amounts of memory.
    pub fn is_moderate(&self) -> bool {
        self.twos.abs().max(self.fives.abs()) <= MOST_EXPONENT && bits(&self.digits) <= 4 * MOST_EXPONENT
    }

    /// Smallest exponents: the number is an integer times these powers of 2 and 5.
    pub fn exponents(&self) -> (i64, i64) {
        (self.twos, self.fives)
    }

    /// The absolute value.
    pub fn size(&self) -> Rational {
        Rational { negative: false, ..self.clone() }
    }

    /// The negative.
    pub fn negated(&self) -> Rational {
        Rational { negative: !self.negative && !self.is_zero(), ..self.clone() }
    }

    /// The sum.
    pub fn plus(&self, other: &Rational) -> Rational {
        let (twos, fives) = self.common(other);
        let (a, b) = (self.integer(twos, fives), other.integer(twos, fives));
        let (negative, digits) = match compare(&a, &b) {
            _ if self.negative == other.negative => (self.negative, add(a, &b)),
            Ordering::Less => (other.negative, subtract(b, &a)),
            _ => (self.negative, subtract(a, &b)),
        };
        Rational { negative, digits, twos, fives }.normal()
    }

    /// The difference.
    pub fn minus(&self, other: &Rational) -> Rational {
        self.plus(&other.negated())
    }

    /// The product.
    pub fn times(&self, other: &Rational) -> Rational {
        let mut digits = vec![0; self.digits.len() + other.digits.len()];
        for (i, &a) in self.digits.iter().enumerate() {
            add_multiple(&mut digits, i, u128::from(a), &other.digits);
        }
        let (twos, fives) = (self.twos + other.twos, self.fives + other.fives);
        Rational { negative: self.negative != other.negative, digits, twos, fives }.normal()
    }

    /// The quotient by `divisor`, if that is a power of two times a power of five (or the negative of one).
    pub fn over_unit(&self, divisor: &Rational) -> Option<Rational> {
        let mut integer = divisor.digits.clone();
        let mut fives = divisor.fives;
        while integer != [1] {
            if integer.is_empty() || divide(&mut integer, 5) != 0 {
                return None;
            }
            fives += 1;
        }
        let (twos, fives) = (self.twos - divisor.twos, self.fives - fives);
        Some(Rational { negative: self.negative != divisor.negative, digits: self.digits.clone(), twos, fives }.normal())
    }

    /// The greatest binary64 that is not above; minus infinity below all of them.
    pub fn down(&self) -> f64 {
        let (inside, outside) = self.around();
        if self.negative { -outside } else { inside }
    }

    /// The least binary64 that is not below; infinity above all of them.
    pub fn up(&self) -> f64 {
        let (inside, outside) = self.around();
        if self.negative { -inside } else { outside }
    }

    /// The sizes of the binary64 numbers next to this one, towards zero and away from it.
    fn around(&self) -> (f64, f64) {
        let Cut { integer, unit, rest } = self.cut(53, -1074);
        if unit > 971 {
            return (f64::MAX, f64::INFINITY);
        }
        let inside = (((unit + 1074) as u64) << 52) + integer;
        (f64::from_bits(inside), f64::from_bits(inside + u64::from(rest.is_some())))
    }

    /// The nearest binary32, ties to even; `None` where that is an infinity.
    pub fn nearest_f32(&self) -> Option<f32> {
        let cut = self.cut(24, -149);
        // A carry out of the mantissa makes the next exponent, as it should.
        let bits = if cut.unit > 104 { return None } else { ((cut.unit + 149) as u32) << 23 } + cut.nearest() as u32;
        Some(f32::from_bits(bits | u32::from(self.negative) << 31)).filter(|x| x.is_finite())
    }

    /// The nearest binary64, likewise.
    pub fn nearest_f64(&self) -> Option<f64> {
        let cut = self.cut(53, -1074);
        let bits = if cut.unit > 971 { return None } else { ((cut.unit + 1074) as u64) << 52 } + cut.nearest();
        Some(f64::from_bits(bits | u64::from(self.negative) << 63)).filter(|x| x.is_finite())
    }

    /// The leading `precision` bits of the size, in units not below `2^lowest`.
    fn cut(&self, precision: i64, lowest: i64) -> Cut {
        if self.is_zero() {
            return Cut { integer: 0, unit: lowest, rest: None };
        }
        let (mut integer, mut twos, mut exact) = (self.digits.clone(), self.twos, true);
        if self.fives >= 0 {
            times_fives(&mut integer, self.fives);
        } else {
            // 5^n has at most 7 n / 3 + 1 bits: the quotient keeps `precision` of them and a few more.
            let extra = (precision + 8 - self.fives * 7 / 3 - bits(&integer)).max(0);
            integer = shifted_up(&integer, extra);
            twos -= extra;
            exact = divide_by_fives(&mut integer, -self.fives);
        }
        let unit = (bits(&integer) + twos - precision).max(lowest);
        let dropped = unit - twos;
        let (half, below) = (dropped > 0 && bit(&integer, dropped - 1), !exact || (dropped > 1 && any_bit_below(&integer, dropped - 1)));
        let kept = if dropped > 0 { shifted_down(&integer, dropped) } else { shifted_up(&integer, -dropped) };
        let rest = match (half, below) {
            (false, false) => None,
            (false, true) => Some(Ordering::Less),
            (true, false) => Some(Ordering::Equal),
            (true, true) => Some(Ordering::Greater),
        };
        Cut { integer: kept.iter().rev().fold(0, |n, &d| n << 32 | u64::from(d)), unit, rest }
    }

    /// The least exponents of the two.
    fn common(&self, other: &Rational) -> (i64, i64) {
        match (self.is_zero(), other.is_zero()) {
            (true, _) => (other.twos, other.fives),
            (_, true) => (self.twos, self.fives),
            _ => (self.twos.min(other.twos), self.fives.min(other.fives)),
        }
    }

    /// The size as an integer times these powers, which are at most its own.
    fn integer(&self, twos: i64, fives: i64) -> Vec<u32> {
        let mut integer = shifted_up(&self.digits, if self.is_zero() { 0 } else { self.twos - twos });
        times_fives(&mut integer, self.fives - fives);
        integer
    }

    /// Without leading zeros, the integer odd.
    fn normal(mut self) -> Rational {
        trim(&mut self.digits);
        if self.is_zero() {
            return Rational::ZERO;
        }
        let zeros = self.digits.iter().take_while(|&&d| d == 0).count();
        let shift = 32 * zeros as i64 + i64::from(self.digits[zeros].trailing_zeros());
        if shift > 0 {
            self.digits = shifted_down(&self.digits, shift);
            self.twos += shift;
        }
        self
    }
}

impl PartialEq for Rational {
    fn eq(&self, other: &Rational) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rational {}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Rational) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Rational) -> Ordering {
        let signs = self.sign().cmp(&other.sign());
        if signs != Ordering::Equal || self.is_zero() {
            return signs;
        }
        let (twos, fives) = self.common(other);
        let sizes = compare(&self.integer(twos, fives), &other.integer(twos, fives));
        if self.negative { sizes.reverse() } else { sizes }
    }
}

/// A size cut to a floating-point format: `integer * 2^unit` and how what is cut off compares with half a unit.
struct Cut {
    integer: u64,
    unit: i64,
    rest: Option<Ordering>,
}

impl Cut {
    /// Rounded to the nearest integer, ties to even.
    fn nearest(&self) -> u64 {
        let up = self.rest == Some(Ordering::Greater) || (self.rest == Some(Ordering::Equal) && self.integer % 2 == 1);
        self.integer + u64::from(up)
    }
}

/// A sum of products of binary64 and exact numbers, gathered without taking memory for each.
pub struct Sum {
    above: Vec<u32>,
    below: Vec<u32>,
    twos: i64,
    fives: i64,
}

impl Sum {
    /// Zero; every product added must be an integer times `2^twos 5^fives`.
    pub fn new(twos: i64, fives: i64) -> Sum {
        Sum { above: Vec::new(), below: Vec::new(), twos, fives }
    }

    /// Adds `weight * value`; false, and nothing is added, if the weight is not finite or the product not such an integer.
    pub fn add(&mut self, weight: f64, value: &Rational) -> bool {
        let Some((size, exponent)) = split(weight) else { return false };
        if size == 0 || value.is_zero() {
            return true;
        }
        let shift = exponent + value.twos - self.twos;
        if shift < 0 || value.fives < self.fives {
            return false;
        }
        let mut scaled = Vec::new();
        let digits = if value.fives == self.fives {
            &value.digits
        } else {
            scaled.clone_from(&value.digits);
            times_fives(&mut scaled, value.fives - self.fives);
            &scaled
        };
        let side = if (weight < 0.0) == value.negative { &mut self.above } else { &mut self.below };
        let (words, rest) = ((shift / 32) as usize, shift % 32);
        if side.len() < words + digits.len() + 4 {
            side.resize(words + digits.len() + 4, 0);
        }
        add_multiple(side, words, u128::from(size) << rest, digits);
        true
    }

    /// What was added.
    pub fn total(self) -> Rational {
        let side = |digits, negative| Rational { negative, digits, twos: self.twos, fives: self.fives }.normal();
        side(self.above, false).plus(&side(self.below, true))
    }
}

/// The size of a finite number as `integer * 2^exponent`, the integer odd or zero.
pub fn split(x: f64) -> Option<(u64, i64)> {
    let (field, fraction) = ((x.to_bits() >> 52 & 0x7ff) as i64, x.to_bits() & ((1 << 52) - 1));
    let (integer, exponent) = match field {
        0 => (fraction, -1074),
        0x7ff => return None,
        _ => (fraction | 1 << 52, field - 1075),
    };
    let zeros = integer.trailing_zeros() % 64;
    Some((integer >> zeros, exponent + i64::from(zeros)))
}

fn parse_exponent(text: &[u8]) -> Result<i64, &'static str> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err("not a decimal number");
    }
    let size = digits.iter().fold(0, |n, b| (10 * n + i64::from(b - b'0')).min(MOST_DIGITS as i64 + 1));
    match size > MOST_DIGITS as i64 {
        true => Err("an exponent beyond 10000"),
        false => Ok(if negative { -size } else { size }),
    }
}
