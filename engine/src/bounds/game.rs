//! The best nonnegative combination of linear facts over a box, by a small primal simplex.
//!
//! Facts `a_i . x + k_i >= 0`, `i = 1..m`, cannot hold together on the box with middle `c` and radius `r` if some weights
//! `theta >= 0`, `sum theta = 1`, make `max_x sum theta_i (a_i . x + k_i)` negative. The least such maximum is the value of
//! `min sum theta_i k'_i + sum_d r_d (p_d + q_d)` subject to `sum_i a_id theta_i - p_d + q_d = 0` and `sum theta = 1`,
//! with `k'_i = k_i + a_i . c`; its dual variables are the point of the box where the least fact is greatest.
//! Only the weights are used, and any weights are sound: the caller bounds the combination rigorously.

/// Solver with reusable memory.
#[derive(Clone, Debug, Default)]
pub struct Game {
    table: Vec<f64>,
    basis: Vec<usize>,
    middle: Vec<f64>,
    radius: Vec<f64>,
    centred: Vec<f64>,
    pivot_row: Vec<f64>,
    /// Weights of the facts; nonnegative, of sum about one.
    pub theta: Vec<f64>,
    /// The least maximum found (approximately): negative means the facts exclude each other.
    pub value: f64,
    /// A rigorous bound of the combination, as the caller computed it.
    pub bound: f64,
    /// The point of the box at which the least fact is (nearly) greatest.
    pub point: Vec<f64>,
}

/// Pivots before giving up; the weights reached by then are as sound as any.
const MOST_PIVOTS: usize = 200;

impl Game {
    /// Solves for the facts `a[i * dims..][..dims]`, `k[i]` over the box `[low, high]`.
    pub fn solve(&mut self, a: &[f64], k: &[f64], low: &[f64], high: &[f64]) {
        let (m, dims) = (k.len(), low.len());
        let columns = m + 2 * dims + 1;
        self.middle.clear();
        self.middle.extend(low.iter().zip(high).map(|(l, h)| 0.5 * l + 0.5 * h));
        self.radius.clear();
        self.radius.extend(low.iter().zip(high).map(|(l, h)| (0.5 * (h - l)).max(0.0)));
        self.centred.clear();
        self.centred.extend((0..m).map(|i| k[i] + dot(&a[i * dims..(i + 1) * dims], &self.middle)));
        let radius = &self.radius;
        let bound = |i: usize| self.centred[i] + a[i * dims..(i + 1) * dims].iter().zip(radius).map(|(v, r)| v.abs() * r).sum::<f64>();
        let first = (0..m).min_by(|&i, &j| bound(i).total_cmp(&bound(j))).unwrap_or(0);
        self.start(a, first, columns);
        for _ in 0..MOST_PIVOTS {
            if !self.pivot(dims, columns) {
                break;
            }
        }
        self.read(m, dims, columns);
    }

    /// The outcome where facts are not finite: no weights, and the middle of the box as a point like any other.
    pub fn forfeit(&mut self, low: &[f64], high: &[f64]) {
        self.theta.clear();
        self.value = f64::INFINITY;
        self.bound = f64::INFINITY;
        self.point.clear();
        self.point.extend(low.iter().zip(high).map(|(l, h)| 0.5 * l + 0.5 * h));
    }

    /// The table of the basis {weight `first`; for each input the nonnegative part of its coefficient}: rows `0..dims`
    /// for inputs, row `dims` for the sum of weights, row `dims + 1` for reduced costs; the last column is the solution.
    fn start(&mut self, a: &[f64], first: usize, columns: usize) {
        let (m, dims) = (self.centred.len(), self.radius.len());
        self.table.clear();
        self.table.resize((dims + 2) * columns, 0.0);
        self.basis.clear();
        for d in 0..dims {
            let pivot = a[first * dims + d];
            let sign = if pivot >= 0.0 { 1.0 } else { -1.0 };
            let row = &mut self.table[d * columns..(d + 1) * columns];
            // sign * (q_d - p_d + sum_i (a_id - a_first,d) theta_i + a_first,d) = 0, the basic part moved to the left.
            for i in 0..m {
                row[i] = -sign * (a[i * dims + d] - pivot);
            }
            row[m + d] = sign;
            row[m + dims + d] = -sign;
            row[columns - 1] = sign * pivot;
            self.basis.push(if sign > 0.0 { m + d } else { m + dims + d });
        }
        self.table[dims * columns..dims * columns + m].fill(1.0);
        self.table[(dims + 1) * columns - 1] = 1.0;
        self.basis.push(first);
        let (rows, costs) = self.table.split_at_mut((dims + 1) * columns);
        costs[..m].copy_from_slice(&self.centred);
        for d in 0..dims {
            costs[m + d] = self.radius[d];
            costs[m + dims + d] = self.radius[d];
        }
        for (r, &b) in self.basis.iter().enumerate() {
            let cost = costs[b];
            for (c, x) in costs.iter_mut().zip(&rows[r * columns..(r + 1) * columns]) {
                *c -= cost * x;
            }
        }
    }

