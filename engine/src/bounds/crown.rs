//! Backward bound propagation (CROWN, Zhang et al. 2018) on any graph, rigorous in the working type.
//!
//! A row is a linear function of one node's elements. Going down in reverse order of the nodes, every consumer before its
//! producer, an affine node passes `W^T c`, any other node passes multipliers and pays the supremum of what is left
//! (ARCHITECTURE.md, "The one idea"). Every rounding is paid into the row's constant.

use super::{Bounds, Network};
use crate::graph::NodeId;
use crate::kernels::Kernel;
use crate::kernels::rows::{self, BLOCK, BLOCK_ROUNDINGS, Lines};
use crate::ops::{Affine, General, Operation, Ranges, Scalar, Working};

/// Slack for second-order terms and for sums of errors computed in the working type.
const SLACK: f64 = 1.0 + 1.0 / 512.0;

/// A linear upper bound in the inputs: `coefficients . x + constant`.
#[derive(Clone, Debug)]
pub struct Form<F> {
    /// One per input element.
    pub coefficients: Vec<F>,
    /// Includes all allowances for rounding.
    pub constant: f64,
    /// The allowances alone.
    pub error: f64,
    /// The form's greatest value over the box, rounded up.
    pub bound: f64,
}

/// The lines of one scalar node for the current box, in the working type.
#[derive(Clone, Debug, Default)]
pub struct NodeLines<F> {
    pub(super) upper_slope: Vec<F>,
    pub(super) lower_slope: Vec<F>,
    pub(super) upper_constant: Vec<F>,
    pub(super) lower_constant: Vec<F>,
    pub(super) error: Vec<F>,
}

impl<F: Kernel> NodeLines<F> {
    pub(super) fn lines(&self) -> Lines<'_, F> {
        Lines {
            upper_slope: &self.upper_slope,
            lower_slope: &self.lower_slope,
            upper_constant: &self.upper_constant,
            lower_constant: &self.lower_constant,
            error: &self.error,
        }
    }
}

/// Everything that a backward sweep reads at each node, for one box; built node by node from the inputs up.
#[derive(Debug)]
pub struct Relaxation<'n, F> {
    /// The network.
    pub network: &'n Network<'n>,
    /// Proved ranges of the nodes so far.
    pub bounds: Bounds,
    pub(super) lines: Vec<NodeLines<F>>,
    /// Per affine node and element: rounding of the sweep per unit of absolute coefficient.
    sweep: Vec<Vec<F>>,
    /// Per affine node and element: the deployed block's error, paid where another operator or an objective reads it.
    deployed: Vec<Vec<f64>>,
}

/// Numbers that the buffers of one sweep may hold at a node: bounds the rows swept together.
const SWEEP_NUMBERS: usize = 1 << 22;

