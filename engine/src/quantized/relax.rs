//! Multipliers for a part and a target: chosen in floating point, never trusted.

use super::bounds::Range;
use super::concave::Concave;
use super::deep::Goal;
use super::dual;
use super::first_layer::FirstLayer;
use super::problem::{Level, Model, Multipliers, Part};
use super::query::Target;
use super::simplex::Basis;
use super::upper::{Led, lead, sweep};

/// Bounds above this are not worth calling negative: rounding to integers would eat the rest.
pub const ENOUGH: f64 = -0.5;

/// What a search carries from part to part.
#[derive(Clone)]
pub struct Warm {
    /// Of the first layer's program.
    pub basis: Basis,
    /// Accumulators of its rows.
    pub near: Vec<f64>,
    /// Weight of the first condition.
    pub weight: f64,
    /// Multipliers of the layers above the first; none yet if empty.
    pub upper: Vec<Vec<f64>>,
}

/// How long to look for multipliers.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Pivots of the first layer's program, per choice of the other multipliers.
    pub pivots: usize,
    /// Choices of the other multipliers.
    pub rounds: usize,
}

/// An upper bound of an objective over the values of a hidden layer (or the inputs), with the primal solution.
pub struct Bound {
    /// The bound.
    pub value: f64,
    /// Of the accumulators of the layers below the objective.
    pub multipliers: Vec<Vec<f64>>,
    /// The objective's values in the primal solution.
    pub values: Vec<f64>,
    /// Accumulators of the primal solution, by layer and neuron.
    pub accumulators: Vec<Vec<f64>>,
    /// Heights of the relaxation there.
    pub heights: Vec<Vec<f64>>,
    /// By how much the relaxation is above the staircase there, in units of `value`.
    pub gaps: Vec<Vec<f64>>,
    /// Inputs of the primal solution, by column of the first layer, from their low ends.
    pub inputs: Vec<f64>,
    /// Accumulators of the first layer's rows.
    pub near: Vec<f64>,
    /// What the first layer's program maximised: one function per row, the coefficients, and the rest.
    pub psi: Vec<Concave>,
    /// Of the values, by layer and neuron.
    pub coefficients: Vec<Vec<f64>>,
    /// Added to the program's value.
    pub constant: f64,
}

/// A bound of a target's two conditions.
pub struct Relaxed {
    /// Negative if the target seems excluded.
    pub bound: Bound,
    /// Weight of the first condition, in [0, 1]; the second has the rest.
    pub weight: f64,
    /// By how much the levels together are above the one that the primal solution is at, and that level.
    pub level_gap: (f64, i64),
}

/// An objective over the values of layer `top` (counted from 1; 0: the inputs).
pub struct Relaxation<'a> {
    /// The network.
    pub model: &'a Model<'a>,
    /// The first layer.
    pub first: &'a FirstLayer,
    /// The part.
    pub part: &'a Part,
}

