//! Bounds of a classifier's logits and of their differences on a box of inputs, by the engine's interval and CROWN bounds.

use checker::Semantics;
use engine::bounds::{Deployed, Network, Relaxation};
use engine::graph::{Graph, NodeId};
use engine::ops::Ranges;

/// Which relaxation bounds the hidden layers and the logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Interval arithmetic, layer by layer.
    Interval,
    /// Backward linear bounds of every unstable neuron and every logit, intersected with the intervals.
    Crown,
}

/// The graph, prepared for bounds under the semantics.
pub fn prepared(graph: &Graph, semantics: Semantics) -> Network<'_> {
    let deployed = match semantics {
        Semantics::Real | Semantics::Integer => Deployed::REAL,
        Semantics::Float32 | Semantics::Both => Deployed::evaluated_in(graph.element),
    };
    Network::new(graph, deployed)
}

/// The inputs within `eps` of `x` in every pixel, clipped to `[0, 1]`, as the semantics sees them.
///
/// `x` and `eps` stand for the decimals that were rounded to them, hence the outward slack.
pub fn perturbed(x: &[f64], eps: f64, semantics: Semantics) -> Ranges {
    let slack = (1.0 + eps) * 2f64.powi(-50);
    let mut ranges = Ranges::default();
    for &pixel in x {
        let (low, high) = ((pixel - eps - slack).clamp(0.0, 1.0), (pixel + eps + slack).clamp(0.0, 1.0));
        // Rounding to nearest is monotone, so the rounded ends enclose every rounded input.
        let (low32, high32) = ((low as f32) as f64, (high as f32) as f64);
        let (low, high) = match semantics {
            Semantics::Float32 => (low32, high32),
            Semantics::Both => (low.min(low32), high.max(high32)),
            Semantics::Real | Semantics::Integer => (low, high),
        };
        ranges.low.push(low);
        ranges.high.push(high);
    }
    ranges
}

/// Proved bounds of a classifier on one box.
pub struct Bounds<'n> {
    relaxation: Relaxation<'n, f64>,
    output: NodeId,
    logits: Ranges,
}

