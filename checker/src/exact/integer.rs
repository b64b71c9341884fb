//! Integers of any length: digits base 2^32, the lowest first.

use std::cmp::Ordering;

/// Exponent of the greatest power of five below 2^32.
const MOST_FIVES: i64 = 13;

pub(super) fn trim(a: &mut Vec<u32>) {
    a.truncate(a.iter().rposition(|&d| d != 0).map_or(0, |last| last + 1));
}

/// Number of bits, of an integer without leading zeros.
pub(super) fn bits(a: &[u32]) -> i64 {
    a.last().map_or(0, |last| 32 * a.len() as i64 - i64::from(last.leading_zeros()))
}

pub(super) fn bit(a: &[u32], place: i64) -> bool {
    a.get((place / 32) as usize).is_some_and(|d| d >> (place % 32) & 1 == 1)
}

pub(super) fn any_bit_below(a: &[u32], place: i64) -> bool {
    let word = (place / 32) as usize;
    a.iter().take(word).any(|&d| d != 0) || a.get(word).is_some_and(|d| d & ((1 << (place % 32)) - 1) != 0)
}

/// Compares integers without leading zeros.
pub(super) fn compare(a: &[u32], b: &[u32]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

pub(super) fn add(mut a: Vec<u32>, b: &[u32]) -> Vec<u32> {
    a.resize(a.len().max(b.len()) + 1, 0);
    add_multiple(&mut a, 0, 1, b);
    a
}

/// `a - b`, which is not below zero.
pub(super) fn subtract(mut a: Vec<u32>, b: &[u32]) -> Vec<u32> {
    let mut borrow = 0;
    for (i, d) in a.iter_mut().enumerate() {
        let difference = i64::from(*d) - i64::from(b.get(i).copied().unwrap_or(0)) + borrow;
        (*d, borrow) = (difference as u32, difference >> 32);
    }
    a
}

/// Adds `factor * b * 2^(32 words)` to `a`, which is long enough; the factor is below 2^90.
pub(super) fn add_multiple(a: &mut [u32], words: usize, factor: u128, b: &[u32]) {
    let mut carry = 0u128;
    for (i, d) in a[words..].iter_mut().enumerate() {
        if i >= b.len() && carry == 0 {
            return;
        }
        let sum = u128::from(*d) + carry + factor * u128::from(b.get(i).copied().unwrap_or(0));
        (*d, carry) = (sum as u32, sum >> 32);
    }
}

pub(super) fn times_plus(a: &mut Vec<u32>, factor: u32, mut carry: u32) {
    for d in a.iter_mut() {
        let product = u64::from(*d) * u64::from(factor) + u64::from(carry);
        (*d, carry) = (product as u32, (product >> 32) as u32);
    }
    if carry > 0 {
        a.push(carry);
    }
}

pub(super) fn times_fives(a: &mut Vec<u32>, mut exponent: i64) {
    while exponent > 0 && !a.is_empty() {
        let step = exponent.min(MOST_FIVES);
        times_plus(a, 5u32.pow(step as u32), 0);
        exponent -= step;
    }
}

/// Divides and returns the rest.
pub(super) fn divide(a: &mut Vec<u32>, divisor: u32) -> u32 {
    let mut rest = 0u64;
    for d in a.iter_mut().rev() {
        let value = rest << 32 | u64::from(*d);
        (*d, rest) = ((value / u64::from(divisor)) as u32, value % u64::from(divisor));
    }
    trim(a);
    rest as u32
}

/// Divides by a power of five, rounding down; true if there was no rest.
pub(super) fn divide_by_fives(a: &mut Vec<u32>, mut exponent: i64) -> bool {
    let mut exact = true;
    while exponent > 0 && !a.is_empty() {
        let step = exponent.min(MOST_FIVES);
        exact &= divide(a, 5u32.pow(step as u32)) == 0;
        exponent -= step;
    }
    exact
}

pub(super) fn shifted_up(a: &[u32], by: i64) -> Vec<u32> {
    let (words, rest) = ((by / 32) as usize, by % 32);
    let mut shifted = vec![0; words + a.len() + 1];
    add_multiple(&mut shifted, words, 1 << rest, a);
    trim(&mut shifted);
    shifted
}

pub(super) fn shifted_down(a: &[u32], by: i64) -> Vec<u32> {
    let (words, rest) = ((by / 32) as usize, by % 32);
    let at = |i: usize| u64::from(a.get(i).copied().unwrap_or(0));
    let mut shifted: Vec<u32> = (words..a.len()).map(|i| ((at(i + 1) << 32 | at(i)) >> rest) as u32).collect();
    trim(&mut shifted);
    shifted
}
