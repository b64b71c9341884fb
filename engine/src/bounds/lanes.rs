//! Backward sweeps of both ends of a block of elements, stored element by element ([`Lanes`]): what [`super::sweep`] does for whole
//! rows, with the same allowances, where rows are many and lines are shared.
//!
//! Only elements that some row of the block reaches are carried along, and none whose lines are zero (inactive neurons).

use super::Relaxation;
use super::sweep::SLACK;
use crate::graph::NodeId;
use crate::kernels::lanes::{Lanes, relax_lanes, upper_ends, weigh_lanes};
use crate::kernels::padded;
use crate::numerics::Numbers;
use crate::ops::{Affine, General, Operation, Working};

/// Buffers to be used again.
pub(super) type Spare<F> = Vec<Lanes<F>>;

/// A block of rows under way.
struct Block<'s, F> {
    /// Coefficients per node; none where nothing has reached it.
    nodes: Vec<Option<Lanes<F>>>,
    spare: &'s mut Spare<F>,
    constants: Vec<f64>,
    errors: Vec<f64>,
    rows: usize,
    products: f64,
}

impl<F: Working> Block<'_, F> {
    /// The coefficients on node `p`, zeros if nothing has reached it.
    fn node(&mut self, p: NodeId, len: usize) -> &mut Lanes<F> {
        let (rows, spare) = (self.rows, &mut self.spare);
        self.nodes[p].get_or_insert_with(|| {
            let mut new = spare.pop().unwrap_or_else(|| Lanes::new(0, 0));
            new.reset(rows, len);
            new
        })
    }
}