impl Relaxation<'_> {
    /// The best bound within the effort, or one below `enough`.
    pub fn maximise(&self, objective: &[f64], top: usize, warm: &mut Warm, enough: f64, effort: Effort) -> Bound {
        if top == 0 {
            return self.at_inputs(objective);
        }
        match top {
            1 => self.once(objective, &[], warm, enough, effort.pivots).0,
            _ => self.descend(&Goal::Values(objective), top, warm, enough, effort),
        }
    }

    fn at_inputs(&self, objective: &[f64]) -> Bound {
        let (inputs, value) = self.first.corner(self.part, objective);
        let values = self.first.whole(&inputs);
        let (none, empty) = (Vec::new(), Vec::new());
        Bound {
            value,
            multipliers: none.clone(),
            values,
            accumulators: none.clone(),
            heights: none.clone(),
            gaps: none,
            inputs,
            near: empty.clone(),
            psi: Vec::new(),
            coefficients: vec![empty],
            constant: 0.0,
        }
    }

    /// With these multipliers above the first layer.
    pub fn once(&self, objective: &[f64], upper: &[Vec<f64>], warm: &mut Warm, enough: f64, pivots: usize) -> (Bound, Led) {
        let swept = sweep(self.model, self.part, objective, upper);
        let c = &swept.coefficients[0];
        let (optimum, psi, fixed) = self.first.maximise(self.part, c, &mut warm.basis, &warm.near, enough - swept.constant, pivots);
        warm.near.clone_from(&optimum.accumulators);
        let ranges = &self.part.accumulators[0];
        let mut values: Vec<f64> = self.part.hulls[0].iter().map(|h| h.upper[0].1 as f64).collect();
        let mut accumulators: Vec<f64> = ranges.iter().map(|r| r.low as f64).collect();
        let (mut gaps, mut multipliers) = (vec![0.0; ranges.len()], vec![0.0; ranges.len()]);
        for (r, &j) in self.first.rows.iter().enumerate() {
            let (a, Range { low, high }) = (optimum.accumulators[r], ranges[j]);
            let exact = self.model.steps(0, j).value((a.round() as i64).clamp(low, high)) as f64;
            let height = psi[r].at(a.clamp(low as f64, high as f64));
            values[j] = if c[j] == 0.0 { exact } else { height / c[j] };
            gaps[j] = (height - c[j] * exact).max(0.0);
            (accumulators[j], multipliers[j]) = (a, optimum.multipliers[r]);
        }
        let mut heights = vec![values.clone()];
        let led = lead(self.model, self.part, &swept, upper, values);
        heights.extend_from_slice(&led.heights);
        let constant = fixed + swept.constant;
        let joined = |first: Vec<f64>, rest: &[Vec<f64>]| [vec![first], rest.to_vec()].concat();
        let bound = Bound {
            value: optimum.value + constant,
            multipliers: joined(multipliers, upper),
            values: heights[heights.len() - 1].clone(),
            accumulators: joined(accumulators, &led.accumulators),
            heights,
            gaps: joined(gaps, &led.gaps),
            inputs: optimum.inputs,
            near: optimum.accumulators,
            psi,
            coefficients: swept.coefficients,
            constant,
        };
        (bound, led)
    }

    /// The best multipliers and weights of a target's two conditions.
    pub fn exclude(&self, target: Target, levels: &[Level], warm: &mut Warm, effort: Effort) -> Relaxed {
        if self.model.hidden() > 1 {
            let goal = Goal::Target(target, levels);
            let bound = self.descend(&goal, self.model.hidden(), warm, ENOUGH, effort);
            return self.relaxed(&goal, bound, warm.weight, levels);
        }
        let (mut left, mut right): (Option<Line>, Option<Line>) = (None, None);
        let mut best: Option<Relaxed> = None;
        let mut weight = warm.weight;
        for _ in 0..6 {
            let (trial, (rise, cap)) = self.trial(target, levels, warm, weight, effort);
            let (value, slope) = (trial.bound.value, rise - cap);
            if best.as_ref().is_none_or(|b| value < b.bound.value) {
                best = Some(trial);
            }
            // Both conditions can be met: no weights will do.
            if value < ENOUGH || (rise >= 0.0 && cap >= 0.0) {
                break;
            }
            let line = Some(Line { weight, value, slope });
            if slope < 0.0 {
                left = line
            } else {
                right = line
            }
            let Some(next) = next_weight(left, right) else { break };
            weight = next;
        }
        let best = best.expect("at least one trial was made");
        warm.weight = best.weight;
        best
    }

    /// One choice of weights, with the slacks of the two conditions at the primal solution.
    fn trial(&self, target: Target, levels: &[Level], warm: &mut Warm, weight: f64, effort: Effort) -> (Relaxed, (f64, f64)) {
        let goal = Goal::Target(target, levels);
        let objective = goal.objective(self.model.network, weight);
        let enough = ENOUGH - objective.constant;
        let mut bound = self.maximise(&objective.coefficients, self.model.hidden(), warm, enough, effort);
        bound.value += objective.constant;
        bound.constant += objective.constant;
        let slacks = goal.slacks(self.model.network, objective.level, &bound.values);
        (self.relaxed(&goal, bound, weight, levels), slacks)
    }

    /// With what the levels together add.
    fn relaxed(&self, goal: &Goal, bound: Bound, weight: f64, levels: &[Level]) -> Relaxed {
        let term = |l: &Level| (1.0 - weight) * l.cap as f64 - weight * l.rise as f64;
        let worst = levels.iter().map(term).fold(f64::NEG_INFINITY, f64::max);
        let reached = |l: &&Level| goal.slacks(self.model.network, Some(**l), &bound.values).0 >= -0.5;
        let at = levels.iter().rev().find(reached).unwrap_or(&levels[0]);
        Relaxed { bound, weight, level_gap: (worst - term(at), at.k) }
    }
}

/// A line below the bound as a function of the weight.
#[derive(Clone, Copy)]
struct Line {
    weight: f64,
    value: f64,
    slope: f64,
}

/// Where the two supporting lines meet, if that promises a negative value.
fn next_weight(left: Option<Line>, right: Option<Line>) -> Option<f64> {
    match (left, right) {
        (Some(Line { weight: w, .. }), None) if w < 1.0 => Some(if w >= 0.9 { 1.0 } else { 0.5 * (w + 1.0) }),
        (None, Some(Line { weight: w, .. })) if w > 0.0 => Some(if w <= 0.1 { 0.0 } else { 0.5 * w }),
        (Some(l), Some(r)) => {
            let meet = (r.value - l.value + l.slope * l.weight - r.slope * r.weight) / (l.slope - r.slope);
            let value = l.value + l.slope * (meet - l.weight);
            let between = meet > l.weight + 1e-4 && meet < r.weight - 1e-4;
            (value < 0.0 && between).then_some(meet)
        }
        _ => None,
    }
}

/// Multipliers as integers, in units of `2^bits`.
pub fn whole(multipliers: &[Vec<f64>], bits: u32) -> dual::Multipliers {
    let unit = (1i64 << bits) as f64;
    let whole = |m: &f64| {
        let m = (m * unit).round();
        if m.abs() <= dual::MOST_MULTIPLIER as f64 { m as i64 } else { 0 }
    };
    multipliers.iter().map(|l| l.iter().map(whole).collect()).collect()
}

/// The same with the weights of the two conditions.
pub fn rounded(relaxed: &Relaxed, bits: u32) -> Multipliers {
    let rise = (relaxed.weight * (1i64 << bits) as f64).round() as i64;
    Multipliers { rise, cap: (1 << bits) - rise, layers: whole(&relaxed.bound.multipliers, bits) }
}
