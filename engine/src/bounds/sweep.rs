//! One backward sweep: rows of coefficients on some nodes go down to the inputs, every rounding paid into their constants.

use std::borrow::Cow;

use super::Relaxation;
use super::slopes::Slopes;
use crate::graph::NodeId;
use crate::kernels::rows;
use crate::kernels::vectors::upper_end;
use crate::numerics::Numbers;
use crate::ops::{Affine, General, Operation, Working};

/// Slack for second-order terms and for sums of errors computed in the working type.
pub(super) const SLACK: f64 = 1.0 + 1.0 / 512.0;

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

/// Coefficients under way.
pub(super) struct Sweep<F> {
    buffers: Vec<Vec<F>>,
    pub(super) constants: Vec<f64>,
    pub(super) errors: Vec<f64>,
    pub(super) count: usize,
}

impl<F: Working> Sweep<F> {
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

    /// The coefficients of row `r` on node `id` of `len` elements; empty for a node that nothing reaches.
    fn row(&self, id: NodeId, r: usize, len: usize) -> &[F] {
        self.buffers.get(id).and_then(|b| b.get(r * len..(r + 1) * len)).unwrap_or(&[])
    }
}

impl<F: Working> Relaxation<'_, F> {
    /// Linear upper bounds over the inputs of `count` rows, given by their coefficients on some nodes (flat, row by row).
    pub fn sweep(&self, starts: Vec<(NodeId, Vec<F>)>, count: usize) -> Vec<Form<F>> {
        self.forms(&self.descend(starts, count, None))
    }

    /// The greatest values of `count` rows over the box, as [`Relaxation::sweep`] without the forms.
    pub(super) fn sweep_bounds(&self, starts: Vec<(NodeId, Vec<F>)>, count: usize) -> Vec<f64> {
        let work = self.descend(starts, count, None);
        (0..count).map(|r| self.finish(&work, r).1).collect()
    }

    /// Takes rows down to the inputs; with `slopes`, lower slopes of their own for every row.
    pub(super) fn descend(&self, starts: Vec<(NodeId, Vec<F>)>, count: usize, mut slopes: Option<&mut Slopes<F>>) -> Sweep<F> {
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
                Operation::Scalar(_) => self.through_scalar(id, c, slopes.as_deref_mut(), &mut work),
                Operation::General(op) => self.through_general(id, op.as_ref(), &c, &mut work),
            }
        }
        work
    }

    fn pay_reading(&self, id: NodeId, c: &[F], work: &mut Sweep<F>) {
        let len = self.network.graph.nodes[id].len();
        if self.network.roundings[id] == 0 && self.network.readers[id] < 2 {
            return;
        }
        for r in 0..work.count {
            let row = &c[r * len..(r + 1) * len];
            let nonzero = row.iter().enumerate().filter(|(_, x)| **x != F::ZERO);
            let paid: f64 = nonzero.map(|(i, x)| x.abs().to_f64() * self.start_error(id, i)).sum();
            work.errors[r] += paid * SLACK;
        }
    }

    /// What a row pays per unit of coefficient where it starts: as for any reader, also while the node's terms are not made.
    pub(super) fn start_error(&self, id: NodeId, i: usize) -> f64 {
        if id < self.deployed.len() {
            return self.reading_error(id, i);
        }
        match self.network.roundings[id] {
            0 => 0.0,
            n => self.network.deployed.error(n, self.bounds.magnitude[id][i]),
        }
    }

    /// What a unit of coefficient on affine node `id` pays for rounding, also while the node's terms are not made.
    pub(super) fn sweep_terms(&self, id: NodeId, op: &dyn Affine) -> Cow<'_, [F]> {
        self.sweep.get(id).map_or_else(|| self.sweep_errors(id, op).into(), |sweep| sweep.into())
    }

    fn through_affine(&self, id: NodeId, op: &dyn Affine, c: &[F], work: &mut Sweep<F>) {
        let node = &self.network.graph.nodes[id];
        let len = node.len();
        let sweep = &*self.sweep_terms(id, op);
        let underflow = self.affine_underflow(id, op);
        for r in 0..work.count {
            let row = &c[r * len..(r + 1) * len];
            work.errors[r] += rows::absolute_dot(row, sweep) * SLACK + underflow;
            // The sum's own rounding is part of `sweep_error`.
            work.constants[r] += match op.bias() {
                Some(Numbers::F32(bias)) => dot(row, bias),
                Some(Numbers::F64(bias)) => dot(row, bias),
                None => 0.0,
            };
        }
        let count = work.count;
        for (k, &p) in node.inputs.iter().enumerate() {
            let target = work.buffer(p, self.network.graph.nodes[p].len());
            F::transpose(op, k, c, target, count);
        }
    }

    /// The sum of the sizes of node `p`'s elements, and 1.
    pub(super) fn total_size(&self, p: NodeId) -> f64 {
        if let Some(&total) = self.totals.get(p) {
            return total;
        }
        let ranges = &self.bounds.ranges[p];
        ranges.low.iter().zip(&ranges.high).map(|(l, h)| l.abs().max(h.abs())).sum::<f64>() + 1.0
    }

    fn through_scalar(&self, id: NodeId, mut c: Vec<F>, slopes: Option<&mut Slopes<F>>, work: &mut Sweep<F>) {
        let node = &self.network.graph.nodes[id];
        match slopes {
            Some(slopes) => slopes.relax(self, id, &mut c, work),
            None => rows::relax_rows(&mut c, node.len(), work.count, self.lines[id].lines(), &mut work.constants, &mut work.errors),
        }
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
            let (offset, error) = self.through_general_row(id, op, &row, &own, |k, i, multiplier| {
                let size = operands[k].len();
                work.buffer(node.inputs[k], size)[r * size + i] += multiplier;
            });
            work.constants[r] += offset;
            work.errors[r] += error;
        }
    }

    /// One row through a general operator: `add(operand, element, multiplier)` for what it passes back; its constant and allowance.
    pub(super) fn through_general_row(
        &self,
        id: NodeId,
        op: &dyn General,
        row: &[f64],
        own: &[f64],
        mut add: impl FnMut(usize, usize, F),
    ) -> (f64, f64) {
        let inputs = &self.network.graph.nodes[id].inputs;
        let operands: Vec<_> = inputs.iter().map(|&p| &self.bounds.ranges[p]).collect();
        let mut back: Vec<Vec<f64>> = operands.iter().map(|p| vec![0.0; p.len()]).collect();
        let offset = op.relax_row(row, &operands, &mut back);
        let mut error = f64::EPSILON * (self.network.graph.nodes.len() + 8) as f64 * offset.abs();
        error += row.iter().zip(own).filter(|(x, _)| **x != 0.0).map(|(x, own)| x.abs() * own).sum::<f64>() * SLACK;
        for (k, multipliers) in back.iter().enumerate() {
            let mut paid = 0.0;
            for (i, &m) in multipliers.iter().enumerate().filter(|m| *m.1 != 0.0) {
                let rounded = F::from_f64(m);
                paid += (m - rounded.to_f64()).abs() * operands[k].at(i).magnitude() + m.abs() * self.reading_error(inputs[k], i);
                add(k, i, rounded);
            }
            error += paid * SLACK;
        }
        (offset, error)
    }

    /// Linear forms of all rows that have reached the inputs.
    pub(super) fn forms(&self, work: &Sweep<F>) -> Vec<Form<F>> {
        let graph = self.network.graph;
        let form = |r: usize| {
            let mut coefficients = Vec::with_capacity(graph.input_len());
            for &id in &graph.inputs {
                let (len, first) = (graph.nodes[id].len(), coefficients.len());
                coefficients.extend_from_slice(work.row(id, r, len));
                coefficients.resize(first + len, F::ZERO);
            }
            let (constant, bound) = self.finish(work, r);
            Form { coefficients, constant, error: (work.errors[r] * SLACK).next_up(), bound }
        };
        (0..work.count).map(form).collect()
    }

    /// The constant of row `r` with all allowances, and the greatest value over the box, both rounded up.
    fn finish(&self, work: &Sweep<F>, r: usize) -> (f64, f64) {
        let graph = self.network.graph;
        let (mut value, mut size) = (0.0, 0.0);
        for &id in &graph.inputs {
            let ranges = &self.bounds.ranges[id];
            let mut ends = [0.0; 2];
            upper_end(work.row(id, r, ranges.len()), &ranges.low, &ranges.high, &mut ends);
            value += ends[0];
            size += ends[1];
        }
        self.conclude(work.constants[r], work.errors[r], value, size)
    }

    /// A row's constant with its allowances, and its bound, both rounded up: `value` and `size` are what [`upper_end`] gives.
    pub(super) fn conclude(&self, constant: f64, error: f64, value: f64, size: f64) -> (f64, f64) {
        let inputs = self.network.graph.input_len();
        let roundings = f64::EPSILON * (inputs + 8) as f64;
        // Adding up the nodes' shares of the constant is part of each share's own allowance.
        let error = (error * SLACK).next_up();
        let constant = (constant + error).next_up();
        let bound = (constant + value + roundings * (size + constant.abs()) + f64::MIN_POSITIVE * inputs as f64).next_up();
        (constant, if bound.is_nan() { f64::INFINITY } else { bound })
    }

    /// What products that underflow may lose at an affine node, per row.
    pub(super) fn affine_underflow(&self, id: NodeId, op: &dyn Affine) -> f64 {
        let inputs = &self.network.graph.nodes[id].inputs;
        let fan_out = (0..inputs.len()).map(|k| op.fan_out(k)).max().unwrap_or(0);
        2.0 * F::TINY * fan_out as f64 * inputs.iter().map(|&p| self.total_size(p)).sum::<f64>()
    }
}

fn dot<F: Working, B: crate::numerics::Real>(row: &[F], bias: &[B]) -> f64 {
    const WIDE: usize = 8;
    let ((row, row_rest), (bias, bias_rest)) = (row.as_chunks::<WIDE>(), bias.as_chunks::<WIDE>());
    let mut sums = [0.0; WIDE];
    for (x, b) in row.iter().zip(bias) {
        for i in 0..WIDE {
            sums[i] += x[i].to_f64() * b[i].to_f64();
        }
    }
    sums.iter().sum::<f64>() + row_rest.iter().zip(bias_rest).map(|(x, b)| x.to_f64() * b.to_f64()).sum::<f64>()
}

fn pay_constant<F: Working>(values: &Numbers, c: &[F], work: &mut Sweep<F>) {
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
