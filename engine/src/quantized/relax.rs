//! Multipliers for a part and a target: chosen in floating point, never trusted.

use super::bounds::Range;
use super::concave::Concave;
use super::dual;
use super::first_layer::FirstLayer;
use super::problem::{Level, Model, Multipliers, Part};
use super::query::Target;
use super::simplex::Basis;
use super::upper::{Led, chords, lead, sweep};

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
    /// By how much the relaxation is above the staircase there, in units of `value`.
    pub gaps: Vec<Vec<f64>>,
    /// Inputs of the primal solution, by column of the first layer, from their low ends.
    pub inputs: Vec<f64>,
    /// Accumulators of the first layer's rows.
    pub near: Vec<f64>,
    /// What the first layer's program maximised: one function per row, the coefficients, and the rest.
    pub psi: Vec<Concave>,
    /// By neuron of the first layer.
    pub c: Vec<f64>,
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
        let mut upper = std::mem::take(&mut warm.upper);
        if upper.len() + 1 != top {
            upper = chords(self.model, self.part, objective, top);
        }
        let mut descent = Descent::new(&upper);
        let mut best: Option<(Bound, Vec<Vec<f64>>)> = None;
        for _ in 0..if top == 1 { 1 } else { effort.rounds } {
            let (bound, led) = self.once(objective, &upper, warm, enough, effort.pivots);
            let value = bound.value;
            if best.as_ref().is_none_or(|b| value < b.0.value) {
                best = Some((bound, upper.clone()));
            }
            let least = best.as_ref().map_or(value, |b| b.0.value);
            if least < enough || !descent.step(self.part, &mut upper, &led, value, least) {
                break;
            }
        }
        let (bound, upper) = best.expect("there is at least one round");
        warm.upper = upper;
        bound
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
            gaps: none,
            inputs,
            near: empty.clone(),
            psi: Vec::new(),
            c: empty,
            constant: 0.0,
        }
    }

    /// With these multipliers above the first layer.
    fn once(&self, objective: &[f64], upper: &[Vec<f64>], warm: &mut Warm, enough: f64, pivots: usize) -> (Bound, Led) {
        let swept = sweep(self.model, self.part, objective, upper);
        let c = swept.coefficients[0].clone();
        let (optimum, psi, fixed) = self.first.maximise(self.part, &c, &mut warm.basis, &warm.near, enough - swept.constant, pivots);
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
        let mut led = lead(self.model, self.part, &swept, upper, values);
        let constant = fixed + swept.constant;
        let joined = |first: Vec<f64>, rest: &[Vec<f64>]| [vec![first], rest.to_vec()].concat();
        let bound = Bound {
            value: optimum.value + constant,
            multipliers: joined(multipliers, upper),
            values: std::mem::take(&mut led.values),
            accumulators: joined(accumulators, &led.accumulators),
            gaps: joined(gaps, &led.gaps),
            inputs: optimum.inputs,
            near: optimum.accumulators,
            psi,
            c,
            constant,
        };
        (bound, led)
    }

    /// The best multipliers and weights of a target's two conditions.
    pub fn exclude(&self, target: Target, levels: &[Level], warm: &mut Warm, effort: Effort) -> Relaxed {
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
        let last = self.model.network.last();
        let (class, label) = (last.row(target.class), last.row(target.label));
        let other = 1.0 - weight;
        let objective: Vec<f64> = class.iter().zip(label).map(|(&t, &y)| weight * f64::from(t) - other * f64::from(y)).collect();
        let (class_bias, label_bias) = (last.bias[target.class] as f64, last.bias[target.label] as f64);
        let term = |l: &Level| other * l.cap as f64 - weight * l.rise as f64;
        let top = levels.iter().max_by(|a, b| term(a).total_cmp(&term(b))).expect("levels are left");
        let constant = term(top) + weight * class_bias - other * label_bias;
        let mut bound = self.maximise(&objective, self.model.hidden(), warm, ENOUGH - constant, effort);
        bound.value += constant;
        bound.constant += constant;
        let dot = |row: &[i32]| row.iter().zip(&bound.values).map(|(&w, h)| f64::from(w) * h).sum::<f64>();
        let (class_value, label_value) = (class_bias + dot(class), label_bias + dot(label));
        let slacks = (class_value - top.rise as f64, top.cap as f64 - label_value);
        let at = levels.iter().rev().find(|l| l.rise as f64 <= class_value + 0.5).unwrap_or(&levels[0]);
        (Relaxed { bound, weight, level_gap: (term(top) - term(at), at.k) }, slacks)
    }
}

/// Subgradient steps with momentum towards a moving target, for the multipliers above the first layer. Each is scaled by the
/// length of its neuron's range.
struct Descent {
    velocity: Vec<Vec<f64>>,
    hope: Option<f64>,
    least: f64,
}

impl Descent {
    fn new(upper: &[Vec<f64>]) -> Descent {
        Descent { velocity: upper.iter().map(|l| vec![0.0; l.len()]).collect(), hope: None, least: f64::INFINITY }
    }

    /// Moves the multipliers; false where the bound has no slope left.
    fn step(&mut self, part: &Part, upper: &mut [Vec<f64>], led: &Led, value: f64, least: f64) -> bool {
        let scale = |k: usize, j: usize| {
            let Range { low, high } = part.accumulators[k + 1][j];
            1.0 / ((high - low) as f64 + 1.0)
        };
        let scaled = |(k, slopes): (usize, &Vec<f64>)| slopes.iter().enumerate().map(|(j, d)| (d * scale(k, j)).powi(2)).sum::<f64>();
        let norm: f64 = led.slopes.iter().enumerate().map(scaled).sum();
        if norm < 1e-12 {
            return false;
        }
        let hope = self.hope.map_or(0.1 * value.abs() + 1.0, |hope| if least < self.least - 0.05 * hope { hope } else { 0.8 * hope });
        (self.hope, self.least) = (Some(hope), least);
        let step = (value - least + hope) / norm;
        for (k, lambda) in upper.iter_mut().enumerate() {
            for (j, l) in lambda.iter_mut().enumerate() {
                let velocity = &mut self.velocity[k][j];
                *velocity = 0.7 * *velocity + 0.3 * step * scale(k, j).powi(2) * led.slopes[k][j];
                *l -= *velocity;
            }
        }
        true
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
