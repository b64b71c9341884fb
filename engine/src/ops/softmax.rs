//! `y_i = e^{x_i} / sum_j e^{x_j} = 1 / (1 + sum_{j != i} e^{x_j - x_i})` along one axis.
//!
//! Interval: the second form grows with `x_i` and falls with the others. Relaxation, output by output with coefficient c: the
//! reciprocal by a line of slope t in `S = 1 + sum e^d`, then each exponential by a line in `d = x_j - x_i`; the suprema of
//! `c / S - T S` and of `T e^d - m d` are those of the scalar rules, for exactly the multipliers used.

use super::rules::broadcast::element_count;
use super::rules::ledger::{Ledger, range, usable};
use super::rules::smooth::scaled_offset;
use super::{DeployedError, Exp, General, Ranges, Reciprocal};
use crate::numerics::{Interval, elementary, rounding};

/// Softmax along one axis.
#[derive(Debug)]
pub struct Softmax {
    outer: usize,
    axis: usize,
    inner: usize,
}

/// A line for one output: multipliers of the differences `x_j - x_i`, and the bound that goes with them.
struct Line {
    multipliers: Vec<f64>,
    bound: f64,
}

impl Softmax {
    /// Of a tensor of this shape along axis `axis`.
    pub fn new(shape: &[usize], axis: usize) -> Result<Softmax, String> {
        if axis >= shape.len() || element_count(shape)? == 0 {
            return Err(format!("Softmax along axis {axis} of shape {shape:?}"));
        }
        let product = |s: &[usize]| s.iter().product();
        Ok(Softmax { outer: product(&shape[..axis]), axis: shape[axis], inner: product(&shape[axis + 1..]) })
    }

    fn len(&self) -> usize {
        self.outer * self.axis * self.inner
    }

    /// The elements that share output `o`'s sum.
    fn group(&self, o: usize) -> impl Iterator<Item = usize> + Clone {
        let start = o / (self.axis * self.inner) * (self.axis * self.inner) + o % self.inner;
        (0..self.axis).map(move |k| start + k * self.inner)
    }

    /// The intervals of `x_j - x_i` for the others j of output `i`'s group.
    fn differences(&self, i: usize, inputs: &[&Ranges]) -> Vec<(usize, Interval)> {
        let own = range(inputs, 0, i);
        self.group(i).filter(|&j| j != i).map(|j| (j, range(inputs, 0, j) - own)).collect()
    }
}

/// Contains `1 + sum e^d`.
fn sum(differences: &[(usize, Interval)]) -> Interval {
    let exp = |d: Interval| Interval { low: elementary::exp(d.low).low, high: elementary::exp(d.high).high };
    differences.iter().fold(Interval::point(1.0), |sum, &(_, d)| sum + exp(d))
}

/// Contains `1 / S`, at most 1.
fn value(sum: Interval) -> Interval {
    let sum = Interval { low: sum.low.max(1.0), high: sum.high.max(1.0) };
    let y = Interval::point(1.0) / sum;
    Interval { low: y.low.max(0.0), high: y.high.min(1.0) }
}

fn line(c: f64, differences: &[(usize, Interval)]) -> Line {
    let s = sum(differences);
    // The chord's slope for c > 0; the slope of the tangent at the geometric mean for c < 0.
    let of_sum = usable(-c / (s.low * s.high));
    let mut bound = scaled_offset(&Reciprocal, c, of_sum, s) + of_sum;
    let multiplier = |&(_, d): &(usize, Interval)| {
        let chord = (d.high.exp() - d.low.exp()) / (d.high - d.low);
        usable(of_sum * if of_sum > 0.0 && chord.is_finite() { chord } else { d.middle().exp() })
    };
    let multipliers: Vec<f64> = differences.iter().map(multiplier).collect();
    for (&m, &(_, d)) in multipliers.iter().zip(differences) {
        bound = (bound.next_up() + scaled_offset(&Exp, of_sum, m, d)).next_up();
    }
    Line { multipliers, bound: bound.next_up() }
}

impl General for Softmax {
    fn name(&self) -> &str {
        "Softmax"
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        if inputs == [self.len()] {
            Ok(self.len())
        } else {
            Err(format!("operands of {inputs:?} elements where {} are needed", self.len()))
        }
    }

    fn eval(&self, inputs: &[&[f64]], output: &mut [f64]) {
        let x = inputs[0];
        for (i, y) in output.iter_mut().enumerate() {
            *y = 1.0 / self.group(i).map(|j| (x[j] - x[i]).exp()).sum::<f64>();
        }
    }

    fn eval_f32(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let x = inputs[0];
        for (i, y) in output.iter_mut().enumerate() {
            let top = self.group(i).map(|j| x[j]).fold(f32::NEG_INFINITY, f32::max);
            *y = (x[i] - top).exp() / self.group(i).map(|j| (x[j] - top).exp()).fold(0.0, |sum, e| sum + e);
        }
    }

    fn pull_back(&self, inputs: &[&[f64]], gradient: &[f64], back: &mut [Vec<f64>]) {
        let mut y = vec![0.0; self.len()];
        self.eval(inputs, &mut y);
        for i in 0..self.len() {
            let mean: f64 = self.group(i).map(|j| y[j] * gradient[j]).sum();
            back[0][i] += y[i] * (gradient[i] - mean);
        }
    }

    fn interval(&self, inputs: &[&Ranges]) -> Ranges {
        Ranges::collect((0..self.len()).map(|i| value(sum(&self.differences(i, inputs)))))
    }

    fn relax_row(&self, c: &[f64], inputs: &[&Ranges], back: &mut [Vec<f64>]) -> f64 {
        let mut ledger = Ledger::new(inputs, back);
        for (i, &c) in c.iter().enumerate().filter(|(_, c)| **c != 0.0) {
            if !c.is_finite() {
                return f64::NAN;
            }
            let differences = self.differences(i, inputs);
            let constant = (Interval::point(c) * value(sum(&differences))).high;
            let line = line(c, &differences);
            let at_centre = differences.iter().zip(&line.multipliers).map(|((_, d), m)| m * d.middle()).sum::<f64>() + line.bound;
            // Wide boxes: the interval's own bound may be the better one; a NaN loses.
            if at_centre < constant {
                ledger.charge(line.bound);
                for (&(j, _), &m) in differences.iter().zip(&line.multipliers) {
                    ledger.add(0, j, m);
                    ledger.add(0, i, -m);
                }
            } else {
                ledger.charge(constant);
            }
        }
        ledger.bound()
    }

    /// Rounding of the differences errs by at most `|d| e^-|d| 2^-24` each, absolutely; the sum by gamma; exponentials and the
    /// quotient by some units in the last place. Generously three times that.
    fn deployed_error(&self) -> DeployedError {
        DeployedError { absolute: 1e-6, relative: 3.0 * rounding::gamma::<f32>(self.axis + 16) }
    }
}
