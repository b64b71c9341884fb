//! Multipliers for a part and a target: chosen in floating point, never trusted.

use super::bounds::Range;
use super::dual;
use super::hull::Hull;
use super::problem::{Level, Model, Multipliers, Part};
use super::query::Target;
use super::simplex::{Basis, Concave, Optimum, Program};

/// The first layer over a box of inputs, as a linear program; rows are the neurons that are not constant.
pub struct FirstLayer {
    program: Program,
    /// Neuron of each row.
    pub rows: Vec<usize>,
    /// Input of each column.
    columns: Vec<usize>,
    /// Low ends of all inputs.
    low: Vec<i64>,
}

/// What a relaxation found.
pub struct Relaxed {
    /// Upper bound of the weighted conditions; negative if the target seems excluded. Without a target: of the objective.
    pub value: f64,
    /// Weight of the first condition, in [0, 1]; the second has the rest.
    pub weight: f64,
    /// Of the accumulators of every hidden layer.
    pub multipliers: Vec<Vec<f64>>,
    /// The inputs of the primal solution.
    pub inputs: Vec<f64>,
    /// The accumulators of the first layer of the primal solution, by row.
    pub accumulators: Vec<f64>,
    /// By how much the relaxation of each row is above the staircase there, in units of `value`.
    pub gaps: Vec<f64>,
    /// The same for the levels, and the level that the primal solution is at.
    pub level_gap: (f64, i64),
    /// What was maximised: one function per row, and the rest.
    psi: Vec<Concave>,
    c: Vec<f64>,
    constant: f64,
}

impl FirstLayer {
    /// The neurons of the first hidden layer whose value is not constant.
    pub fn unstable(model: &Model, part: &Part) -> Vec<usize> {
        let moves = |&j: &usize| {
            let (steps, range) = (model.steps(0, j), part.accumulators[0][j]);
            steps.value(range.low) != steps.value(range.high)
        };
        if model.hidden() == 0 { Vec::new() } else { (0..part.accumulators[0].len()).filter(moves).collect() }
    }

    /// Of a part, with these neurons as rows.
    pub fn new(model: &Model, part: &Part, rows: Vec<usize>) -> FirstLayer {
        let layer = &model.network.layers()[0];
        let columns: Vec<usize> = (0..layer.inputs).filter(|&p| !part.input[p].is_point()).collect();
        let by_row = rows.iter().flat_map(|&j| columns.iter().map(move |&p| f64::from(layer.row(j)[p]))).collect();
        let width = columns.iter().map(|&p| (part.input[p].high - part.input[p].low) as f64).collect();
        let low: Vec<i64> = part.input.iter().map(|r| r.low).collect();
        let at_low = layer.accumulate(&low);
        let offset = rows.iter().map(|&j| at_low[j] as f64).collect();
        FirstLayer { program: Program::new(by_row, width, offset), rows, columns, low }
    }

    /// The basis to begin with.
    pub fn start(&self) -> Basis {
        self.program.start()
    }

    /// Inputs rounded to integers.
    pub fn rounded(&self, inputs: &[f64]) -> Vec<i64> {
        let mut x = self.low.clone();
        for (&p, v) in self.columns.iter().zip(inputs) {
            x[p] += v.round() as i64;
        }
        x
    }

    /// Column and value of the input that is farthest from an integer, if any is.
    pub fn fractional(&self, inputs: &[f64]) -> Option<(usize, i64)> {
        let distance = |v: f64| (v - v.round()).abs();
        let far = (0..inputs.len()).max_by(|&a, &b| distance(inputs[a]).total_cmp(&distance(inputs[b])))?;
        (distance(inputs[far]) > 1e-6).then(|| (self.columns[far], self.low[self.columns[far]] + inputs[far].floor() as i64))
    }

