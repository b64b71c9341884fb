//! One hidden layer as seen from one part of the input set: neurons that are not provably zero, and their lines.

use std::ops::Range;

use super::Layer;
use crate::bounds::Deployed;
use crate::kernels::rows::{self, Lines};
use crate::kernels::{Aligned, Kernel, LANES, banded, padded};
use crate::numerics::rounding::gamma;

/// A layer reduced to its live neurons, with everything that a backward step through it needs.
#[derive(Clone, Debug, Default)]
pub struct Reduced<F> {
    /// Live neurons, ascending.
    pub live: Vec<u32>,
    covered: Vec<bool>,
    /// The live set below has changed since the weights were gathered.
    pub(super) stale: bool,
    /// `live.len()` rounded up to whole vectors.
    pub width: usize,
    /// Weights of the live neurons on the live values below: `live.len()` rows of the lower layer's `width`.
    pub weights: Aligned<F>,
    /// Where each row of `weights` is not zero; empty for layers that are not mostly zeros.
    pub(super) bands: Vec<Range<usize>>,
    /// At least `sum_j |W_ij| |h_j| + |constants|` per live neuron.
    pub magnitude: Aligned<F>,
    /// At least `|value|` of each live neuron as the layer above reads it.
    pub value: Aligned<F>,
    pub(super) upper_slope: Aligned<F>,
    pub(super) lower_slope: Aligned<F>,
    pub(super) upper_constant: Aligned<F>,
    pub(super) lower_constant: Aligned<F>,
    pub(super) error: Aligned<F>,
    /// What underflow can cost a row that passes this layer, per row.
    pub underflow: f64,
}

/// Slack for second-order terms of the error bounds and for computing them in `f32`.
const SECOND_ORDER: f64 = 1.0 + 1.0 / 1024.0;

impl<F> Reduced<F> {
    /// Forgets the weights gathered before, but for their memory.
    pub fn forget(&mut self) {
        self.live.clear();
        self.covered.clear();
        self.width = 0;
        self.stale = true;
    }
}

