//! `y_i = (x_i - mean x) / sqrt(var x + epsilon)` over groups of neighbours, as TorchLean's graphs have it.
//!
//! With `c = x - mean x`: `var x = sum c^2 / n`, and as the c sum to 0, `sum c^2 >= c_i^2 n / (n - 1)`, so `y_i^2 < n - 1`.
//! Otherwise intervals: c between the ends minus those of the mean, the variance between the means of the least and greatest squares.

use engine::numerics::Interval;
use engine::ops::{DeployedError, General, Ranges};

/// Normalisation of groups of `group` neighbours.
#[derive(Debug)]
pub struct LayerNorm {
    len: usize,
    group: usize,
    epsilon: f64,
}

impl LayerNorm {
    /// Over the axes from `axis` on of a tensor of this shape, with `epsilon > 0`.
    pub fn new(shape: &[usize], axis: usize, epsilon: f64) -> Result<LayerNorm, String> {
        let product = |dims: &[usize]| dims.iter().try_fold(1usize, |p, &d| p.checked_mul(d)).filter(|&p| p > 0);
        match (shape.get(axis..).and_then(product), product(shape)) {
            (Some(group), Some(len)) if axis < shape.len() && epsilon > 0.0 && epsilon.is_finite() => Ok(LayerNorm { len, group, epsilon }),
            _ => Err(format!("layer normalisation from axis {axis} of shape {shape:?} with epsilon {epsilon}")),
        }
    }

    /// Encloses the outputs of one group.
    fn group_ranges(&self, x: &[Interval]) -> Vec<Interval> {
        let count = Interval::point(x.len() as f64);
        let sum = |v: &mut dyn Iterator<Item = Interval>| v.reduce(|a, b| a + b).unwrap_or(Interval::WHOLE);
        let mean = sum(&mut x.iter().copied()) / count;
        let centred: Vec<Interval> = x.iter().map(|&x| x - mean).collect();
        let variance = sum(&mut centred.iter().map(|&c| square(c))) / count;
        let below = Interval { low: variance.low.max(0.0), high: variance.high.max(0.0) } + Interval::point(self.epsilon);
        let deviation = Interval { low: below.low.max(0.0).sqrt().next_down(), high: below.high.sqrt().next_up() };
        let most = ((x.len() - 1) as f64).sqrt().next_up();
        let limit = if x.len() == 1 { Interval::point(0.0) } else { Interval { low: -most, high: most } };
        centred.into_iter().map(|c| (c / deviation).intersection(limit).unwrap_or(limit)).collect()
    }
}

fn square(c: Interval) -> Interval {
    let (near, far) = (if c.contains(0.0) { 0.0 } else { c.low.abs().min(c.high.abs()) }, c.magnitude());
    Interval { low: (near * near).next_down().max(0.0), high: (far * far).next_up() }
}

impl General for LayerNorm {
    fn name(&self) -> &str {
        "LayerNorm"
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        if inputs == [self.len] { Ok(self.len) } else { Err(format!("operands of {inputs:?} elements where {} are needed", self.len)) }
    }

    fn eval(&self, inputs: &[&[f64]], output: &mut [f64]) {
        for (x, y) in inputs[0].chunks(self.group).zip(output.chunks_mut(self.group)) {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let variance = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / x.len() as f64;
            y.iter_mut().zip(x).for_each(|(y, v)| *y = (v - mean) / (variance + self.epsilon).sqrt());
        }
    }

    fn eval_f32(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let wide: Vec<f64> = inputs[0].iter().map(|&x| x.into()).collect();
        let mut result = vec![0.0; output.len()];
        self.eval(&[&wide], &mut result);
        output.iter_mut().zip(result).for_each(|(y, v)| *y = v as f32);
    }

    /// No gradient: attacks do not meet this operator.
    fn pull_back(&self, _inputs: &[&[f64]], _gradient: &[f64], _back: &mut [Vec<f64>]) {}

    fn interval(&self, inputs: &[&Ranges]) -> Ranges {
        let at = |i: usize| Interval::new(inputs[0].low[i], inputs[0].high[i]).unwrap_or(Interval::WHOLE);
        let all: Vec<Interval> = (0..self.len).map(at).collect();
        Ranges::collect(all.chunks(self.group).flat_map(|x| self.group_ranges(x)))
    }

    /// The constant of the interval: no multipliers are passed on.
    fn relax_row(&self, c: &[f64], inputs: &[&Ranges], _back: &mut [Vec<f64>]) -> f64 {
        let values = self.interval(inputs);
        let terms = c.iter().enumerate().filter(|(_, c)| **c != 0.0).map(|(i, &c)| Interval::point(c) * values.at(i));
        terms.reduce(|a, b| a + b).map_or(0.0, |sum| sum.high)
    }

    /// Nothing is known about deployed evaluations.
    fn deployed_error(&self) -> DeployedError {
        DeployedError { absolute: f64::INFINITY, relative: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::numerics::Random;

    #[test]
    fn intervals_enclose_values_and_are_never_beyond_the_limit() {
        let mut random = Random::new(7);
        for trial in 0..300 {
            let n = 1 + trial % 5;
            let op = LayerNorm::new(&[2, n], 1, 1e-6).expect("a shape");
            let mut ranges = Ranges::default();
            for _ in 0..2 * n {
                let middle = 10.0 * f64::from(random.unit()) - 5.0;
                let radius = if trial % 3 == 0 { 1e-4 } else { 2.0 } * f64::from(random.unit());
                ranges.low.push(middle - radius);
                ranges.high.push(middle + radius);
            }
            let values = op.interval(&[&ranges]);
            let most = ((n - 1) as f64).sqrt() * (1.0 + 1e-12);
            assert!((0..2 * n).all(|i| values.at(i).magnitude() <= most), "{values:?}");
            for _ in 0..50 {
                let x: Vec<f64> = (0..2 * n).map(|i| ranges.low[i] + (ranges.high[i] - ranges.low[i]) * f64::from(random.unit())).collect();
                let mut y = vec![0.0; 2 * n];
                op.eval(&[&x], &mut y);
                assert!((0..2 * n).all(|i| values.at(i).widened(1e-9).contains(y[i])), "{values:?} {y:?}");
            }
        }
        let whole = Ranges { low: vec![f64::NEG_INFINITY, f64::NAN], high: vec![f64::INFINITY, 0.0] };
        let values = LayerNorm::new(&[2], 0, 1e-6).expect("a shape").interval(&[&whole]);
        assert!(values.at(0).contains(1.0) && values.at(1).contains(-1.0));
        assert!(LayerNorm::new(&[2], 1, 1e-6).is_err() && LayerNorm::new(&[2], 0, 0.0).is_err() && LayerNorm::new(&[0], 0, 1.0).is_err());
    }
}