    /// One step of the simplex method; false at the optimum (or where numbers end).
    fn pivot(&mut self, dims: usize, columns: usize) -> bool {
        let costs = &self.table[(dims + 1) * columns..(dims + 2) * columns - 1];
        let scale = 1e-11 * (1.0 + self.table[(dims + 2) * columns - 1].abs());
        let Some((enter, _)) = costs.iter().enumerate().filter(|c| *c.1 < -scale).min_by(|x, y| x.1.total_cmp(y.1)) else {
            return false;
        };
        let ratio = |r: usize| {
            let x = self.table[r * columns + enter];
            (x > 1e-11).then(|| (r, self.table[(r + 1) * columns - 1] / x))
        };
        let Some((leave, _)) = (0..=dims).filter_map(ratio).min_by(|x, y| x.1.total_cmp(&y.1)) else {
            return false;
        };
        let inverse = 1.0 / self.table[leave * columns + enter];
        let Game { table, pivot_row, .. } = self;
        pivot_row.clear();
        pivot_row.extend(table[leave * columns..(leave + 1) * columns].iter().map(|x| x * inverse));
        for (r, row) in table.chunks_exact_mut(columns).enumerate() {
            let factor = row[enter];
            if r != leave && factor != 0.0 {
                row.iter_mut().zip(pivot_row.iter()).for_each(|(x, p)| *x -= factor * p);
            }
        }
        table[leave * columns..(leave + 1) * columns].copy_from_slice(pivot_row);
        self.basis[leave] = enter;
        true
    }

