//! `y[o] = w[o] x[i(o)] + b[o]`: Add, Sub, Mul and Div with constants, BatchNormalization, Neg.

use super::{Affine, Spread};
use crate::numerics::{Numbers, Real};

/// The factors of a [`Scale`].
#[derive(Clone, Debug)]
pub enum Factors {
    /// One for all elements.
    Uniform(f64),
    /// One for each output element.
    Each(Numbers),
}

/// Elementwise multiplication by constants and addition of constants.
#[derive(Debug)]
pub struct Scale {
    name: &'static str,
    spread: Spread,
    factors: Factors,
    bias: Option<Numbers>,
    weight_error: f64,
    bias_error: Option<Vec<f64>>,
    inexact_in_f32: bool,
}

impl Scale {
    /// Exact constants.
    pub fn new(name: &'static str, spread: Spread, factors: Factors, bias: Option<Numbers>) -> Result<Scale, String> {
        let fits = |n: &Numbers| {
            if n.len() == spread.outputs() { Ok(()) } else { Err(format!("{} constants for {} elements", n.len(), spread.outputs())) }
        };
        bias.as_ref().map_or(Ok(()), fits)?;
        if let Factors::Each(f) = &factors {
            fits(f)?;
        }
        let inexact_factor = match &factors {
            Factors::Uniform(w) => *w != *w as f32 as f64,
            Factors::Each(f) => !f.all_binary32(),
        };
        let inexact_in_f32 = inexact_factor || bias.as_ref().is_some_and(|b| !b.all_binary32());
        Ok(Scale { name, spread, factors, bias, weight_error: 0.0, bias_error: None, inexact_in_f32 })
    }

    /// Constants that stand for real ones up to these errors; see [`Affine::weight_error`] and [`Affine::bias_error`].
    pub fn with_errors(self, weight_error: f64, bias_error: Option<Vec<f64>>) -> Scale {
        Scale { weight_error, bias_error, ..self }
    }

    #[inline]
    fn weight(&self, o: usize) -> f64 {
        match &self.factors {
            Factors::Uniform(w) => *w,
            Factors::Each(f) => f.at(o),
        }
    }

    fn weights<F: Real>(&self, absolute: bool) -> Vec<F> {
        (0..self.spread.outputs()).map(|o| self.weight(o)).map(|w| F::from_f64(if absolute { w.abs() } else { w })).collect()
    }

    fn apply<F: Real>(&self, x: &[F], y: &mut [F], rows: usize, absolute: bool) {
        let (n, m, weights) = (self.spread.inputs(), self.spread.outputs(), self.weights::<F>(absolute));
        for r in 0..rows {
            let (x, y) = (&x[r * n..][..n], &mut y[r * m..][..m]);
            if self.spread.is_same() {
                y.iter_mut().zip(x).zip(&weights).for_each(|((y, &x), &w)| *y += w * x);
                continue;
            }
            for (o, (y, &w)) in y.iter_mut().zip(&weights).enumerate() {
                *y += w * x[self.spread.at(o)];
            }
        }
    }

    fn transpose<F: Real>(&self, y: &[F], x: &mut [F], rows: usize) {
        let (n, m, weights) = (self.spread.inputs(), self.spread.outputs(), self.weights::<F>(false));
        for r in 0..rows {
            let (x, y) = (&mut x[r * n..][..n], &y[r * m..][..m]);
            if self.spread.is_same() {
                x.iter_mut().zip(y).zip(&weights).for_each(|((x, &y), &w)| *x += w * y);
                continue;
            }
            for (o, (&y, &w)) in y.iter().zip(&weights).enumerate() {
                x[self.spread.at(o)] += w * y;
            }
        }
    }
}

impl Affine for Scale {
    fn name(&self) -> &str {
        self.name
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        match inputs {
            [n] if *n == self.spread.inputs() => Ok(self.spread.outputs()),
            _ => Err(format!("{} takes one operand of {} elements, not {inputs:?}", self.name, self.spread.inputs())),
        }
    }

    fn for_each_weight(&self, _operand: usize, visit: &mut dyn FnMut(usize, usize, f64)) {
        for o in 0..self.spread.outputs() {
            visit(o, self.spread.at(o), self.weight(o));
        }
    }

    fn bias(&self) -> Option<&Numbers> {
        self.bias.as_ref()
    }

    fn weight_error(&self) -> f64 {
        self.weight_error
    }

    fn bias_error(&self) -> Option<Vec<f64>> {
        self.bias_error.clone()
    }

    fn inexact_in_f32(&self) -> bool {
        self.inexact_in_f32
    }

    fn fan_in(&self) -> usize {
        1 + self.bias.is_some() as usize
    }

    fn fan_out(&self, _operand: usize) -> usize {
        self.spread.fan_out()
    }

    fn apply_f32(&self, _operand: usize, x: &[f32], y: &mut [f32], rows: usize, absolute: bool) {
        self.apply(x, y, rows, absolute)
    }

    fn apply_f64(&self, _operand: usize, x: &[f64], y: &mut [f64], rows: usize, absolute: bool) {
        self.apply(x, y, rows, absolute)
    }

    fn transpose_f32(&self, _operand: usize, y: &[f32], x: &mut [f32], rows: usize) {
        self.transpose(y, x, rows)
    }

    fn transpose_f64(&self, _operand: usize, y: &[f64], x: &mut [f64], rows: usize) {
        self.transpose(y, x, rows)
    }
}