impl<'n, F: Working> Relaxation<'n, F> {
    /// CROWN bounds of all nodes over the box `input`: intervals everywhere, backward rows for the elements that a
    /// function other than affine reads and whose relaxation is not exact. Once `stop` says so, intervals only.
    pub fn crown(network: &'n Network<'n>, input: &Ranges, stop: &dyn Fn() -> bool) -> Relaxation<'n, F> {
        Relaxation::build(network, input, |relaxation, id| {
            if !network.shallow[id] && !stop() {
                let picked = relaxation.loose(id);
                relaxation.tighten(id, &picked, stop);
            }
        })
    }

    /// Interval bounds of all nodes.
    pub fn interval(network: &'n Network<'n>, input: &Ranges) -> Relaxation<'n, F> {
        Relaxation::build(network, input, |_, _| {})
    }

    fn build(network: &'n Network<'n>, input: &Ranges, tighten: impl Fn(&mut Relaxation<'n, F>, NodeId)) -> Relaxation<'n, F> {
        let mut relaxation = Relaxation { network, bounds: Bounds::default(), lines: Vec::new(), sweep: Vec::new(), deployed: Vec::new() };
        let mut taken = 0;
        for (id, node) in network.graph.nodes.iter().enumerate() {
            let (ranges, magnitude) = match &node.operation {
                Operation::Input => {
                    let part = taken..taken + node.len();
                    taken = part.end;
                    (Ranges { low: input.low[part.clone()].to_vec(), high: input.high[part].to_vec() }, Vec::new())
                }
                Operation::Constant(values) => (Ranges { low: values.to_f64(), high: values.to_f64() }, Vec::new()),
                _ => network.node_interval(id, &relaxation.bounds),
            };
            relaxation.bounds.ranges.push(ranges);
            relaxation.bounds.magnitude.push(magnitude);
            tighten(&mut relaxation, id);
            relaxation.push_terms(id);
        }
        relaxation
    }

    fn push_terms(&mut self, id: NodeId) {
        let (mut lines, mut sweep, mut deployed) = (NodeLines::default(), Vec::new(), Vec::new());
        match &self.network.graph.nodes[id].operation {
            Operation::Affine(op) => {
                sweep = self.sweep_errors(id, op.as_ref());
                deployed = self.deployed_errors(id);
            }
            Operation::Scalar(op) => lines = self.scalar_lines(id, op.as_ref()),
            _ => {}
        }
        self.lines.push(lines);
        self.sweep.push(sweep);
        self.deployed.push(deployed);
    }

    /// Elements of node `id` whose readers' relaxations depend on how tight their intervals are.
    fn loose(&self, id: NodeId) -> Vec<usize> {
        let graph = self.network.graph;
        let ranges = &self.bounds.ranges[id];
        let mut wanted = vec![false; ranges.len()];
        for reader in graph.nodes.iter().filter(|n| n.inputs.contains(&id)) {
            let hinge = match &reader.operation {
                Operation::Scalar(op) => op.hinge().is_some(),
                Operation::General(_) => false,
                _ => continue,
            };
            for (i, w) in wanted.iter_mut().enumerate() {
                let x = ranges.at(i);
                *w |= if hinge { x.low < 0.0 && x.high > 0.0 } else { x.low < x.high };
            }
        }
        (0..ranges.len()).filter(|&i| wanted[i]).collect()
    }

    /// Backward rows for both ends of the picked elements of node `id`, intersected with what is known.
    fn tighten(&mut self, id: NodeId, picked: &[usize], stop: &dyn Fn() -> bool) {
        let graph = self.network.graph;
        let len = graph.nodes[id].len();
        let widest = graph.nodes[..=id].iter().map(|n| n.len()).max().unwrap_or(1).max(1);
        let chunk = (SWEEP_NUMBERS / widest).clamp(1, 256);
        for part in picked.chunks(chunk) {
            if stop() {
                return;
            }
            let mut rows = vec![F::ZERO; 2 * part.len() * len];
            for (r, &i) in part.iter().enumerate() {
                rows[2 * r * len + i] = F::ONE;
                rows[(2 * r + 1) * len + i] = -F::ONE;
            }
            let forms = self.sweep(vec![(id, rows)], 2 * part.len());
            let ranges = &mut self.bounds.ranges[id];
            for (r, &i) in part.iter().enumerate() {
                ranges.high[i] = ranges.high[i].min(forms[2 * r].bound);
                ranges.low[i] = ranges.low[i].max(-forms[2 * r + 1].bound);
            }
        }
    }

    fn sweep_errors(&self, id: NodeId, op: &dyn Affine) -> Vec<F> {
        let relative = self.network.sweep_error::<F>(id);
        let bias = op.bias_error();
        let one = |(i, m): (usize, &f64)| {
            let error = relative * m + bias.as_ref().map_or(0.0, |b| b[i]);
            F::from_f64_up(if relative == 0.0 { 0.0 } else { error * SLACK + F::TINY })
        };
        self.bounds.magnitude[id].iter().enumerate().map(one).collect()
    }

    fn deployed_errors(&self, id: NodeId) -> Vec<f64> {
        match self.network.roundings[id] {
            0 => Vec::new(),
            n => self.bounds.magnitude[id].iter().map(|&m| self.network.deployed.error(n, m)).collect(),
        }
    }

    /// What a reader that is not affine pays per unit of multiplier for element `i` of node `p`: the deployed block's
    /// error, and adding its multiplier to what other readers pass.
    fn reading_error(&self, p: NodeId, i: usize) -> f64 {
        let readers = self.network.readers[p];
        let adding = if readers > 1 { readers as f64 * F::UNIT * self.bounds.size(p, i) } else { 0.0 };
        adding + self.deployed[p].get(i).copied().unwrap_or(0.0)
    }

    fn scalar_lines(&self, id: NodeId, op: &dyn Scalar) -> NodeLines<F> {
        let node = &self.network.graph.nodes[id];
        let p = node.inputs[0];
        let own = op.deployed_error();
        // A constant's product is summed in blocks in `F`, blocks and then nodes in `f64`.
        let blocks = node.len() / BLOCK + self.network.graph.nodes.len() + 8;
        let summing = (BLOCK_ROUNDINGS + 4) as f64 * F::UNIT + blocks as f64 * f64::EPSILON;
        let mut lines = NodeLines::default();
        for i in 0..node.len() {
            let x = self.bounds.ranges[p].at(i);
            let (upper, lower) = (finite::<F>(op.upper_slope(x)), finite::<F>(op.lower_slope(x)));
            let (above, below) = (op.upper_offset(upper.to_f64(), x), op.lower_offset(lower.to_f64(), x));
            let steep = upper.abs().max(lower.abs()).to_f64();
            let mut error = steep * (2.0 * F::UNIT * x.magnitude() + self.reading_error(p, i));
            error += summing * above.abs().max(below.abs());
            if self.network.deployed.unit > 0.0 {
                error += own.absolute + own.relative * self.bounds.ranges[id].at(i).magnitude();
            }
            lines.upper_slope.push(upper);
            lines.lower_slope.push(lower);
            lines.upper_constant.push(F::from_f64_up(above));
            lines.lower_constant.push(-F::from_f64_up(below));
            lines.error.push(F::from_f64_up(if error == 0.0 { 0.0 } else { error * SLACK + F::TINY }));
        }
        lines
    }

    /// Linear upper bounds over the inputs of `count` rows, given by their coefficients on some nodes (flat, row by row).
    pub fn sweep(&self, starts: Vec<(NodeId, Vec<F>)>, count: usize) -> Vec<Form<F>> {
        let graph = self.network.graph;
        let last = starts.iter().map(|s| s.0).max().unwrap_or(0);
        let mut work = Sweep { buffers: vec![Vec::new(); last + 1], constants: vec![0.0; count], errors: vec![0.0; count], count };
        for (id, coefficients) in starts {
            self.pay_reading(id, &coefficients, &mut work);
            work.add(id, coefficients);
        }
        for id in (0..=last).rev() {
            if work.buffers[id].is_empty() || matches!(graph.nodes[id].operation, Operation::Input) {
                continue;
            }
            let c = std::mem::take(&mut work.buffers[id]);
            match &graph.nodes[id].operation {
                Operation::Input => {}
                Operation::Constant(values) => pay_constant(values, &c, &mut work),
                Operation::Affine(op) => self.through_affine(id, op.as_ref(), &c, &mut work),
                Operation::Scalar(_) => self.through_scalar(id, c, &mut work),
                Operation::General(op) => self.through_general(id, op.as_ref(), &c, &mut work),
            }
        }
        self.finish(work)
    }

    fn pay_reading(&self, id: NodeId, c: &[F], work: &mut Sweep<F>) {
        let len = self.network.graph.nodes[id].len();
        for r in 0..work.count {
            let row = &c[r * len..(r + 1) * len];
            let paid: f64 =
                row.iter().enumerate().filter(|(_, x)| **x != F::ZERO).map(|(i, x)| x.abs().to_f64() * self.start_error(id, i)).sum();
            work.errors[r] += paid * SLACK;
        }
    }

    fn start_error(&self, id: NodeId, i: usize) -> f64 {
        match self.deployed.get(id) {
            Some(deployed) => deployed.get(i).copied().unwrap_or(0.0),
            None => match self.network.roundings[id] {
                0 => 0.0,
                n => self.network.deployed.error(n, self.bounds.magnitude[id][i]),
            },
        }
    }

    fn through_affine(&self, id: NodeId, op: &dyn Affine, c: &[F], work: &mut Sweep<F>) {
        let node = &self.network.graph.nodes[id];
        let len = node.len();
        let computed;
        let sweep: &[F] = match self.sweep.get(id) {
            Some(sweep) => sweep,
            None => {
                computed = self.sweep_errors(id, op);
                &computed
            }
        };
        let fan_out = (0..node.inputs.len()).map(|k| op.fan_out(k)).max().unwrap_or(0);
        for r in 0..work.count {
            let row = &c[r * len..(r + 1) * len];
            work.errors[r] += rows::absolute_dot(row, sweep) * SLACK;
            if let Some(bias) = op.bias() {
                // The sum's own rounding is part of `sweep_error`.
                work.constants[r] += row.iter().enumerate().map(|(i, x)| x.to_f64() * bias.at(i)).sum::<f64>();
            }
            let size: f64 = node.inputs.iter().map(|&p| self.total_size(p)).sum();
            work.errors[r] += 2.0 * F::TINY * fan_out as f64 * size;
        }
        let count = work.count;
        for (k, &p) in node.inputs.iter().enumerate() {
            let target = work.buffer(p, self.network.graph.nodes[p].len());
            F::transpose(op, k, c, target, count);
        }
    }

    fn total_size(&self, p: NodeId) -> f64 {
        let ranges = &self.bounds.ranges[p];
        ranges.low.iter().zip(&ranges.high).map(|(l, h)| l.abs().max(h.abs())).sum::<f64>() + 1.0
    }

    fn through_scalar(&self, id: NodeId, mut c: Vec<F>, work: &mut Sweep<F>) {
        let node = &self.network.graph.nodes[id];
        rows::relax_rows(&mut c, node.len(), work.count, self.lines[id].lines(), &mut work.constants, &mut work.errors);
        let underflow = F::TINY * 4.0 * (node.len() as f64 + self.total_size(node.inputs[0]));
        work.errors.iter_mut().for_each(|e| *e += underflow);
        work.add(node.inputs[0], c);
    }

    fn through_general(&self, id: NodeId, op: &dyn General, c: &[F], work: &mut Sweep<F>) {
        let node = &self.network.graph.nodes[id];
        let operands: Vec<_> = node.inputs.iter().map(|&p| &self.bounds.ranges[p]).collect();
        let len = node.len();
        let own = match self.network.deployed.unit > 0.0 {
            true => op.deployed_errors(&operands, &self.bounds.ranges[id]),
            false => Vec::new(),
        };
        for r in 0..work.count {
            let row: Vec<f64> = c[r * len..(r + 1) * len].iter().map(|x| x.to_f64()).collect();
            if row.iter().all(|&x| x == 0.0) {
                continue;
            }
            let mut back: Vec<Vec<f64>> = operands.iter().map(|p| vec![0.0; p.len()]).collect();
            let offset = op.relax_row(&row, &operands, &mut back);
            work.constants[r] += offset;
            work.errors[r] += f64::EPSILON * (self.network.graph.nodes.len() + 8) as f64 * offset.abs();
            work.errors[r] += row.iter().zip(&own).filter(|(x, _)| **x != 0.0).map(|(x, own)| x.abs() * own).sum::<f64>() * SLACK;
            for (k, multipliers) in back.iter().enumerate() {
                let p = node.inputs[k];
                let size = multipliers.len();
                let mut paid = 0.0;
                let target = work.buffer(p, size);
                for (i, &m) in multipliers.iter().enumerate().filter(|m| *m.1 != 0.0) {
                    let rounded = F::from_f64(m);
                    let error = (m - rounded.to_f64()).abs() * operands[k].at(i).magnitude() + m.abs() * self.reading_error(p, i);
                    paid += error;
                    target[r * size + i] += rounded;
                }
                work.errors[r] += paid * SLACK;
            }
        }
    }

    /// Reads the rows off the inputs and adds everything up.
    fn finish(&self, work: Sweep<F>) -> Vec<Form<F>> {
        let graph = self.network.graph;
        let form = |r: usize| {
            let mut coefficients = Vec::with_capacity(graph.input_len());
            let (mut value, mut size) = (0.0, 0.0);
            for &id in &graph.inputs {
                let (len, ranges) = (graph.nodes[id].len(), &self.bounds.ranges[id]);
                for i in 0..len {
                    let v = work.buffers.get(id).and_then(|b| b.get(r * len + i)).copied().unwrap_or(F::ZERO);
                    let (low, high, c) = (ranges.low[i], ranges.high[i], v.to_f64());
                    if c != 0.0 {
                        let term = (c * low).max(c * high);
                        value += if c.is_finite() { term } else { f64::INFINITY };
                        size += c.abs() * low.abs().max(high.abs());
                    }
                    coefficients.push(v);
                }
            }
            let roundings = f64::EPSILON * (graph.input_len() + 8) as f64;
            // Adding up the nodes' shares of the constant is part of each share's own allowance.
            let error = (work.errors[r] * SLACK).next_up();
            let constant = (work.constants[r] + error).next_up();
            let bound = (constant + value + roundings * (size + constant.abs()) + f64::MIN_POSITIVE * graph.input_len() as f64).next_up();
            Form { coefficients, constant, error, bound: if bound.is_nan() { f64::INFINITY } else { bound } }
        };
        (0..work.count).map(form).collect()
    }
}

/// Coefficients under way.
struct Sweep<F> {
    buffers: Vec<Vec<F>>,
    constants: Vec<f64>,
    errors: Vec<f64>,
    count: usize,
}

impl<F: Kernel> Sweep<F> {
    /// The buffer of node `p`, zeros if it is new.
    fn buffer(&mut self, p: NodeId, len: usize) -> &mut [F] {
        let buffer = &mut self.buffers[p];
        if buffer.is_empty() {
            buffer.resize(self.count * len, F::ZERO);
        }
        buffer
    }

    fn add(&mut self, p: NodeId, c: Vec<F>) {
        let buffer = &mut self.buffers[p];
        if buffer.is_empty() {
            *buffer = c;
        } else {
            buffer.iter_mut().zip(&c).for_each(|(b, &x)| *b += x);
        }
    }
}

fn pay_constant<F: Kernel>(values: &crate::numerics::Numbers, c: &[F], work: &mut Sweep<F>) {
    let (len, nodes) = (values.len(), work.buffers.len());
    for r in 0..work.count {
        let (mut sum, mut size) = (0.0, 0.0);
        for (i, x) in c[r * len..(r + 1) * len].iter().enumerate() {
            let term = x.to_f64() * values.at(i);
            sum += term;
            size += term.abs();
        }
        work.constants[r] += sum;
        work.errors[r] += f64::EPSILON * (len + 4 + nodes) as f64 * size + f64::MIN_POSITIVE * len as f64;
    }
}

/// A slope as a number of the working type; 0 where it is not finite (any slope is sound).
pub(super) fn finite<F: Kernel>(t: f64) -> F {
    let t = F::from_f64(t);
    if t.is_finite() { t } else { F::ZERO }
}