impl<F: Working> Relaxation<'_, F> {
    /// For each of the elements `picked` of node `id` an upper bound of its value and one of its negative; and the multiplications.
    pub(super) fn lane_bounds(&self, id: NodeId, picked: &[usize], spare: &mut Spare<F>) -> (Vec<f64>, f64) {
        let lanes = padded(2 * picked.len());
        let mut block = Block {
            nodes: (0..=id).map(|_| None).collect(),
            spare,
            constants: vec![0.0; lanes],
            errors: vec![0.0; lanes],
            rows: 2 * picked.len(),
            products: 0.0,
        };
        let len = self.network.graph.nodes[id].len();
        for (r, &i) in picked.iter().enumerate() {
            let start = block.node(id, len).element(i);
            (start[2 * r], start[2 * r + 1]) = (F::ONE, -F::ONE);
            let paid = self.start_error(id, i) * SLACK;
            (block.errors[2 * r], block.errors[2 * r + 1]) = (paid, paid);
        }
        self.lower(id, &mut block);
        let (mut values, mut sizes) = (vec![0.0; lanes], vec![0.0; lanes]);
        for &p in &self.network.graph.inputs {
            if let Some(c) = block.nodes.get_mut(p).and_then(|c| c.take()) {
                let ranges = &self.bounds.ranges[p];
                upper_ends(&c.values, &c.elements(), lanes, &ranges.low, &ranges.high, &mut values, &mut sizes);
                block.spare.push(c);
            }
        }
        let bound = |r: usize| self.conclude(block.constants[r], block.errors[r], values[r], sizes[r]).1;
        ((0..block.rows).map(bound).collect(), block.products)
    }

    /// Takes the block from node `last` down to the inputs.
    fn lower(&self, last: NodeId, block: &mut Block<'_, F>) {
        let nodes = &self.network.graph.nodes;
        for id in (0..=last).rev().filter(|&id| !matches!(nodes[id].operation, Operation::Input)) {
            let Some(c) = block.nodes[id].take() else { continue };
            match &nodes[id].operation {
                Operation::Constant(values) => pay_constant(values, &c, nodes.len(), block),
                Operation::Affine(op) => self.affine_lanes(id, op.as_ref(), &c, block),
                Operation::General(op) => self.general_lanes(id, op.as_ref(), &c, block),
                Operation::Input | Operation::Scalar(_) => {
                    self.scalar_lanes(id, c, block);
                    continue;
                }
            }
            block.spare.push(c);
        }
    }

    fn affine_lanes(&self, id: NodeId, op: &dyn Affine, c: &Lanes<F>, block: &mut Block<'_, F>) {
        let sweep = &*self.sweep_terms(id, op);
        let (mut errors, live) = (vec![0.0; c.lanes], c.elements());
        // The sum's own rounding is part of `sweep_error`.
        match op.bias() {
            Some(Numbers::F32(bias)) => weigh_lanes(&c.values, &live, c.lanes, sweep, bias, &mut block.constants, &mut errors),
            Some(Numbers::F64(bias)) => weigh_lanes(&c.values, &live, c.lanes, sweep, bias, &mut block.constants, &mut errors),
            None => weigh_lanes::<F, f32>(&c.values, &live, c.lanes, sweep, &[], &mut block.constants, &mut errors),
        }
        let underflow = self.affine_underflow(id, op);
        block.errors.iter_mut().zip(&errors).for_each(|(e, own)| *e += own * SLACK + underflow);
        let nodes = &self.network.graph.nodes;
        for (k, &p) in nodes[id].inputs.iter().enumerate() {
            let target = block.node(p, nodes[p].len());
            let products = F::transpose_lanes(op, k, c, target, &self.wanted[p]);
            block.products += products;
        }
    }

    fn scalar_lanes(&self, id: NodeId, mut c: Lanes<F>, block: &mut Block<'_, F>) {
        let (len, p) = (c.live.len(), self.network.graph.nodes[id].inputs[0]);
        let lines = self.lines[id].lines();
        let live = c.elements();
        relax_lanes(&mut c.values, &live, c.lanes, lines, &mut block.constants, &mut block.errors);
        let underflow = F::TINY * 4.0 * (len as f64 + self.total_size(p));
        block.errors.iter_mut().for_each(|e| *e += underflow);
        match &mut block.nodes[p] {
            Some(target) => {
                for i in (0..len).filter(|&i| c.live[i]) {
                    let values = &c.values[i * c.lanes..][..c.lanes];
                    target.element(i).iter_mut().zip(values).for_each(|(x, &y)| *x += y);
                }
                block.spare.push(c);
            }
            empty => *empty = Some(c),
        }
    }

    fn general_lanes(&self, id: NodeId, op: &dyn General, c: &Lanes<F>, block: &mut Block<'_, F>) {
        let nodes = &self.network.graph.nodes;
        let operands: Vec<_> = nodes[id].inputs.iter().map(|&p| &self.bounds.ranges[p]).collect();
        let own = match self.network.deployed.unit > 0.0 {
            true => op.deployed_errors(&operands, &self.bounds.ranges[id]),
            false => Vec::new(),
        };
        for r in 0..block.rows {
            let at = |i: usize| if c.live[i] { c.values[i * c.lanes + r].to_f64() } else { 0.0 };
            let row: Vec<f64> = (0..c.live.len()).map(at).collect();
            if row.iter().all(|&x| x == 0.0) {
                continue;
            }
            let (offset, error) = self.through_general_row(id, op, &row, &own, |k, i, multiplier| {
                block.node(nodes[id].inputs[k], operands[k].len()).element(i)[r] += multiplier;
            });
            block.constants[r] += offset;
            block.errors[r] += error;
        }
    }
}

fn pay_constant<F: Working>(values: &Numbers, c: &Lanes<F>, nodes: usize, block: &mut Block<'_, F>) {
    for i in (0..c.live.len()).filter(|&i| c.live[i]) {
        for r in 0..block.rows {
            let term = c.values[i * c.lanes + r].to_f64() * values.at(i);
            block.constants[r] += term;
            block.errors[r] += f64::EPSILON * (values.len() + 4 + nodes) as f64 * term.abs() + f64::MIN_POSITIVE;
        }
    }
}
