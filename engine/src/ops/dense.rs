//! `y = W x + b`, from Gemm and MatMul with a constant matrix.

use std::sync::OnceLock;

use super::Affine;
use crate::kernels::lanes::{Lanes, add_products, picked_roundings};
use crate::kernels::vectors::{times_vector, transposed_times_vector};
use crate::kernels::{Kernel, Packed, block_roundings};
use crate::numerics::Numbers;

/// A dense matrix of constants, row-major `outputs x inputs`, with an optional bias.
#[derive(Debug)]
pub struct Dense {
    name: &'static str,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) weights: Numbers,
    bias: Option<Numbers>,
    weight_error: f64,
    inexact_in_f32: bool,
    single: Packs<f32>,
    double: Packs<f64>,
}

/// The matrix packed for batches, each way when it is first used.
#[derive(Debug, Default)]
struct Packs<F> {
    forward: OnceLock<Packed<F>>,
    back: OnceLock<Packed<F>>,
    /// The transpose, as it is.
    transpose: OnceLock<Vec<F>>,
}

/// Up to this many rows the stored matrix is read as it is.
const FEW_ROWS: usize = 3;
/// Terms of a product of one row that are summed before they are added up.
const FEW_TERMS: usize = 32;
/// Terms of a product of lanes whose vectors should stay in the first-level cache.
const CACHED_TERMS: usize = 96;

impl Dense {
    /// A map of `inputs` elements to `outputs` elements; `name` is the ONNX operator it came from.
    pub fn new(name: &'static str, inputs: usize, outputs: usize, weights: Numbers, bias: Option<Numbers>) -> Result<Dense, String> {
        if weights.len() != inputs * outputs {
            return Err(format!("{} weights where {outputs} x {inputs} are needed", weights.len()));
        }
        if let Some(b) = bias.as_ref().filter(|b| b.len() != outputs) {
            return Err(format!("{} bias values where {outputs} are needed", b.len()));
        }
        let inexact_in_f32 = !weights.all_binary32() || bias.as_ref().is_some_and(|b| !b.all_binary32());
        Ok(Dense {
            name,
            inputs,
            outputs,
            weights,
            bias,
            weight_error: 0.0,
            inexact_in_f32,
            single: Packs::default(),
            double: Packs::default(),
        })
    }

    /// Constants that stand for real ones up to a relative error; see [`Affine::weight_error`].
    pub fn with_weight_error(self, weight_error: f64) -> Dense {
        Dense { weight_error, ..self }
    }

    fn apply<F: Kernel>(&self, packs: &Packs<F>, x: &[F], y: &mut [F], rows: usize, absolute: bool) {
        if rows <= FEW_ROWS {
            for r in 0..rows {
                let (x, y) = (&x[r * self.inputs..][..self.inputs], &mut y[r * self.outputs..][..self.outputs]);
                match &self.weights {
                    Numbers::F32(w) => times_vector(w, x, y, absolute),
                    Numbers::F64(w) => times_vector(w, x, y, absolute),
                }
            }
            return;
        }
        let weight = |i: usize, o: usize| F::from_f64(self.weights.at(o * self.inputs + i));
        packs.forward.get_or_init(|| Packed::new(self.inputs, self.outputs, weight)).multiply_add(x, y, rows, absolute);
    }

    fn transpose<F: Kernel>(&self, packs: &Packs<F>, y: &[F], x: &mut [F], rows: usize) {
        if rows <= FEW_ROWS {
            for r in 0..rows {
                let (x, y) = (&mut x[r * self.inputs..][..self.inputs], &y[r * self.outputs..][..self.outputs]);
                let mut part = vec![F::ZERO; self.inputs];
                // In blocks, so that a term meets few roundings.
                for (number, y) in y.chunks(FEW_TERMS).enumerate() {
                    let block = number * FEW_TERMS * self.inputs..(number * FEW_TERMS + y.len()) * self.inputs;
                    match &self.weights {
                        Numbers::F32(w) => transposed_times_vector(&w[block], y, &mut part),
                        Numbers::F64(w) => transposed_times_vector(&w[block], y, &mut part),
                    }
                    x.iter_mut().zip(&mut part).for_each(|(x, p)| *x += std::mem::replace(p, F::ZERO));
                }
            }
            return;
        }
        let weight = |o: usize, i: usize| F::from_f64(self.weights.at(o * self.inputs + i));
        packs.back.get_or_init(|| Packed::new(self.outputs, self.inputs, weight)).multiply_add_blocked(y, x, rows);
    }

    fn transpose_lanes<F: Kernel>(&self, packs: &Packs<F>, y: &Lanes<F>, x: &mut Lanes<F>, wanted: &[bool]) -> f64 {
        let weight = |i: usize| F::from_f64(self.weights.at(i % self.outputs * self.inputs + i / self.outputs));
        let weights = packs.transpose.get_or_init(|| (0..self.inputs * self.outputs).map(weight).collect());
        let live = (0..self.outputs).filter(|&o| y.live[o]);
        let terms: Vec<(u32, u32)> = live.map(|o| (o as u32, (o * y.lanes) as u32)).collect();
        let (mut lists, mut products) = (Default::default(), 0.0);
        for terms in terms.chunks(CACHED_TERMS) {
            let rows = (0..self.inputs).filter(|&i| wanted.get(i).is_none_or(|&w| w)).map(|i| (i * self.outputs, i));
            products += add_products(weights, rows, terms, y, x, &mut lists);
        }
        products
    }
}

impl Affine for Dense {
    fn name(&self) -> &str {
        self.name
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        match inputs {
            [n] if *n == self.inputs => Ok(self.outputs),
            _ => Err(format!("{} takes one operand of {} elements, not {inputs:?}", self.name, self.inputs)),
        }
    }

    fn for_each_weight(&self, _operand: usize, visit: &mut dyn FnMut(usize, usize, f64)) {
        for o in 0..self.outputs {
            for i in 0..self.inputs {
                visit(o, i, self.weights.at(o * self.inputs + i));
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
        self.inputs + self.bias.is_some() as usize
    }

    fn fan_out(&self, _operand: usize) -> usize {
        self.outputs
    }

    fn back_roundings(&self, _operand: usize) -> usize {
        picked_roundings(self.outputs).max(block_roundings(self.outputs))
    }

    fn apply_f32(&self, _operand: usize, x: &[f32], y: &mut [f32], rows: usize, absolute: bool) {
        self.apply(&self.single, x, y, rows, absolute)
    }

    fn apply_f64(&self, _operand: usize, x: &[f64], y: &mut [f64], rows: usize, absolute: bool) {
        self.apply(&self.double, x, y, rows, absolute)
    }

    fn transpose_f32(&self, _operand: usize, y: &[f32], x: &mut [f32], rows: usize) {
        self.transpose(&self.single, y, x, rows)
    }

    fn transpose_f64(&self, _operand: usize, y: &[f64], x: &mut [f64], rows: usize) {
        self.transpose(&self.double, y, x, rows)
    }
    fn transpose_lanes_f32(&self, _operand: usize, y: &Lanes<f32>, x: &mut Lanes<f32>, wanted: &[bool]) -> f64 {
        self.transpose_lanes(&self.single, y, x, wanted)
    }

    fn transpose_lanes_f64(&self, _operand: usize, y: &Lanes<f64>, x: &mut Lanes<f64>, wanted: &[bool]) -> f64 {
        self.transpose_lanes(&self.double, y, x, wanted)
    }
}
