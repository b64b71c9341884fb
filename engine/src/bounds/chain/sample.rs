//! Sampling the box for counterexamples, faces and corners included: gradients are of no use on the plateaus of some
//! networks (ACAS Xu 1_9, property 7), while one of a few thousand points of the faces hits.

use super::bounder::Bounder;
use super::workspace::Workspace;
use crate::kernels::Kernel;
use crate::numerics::Random;

/// Points evaluated together.
const BLOCK: usize = 256;
/// The best points of a sample that are climbed from.
const CLIMBS: usize = 8;

impl<F: Kernel> Bounder<F> {
    /// Points of the box `[low, high]`, of `count` sampled ones and the best of them climbed, at which a disjunct is
    /// satisfied up to rounding.
    pub fn sample(&self, low: &[F], high: &[F], count: usize, seed: u64, ws: &mut Workspace<F>) -> Vec<Vec<f64>> {
        let mut random = Random::new(seed);
        let dims = self.chain.inputs;
        let mut best: Vec<(f64, usize, Vec<f64>)> = Vec::new();
        ws.candidates.clear();
        for _ in 0..count.div_ceil(BLOCK) {
            let points: Vec<F> = (0..BLOCK * dims).map(|i| coordinate(&mut random, low[i % dims], high[i % dims])).collect();
            let outputs = self.outputs(&points);
            for (point, outputs) in points.chunks_exact(dims).zip(outputs.chunks_exact(self.chain.output().neurons)) {
                let point: Vec<f64> = point.iter().map(|x| x.to_f64()).collect();
                ws.probe.clear();
                ws.probe.extend_from_slice(outputs);
                for (d, rows) in self.objectives.disjuncts.iter().enumerate() {
                    let (value, slack) = self.violation(rows, &point, ws);
                    if value >= -slack {
                        ws.candidates.push(point);
                        return std::mem::take(&mut ws.candidates);
                    }
                    if best.len() < CLIMBS || value > best[best.len() - 1].0 {
                        let at = best.partition_point(|b| b.0 >= value);
                        best.insert(at, (value, d, point.clone()));
                        best.truncate(CLIMBS);
                    }
                }
            }
        }
        (ws.low, ws.high) = (low.iter().map(|x| x.to_f64()).collect(), high.iter().map(|x| x.to_f64()).collect());
        for (_, disjunct, point) in best {
            (ws.worst_disjunct, ws.worst_point) = (disjunct, point);
            self.climb(ws);
        }
        std::mem::take(&mut ws.candidates)
    }

    /// The network's outputs at a batch of points.
    fn outputs(&self, points: &[F]) -> Vec<F> {
        let rows = points.len() / self.chain.inputs.max(1);
        let mut below = points.to_vec();
        for (layer, packed) in self.chain.layers.iter().zip(self.forward.iter()) {
            let bias: Vec<F> = layer.bias.iter().map(|&b| F::from_f64(b)).collect();
            let mut values = bias.repeat(rows);
            packed.multiply_add(&below, &mut values, rows, false);
            for row in values.chunks_exact_mut(layer.neurons) {
                row.iter_mut().zip(&layer.slope).for_each(|(v, &s)| *v = if *v < F::ZERO { *v * s } else { *v });
            }
            below = values;
        }
        below
    }
}

/// An end of the range with probability 2/5, else a uniform point.
fn coordinate<F: Kernel>(random: &mut Random, low: F, high: F) -> F {
    match random.bits() % 5 {
        0 => low,
        1 => high,
        _ => (low + F::from_f64(random.unit() as f64) * (high - low)).max(low).min(high),
    }
}
