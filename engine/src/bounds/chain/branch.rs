//! Where to split: the input whose halving shrinks the relaxation gaps that matter most, or late a neuron.
//!
//! The score of an input is the closed-form drop of `sum_j |c_j| gap_j` when its range is halved, with `c` the worst
//! combination of objectives and the neurons' own lines telling how their intervals shrink.

use super::bounder::{Bounder, Part};
use super::workspace::Workspace;
use crate::kernels::{Kernel, rows};

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

/// The unstable neurons of a part as the scores see them, one array per quantity.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps<F> {
    layer: Vec<u32>,
    neuron: Vec<u32>,
    /// `|c_j|` times the bend of the hinge.
    weight: Vec<F>,
    low: Vec<F>,
    high: Vec<F>,
    /// Coefficients of the neurons' lines in one input.
    lower: Vec<F>,
    upper: Vec<F>,
}

impl<F: Kernel> Gaps<F> {
    fn clear(&mut self) {
        let Gaps { layer, neuron, weight, low, high, .. } = self;
        layer.clear();
        neuron.clear();
        weight.clear();
        low.clear();
        high.clear();
    }
}

/// The best split, or `None` if neither an input nor a neuron can be split.
pub(super) fn choose<F: Kernel>(bounder: &Bounder<F>, part: &Part<F>, ws: &mut Workspace<F>) -> Option<Choice<F>> {
    let mut gaps = std::mem::take(&mut ws.gaps);
    find(bounder, ws, &mut gaps);
    let choice = match (neuron(&gaps), input(bounder, part, ws, &mut gaps)) {
        (Some((neuron, _)), _) if gaps.weight.len() <= bounder.neuron_split_below => Some(neuron),
        (Some((neuron, gain)), Some((_, drop))) if bounder.chain.inputs >= MANY_INPUTS && gain * 1e9 > drop => Some(neuron),
        (Some((neuron, _)), None) => Some(neuron),
        (_, input) => input.map(|i| i.0),
    };
    ws.gaps = gaps;
    choice
}

/// From here on halving one input changes little: the better of both kinds of split is taken at once. With few inputs,
/// early neuron splits were measured to be harmful (ARCHITECTURE.md, "Branching").
const MANY_INPUTS: usize = 12;

/// The neuron whose relaxation leaves the most room, weighted, and the room that its split saves in both halves.
fn neuron<F: Kernel>(gaps: &Gaps<F>) -> Option<(Choice<F>, f64)> {
    let score = |i: usize| {
        let (l, u) = (gaps.low[i].to_f64(), gaps.high[i].to_f64());
        gaps.weight[i].to_f64() * -l * u / (u - l)
    };
    let best = (0..gaps.weight.len()).max_by(|&x, &y| score(x).total_cmp(&score(y)))?;
    Some((Choice::Neuron { layer: gaps.layer[best], neuron: gaps.neuron[best] }, 2.0 * score(best)))
}

/// The input with the greatest drop of gaps, and that drop.
fn input<F: Kernel>(bounder: &Bounder<F>, part: &Part<F>, ws: &Workspace<F>, gaps: &mut Gaps<F>) -> Option<(Choice<F>, f64)> {
    let middle = |d: usize| {
        let at = F::from_f64(0.5 * part.low[d].to_f64() + 0.5 * part.high[d].to_f64());
        (part.low[d] < at && at < part.high[d]).then_some(at)
    };
    let mut best: Option<(f64, f64, usize, F)> = None;
    for d in 0..part.low.len() {
        let Some(at) = middle(d) else { continue };
        let width = ws.high[d] - ws.low[d];
        let score = drop_of(bounder, ws, gaps, d, F::from_f64(0.5 * width));
        if best.is_none_or(|b| (score, width) > (b.0, b.1)) {
            best = Some((score, width, d, at));
        }
    }
    best.map(|(drop, _, dimension, at)| (Choice::Input { dimension, at }, drop))
}

/// All unstable neurons with the mixture's coefficients.
fn find<F: Kernel>(bounder: &Bounder<F>, ws: &Workspace<F>, gaps: &mut Gaps<F>) {
    gaps.clear();
    let facts = &ws.facts;
    for (k, layer) in bounder.chain.hidden().iter().enumerate() {
        let start = bounder.span(k).start;
        let reduced = &ws.layers[k];
        let mixture = &ws.traces[k][bounder.objectives.rows.len() * reduced.width..];
        for (&j, &c) in reduced.live.iter().zip(mixture) {
            let (low, high) = (facts.low[start + j as usize], facts.high[start + j as usize]);
            let slope = layer.slope[j as usize];
            if low < F::ZERO && high > F::ZERO && slope < F::ONE {
                gaps.layer.push(k as u32);
                gaps.neuron.push(j);
                gaps.weight.push(c.abs() * (F::ONE - slope));
                gaps.low.push(low);
                gaps.high.push(high);
            }
        }
    }
}

/// The drop of the weighted gaps, summed over both halves of input `d`.
fn drop_of<F: Kernel>(bounder: &Bounder<F>, ws: &Workspace<F>, gaps: &mut Gaps<F>, d: usize, half: F) -> f64 {
    let facts = &ws.facts;
    let (n, dims) = (bounder.lined(), bounder.chain.inputs);
    let first = facts.low.len() - n;
    gaps.lower.clear();
    gaps.upper.clear();
    for (&k, &j) in gaps.layer.iter().zip(&gaps.neuron) {
        let (lower, upper) = if k == 0 {
            let w = bounder.chain.layers[0].weights[j as usize * dims + d];
            (w, w)
        } else {
            let at = d * n + bounder.span(k as usize).start + j as usize - first;
            (facts.lower[at], facts.upper[at])
        };
        gaps.lower.push(lower);
        gaps.upper.push(upper);
    }
    rows::gap_drop(&gaps.weight, &gaps.low, &gaps.high, &gaps.lower, &gaps.upper, half).to_f64()
}
