//! A node of the network as a node of the tree sees it: how large its values can be, the lines above and below them, and
//! what every rounding of a sweep that passes it can cost. TRUST.md derives the error terms.

mod curved;

use crate::curve::Planes;
use crate::kernel::{self, AbsoluteProducts, Hinges, LANES, Lines, Vector, padded};
use crate::linear::Map;
use crate::plan::{Node, Operand, Plan, Step, Sum};
use crate::rounding::{Deployed, SLACK, TINY, UNIT, gamma};
use crate::state::State;

/// One prepared node; arrays are `width` long and zero beyond the elements.
#[derive(Debug, Default)]
pub struct Prepared {
    /// Elements that are gathered (compressed nodes only).
    pub live: Vec<u32>,
    /// Coefficients per row.
    pub width: usize,
    /// At least the size of each element's value, also in the deployed network and with all partial sums.
    pub value: Vec<f64>,
    /// The same for the operand that is joined with a hinge.
    pub operand: Vec<f64>,
    /// Weights of a joined or affine step's dense parts, gathered for live elements on both sides.
    pub gathered: Vec<Vec<f64>>,
    /// What underflow can cost a row that passes.
    pub underflow: f64,
    upper_slope: Vec<f64>,
    lower_slope: Vec<f64>,
    upper_constant: Vec<f64>,
    lower_constant: Vec<f64>,
    error: Vec<f64>,
    own_error: Vec<f64>,
    passed_error: Vec<f64>,
    /// Constants of the operand that is joined with a hinge.
    pub bias: Vec<f64>,
    /// For each group of a maximum the element below it, and the one above it or else `None` with a constant.
    pub picks: Vec<Pick>,
    /// For each element of a product the planes below and above it.
    pub planes: Vec<Planes>,
    /// The live elements have changed since `gathered` was made.
    stale: bool,
    total: f64,
}

/// The lines of one group of a maximum.
#[derive(Clone, Copy, Debug)]
pub struct Pick {
    /// The element with the greatest lower end.
    pub element: u32,
    /// It is the greatest wherever it is.
    pub dominates: bool,
    /// Greatest upper end.
    pub most: f64,
}

impl Prepared {
    /// The lines that rows of coefficients pass.
    pub fn lines(&self) -> Lines<'_> {
        Lines {
            upper_slope: &self.upper_slope,
            lower_slope: &self.lower_slope,
            upper_constant: &self.upper_constant,
            lower_constant: &self.lower_constant,
            error: &self.error,
            own_error: &self.own_error,
            passed_error: &self.passed_error,
        }
    }

    /// Where element `j` stands in a row.
    pub fn place(&self, compressed: bool, j: usize) -> Option<usize> {
        if compressed { self.live.binary_search(&(j as u32)).ok() } else { Some(j) }
    }
}

/// What a constant costs on its way into a row's constant, per unit of its size.
pub fn constant_error(plan: &Plan) -> f64 {
    gamma(plan.constant_roundings)
}

/// What a sum costs per unit of coefficient and magnitude: its product with the weights, adding up what several readers
/// pass to the nodes below, its constants, and weights that stand for others.
pub fn sum_error(plan: &Plan, sum: &Sum) -> f64 {
    let terms = sum.parts.iter().map(|p| plan.nodes[p.0].terms).max().unwrap_or(0);
    (gamma(terms.saturating_add(2)) + constant_error(plan) + 2.0 * sum.relative) * SLACK
}

/// All nodes of the network, prepared up to some node.
#[derive(Debug)]
pub struct Relaxed<'p> {
    /// The network.
    pub plan: &'p Plan,
    /// What the deployed network adds.
    pub deployed: Deployed,
    /// The nodes.
    pub nodes: Vec<Prepared>,
    /// Nodes before this one are ready.
    ready: usize,
    /// This node's operand is ready too.
    operand_of: Option<usize>,
    sums: Vec<Vector>,
    /// For each node with a sum what it costs per unit of coefficient and magnitude: its sweep, the deployed network.
    costs: Vec<(f64, f64)>,
    live: Vec<u32>,
    below: Vec<f64>,
    above: Vec<f64>,
}

