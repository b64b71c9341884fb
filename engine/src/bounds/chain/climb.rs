//! Climbing from the relaxation's worst point towards a counterexample: the network is linear around a point, so the best
//! point of that linear piece is a small game; step there, shrink the step where the piece was left for the worse.

use super::bounder::Bounder;
use super::workspace::Workspace;
use crate::kernels::{Kernel, padded, rows};

/// Steps of one climb; most climbs settle in fewer.
const STEPS: usize = 5;

impl<F: Kernel> Bounder<F> {
    /// Evaluates the network at `point` and leaves the pre-activations, outputs last, in `ws.probe`.
    pub(super) fn probe(&self, point: &[f64], ws: &mut Workspace<F>) {
        let Workspace { probe, probe_values: below, .. } = ws;
        probe.clear();
        below.clear();
        below.extend(point.iter().map(|&x| F::from_f64(x)));
        for (k, (layer, columns)) in self.chain.layers.iter().zip(self.columns.iter()).enumerate() {
            let start = probe.len();
            probe.extend(layer.bias.iter().map(|&b| F::from_f64(b)));
            rows::add_rows(below, columns, padded(layer.neurons), &mut probe[start..]);
            below.clear();
            if k + 1 < self.chain.layers.len() {
                below.extend(probe[start..].iter().zip(&layer.slope).map(|(&v, &s)| if v < F::ZERO { v * s } else { v }));
            }
        }
    }

    /// The least of a disjunct's functions at the probed point, and what rounding may hide of it.
    pub(super) fn violation(&self, rows: &[usize], point: &[f64], ws: &Workspace<F>) -> (f64, f64) {
        let outputs = &ws.probe[ws.probe.len() - self.chain.output().neurons..];
        let value = |&r: &usize| {
            let row = &self.objectives.rows[r];
            let terms = row.outputs.iter().zip(outputs).map(|(c, y)| c.to_f64() * y.to_f64());
            let own = row.inputs.iter().zip(point).map(|(c, x)| c.to_f64() * x);
            terms.chain(own).fold((row.constant, row.constant.abs()), |(sum, size), t| (sum + t, size + t.abs()))
        };
        let least = |a: (f64, f64), b: (f64, f64)| if b.0 < a.0 { b } else { a };
        let (value, size) = rows.iter().chain(&self.objectives.cuts).map(value).fold((f64::INFINITY, 0.0), least);
        (value, 1e3 * F::UNIT * size)
    }

    /// Up to [`STEPS`] steps from `ws.worst_point` inside the box `ws.low`, `ws.high` for the worst open disjunct; a point
    /// that satisfies it up to rounding is appended to `ws.candidates`.
    pub(super) fn climb(&self, ws: &mut Workspace<F>) {
        let rows = self.objectives.disjuncts[ws.worst_disjunct].clone();
        // The point was the worst of the whole part; clipping may have shrunk the box since.
        let mut point: Vec<f64> = (0..ws.worst_point.len()).map(|d| ws.worst_point[d].max(ws.low[d]).min(ws.high[d])).collect();
        self.probe(&point, ws);
        let (mut best, _) = self.violation(&rows, &point, ws);
        let mut reach = 1.0;
        for _ in 0..STEPS {
            let (a, k) = self.piece(&rows, &point, ws);
            let low: Vec<f64> = (0..point.len()).map(|d| ws.low[d].max(point[d] - reach * (ws.high[d] - ws.low[d]))).collect();
            let high: Vec<f64> = (0..point.len()).map(|d| ws.high[d].min(point[d] + reach * (ws.high[d] - ws.low[d]))).collect();
            ws.game.solve(&a, &k, &low, &high);
            let next = ws.game.point.clone();
            self.probe(&next, ws);
            let (value, slack) = self.violation(&rows, &next, ws);
            if value >= -slack {
                ws.promise = value;
                ws.candidates.push(next);
                return;
            }
            if value > best {
                (best, point) = (value, next);
            } else {
                reach *= 0.25;
                self.probe(&point, ws);
            }
        }
        (ws.promise, ws.worst_point) = (ws.promise.max(best), point);
    }

    /// The network's own linear piece around the probed point: coefficients and constants of the disjunct's functions.
    fn piece(&self, rows: &[usize], point: &[f64], ws: &mut Workspace<F>) -> (Vec<f64>, Vec<f64>) {
        let (dims, count) = (self.chain.inputs, rows.len());
        let outputs = self.chain.output().neurons;
        let mut c = vec![F::ZERO; count * outputs];
        for (r, &row) in rows.iter().enumerate() {
            let own = &self.objectives.rows[row].outputs;
            c[r * outputs..r * outputs + own.len()].copy_from_slice(own);
        }
        for (k, layer) in self.chain.layers.iter().enumerate().rev() {
            if k + 1 < self.chain.layers.len() {
                let pre = &ws.probe[self.span(k)];
                for row in c.chunks_exact_mut(layer.neurons) {
                    row.iter_mut().zip(pre.iter().zip(&layer.slope)).for_each(|(c, (&a, &s))| *c = if a < F::ZERO { *c * s } else { *c });
                }
            }
            let mut below = vec![F::ZERO; count * layer.below];
            for (c, below) in c.chunks_exact(layer.neurons.max(1)).zip(below.chunks_exact_mut(layer.below.max(1))) {
                rows::add_rows(c, &self.rows[k], padded(layer.below), below);
            }
            c = below;
        }
        let (mut a, mut k) = (Vec::with_capacity(count * dims), Vec::with_capacity(count));
        for (r, &row) in rows.iter().enumerate() {
            let own = &self.objectives.rows[row].inputs;
            let start = a.len();
            a.extend((0..dims).map(|d| c[r * dims + d].to_f64() + own.get(d).map_or(0.0, |x| x.to_f64())));
            let (value, _) = self.violation(&[row], point, ws);
            k.push(value - a[start..].iter().zip(point).map(|(v, x)| v * x).sum::<f64>());
        }
        (a, k)
    }
}
