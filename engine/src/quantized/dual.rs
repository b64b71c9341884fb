//! The Lagrangian bound in exact integers: any multipliers give a valid one.
//!
//! For a network `a_1 = W_1 x + b_1, h_1 = s(a_1), a_2 = W_2 h_1 + b_2, ...` and an objective `c . h_H + d` over the values of
//! layer `H`, any integer multipliers `lambda_k` of the accumulators of layers `1..H` give
//!
//! ```text
//! c . h_H + d <= d + sum_k sum_j max { c_kj s(a) - lambda_kj a : a in [l_kj, u_kj] } + sum_k lambda_k . b_k + max { v . x : x in box }
//! ```
//!
//! with `c_H = c`, `c_{k-1} = W_k^T lambda_k` and `v = W_1^T lambda_1`: add and subtract `lambda_k . a_k` and take each maximum
//! apart. The inner maximum sits at a corner of the staircase's hull.

use super::bounds::Range;
use super::hull::Hull;
use super::network::{Layer, Network};

use std::sync::Arc;

/// Multipliers of the accumulators of the first layers, layer by layer.
pub type Multipliers = Vec<Vec<i64>>;

/// Greatest size of a multiplier, so that no sum can overflow 128 bits: 2^40 * 2^31 (weight) * 2^46 (value) stay below 2^120.
pub const MOST_MULTIPLIER: i64 = 1 << 40;

/// An upper bound of `objective . h + constant` over the box, `h` the values of layer `multipliers.len()` (of the inputs, if 0).
///
/// `hulls[k][j]` belongs to accumulator `j` of layer `k`; `objective` has one entry per value, at most 2^80 in size.
pub fn upper_bound(
    network: &Network,
    input: &[Range],
    hulls: &[Vec<Arc<Hull>>],
    objective: &[i128],
    constant: i128,
    multipliers: &[Vec<i64>],
) -> i128 {
    let mut bound = constant;
    let mut coefficients = objective.to_vec();
    for (k, lambda) in multipliers.iter().enumerate().rev() {
        let layer = &network.layers()[k];
        for (j, &lambda) in lambda.iter().enumerate() {
            bound += crest(coefficients[j], lambda, &hulls[k][j]) + i128::from(lambda) * i128::from(layer.bias[j]);
        }
        coefficients = transposed(layer, lambda);
    }
    let reach = |(v, r): (&i128, &Range)| (v * i128::from(r.low)).max(v * i128::from(r.high));
    bound + coefficients.iter().zip(input).map(reach).sum::<i128>()
}

/// `max { c s(a) - lambda a }` over the range of the hull.
fn crest(c: i128, lambda: i64, hull: &Hull) -> i128 {
    let chain = if c >= 0 { &hull.upper } else { &hull.lower };
    let at = |&(a, h): &(i64, i64)| c * i128::from(h) - i128::from(lambda) * i128::from(a);
    chain.iter().map(at).max().unwrap_or(0)
}

/// `W^T lambda`; at most 2^31 * 2^40 * 2^20 in size.
fn transposed(layer: &Layer, lambda: &[i64]) -> Vec<i128> {
    let small = lambda.iter().all(|l| l.unsigned_abs() < 1 << 31);
    let mut wide = vec![0i128; layer.inputs];
    let mut sums = vec![0i64; if small { layer.inputs } else { 0 }];
    // Blocks of rows whose sums of products below 2^62 fit 64 bits.
    for (j, &l) in lambda.iter().enumerate().filter(|(_, l)| **l != 0) {
        let row = layer.row(j);
        let safe = small && row.iter().all(|w| w.unsigned_abs() < 1 << 20) && lambda.len() < 1 << 11;
        match safe {
            true => sums.iter_mut().zip(row).for_each(|(s, &w)| *s += l * i64::from(w)),
            false => wide.iter_mut().zip(row).for_each(|(s, &w)| *s += i128::from(l) * i128::from(w)),
        }
    }
    wide.iter_mut().zip(&sums).for_each(|(w, &s)| *w += i128::from(s));
    wide
}