    /// The best multipliers for an objective over the values of the first layer, `c . h_1 + constant`; from neurons, not rows.
    pub fn maximise(
        &self,
        part: &Part,
        c: &[f64],
        basis: &mut Basis,
        near: &[f64],
        enough: f64,
        most: usize,
    ) -> (Optimum, Vec<Concave>, f64) {
        let psi: Vec<Concave> = self.rows.iter().map(|&j| concave(&part.hulls[0][j], c[j])).collect();
        let mut constant = 0.0;
        let mut is_row = self.rows.iter().peekable();
        for (j, hull) in part.hulls[0].iter().enumerate() {
            if is_row.peek() == Some(&&j) {
                is_row.next();
            } else {
                constant += c[j] * hull.upper[0].1 as f64;
            }
        }
        let optimum = self.program.minimise(&psi, basis, near, enough - constant, most);
        (optimum, psi, constant)
    }

    /// The bound if the accumulator of a row were confined to `range`, after a few steps.
    pub fn probe(&self, model: &Model, relaxed: &mut Relaxed, warm: &Warm, row: usize, range: Range, most: usize) -> f64 {
        if range.is_empty() {
            return f64::NEG_INFINITY;
        }
        let j = self.rows[row];
        let narrowed = concave(&model.steps(0, j).hull(range), relaxed.c[j]);
        let whole = std::mem::replace(&mut relaxed.psi[row], narrowed);
        let mut basis = warm.basis.clone();
        let value = self.program.minimise(&relaxed.psi, &mut basis, &relaxed.accumulators, ENOUGH - relaxed.constant, most).value;
        relaxed.psi[row] = whole;
        value + relaxed.constant
    }

    /// Inputs of the real relaxation whose accumulators lie in these ranges (by neuron), `margin` away from the ends that
    /// narrow `widest`.
    pub fn inside(&self, cells: &[Range], widest: &[Range], margin: i64, warm: &Warm) -> Option<Vec<f64>> {
        let shrunk = |&j: &usize| {
            let (cell, whole) = (cells[j], widest[j]);
            let low = if cell.low > whole.low { cell.low + margin } else { cell.low };
            let high = if cell.high < whole.high { cell.high - margin } else { cell.high };
            (low <= high).then(|| Concave::range(low as f64, high as f64))
        };
        let psi: Vec<Concave> = self.rows.iter().map(shrunk).collect::<Option<_>>()?;
        let mut basis = warm.basis.clone();
        let optimum = self.program.minimise(&psi, &mut basis, &warm.near, -0.5, 300);
        (optimum.value >= -0.5 && optimum.steps < 300).then_some(optimum.inputs)
    }

    /// Middles of the rows' ranges: where to look up the first segments.
    pub fn middles(&self, part: &Part) -> Vec<f64> {
        self.rows.iter().map(|&j| part.accumulators[0][j]).map(|Range { low, high }| (low + high) as f64 / 2.0).collect()
    }
}

fn concave(hull: &Hull, c: f64) -> Concave {
    Concave::through(if c >= 0.0 { &hull.upper } else { &hull.lower }, c)
}

/// What a search carries from part to part.
#[derive(Clone)]
pub struct Warm {
    /// Of the first layer's program.
    pub basis: Basis,
    /// Accumulators of its rows.
    pub near: Vec<f64>,
    /// Weight of the first condition.
    pub weight: f64,
}

/// The relaxation of one target.
pub struct Relaxation<'a> {
    /// The network.
    pub model: &'a Model<'a>,
    /// The target.
    pub target: Target<'a>,
}

/// One evaluation with fixed weights.
struct Trial {
    weight: f64,
    optimum: Optimum,
    value: f64,
    /// Slacks of the two conditions at the primal solution.
    slacks: (f64, f64),
    gaps: Vec<f64>,
    level_gap: (f64, i64),
    psi: Vec<Concave>,
    c: Vec<f64>,
    constant: f64,
}

/// Bounds above this are not worth calling negative: rounding to integers would eat the rest.
const ENOUGH: f64 = -0.5;

