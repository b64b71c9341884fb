//! The first layer over a box of inputs, as a linear program.

use super::bounds::Range;
use super::concave::Concave;
use super::hull::Hull;
use super::problem::{Model, Part};
use super::relax::{Bound, ENOUGH, Warm};
use super::simplex::{Basis, Optimum, Program};

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

impl FirstLayer {
    /// The neurons of the first hidden layer whose value is not constant.
    pub fn unstable(model: &Model, part: &Part) -> Vec<usize> {
        let moves = |&j: &usize| {
            let (steps, range) = (model.steps(0, j), part.accumulators[0][j]);
            steps.value(range.low) != steps.value(range.high)
        };
        if model.hidden() == 0 { Vec::new() } else { (0..part.accumulators[0].len()).filter(moves).collect() }
    }

    /// Of the whole query.
    pub fn of(model: &Model, part: &Part) -> FirstLayer {
        let columns = (0..part.input.len()).filter(|&p| !part.input[p].is_point()).collect();
        FirstLayer::new(model, part, FirstLayer::unstable(model, part), columns)
    }

    /// The same rows and columns over a part with other inputs: a basis stays one.
    pub fn over(&self, model: &Model, part: &Part) -> FirstLayer {
        FirstLayer::new(model, part, self.rows.clone(), self.columns.clone())
    }

    fn new(model: &Model, part: &Part, rows: Vec<usize>, columns: Vec<usize>) -> FirstLayer {
        let layer = &model.network.layers()[0];
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

    /// The inputs (columns) that maximise an objective over all inputs, and its value.
    pub fn corner(&self, part: &Part, c: &[f64]) -> (Vec<f64>, f64) {
        let fixed: f64 = c.iter().zip(&self.low).map(|(c, &low)| c * low as f64).sum();
        let width = |p: usize| (part.input[p].high - part.input[p].low) as f64;
        let inputs: Vec<f64> = self.columns.iter().map(|&p| if c[p] > 0.0 { width(p) } else { 0.0 }).collect();
        let moved: f64 = self.columns.iter().zip(&inputs).map(|(&p, x)| c[p] * x).sum();
        (inputs, fixed + moved)
    }

    /// All inputs from those of the columns.
    pub fn whole(&self, inputs: &[f64]) -> Vec<f64> {
        let mut x: Vec<f64> = self.low.iter().map(|&low| low as f64).collect();
        self.columns.iter().zip(inputs).for_each(|(&p, v)| x[p] += v);
        x
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
    pub fn probe(&self, model: &Model, bound: &mut Bound, warm: &Warm, row: usize, range: Range, most: usize) -> f64 {
        if range.is_empty() {
            return f64::NEG_INFINITY;
        }
        let j = self.rows[row];
        let narrowed = concave(&model.steps(0, j).hull(range), bound.coefficients[0][j]);
        let whole = std::mem::replace(&mut bound.psi[row], narrowed);
        let mut basis = warm.basis.clone();
        let value = self.program.minimise(&bound.psi, &mut basis, &bound.near, ENOUGH - bound.constant, most).value;
        bound.psi[row] = whole;
        value + bound.constant
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

/// The chain of a hull that carries `max { c s(a) - lambda a }`, times `c`.
pub fn concave(hull: &Hull, c: f64) -> Concave {
    Concave::through(if c >= 0.0 { &hull.upper } else { &hull.lower }, c)
}
