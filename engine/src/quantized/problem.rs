//! A part of the search: ranges of everything, and what remains to be excluded there.

use std::sync::Arc;

use super::bounds::{self, Range};
use super::dual;
use super::hull::{Hull, Steps};
use super::network::Network;
use super::query::{Query, Target};

/// A network with the steps of its hidden staircases at hand.
pub struct Model<'a> {
    /// The network.
    pub network: &'a Network,
    steps: Vec<Vec<Steps>>,
}

/// How a part is cut in two; the first half holds everything up to and including `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// The accumulator of a hidden neuron.
    Hidden {
        /// Counted from 0.
        layer: usize,
        /// Counted from 0.
        neuron: usize,
        /// Last accumulator of the first half.
        last: i64,
    },
    /// An input.
    Input {
        /// Counted from 0.
        index: usize,
        /// Its last value in the first half.
        last: i64,
    },
    /// The level of the target.
    Level {
        /// Last level of the first half.
        last: i64,
    },
}

/// One level at which a target may be met: `a_class >= rise` and `a_label <= cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The level.
    pub k: i64,
    /// Least accumulator of the class.
    pub rise: i64,
    /// Greatest accumulator of the label.
    pub cap: i64,
}

/// Ranges within which counterexamples are looked for.
#[derive(Clone)]
pub struct Part {
    /// Of the inputs.
    pub input: Arc<[Range]>,
    /// Of the accumulators of all layers.
    pub accumulators: Vec<Vec<Range>>,
    /// Of the hidden staircases over their accumulators.
    pub hulls: Vec<Vec<Arc<Hull>>>,
    /// Of the levels.
    pub levels: Range,
}

/// A proof that no counterexample of a target lies in a part: weights of the two conditions and multipliers, all in units of
/// `rise + cap`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Multipliers {
    /// Of `a_class - rise(k) >= 0`; not negative.
    pub rise: i64,
    /// Of `cap(k) - a_label >= 0`; not negative.
    pub cap: i64,
    /// Of the accumulators of every hidden layer.
    pub layers: dual::Multipliers,
}

