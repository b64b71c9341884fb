//! Requantisation: the monotone staircase `s(a) = clip(round(a * multiplier / 2^shift) + offset, low, high)`.

use std::cmp::Ordering;

/// How a quotient that is no integer becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// To the nearest; a half goes up, towards +infinity: `(a + half) >> shift`.
    HalfUp,
    /// To the nearest; a half goes down, towards -infinity.
    HalfDown,
    /// To the nearest; a half goes to the even neighbour.
    HalfEven,
    /// To the nearest; a half goes away from zero.
    HalfAway,
    /// Down, towards -infinity: a plain arithmetic shift.
    Floor,
    /// Towards zero: truncation.
    TowardZero,
}

impl Rounding {
    /// All modes with their names in files.
    pub const ALL: [(Rounding, &'static str); 6] = [
        (Rounding::HalfUp, "half-up"),
        (Rounding::HalfDown, "half-down"),
        (Rounding::HalfEven, "half-even"),
        (Rounding::HalfAway, "half-away"),
        (Rounding::Floor, "floor"),
        (Rounding::TowardZero, "toward-zero"),
    ];

    /// The name in files.
    pub fn name(self) -> &'static str {
        Rounding::ALL[self as usize].1
    }

    /// The mode of this name.
    pub fn named(name: &str) -> Option<Rounding> {
        Rounding::ALL.iter().find(|(_, n)| *n == name).map(|(mode, _)| *mode)
    }

    /// What is added to the floor, given its last bit, twice the remainder against the divisor, and the sign of the quotient.
    fn goes_up(self, odd: bool, half: Ordering, exact: bool, negative: bool) -> bool {
        match (self, half) {
            (Rounding::Floor, _) => false,
            (Rounding::TowardZero, _) => negative && !exact,
            (_, Ordering::Less) => false,
            (_, Ordering::Greater) => true,
            (Rounding::HalfUp, _) => true,
            (Rounding::HalfDown, _) => false,
            (Rounding::HalfEven, _) => odd,
            (Rounding::HalfAway, _) => !negative,
        }
    }

    /// `n / 2^shift`, rounded.
    fn divide(self, n: i128, shift: u32) -> i128 {
        let (floor, rest) = (n >> shift, n & ((1 << shift) - 1));
        floor + i128::from(self.goes_up(floor & 1 == 1, (2 * rest).cmp(&(1 << shift)), rest == 0, n < 0))
    }

    /// The same where everything fits 64 bits (`shift` below 61).
    fn divide_small(self, n: i64, shift: u32) -> i64 {
        let (floor, rest) = (n >> shift, n & ((1 << shift) - 1));
        floor + i64::from(self.goes_up(floor & 1 == 1, (2 * rest).cmp(&(1 << shift)), rest == 0, n < 0))
    }

    /// The least `n` with `divide(n, shift) >= value`.
    fn least(self, value: i128, shift: u32) -> i128 {
        let exact = value << shift;
        if shift == 0 {
            return exact;
        }
        let half = 1 << (shift - 1);
        match self {
            Rounding::Floor => exact,
            Rounding::TowardZero if value >= 1 => exact,
            Rounding::TowardZero => exact - (1 << shift) + 1,
            // `value - 1/2` is a half that goes up where the mode says so.
            Rounding::HalfUp => exact - half,
            Rounding::HalfEven if value & 1 == 0 => exact - half,
            Rounding::HalfAway if value >= 1 => exact - half,
            Rounding::HalfDown | Rounding::HalfEven | Rounding::HalfAway => exact - half + 1,
        }
    }
}

/// `s(a) = clip(round(a * multiplier / 2^shift) + offset, low, high)`; monotone, as the multiplier is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Requantise {
    /// At least 1.
    pub multiplier: i64,
    /// Right shift after the multiplication, at most [`Requantise::MOST_SHIFT`].
    pub shift: u32,
    /// What happens to the bits shifted out.
    pub rounding: Rounding,
    /// Added before saturation: the zero point of the output.
    pub offset: i64,
    /// Least value.
    pub low: i64,
    /// Greatest value.
    pub high: i64,
}

impl Requantise {
    /// Greatest shift: enough for 31-bit multipliers below one half.
    pub const MOST_SHIFT: u32 = 62;
    /// Greatest absolute value of offset and saturation limits.
    pub const MOST_VALUE: i64 = 1 << 40;

    /// A plain right shift, a half rounded up, saturated to `[low, high]`.
    pub fn shift(shift: u32, low: i64, high: i64) -> Requantise {
        Requantise { multiplier: 1, shift, rounding: Rounding::HalfUp, offset: 0, low, high }
    }

