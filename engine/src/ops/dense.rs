//! `y = W x + b`, from Gemm and MatMul with a constant matrix.

use super::Affine;
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
}

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
        Ok(Dense { name, inputs, outputs, weights, bias, weight_error: 0.0, inexact_in_f32 })
    }

    /// Constants that stand for real ones up to a relative error; see [`Affine::weight_error`].
    pub fn with_weight_error(self, weight_error: f64) -> Dense {
        Dense { weight_error, ..self }
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
}