impl<'n> Bounds<'n> {
    /// Propagates `input` through a network of one output.
    pub fn new(network: &'n Network<'n>, input: &Ranges, method: Method) -> Bounds<'n> {
        let relaxation = match method {
            Method::Interval => Relaxation::interval(network, input),
            Method::Crown => Relaxation::crown(network, input, &|| false),
        };
        let output = network.graph.outputs[0];
        let logits = relaxation.bounds.ranges[output].clone();
        let mut bounds = Bounds { relaxation, output, logits };
        if method == Method::Crown {
            bounds.tighten();
        }
        bounds
    }

    /// Enclosures of the logits.
    pub fn logits(&self) -> &Ranges {
        &self.logits
    }

    /// For every class, at most the least value of the label's logit minus its logit (0 for the label itself).
    pub fn margins(&self, label: usize) -> Vec<f64> {
        let n = self.logits.len();
        let mut rows = vec![0.0; n * n];
        for other in (0..n).filter(|&other| other != label) {
            rows[other * n + other] = 1.0;
            rows[other * n + label] = -1.0;
        }
        self.upper(rows).iter().map(|upper| -upper).collect()
    }

    /// Intersects the logits' intervals with their own backward bounds.
    fn tighten(&mut self) {
        let n = self.logits.len();
        let mut rows = vec![0.0; 2 * n * n];
        for i in 0..n {
            rows[2 * i * n + i] = 1.0;
            rows[(2 * i + 1) * n + i] = -1.0;
        }
        for (i, ends) in self.upper(rows).as_chunks::<2>().0.iter().enumerate() {
            self.logits.high[i] = self.logits.high[i].min(ends[0]);
            self.logits.low[i] = self.logits.low[i].max(-ends[1]);
        }
    }

    /// At least the supremum of each row over the logits.
    fn upper(&self, rows: Vec<f64>) -> Vec<f64> {
        let count = rows.len() / self.logits.len();
        self.relaxation.sweep(vec![(self.output, rows)], count).iter().map(|form| form.bound).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits::classifier::{Classifier, Layer};
    use crate::digits::train::random::Random;

    fn network(random: &mut Random, sizes: &[usize]) -> Classifier {
        let mut layer = |w: &[usize]| {
            let mut numbers = |n: usize| (0..n).map(|_| random.signed_unit()).collect();
            Layer { inputs: w[0], outputs: w[1], weights: numbers(w[0] * w[1]), bias: numbers(w[1]) }
        };
        Classifier { layers: sizes.windows(2).map(&mut layer).collect(), rounded: false }
    }

    /// Logits and margins of class 0.
    fn bounds(network: &Classifier, input: &Ranges, semantics: Semantics, method: Method) -> (Ranges, Vec<f64>) {
        let graph = network.graph().expect("consistent");
        let prepared = prepared(&graph, semantics);
        let bounds = Bounds::new(&prepared, input, method);
        (bounds.logits().clone(), bounds.margins(0))
    }

    #[test]
    fn bounds_enclose_sampled_points_and_crown_is_inside_the_interval() {
        let mut random = Random::new(1);
        for _ in 0..50 {
            let network = network(&mut random, &[3, 6, 5, 3]);
            let x: Vec<f64> = (0..3).map(|_| 0.5 + 0.5 * random.signed_unit() as f64).collect();
            let input = perturbed(&x, 0.2, Semantics::Both);
            let (interval, _) = bounds(&network, &input, Semantics::Both, Method::Interval);
            let (crown, margins) = bounds(&network, &input, Semantics::Both, Method::Crown);
            for i in 0..3 {
                assert!(interval.low[i] <= crown.low[i] && crown.high[i] <= interval.high[i]);
            }
            for _ in 0..40 {
                let p: Vec<f64> = x.iter().map(|v| (v + 0.2 * random.signed_unit().round() as f64).clamp(0.0, 1.0)).collect();
                let y = network.logits(&p);
                assert!((0..3).all(|i| crown.at(i).contains(y[i]) && margins[i] <= y[0] - y[i]));
            }
        }
    }

    #[test]
    fn a_neuron_that_may_overflow_binary32_proves_nothing_about_float32() {
        let layer = Layer { inputs: 2, outputs: 2, weights: vec![3e38, 3e38, 0.0, 0.0], bias: vec![0.0, 1.0] };
        let network = Classifier { layers: vec![layer], rounded: false };
        let margin = |semantics| bounds(&network, &perturbed(&[1.0, 1.0], 0.0, semantics), semantics, Method::Crown).1[1];
        assert!(margin(Semantics::Float32) <= 0.0);
        assert!(margin(Semantics::Real) > 1e38);
    }

    #[test]
    fn cancellation_in_binary32_is_paid_for() {
        // 2^24 + 1 - 2^24 is 1 exactly, but 0 in binary32 from left to right.
        let layer = Layer { inputs: 3, outputs: 2, weights: vec![16777216.0, 1.0, -16777216.0, 0.0, 0.0, 0.0], bias: vec![0.0, 0.25] };
        let network = Classifier { layers: vec![layer], rounded: false };
        let input = Ranges { low: vec![1.0; 3], high: vec![1.0; 3] };
        let margin = |semantics| bounds(&network, &input, semantics, Method::Crown).1[1];
        assert!(margin(Semantics::Real) > 0.74);
        assert!(margin(Semantics::Float32) <= -0.25);
    }

    #[test]
    fn the_box_encloses_the_exact_decimals_and_their_binary32_roundings() {
        use engine::numerics::Decimal;
        for (pixel, eps) in [("0.1", "0.02"), ("0.3", "0.1"), ("0.7", "1e-9"), ("0.0625", "0")] {
            let exact = |text: &str| text.parse::<Decimal>().expect("a decimal");
            let (low, high) = (exact(pixel) - exact(eps), exact(pixel) + exact(eps));
            let near = |text: &str| text.parse::<f64>().expect("a number");
            let range = |semantics| perturbed(&[near(pixel)], near(eps), semantics).at(0);
            let real = range(Semantics::Real);
            assert!(Decimal::from_f64(real.low).expect("finite") <= low && Decimal::from_f64(real.high).expect("finite") >= high);
            let float32 = range(Semantics::Float32);
            assert!(float32.low <= low.to_f32() as f64 && float32.high >= high.to_f32() as f64);
            assert_eq!(range(Semantics::Both), real.hull(float32));
        }
    }
}
