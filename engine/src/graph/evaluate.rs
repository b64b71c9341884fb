//! Plain evaluation of a network at one point.

use super::{Graph, NodeId};
use crate::numerics::Real;
use crate::ops::{Affine, Operation};

impl Graph {
    /// Values of every node at `input` (all inputs in order, flat), in binary64: for attacks and checks, never for proofs.
    ///
    /// # Panics
    /// If `input` has not [`Graph::input_len`] elements.
    pub fn evaluate_f64(&self, input: &[f64]) -> Vec<Vec<f64>> {
        self.evaluate(input, |id, operands| self.node_f64(id, operands))
    }

    /// Values of every node at `input` under the one deployed evaluation that witnesses are replayed with:
    /// every node in binary32; affine nodes sum their operands' terms in the order of
    /// [`Affine::for_each_weight`], left to right, without fused multiply-add, the bias last.
    ///
    /// # Panics
    /// If `input` has not [`Graph::input_len`] elements.
    pub fn evaluate_f32(&self, input: &[f32]) -> Vec<Vec<f32>> {
        self.evaluate(input, |id, operands| self.node_f32(id, operands))
    }

    /// All outputs in order at `input`, by [`Graph::evaluate_f64`].
    pub fn output_f64(&self, input: &[f64]) -> Vec<f64> {
        self.concatenate_outputs(&self.evaluate_f64(input))
    }

    /// All outputs in order at `input`, by [`Graph::evaluate_f32`].
    pub fn output_f32(&self, input: &[f32]) -> Vec<f32> {
        self.concatenate_outputs(&self.evaluate_f32(input))
    }

    fn concatenate_outputs<F: Real>(&self, values: &[Vec<F>]) -> Vec<F> {
        self.outputs.iter().flat_map(|&o| values[o].iter().copied()).collect()
    }

    fn evaluate<F: Real>(&self, input: &[F], node: impl Fn(NodeId, &[&[F]]) -> Vec<F>) -> Vec<Vec<F>> {
        assert_eq!(input.len(), self.input_len(), "input elements");
        let mut rest = input;
        let mut values: Vec<Vec<F>> = Vec::with_capacity(self.nodes.len());
        for (id, n) in self.nodes.iter().enumerate() {
            let value = if let Operation::Input = n.operation {
                let (own, others) = rest.split_at(n.len());
                rest = others;
                own.to_vec()
            } else {
                let operands: Vec<&[F]> = n.inputs.iter().map(|&i| values[i].as_slice()).collect();
                node(id, &operands)
            };
            values.push(value);
        }
        values
    }

    /// The value of one node from its operands, in binary64.
    pub(crate) fn node_f64(&self, id: NodeId, operands: &[&[f64]]) -> Vec<f64> {
        let node = &self.nodes[id];
        let mut y = vec![0.0; node.len()];
        match &node.operation {
            Operation::Input => {}
            Operation::Constant(values) => y = values.to_f64(),
            Operation::Affine(op) => {
                for (k, x) in operands.iter().enumerate() {
                    op.apply_f64(k, x, &mut y, 1, false);
                }
                add_bias(op.as_ref(), &mut y);
            }
            Operation::Scalar(op) => y.iter_mut().zip(operands[0]).for_each(|(y, &x)| *y = op.eval(x)),
            Operation::General(op) => op.eval(operands, &mut y),
        }
        y
    }

    fn node_f32(&self, id: NodeId, operands: &[&[f32]]) -> Vec<f32> {
        let node = &self.nodes[id];
        let mut y = vec![0.0; node.len()];
        match &node.operation {
            Operation::Input => {}
            Operation::Constant(values) => y.iter_mut().enumerate().for_each(|(i, y)| *y = values.at(i) as f32),
            Operation::Affine(op) => {
                for (k, x) in operands.iter().enumerate() {
                    op.for_each_weight(k, &mut |o, i, w| y[o] += w as f32 * x[i]);
                }
                add_bias(op.as_ref(), &mut y);
            }
            Operation::Scalar(op) => y.iter_mut().zip(operands[0]).for_each(|(y, &x)| *y = op.eval_f32(x)),
            Operation::General(op) => op.eval_f32(operands, &mut y),
        }
        y
    }
}

fn add_bias<F: Real>(op: &dyn Affine, y: &mut [F]) {
    if let Some(bias) = op.bias() {
        y.iter_mut().enumerate().for_each(|(o, y)| *y += F::from_f64(bias.at(o)));
    }
}
