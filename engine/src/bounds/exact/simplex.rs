//! A dual simplex method for small dense linear programs where every variable has finite bounds.
//!
//! Maximise `objective . x` over `low <= x <= high` and rows `low_r <= coefficients_r . x + constant_r <= high_r`. Since
//! everything is bounded, any basis is dual feasible once every nonbasic variable stands at its better end: there is no
//! first phase, and a basis of a similar program is a good start. Nothing here has to be exact: callers turn the dual
//! values into bounds of their own, and points into candidates.

/// A program and its dictionary. Variables are the columns `0..columns`, then one per row.
#[derive(Clone, Debug, Default)]
pub struct Simplex {
    columns: usize,
    rows: usize,
    /// Row by row `x_basic = table . x_nonbasic + constant`, one column more for the constant; last the objective's row.
    table: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    basic: Vec<u32>,
    nonbasic: Vec<u32>,
    /// Per nonbasic variable: stands at its upper end.
    at_high: Vec<bool>,
    /// Values of the basic variables, then of the objective.
    value: Vec<f64>,
    /// Steepest-edge-like weights of the rows (Devex).
    weight: Vec<f64>,
    breaks: Vec<(f64, usize)>,
    pivot_row: Vec<f64>,
    /// Pivots done, over all programs.
    pub pivots: u64,
    /// Numbers changed by pivots, over all programs.
    pub work: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// Optimal up to rounding.
    Optimal,
    /// No point satisfies everything; see [`Simplex::ray`].
    Infeasible {
        /// The basic variable's row that cannot reach its bound.
        row: usize,
        /// True if it stays below its lower bound, false if above its upper.
        below: bool,
    },
    /// The objective's bound fell below the cutoff.
    Cutoff,
    /// Too many pivots, or numbers too small to pivot on.
    Stalled,
}

const TOLERANCE: f64 = 1e-9;
/// Smallest entry to pivot on.
const PIVOT: f64 = 1e-8;
/// Values are computed afresh after so many pivots.
const REFRESH: u64 = 24;

impl Simplex {
    /// An empty program over columns with these bounds and objective.
    pub fn start(&mut self, low: &[f64], high: &[f64]) {
        self.columns = low.len();
        self.rows = 0;
        self.table.clear();
        for (own, given) in [(&mut self.low, low), (&mut self.high, high)] {
            own.clear();
            own.extend_from_slice(given);
        }
        self.basic.clear();
        self.nonbasic.clear();
        self.nonbasic.extend(0..low.len() as u32);
    }

    /// Adds a row with its bounds; coefficients first, the constant last.
    pub fn row(&mut self, coefficients: &[f64], low: f64, high: f64) {
        debug_assert_eq!(coefficients.len(), self.columns + 1);
        self.table.extend_from_slice(coefficients);
        self.low.push(low);
        self.high.push(high);
        self.basic.push((self.columns + self.rows) as u32);
        self.rows += 1;
    }

    /// Adds the objective, after all rows: coefficients first, the constant last.
    pub fn maximise(&mut self, coefficients: &[f64]) {
        self.table.extend_from_slice(coefficients);
        self.weight.clear();
        self.weight.resize(self.rows, 1.0);
    }

    /// True if a variable is basic now.
    pub fn basis(&self) -> &[u32] {
        &self.basic
    }

    /// Brings the columns among `wanted` into the basis, in place of rows not wanted; for a start near an earlier optimum.
    pub fn install(&mut self, wanted: &[u32]) {
        let mut keep = vec![false; self.columns + self.rows];
        for &v in wanted {
            if let Some(keep) = keep.get_mut(v as usize) {
                *keep = true;
            }
        }
        let stride = self.columns + 1;
        for k in 0..self.columns {
            if !keep[self.nonbasic[k] as usize] {
                continue;
            }
            let entry = |r: usize| self.table[r * stride + k].abs();
            let free = (0..self.rows).filter(|&r| !keep[self.basic[r] as usize]);
            let best = free.max_by(|&a, &b| entry(a).total_cmp(&entry(b)));
            if let Some(r) = best.filter(|&r| entry(r) > 1e-6) {
                self.pivot(r, k);
            }
        }
    }

    /// Runs until the end, at most `most` pivots, or until the objective's bound is below `cutoff`.
    pub fn run(&mut self, most: u64, cutoff: f64) -> End {
        let stride = self.columns + 1;
        let costs = self.rows * stride;
        self.at_high = (0..self.columns).map(|k| self.table[costs + k] > 0.0).collect();
        self.values();
        for step in 1..=most {
            if self.value[self.rows] < cutoff {
                return End::Cutoff;
            }
            let Some((r, below)) = self.leaving() else { return End::Optimal };
            match self.entering(r, below) {
                Entering::None => return End::Infeasible { row: r, below },
                Entering::Small => return End::Stalled,
                Entering::Column(k) => self.exchange(r, k, below),
            }
            if step % REFRESH == 0 {
                self.values();
            }
        }
        End::Stalled
    }

    fn bound(&self, k: usize) -> f64 {
        let v = self.nonbasic[k] as usize;
        if self.at_high[k] { self.high[v] } else { self.low[v] }
    }

