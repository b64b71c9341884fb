//! `y[c, o] = mean of x[c, window o]`: AveragePool and GlobalAveragePool.

use super::{Affine, Window};
use crate::numerics::Real;

/// Averages over sliding windows, channel by channel.
#[derive(Debug)]
pub struct AveragePool {
    name: &'static str,
    window: Window,
    channels: usize,
    /// True if elements of the padding count as zeros.
    count_padding: bool,
    inexact_in_f32: bool,
    weight_error: f64,
}

impl AveragePool {
    /// A pool of each of `channels` channels; `count_padding` says whether padding counts in the divisor.
    ///
    /// With `count_padding` every window must lie within the padded input.
    pub fn new(name: &'static str, window: Window, channels: usize, count_padding: bool) -> Result<AveragePool, String> {
        window.check()?;
        let mut pool = AveragePool { name, window, channels, count_padding, inexact_in_f32: false, weight_error: 0.0 };
        for (oy, ox) in pool.places() {
            match pool.divisor(oy, ox) {
                0 => return Err(format!("window ({oy}, {ox}) lies in the padding altogether")),
                // 1/k is a binary number only for powers of two; else it is off by less than one part in 2^52.
                k if !k.is_power_of_two() => (pool.inexact_in_f32, pool.weight_error) = (true, f64::EPSILON),
                _ => {}
            }
        }
        Ok(pool)
    }

    fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let [h, w] = self.window.output;
        (0..h * w).map(move |o| (o / w, o % w))
    }

    fn divisor(&self, oy: usize, ox: usize) -> usize {
        match self.count_padding {
            true => self.window.kernel[0] * self.window.kernel[1],
            false => self.window.taps(0, oy).len() * self.window.taps(1, ox).len(),
        }
    }

    /// Calls `visit(output, input, weight)` for every term, in order.
    #[inline]
    fn for_each_term(&self, mut visit: impl FnMut(usize, usize, f64)) {
        let w = &self.window;
        for c in 0..self.channels {
            for (oy, ox) in self.places() {
                let o = c * w.output_len() + oy * w.output[1] + ox;
                let weight = 1.0 / self.divisor(oy, ox) as f64;
                for ky in w.taps(0, oy) {
                    let iy = oy * w.strides[0] + ky * w.dilations[0] - w.pads[0];
                    for kx in w.taps(1, ox) {
                        let ix = ox * w.strides[1] + kx * w.dilations[1] - w.pads[1];
                        visit(o, c * w.input_len() + iy * w.input[1] + ix, weight);
                    }
                }
            }
        }
    }

    fn apply<F: Real>(&self, x: &[F], y: &mut [F], rows: usize) {
        let (n, m) = (self.channels * self.window.input_len(), self.channels * self.window.output_len());
        for r in 0..rows {
            let (x, y) = (&x[r * n..][..n], &mut y[r * m..][..m]);
            self.for_each_term(|o, i, w| y[o] += F::from_f64(w) * x[i]);
        }
    }

    fn transpose<F: Real>(&self, y: &[F], x: &mut [F], rows: usize) {
        let (n, m) = (self.channels * self.window.input_len(), self.channels * self.window.output_len());
        for r in 0..rows {
            let (x, y) = (&mut x[r * n..][..n], &y[r * m..][..m]);
            self.for_each_term(|o, i, w| x[i] += F::from_f64(w) * y[o]);
        }
    }
}

impl Affine for AveragePool {
    fn name(&self) -> &str {
        self.name
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        let n = self.channels * self.window.input_len();
        match inputs == [n] {
            true => Ok(self.channels * self.window.output_len()),
            false => Err(format!("{} takes one operand of {n} elements, not {inputs:?}", self.name)),
        }
    }

    fn for_each_weight(&self, _operand: usize, visit: &mut dyn FnMut(usize, usize, f64)) {
        self.for_each_term(visit)
    }

    fn weight_error(&self) -> f64 {
        self.weight_error
    }

    fn inexact_in_f32(&self) -> bool {
        self.inexact_in_f32
    }

    fn fan_in(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    fn fan_out(&self, _operand: usize) -> usize {
        self.window.most_windows()
    }

    fn apply_f32(&self, _operand: usize, x: &[f32], y: &mut [f32], rows: usize, _absolute: bool) {
        self.apply(x, y, rows)
    }

    fn apply_f64(&self, _operand: usize, x: &[f64], y: &mut [f64], rows: usize, _absolute: bool) {
        self.apply(x, y, rows)
    }

    fn transpose_f32(&self, _operand: usize, y: &[f32], x: &mut [f32], rows: usize) {
        self.transpose(y, x, rows)
    }

    fn transpose_f64(&self, _operand: usize, y: &[f64], x: &mut [f64], rows: usize) {
        self.transpose(y, x, rows)
    }
}