impl<F: Kernel> Reduced<F> {
    /// The lines of all live neurons, zero beyond them.
    pub fn lines(&self) -> Lines<'_, F> {
        Lines {
            upper_slope: &self.upper_slope,
            lower_slope: &self.lower_slope,
            upper_constant: &self.upper_constant,
            lower_constant: &self.lower_constant,
            error: &self.error,
        }
    }

    /// Picks the neurons that may be non-zero where upper ends are `high`, and gathers their weights on the live values
    /// below. What was gathered for another part is kept where it covers this one without much waste: a dead neuron
    /// among the live ones costs time only. Returns true if the live set changed.
    #[allow(clippy::too_many_arguments)] // three layers meet here
    pub fn gather(&mut self, layer: &Layer<F>, high: &[F], fixed: &[bool], below: &[u32], below_width: usize, below_value: &[F]) -> bool {
        // A dead ReLU contributes nothing, whatever reads it; a fixed one is a fact whose line must stay fresh.
        let alive = |j: usize| !(high[j] <= F::ZERO && layer.slope[j] == F::ZERO) || fixed[j];
        let count = (0..layer.neurons).filter(|&j| alive(j)).count();
        self.covered.resize(layer.neurons, false);
        let kept = self.live.len() <= count + count / 4 && (0..layer.neurons).all(|j| self.covered[j] || !alive(j));
        if !kept {
            self.live.clear();
            for j in 0..layer.neurons {
                self.covered[j] = alive(j);
                if self.covered[j] {
                    self.live.push(j as u32);
                }
            }
            self.width = padded(self.live.len());
        }
        if !kept || std::mem::take(&mut self.stale) {
            self.stale = false;
            self.copy_weights(layer, below, below_width);
        }
        self.magnitudes(layer, below_width, below_value);
        !kept
    }

    fn copy_weights(&mut self, layer: &Layer<F>, below: &[u32], below_width: usize) {
        self.weights.grow(self.live.len() * below_width);
        for (&j, target) in self.live.iter().zip(self.weights.chunks_exact_mut(below_width.max(1))) {
            let source = &layer.weights[j as usize * layer.below..(j as usize + 1) * layer.below];
            for (t, &i) in target.iter_mut().zip(below) {
                *t = source[i as usize];
            }
            target[below.len()..].fill(F::ZERO);
        }
        self.bands.clear();
        if layer.sparse {
            let rows = self.weights[..self.live.len() * below_width].chunks_exact(below_width.max(1));
            self.bands.extend(rows.map(banded::band));
        }
    }

    fn magnitudes(&mut self, layer: &Layer<F>, below_width: usize, below_value: &[F]) {
        self.magnitude.grow(self.width);
        rows::absolute_products(&self.weights, below_width, below_value, &mut self.magnitude[..self.live.len()]);
        let inflate = SECOND_ORDER + gamma::<F>(below_width / LANES + 6);
        for (m, &j) in self.magnitude.iter_mut().zip(&self.live) {
            // The slack is far more than the rounding of these three operations.
            *m = F::from_f64((m.to_f64() + layer.bias_magnitude[j as usize]) * inflate + F::TINY * below_width as f64);
        }
    }

    /// Chooses the lines of every live neuron from its interval and accounts for every rounding that a row of
    /// coefficients meets between this layer's values and the layer below.
    ///
    /// Per unit of `|c_i|` (every slope is at most 1 in size, so `|lambda_i| <= |c_i|`):
    /// the slope's product rounds (`u |a_i|`); the constants' products and sums round (a few `u |p_i|`, see
    /// [`rows::relax_rows`], over `depth` layers); the product with `W` errs by `gamma_n sum_j |W_ij| |h_j|`; the stored constant is
    /// rounded to `F`; and the deployed network errs by its own share of the magnitude.
    pub fn relax(&mut self, layer: &Layer<F>, low: &[F], high: &[F], below_magnitude: f64, deployed: Deployed, depth: usize) {
        let Reduced { upper_slope, lower_slope, upper_constant, lower_constant, error, value, .. } = self;
        for array in [&mut *upper_slope, lower_slope, upper_constant, lower_constant, error, value] {
            array.grow(self.width);
            array[self.live.len()..].fill(F::ZERO);
        }
        let product = gamma::<F>(self.live.len() + 2);
        let roundings = (self.width.min(rows::BLOCK) / LANES + depth + self.width / rows::BLOCK + 12) as f64;
        let (relative, underflow) = (deployed.relative(layer.terms), deployed.underflow(layer.terms));
        let mut sizes = 0.0;
        for (r, &j) in self.live.iter().enumerate() {
            let j = j as usize;
            let (l, u, s) = (low[j].to_f64(), high[j].to_f64(), layer.slope[j].to_f64());
            if u <= 0.0 && s == 0.0 {
                // Zero whatever is passed: no line, no error, no value.
                for array in [&mut *upper_slope, lower_slope, upper_constant, lower_constant, error, value] {
                    array[r] = F::ZERO;
                }
                continue;
            }
            let (upper, offset, lower) = hinge_lines::<F>(l, u, s);
            let (bias, magnitude) = (layer.bias[j], self.magnitude[r].to_f64());
            upper_slope[r] = upper;
            lower_slope[r] = lower;
            // Rounded to nearest, as the products are: part of `roundings`.
            upper_constant[r] = F::from_f64(upper.to_f64() * bias + offset);
            lower_constant[r] = F::from_f64(lower.to_f64() * bias);
            let size = l.abs().max(u.abs());
            sizes += size;
            let constants = bias.abs() + offset;
            let deployed_error = if magnitude + underflow < deployed.largest { relative * (magnitude + underflow) } else { f64::INFINITY };
            let wrong = F::UNIT * (2.0 * size + roundings * constants) + layer.bias_error[j] + product * magnitude + deployed_error;
            // The slack covers rounding to F here.
            error[r] = F::from_f64(wrong * SECOND_ORDER + F::TINY);
            let reach = if l >= 0.0 { size } else { u.max((s * l).abs()) };
            let reach = if layer.joined[j] { reach.max(magnitude) } else { reach };
            // More than the roundings of `s l` and to F.
            value[r] = F::from_f64(reach * (1.0 + 1.0 / (1 << 20) as f64) + F::TINY);
        }
        // Products with slopes multiply `a`, products with weights the values below, the other ones nothing.
        let products = 4.0 * self.width as f64 + 2.0 * self.live.len() as f64 * (1.0 + below_magnitude);
        self.underflow = F::TINY * (products + 2.0 * sizes);
    }

    /// Sum of [`Reduced::value`], for underflow terms.
    pub fn total_value(&self) -> f64 {
        self.value[..self.live.len()].iter().map(|v| v.to_f64()).sum::<f64>() * SECOND_ORDER
    }
}

/// Upper slope, upper offset (`>= sup f(a) - t a`) and lower slope (whose offset is 0) of `f(a) = max(a, s a)` on `[l, u]`.
///
/// `f` is convex, so above it the chord; its supremum of `f(a) - t a` lies at an end or at the kink for *any* slope.
/// Below it, any slope in `[s, 1]` passes through the kink, so `t a - f(a) <= 0` everywhere; on one side of the kink
/// the function itself is the line.
fn hinge_lines<F: Kernel>(l: f64, u: f64, s: f64) -> (F, f64, F) {
    if l >= 0.0 {
        return (F::ONE, 0.0, F::ONE);
    }
    if u <= 0.0 || s == 1.0 {
        let t = F::from_f64(s);
        return (t, 0.0, t);
    }
    let chord = (u - s * l) / (u - l);
    let lower = if u > -l { F::ONE } else { F::from_f64(s) };
    if !chord.is_finite() {
        return (F::ZERO, f64::INFINITY, lower);
    }
    let t = F::from_f64(chord.clamp(-1.0, 1.0));
    // Three roundings at most, of `s l`, the product and the difference: each at most half an epsilon of its size.
    let at = |a: f64, f: f64| {
        let line = t.to_f64() * a;
        (f - line) + (f64::EPSILON * (f.abs() + line.abs() + (f - line).abs()) + f64::MIN_POSITIVE)
    };
    let offset = at(u, u).max(at(l, s * l)).max(0.0);
    (t, if offset.is_finite() { offset } else { f64::INFINITY }, lower)
}
