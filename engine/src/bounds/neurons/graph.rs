//! Any graph of affine operators and ReLUs as a program: convolutions stay convolutions, residual sums stay sums.

use std::sync::Arc;

use super::chain::Effort;
use super::compact::{Compact, Room, Whole, kept};
use super::focus::focus;
use super::forest::{Ending, Forest, Goal, Leaf, Settings};
use super::known::Known;
use super::program::{Affine, CONSTANT_ROUNDINGS, Hinge, Input, Map, Node, Program, Relaxed, Start, allowance};
use super::record::{Multipliers, Neuron, Recorder, free_neurons};
use crate::bounds::chain::Objective;
use crate::bounds::crown::in_parallel;
use crate::bounds::{Bounds, Network, Relaxation};
use crate::graph::NodeId;
use crate::ops::{self, Operation, Working};

/// The maps of an affine node's operands.
#[derive(Debug)]
struct Operands<F>(Vec<Compact<F>>);

impl<F: Working> Map<F> for Operands<F> {
    fn back(&self, operand: usize, y: &[F], x: &mut [F], rows: usize, accumulate: bool, room: &mut Room<F>) {
        self.0[operand].run(true, y, x, rows, accumulate, room);
    }

    fn forth(&self, operand: usize, x: &[F], y: &mut [F], rows: usize, accumulate: bool, room: &mut Room<F>) {
        self.0[operand].run(false, x, y, rows, accumulate, room);
    }
}

/// A graph over one box: proved bounds of all nodes, and the program that sweeps run on.
#[derive(Debug)]
pub struct GraphRows<'n, F> {
    relaxation: Relaxation<'n, F>,
    program: Program<'n, F>,
    /// The elements of each node that the program's are.
    kept: Vec<Vec<u32>>,
    empty: bool,
    /// The elements of each node that are worth tightening; all, where there is none.
    focus: Option<Vec<Vec<bool>>>,
}

/// Rows of neurons bounded together.
const NEURONS_PER_TASK: usize = 64;

impl<'n, F: Working> GraphRows<'n, F> {
    /// From bounds of all nodes; none if the graph has other operators than affine ones and ReLUs, several inputs or several outputs.
    pub fn new(relaxation: Relaxation<'n, F>) -> Option<GraphRows<'n, F>> {
        let network: &'n Network<'n> = relaxation.network;
        let graph = network.graph;
        let readable = |id: NodeId| match &graph.nodes[id].operation {
            Operation::Input => id == 0,
            Operation::Affine(_) => true,
            Operation::Scalar(op) => op.hinge() == Some(0.0),
            _ => false,
        };
        if graph.inputs != [0] || graph.outputs.len() != 1 || !(0..graph.nodes.len()).all(readable) {
            return None;
        }
        let empty = relaxation.empty;
        let mut rows = GraphRows { relaxation, program: Program { nodes: Vec::new() }, kept: Vec::new(), empty, focus: None };
        rows.assemble();
        Some(rows)
    }

    /// The program of the bounds known now.
    fn assemble(&mut self) {
        let network: &'n Network<'n> = self.relaxation.network;
        let graph = network.graph;
        let ranges = &self.relaxation.bounds.ranges;
        self.kept = kept(graph, &|id, i| match graph.nodes[id].operation {
            Operation::Scalar(_) => ranges[graph.nodes[id].inputs[0]].high[i] <= 0.0,
            _ => false,
        });
        let node = |id: NodeId| match &graph.nodes[id].operation {
            Operation::Affine(op) => self.affine(id, op.as_ref()),
            Operation::Scalar(_) => Node::Hinge(self.hinge(id)),
            _ => self.input(),
        };
        self.program.nodes = (0..=graph.outputs[0]).map(node).collect();
        self.focus = None;
    }

    /// Elements of node `id` of the graph that the program has, in its order.
    fn elements(&self, id: NodeId) -> impl Iterator<Item = usize> {
        self.kept[id].iter().map(|&i| i as usize)
    }

    fn input(&self) -> Node<'n, F> {
        let ranges = &self.relaxation.bounds.ranges[0];
        let middle: Vec<F> = self.elements(0).map(|i| F::from_f64(ranges.at(i).middle())).collect();
        let radius = |(i, m): (usize, &F)| {
            let (x, m) = (ranges.at(i), m.to_f64());
            if x.low == m && x.high == m { 0.0 } else { (x.high - m).max(m - x.low).next_up() }
        };
        let radius: Vec<f64> = self.elements(0).zip(&middle).map(radius).collect();
        Node::Input(Input::new(middle, &radius))
    }

