//! The best multipliers of one staircase layer over a box: a bounded dual simplex with long steps, in `f64`.
//!
//! It minimises `G(lambda) = sum_j max { psi_j(a) - lambda_j a } + lambda . b + max { (W^T lambda) . x : x in box }`, where each
//! `psi_j` is concave and piecewise linear, that is, the dual of `max sum_j psi_j(a_j)` under `a = W x + b`. One row per neuron;
//! columns are the inputs and the segments of each `psi_j` (all with the same column, so that another segment of the same
//! neuron is another cost, not another basis). Every column is boxed, so any basis is dual feasible and a branch needs no phase
//! one. Nothing here is trusted: multipliers are rounded to integers and judged by [`super::dual`].

use super::concave::Concave;

/// Inputs and rows of the layer; constant during a search, unless inputs are split.
pub struct Program {
    rows: usize,
    columns: usize,
    /// `rows x columns`.
    by_row: Vec<f64>,
    /// `columns x rows`.
    by_column: Vec<f64>,
    /// Lengths of the inputs' ranges; inputs count from their low ends.
    width: Vec<f64>,
    /// `W low + b`.
    offset: Vec<f64>,
    /// Tiny costs of the inputs, all different, against ties that would make the method run in circles.
    nudge: Vec<f64>,
}

/// A basis and its inverse, to go on from.
#[derive(Clone)]
pub struct Basis {
    /// Column number of each basic variable; inputs first, then rows.
    basic: Vec<usize>,
    /// Row-major; row `i` belongs to basic variable `i`.
    inverse: Vec<f64>,
    /// Changes since the inverse was computed afresh.
    age: usize,
}

/// Where the minimisation ended.
pub struct Optimum {
    /// `G` of `multipliers`, as far as `f64` tells.
    pub value: f64,
    /// One per row.
    pub multipliers: Vec<f64>,
    /// The inputs of the primal solution, from their low ends.
    pub inputs: Vec<f64>,
    /// The accumulators of the primal solution.
    pub accumulators: Vec<f64>,
    /// Steps made.
    pub steps: usize,
}

/// Infeasibilities and slopes below this count as zero.
const TINY: f64 = 1e-7;
/// Size of the tiny costs.
const NUDGE: f64 = 1e-5;
/// Changes after which the inverse is computed afresh.
const MOST_AGE: usize = 60;

impl Program {
    /// From weights (`rows x columns`), widths and offsets.
    pub fn new(by_row: Vec<f64>, width: Vec<f64>, offset: Vec<f64>) -> Program {
        let (rows, columns) = (offset.len(), width.len());
        let mut by_column = vec![0.0; rows * columns];
        for j in 0..rows {
            for p in 0..columns {
                by_column[p * rows + j] = by_row[j * columns + p];
            }
        }
        let nudge = (0..columns as u64).map(|p| NUDGE * ((p * 0x9e37_79b9 % 1009) as f64 / 504.0 - 1.0)).collect();
        Program { rows, columns, by_row, by_column, width, offset, nudge }
    }

    /// The basis of all segments: multipliers are slopes, as in CROWN.
    pub fn start(&self) -> Basis {
        let n = self.rows;
        let mut inverse = vec![0.0; n * n];
        (0..n).for_each(|i| inverse[i * n + i] = -1.0);
        Basis { basic: (self.columns..self.columns + n).collect(), inverse, age: 0 }
    }

    /// Minimises from a basis, until the optimum, a value below `enough`, or `most` steps. `near` are accumulators at which the
    /// segments of basic rows are looked up.
    pub fn minimise(&self, psi: &[Concave], basis: &mut Basis, near: &[f64], enough: f64, most: usize) -> Optimum {
        let mut run = Run::new(self, psi, basis, near);
        let mut steps = 0;
        while steps < most && run.value >= enough && run.step() {
            steps += 1;
        }
        run.finish(steps)
    }
}

