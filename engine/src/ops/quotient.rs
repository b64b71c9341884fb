//! Elementwise Div of two variables, with broadcasting. Where a divisor may be 0 nothing is claimed.
//!
//! `c x / y - l x - m y` is affine in x, so the ends of x decide; for each, `k / y - m y` with `k = c x` is a multiple of the
//! reciprocal, whose supremum over y the rule for smooth functions bounds.

use dashu::rational::RBig;

use super::rules::broadcast::{broadcast_indices, broadcast_shape, element_count};
use super::rules::ledger::{Ledger, largest, range, usable};
use super::rules::smooth::scaled_offset;
use super::{DeployedError, General, Ranges, Reciprocal};
use crate::numerics::Interval;

/// The quotient of two operands.
#[derive(Debug)]
pub struct Quotient {
    sizes: [usize; 2],
    shape: Vec<usize>,
    pairs: Vec<(usize, usize)>,
}

impl Quotient {
    /// Operands of the given shapes.
    pub fn new(dividend: &[usize], divisor: &[usize]) -> Result<Quotient, String> {
        let sizes = [element_count(dividend)?, element_count(divisor)?];
        let shape = broadcast_shape(&[dividend, divisor])?;
        element_count(&shape)?;
        let pairs = broadcast_indices(dividend, &shape).into_iter().zip(broadcast_indices(divisor, &shape)).collect();
        Ok(Quotient { sizes, shape, pairs })
    }

    /// Shape of the output.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
}

/// At least `sup c x / y - l x - m y` over the box, whose y does not hold 0.
fn supremum(c: f64, l: f64, m: f64, x: Interval, y: Interval) -> f64 {
    let end = |x: f64| {
        let k = Interval::point(c) * Interval::point(x);
        // For y > 0 the larger k gives the larger k / y, else the lesser one.
        let k = if y.low > 0.0 { k.high } else { k.low };
        (Interval::point(scaled_offset(&Reciprocal, k, m, y)) - Interval::point(l) * Interval::point(x)).high
    };
    largest([end(x.low), end(x.high)])
}

impl General for Quotient {
    fn name(&self) -> &str {
        "Div"
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        if inputs == self.sizes {
            Ok(self.pairs.len())
        } else {
            Err(format!("operands of {inputs:?} elements where {:?} are needed", self.sizes))
        }
    }

    fn eval(&self, inputs: &[&[f64]], output: &mut [f64]) {
        for (y, &(i, j)) in output.iter_mut().zip(&self.pairs) {
            *y = inputs[0][i] / inputs[1][j];
        }
    }

    fn eval_f32(&self, inputs: &[&[f32]], output: &mut [f32]) {
        for (y, &(i, j)) in output.iter_mut().zip(&self.pairs) {
            *y = inputs[0][i] / inputs[1][j];
        }
    }

    fn pull_back(&self, inputs: &[&[f64]], gradient: &[f64], back: &mut [Vec<f64>]) {
        for (&g, &(i, j)) in gradient.iter().zip(&self.pairs) {
            let (x, y) = (inputs[0][i], inputs[1][j]);
            back[0][i] += g / y;
            back[1][j] -= g * x / (y * y);
        }
    }

    fn interval(&self, inputs: &[&Ranges]) -> Ranges {
        Ranges::collect(self.pairs.iter().map(|&(i, j)| range(inputs, 0, i) / range(inputs, 1, j)))
    }

    fn relax_row(&self, c: &[f64], inputs: &[&Ranges], back: &mut [Vec<f64>]) -> f64 {
        let mut ledger = Ledger::new(inputs, back);
        for (&c, &(i, j)) in c.iter().zip(&self.pairs).filter(|(c, _)| **c != 0.0) {
            let (x, y) = (ledger.range(0, i), ledger.range(1, j));
            if !c.is_finite() || y.contains(0.0) {
                return f64::NAN;
            }
            // The plane of McCormick's mean for x * (1 / y), with the chord (and best tangent) of 1 / y: both have slope -1 / (low high).
            let l = usable(c * 0.5 * (1.0 / y.low + 1.0 / y.high));
            let m = usable(-c * x.middle() / (y.low * y.high));
            ledger.charge(supremum(c, l, m, x, y));
            ledger.add(0, i, l);
            ledger.add(1, j, m);
        }
        ledger.bound()
    }

    /// One rounded division, or a product with a reciprocal; underflow may be flushed.
    fn deployed_error(&self) -> DeployedError {
        DeployedError { absolute: f32::MIN_POSITIVE as f64, relative: 2.5e-7 }
    }

    fn eval_exact(&self, inputs: &[&[RBig]]) -> Option<Vec<RBig>> {
        self.pairs.iter().map(|&(i, j)| (inputs[1][j] != RBig::ZERO).then(|| &inputs[0][i] / &inputs[1][j])).collect()
    }
}