    fn affine(&self, id: NodeId, op: &'n dyn ops::Affine) -> Node<'n, F> {
        let node = &self.relaxation.network.graph.nodes[id];
        let constants = op.bias().map_or(vec![0.0; node.len()], |b| b.to_f64());
        let sweep = &self.relaxation.sweep[id];
        // Beside the products: rounding the constant to the working type, and summing constants in it.
        let constant = |b: f64| (CONSTANT_ROUNDINGS + 2) as f64 * F::UNIT * b.abs() * 1.01;
        let error = self.elements(id).map(|i| allowance(sweep[i].to_f64() + constant(constants[i]))).collect();
        let fan_out = (0..node.inputs.len()).map(|k| op.fan_out(k)).max().unwrap_or(0);
        let size: f64 = node.inputs.iter().map(|&p| self.total_size(p)).sum();
        Node::Affine(Affine {
            operands: node.inputs.clone(),
            map: self.map(id, op),
            bias: self.elements(id).map(|i| F::from_f64(constants[i])).collect(),
            error,
            underflow: 2.0 * F::TINY * (fan_out + node.len()) as f64 * size,
        })
    }

    fn map(&self, id: NodeId, op: &'n dyn ops::Affine) -> Arc<dyn Map<F> + 'n> {
        let nodes = &self.relaxation.network.graph.nodes;
        let operands = nodes[id].inputs.iter().enumerate().map(|(k, &p)| Compact::new(op, k, &self.kept[id], &self.kept[p]));
        if let Some(maps) = operands.collect() {
            return Arc::new(Operands(maps));
        }
        let part = |p: NodeId| (nodes[p].len(), self.kept[p].clone());
        Arc::new(Whole { op, output: part(id), inputs: nodes[id].inputs.iter().map(|&p| part(p)).collect() })
    }

    fn total_size(&self, p: NodeId) -> f64 {
        (0..self.relaxation.bounds.ranges[p].len()).map(|i| self.relaxation.bounds.size(p, i)).sum::<f64>() + 1.0
    }

    fn hinge(&self, id: NodeId) -> Hinge<F> {
        let p = self.relaxation.network.graph.nodes[id].inputs[0];
        let ranges = &self.relaxation.bounds.ranges[p];
        let mut hinge = Hinge::empty(p);
        self.elements(id).for_each(|i| hinge.push(ranges.low[i], ranges.high[i], false));
        let paid: Vec<f64> = self.elements(id).map(|i| self.relaxation.reading_error(p, i)).collect();
        if paid.iter().any(|&e| e != 0.0) {
            hinge.error = paid.iter().map(|&e| allowance(e * (1.0 + 1.0 / 512.0))).collect();
        }
        hinge
    }

    /// Elements of the program's hinge that may be on either side.
    fn unstable(&self, id: NodeId) -> Vec<usize> {
        match &self.program.nodes[id] {
            Node::Hinge(hinge) => (0..hinge.up.len()).filter(|&i| hinge.unstable(i)).collect(),
            _ => Vec::new(),
        }
    }

    /// The number of hinge `id` among the hinges.
    fn activation(&self, id: NodeId) -> usize {
        self.program.nodes[..id].iter().filter(|n| matches!(n, Node::Hinge(_))).count()
    }

    /// Trees for both ends of all unstable elements that hinge `id` reads.
    fn refine(&mut self, id: NodeId, effort: Effort, recorder: Option<&mut Recorder>, stop: &(dyn Fn() -> bool + Sync)) {
        let p = self.relaxation.network.graph.nodes[id].inputs[0];
        let wanted = |i: &usize| self.focus.as_ref().is_none_or(|focus| focus[id][*i]);
        let unstable: Vec<usize> = self.unstable(id).into_iter().filter(wanted).collect();
        let tasks: Vec<&[usize]> = unstable.chunks(NEURONS_PER_TASK).collect();
        let this = &*self;
        let results = in_parallel(&tasks, effort.threads, |elements| {
            let forest = Forest::new(&this.program, effort.settings);
            let budget = effort.nodes.min(forest.affordable(effort.memory / effort.threads.max(1) as u64));
            let goal = |upper: bool, k: usize| Goal {
                start: Arc::new(this.element_start(p, elements[k], upper)),
                leaves: vec![Leaf::root()],
                budget,
                strict: false,
                unless: (!upper).then_some(k),
            };
            let goals = [true, false].into_iter().flat_map(|upper| (0..elements.len()).map(move |k| (upper, k)));
            forest.grow(goals.map(|(upper, k)| goal(upper, k)).collect(), stop)
        });
        if let Some(recorder) = recorder {
            let free = free_neurons(&self.program, p);
            let ranges = &self.relaxation.bounds.ranges[p];
            let ends = tasks.iter().zip(&results).flat_map(|(elements, endings)| {
                let end = |(k, ending): (usize, &Ending<F>)| {
                    let (i, lower) = (self.kept[id][elements[k % elements.len()]] as usize, k >= elements.len());
                    let better = if lower { -ending.bound > ranges.low[i] } else { ending.bound < ranges.high[i] };
                    Some((i, lower, ending.all_leaves().filter(|_| better)?))
                };
                endings.iter().enumerate().filter_map(end).collect::<Vec<_>>()
            });
            let ends: Vec<(usize, bool, Vec<Arc<Multipliers>>)> = ends.collect();
            let ends: Vec<(usize, bool, &[Arc<Multipliers>])> = ends.iter().map(|(e, lower, leaves)| (*e, *lower, &leaves[..])).collect();
            recorder.ends(self.activation(id), &|neuron| self.name(neuron), &free, &ends);
        }
        for (elements, endings) in tasks.iter().zip(results) {
            for (k, ending) in endings.iter().enumerate() {
                let i = self.kept[id][elements[k % elements.len()]] as usize;
                let ranges = &mut self.relaxation.bounds.ranges[p];
                if k < elements.len() {
                    ranges.high[i] = ranges.high[i].min(ending.bound);
                } else {
                    ranges.low[i] = ranges.low[i].max(-ending.bound);
                }
                self.empty |= ranges.low[i] > ranges.high[i];
            }
        }
        self.program.nodes[id] = Node::Hinge(self.hinge(id));
    }

    /// The row of the program's element `i` of node `p`, or its negative.
    fn element_start(&self, p: NodeId, i: usize, upper: bool) -> Start<F> {
        let mut coefficients = vec![F::ZERO; self.program.nodes[p].width()];
        coefficients[i] = if upper { F::ONE } else { -F::ONE };
        Start { node: p, coefficients, constant: 0.0, error: self.relaxation.start_error(p, self.kept[p][i] as usize) }
    }
}

impl<F: Working> Relaxed<F> for GraphRows<'_, F> {
    fn tighten(&mut self, effort: Effort, mut recorder: Option<&mut Recorder>, stop: &(dyn Fn() -> bool + Sync)) {
        // One node per row is what the relaxation already is, unless that was made for a certificate.
        let recorded = effort.nodes > 0 && recorder.is_some();
        let first = self.program.nodes.iter().position(|n| matches!(n, Node::Hinge(_)));
        for id in 0..self.program.nodes.len() {
            // Rows of the first ReLUs have nothing below them to split.
            let needed = recorded || (effort.nodes > 1 && Some(id) != first);
            if needed && matches!(self.program.nodes[id], Node::Hinge(_)) && !self.empty && !stop() {
                self.refine(id, effort, recorder.as_deref_mut(), stop);
            }
        }
        if effort.nodes > 0 && !self.empty {
            // Fewer neurons are alive now.
            self.assemble();
        }
    }

    fn inherit(&mut self, known: &Known) {
        let hinges = (0..self.program.nodes.len()).filter(|&id| matches!(self.program.nodes[id], Node::Hinge(_)));
        for (id, ends) in hinges.collect::<Vec<_>>().into_iter().zip(&known.ends) {
            let ranges = &mut self.relaxation.bounds.ranges[self.relaxation.network.graph.nodes[id].inputs[0]];
            for (i, &(low, high)) in ends.iter().enumerate() {
                (ranges.low[i], ranges.high[i]) = (ranges.low[i].max(low), ranges.high[i].min(high));
                self.empty |= ranges.low[i] > ranges.high[i];
            }
        }
        self.assemble();
    }

    fn aim(&mut self, objectives: &[&Objective<F>], share: f64) {
        let starts: Vec<Arc<Start<F>>> = objectives.iter().map(|o| Arc::new(self.start(o))).collect();
        self.focus = (share < 1.0).then(|| focus(&self.program, &starts, share, Settings::rows().step));
    }

    fn name(&self, (node, element): Neuron) -> Option<(usize, usize)> {
        Some((self.activation(node as usize), self.kept[node as usize][element as usize] as usize))
    }

    fn program(&self) -> &Program<'_, F> {
        &self.program
    }