impl<'p> Relaxed<'p> {
    /// Nothing prepared.
    pub fn new(plan: &'p Plan, deployed: Deployed) -> Relaxed<'p> {
        let nodes = (0..plan.nodes.len()).map(|_| Prepared { stale: true, ..Prepared::default() }).collect();
        let cost = |node: &Node| match &node.step {
            Step::Affine(sum) | Step::Hinge(_, _, Operand::Joined(sum)) => (sum_error(plan, sum), deployed.relative(sum.roundings) * SLACK),
            _ => (0.0, 0.0),
        };
        let costs = plan.nodes.iter().map(cost).collect();
        let (live, below, above) = (Vec::new(), Vec::new(), Vec::new());
        Relaxed { plan, deployed, nodes, ready: 0, operand_of: None, sums: Vec::new(), costs, live, below, above }
    }

    /// The facts about activation operands at node `id` and above have changed; all, for 0.
    pub fn forget_from(&mut self, id: usize) {
        self.ready = self.ready.min(id);
        self.operand_of = self.operand_of.filter(|&h| id > 0 && h <= id);
    }

    /// Prepares all nodes before `end`.
    pub fn prepare(&mut self, end: usize, state: &State) {
        while self.ready < end {
            let id = self.ready;
            self.prepare_operand(id, state);
            match &self.plan.nodes[id].step {
                Step::Joined => (),
                Step::Input(offset) => self.input(id, *offset, state),
                Step::Constant(numbers) => self.constant(id, numbers),
                Step::Affine(sum) => self.affine(id, sum),
                Step::Hinge(activation, slope, operand) => self.hinge(id, *activation, *slope, operand, state),
                Step::Maximum(activation, groups, _) => self.maximum(id, *activation, groups, state),
                Step::Curve(activation, function, source) => self.curve(id, *activation, *function, *source, state),
                Step::Product(activation, source) => self.product(id, *activation, *source, state),
            }
            self.ready += 1;
        }
    }

    /// Prepares what starts rows at the operand of the activation at node `id`: everything below must be ready.
    pub fn prepare_operand(&mut self, id: usize, state: &State) {
        if self.operand_of.replace(id) == Some(id) {
            return;
        }
        let node = &self.plan.nodes[id];
        let sum = match &node.step {
            Step::Affine(sum) => sum,
            Step::Hinge(activation, slope, Operand::Joined(sum)) => {
                if node.compressed {
                    self.gather(id, *activation, *slope, sum, state);
                }
                sum
            }
            _ => return,
        };
        if !node.compressed {
            self.nodes[id].width = padded(node.len);
        }
        self.magnitudes(id, sum);
    }

    /// The most by which the deployed value of element `j` of a node that a row starts at or that an activation reads
    /// differs from the exact function of the values that its affine block starts from.
    pub fn deployed_error(&self, id: usize, j: usize) -> f64 {
        if matches!(self.plan.nodes[id].step, Step::Affine(_)) { self.costs[id].1 * self.nodes[id].value[j] } else { 0.0 }
    }

    /// What to allow for when a row starts with weight 1 at place `r` of the operand joined with hinge `id`.
    pub fn start_error(&self, id: usize, r: usize) -> f64 {
        (self.costs[id].0 + self.costs[id].1) * self.nodes[id].operand[r]
    }

    fn input(&mut self, id: usize, offset: usize, state: &State) {
        let len = self.plan.nodes[id].len;
        let node = &mut self.nodes[id];
        node.width = padded(len);
        node.value.clear();
        let ends = state.low[offset..][..len].iter().zip(&state.high[offset..][..len]);
        node.value.extend(ends.map(|(l, h)| l.abs().max(h.abs())));
        node.finish_values(len);
    }

    fn constant(&mut self, id: usize, numbers: &[f64]) {
        let error = constant_error(self.plan);
        let node = &mut self.nodes[id];
        node.width = padded(numbers.len());
        node.value.clear();
        node.value.extend(numbers.iter().map(|x| x.abs()));
        node.finish_values(numbers.len());
        node.identity_lines(numbers);
        node.error.iter_mut().zip(&node.value).for_each(|(e, m)| *e = error * m * SLACK);
        node.underflow = TINY * numbers.len() as f64;
    }

    fn affine(&mut self, id: usize, sum: &Sum) {
        let len = self.plan.nodes[id].len;
        let error = self.costs[id].0;
        let underflow = self.sum_underflow(sum, len);
        if self.gathers(sum) {
            self.gather_weights(id, sum);
        }
        let node = &mut self.nodes[id];
        std::mem::swap(&mut node.value, &mut node.operand);
        node.finish_values(len);
        node.identity_lines(&sum.bias);
        node.error.iter_mut().zip(&node.value).for_each(|(e, m)| *e = error * m + TINY);
        node.underflow = underflow + TINY * (len as f64 + node.total);
    }

    /// Products and sums that may underflow when a row passes a sum: each at most `TINY`, times the value it multiplies.
    fn sum_underflow(&self, sum: &Sum, len: usize) -> f64 {
        let products = |p: &(usize, Map)| self.plan.nodes[p.0].terms as f64 * (self.nodes[p.0].total + 1.0);
        TINY * (len as f64 + sum.parts.iter().map(products).sum::<f64>()) * SLACK
    }

    /// Gathers the elements that are not provably zero.
    fn gather(&mut self, id: usize, activation: usize, slope: f64, sum: &Sum, state: &State) {
        let (start, len) = (self.plan.activations[activation].start, self.plan.nodes[id].len);
        let (above, fixed) = (&state.above[start..][..len], &state.fixed[start..][..len]);
        // A fixed element's line is a fact that is kept fresh.
        keep(len, |j| (slope != 0.0) | (above[j] > 0.0) | fixed[j], &mut self.live);
        let node = &mut self.nodes[id];
        if node.live != self.live || node.width == 0 {
            std::mem::swap(&mut node.live, &mut self.live);
            node.width = padded(node.live.len());
            node.stale = true;
            self.spoil_readers(id);
        }
        self.gather_weights(id, sum);
    }

    /// Weights gathered on the live elements of `id` are out of date.
    fn spoil_readers(&mut self, id: usize) {
        for (node, prepared) in self.plan.nodes.iter().zip(&mut self.nodes).skip(id + 1) {
            if let Step::Affine(sum) | Step::Hinge(_, _, Operand::Joined(sum)) = &node.step {
                prepared.stale |= sum.parts.iter().any(|p| p.0 == id);
            }
        }
    }

    /// True if one of the nodes that a sum reads is compressed.
    fn gathers(&self, sum: &Sum) -> bool {
        sum.parts.iter().any(|p| self.plan.nodes[p.0].compressed)
    }

    fn gather_weights(&mut self, id: usize, sum: &Sum) {
        if !std::mem::take(&mut self.nodes[id].stale) {
            return;
        }
        let mut gathered = std::mem::take(&mut self.nodes[id].gathered);
        gathered.resize_with(sum.parts.len(), Vec::new);
        let all: Vec<u32> = if self.plan.nodes[id].compressed { Vec::new() } else { (0..self.plan.nodes[id].len as u32).collect() };
        let rows = if self.plan.nodes[id].compressed { &self.nodes[id].live } else { &all };
        for ((p, map), target) in sum.parts.iter().zip(&mut gathered) {
            let Map::Matrix { weights, inputs } = map else { continue };
            let (below, stride) = (&self.nodes[*p], padded(*inputs));
            target.clear();
            for &j in rows {
                let row = &weights[j as usize * stride..][..stride];
                if self.plan.nodes[*p].compressed {
                    let end = target.len() + below.width;
                    target.extend(below.live.iter().map(|&i| row[i as usize]));
                    target.resize(end, 0.0);
                } else {
                    target.extend_from_slice(row);
                }
            }
        }
        self.nodes[id].gathered = gathered;
    }

    /// `operand[r] >= sum |W| |h| + |b|`, with the deployed network's underflow.
    fn magnitudes(&mut self, id: usize, sum: &Sum) {
        let node = &self.plan.nodes[id];
        let count = if node.compressed { self.nodes[id].live.len() } else { node.len };
        let mut sums = std::mem::take(&mut self.sums);
        sums.clear();
        sums.resize(count, [0.0; LANES]);
        let (mut below_most, gathers) = (0.0f64, node.compressed || self.gathers(sum));
        if gathers && !node.compressed {
            self.gather_weights(id, sum);
        }
        for (k, (p, map)) in sum.parts.iter().enumerate() {
            let below = &self.nodes[*p];
            below_most = below_most.max(below.total);
            if gathers && matches!(map, Map::Matrix { .. }) {
                let (weights, width) = (&self.nodes[id].gathered[k][..], below.width);
                kernel::run(AbsoluteProducts { weights, width, factors: &below.value, out: &mut sums });
            } else {
                map.absolute(&below.value, &mut sums);
            }
        }
        let inflate = SLACK * (1.0 + sum.relative);
        let underflow = self.deployed.underflow(sum.fan_in, below_most) + TINY * (sum.fan_in as f64 + 1.0);
        let mut sizes = std::mem::take(&mut self.nodes[id].operand);
        sizes.clear();
        sizes.extend(sums.iter().map(kernel::total));
        let prepared = &self.nodes[id];
        for (r, size) in sizes.iter_mut().enumerate() {
            let bias = if sum.bias.is_empty() { 0.0 } else { sum.bias[if node.compressed { prepared.live[r] as usize } else { r }].abs() };
            *size = self.deployed.magnitude((*size + bias) * inflate + underflow);
        }
        self.sums = sums;
        sizes.resize(self.nodes[id].width, 0.0);
        self.nodes[id].operand = sizes;
    }

    /// The lines of a hinge: any slopes are valid with the offset chosen here, so their rounding is free.
    ///
    /// `f(a) = max(a, s a)` is convex: above it lies the line of slope `t` through the greater of `f(a) - t a` at both ends;
    /// below it any `t a` with `s <= t <= 1`. A provably zero element has no line, no error and no value.
    fn hinge(&mut self, id: usize, activation: usize, slope: f64, operand: &Operand, state: &State) {
        let (plan, node) = (self.plan, &self.plan.nodes[id]);
        let start = plan.activations[activation].start;
        let (joined, own_terms) = match operand {
            Operand::Joined(sum) => (Some(sum), 0.0),
            Operand::Node(p) => (None, gamma(plan.nodes[*p].terms.saturating_add(2))),
        };
        let cost = if let Operand::Node(p) = operand { self.costs[*p].1 } else { self.costs[id].0 + self.costs[id].1 };
        let products_underflow = joined.map_or(0.0, |sum| self.sum_underflow(sum, node.len));
        let count = if node.compressed { self.nodes[id].live.len() } else { node.len };
        let mut made = std::mem::take(&mut self.nodes[id]);
        made.clear_lines(count);
        let width = made.width;
        let bias = joined.map_or(&[][..], |sum| &sum.bias);
        let scratch = [&mut self.below, &mut self.above, &mut made.bias];
        for (own, all) in scratch.into_iter().zip([&state.below[start..], &state.above[start..], bias]) {
            own.clear();
            match node.compressed && !all.is_empty() {
                true => own.extend(made.live.iter().map(|&j| all[j as usize])),
                false => own.extend_from_slice(&all[..count.min(all.len())]),
            }
            own.resize(width, 0.0);
        }
        let magnitude = if let Operand::Node(p) = operand { &self.nodes[*p].value } else { &made.operand };
        // Products with 0, 1 and -1 are exact.
        let product = if slope == 0.0 || slope.abs() == 1.0 { (0.0, 0.0) } else { self.deployed.product() };
        let mut sizes = [0.0; LANES];
        kernel::run(Hinges {
            low: &self.below,
            high: &self.above,
            bias: &made.bias,
            magnitude,
            slope,
            // The products with slopes and the offset's own rounding: 6 u.
            costs: [6.0 * UNIT + own_terms, constant_error(plan), cost, product.0, product.1],
            tiny: TINY,
            slack: SLACK,
            lines: [
                &mut made.upper_slope,
                &mut made.lower_slope,
                &mut made.upper_constant,
                &mut made.lower_constant,
                &mut made.error,
                &mut made.own_error,
                &mut made.passed_error,
            ],
            value: &mut made.value,
            sizes: &mut sizes,
        });
        made.finish_values(count);
        made.underflow = products_underflow + TINY * (2.0 * count as f64 + kernel::total(&sizes)) * SLACK;
        self.nodes[id] = made;
    }

    fn maximum(&mut self, id: usize, activation: usize, groups: &[Vec<u32>], state: &State) {
        let start = self.plan.activations[activation].start;
        let Step::Maximum(_, _, source) = &self.plan.nodes[id].step else { return };
        let (below, above) = (&state.below[start..], &state.above[start..]);
        let errors = (gamma(self.plan.nodes[*source].terms.saturating_add(2)) + constant_error(self.plan)) * SLACK;
        let mut made = std::mem::take(&mut self.nodes[id]);
        made.width = padded(groups.len());
        made.clear_lines(groups.len());
        made.picks.clear();
        let mut sizes = 0.0;
        for (r, group) in groups.iter().enumerate() {
            let pick = pick(group, below, above);
            let size = group.iter().map(|&i| below[i as usize].abs().max(above[i as usize].abs())).fold(0.0, f64::max);
            let deployed = group.iter().map(|&i| self.deployed_error(*source, i as usize)).fold(0.0, f64::max);
            made.error[r] = errors * size + deployed + TINY;
            made.value[r] = size.max(TINY);
            made.picks.push(pick);
            sizes += size;
        }
        made.finish_values(groups.len());
        made.underflow = TINY * (groups.len() as f64 + sizes) * SLACK;
        self.nodes[id] = made;
    }
}

/// The numbers below `len` that are wanted; without branches, which could not be guessed.
pub fn keep(len: usize, wanted: impl Fn(usize) -> bool, kept: &mut Vec<u32>) {
    let mut count = 0;
    kept.clear();
    kept.resize(len, 0);
    for j in 0..len {
        kept[count] = j as u32;
        count += wanted(j) as usize;
    }
    kept.truncate(count);
}

/// The element with the greatest lower end, whether it is at least every other, and the greatest upper end.
pub fn pick(group: &[u32], below: &[f64], above: &[f64]) -> Pick {
    let mut element = group[0];
    for &i in group {
        if below[i as usize] > below[element as usize] {
            element = i;
        }
    }
    let least = below[element as usize];
    let dominates = group.iter().all(|&i| i == element || above[i as usize] <= least);
    let most = group.iter().map(|&i| above[i as usize]).fold(f64::NEG_INFINITY, f64::max);
    Pick { element, dominates, most }
}

impl Prepared {
    fn finish_values(&mut self, count: usize) {
        self.value.truncate(count);
        self.value.resize(self.width, 0.0);
        let add = |a: Vector, b: &Vector| std::array::from_fn(|l| a[l] + b[l]);
        self.total = kernel::total(&self.value.as_chunks().0.iter().fold([0.0; LANES], add)) * SLACK;
    }

    fn clear_lines(&mut self, count: usize) {
        self.width = padded(count);
        let Prepared { upper_slope, lower_slope, upper_constant, lower_constant, error, own_error, passed_error, value, .. } = self;
        for array in [upper_slope, lower_slope, upper_constant, lower_constant, error, own_error, passed_error, value] {
            array.clear();
            array.resize(padded(count), 0.0);
        }
    }

    fn identity_lines(&mut self, constants: &[f64]) {
        let value = std::mem::take(&mut self.value);
        self.clear_lines(value.len());
        self.value = value;
        self.upper_slope.fill(1.0);
        self.lower_slope.fill(1.0);
        self.upper_constant[..constants.len()].copy_from_slice(constants);
        self.lower_constant[..constants.len()].copy_from_slice(constants);
    }
}
