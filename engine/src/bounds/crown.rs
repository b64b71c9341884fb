//! Backward bound propagation (CROWN, Zhang et al. 2018) on any graph, rigorous in the working type.
//!
//! A row is a linear function of one node's elements. Going down in reverse order of the nodes, every consumer before its
//! producer, an affine node passes `W^T c`, any other node passes multipliers and pays the supremum of what is left
//! (ARCHITECTURE.md, "The one idea"). Every rounding is paid into the row's constant.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::forward::Forward;
use super::slopes::{Descent, Slopes};
use super::sweep::SLACK;
use super::{Bounds, Network};
use crate::graph::NodeId;
use crate::kernels::Kernel;
use crate::kernels::lanes::MOST_LANES;
use crate::kernels::rows::{BLOCK, BLOCK_ROUNDINGS, Lines};
use crate::numerics::Interval;
use crate::ops::{Affine, Operation, Ranges, Scalar, Working};

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
    /// Which elements' coefficients matter.
    fn wanted(&self) -> Vec<bool> {
        let all = [&self.upper_slope, &self.lower_slope, &self.upper_constant, &self.lower_constant, &self.error];
        (0..self.error.len()).map(|i| all.iter().any(|v| v[i] != F::ZERO)).collect()
    }

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

/// How much work goes into the bounds of the nodes.
#[derive(Clone, Copy)]
pub struct Plan<'p> {
    /// Proved ranges of a box that contains this one, which hold here too.
    pub inherited: Option<&'p Bounds>,
    /// Forward affine bounds of all nodes: they pay where few inputs vary.
    pub forward: bool,
    /// Backward rows for elements whose readers' relaxations are loose.
    pub rows: bool,
    /// Slope steps for rows that are still loose after CROWN.
    pub steps: usize,
    /// Threads.
    pub threads: usize,
    /// Multiplications that backward rows may take in all; nodes that would take more get intervals only.
    pub most_work: f64,
    /// Once this says so, intervals only.
    pub stop: &'p (dyn Fn() -> bool + Sync),
}

impl<'p> Plan<'p> {
    /// CROWN of everything, by one thread.
    pub fn crown(stop: &'p (dyn Fn() -> bool + Sync)) -> Plan<'p> {
        Plan { inherited: None, forward: false, rows: true, steps: 0, threads: 1, most_work: f64::INFINITY, stop }
    }
}

/// Everything that a backward sweep reads at each node, for one box; built node by node from the inputs up.
#[derive(Debug)]
pub struct Relaxation<'n, F> {
    /// The network.
    pub network: &'n Network<'n>,
    /// Proved ranges of the nodes so far.
    pub bounds: Bounds,
    /// True if some range turned out empty: no input of the box is left.
    pub empty: bool,
    /// Multiplications that backward rows have taken, about.
    pub work: f64,
    /// Multiplications of matrix products that rows of neurons have taken, those of padding included.
    pub products: f64,
    pub(super) lines: Vec<NodeLines<F>>,
    /// Per affine node and element: rounding of the sweep per unit of absolute coefficient.
    pub(super) sweep: Vec<Vec<F>>,
    /// Per affine node and element: the deployed block's error, paid where another operator or an objective reads it.
    pub(super) deployed: Vec<Vec<f64>>,
    /// Per scalar node the elements whose coefficients matter: those whose lines are not zero.
    pub(super) wanted: Vec<Vec<bool>>,
    /// Per node the sum of its elements' sizes, and 1.
    pub(super) totals: Vec<f64>,
}

/// Numbers that the buffers of one sweep may hold at a node: bounds the rows swept together.
const SWEEP_NUMBERS: usize = 1 << 18;
/// As [`SWEEP_NUMBERS`], where that would leave few rows.
const MOST_NUMBERS: usize = 1 << 24;
/// Most rows swept together.
const SWEEP_ROWS: usize = 512;
/// Numbers that the slopes of rows optimised together may take.
const SLOPE_NUMBERS: usize = 1 << 24;

