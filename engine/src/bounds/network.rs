//! A graph prepared for bounding: who reads what, and how affine operators group into blocks for rounding.

use crate::graph::{Element, Graph, Node, NodeId};
use crate::numerics::rounding::gamma;
use crate::ops::Operation;

/// What the deployed network may add: nothing (`real`), or its own rounding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deployed {
    /// Unit roundoff of the deployed arithmetic; 0 for the real network.
    pub unit: f64,
    /// Partial sums from here on may overflow, so nothing is known about them; infinite for the real network.
    pub largest: f64,
}

impl Deployed {
    /// The real network.
    pub const REAL: Deployed = Deployed { unit: 0.0, largest: f64::INFINITY };

    /// Any evaluation in the network's own element type (TRUST.md).
    pub fn evaluated_in(element: Element) -> Deployed {
        match element {
            Element::F32 => Deployed { unit: f32::EPSILON as f64 / 2.0, largest: f32::MAX as f64 / 4.0 },
            Element::F64 => Deployed { unit: f64::EPSILON / 2.0, largest: f64::MAX / 4.0 },
        }
    }

    /// The error of an affine block of `terms` roundings whose absolute terms sum to `magnitude`.
    pub fn error(self, terms: usize, magnitude: f64) -> f64 {
        let magnitude = magnitude + self.underflow(terms);
        if magnitude < self.largest { self.relative(terms) * magnitude } else { f64::INFINITY }
    }

    /// What to add to the magnitude of a sum of `terms` products so that its relative error also covers products that
    /// underflow, gradually or flushed: `relative >= 9 u` times this is more than `2 terms` smallest normal numbers.
    pub fn underflow(self, terms: usize) -> f64 {
        if self.unit == 0.0 { 0.0 } else { 1e-29 * (terms + 1) as f64 }
    }

    /// `gamma_{terms + 8}`: the relative error of an affine block that sums `terms` products, fused or not.
    pub fn relative(self, terms: usize) -> f64 {
        if self.unit == 0.0 {
            // Rounded up, nothing would be a subnormal number: thirty times slower to multiply by.
            return 0.0;
        }
        let nu = (terms + 8) as f64 * self.unit;
        if nu < 0.5 { (nu / (1.0 - nu)).next_up().next_up() } else { f64::INFINITY }
    }
}

fn work_of(node: &Node) -> f64 {
    match &node.operation {
        Operation::Affine(op) => node.len() as f64 * op.fan_in() as f64,
        _ => node.len() as f64,
    }
}

/// A graph with what every sweep needs to know about it.
#[derive(Debug)]
pub struct Network<'g> {
    /// The graph.
    pub graph: &'g Graph,
    /// What the deployed network adds.
    pub deployed: Deployed,
    /// Multiplications of each node, about.
    pub work: Vec<f64>,
    /// How often each node is read; a row may also start at an output or an input, which counts as one more.
    pub readers: Vec<usize>,
    /// Most roundings on any path through the affine block that ends at each node; 0 for nodes that are not affine.
    pub roundings: Vec<usize>,
    /// True if the node is an affine function of inputs through one rounding operator only: its interval is exact.
    pub shallow: Vec<bool>,
}

impl<'g> Network<'g> {
    /// Analyses `graph`.
    pub fn new(graph: &'g Graph, deployed: Deployed) -> Network<'g> {
        let count = graph.nodes.len();
        let work = graph.nodes.iter().map(work_of).collect();
        let mut network =
            Network { graph, deployed, work, readers: vec![0; count], roundings: vec![0; count], shallow: vec![false; count] };
        let mut affine_steps: Vec<Option<usize>> = vec![None; count];
        for (id, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&p| network.readers[p] += 1);
            affine_steps[id] = match &node.operation {
                Operation::Input | Operation::Constant(_) => Some(0),
                Operation::Affine(op) => {
                    let own = if op.is_selection() { 0 } else { op.fan_in() };
                    network.roundings[id] = own + node.inputs.iter().map(|&p| network.roundings[p]).max().unwrap_or(0);
                    let below = node.inputs.iter().map(|&p| affine_steps[p]).try_fold(0, |most, steps| steps.map(|s| most.max(s)));
                    // Operands that share a source may cancel (x - x), which intervals do not see.
                    let joins = node.inputs.len() > 1 && !op.is_selection();
                    below.map(|s| s + if joins { 2 } else { !op.is_selection() as usize })
                }
                _ => None,
            };
            network.shallow[id] = affine_steps[id].is_some_and(|s| s <= 1);
        }
        graph.outputs.iter().chain(&graph.inputs).for_each(|&o| network.readers[o] += 1);
        network
    }

    /// True if node `id` is affine.
    pub fn is_affine(&self, id: NodeId) -> bool {
        matches!(self.graph.nodes[id].operation, Operation::Affine(_))
    }

    /// The relative rounding error of a sweep in `F` at an affine node, per unit of absolute coefficient and magnitude.
    ///
    /// Covers the product with `W^T` and adding up what several readers pass back (`gamma` of roundings and readers),
    /// the sum of constants, weights that are not exact in `F`, and weights that stand for other reals.
    pub fn sweep_error<F: crate::kernels::Kernel>(&self, id: NodeId) -> f64 {
        let Operation::Affine(op) = &self.graph.nodes[id].operation else { return 0.0 };
        let readers = self.graph.nodes[id].inputs.iter().map(|&p| self.readers[p]).max().unwrap_or(1);
        let roundings = (0..self.graph.nodes[id].inputs.len()).map(|k| op.back_roundings(k)).max().unwrap_or(0);
        let product = match (op.is_selection(), readers) {
            (true, 0 | 1) => 0.0,
            _ => gamma::<F>(roundings + readers + 2),
        };
        let stored = if op.inexact_in_f32() && F::UNIT > f64::EPSILON { 2.0 * F::UNIT } else { 0.0 };
        // The sum of `c_i b_i`, and adding up the nodes' sums.
        let constants = gamma::<f64>(self.graph.nodes[id].len() + self.graph.nodes.len() + 8);
        (product + stored + constants + 2.0 * op.weight_error()) * (1.0 + 1.0 / 1024.0)
    }
}
