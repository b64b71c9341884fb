//! Looking for counterexamples: corners, random points and projected gradient ascent on the violation
//! (PGD, Madry et al., ICLR 2018), one objective per disjunct.

use super::gradient::Batch;
use crate::bounds::chain::Objectives;
use crate::graph::Graph;
use crate::numerics::Random;

/// One attack on one case.
pub struct Attack<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// What a counterexample makes nonnegative.
    pub objectives: &'a Objectives<f32>,
    /// Lower corner of the box.
    pub low: &'a [f32],
    /// Upper corner.
    pub high: &'a [f32],
    /// Seed of the random starts.
    pub seed: u64,
    /// The disjuncts that the points aim at, in turn.
    pub aims: &'a [usize],
}

/// How hard to try.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Points attacked at the same time.
    pub restarts: usize,
    /// Gradient steps of each.
    pub steps: usize,
}

impl Attack<'_> {
    /// Attacks; `check` sees every point whose violation in `f32` is close to or above zero and decides. Also returns the
    /// number of evaluations.
    pub fn run(
        &self,
        effort: Effort,
        starts: &[Vec<f32>],
        check: &dyn Fn(&[f64]) -> bool,
        stop: &dyn Fn() -> bool,
    ) -> (Option<Vec<f64>>, u64) {
        let (n, disjuncts) = (self.low.len(), self.objectives.disjuncts.len());
        if self.aims.is_empty() || n == 0 {
            return (None, 0);
        }
        let rows = effort.restarts.max(1);
        let mut points = self.starts(rows, starts);
        let mut evaluations = 0;
        for step in 0..=effort.steps {
            if stop() {
                break;
            }
            let batch = Batch::<f32>::forward(self.graph, &points, rows);
            evaluations += rows as u64;
            let mut weights = vec![0.0f32; rows * self.graph.output_len()];
            let mut direct = vec![0.0f32; rows * n];
            for r in 0..rows {
                let point = &points[r * n..(r + 1) * n];
                let aim = if step == 0 { None } else { Some(self.aims[r % self.aims.len()]) };
                let (disjunct, worst, violation) = self.violation(&batch, r, point, aim);
                if violation >= -1e-5 && disjunct < disjuncts {
                    let candidate: Vec<f64> = point.iter().map(|&x| x as f64).collect();
                    if check(&candidate) {
                        return (Some(candidate), evaluations);
                    }
                }
                let row = &self.objectives.rows[worst];
                weights[r * self.graph.output_len()..][..row.outputs.len()].copy_from_slice(&row.outputs);
                direct[r * n..][..row.inputs.len()].copy_from_slice(&row.inputs);
            }
            if step == effort.steps {
                break;
            }
            let gradient = batch.backward(self.graph, &weights);
            // Large steps first, then finer ones that settle into corners and on boundaries.
            let size = 0.5 * 0.02f32.powf(step as f32 / effort.steps.max(1) as f32);
            for (i, x) in points.iter_mut().enumerate() {
                let (d, g) = (i % n, gradient[i] + direct[i]);
                if g != 0.0 {
                    *x = (*x + g.signum() * size * (self.high[d] - self.low[d])).clamp(self.low[d], self.high[d]);
                }
            }
        }
        (None, evaluations)
    }

    /// The least violated disjunct's index (or the one aimed at), its worst row, and by how much it is violated.
    fn violation(&self, batch: &Batch<f32>, r: usize, point: &[f32], aim: Option<usize>) -> (usize, usize, f32) {
        let value = |row: usize| {
            let o = &self.objectives.rows[row];
            let mut sum = o.constant;
            sum +=
                o.outputs.iter().enumerate().filter(|c| *c.1 != 0.0).map(|(i, &c)| c as f64 * batch.output(self.graph, r, i)).sum::<f64>();
            sum += o.inputs.iter().zip(point).map(|(&c, &x)| c as f64 * x as f64).sum::<f64>();
            sum as f32
        };
        let mut best = (usize::MAX, 0, f32::NEG_INFINITY);
        let range = aim.map_or(0..self.objectives.disjuncts.len(), |d| d..d + 1);
        for d in range {
            let rows = self.objectives.disjuncts[d].iter().chain(&self.objectives.cuts);
            let worst = rows.map(|&row| (row, value(row))).fold((0, f32::INFINITY), |w, v| if v.1 < w.1 { v } else { w });
            if worst.1 > best.2 || best.0 == usize::MAX {
                best = (d, worst.0, worst.1);
            }
        }
        best
    }

    fn starts(&self, rows: usize, given: &[Vec<f32>]) -> Vec<f32> {
        let mut random = Random::new(self.seed);
        let n = self.low.len();
        let mut points = Vec::with_capacity(rows * n);
        for r in 0..rows {
            for d in 0..n {
                let (l, h) = (self.low[d], self.high[d]);
                let x = match (given.get(r), r - given.len().min(r)) {
                    (Some(point), _) => point[d],
                    (None, 0) => 0.5 * l + 0.5 * h,
                    (None, k) if k % 4 == 1 => {
                        if random.bits() & 1 == 0 {
                            l
                        } else {
                            h
                        }
                    }
                    _ => l + random.unit() * (h - l),
                };
                points.push(x.clamp(l, h));
            }
        }
        points
    }
}