    fn read(&mut self, m: usize, dims: usize, columns: usize) {
        self.theta.clear();
        self.theta.resize(m, 0.0);
        for (r, &b) in self.basis.iter().enumerate() {
            let x = self.table[(r + 1) * columns - 1];
            if b < m && x > 0.0 {
                self.theta[b] = x;
            }
        }
        self.value = -self.table[(dims + 2) * columns - 1];
        let Game { table, middle, radius, .. } = self;
        let costs = &table[(dims + 1) * columns..];
        // The dual variable of input d is its reduced cost less its cost; the point lies opposite.
        self.point.clear();
        self.point.extend((0..dims).map(|d| middle[d] + (radius[d] - costs[m + d]).clamp(-radius[d], radius[d])));
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// At least `max_x sum theta_i (a_i . x + k_i)` over the box, infinite where numbers end; leaves the combined
/// coefficients in `combined`, for which the bound also holds.
pub(crate) fn combine(a: &[f64], k: &[f64], theta: &[f64], low: &[f64], high: &[f64], combined: &mut Vec<f64>) -> f64 {
    let dims = low.len();
    let (mut sum, mut error) = (0.0, 0.0);
    let roundings = f64::EPSILON * (theta.len() + dims + 4) as f64;
    combined.clear();
    for d in 0..dims {
        let size = low[d].abs().max(high[d].abs());
        let v: f64 = theta.iter().enumerate().map(|(i, t)| t * a[i * dims + d]).sum();
        let absolute: f64 = theta.iter().enumerate().map(|(i, t)| t * a[i * dims + d].abs()).sum();
        sum += (v * low[d]).max(v * high[d]);
        error += roundings * absolute * size + f64::MIN_POSITIVE * size.max(1.0);
        combined.push(v);
    }
    for (t, k) in theta.iter().zip(k) {
        sum += t * k;
        error += roundings * t * k.abs() + f64::MIN_POSITIVE;
    }
    let bound = (sum + error * (1.0 + roundings) + roundings * sum.abs()).next_up();
    if bound.is_nan() { f64::INFINITY } else { bound }
}

#[cfg(test)]
mod tests {
    use dashu::rational::RBig;

    use super::{Game, combine};
    use crate::numerics::Random;

    /// Numbers of any size, signs and zeros included.
    fn number(random: &mut Random) -> f64 {
        let scale = [0.0, 5e-324, 1e-300, 1e-20, 1.0, 1.0, 1.0, 1e12][(random.bits() % 8) as usize];
        scale * (random.bits() as f64 / (1u64 << 63) as f64 - 1.0)
    }

    #[test]
    fn the_combination_is_bounded_exactly() {
        let exact = |x: f64| RBig::try_from(x).expect("finite");
        let random = &mut Random::new(1);
        for case in 0..4000 {
            let (m, dims) = (1 + random.bits() as usize % 5, 1 + random.bits() as usize % 4);
            let a: Vec<f64> = (0..m * dims).map(|_| number(random)).collect();
            let k: Vec<f64> = (0..m).map(|_| number(random)).collect();
            let theta: Vec<f64> = (0..m).map(|_| number(random).abs()).collect();
            let low: Vec<f64> = (0..dims).map(|_| number(random)).collect();
            let high: Vec<f64> = low.iter().map(|l| l.max(l + number(random).abs())).collect();
            let mut combined = Vec::new();
            let bound = combine(&a, &k, &theta, &low, &high, &mut combined);
            let coefficient = |d: usize| (0..m).fold(RBig::ZERO, |sum, i| sum + exact(theta[i]) * exact(a[i * dims + d]));
            let constant = (0..m).fold(RBig::ZERO, |sum, i| sum + exact(theta[i]) * exact(k[i]));
            let greatest = |v: &RBig, d: usize| (v * exact(low[d])).max(v * exact(high[d]));
            let true_one = (0..dims).fold(constant.clone(), |sum, d| sum + greatest(&coefficient(d), d));
            let computed = (0..dims).fold(constant, |sum, d| sum + greatest(&exact(combined[d]), d));
            assert!(exact(bound) >= true_one, "case {case}: {bound:e} is below the combination's maximum");
            assert!(exact(bound) >= computed, "case {case}: {bound:e} is below the maximum with the computed coefficients");
        }
    }

    #[test]
    fn two_facts_exclude_each_other_only_together() {
        // x - 0.6 >= 0 and 0.4 - x >= 0 on [0, 1]: each alone is possible.
        let mut game = Game::default();
        game.solve(&[1.0, -1.0], &[-0.6, 0.4], &[0.0], &[1.0]);
        assert!((game.value + 0.1).abs() < 1e-12, "{}", game.value);
        assert!((game.theta[0] - 0.5).abs() < 1e-12 && (game.theta[1] - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_value_equals_the_least_fact_at_the_point() {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as f64 / (1u64 << 31) as f64 * 2.0 - 1.0
        };
        for case in 0..300 {
            let (m, dims) = (1 + case % 9, 1 + case % 5);
            let a: Vec<f64> = (0..m * dims).map(|_| random()).collect();
            let k: Vec<f64> = (0..m).map(|_| random()).collect();
            let low: Vec<f64> = (0..dims).map(|_| random() - 1.0).collect();
            let high: Vec<f64> = low.iter().map(|l| l + 1.0 + random()).collect();
            let mut game = Game::default();
            game.solve(&a, &k, &low, &high);
            assert!(game.point.iter().zip(&low).all(|(x, l)| x >= l) && game.point.iter().zip(&high).all(|(x, h)| x <= h));
            let fact = |i: usize, x: &[f64]| k[i] + (0..dims).map(|d| a[i * dims + d] * x[d]).sum::<f64>();
            let least = (0..m).map(|i| fact(i, &game.point)).fold(f64::INFINITY, f64::min);
            assert!((least - game.value).abs() < 1e-9, "case {case}: least fact {least}, value {}", game.value);
        }
    }
}
