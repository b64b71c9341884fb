//! Exact interval bounds of every accumulator and value.

use super::network::{Layer, Network};

/// An interval of integers, ends included; empty if `low > high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Least value.
    pub low: i64,
    /// Greatest value.
    pub high: i64,
}

impl Range {
    /// What both ranges share.
    pub fn meet(self, other: Range) -> Range {
        Range { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// True if no integer is inside.
    pub fn is_empty(self) -> bool {
        self.low > self.high
    }

    /// True if exactly one integer is inside.
    pub fn is_point(self) -> bool {
        self.low == self.high
    }
}

/// Ranges of the accumulators of a layer from ranges of its inputs: exact, attained at corners.
pub fn affine(layer: &Layer, input: &[Range]) -> Vec<Range> {
    let row = |o: usize| {
        let mut range = Range { low: layer.bias[o], high: layer.bias[o] };
        for (&w, r) in layer.row(o).iter().zip(input) {
            let (at_low, at_high) = (i64::from(w) * r.low, i64::from(w) * r.high);
            range.low += at_low.min(at_high);
            range.high += at_low.max(at_high);
        }
        range
    };
    (0..layer.outputs).map(row).collect()
}

/// Ranges of the values of a layer from those of its accumulators.
pub fn requantised(layer: &Layer, accumulators: &[Range]) -> Vec<Range> {
    let value = |(o, r): (usize, &Range)| Range { low: layer.staircase(o).apply(r.low), high: layer.staircase(o).apply(r.high) };
    accumulators.iter().enumerate().map(value).collect()
}

/// Narrows the ranges of the accumulators from layer `from` on to what the ranges before them allow. False if one is empty:
/// no input is left.
pub fn narrow(network: &Network, input: &[Range], accumulators: &mut [Vec<Range>], from: usize) -> bool {
    for k in from..network.layers().len() {
        let values = match k.checked_sub(1) {
            None => input.to_vec(),
            Some(before) => requantised(&network.layers()[before], &accumulators[before]),
        };
        for (range, derived) in accumulators[k].iter_mut().zip(affine(&network.layers()[k], &values)) {
            *range = range.meet(derived);
            if range.is_empty() {
                return false;
            }
        }
    }
    true
}

/// Ranges of the accumulators of all layers over a box.
pub fn interval(network: &Network, input: &[Range]) -> Vec<Vec<Range>> {
    let mut values = input.to_vec();
    let mut all = Vec::new();
    for layer in network.layers() {
        let accumulators = affine(layer, &values);
        values = requantised(layer, &accumulators);
        all.push(accumulators);
    }
    all
}