impl<'n, F: Working> Relaxation<'n, F> {
    /// CROWN bounds of all nodes over the box `input`: intervals everywhere, backward rows for the elements that a
    /// function other than affine reads and whose relaxation is not exact. Once `stop` says so, intervals only.
    pub fn crown(network: &'n Network<'n>, input: &Ranges, stop: &(dyn Fn() -> bool + Sync)) -> Relaxation<'n, F> {
        Relaxation::planned(network, input, Plan::crown(stop))
    }

    /// What sweeps read, from bounds that are known already.
    pub fn known(network: &'n Network<'n>, bounds: Bounds) -> Relaxation<'n, F> {
        let count = network.graph.nodes.len();
        let mut relaxation = Relaxation::empty(network);
        relaxation.bounds = bounds;
        (0..count).for_each(|id| relaxation.push_terms(id));
        relaxation
    }

    /// Nothing yet.
    fn empty(network: &'n Network<'n>) -> Relaxation<'n, F> {
        Relaxation {
            network,
            bounds: Bounds::default(),
            empty: false,
            work: 0.0,
            products: 0.0,
            lines: vec![],
            sweep: vec![],
            deployed: vec![],
            wanted: vec![],
            totals: vec![],
        }
    }

    /// Interval bounds of all nodes.
    pub fn interval(network: &'n Network<'n>, input: &Ranges) -> Relaxation<'n, F> {
        Relaxation::planned(network, input, Plan { rows: false, ..Plan::crown(&|| false) })
    }

    /// Bounds of all nodes over the box `input` with as much work as `plan` says.
    pub fn planned(network: &'n Network<'n>, input: &Ranges, plan: Plan) -> Relaxation<'n, F> {
        let mut relaxation = Relaxation::empty(network);
        let mut taken = 0;
        let mut forward = plan.forward.then(|| Forward::new(network, input));
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
            if let Some(known) = plan.inherited.and_then(|b| b.ranges.get(id)) {
                relaxation.meet(id, known);
            }
            if (plan.stop)() {
                forward = None;
            }
            if let Some(forward) = &mut forward {
                let start = taken - if matches!(node.operation, Operation::Input) { node.len() } else { 0 };
                relaxation.work += forward.work(id);
                let known = forward.node(id, &relaxation.bounds, start);
                relaxation.meet(id, &known);
            }
            // Rows that start at a scalar node go through its lines; those of an affine node are computed when first needed.
            let scalar = matches!(node.operation, Operation::Scalar(_));
            if scalar {
                relaxation.push_terms(id);
            }
            if plan.rows && !network.shallow[id] {
                relaxation.tighten(id, plan, forward.as_ref());
            }
            if !scalar {
                relaxation.push_terms(id);
            }
        }
        relaxation
    }

    /// Intersects the ranges of node `id` with `known`.
    fn meet(&mut self, id: NodeId, known: &Ranges) {
        for i in 0..known.len() {
            self.meet_one(id, i, known.low[i], known.high[i]);
        }
    }

    /// Intersects the range of one element; an empty one keeps a point, and the box is known to be empty.
    fn meet_one(&mut self, id: NodeId, i: usize, low: f64, high: f64) {
        let ranges = &mut self.bounds.ranges[id];
        ranges.low[i] = ranges.low[i].max(low);
        ranges.high[i] = ranges.high[i].min(high);
        if ranges.low[i] > ranges.high[i] {
            ranges.high[i] = ranges.low[i];
            self.empty = true;
        }
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
        self.wanted.push(lines.wanted());
        self.totals.push(self.total_size(id));
        self.lines.push(lines);
        self.sweep.push(sweep);
        self.deployed.push(deployed);
    }

    /// Multiplications that backward rows for all loose elements would take, about.
    pub fn rows_work(&self) -> f64 {
        let mut below = 0.0;
        let of_node = |(id, own): (NodeId, &f64)| {
            below += own;
            if self.network.shallow[id] { 0.0 } else { 2.0 * self.loose(id).len() as f64 * below }
        };
        self.network.work.iter().enumerate().map(of_node).sum()
    }

    /// Elements of node `id` whose readers' relaxations depend on how tight their intervals are.
    fn loose(&self, id: NodeId) -> Vec<usize> {
        let graph = self.network.graph;
        let ranges = &self.bounds.ranges[id];
        let mut wanted = vec![false; ranges.len()];
        for reader in graph.nodes.iter().filter(|n| n.inputs.contains(&id)) {
            let hinge = match &reader.operation {
                Operation::Scalar(op) => op.hinge().is_some(),
                Operation::General(_) if self.network.is_affine(id) => false,
                _ => continue,
            };
            for (i, w) in wanted.iter_mut().enumerate() {
                let x = ranges.at(i);
                *w |= if hinge { x.low < 0.0 && x.high > 0.0 } else { x.low < x.high };
            }
        }
        (0..ranges.len()).filter(|&i| wanted[i]).collect()
    }

    /// So many rows are optimised together.
    pub fn rows_with_slopes(&self) -> usize {
        let last = self.network.graph.nodes.len().saturating_sub(1);
        (SLOPE_NUMBERS / Slopes::numbers_per_row(self, last).max(1)).max(1)
    }

    /// Backward rows for both ends of the loose elements of node `id`, intersected with what is known.
    fn tighten(&mut self, id: NodeId, plan: Plan, forward: Option<&Forward>) {
        let mut picked = self.loose(id);
        picked.retain(|&i| !forward.is_some_and(|f| f.is_sharp(id, i)));
        let widest = self.network.graph.nodes[..=id].iter().map(|n| n.len()).max().unwrap_or(1).max(1);
        let least = (MOST_NUMBERS / widest).clamp(2, 32);
        let most = (SWEEP_NUMBERS / widest).clamp(least, SWEEP_ROWS);
        if widest * MOST_LANES <= MOST_NUMBERS {
            self.tighten_lanes(id, &picked, plan);
        } else {
            self.tighten_rows(id, &picked, most, 0, plan, |relaxation, starts, count| relaxation.sweep_bounds(starts, count));
        }
        if plan.steps > 0 {
            let kept = Slopes::numbers_per_row(self, id).max(1);
            let descent = Descent::of(plan.steps);
            self.tighten_rows(id, &picked, most.min((SLOPE_NUMBERS / kept).max(2)), plan.steps, plan, |relaxation, starts, count| {
                let forms = relaxation.optimised(&starts, count, descent, &|_| (plan.stop)());
                forms.iter().map(|f| f.bound).collect()
            });
        }
    }

    /// Rows for both ends of the elements `picked`, in blocks of neighbours.
    fn tighten_lanes(&mut self, id: NodeId, picked: &[usize], plan: Plan) {
        if !self.affords(id, picked.len(), 0, plan) {
            return;
        }
        let picked = self.by_neighbourhood(id, picked);
        let parts: Vec<&[usize]> = picked.chunks(MOST_LANES / 2).collect();
        // Parts that share their buffers; few enough to be shared out evenly.
        let tasks: Vec<&[&[usize]]> = parts.chunks(parts.len().div_ceil(8 * plan.threads.max(1)).max(1)).collect();
        let results = in_parallel(&tasks, plan.threads, |task| {
            let mut spare = Vec::new();
            let bounds = |part: &&[usize]| if (plan.stop)() { Default::default() } else { self.lane_bounds(id, part, &mut spare) };
            task.iter().map(bounds).collect::<Vec<_>>()
        });
        for (part, (ends, products)) in parts.iter().zip(results.into_iter().flatten()) {
            self.products += products;
            for (&i, ends) in part.iter().zip(ends.chunks_exact(2)) {
                self.meet_one(id, i, -ends[1], ends[0]);
            }
        }
    }

    /// Counts the multiplications of rows for both ends of `count` elements of node `id`, unless the plan has no room for them.
    fn affords(&mut self, id: NodeId, count: usize, steps: usize, plan: Plan) -> bool {
        let below: f64 = self.network.work[..=id].iter().sum();
        let work = 2.0 * count as f64 * below * (1 + 2 * steps) as f64;
        let affordable = self.work + work <= plan.most_work;
        self.work += if affordable { work } else { 0.0 };
        affordable
    }

    /// The elements in an order in which neighbours depend on nearly the same elements below.
    fn by_neighbourhood(&self, id: NodeId, picked: &[usize]) -> Vec<usize> {
        let nodes = &self.network.graph.nodes;
        // Sums of equal shapes are ordered like what they add.
        let mut source = id;
        let order = loop {
            let Operation::Affine(op) = &nodes[source].operation else { break None };
            match nodes[source].inputs.first() {
                _ if op.neighbourhood(0).is_some() => break Some(op),
                Some(&p) if nodes[p].len() == nodes[id].len() => source = p,
                _ => break None,
            }
        };
        let mut picked = picked.to_vec();
        if let Some(op) = order {
            picked.sort_by_key(|&i| op.neighbourhood(i));
        }
        picked
    }

    /// Rows for both ends of the loose elements, at most `most` at a time, bounded by `bound`.
    fn tighten_rows(
        &mut self,
        id: NodeId,
        picked: &[usize],
        most: usize,
        steps: usize,
        plan: Plan,
        bound: impl Fn(&Self, Vec<(NodeId, Vec<F>)>, usize) -> Vec<f64> + Sync,
    ) {
        if !self.affords(id, picked.len(), steps, plan) {
            return;
        }
        let len = self.network.graph.nodes[id].len();
        let parts: Vec<&[usize]> = picked.chunks((most / 2).max(1)).collect();
        let bounds_of = |part: &[usize]| {
            let mut rows = vec![F::ZERO; 2 * part.len() * len];
            for (r, &i) in part.iter().enumerate() {
                rows[2 * r * len + i] = F::ONE;
                rows[(2 * r + 1) * len + i] = -F::ONE;
            }
            bound(self, vec![(id, rows)], 2 * part.len())
        };
        let results = in_parallel(&parts, plan.threads, |part| if (plan.stop)() { Vec::new() } else { bounds_of(part) });
        for (part, bounds) in parts.iter().zip(results) {
            for (&i, ends) in part.iter().zip(bounds.chunks_exact(2)) {
                self.meet_one(id, i, -ends[1], ends[0]);
            }
        }
    }

    pub(super) fn sweep_errors(&self, id: NodeId, op: &dyn Affine) -> Vec<F> {
        let relative = self.network.sweep_error::<F>(id);
        let bias = op.bias_error();
        // Constants that underflow in the working type.
        let lost = match op.inexact_in_f32() && F::TINY > f64::MIN_POSITIVE {
            true => F::TINY * op.fan_in() as f64 * self.largest_operand(id),
            false => 0.0,
        };
        let one = |(i, m): (usize, &f64)| {
            let error = relative * m + lost + bias.as_ref().map_or(0.0, |b| b[i]);
            F::from_f64_up(if relative == 0.0 { 0.0 } else { error * SLACK + F::TINY })
        };
        self.bounds.magnitude[id].iter().enumerate().map(one).collect()
    }

    fn largest_operand(&self, id: NodeId) -> f64 {
        let sizes = |&p: &NodeId| (0..self.bounds.ranges[p].len()).map(move |i| self.bounds.size(p, i));
        self.network.graph.nodes[id].inputs.iter().flat_map(sizes).fold(1.0, f64::max)
    }

    fn deployed_errors(&self, id: NodeId) -> Vec<f64> {
        match self.network.roundings[id] {
            0 => Vec::new(),
            n => self.bounds.magnitude[id].iter().map(|&m| self.network.deployed.error(n, m)).collect(),
        }
    }

    /// What a reader that is not affine pays per unit of multiplier for element `i` of node `p`: the deployed block's
    /// error, and adding its multiplier to what other readers pass.
    pub(super) fn reading_error(&self, p: NodeId, i: usize) -> f64 {
        let readers = self.network.readers[p];
        let adding = if readers > 1 { readers as f64 * F::UNIT * self.bounds.size(p, i) } else { 0.0 };
        adding + self.deployed[p].get(i).copied().unwrap_or(0.0)
    }

    /// Relative error of summing the constants of a node of `len` elements: in blocks in `F`, blocks and then nodes in `f64`.
    pub(super) fn summing(&self, len: usize) -> f64 {
        let blocks = len / BLOCK + self.network.graph.nodes.len() + 8;
        (BLOCK_ROUNDINGS + 4) as f64 * F::UNIT + blocks as f64 * f64::EPSILON
    }

    /// What one unit of coefficient on element `i` of scalar node `id` pays for rounding, for slopes up to `steep` and
    /// constants up to `offset`.
    pub(super) fn line_error(&self, id: NodeId, op: &dyn Scalar, i: usize, steep: f64, offset: f64) -> F {
        let node = &self.network.graph.nodes[id];
        let (p, own) = (node.inputs[0], op.deployed_error());
        let mut error = steep * (2.0 * F::UNIT * self.bounds.ranges[p].at(i).magnitude() + self.reading_error(p, i));
        error += self.summing(node.len()) * offset;
        if self.network.deployed.unit > 0.0 {
            error += own.absolute + own.relative * self.bounds.ranges[id].at(i).magnitude();
        }
        F::from_f64_up(if error == 0.0 { 0.0 } else { error * SLACK + F::TINY })
    }

    fn scalar_lines(&self, id: NodeId, op: &dyn Scalar) -> NodeLines<F> {
        let node = &self.network.graph.nodes[id];
        let p = node.inputs[0];
        let mut lines = NodeLines::default();
        for i in 0..node.len() {
            let x = self.bounds.ranges[p].at(i);
            let (upper, lower) = (finite::<F>(op.upper_slope(x)), finite::<F>(op.lower_slope(x)));
            let (above, below) = match op.hinge() {
                Some(s) => hinge_offsets(op, s, (upper.to_f64(), lower.to_f64()), x),
                None => (op.upper_offset(upper.to_f64(), x), op.lower_offset(lower.to_f64(), x)),
            };
            lines.upper_slope.push(upper);
            lines.lower_slope.push(lower);
            lines.upper_constant.push(F::from_f64_up(above));
            lines.lower_constant.push(-F::from_f64_up(below));
            lines.error.push(self.line_error(id, op, i, upper.abs().max(lower.abs()).to_f64(), above.abs().max(below.abs())));
        }
        lines
    }
}

