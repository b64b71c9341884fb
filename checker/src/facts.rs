//! Facts `v . x + k >= 0` that all counterexamples of a disjunct satisfy: what they exclude together, and what they leave of
//! the box (relaxed clipping: Zhang et al., NeurIPS 2025).

use crate::kernel::nonzero;
use crate::rounding::{SLACK, TINY, gamma};
use crate::state::upper_end;

/// Facts of one disjunct with weights.
#[derive(Debug, Default)]
pub struct Facts {
    /// `dims` coefficients per fact.
    pub rows: Vec<f64>,
    /// Constants.
    pub constants: Vec<f64>,
    /// Weights `>= 0`.
    pub weights: Vec<f64>,
    /// A strict fact has weight.
    pub strict: bool,
    combined: Vec<f64>,
}

impl Facts {
    /// No facts.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.constants.clear();
        self.weights.clear();
        self.strict = false;
    }

    /// Adds a fact.
    pub fn push(&mut self, v: &[f64], constant: f64, weight: f64, strict: bool) {
        self.rows.extend_from_slice(v);
        self.constants.push(constant);
        self.weights.push(weight);
        self.strict |= strict && weight > 0.0;
    }

    /// The weighted sum as a fact of the box, rounding included: leaves its coefficients in `combined`, gives its constant.
    ///
    /// Every term meets at most `count + 1` roundings; errors multiply an input of size at most `max(|low|, |high|)`.
    fn combine(&mut self, low: &[f64], high: &[f64]) -> f64 {
        let dims = low.len();
        self.combined.clear();
        self.combined.resize(dims, 0.0);
        let (mut constant, mut absolute) = (0.0, 0.0);
        for (i, &weight) in self.weights.iter().enumerate().filter(|w| *w.1 > 0.0) {
            constant += weight * self.constants[i];
            absolute += weight * self.constants[i].abs();
            for (d, v) in self.rows[i * dims..][..dims].iter().enumerate() {
                self.combined[d] += weight * v;
                absolute += weight * v.abs() * low[d].abs().max(high[d].abs());
            }
        }
        let sizes: f64 = low.iter().zip(high).map(|(l, h)| 1.0 + l.abs().max(h.abs())).sum();
        let count = self.weights.len();
        let error = gamma(count + 4) * absolute + TINY * (count as f64 + 1.0) * (2.0 + sizes);
        (constant + error * SLACK).next_up()
    }

    /// At least the greatest value of the weighted sum over the box.
    pub fn bound(&mut self, low: &[f64], high: &[f64]) -> f64 {
        let constant = self.combine(low, high);
        upper_end(&self.combined, constant, low, high)
    }

    /// What the facts, each alone and then their weighted sum, leave of the box; `None` for nothing.
    pub fn clip(&mut self, low: &[f64], high: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
        let dims = low.len();
        let (mut left, mut right) = (low.to_vec(), high.to_vec());
        let constant = self.combine(low, high);
        let single = self.constants.iter().enumerate().map(|(i, &k)| (&self.rows[i * dims..][..dims], k));
        for (v, k) in single.chain([(&self.combined[..], constant)]) {
            let most = upper_end(v, k, low, high);
            if most < 0.0 {
                return None;
            }
            shrink(v, most, (low, high), (&mut left, &mut right));
        }
        (!left.iter().zip(&right).any(|(l, h)| l > h)).then_some((left, right))
    }
}

/// From `v . x + k >= 0` and `most >= max v . x + k` over the box: `x_d >= high_d - most / v_d` for `v_d > 0`, and
/// `x_d <= low_d - most / v_d` for `v_d < 0`.
pub fn shrink(v: &[f64], most: f64, (low, high): (&[f64], &[f64]), (left, right): (&mut [f64], &mut [f64])) {
    for (d, _) in nonzero(v) {
        let reach = (most / v[d].abs()).next_up();
        // NaN and infinity shrink nothing.
        if v[d] > 0.0 {
            let end = (high[d] - reach).next_down();
            left[d] = if end > left[d] { end } else { left[d] };
        } else if v[d] < 0.0 {
            let end = (low[d] + reach).next_up();
            right[d] = if end < right[d] { end } else { right[d] };
        }
    }
}