    fn start(&self, objective: &Objective<F>) -> Start<F> {
        let node = self.program.nodes.len() - 1;
        let mut error = 0.0;
        for (i, c) in objective.outputs.iter().enumerate() {
            let size = self.relaxation.bounds.size(node, i) + self.relaxation.start_error(node, i);
            error += objective.output_error * size + c.abs().to_f64() * self.relaxation.start_error(node, i);
        }
        let error = error * (1.0 + 1.0 / 512.0);
        Start { node, coefficients: objective.outputs.clone(), constant: objective.constant, error }
    }

    fn bounds(&self) -> Option<&Bounds> {
        Some(&self.relaxation.bounds)
    }

    fn point(&self, inputs: &[F]) -> Vec<f64> {
        let ranges = &self.relaxation.bounds.ranges[0];
        let mut point: Vec<f64> = (0..ranges.len()).map(|i| ranges.at(i).middle()).collect();
        self.elements(0).zip(inputs).for_each(|(i, x)| point[i] = x.to_f64().clamp(ranges.low[i], ranges.high[i]));
        point
    }

    fn is_empty(&self) -> bool {
        self.empty
    }

    fn unstable(&self) -> Vec<usize> {
        (0..self.program.nodes.len())
            .filter(|&id| matches!(self.program.nodes[id], Node::Hinge(_)))
            .map(|id| self.unstable(id).len())
            .collect()
    }
}