    fn values(&mut self) {
        let stride = self.columns + 1;
        let at: Vec<f64> = (0..self.columns).map(|k| self.bound(k)).collect();
        self.value.clear();
        let rows = self.table.chunks_exact(stride);
        self.value.extend(rows.map(|row| row[self.columns] + row.iter().zip(&at).map(|(t, x)| t * x).sum::<f64>()));
    }

    /// The row whose variable violates its bounds most, and whether it is below.
    fn leaving(&self) -> Option<(usize, bool)> {
        let mut best: Option<(f64, usize, bool)> = None;
        for r in 0..self.rows {
            let (v, x) = (self.basic[r] as usize, self.value[r]);
            let (under, over) = (self.low[v] - x, x - self.high[v]);
            let wrong = under.max(over);
            if wrong > TOLERANCE * (1.0 + x.abs().min(1.0)) {
                let score = wrong * wrong / self.weight[r];
                if best.is_none_or(|b| score > b.0) {
                    best = Some((score, r, under > over));
                }
            }
        }
        best.map(|b| (b.1, b.2))
    }

    /// The column to enter for row `r`, by the ratio test with flips of variables that reach their other end first.
    fn entering(&mut self, r: usize, below: bool) -> Entering {
        let stride = self.columns + 1;
        let (row, costs) = (&self.table[r * stride..], &self.table[self.rows * stride..]);
        let sign = if below { 1.0 } else { -1.0 };
        let mut breaks = std::mem::take(&mut self.breaks);
        breaks.clear();
        let mut small = false;
        for k in 0..self.columns {
            let v = self.nonbasic[k] as usize;
            // What moving the variable from its end does to the row's variable, in the direction wanted.
            let gain = sign * if self.at_high[k] { -row[k] } else { row[k] };
            if gain > PIVOT && self.high[v] > self.low[v] {
                breaks.push((costs[k].abs() / gain, k));
            } else if gain > 1e-13 && self.high[v] > self.low[v] {
                small = true;
            }
        }
        breaks.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let v = self.basic[r] as usize;
        let mut missing = if below { self.low[v] - self.value[r] } else { self.value[r] - self.high[v] };
        let mut chosen = None;
        let mut flips = Vec::new();
        for &(_, k) in &breaks {
            let width = self.high[self.nonbasic[k] as usize] - self.low[self.nonbasic[k] as usize];
            let reach = row[k].abs() * width;
            if reach >= missing {
                chosen = Some(k);
                break;
            }
            missing -= reach;
            flips.push(k);
        }
        self.breaks = breaks;
        let Some(k) = chosen else { return if small && missing < 1e-6 { Entering::Small } else { Entering::None } };
        flips.into_iter().for_each(|k| self.flip(k));
        Entering::Column(k)
    }

    fn flip(&mut self, k: usize) {
        let stride = self.columns + 1;
        let old = self.bound(k);
        self.at_high[k] = !self.at_high[k];
        let step = self.bound(k) - old;
        for (r, x) in self.value.iter_mut().enumerate() {
            *x += self.table[r * stride + k] * step;
        }
    }

    /// Row `r`'s variable goes to its violated end, column `k`'s becomes basic.
    fn exchange(&mut self, r: usize, k: usize, below: bool) {
        let stride = self.columns + 1;
        let v = self.basic[r] as usize;
        let target = if below { self.low[v] } else { self.high[v] };
        let step = (target - self.value[r]) / self.table[r * stride + k];
        let entered = self.bound(k) + step;
        let pivot = self.table[r * stride + k];
        let own = self.weight[r];
        for i in 0..self.rows {
            let ratio = self.table[i * stride + k] / pivot;
            self.weight[i] = self.weight[i].max(ratio * ratio * own);
        }
        self.weight[r] = (own / (pivot * pivot)).max(1.0);
        for (i, x) in self.value.iter_mut().enumerate() {
            *x += self.table[i * stride + k] * step;
        }
        self.value[r] = entered;
        self.pivot(r, k);
        self.at_high[k] = !below;
    }

    /// Exchanges the basic variable of row `r` and the nonbasic one of column `k` in the dictionary.
    fn pivot(&mut self, r: usize, k: usize) {
        let stride = self.columns + 1;
        self.pivots += 1;
        self.work += self.table.len() as u64;
        let inverse = 1.0 / self.table[r * stride + k];
        let Simplex { table, pivot_row, .. } = self;
        pivot_row.clear();
        pivot_row.extend(table[r * stride..(r + 1) * stride].iter().map(|x| -x * inverse));
        pivot_row[k] = inverse;
        for (i, row) in table.chunks_exact_mut(stride).enumerate() {
            let factor = row[k];
            if i != r && factor != 0.0 {
                row[k] = 0.0;
                row.iter_mut().zip(pivot_row.iter()).for_each(|(x, p)| *x += factor * p);
            }
        }
        table[r * stride..(r + 1) * stride].copy_from_slice(pivot_row);
        std::mem::swap(&mut self.basic[r], &mut self.nonbasic[k]);
    }

