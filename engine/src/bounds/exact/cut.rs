//! Linear upper bounds of one hinge in the variables that it reads, tighter than its chord.
//!
//! Over a box, `h = max(a, s a)` with `a = w z + b` is a convex function of a sum, so its least concave upper bound is
//! the Lovász extension: raise the variables one after the other, in the order of their place in their ranges, and give
//! each the rise of `h` that it brings (Tjandraatmadja et al., NeurIPS 2020; Anderson et al. 2020). Whatever coefficients
//! come out, `h <= g z + g0` holds once `g0` is at least the maximum over the box of either side's `a - g z` and `s a - g z`.

use std::sync::Arc;

use super::program::Program;
use super::state::State;
use crate::numerics::rounding::gamma;

/// A cut and its number in the certificate, once it has one.
pub type NumberedCut = (Arc<Cut>, Option<usize>);

/// `h_j <= sum g z + bias` in the node that it was made for, and below it.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The hinge `j`.
    pub hinge: u32,
    /// Variables that the hinge reads, and their coefficients `g`.
    pub terms: Vec<(u32, f64)>,
    /// The constant, rounded up.
    pub bias: f64,
}

impl Program {
    /// The tightest upper bound of hinge `j` at the variables' values `z`, over the ranges of `state`, and what it says there.
    pub fn cut(&self, state: &State, j: usize, z: &[f64]) -> Option<(Cut, f64)> {
        let s = self.slope[j];
        if !(0.0..1.0).contains(&s) {
            return None;
        }
        let terms = self.hinges.terms(j);
        // Place in the range from where the term is least, the term's width, and which term it is.
        let mut steps: Vec<(f64, f64, usize)> = Vec::with_capacity(terms.len());
        let mut a = self.hinges.bias[j];
        for (at, &(v, w)) in terms.iter().enumerate() {
            let span = self.value(state, v as usize);
            let width = span.high - span.low;
            a += (w * span.low).min(w * span.high);
            let place = if width > 0.0 { (z[v as usize] - span.low) / width } else { 0.0 };
            steps.push((if w > 0.0 { place } else { 1.0 - place }, width, at));
        }
        steps.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.2.cmp(&y.2)));
        let h = |a: f64| if a < 0.0 { s * a } else { a };
        let mut cut: Vec<(u32, f64)> = terms.iter().map(|t| (t.0, 0.0)).collect();
        for (_, width, at) in steps {
            let w = terms[at].1;
            let next = a + w.abs() * width;
            if width > 0.0 {
                // As short as in a certificate.
                cut[at].1 = ((h(next) - h(a)) / width * w.signum()) as f32 as f64;
            }
            a = next;
        }
        let bias = self.reach(state, j, &cut, 1.0).max(self.reach(state, j, &cut, s));
        let value = bias + cut.iter().map(|&(v, g)| g * z[v as usize]).sum::<f64>();
        cut.retain(|t| t.1 != 0.0);
        value.is_finite().then_some((Cut { hinge: j as u32, terms: cut, bias }, value))
    }

    /// At least the maximum of `slope a - g z` over the ranges of `state`, for coefficients `g` in the order of the row's terms.
    fn reach(&self, state: &State, j: usize, g: &[(u32, f64)], slope: f64) -> f64 {
        let (mut sum, mut size) = (slope * self.hinges.bias[j], (slope * self.hinges.bias[j]).abs());
        for (&(v, w), &(_, g)) in self.hinges.terms(j).iter().zip(g) {
            let span = self.value(state, v as usize);
            let c = slope * w - g;
            sum += (c * span.low).max(c * span.high);
            // The coefficient's own roundings: two of them, relative to its parts.
            size += ((slope * w).abs() + g.abs()) * span.low.abs().max(span.high.abs());
        }
        let n = self.hinges.terms(j).len();
        let error = slope * self.hinges.error[j] + gamma::<f64>(n + 6) * size + f64::MIN_POSITIVE * (n + 4) as f64 * (2.0 + size);
        let bound = sum + error * (1.0 + 4.0 * f64::EPSILON);
        if bound.is_nan() { f64::INFINITY } else { bound.next_up() }
    }
}