/// A place on the ray where a nonbasic variable changes sides.
#[derive(Clone, Copy)]
struct Break {
    at: f64,
    gain: f64,
    /// Input, or `columns + row`.
    variable: usize,
}

/// The state of one minimisation.
struct Run<'a> {
    program: &'a Program,
    psi: &'a [Concave],
    basis: &'a mut Basis,
    value: f64,
    lambda: Vec<f64>,
    /// `W^T lambda`.
    reduced: Vec<f64>,
    /// Nonbasic inputs at their high ends.
    high: Vec<bool>,
    /// Rows: the segment if basic, else the index of the place.
    place: Vec<usize>,
    is_basic: Vec<bool>,
    residual: Vec<f64>,
    basic_values: Vec<f64>,
    direction: Vec<f64>,
    change: Vec<f64>,
    breaks: Vec<Break>,
}

impl<'a> Run<'a> {
    fn new(program: &'a Program, psi: &'a [Concave], basis: &'a mut Basis, near: &[f64]) -> Run<'a> {
        let (n, columns) = (program.rows, program.columns);
        let mut run = Run {
            program,
            psi,
            basis,
            value: 0.0,
            lambda: vec![0.0; n],
            reduced: vec![0.0; columns],
            high: vec![false; columns],
            place: (0..n).map(|j| psi[j].segment(near[j])).collect(),
            is_basic: vec![false; columns + n],
            residual: vec![0.0; n],
            basic_values: vec![0.0; n],
            direction: vec![0.0; n],
            change: vec![0.0; columns],
            breaks: Vec::new(),
        };
        run.renew();
        run
    }

    /// Computes everything from the basis and the segments of basic rows.
    fn renew(&mut self) {
        let (n, columns) = (self.program.rows, self.program.columns);
        if self.basis.age >= MOST_AGE {
            self.invert();
        }
        self.is_basic.fill(false);
        for &b in &self.basis.basic {
            self.is_basic[b] = true;
            if let Some(j) = b.checked_sub(columns) {
                self.place[j] = self.place[j].min(self.psi[j].slopes.len().saturating_sub(1));
            }
        }
        self.lambda.fill(0.0);
        for (i, &b) in self.basis.basic.iter().enumerate() {
            // The price that makes the column's reduced cost zero.
            let price = match b.checked_sub(columns) {
                None => self.program.nudge[b],
                Some(j) => self.psi[j].slope(self.place[j]),
            };
            let row = &self.basis.inverse[i * n..][..n];
            self.lambda.iter_mut().zip(row).for_each(|(l, r)| *l -= price * r);
        }
        combine(&mut self.reduced, &self.lambda, &self.program.by_row, columns);
        self.reduced.iter_mut().zip(&self.program.nudge).for_each(|(v, n)| *v += n);
        for p in 0..columns {
            self.high[p] = !self.is_basic[p] && self.reduced[p] > 0.0;
        }
        for j in (0..n).filter(|j| !self.is_basic[columns + j]) {
            self.place[j] = self.psi[j].best(self.lambda[j]);
        }
        self.renew_residual();
        self.value = self.evaluate();
    }

    fn renew_residual(&mut self) {
        let (n, columns) = (self.program.rows, self.program.columns);
        for j in 0..n {
            let row = &self.program.by_row[j * columns..][..columns];
            let at_high: f64 = (0..columns).filter(|&p| self.high[p]).map(|p| row[p] * self.program.width[p]).sum();
            let a = if self.is_basic[columns + j] { 0.0 } else { self.psi[j].places[self.place[j]] };
            self.residual[j] = a - self.program.offset[j] - at_high;
        }
        self.renew_basic();
    }

    fn renew_basic(&mut self) {
        let n = self.program.rows;
        for (i, value) in self.basic_values.iter_mut().enumerate() {
            *value = dot(&self.basis.inverse[i * n..][..n], &self.residual);
        }
    }

    /// `G` of the present multipliers.
    fn evaluate(&self) -> f64 {
        let crest = |j: usize| {
            let psi = &self.psi[j];
            let a = psi.places[psi.best(self.lambda[j])];
            psi.at(a) + self.lambda[j] * (self.program.offset[j] - a)
        };
        let reach = |(v, w): (&f64, &f64)| v.max(0.0) * w;
        (0..self.program.rows).map(crest).sum::<f64>() + self.reduced.iter().zip(&self.program.width).map(reach).sum::<f64>()
    }

    /// The range of a basic variable.
    fn range(&self, variable: usize) -> (f64, f64) {
        match variable.checked_sub(self.program.columns) {
            None => (0.0, self.program.width[variable]),
            Some(j) => self.psi[j].ends(self.place[j]),
        }
    }

    /// One pivot; false at the optimum.
    fn step(&mut self) -> bool {
        let Some((leaving, sign, excess)) = self.leaving() else { return false };
        let (n, columns) = (self.program.rows, self.program.columns);
        for (d, r) in self.direction.iter_mut().zip(&self.basis.inverse[leaving * n..][..n]) {
            *d = sign * r;
        }
        combine(&mut self.change, &self.direction, &self.program.by_row, columns);
        self.release(self.basis.basic[leaving], sign);
        self.collect_breaks();
        let Some((entering, at)) = self.walk(excess) else { return false };
        for (l, d) in self.lambda.iter_mut().zip(&self.direction) {
            *l += at * d;
        }
        for (v, d) in self.reduced.iter_mut().zip(&self.change) {
            *v += at * d;
        }
        self.enter(leaving, entering)
    }

    /// The most infeasible basic variable, its side and by how much.
    fn leaving(&self) -> Option<(usize, f64, f64)> {
        let n = self.program.rows;
        let mut best = None;
        let mut best_score = 0.0;
        for (i, &value) in self.basic_values.iter().enumerate() {
            let (low, high) = self.range(self.basis.basic[i]);
            let (sign, excess) = if value > high { (1.0, value - high) } else { (-1.0, low - value) };
            if excess <= TINY * (1.0 + value.abs()) {
                continue;
            }
            let row = &self.basis.inverse[i * n..][..n];
            let score = excess * excess / dot(row, row).max(1e-30);
            if score > best_score {
                (best, best_score) = (Some((i, sign, excess)), score);
            }
        }
        best
    }

    /// Makes a variable nonbasic at the end that it violates.
    fn release(&mut self, variable: usize, sign: f64) {
        self.is_basic[variable] = false;
        match variable.checked_sub(self.program.columns) {
            None => {
                self.high[variable] = sign > 0.0;
                self.reduced[variable] = 0.0;
                self.move_input(variable, if sign > 0.0 { self.program.width[variable] } else { 0.0 });
            }
            Some(j) => {
                let last = self.psi[j].places.len() - 1;
                self.place[j] = (self.place[j] + usize::from(sign > 0.0)).min(last);
                self.residual[j] += self.psi[j].places[self.place[j]];
            }
        }
    }

    /// Accounts for a nonbasic input that moves by `by`.
    fn move_input(&mut self, input: usize, by: f64) {
        let n = self.program.rows;
        let column = &self.program.by_column[input * n..][..n];
        self.residual.iter_mut().zip(column).for_each(|(r, w)| *r -= w * by);
    }

    fn collect_breaks(&mut self) {
        let columns = self.program.columns;
        self.breaks.clear();
        for p in 0..columns {
            let (v, change) = (self.reduced[p], self.change[p]);
            let crossing = if self.high[p] { change < -1e-9 } else { change > 1e-9 };
            if crossing && !self.is_basic[p] {
                self.breaks.push(Break { at: (-v / change).max(0.0), gain: change.abs() * self.program.width[p], variable: p });
            }
        }
        for j in 0..self.program.rows {
            let (d, psi, lambda) = (self.direction[j], &self.psi[j], self.lambda[j]);
            if self.is_basic[columns + j] || d.abs() < 1e-9 {
                continue;
            }
            let segments = if d > 0.0 { 0..self.place[j] } else { self.place[j]..psi.slopes.len() };
            for k in segments {
                let length = psi.places[k + 1] - psi.places[k];
                self.breaks.push(Break { at: ((psi.slopes[k] - lambda) / d).max(0.0), gain: d.abs() * length, variable: columns + j });
            }
        }
    }

    /// Goes along the ray while `G` falls. Variables passed on the way change sides; the one at the end is returned with its place.
    ///
    /// Without an end `G` falls for ever: the multipliers go far enough to show it, and nothing is returned.
    fn walk(&mut self, excess: f64) -> Option<(usize, f64)> {
        let mut slope = -excess;
        let mut from = 0;
        let mut breaks = std::mem::take(&mut self.breaks);
        let mut passed = 0.0;
        let mut found = None;
        let mut batch = 16;
        while from < breaks.len() {
            // A few of the nearest at a time: usually the end is among them.
            let count = batch.min(breaks.len() - from);
            batch *= 2;
            if from + count < breaks.len() {
                breaks[from..].select_nth_unstable_by(count - 1, |a, b| a.at.total_cmp(&b.at));
            }
            breaks[from..from + count].sort_unstable_by(|a, b| a.at.total_cmp(&b.at).then(a.variable.cmp(&b.variable)));
            let end = from + count;
            while from < end && found.is_none() {
                let b = breaks[from];
                self.value += slope * (b.at - passed);
                (passed, slope) = (b.at, slope + b.gain);
                match slope >= -TINY {
                    true => found = Some((b.variable, b.at)),
                    false => self.pass(b.variable),
                }
                from += 1;
            }
            if found.is_some() {
                break;
            }
        }
        self.breaks = breaks;
        if found.is_none() {
            let far = passed + (self.value.abs() + 1e6) / -slope;
            self.lambda.iter_mut().zip(&self.direction).for_each(|(l, d)| *l += far * d);
            self.reduced.iter_mut().zip(&self.change).for_each(|(v, d)| *v += far * d);
            self.value = f64::NEG_INFINITY;
        }
        found
    }

    /// A nonbasic variable changes sides.
    fn pass(&mut self, variable: usize) {
        match variable.checked_sub(self.program.columns) {
            None => {
                let width = self.program.width[variable];
                self.move_input(variable, if self.high[variable] { -width } else { width });
                self.high[variable] = !self.high[variable];
            }
            Some(j) => {
                let next = if self.direction[j] > 0.0 { self.place[j].saturating_sub(1) } else { self.place[j] + 1 };
                let next = next.min(self.psi[j].places.len() - 1);
                self.residual[j] += self.psi[j].places[next] - self.psi[j].places[self.place[j]];
                self.place[j] = next;
            }
        }
    }

    /// Puts a variable into the basis; false if the pivot is too small to go on.
    fn enter(&mut self, leaving: usize, variable: usize) -> bool {
        let (n, columns) = (self.program.rows, self.program.columns);
        let mut spike = vec![0.0; n];
        match variable.checked_sub(columns) {
            None => {
                let column = &self.program.by_column[variable * n..][..n];
                (0..n).for_each(|i| spike[i] = dot(&self.basis.inverse[i * n..][..n], column));
                if self.high[variable] {
                    self.move_input(variable, -self.program.width[variable]);
                }
                (self.high[variable], self.reduced[variable]) = (false, 0.0);
            }
            Some(j) => {
                (0..n).for_each(|i| spike[i] = -self.basis.inverse[i * n + j]);
                self.residual[j] -= self.psi[j].places[self.place[j]];
                // The segment that is being entered lies before the place if the multiplier rises.
                self.place[j] = if self.direction[j] > 0.0 { self.place[j].saturating_sub(1) } else { self.place[j] };
                self.lambda[j] = self.psi[j].slope(self.place[j]);
            }
        }
        self.is_basic[variable] = true;
        let small = spike[leaving].abs() < 1e-9;
        if !small {
            pivot(&mut self.basis.inverse, &spike, leaving);
        }
        self.basis.basic[leaving] = variable;
        self.basis.age += 1;
        if small || self.basis.age >= MOST_AGE {
            self.basis.age = MOST_AGE;
            self.renew();
        } else {
            self.renew_basic();
        }
        true
    }

    /// The inverse from the basic columns; back to the basis of all segments if they are too close to dependent.
    fn invert(&mut self) {
        let n = self.program.rows;
        let mut basis = self.program.start();
        let wanted = std::mem::take(&mut self.basis.basic);
        let inputs: Vec<usize> = wanted.iter().copied().filter(|&b| b < self.program.columns).collect();
        let mut free: Vec<bool> = (0..n).map(|j| !wanted.contains(&(self.program.columns + j))).collect();
        for p in inputs {
            let column = &self.program.by_column[p * n..][..n];
            let spike: Vec<f64> = (0..n).map(|i| dot(&basis.inverse[i * n..][..n], column)).collect();
            let best = (0..n).filter(|&i| free[i]).max_by(|&a, &b| spike[a].abs().total_cmp(&spike[b].abs()));
            if let Some(i) = best.filter(|&i| spike[i].abs() > 1e-7) {
                pivot(&mut basis.inverse, &spike, i);
                basis.basic[i] = p;
                free[i] = false;
            }
        }
        // Rows that no input took stay with their own segment.
        *self.basis = basis;
    }

    fn finish(mut self, steps: usize) -> Optimum {
        let (n, columns) = (self.program.rows, self.program.columns);
        let mut inputs: Vec<f64> = (0..columns).map(|p| if self.high[p] { self.program.width[p] } else { 0.0 }).collect();
        let mut accumulators: Vec<f64> = (0..n).map(|j| self.psi[j].places[self.place[j].min(self.psi[j].places.len() - 1)]).collect();
        for (i, &b) in self.basis.basic.iter().enumerate().filter(|(_, b)| self.is_basic[**b]) {
            let (low, high) = self.range(b);
            let value = self.basic_values[i];
            match b.checked_sub(columns) {
                None => inputs[b] = value.clamp(low, high),
                Some(j) => accumulators[j] = value,
            }
        }
        if self.value.is_finite() {
            self.value = self.evaluate();
        }
        Optimum { value: self.value, multipliers: self.lambda, inputs, accumulators, steps }
    }
}

/// `sum = W^T lambda`, rows with zero skipped.
fn combine(sum: &mut [f64], lambda: &[f64], by_row: &[f64], columns: usize) {
    sum.fill(0.0);
    for (j, &l) in lambda.iter().enumerate().filter(|(_, l)| **l != 0.0) {
        let row = &by_row[j * columns..][..columns];
        sum.iter_mut().zip(row).for_each(|(s, w)| *s += l * w);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_lanes, a_rest) = a.as_chunks::<4>();
    let (b_lanes, b_rest) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        (0..4).for_each(|i| sums[i] += x[i] * y[i]);
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum::<f64>()
}

/// Replaces basic variable `at` by one whose column is `spike` in terms of the basis.
fn pivot(inverse: &mut [f64], spike: &[f64], at: usize) {
    let n = spike.len();
    let row: Vec<f64> = inverse[at * n..][..n].iter().map(|x| x / spike[at]).collect();
    for (i, &s) in spike.iter().enumerate().filter(|(i, s)| *i != at && **s != 0.0) {
        inverse[i * n..][..n].iter_mut().zip(&row).for_each(|(x, r)| *x -= s * r);
    }
    inverse[at * n..][..n].copy_from_slice(&row);
}