impl Relaxation<'_> {
    /// The best multipliers with at most `most` steps per weight. One hidden layer.
    pub fn bound(&self, first: &FirstLayer, part: &Part, levels: &[Level], warm: &mut Warm, most: usize) -> Relaxed {
        let (mut left, mut right): (Option<Line>, Option<Line>) = (None, None);
        let mut best: Option<Trial> = None;
        let mut weight = warm.weight;
        for _ in 0..6 {
            let trial = self.trial(first, part, levels, warm, weight, most);
            let (rise, cap) = trial.slacks;
            let (value, slope) = (trial.value, rise - cap);
            if best.as_ref().is_none_or(|b| value < b.value) {
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
        Relaxed {
            value: best.value,
            weight: best.weight,
            multipliers: vec![self.by_neuron(first, part, &best.optimum.multipliers)],
            inputs: best.optimum.inputs,
            accumulators: best.optimum.accumulators,
            gaps: best.gaps,
            level_gap: best.level_gap,
            psi: best.psi,
            c: best.c,
            constant: best.constant,
        }
    }

    fn by_neuron(&self, first: &FirstLayer, part: &Part, by_row: &[f64]) -> Vec<f64> {
        let mut all = vec![0.0; part.accumulators[0].len()];
        first.rows.iter().zip(by_row).for_each(|(&j, l)| all[j] = *l);
        all
    }

    fn trial(&self, first: &FirstLayer, part: &Part, levels: &[Level], warm: &mut Warm, weight: f64, most: usize) -> Trial {
        let last = self.model.network.last();
        let (class, label) = (last.row(self.target.class), last.row(self.target.label));
        let other = 1.0 - weight;
        let c: Vec<f64> = class.iter().zip(label).map(|(&t, &y)| weight * f64::from(t) - other * f64::from(y)).collect();
        let (class_bias, label_bias) = (last.bias[self.target.class] as f64, last.bias[self.target.label] as f64);
        let term = |l: &Level| other * l.cap as f64 - weight * l.rise as f64;
        let top = levels.iter().max_by(|a, b| term(a).total_cmp(&term(b))).expect("levels are left");
        let constant = term(top) + weight * class_bias - other * label_bias;
        let (optimum, psi, fixed) = first.maximise(part, &c, &mut warm.basis, &warm.near, ENOUGH - constant, most);
        warm.near.clone_from(&optimum.accumulators);

        let (mut class_value, mut label_value) = (class_bias, label_bias);
        let mut values: Vec<f64> = part.hulls[0].iter().map(|h| h.upper[0].1 as f64).collect();
        let mut gaps = Vec::with_capacity(first.rows.len());
        for (r, &j) in first.rows.iter().enumerate() {
            let (a, range) = (optimum.accumulators[r], part.accumulators[0][j]);
            let exact = self.model.steps(0, j).value((a.round() as i64).clamp(range.low, range.high)) as f64;
            let height = psi[r].at(a.clamp(range.low as f64, range.high as f64));
            values[j] = if c[j] == 0.0 { exact } else { height / c[j] };
            gaps.push((height - c[j] * exact).max(0.0));
        }
        for (j, h) in values.iter().enumerate() {
            class_value += f64::from(class[j]) * h;
            label_value += f64::from(label[j]) * h;
        }
        let slacks = (class_value - top.rise as f64, top.cap as f64 - label_value);
        let at = levels.iter().rev().find(|l| l.rise as f64 <= class_value + 0.5).unwrap_or(&levels[0]);
        let level_gap = (term(top) - term(at), at.k);
        let constant = fixed + constant;
        Trial { weight, value: optimum.value + constant, optimum, slacks, gaps, level_gap, psi, c, constant }
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

/// Multipliers as integers: weights and multipliers in units of `2^bits`.
pub fn rounded(relaxed: &Relaxed, bits: u32) -> Multipliers {
    let unit = (1i64 << bits) as f64;
    let whole = |m: f64| {
        let m = (m * unit).round();
        if m.abs() <= dual::MOST_MULTIPLIER as f64 { m as i64 } else { 0 }
    };
    let rise = (relaxed.weight * unit).round() as i64;
    Multipliers {
        rise,
        cap: (1 << bits) - rise,
        layers: relaxed.multipliers.iter().map(|l| l.iter().map(|&m| whole(m)).collect()).collect(),
    }
}
