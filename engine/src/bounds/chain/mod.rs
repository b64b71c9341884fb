//! Small piecewise-linear networks as a chain of dense layers, bounded at the speed of the cache.
//!
//! Every neuron is a hinge `h = a` for `a >= 0`, `h = s a` for `a < 0`: `s = 0` is ReLU, `s = 1` carries a value past
//! a layer (skip connections), other `s` are LeakyRelu and Abs.

mod bounder;
mod branch;
mod climb;
mod compile;
mod facts;
mod layer;
mod objective;
mod place;
mod refresh;
mod sample;
mod workspace;

pub use bounder::{Bounder, Outcome, Part};
pub use branch::Choice;
pub use compile::compile;
pub(in crate::bounds) use compile::{Expression, Unrolled, unroll};
pub use facts::{Facts, Phase};
pub use objective::{Objective, Objectives};
pub use workspace::Workspace;

use crate::kernels::Kernel;

/// One layer: `a = W h + b`, then the hinges.
#[derive(Clone, Debug)]
pub struct Layer<F> {
    /// Number of neurons.
    pub neurons: usize,
    /// Number of values of the layer below.
    pub below: usize,
    /// `W`, row-major, one row per neuron; exact.
    pub weights: Vec<F>,
    /// True where most weights are zero.
    pub sparse: bool,
    /// `b`.
    pub bias: Vec<f64>,
    /// How far `b` may be from the true constant (sums of constants folded at compile time).
    pub bias_error: Vec<f64>,
    /// Sum of absolute constants that go into `b`, at the output's scale.
    pub bias_magnitude: Vec<f64>,
    /// Most roundings on any path through the affine block that ends here (for the deployed network's error).
    pub terms: usize,
    /// The slope of each hinge below zero, in `[-1, 1]`.
    pub slope: Vec<F>,
    /// True for a value inside an affine block of the deployed network (kept only because joining would round):
    /// its magnitude counts as the sum of its absolute terms, since the block may be computed fused.
    pub joined: Vec<bool>,
    /// The activation of the network (in the order of its nodes) and the element of it that each neuron is; of no
    /// meaning for neurons with slope 1, which only carry a value.
    pub origin: Vec<(u32, u32)>,
}

/// A whole network; the last layer's values are the outputs (its hinges are identities).
#[derive(Clone, Debug)]
pub struct Chain<F> {
    /// Number of input elements.
    pub inputs: usize,
    /// Hidden layers and the output layer.
    pub layers: Vec<Layer<F>>,
}

impl<F: Kernel> Chain<F> {
    /// The layers below the outputs.
    pub fn hidden(&self) -> &[Layer<F>] {
        &self.layers[..self.layers.len() - 1]
    }

    /// The layer of the outputs.
    pub fn output(&self) -> &Layer<F> {
        &self.layers[self.layers.len() - 1]
    }

    /// The same network in another working type; exact when widening.
    pub fn convert<G: Kernel>(&self) -> Chain<G> {
        let turn = |v: &[F]| v.iter().map(|x| G::from_f64(x.to_f64())).collect();
        let layer = |l: &Layer<F>| Layer {
            neurons: l.neurons,
            below: l.below,
            sparse: l.sparse,
            weights: turn(&l.weights),
            bias: l.bias.clone(),
            bias_error: l.bias_error.clone(),
            bias_magnitude: l.bias_magnitude.clone(),
            terms: l.terms,
            slope: turn(&l.slope),
            joined: l.joined.clone(),
            origin: l.origin.clone(),
        };
        Chain { inputs: self.inputs, layers: self.layers.iter().map(layer).collect() }
    }

    /// The network's outputs at a point, to nearest; for candidates, never for proofs.
    pub fn evaluate(&self, point: &[f64]) -> Vec<f64> {
        let mut below = point.to_vec();
        for layer in &self.layers {
            let value = |j: usize| {
                let row = &layer.weights[j * layer.below..(j + 1) * layer.below];
                let a = layer.bias[j] + row.iter().zip(&below).map(|(w, h)| w.to_f64() * h).sum::<f64>();
                if a < 0.0 { a * layer.slope[j].to_f64() } else { a }
            };
            below = (0..layer.neurons).map(value).collect();
        }
        below
    }
}
