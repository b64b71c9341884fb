//! `y[o] = sum_k +-x_k[i_k(o)]`: Add and Sub of variables, with broadcasting.

use super::{Affine, Spread};
use crate::numerics::Real;

/// A sum of operands, each with its sign.
#[derive(Debug)]
pub struct Sum {
    name: &'static str,
    /// Where each operand stands, and whether it is subtracted.
    terms: Vec<(Spread, bool)>,
}

impl Sum {
    /// One term for each operand: its place in the output, and whether it is subtracted.
    pub fn new(name: &'static str, terms: Vec<(Spread, bool)>) -> Result<Sum, String> {
        let outputs = terms.first().map(|t| t.0.outputs()).ok_or("a sum of no operands")?;
        match terms.iter().find(|t| t.0.outputs() != outputs) {
            Some(t) => Err(format!("operands spread over {outputs} and {} elements", t.0.outputs())),
            None => Ok(Sum { name, terms }),
        }
    }

    fn sign(&self, operand: usize) -> f64 {
        if self.terms[operand].1 { -1.0 } else { 1.0 }
    }

    fn apply<F: Real>(&self, operand: usize, x: &[F], y: &mut [F], rows: usize, absolute: bool) {
        let (spread, negative) = &self.terms[operand];
        let (n, m) = (spread.inputs(), spread.outputs());
        for r in 0..rows {
            let (x, y) = (&x[r * n..][..n], &mut y[r * m..][..m]);
            if spread.is_same() && (!*negative || absolute) {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y += x);
                continue;
            }
            for (o, y) in y.iter_mut().enumerate() {
                let x = x[spread.at(o)];
                *y += if *negative && !absolute { -x } else { x };
            }
        }
    }

    fn transpose<F: Real>(&self, operand: usize, y: &[F], x: &mut [F], rows: usize) {
        let (spread, negative) = &self.terms[operand];
        let (n, m) = (spread.inputs(), spread.outputs());
        for r in 0..rows {
            let (x, y) = (&mut x[r * n..][..n], &y[r * m..][..m]);
            if spread.is_same() && !*negative {
                x.iter_mut().zip(y).for_each(|(x, &y)| *x += y);
                continue;
            }
            for (o, &y) in y.iter().enumerate() {
                x[spread.at(o)] += if *negative { -y } else { y };
            }
        }
    }
}

impl Affine for Sum {
    fn name(&self) -> &str {
        self.name
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        match inputs.iter().copied().eq(self.terms.iter().map(|t| t.0.inputs())) {
            true => Ok(self.terms[0].0.outputs()),
            false => Err(format!("{} cannot take operands of {inputs:?} elements", self.name)),
        }
    }

    fn for_each_weight(&self, operand: usize, visit: &mut dyn FnMut(usize, usize, f64)) {
        let spread = &self.terms[operand].0;
        for o in 0..spread.outputs() {
            visit(o, spread.at(o), self.sign(operand));
        }
    }

    fn fan_in(&self) -> usize {
        self.terms.len()
    }

    fn fan_out(&self, operand: usize) -> usize {
        self.terms[operand].0.fan_out()
    }

    fn apply_f32(&self, operand: usize, x: &[f32], y: &mut [f32], rows: usize, absolute: bool) {
        self.apply(operand, x, y, rows, absolute)
    }

    fn apply_f64(&self, operand: usize, x: &[f64], y: &mut [f64], rows: usize, absolute: bool) {
        self.apply(operand, x, y, rows, absolute)
    }

    fn transpose_f32(&self, operand: usize, y: &[f32], x: &mut [f32], rows: usize) {
        self.transpose(operand, y, x, rows)
    }

    fn transpose_f64(&self, operand: usize, y: &[f64], x: &mut [f64], rows: usize) {
        self.transpose(operand, y, x, rows)
    }
}
