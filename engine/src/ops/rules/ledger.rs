//! Exact book-keeping of one backward step of a general operator: multipliers handed to operands, constants collected.

use super::nan_max;
use crate::numerics::Interval;
use crate::ops::Ranges;

/// Adds multipliers to rows of operands and collects the bound `sup { c . f(p) - sum multiplier . p }`.
pub struct Ledger<'a> {
    inputs: &'a [&'a Ranges],
    back: &'a mut [Vec<f64>],
    bound: f64,
}

impl<'a> Ledger<'a> {
    /// An empty account.
    pub fn new(inputs: &'a [&'a Ranges], back: &'a mut [Vec<f64>]) -> Ledger<'a> {
        Ledger { inputs, back, bound: 0.0 }
    }

    /// The proved interval of an operand's element; the whole line for nonsense.
    pub fn range(&self, operand: usize, index: usize) -> Interval {
        range(self.inputs, operand, index)
    }

    /// Adds a constant to the bound, rounded up. An exact 0 costs nothing.
    pub fn charge(&mut self, at_least: f64) {
        if at_least != 0.0 {
            self.bound = (self.bound + at_least).next_up();
        }
    }

    /// Adds `multiplier` to the element's row entry. What the addition rounds away is charged: with `entry + multiplier =
    /// sum + rest` exactly (Knuth's two-sum), the row has got `multiplier - rest`, so `sup rest p` is owed.
    pub fn add(&mut self, operand: usize, index: usize, multiplier: f64) {
        let range = self.range(operand, index);
        let entry = &mut self.back[operand][index];
        let sum = *entry + multiplier;
        let part = sum - *entry;
        let rest = (*entry - (sum - part)) + (multiplier - part);
        *entry = sum;
        if rest.is_nan() {
            self.bound = f64::NAN;
        } else if rest != 0.0 {
            self.charge((Interval::point(rest) * range).high);
        }
    }

    /// The bound so far.
    pub fn bound(self) -> f64 {
        self.bound
    }
}

/// The proved interval of an operand's element; the whole line for NaN or crossed ends.
pub fn range(inputs: &[&Ranges], operand: usize, index: usize) -> Interval {
    let Interval { low, high } = inputs[operand].at(index);
    Interval::new(low, high).unwrap_or(Interval::WHOLE)
}

/// A multiplier that can be used: NaN and infinities become 0.
pub fn usable(multiplier: f64) -> f64 {
    if multiplier.is_finite() { multiplier } else { 0.0 }
}

/// Upper bound of the largest of several sums; NaN if one is.
pub fn largest(bounds: impl IntoIterator<Item = f64>) -> f64 {
    bounds.into_iter().fold(f64::NEG_INFINITY, nan_max)
}