/// The offsets of a function with a kink at 0, of slopes `s <= 1` below and 1 above, for an upper and a lower slope.
///
/// Zero where the line is the function or passes through the kink between the two sides: rounding the general rule up
/// would give subnormal numbers, which are slow to compute with.
fn hinge_offsets(op: &dyn Scalar, s: f64, (upper, lower): (f64, f64), x: Interval) -> (f64, f64) {
    let exact = |t: f64| (x.low >= 0.0 && t == 1.0) || (x.high <= 0.0 && t == s);
    let above = if exact(upper) { 0.0 } else { op.upper_offset(upper, x) };
    let below = if exact(lower) || (s..=1.0).contains(&lower) { 0.0 } else { op.lower_offset(lower, x) };
    (above, below)
}

/// The results of `work` on all parts in their order, by several threads where there are several parts.
pub(crate) fn in_parallel<T: Sync, R: Send>(parts: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if threads < 2 || parts.len() < 2 {
        return parts.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let slots: Vec<Mutex<Option<R>>> = parts.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(parts.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(part), Some(slot)) = (parts.get(at), slots.get(at)) else { break };
                    *slot.lock().expect("held only to store") = Some(work(part));
                }
            });
        }
    });
    slots.into_iter().map(|slot| slot.into_inner().expect("held only to store").expect("every part was taken")).collect()
}

/// A slope as a number of the working type; 0 where it is not finite (any slope is sound).
pub(super) fn finite<F: Kernel>(t: f64) -> F {
    let t = F::from_f64(t);
    if t.is_finite() { t } else { F::ZERO }
}
