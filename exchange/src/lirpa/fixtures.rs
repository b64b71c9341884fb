//! The five networks that TorchLean's certificates of output intervals name; their weights follow from small formulas.

use engine::graph::{Element, Graph, GraphError, NodeId};
use engine::numerics::Numbers;
use engine::ops::{Bilinear, Conv, Curve, Dense, Operation, Relu, Scalar, Sigmoid, Softmax, Spread, Sum, Tanh, Window};

use crate::nodes::LayerNorm;
use crate::nodes::graph::EPSILON;

/// The names.
pub const NAMES: [&str; 5] = [
    "mlp_graph_workflow_v1",
    "cnn_graph_workflow_v1",
    "attention_softmax_workflow_v1",
    "gru_gate_workflow_v1",
    "transformer_encoder_workflow_v1",
];

/// The network of a name. Node numbers are those of the certificates.
pub fn network(name: &str) -> Option<Graph> {
    let build = match name {
        "mlp_graph_workflow_v1" => mlp,
        "cnn_graph_workflow_v1" => cnn,
        "attention_softmax_workflow_v1" => attention,
        "gru_gate_workflow_v1" => gru,
        "transformer_encoder_workflow_v1" => encoder,
        _ => return None,
    };
    let mut builder = Builder(Graph::new(Element::F64));
    build(&mut builder).expect("the shapes are fixed and fit");
    let last = builder.0.nodes.len() - 1;
    builder.0.outputs.push(last);
    Some(builder.0)
}

type Built = Result<(), String>;

struct Builder(Graph);

impl Builder {
    fn input(&mut self, shape: &[usize]) {
        self.0.add_input("x", shape);
    }

    fn add(&mut self, operation: Operation, operands: &[NodeId], shape: &[usize]) -> Built {
        let name = format!("node{}", self.0.nodes.len());
        self.0.add(&name, operation, operands, shape).map(|_| ()).map_err(|e: GraphError| e.to_string())
    }

    /// A linear layer with weights `weight(i, j)` and biases `bias(i)`.
    fn linear(&mut self, operand: NodeId, outputs: usize, weight: impl Fn(usize, usize) -> usize, bias: impl Fn(usize) -> f64) -> Built {
        let inputs = self.0.nodes[operand].len();
        let weights = (0..outputs * inputs).map(|k| weight(k / inputs, k % inputs) as f64).collect();
        let bias = Numbers::F64((0..outputs).map(bias).collect());
        let dense = Dense::new("Gemm", inputs, outputs, Numbers::F64(weights), Some(bias))?;
        self.add(Operation::Affine(Box::new(dense)), &[operand], &[outputs])
    }

    fn scalar(&mut self, op: impl Scalar + 'static, operand: NodeId) -> Built {
        let shape = self.0.nodes[operand].shape.clone();
        self.add(Operation::Scalar(Box::new(op)), &[operand], &shape)
    }

    fn softmax(&mut self, operand: NodeId) -> Built {
        let n = self.0.nodes[operand].len();
        self.add(Operation::General(Box::new(Softmax::new(&[n], 0)?)), &[operand], &[n])
    }

    fn sum(&mut self, a: NodeId, b: NodeId) -> Built {
        let n = self.0.nodes[a].len();
        let sum = Sum::new("Add", vec![(Spread::same(n), false), (Spread::same(n), false)])?;
        self.add(Operation::Affine(Box::new(sum)), &[a, b], &[n])
    }

    fn layer_norm(&mut self, operand: NodeId) -> Built {
        let n = self.0.nodes[operand].len();
        self.add(Operation::General(Box::new(LayerNorm::new(&[n], 0, EPSILON)?)), &[operand], &[n])
    }
}

fn mlp(b: &mut Builder) -> Built {
    b.input(&[3]);
    b.linear(0, 4, |i, j| 1 + i + j, |i| (i + 1) as f64)?;
    b.scalar(Relu, 1)?;
    b.linear(2, 2, |i, j| 2 + i + j, |i| i as f64)
}

fn cnn(b: &mut Builder) -> Built {
    b.input(&[1, 4, 4]);
    let window = Window { input: [4, 4], output: [2, 2], kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [0, 0] };
    let kernel = (0..9).map(|k| (1 + k / 3 + k % 3) as f64).collect();
    let conv = Conv::new("Conv", window, [1, 1], 1, Numbers::F64(kernel))?;
    b.add(Operation::Affine(Box::new(conv)), &[0], &[1, 2, 2])?;
    b.scalar(Relu, 1)?;
    b.linear(2, 2, |i, j| 2 + i + j, |i| i as f64)
}

fn attention(b: &mut Builder) -> Built {
    b.input(&[4]);
    b.linear(0, 5, |i, j| 1 + i + 2 * j, |_| 0.0)?;
    b.softmax(1)?;
    b.linear(2, 3, |i, j| 2 + i + j, |_| 0.0)
}

fn gru(b: &mut Builder) -> Built {
    b.input(&[3]);
    b.linear(0, 3, |i, j| 1 + i + j, |i| i as f64)?;
    b.scalar(Curve(Sigmoid), 1)?;
    b.linear(0, 3, |i, j| 1 + i + j, |i| i as f64)?;
    b.scalar(Curve(Tanh), 3)?;
    b.add(Operation::General(Box::new(Bilinear::product(&[3], &[3])?)), &[2, 4], &[3])
}

fn encoder(b: &mut Builder) -> Built {
    b.input(&[4]);
    b.linear(0, 5, |i, j| 1 + i + 2 * j, |i| 0.1 * i as f64)?;
    b.softmax(1)?;
    b.linear(2, 4, |i, j| 2 + i + j, |_| 0.0)?;
    b.sum(0, 3)?;
    b.layer_norm(4)?;
    b.linear(5, 6, |i, j| 1 + (i + j) % 3, |i| 0.05 * i as f64)?;
    b.scalar(Relu, 6)?;
    b.linear(7, 4, |i, j| 2 + (i + j) % 4, |i| 0.02 * i as f64)?;
    b.sum(5, 8)?;
    b.layer_norm(9)
}
