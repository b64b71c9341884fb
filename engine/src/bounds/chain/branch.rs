//! Where to split: the input whose halving shrinks the relaxation gaps that matter most, or late a neuron.
//!
//! The score of an input is the closed-form drop of `sum_j |c_j| gap_j` when its range is halved, with `c` the worst
//! combination of objectives and the neurons' own lines telling how their intervals shrink.

use super::bounder::{Bounder, Part, Workspace};
use crate::kernels::Kernel;

/// A split of a part into two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice<F> {
    /// Halve the range of an input.
    Input {
        /// Which input.
        dimension: usize,
        /// Where.
        at: F,
    },
    /// Fix a hinge to its sides.
    Neuron {
        /// Hidden layer.
        layer: u32,
        /// Neuron in it.
        neuron: u32,
    },
}

/// An unstable neuron as the score sees it.
struct Gap {
    layer: u32,
    neuron: u32,
    weight: f64,
    low: f64,
    high: f64,
    kink: f64,
}

/// The best split, or `None` if neither an input nor a neuron can be split.
pub(super) fn choose<F: Kernel>(bounder: &Bounder<F>, part: &Part<F>, ws: &Workspace<F>) -> Option<Choice<F>> {
    let gaps = gaps(bounder, ws);
    if !gaps.is_empty() && gaps.len() <= bounder.neuron_split_below {
        let score = |g: &Gap| g.weight.abs() * gap(g.weight, g.low, g.high) * g.kink;
        let best = gaps.iter().max_by(|x, y| score(x).total_cmp(&score(y)))?;
        return Some(Choice::Neuron { layer: best.layer, neuron: best.neuron });
    }
    let halves = |d: usize| {
        let at = F::from_f64(0.5 * part.low[d].to_f64() + 0.5 * part.high[d].to_f64());
        (part.low[d] < at && at < part.high[d]).then_some(at)
    };
    let scores = scores(bounder, ws, &gaps);
    let widest = |d: usize| ws.high[d] - ws.low[d];
    let dimension = (0..part.low.len())
        .filter(|&d| halves(d).is_some())
        .max_by(|&x, &y| scores[x].total_cmp(&scores[y]).then(widest(x).total_cmp(&widest(y))))?;
    Some(Choice::Input { dimension, at: halves(dimension)? })
}

/// All unstable neurons with the mixture's coefficients.
fn gaps<F: Kernel>(bounder: &Bounder<F>, ws: &Workspace<F>) -> Vec<Gap> {
    let facts = ws.facts.as_ref().expect("loaded");
    let mut found = Vec::with_capacity(ws.unstable);
    for (k, layer) in bounder.chain.hidden().iter().enumerate() {
        let start = bounder.span(k).start;
        let reduced = &ws.layers[k];
        let mixture = &ws.traces[k][bounder.objectives.rows.len() * reduced.width..];
        for (&j, c) in reduced.live.iter().zip(mixture) {
            let (low, high) = (facts.low[start + j as usize].to_f64(), facts.high[start + j as usize].to_f64());
            let slope = layer.slope[j as usize].to_f64();
            if low < 0.0 && high > 0.0 && slope < 1.0 {
                found.push(Gap { layer: k as u32, neuron: j, weight: c.to_f64(), low, high, kink: 1.0 - slope });
            }
        }
    }
    found
}

/// How far the relaxation of a unit hinge can be from it, on the side that a coefficient of this sign uses.
#[inline]
fn gap(weight: f64, low: f64, high: f64) -> f64 {
    if low >= 0.0 || high <= 0.0 {
        0.0
    } else if weight > 0.0 {
        -low * high / (high - low)
    } else {
        high.min(-low)
    }
}

fn scores<F: Kernel>(bounder: &Bounder<F>, ws: &Workspace<F>, gaps: &[Gap]) -> Vec<f64> {
    let facts = ws.facts.as_ref().expect("loaded");
    let (n, dims) = (bounder.lined(), bounder.chain.inputs);
    let first = facts.low.len() - n;
    let half: Vec<f64> = ws.low.iter().zip(&ws.high).map(|(l, h)| 0.5 * (h - l)).collect();
    let mut scores = vec![0.0; dims];
    for g in gaps {
        let j = bounder.span(g.layer as usize).start + g.neuron as usize;
        let before = 2.0 * gap(g.weight, g.low, g.high);
        for d in 0..dims {
            let (lower, upper) = if g.layer == 0 {
                let w = bounder.chain.layers[0].weights[j * dims + d].to_f64();
                (w, w)
            } else {
                (facts.lower[d * n + j - first].to_f64(), facts.upper[d * n + j - first].to_f64())
            };
            let (rise, fall) = (lower * half[d], upper * half[d]);
            let left = gap(g.weight, g.low + (-rise).max(0.0), g.high - fall.max(0.0));
            let right = gap(g.weight, g.low + rise.max(0.0), g.high - (-fall).max(0.0));
            scores[d] += g.weight.abs() * g.kink * (before - left - right);
        }
    }
    scores
}
