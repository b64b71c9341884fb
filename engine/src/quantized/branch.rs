//! Where to split a part: free to err, as both halves always cover it.

use super::bounds::Range;
use super::first_layer::FirstLayer;
use super::problem::{Level, Model, Part, Split};
use super::query::Target;
use super::relax::{Bound, Effort, Relaxation, Relaxed, Warm};

/// A split, and which half to look at first: the one with the larger bound, where a counterexample is likelier.
pub struct Choice {
    /// How to split.
    pub split: Split,
    /// True if the half above comes first.
    pub second_first: bool,
}

/// What a choice depends on.
pub struct Branch<'a> {
    /// The network.
    pub model: &'a Model<'a>,
    /// The first layer.
    pub first: &'a FirstLayer,
    /// The part.
    pub part: &'a Part,
    /// The target.
    pub target: Target<'a>,
    /// The part's levels.
    pub levels: &'a [Level],
}

/// Neurons that are tried before a split.
const CANDIDATES: usize = 6;
/// Pivots per trial.
const TRIAL_PIVOTS: usize = 12;
/// Splits whose halves are bounded, where there are several hidden layers.
const FINALISTS: usize = 8;
/// Effort for each of their halves.
const TRIAL: Effort = Effort { pivots: 100, rounds: 8 };
/// Gaps below this are rounding.
const TINY: f64 = 1e-6;

/// A choice with its score: the product of what both halves gain.
fn scored(value: f64, split: Split, (below, above): (f64, f64)) -> (f64, Choice) {
    let gain = |half: f64| (value - half).clamp(1e-3, value.max(0.0) + 1.0);
    (gain(below) * gain(above), Choice { split, second_first: above > below })
}

