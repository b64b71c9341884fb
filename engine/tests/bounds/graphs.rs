//! Random small graphs of every shape: chains, residual additions, shared nodes, differences that cancel, several outputs.

use engine::graph::{Element, Graph, NodeId};
use engine::numerics::{Numbers, Random};
use engine::ops::*;

/// Random numbers for tests.
pub struct Dice(Random);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(Random::new(seed))
    }

    /// In `[0, 1)`, with a full `f64` mantissa.
    pub fn unit(&mut self) -> f64 {
        (self.0.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.0.bits() % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A number of about `scale` with a full `f32` mantissa and either sign.
    pub fn number(&mut self, scale: f64) -> f32 {
        ((2.0 * self.unit() - 1.0) * scale) as f32
    }

    pub fn numbers(&mut self, n: usize, scale: f64) -> Vec<f32> {
        (0..n).map(|_| self.number(scale)).collect()
    }
}

/// What may occur in a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Affine operators only: nothing but rounding stands between the bound and the value.
    Affine,
    /// Affine operators and ReLUs.
    Hinges,
    /// Everything that maps rationals to rationals.
    Rational,
    /// Also smooth functions.
    Smooth,
}

/// A graph under construction, with the dimensions `[channels, height, width]` of every node.
struct Maker<'d> {
    graph: Graph,
    dice: &'d mut Dice,
    dims: Vec<[usize; 3]>,
    scale: f64,
}

pub fn random_graph(dice: &mut Dice, kind: Kind) -> Graph {
    let dims = if dice.one_in(3) { [1 + dice.below(2), 4, 4] } else { [1, 1, 1 + dice.below(5)] };
    let scale = [1.0, 1.0, 1.0, 1e-6, 1e4][dice.below(5)];
    let mut maker = Maker { graph: Graph::new(Element::F32), dice, dims: Vec::new(), scale };
    maker.graph.add_input("x", &dims);
    maker.dims.push(dims);
    for step in 0..3 + maker.dice.below(6) {
        maker.step(kind, step);
    }
    let last = maker.dims.len() - 1;
    let other = maker.dice.below(last + 1);
    // An output may be an inner node that others read, or the input itself.
    maker.graph.outputs = if kind != Kind::Hinges && maker.dice.one_in(3) && other != last { vec![last, other] } else { vec![last] };
    maker.graph
}