    /// What is wrong with the numbers, if anything.
    pub fn problem(&self) -> Option<&'static str> {
        let most = Requantise::MOST_VALUE;
        match self {
            Requantise { multiplier, .. } if !(1..=1 << 32).contains(multiplier) => Some("the multiplier must be from 1 to 2^32"),
            Requantise { shift, .. } if *shift > Requantise::MOST_SHIFT => Some("the shift must be from 0 to 62"),
            Requantise { low, high, .. } if low > high => Some("`low` must not exceed `high`"),
            Requantise { low, high, offset, .. } if [low, high, offset].iter().any(|v| v.abs_diff(0) > most as u64) => {
                Some("`low`, `high` and `offset` must be at most 2^40 in size")
            }
            _ => None,
        }
    }

    /// The value of an accumulator (of at most 63 bits, as [`crate::quantized::Network`] makes sure).
    pub fn apply(&self, a: i64) -> i64 {
        if self.shift < 61 && a.unsigned_abs() < 1 << 46 && self.multiplier < 1 << 15 {
            let rounded = self.rounding.divide_small(a * self.multiplier, self.shift) + self.offset;
            return rounded.clamp(self.low, self.high);
        }
        let rounded = self.rounding.divide(i128::from(a) * i128::from(self.multiplier), self.shift) + i128::from(self.offset);
        // Lies in the range of `low` and `high`.
        rounded.clamp(i128::from(self.low), i128::from(self.high)) as i64
    }

    /// The least accumulator with `apply(a) >= value`, for `low < value <= high`.
    ///
    /// `None` if no 64-bit accumulator reaches it.
    pub fn threshold(&self, value: i64) -> Option<i64> {
        let numerator = self.rounding.least(i128::from(value) - i128::from(self.offset), self.shift);
        let multiplier = i128::from(self.multiplier);
        // Least integer a with a * multiplier >= numerator: the ceiling of the quotient.
        i64::try_from(-(-numerator).div_euclid(multiplier)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_mode() -> impl Iterator<Item = Requantise> {
        let scales = [(1, 0), (1, 1), (1, 3), (3, 4), (5, 3), (7, 1), (13, 6)];
        Rounding::ALL.into_iter().flat_map(move |(rounding, _)| {
            scales.into_iter().flat_map(move |(multiplier, shift)| {
                [-3, 0, 2].map(|offset| Requantise { multiplier, shift, rounding, offset, low: -9, high: 11 })
            })
        })
    }

    #[test]
    fn every_mode_is_what_its_name_says() {
        let quarter = |n: i64, mode| Requantise { rounding: mode, ..Requantise::shift(2, -100, 100) }.apply(n);
        let cases = [
            (Rounding::HalfUp, [-1, -1, 0, 0, 0, 1, 1, 1, 2]),
            (Rounding::HalfDown, [-2, -1, -1, 0, 0, 0, 1, 1, 1]),
            (Rounding::HalfEven, [-2, -1, 0, 0, 0, 0, 1, 1, 2]),
            (Rounding::HalfAway, [-2, -1, -1, 0, 0, 1, 1, 1, 2]),
            (Rounding::Floor, [-2, -1, -1, -1, 0, 0, 0, 1, 1]),
            (Rounding::TowardZero, [-1, 0, 0, 0, 0, 0, 0, 1, 1]),
        ];
        for (mode, expected) in cases {
            assert_eq!([-6, -3, -2, -1, 0, 2, 3, 5, 6].map(|n| quarter(n, mode)), expected, "{mode:?}");
            assert_eq!(Rounding::named(mode.name()), Some(mode));
        }
    }

    #[test]
    fn thresholds_are_where_the_staircase_climbs() {
        for s in every_mode() {
            for value in s.low + 1..=s.high {
                let t = s.threshold(value).expect("in range");
                assert!(s.apply(t) >= value && s.apply(t - 1) < value, "{s:?} {value} {t}");
            }
        }
    }

    #[test]
    fn large_numbers_do_not_overflow() {
        for (rounding, _) in Rounding::ALL {
            let most = Requantise::MOST_VALUE;
            let s = Requantise { multiplier: 1 << 32, shift: 0, rounding, offset: most, low: -most, high: most };
            assert_eq!((s.apply(i64::MIN / 2), s.apply(i64::MAX / 2)), (-most, most));
            let s = Requantise { multiplier: 1, shift: 62, rounding, offset: -most, low: -most, high: most };
            assert_eq!(s.problem(), None);
            assert_eq!(s.threshold(most), None);
        }
    }
}
