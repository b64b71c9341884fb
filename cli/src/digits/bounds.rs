//! Rigorous bounds of a dense ReLU network on a box: interval propagation and CROWN (Zhang et al., NeurIPS 2018).
//!
//! Everything is computed in `f64` to nearest; a-priori errors of the sums go into the bounds (TRUST.md, "Rounding"). Under
//! `float32` and `both` each layer's output may in addition differ by the rounding error of any binary32 evaluation.

use checker::Semantics;
use engine::numerics::rounding::{gamma, underflow};
use engine::ops::Ranges;

use super::classifier::{Classifier, Layer};

/// Which relaxation bounds the hidden layers and the logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Interval arithmetic, layer by layer.
    Interval,
    /// Backward linear bounds of every unstable neuron and every logit, intersected with the intervals.
    Crown,
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

/// What is proved of one layer `z = W h + b`.
struct LayerBounds<'a> {
    layer: &'a Layer,
    /// Largest absolute value of each `h_j`.
    magnitude: Vec<f64>,
    /// At least `sum_j |W_ij| magnitude_j`.
    reach: Vec<f64>,
    /// At least the distance between a deployed `z_i` and the exact one of the same `h`; 0 under `real`.
    rounding: Vec<f64>,
    /// Enclosures of `z`.
    output: Ranges,
}

/// Proved bounds of every layer of a classifier on one box.
pub struct Bounds<'a> {
    layers: Vec<LayerBounds<'a>>,
    input: Ranges,
}

impl<'a> Bounds<'a> {
    /// Propagates `input` through `network`.
    pub fn new(network: &'a Classifier, input: Ranges, semantics: Semantics, method: Method) -> Bounds<'a> {
        let mut bounds = Bounds { layers: Vec::new(), input };
        for (k, layer) in network.layers.iter().enumerate() {
            let h = bounds.layers.last().map_or_else(|| bounds.input.clone(), |below| rectified(&below.output));
            bounds.layers.push(interval(layer, &h, semantics));
            // In the first layer the interval is already exact up to rounding.
            if method == Method::Crown && k > 0 {
                bounds.tighten(k, k + 1 == network.layers.len());
            }
        }
        bounds
    }

    /// Enclosures of the logits.
    pub fn logits(&self) -> &Ranges {
        &self.layers[self.layers.len() - 1].output
    }

    /// At most the least value of `logit_label - logit_other`, by one backward sweep for the difference.
    pub fn margin(&self, label: usize, other: usize) -> f64 {
        let mut objective = vec![0.0; self.logits().len()];
        objective[other] += 1.0;
        objective[label] -= 1.0;
        -self.upper(self.layers.len() - 1, objective)
    }

    /// Replaces intervals of layer `k` by CROWN bounds where those are tighter; stable neurons only if `all`.
    fn tighten(&mut self, k: usize, all: bool) {
        for i in 0..self.layers[k].output.len() {
            let Ranges { low, high } = &self.layers[k].output;
            let (low, high) = (low[i], high[i]);
            if !all && (low >= 0.0 || high <= 0.0) {
                continue;
            }
            let unit = |sign: f64| (0..self.layers[k].output.len()).map(|j| if j == i { sign } else { 0.0 }).collect();
            let (tighter_low, tighter_high) = (low.max(-self.upper(k, unit(-1.0))), high.min(self.upper(k, unit(1.0))));
            let output = &mut self.layers[k].output;
            (output.low[i], output.high[i]) = (tighter_low, tighter_high);
        }
    }

    /// At least `sup row . z_k`: one backward sweep. NaN never comes out; nothing known is `+inf`.
    fn upper(&self, k: usize, mut row: Vec<f64>) -> f64 {
        let mut total = 0.0;
        for k in (0..=k).rev() {
            let bounds = &self.layers[k];
            total = add_up(total, bounds.constant(&row));
            let back = bounds.transpose(&row);
            row = back;
            if k > 0 {
                let below = &self.layers[k - 1].output;
                for (j, c) in row.iter_mut().enumerate() {
                    let slope = *c * relu_slope(*c, below.low[j], below.high[j]);
                    total = add_up(total, relu_offset(*c, slope, below.low[j], below.high[j]));
                    *c = slope;
                }
            }
        }
        for (j, &v) in row.iter().enumerate() {
            total = add_up(total, mul_up(v, if v >= 0.0 { self.input.high[j] } else { self.input.low[j] }));
        }
        if total.is_nan() { f64::INFINITY } else { total }
    }
}

impl LayerBounds<'_> {
    /// At least `row . b` plus all that rounding can add: of the deployed layer, and of [`LayerBounds::transpose`].
    fn constant(&self, row: &[f64]) -> f64 {
        let relative = gamma::<f64>(self.layer.outputs);
        let mut total = mul_up(underflow::<f64>(self.layer.outputs), sum_up(&self.magnitude));
        // A zero coefficient counts too: zero times an infinite error (possible overflow) is NaN, which proves nothing.
        for (i, &c) in row.iter().enumerate() {
            total = add_up(total, mul_up(c, self.layer.bias[i] as f64));
            total = add_up(total, mul_up(c.abs(), add_up(self.rounding[i], mul_up(relative, self.reach[i]))));
        }
        total
    }