impl Branch<'_> {
    /// The split that promises most.
    pub fn choose(&self, relaxed: &mut Relaxed, warm: &Warm) -> Choice {
        let gaps = &relaxed.bound.gaps;
        let mut neurons: Vec<(usize, usize)> = (0..gaps.len()).flat_map(|k| (0..gaps[k].len()).map(move |j| (k, j))).collect();
        neurons.sort_by(|a, b| gaps[b.0][b.1].total_cmp(&gaps[a.0][a.1]));
        let largest = neurons.first().map_or(0.0, |&(k, j)| gaps[k][j]);
        let (level_gap, at) = relaxed.level_gap;
        if self.levels.len() > 1 && level_gap > largest.max(TINY) {
            let last = if at < self.levels[self.levels.len() - 1].k { at } else { at - 1 };
            return Choice { split: Split::Level { last }, second_first: last != at };
        }
        neurons.truncate(CANDIDATES);
        neurons.retain(|&(k, j)| gaps[k][j] > TINY.max(0.05 * largest));
        let choice = self.strongest(&neurons, relaxed, warm).or_else(|| self.fractional(&relaxed.bound));
        choice.unwrap_or_else(|| self.last_resort(&relaxed.bound))
    }

    /// Of the splits of these neurons, the one that lowers the bound most.
    fn strongest(&self, neurons: &[(usize, usize)], relaxed: &mut Relaxed, warm: &Warm) -> Option<Choice> {
        let value = relaxed.bound.value;
        let mut tried = Vec::new();
        for &(layer, neuron) in neurons {
            for last in self.places(layer, neuron, relaxed.bound.accumulators[layer][neuron]) {
                let halves = self.try_split(&mut relaxed.bound, warm, (layer, neuron), last);
                tried.push(scored(value, Split::Hidden { layer, neuron, last }, halves));
            }
        }
        if self.model.hidden() > 1 {
            tried.sort_by(|a, b| b.0.total_cmp(&a.0));
            tried.truncate(FINALISTS);
            tried.iter_mut().for_each(|t| *t = scored(value, t.1.split, self.try_harder(t.1.split, warm)));
        }
        // The first of equals.
        tried.into_iter().rev().max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, choice)| choice)
    }

    /// The bounds of both halves after a few rounds, for several hidden layers.
    fn try_harder(&self, split: Split, warm: &Warm) -> (f64, f64) {
        let half = |second: bool| {
            let Some(part) = self.model.half(self.part, split, second) else { return f64::NEG_INFINITY };
            let levels = self.model.levels(&part, self.target);
            if levels.is_empty() {
                return f64::NEG_INFINITY;
            }
            let relaxation = Relaxation { model: self.model, first: self.first, part: &part };
            relaxation.exclude(self.target, &levels, &mut warm.clone(), TRIAL).bound.value
        };
        (half(false), half(true))
    }

    /// No neuron costs anything: the one that is farthest from its staircase, as it may matter once others are split.
    fn fractional(&self, bound: &Bound) -> Option<Choice> {
        let mut best: Option<(f64, Choice)> = None;
        for (layer, heights) in bound.heights.iter().enumerate() {
            for (neuron, &height) in heights.iter().enumerate() {
                let (a, Range { low, high }) = (bound.accumulators[layer][neuron], self.part.accumulators[layer][neuron]);
                let exact = self.model.steps(layer, neuron).value((a.round() as i64).clamp(low, high)) as f64;
                let far = (height - exact).abs();
                if far <= best.as_ref().map_or(1e-3, |b| b.0) {
                    continue;
                }
                // Beside the step of the primal solution, on the side of the relaxation's height.
                let places = self.places(layer, neuron, a);
                let place =
                    if height > exact { places.iter().rev().find(|p| (**p as f64) < a) } else { places.iter().find(|p| **p as f64 >= a) };
                if let Some(&last) = place.or(places.first()) {
                    best = Some((far, Choice { split: Split::Hidden { layer, neuron, last }, second_first: height > exact }));
                }
            }
        }
        best.map(|(_, choice)| choice)
    }

    /// Estimates of the bounds of both halves: in the first layer by a few pivots, above it from the gap at the primal solution.
    fn try_split(&self, bound: &mut Bound, warm: &Warm, (layer, neuron): (usize, usize), last: i64) -> (f64, f64) {
        let Range { low, high } = self.part.accumulators[layer][neuron];
        let row = if layer == 0 { self.first.rows.binary_search(&neuron).ok() } else { None };
        if let Some(row) = row {
            let mut half = |range: Range| self.first.probe(self.model, bound, warm, row, range, TRIAL_PIVOTS);
            return (half(Range { low, high: last }), half(Range { low: last + 1, high }));
        }
        let gap = bound.gaps[layer][neuron];
        // The half without the primal solution loses at least as much; a split near the middle of the range does more to both.
        let share = ((last - low) as f64 / (high - low).max(1) as f64 - 0.5).abs();
        (bound.value - gap * (1.0 - share), bound.value - gap * (1.0 - share))
    }

    /// Places to split a neuron's range: at the saturation limits, and beside the step of the primal solution.
    fn places(&self, layer: usize, neuron: usize, a: f64) -> Vec<i64> {
        let range = self.part.accumulators[layer][neuron];
        let steps = self.model.steps(layer, neuron);
        let at = steps.value((a.round() as i64).clamp(range.low, range.high));
        let staircase = self.model.network.layers()[layer].staircase(neuron);
        let mut places: Vec<i64> = [staircase.low, staircase.high - 1, at, at - 1].map(|value| steps.last_with(value)).to_vec();
        places.retain(|&last| range.low <= last && last < range.high);
        places.sort_unstable();
        places.dedup();
        places
    }

    /// All neurons are exact at the primal solution: split levels, then inputs.
    fn last_resort(&self, bound: &Bound) -> Choice {
        let first = |split| Choice { split, second_first: false };
        if self.levels.len() > 1 {
            return first(Split::Level { last: self.levels[(self.levels.len() - 1) / 2].k });
        }
        if let Some((index, last)) = self.first.fractional(&bound.inputs) {
            return first(Split::Input { index, last });
        }
        let input = &self.part.input;
        let widest = (0..input.len()).max_by_key(|&p| input[p].high - input[p].low).expect("a network has inputs");
        first(Split::Input { index: widest, last: input[widest].low + (input[widest].high - input[widest].low) / 2 })
    }
}
