//! Values and gradients of the whole network for batches of points, to nearest: for attacks, never for proofs.

use crate::graph::Graph;
use crate::numerics::Real;
use crate::ops::{Operation, Working};

/// Values of all nodes for a batch of points, row by row.
pub struct Batch<F> {
    /// Number of points.
    pub rows: usize,
    values: Vec<Vec<F>>,
}

impl<F: Working> Batch<F> {
    /// Evaluates `rows` points, given flat, row by row.
    pub fn forward(graph: &Graph, points: &[F], rows: usize) -> Batch<F> {
        let width = graph.input_len();
        let mut values: Vec<Vec<F>> = Vec::with_capacity(graph.nodes.len());
        let mut taken = 0;
        for node in &graph.nodes {
            let len = node.len();
            let mut out = vec![F::ZERO; rows * len];
            match &node.operation {
                Operation::Input => {
                    for r in 0..rows {
                        out[r * len..(r + 1) * len].copy_from_slice(&points[r * width + taken..][..len]);
                    }
                    taken += len;
                }
                Operation::Constant(c) => out.iter_mut().enumerate().for_each(|(i, y)| *y = F::from_f64(c.at(i % len))),
                Operation::Affine(op) => {
                    for (k, &p) in node.inputs.iter().enumerate() {
                        F::apply(op.as_ref(), k, &values[p], &mut out, rows, false);
                    }
                    if let Some(bias) = op.bias() {
                        out.iter_mut().enumerate().for_each(|(i, y)| *y += F::from_f64(bias.at(i % len)));
                    }
                }
                Operation::Scalar(op) => {
                    let x = &values[node.inputs[0]];
                    out.iter_mut().zip(x).for_each(|(y, x)| *y = F::from_f64(op.eval(x.to_f64())));
                }
                Operation::General(op) => {
                    for r in 0..rows {
                        let inputs: Vec<Vec<f64>> = node.inputs.iter().map(|&p| row(&values[p], r, rows)).collect();
                        let views: Vec<&[f64]> = inputs.iter().map(|v| &v[..]).collect();
                        let mut result = vec![0.0; len];
                        op.eval(&views, &mut result);
                        out[r * len..(r + 1) * len].iter_mut().zip(&result).for_each(|(y, &v)| *y = F::from_f64(v));
                    }
                }
            }
            values.push(out);
        }
        Batch { rows, values }
    }

    /// Element `i` of all outputs in order, at point `r`.
    pub fn output(&self, graph: &Graph, r: usize, mut i: usize) -> f64 {
        for &id in &graph.outputs {
            let len = graph.nodes[id].len();
            if i < len {
                return self.values[id][r * len + i].to_f64();
            }
            i -= len;
        }
        f64::NAN
    }

    /// Gradients in the inputs of one linear function of the outputs per point: `weights` is flat, row by row.
    pub fn backward(&self, graph: &Graph, weights: &[F]) -> Vec<F> {
        let (rows, outputs) = (self.rows, graph.output_len());
        let mut back: Vec<Vec<F>> = graph.nodes.iter().map(|_| Vec::new()).collect();
        let mut first = 0;
        for &id in &graph.outputs {
            let len = graph.nodes[id].len();
            let target = buffer(&mut back[id], rows * len);
            for r in 0..rows {
                let source = &weights[r * outputs + first..][..len];
                target[r * len..(r + 1) * len].iter_mut().zip(source).for_each(|(t, &w)| *t += w);
            }
            first += len;
        }
        for (id, node) in graph.nodes.iter().enumerate().rev() {
            if back[id].is_empty() || matches!(node.operation, Operation::Input | Operation::Constant(_)) {
                continue;
            }
            let mut c = std::mem::take(&mut back[id]);
            match &node.operation {
                Operation::Input | Operation::Constant(_) => {}
                Operation::Affine(op) => {
                    for (k, &p) in node.inputs.iter().enumerate() {
                        F::transpose(op.as_ref(), k, &c, buffer(&mut back[p], rows * graph.nodes[p].len()), rows);
                    }
                }
                Operation::Scalar(op) => {
                    let p = node.inputs[0];
                    c.iter_mut().zip(&self.values[p]).for_each(|(c, x)| *c = *c * F::from_f64(op.derivative(x.to_f64())));
                    buffer(&mut back[p], c.len()).iter_mut().zip(&c).for_each(|(t, &x)| *t += x);
                }
                Operation::General(op) => {
                    for r in 0..rows {
                        let inputs: Vec<Vec<f64>> = node.inputs.iter().map(|&p| row(&self.values[p], r, rows)).collect();
                        let views: Vec<&[f64]> = inputs.iter().map(|v| &v[..]).collect();
                        let mut pulled: Vec<Vec<f64>> = inputs.iter().map(|v| vec![0.0; v.len()]).collect();
                        op.pull_back(&views, &row(&c, r, rows), &mut pulled);
                        for (&p, pulled) in node.inputs.iter().zip(&pulled) {
                            let len = pulled.len();
                            let target = buffer(&mut back[p], rows * len);
                            target[r * len..(r + 1) * len].iter_mut().zip(pulled).for_each(|(t, &x)| *t += F::from_f64(x));
                        }
                    }
                }
            }
        }
        let width = graph.input_len();
        let mut gradient = vec![F::ZERO; rows * width];
        let mut first = 0;
        for &id in &graph.inputs {
            let len = graph.nodes[id].len();
            if !back[id].is_empty() {
                for r in 0..rows {
                    gradient[r * width + first..][..len].copy_from_slice(&back[id][r * len..(r + 1) * len]);
                }
            }
            first += len;
        }
        gradient
    }
}

fn row<F: Real>(values: &[F], r: usize, rows: usize) -> Vec<f64> {
    let len = values.len() / rows.max(1);
    values[r * len..(r + 1) * len].iter().map(|x| x.to_f64()).collect()
}

fn buffer<F: Real>(buffer: &mut Vec<F>, len: usize) -> &mut [F] {
    if buffer.is_empty() {
        buffer.resize(len, F::ZERO);
    }
    buffer
}