    /// `W^T row` to nearest; the error is in [`LayerBounds::constant`].
    fn transpose(&self, row: &[f64]) -> Vec<f64> {
        let mut back = vec![0.0; self.layer.inputs];
        for (weights, &c) in self.layer.weights.chunks_exact(self.layer.inputs).zip(row).filter(|(_, c)| **c != 0.0) {
            for (b, &w) in back.iter_mut().zip(weights) {
                *b += w as f64 * c;
            }
        }
        back
    }
}

/// The interval rule of one layer.
fn interval<'a>(layer: &'a Layer, h: &Ranges, semantics: Semantics) -> LayerBounds<'a> {
    let magnitude: Vec<f64> = (0..h.len()).map(|j| h.at(j).magnitude()).collect();
    let (mut reach, mut rounding, mut output) = (Vec::new(), Vec::new(), Ranges::default());
    let error64 = gamma::<f64>(layer.inputs + 3);
    for (weights, &b) in layer.weights.chunks_exact(layer.inputs).zip(&layer.bias) {
        let (mut low, mut high, mut size) = (b as f64, b as f64, 0.0);
        for (j, &w) in weights.iter().enumerate() {
            let w = w as f64;
            let (x, y) = (w * h.low[j], w * h.high[j]);
            low += x.min(y);
            high += x.max(y);
            size += w.abs() * magnitude[j];
        }
        let size = add_up(mul_up(size, 1.0 + 2.0 * error64), underflow::<f64>(layer.inputs));
        let deployed = match semantics {
            Semantics::Real => 0.0,
            _ => deployed_error(weights, b, &magnitude, size),
        };
        let error = add_up(mul_up(error64, add_up(size, (b as f64).abs())), add_up(underflow::<f64>(layer.inputs), deployed));
        output.low.push(known((low - error).next_down(), f64::NEG_INFINITY));
        output.high.push(known((high + error).next_up(), f64::INFINITY));
        reach.push(size);
        rounding.push(deployed);
    }
    LayerBounds { layer, magnitude, reach, rounding, output }
}

/// At least the rounding error of any binary32 evaluation of one dot product with bias: any order, with or without fused
/// multiply-add, gradual or flushed underflow. Infinite where a partial sum could overflow.
fn deployed_error(weights: &[f32], bias: f32, magnitude: &[f64], reach: f64) -> f64 {
    let terms = weights.len() + 1;
    let size = add_up(reach, (bias as f64).abs());
    if size.is_nan() || size > 0.5 * f32::MAX as f64 {
        return f64::INFINITY;
    }
    // Flushing to zero can also hit an operand: it then loses the other operand times the smallest normal.
    let largest = weights.iter().map(|w| w.abs() as f64).chain(magnitude.iter().copied()).fold(2.0, |a: f64, b| a.max(b));
    add_up(mul_up(gamma::<f32>(terms + 8), size), mul_up(underflow::<f32>(2 * terms + 8), largest))
}

/// The intervals after ReLU.
fn rectified(z: &Ranges) -> Ranges {
    let positive = |v: &Vec<f64>| v.iter().map(|x| x.max(0.0)).collect();
    Ranges { low: positive(&z.low), high: positive(&z.high) }
}

/// CROWN's slope of the line that bounds `c relu(a)` from above on `[low, high]`; any finite slope is sound.
fn relu_slope(c: f64, low: f64, high: f64) -> f64 {
    if high <= 0.0 {
        0.0
    } else if low >= 0.0 {
        1.0
    } else if c >= 0.0 {
        if high.is_finite() && low.is_finite() { high / (high - low) } else { 0.0 }
    } else if high > -low {
        1.0
    } else {
        0.0
    }
}

/// At least `sup { c relu(a) - slope a : low <= a <= high }`: piecewise linear, so the ends and the kink decide.
fn relu_offset(c: f64, slope: f64, low: f64, high: f64) -> f64 {
    let mut largest = if low <= 0.0 && high >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
    for a in [low, high] {
        let value = add_up(mul_up(c, a.max(0.0)), mul_up(-slope, a));
        if value > largest || value.is_nan() {
            largest = value;
        }
    }
    largest
}