    /// The objective's bound at the present basis.
    pub fn objective(&self) -> f64 {
        self.value[self.rows]
    }

    /// The columns' values at the present basis.
    pub fn point(&self, x: &mut Vec<f64>) {
        x.clear();
        x.resize(self.columns, 0.0);
        for k in 0..self.columns {
            if let Some(x) = x.get_mut(self.nonbasic[k] as usize) {
                *x = self.bound(k);
            }
        }
        for r in 0..self.rows {
            let v = self.basic[r] as usize;
            if v < self.columns {
                x[v] = self.value[r].clamp(self.low[v], self.high[v]);
            }
        }
    }

    /// Multipliers `y` of the rows such that `objective + sum y_r row_r` has no better bound at this basis: nonnegative
    /// for a row at its lower end.
    pub fn duals(&self, y: &mut Vec<f64>) {
        self.read(self.rows, -1.0, y);
    }

    /// Multipliers of the rows whose combination excludes every point, after `End::Infeasible`.
    pub fn ray(&self, row: usize, below: bool, y: &mut Vec<f64>) {
        let sign = if below { 1.0 } else { -1.0 };
        self.read(row, -sign, y);
        let v = self.basic[row] as usize;
        if v >= self.columns {
            y[v - self.columns] = sign;
        }
    }

    fn read(&self, row: usize, sign: f64, y: &mut Vec<f64>) {
        y.clear();
        y.resize(self.rows, 0.0);
        let stride = self.columns + 1;
        for k in 0..self.columns {
            let v = self.nonbasic[k] as usize;
            if v >= self.columns {
                y[v - self.columns] = sign * self.table[row * stride + k];
            }
        }
    }
}

enum Entering {
    Column(usize),
    Small,
    None,
}

#[cfg(test)]
mod tests {
    use super::{End, Simplex};
    use crate::numerics::Random;

    fn unit(random: &mut Random) -> f64 {
        random.unit() as f64 * 2.0 - 1.0
    }

    /// Random programs: the duals' bound equals the value of a feasible point, and infeasible ones come with a proof.
    #[test]
    fn primal_and_dual_meet() {
        let random = &mut Random::new(3);
        let (mut optimal, mut infeasible) = (0, 0);
        for case in 0..600 {
            let (n, m) = (1 + random.bits() as usize % 7, random.bits() as usize % 9);
            let low: Vec<f64> = (0..n).map(|_| unit(random)).collect();
            let high: Vec<f64> = low.iter().map(|l| l + random.unit() as f64).collect();
            let rows: Vec<Vec<f64>> = (0..m).map(|_| (0..=n).map(|_| unit(random)).collect()).collect();
            let ends: Vec<(f64, f64)> = (0..m).map(|_| (-random.unit() as f64 * 0.5, random.unit() as f64 * 2.0)).collect();
            let objective: Vec<f64> = (0..=n).map(|_| unit(random)).collect();
            let mut simplex = Simplex::default();
            simplex.start(&low, &high);
            rows.iter().zip(&ends).for_each(|(row, e)| simplex.row(row, e.0, e.1));
            simplex.maximise(&objective);
            if case % 2 == 1 {
                let wanted: Vec<u32> = (0..n as u32).filter(|_| random.bits().is_multiple_of(2)).collect();
                simplex.install(&wanted);
            }
            let value = |row: &[f64], x: &[f64]| row[n] + row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
            // max over the box of (objective or nothing) + sum y row, less the rows' best contributions.
            let bound = |y: &[f64], with: f64| {
                let c = |d: usize| with * objective[d] + (0..m).map(|r| y[r] * rows[r][d]).sum::<f64>();
                let constant = with * objective[n] + (0..m).map(|r| y[r] * rows[r][n]).sum::<f64>();
                let least: f64 = (0..m).map(|r| (y[r] * ends[r].0).min(y[r] * ends[r].1)).sum();
                constant + (0..n).map(|d| (c(d) * low[d]).max(c(d) * high[d])).sum::<f64>() - least
            };
            let mut y = Vec::new();
            match simplex.run(500, f64::NEG_INFINITY) {
                End::Optimal => {
                    optimal += 1;
                    let mut x = Vec::new();
                    simplex.point(&mut x);
                    simplex.duals(&mut y);
                    for (row, e) in rows.iter().zip(&ends) {
                        assert!(value(row, &x) > e.0 - 1e-7 && value(row, &x) < e.1 + 1e-7, "case {case}: not feasible");
                    }
                    let (primal, dual) = (value(&objective, &x), bound(&y, 1.0));
                    assert!((primal - dual).abs() < 1e-7, "case {case}: {primal} and {dual}");
                }
                End::Infeasible { row, below } => {
                    infeasible += 1;
                    simplex.ray(row, below, &mut y);
                    assert!(bound(&y, 0.0) < 0.0, "case {case}: {}", bound(&y, 0.0));
                }
                end => panic!("case {case}: {end:?}"),
            }
        }
        assert!(optimal > 100 && infeasible > 100, "{optimal} {infeasible}");
    }
}
