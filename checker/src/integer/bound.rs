//! Ranges of accumulators, and the Lagrangian bound.

use std::sync::Arc;

use super::network::{LARGEST, Layer, Network, Range};

/// Ranges of everything at a node of a proof.
#[derive(Clone, Debug)]
pub struct State {
    /// Of the inputs.
    pub input: Arc<[Range]>,
    /// Of the accumulators of every layer.
    pub accumulators: Vec<Vec<Range>>,
    /// Levels at which the target is still to be excluded.
    pub levels: Range,
    /// True once a range is empty: nothing is left to prove.
    pub empty: bool,
}

/// Greatest size of a multiplier: with accumulators and products `|w| |h|` summing to less than 2^46, all sums stay below 2^120.
pub const MOST: i64 = 1 << 40;

impl State {
    /// Over a box.
    pub fn new(network: &Network, input: &[Range]) -> State {
        let everything = (-(LARGEST as i64), LARGEST as i64);
        let accumulators = network.layers.iter().map(|l| vec![everything; l.rows.len()]).collect();
        let mut state = State { input: input.into(), accumulators, levels: (0, 0), empty: false };
        state.narrow(network, 0);
        state
    }

    /// Meets the accumulators of the layers from `from` on with what the ranges before them imply.
    pub fn narrow(&mut self, network: &Network, from: usize) {
        for k in from..network.layers.len() {
            let values: Vec<Range> = if k == 0 { self.input.to_vec() } else { self.values(&network.layers[k - 1], k - 1) };
            for (o, row) in network.layers[k].rows.iter().enumerate() {
                let bias = network.layers[k].bias[o];
                let (mut low, mut high) = (bias, bias);
                for (&w, &(l, h)) in row.iter().zip(&values) {
                    let (least, most) = if w < 0 { (w * h, w * l) } else { (w * l, w * h) };
                    low += least;
                    high += most;
                }
                self.meet(k, o, (low, high));
            }
            if self.empty {
                return;
            }
        }
    }

    fn values(&self, layer: &Layer, k: usize) -> Vec<Range> {
        let value = |(o, r): (usize, &Range)| (layer.staircase(o).apply(r.0), layer.staircase(o).apply(r.1));
        self.accumulators[k].iter().enumerate().map(value).collect()
    }

    /// Meets one accumulator's range.
    pub fn meet(&mut self, layer: usize, output: usize, with: Range) {
        let range = &mut self.accumulators[layer][output];
        *range = (range.0.max(with.0), range.1.min(with.1));
        self.empty |= range.0 > range.1;
    }

    /// An upper bound of `objective . h`, `h` the values of layer `multipliers.len()` (inputs for none): for any multipliers
    ///
    /// `sum_k sum_j max { c_kj s(a) - lambda_kj a : a in the range } + sum_k lambda_k . b_k + max { v . x : x in the box }`,
    ///
    /// `c` the objective, then the weighted sums of the layer above. Sizes of multipliers are at most [`MOST`].
    pub fn upper_bound(&self, network: &Network, objective: Vec<i128>, multipliers: &[Vec<i64>]) -> i128 {
        let mut total = 0;
        let mut coefficients = objective;
        for (k, lambda) in multipliers.iter().enumerate().rev() {
            let layer = &network.layers[k];
            for (j, &l) in lambda.iter().enumerate() {
                total += i128::from(l) * i128::from(layer.bias[j]) + greatest(layer, j, coefficients[j], l, self.accumulators[k][j]);
            }
            coefficients = weighted(layer, lambda);
        }
        let reach = |(c, r): (&i128, &Range)| (c * i128::from(r.0)).max(c * i128::from(r.1));
        total + coefficients.iter().zip(self.input.iter()).map(reach).sum::<i128>()
    }
}

/// `max { c s(a) - lambda a : a in the range }`, value by value; on the accumulators of one value the ends decide.
fn greatest(layer: &Layer, output: usize, c: i128, lambda: i64, (low, high): Range) -> i128 {
    let staircase = layer.staircase(output);
    let (first, last) = (staircase.apply(low), staircase.apply(high));
    let mut best = i128::MIN;
    let mut value = first;
    while value <= last {
        let start = if value == first { low } else { layer.climb(output, value) };
        let end = if value == last { high } else { layer.climb(output, value + 1) - 1 };
        // A value that is jumped over has no accumulators.
        if start <= end {
            let a = if lambda > 0 { start } else { end };
            best = best.max(c * i128::from(value) - i128::from(lambda) * i128::from(a));
        }
        value += 1;
    }
    best
}

/// `W^T lambda`.
fn weighted(layer: &Layer, lambda: &[i64]) -> Vec<i128> {
    let size: i128 = lambda.iter().map(|l| i128::from(*l).abs()).sum();
    let rows = || layer.rows.iter().zip(lambda).filter(|(_, l)| **l != 0);
    // No sum can exceed this: 64 bits do.
    if size * i128::from(layer.largest) < 1 << 62 {
        let mut sums = vec![0i64; layer.inputs];
        rows().for_each(|(row, l)| sums.iter_mut().zip(row).for_each(|(s, w)| *s += l * w));
        return sums.into_iter().map(i128::from).collect();
    }
    let mut sums = vec![0i128; layer.inputs];
    rows().for_each(|(row, l)| sums.iter_mut().zip(row).for_each(|(s, w)| *s += i128::from(*l) * i128::from(*w)));
    sums
}