impl Maker<'_> {
    fn len(&self, id: NodeId) -> usize {
        self.dims[id].iter().product()
    }

    fn add(&mut self, operation: Operation, inputs: &[NodeId], dims: [usize; 3]) {
        let name = format!("{}", self.dims.len());
        self.graph.add(&name, operation, inputs, &dims).expect("operands fit");
        self.dims.push(dims);
    }

    fn affine(&mut self, op: Result<impl Affine + 'static, String>, inputs: &[NodeId], dims: [usize; 3]) {
        self.add(Operation::Affine(Box::new(op.expect("fits"))), inputs, dims);
    }

    fn scalar(&mut self, op: impl Scalar + 'static, input: NodeId) {
        let dims = self.dims[input];
        self.add(Operation::Scalar(Box::new(op)), &[input], dims);
    }

    /// The last node, or sometimes an earlier one.
    fn pick(&mut self) -> NodeId {
        let last = self.dims.len() - 1;
        if self.dice.one_in(5) { self.dice.below(last + 1) } else { last }
    }

    /// A node with as many elements as `id`.
    fn twin(&mut self, id: NodeId) -> NodeId {
        let twins: Vec<NodeId> = (0..self.dims.len()).filter(|&t| self.dims[t] == self.dims[id]).collect();
        twins[self.dice.below(twins.len())]
    }

    fn step(&mut self, kind: Kind, step: usize) {
        let p = self.pick();
        let image = self.dims[p][1] > 2;
        let choices = match kind {
            Kind::Affine => 6,
            Kind::Hinges => 8,
            Kind::Rational => 12,
            Kind::Smooth => 14,
        };
        match self.dice.below(choices) {
            0 if image => self.conv(p),
            0 | 1 => self.dense(p),
            2 => self.sum(p),
            3 => self.scale(p),
            4 if image => self.average(p),
            4 => self.dense(p),
            5 => self.concat(p),
            6 | 7 => self.scalar(Relu, p),
            8 if image => self.max_pool(p),
            8 => self.scalar(LeakyRelu::new(0.01).expect("finite"), p),
            9 => self.bent(p),
            10 if step < 4 => self.product(p),
            10 => self.scalar(Relu, p),
            11 => self.sum(p),
            12 => self.scalar(Curve(Sigmoid), p),
            _ => self.scalar(Curve(Tanh), p),
        }
    }

    fn dense(&mut self, p: NodeId) {
        let (n, m) = (self.len(p), 1 + self.dice.below(7));
        let scale = self.scale / (n as f64).sqrt();
        let weights = Numbers::F32(self.dice.numbers(n * m, scale));
        let bias = if self.dice.one_in(2) { Some(Numbers::F32(self.dice.numbers(m, 0.3))) } else { None };
        self.affine(Dense::new("Gemm", n, m, weights, bias), &[p], [1, 1, m]);
    }

    fn conv(&mut self, p: NodeId) {
        let [c, h, w] = self.dims[p];
        let (m, stride) = (1 + self.dice.below(3), 1 + self.dice.below(2));
        let output = |size: usize| (size + 2 - 3) / stride + 1;
        let window =
            Window { input: [h, w], output: [output(h), output(w)], kernel: [3, 3], strides: [stride; 2], dilations: [1, 1], pads: [1, 1] };
        let weights = Numbers::F32(self.dice.numbers(m * c * 9, 0.3));
        let dims = [m, output(h), output(w)];
        let bias = if self.dice.one_in(2) { Some(Numbers::F32(self.dice.numbers(dims.iter().product(), 0.3))) } else { None };
        let op = Conv::new("Conv", window, [c, m], 1, weights).and_then(|conv| conv.with_bias(bias));
        self.affine(op, &[p], dims);
    }

    /// `a + b`, `a - b`; also `a + a` and `a - a`.
    fn sum(&mut self, p: NodeId) {
        let other = self.twin(p);
        let (n, negative) = (self.len(p), self.dice.one_in(2));
        self.affine(Sum::new("Add", vec![(Spread::same(n), false), (Spread::same(n), negative)]), &[p, other], self.dims[p]);
    }

    /// Like batch normalisation: factors and constants, sometimes no binary32 numbers.
    fn scale(&mut self, p: NodeId) {
        let n = self.len(p);
        let mut constants = |scale: f64| match self.dice.one_in(2) {
            true => Numbers::F32(self.dice.numbers(n, scale)),
            false => Numbers::F64((0..n).map(|_| (2.0 * self.dice.unit() - 1.0) * scale).collect()),
        };
        let (factors, bias) = (constants(2.0), constants(0.5));
        self.affine(Scale::new("BatchNormalization", Spread::same(n), Factors::Each(factors), Some(bias)), &[p], self.dims[p]);
    }

    fn average(&mut self, p: NodeId) {
        let [c, h, w] = self.dims[p];
        let window = Window { input: [h, w], output: [h / 2, w / 2], kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0] };
        self.affine(AveragePool::new("AveragePool", window, c, true), &[p], [c, h / 2, w / 2]);
    }

    fn max_pool(&mut self, p: NodeId) {
        let [c, h, w] = self.dims[p];
        let axis = |size| PoolAxis { size, kernel: 2, stride: 2, dilation: 1, pads: (0, 0) };
        let op = MaxPool::new("MaxPool", c, axis(h), axis(w), false).expect("fits");
        self.add(Operation::General(Box::new(op)), &[p], [c, h / 2, w / 2]);
    }

    fn concat(&mut self, p: NodeId) {
        let other = self.dice.below(self.dims.len());
        let (n, m) = (self.len(p), self.len(other));
        if n + m > 24 {
            return self.sum(p);
        }
        let picks = (0..n as u32).map(|i| Some((0, i))).chain((0..m as u32).map(|i| Some((1, i))));
        self.affine(Selection::new("Concat", &[n, m], picks), &[p, other], [1, 1, n + m]);
    }

    fn bent(&mut self, p: NodeId) {
        match self.dice.below(3) {
            0 => self.scalar(Abs, p),
            1 => self.scalar(Clip::new(-0.5, 0.75).expect("in order"), p),
            _ => self.scalar(HardSigmoid::new(0.25, 0.5).expect("rising"), p),
        }
    }

    fn product(&mut self, p: NodeId) {
        let (other, n) = (self.twin(p), self.len(p));
        let op = Bilinear::product(&[n], &[n]).expect("fits");
        self.add(Operation::General(Box::new(op)), &[p, other], self.dims[p]);
    }
}

/// The graph in one line per node, for messages.
pub fn describe(graph: &Graph) -> String {
    let line = |(id, n): (usize, &engine::graph::Node)| format!("{id}: {} of {:?}, {} elements\n", n.operation.name(), n.inputs, n.len());
    let nodes: String = graph.nodes.iter().enumerate().map(line).collect();
    format!("{nodes}outputs {:?}", graph.outputs)
}
