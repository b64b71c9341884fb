//! `y = W x + b` with mostly-zero `W`, stored by rows: large sparse Gemm and MatMul, ReduceSum, ReduceMean.

use super::Affine;
use crate::numerics::{Numbers, Real};

/// A matrix of constants in compressed rows, with an optional bias.
#[derive(Debug)]
pub struct Sparse {
    name: &'static str,
    inputs: usize,
    /// Row `o` holds the entries `starts[o]..starts[o + 1]`.
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Numbers,
    bias: Option<Numbers>,
    weight_error: f64,
    inexact_in_f32: bool,
    fan_in: usize,
    fan_out: usize,
}

impl Sparse {
    /// A map of `inputs` elements to `starts.len() - 1` elements; columns ascend within each row.
    pub fn new(name: &'static str, inputs: usize, starts: Vec<usize>, columns: Vec<u32>, values: Numbers) -> Result<Sparse, String> {
        let entries = columns.len();
        if values.len() != entries || starts.first() != Some(&0) || starts.last() != Some(&entries) || !starts.is_sorted() {
            return Err(format!("{} values and {entries} columns do not make rows", values.len()));
        }
        let mut uses = vec![0usize; inputs];
        for &c in &columns {
            *uses.get_mut(c as usize).ok_or_else(|| format!("column {c} of {inputs}"))? += 1;
        }
        let fan_in = starts.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
        let fan_out = uses.into_iter().max().unwrap_or(0);
        let inexact_in_f32 = !values.all_binary32();
        Ok(Sparse { name, inputs, starts, columns, values, bias: None, weight_error: 0.0, inexact_in_f32, fan_in, fan_out })
    }

    /// Adds one constant to each output.
    pub fn with_bias(self, bias: Option<Numbers>) -> Result<Sparse, String> {
        match bias.as_ref().filter(|b| b.len() != self.outputs()) {
            Some(b) => Err(format!("{} bias values where {} are needed", b.len(), self.outputs())),
            None => {
                let inexact_in_f32 = self.inexact_in_f32 || bias.as_ref().is_some_and(|b| !b.all_binary32());
                Ok(Sparse { bias, inexact_in_f32, ..self })
            }
        }
    }

    /// Weights that stand for real ones up to a relative error; see [`Affine::weight_error`].
    pub fn with_weight_error(self, weight_error: f64) -> Sparse {
        Sparse { weight_error, ..self }
    }

    /// Number of stored entries.
    pub fn entries(&self) -> usize {
        self.columns.len()
    }

    fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    fn values<F: Real>(&self, absolute: bool) -> Vec<F> {
        (0..self.values.len()).map(|e| self.values.at(e)).map(|w| F::from_f64(if absolute { w.abs() } else { w })).collect()
    }

    fn apply<F: Real>(&self, x: &[F], y: &mut [F], rows: usize, absolute: bool) {
        let (n, m, values) = (self.inputs, self.outputs(), self.values::<F>(absolute));
        for r in 0..rows {
            let (x, y) = (&x[r * n..][..n], &mut y[r * m..][..m]);
            for (y, span) in y.iter_mut().zip(self.starts.windows(2)) {
                let span = span[0]..span[1];
                for (&w, &i) in values[span.clone()].iter().zip(&self.columns[span]) {
                    *y += w * x[i as usize];
                }
            }
        }
    }

    fn transpose<F: Real>(&self, y: &[F], x: &mut [F], rows: usize) {
        let (n, m, values) = (self.inputs, self.outputs(), self.values::<F>(false));
        for r in 0..rows {
            let (x, y) = (&mut x[r * n..][..n], &y[r * m..][..m]);
            for (&y, span) in y.iter().zip(self.starts.windows(2)).filter(|t| *t.0 != F::ZERO) {
                let span = span[0]..span[1];
                for (&w, &i) in values[span.clone()].iter().zip(&self.columns[span]) {
                    x[i as usize] += w * y;
                }
            }
        }
    }
}

impl Affine for Sparse {
    fn name(&self) -> &str {
        self.name
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        match inputs {
            [n] if *n == self.inputs => Ok(self.outputs()),
            _ => Err(format!("{} takes one operand of {} elements, not {inputs:?}", self.name, self.inputs)),
        }
    }

    fn for_each_weight(&self, _operand: usize, visit: &mut dyn FnMut(usize, usize, f64)) {
        for o in 0..self.outputs() {
            for e in self.starts[o]..self.starts[o + 1] {
                visit(o, self.columns[e] as usize, self.values.at(e));
            }
        }
    }

    fn bias(&self) -> Option<&Numbers> {
        self.bias.as_ref()
    }

    fn weight_error(&self) -> f64 {
        self.weight_error
    }

    fn inexact_in_f32(&self) -> bool {
        self.inexact_in_f32
    }

    fn fan_in(&self) -> usize {
        self.fan_in + self.bias.is_some() as usize
    }

    fn fan_out(&self, _operand: usize) -> usize {
        self.fan_out
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