impl<'a> Model<'a> {
    /// Of a network.
    pub fn new(network: &'a Network) -> Model<'a> {
        Model { network, steps: Steps::hidden(network) }
    }

    /// The steps of a hidden neuron.
    pub fn steps(&self, layer: usize, neuron: usize) -> &Steps {
        let steps = &self.steps[layer];
        &steps[if steps.len() == 1 { 0 } else { neuron }]
    }

    /// Number of hidden layers.
    pub fn hidden(&self) -> usize {
        self.steps.len()
    }

    /// The whole query, with interval bounds; levels are still to be set.
    pub fn root(&self, query: &Query) -> Part {
        let accumulators = bounds::interval(self.network, &query.input);
        let mut part = Part {
            input: query.input.clone().into(),
            accumulators,
            hulls: vec![Vec::new(); self.hidden()],
            levels: Range { low: 0, high: 0 },
        };
        self.renew_hulls(&mut part);
        part
    }

    fn renew_hulls(&self, part: &mut Part) {
        for (layer, hulls) in part.hulls.iter_mut().enumerate() {
            let hull = |(j, r): (usize, &Range)| Arc::new(self.steps(layer, j).hull(*r));
            *hulls = part.accumulators[layer].iter().enumerate().map(hull).collect();
        }
    }

    /// Narrows the layers from `from` on to what the ranges before imply; false if nothing is left. `before` are the ranges of the
    /// present hulls.
    fn renew(&self, part: &mut Part, before: &[Vec<Range>], from: usize) -> bool {
        if !bounds::narrow(self.network, &part.input, &mut part.accumulators, from) {
            return false;
        }
        for (layer, hulls) in part.hulls.iter_mut().enumerate() {
            for (j, hull) in hulls.iter_mut().enumerate() {
                let range = part.accumulators[layer][j];
                if range != before[layer][j] {
                    *hull = Arc::new(self.steps(layer, j).hull(range));
                }
            }
        }
        true
    }

    /// One half of a part, or nothing if it is empty.
    pub fn half(&self, part: &Part, split: Split, second: bool) -> Option<Part> {
        let mut half = part.clone();
        let side = |last: i64| match second {
            false => Range { low: i64::MIN, high: last },
            true => Range { low: last + 1, high: i64::MAX },
        };
        let from = match split {
            Split::Hidden { layer, neuron, last } => {
                let range = &mut half.accumulators[layer][neuron];
                *range = range.meet(side(last));
                if range.is_empty() {
                    return None;
                }
                layer + 1
            }
            Split::Input { index, last } => {
                let mut input = part.input.to_vec();
                input[index] = input[index].meet(side(last));
                half.input = input.into();
                if half.input[index].is_empty() {
                    return None;
                }
                0
            }
            Split::Level { last } => {
                half.levels = half.levels.meet(side(last));
                return Some(half).filter(|h| !h.levels.is_empty());
            }
        };
        self.renew(&mut half, &part.accumulators, from).then_some(half)
    }

    /// Narrows the range of a hidden accumulator; false if nothing is left.
    pub fn tighten(&self, part: &mut Part, layer: usize, neuron: usize, range: Range) -> bool {
        let before = part.accumulators.clone();
        let old = &mut part.accumulators[layer][neuron];
        *old = old.meet(range);
        !old.is_empty() && self.renew(part, &before, layer + 1)
    }

    /// The levels of the part at which the target is not excluded by ranges alone.
    pub fn levels(&self, part: &Part, target: Target) -> Vec<Level> {
        let last = &part.accumulators[self.hidden()];
        let (class, label) = (last[target.class], last[target.label]);
        let level = |k| Level { k, rise: target.rise(k, class), cap: target.cap(k, label) };
        (part.levels.low..=part.levels.high).map(level).filter(|l| l.rise <= class.high && l.cap >= label.low).collect()
    }

    /// True if these multipliers exclude the target in the part: exact, whatever they are.
    pub fn excludes(&self, part: &Part, target: Target, levels: &[Level], multipliers: &Multipliers) -> bool {
        let Multipliers { rise, cap, layers } = multipliers;
        let small = |m: &i64| m.unsigned_abs() <= dual::MOST_MULTIPLIER as u64;
        if *rise < 0 || *cap < 0 || !small(rise) || !small(cap) || !layers.iter().flatten().all(small) {
            return false;
        }
        let (rise, cap) = (i128::from(*rise), i128::from(*cap));
        let worst = levels.iter().map(|l| cap * i128::from(l.cap) - rise * i128::from(l.rise)).max();
        let Some(worst) = worst else { return true };
        let last = self.network.last();
        let both = last.row(target.class).iter().zip(last.row(target.label));
        let objective: Vec<i128> = both.map(|(&t, &y)| rise * i128::from(t) - cap * i128::from(y)).collect();
        let constant = worst + rise * i128::from(last.bias[target.class]) - cap * i128::from(last.bias[target.label]);
        dual::upper_bound(self.network, &part.input, &part.hulls, &objective, constant, layers) < 0
    }

    /// The greatest (`sign` 1) or, negated, the least (`sign` -1) accumulator that multipliers in units of `unit` allow.
    pub fn reach(&self, part: &Part, layer: usize, neuron: usize, sign: i64, unit: i64, multipliers: &[Vec<i64>]) -> i64 {
        let of = &self.network.layers()[layer];
        let scale = i128::from(sign) * i128::from(unit);
        let objective: Vec<i128> = of.row(neuron).iter().map(|&w| scale * i128::from(w)).collect();
        let bound = dual::upper_bound(self.network, &part.input, &part.hulls, &objective, scale * i128::from(of.bias[neuron]), multipliers);
        i64::try_from(bound.div_euclid(i128::from(unit))).unwrap_or(i64::MAX)
    }
}