fn add_up(a: f64, b: f64) -> f64 {
    // A sum with zero is exact.
    if a == 0.0 || b == 0.0 { a + b } else { (a + b).next_up() }
}

fn mul_up(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 * a * b } else { (a * b).next_up() }
}

fn sum_up(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |sum, &v| add_up(sum, v))
}

fn known(x: f64, otherwise: f64) -> f64 {
    if x.is_nan() { otherwise } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits::train::random::Random;

    fn network(random: &mut Random, sizes: &[usize]) -> Classifier {
        let mut layer = |w: &[usize]| {
            let mut numbers = |n: usize| (0..n).map(|_| random.signed_unit()).collect();
            Layer { inputs: w[0], outputs: w[1], weights: numbers(w[0] * w[1]), bias: numbers(w[1]) }
        };
        Classifier { layers: sizes.windows(2).map(&mut layer).collect(), rounded: false }
    }

    #[test]
    fn bounds_enclose_sampled_points_and_crown_is_inside_the_interval() {
        let mut random = Random::new(1);
        for _ in 0..50 {
            let network = network(&mut random, &[3, 6, 5, 3]);
            let x: Vec<f64> = (0..3).map(|_| 0.5 + 0.5 * random.signed_unit() as f64).collect();
            let bounds = |method| Bounds::new(&network, perturbed(&x, 0.2, Semantics::Both), Semantics::Both, method);
            let (interval, crown) = (bounds(Method::Interval), bounds(Method::Crown));
            for i in 0..3 {
                let (a, b) = (interval.logits().at(i), crown.logits().at(i));
                assert!(a.low <= b.low && b.high <= a.high);
            }
            for _ in 0..40 {
                let p: Vec<f64> = x.iter().map(|v| (v + 0.2 * random.signed_unit().round() as f64).clamp(0.0, 1.0)).collect();
                let y = network.logits(&p);
                assert!((0..3).all(|i| crown.logits().at(i).contains(y[i])));
                assert!(crown.margin(0, 1) <= y[0] - y[1]);
            }
        }
    }

    #[test]
    fn a_neuron_that_may_overflow_binary32_proves_nothing_about_float32() {
        let layer = Layer { inputs: 2, outputs: 2, weights: vec![3e38, 3e38, 0.0, 0.0], bias: vec![0.0, 1.0] };
        let network = Classifier { layers: vec![layer], rounded: false };
        let bounds = |semantics| Bounds::new(&network, perturbed(&[1.0, 1.0], 0.0, semantics), semantics, Method::Crown);
        assert_eq!(bounds(Semantics::Float32).margin(0, 1), f64::NEG_INFINITY);
        assert!(bounds(Semantics::Real).margin(0, 1) > 1e38);
    }

    #[test]
    fn cancellation_in_binary32_is_paid_for() {
        // 2^24 + 1 - 2^24 is 1 exactly, but 0 in binary32 from left to right.
        let layer = Layer { inputs: 3, outputs: 2, weights: vec![16777216.0, 1.0, -16777216.0, 0.0, 0.0, 0.0], bias: vec![0.0, 0.25] };
        let network = Classifier { layers: vec![layer], rounded: false };
        let margin = |semantics| {
            let input = Ranges { low: vec![1.0; 3], high: vec![1.0; 3] };
            Bounds::new(&network, input, semantics, Method::Crown).margin(0, 1)
        };
        assert!(margin(Semantics::Real) > 0.74);
        assert!(margin(Semantics::Float32) <= -0.25);
    }

    #[test]
    fn cancellation_in_our_own_arithmetic_is_paid_for() {
        // 2^53 + 1 - 2^53 is 1 exactly, but 0 in binary64 from left to right: once along a row, once down a column.
        let big = 2f32.powi(53);
        let network = |inputs, outputs| {
            let layer = Layer { inputs, outputs, weights: vec![big, 1.0, -big], bias: vec![0.0; outputs] };
            Classifier { layers: vec![layer], rounded: false }
        };
        let ones = |n| Ranges { low: vec![1.0; n], high: vec![1.0; n] };
        let (row, column) = (network(3, 1), network(1, 3));
        assert!(Bounds::new(&row, ones(3), Semantics::Real, Method::Interval).logits().at(0).contains(1.0));
        assert!(Bounds::new(&column, ones(1), Semantics::Real, Method::Crown).upper(0, vec![1.0; 3]) >= 1.0);
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
