//! A node of the network as a node of the tree sees it: how large its values can be, the lines above and below them, and
//! what every rounding of a sweep that passes it can cost. TRUST.md derives the error terms.

use crate::kernel::{self, AbsoluteProducts, LANES, Lines, Vector, padded};
use crate::linear::Map;
use crate::plan::{Operand, Plan, Step, Sum};
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
    /// For each group of a maximum the element below it, and the one above it or else `None` with a constant.
    pub picks: Vec<Pick>,
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
        }
    }

    /// Where element `j` stands in a row.
    pub fn place(&self, compressed: bool, j: usize) -> Option<usize> {
        if compressed { self.live.binary_search(&(j as u32)).ok() } else { Some(j) }
    }
}

/// Roundings of a constant on its way into a row's constant: products and sums over the elements, one sum per node.
pub fn constant_error(plan: &Plan, len: usize) -> f64 {
    gamma(len + plan.nodes.len() + 16)
}

/// What a sum costs per unit of coefficient and magnitude: its product with the weights, adding up what several readers
/// pass to the nodes below, its constants, and weights that stand for others.
pub fn sum_error(plan: &Plan, sum: &Sum, len: usize) -> f64 {
    let terms = sum.parts.iter().map(|p| plan.nodes[p.0].terms).max().unwrap_or(0);
    (gamma(terms.saturating_add(2)) + constant_error(plan, len) + 2.0 * sum.relative) * SLACK
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
}

impl<'p> Relaxed<'p> {
    /// Nothing prepared.
    pub fn new(plan: &'p Plan, deployed: Deployed) -> Relaxed<'p> {
        let nodes = (0..plan.nodes.len()).map(|_| Prepared { stale: true, ..Prepared::default() }).collect();
        Relaxed { plan, deployed, nodes, ready: 0, operand_of: None, sums: Vec::new() }
    }

    /// The facts about activation operands at node `id` and above have changed; all, for 0.
    pub fn forget_from(&mut self, id: usize) {
        self.ready = self.ready.min(id);
        self.operand_of = self.operand_of.filter(|&h| h < id || (h == id && id > 0));
    }

    /// Prepares all nodes before `end`.
    pub fn prepare(&mut self, end: usize, state: &mut State) {
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
            }
            self.ready += 1;
        }
    }

    /// Prepares what starts rows at the operand of the activation at node `id`: everything below must be ready.
    pub fn prepare_operand(&mut self, id: usize, state: &mut State) {
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

    /// The most by which the deployed value of element `j` (place `r` in the arrays) of an affine node or of a joined
    /// operand differs from the exact function of the values that its block starts from.
    fn block_error(&self, sum: &Sum, magnitude: f64) -> f64 {
        if sum.roundings == 0 { 0.0 } else { self.deployed.relative(sum.roundings) * magnitude * SLACK }
    }

    /// As [`Relaxed::block_error`], for any node that a row starts at or that an activation reads.
    pub fn deployed_error(&self, id: usize, j: usize) -> f64 {
        match &self.plan.nodes[id].step {
            Step::Affine(sum) => self.block_error(sum, self.nodes[id].value[j]),
            _ => 0.0,
        }
    }

    /// What to allow for when a row starts with weight 1 at place `r` of the operand joined with hinge `id`.
    pub fn start_error(&self, id: usize, sum: &Sum, r: usize) -> f64 {
        let magnitude = self.nodes[id].operand[r];
        sum_error(self.plan, sum, self.plan.nodes[id].len) * magnitude + self.block_error(sum, magnitude)
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
        let error = constant_error(self.plan, numbers.len());
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
        let error = sum_error(self.plan, sum, len);
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

    /// Chooses the elements to gather: those of the node above in the tree while few of them are provably zero.
    fn gather(&mut self, id: usize, activation: usize, slope: f64, sum: &Sum, state: &mut State) {
        let (start, len) = (self.plan.activations[activation].start, self.plan.nodes[id].len);
        let (above, fixed) = (&state.above[start..][..len], &state.fixed[start..][..len]);
        // A fixed element's line is a fact that is kept fresh.
        let alive = |j: usize| slope != 0.0 || above[j] > 0.0 || fixed[j];
        let count = (0..len).filter(|&j| alive(j)).count();
        let live = &mut state.live[activation];
        let kept = live.iter().filter(|&&j| alive(j as usize)).count() == count && live.len() <= count + count / 4;
        if !kept {
            live.clear();
            live.extend((0..len as u32).filter(|&j| alive(j as usize)));
        }
        let node = &mut self.nodes[id];
        if node.live != *live || node.width == 0 {
            node.live.clone_from(live);
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
            below_most = below.value.iter().fold(below_most, |m, &x| m.max(x));
            if gathers && matches!(map, Map::Matrix { .. }) {
                let (weights, width) = (&self.nodes[id].gathered[k][..], below.width);
                kernel::run(AbsoluteProducts { weights, width, factors: &below.value, out: &mut sums });
            } else {
                map.absolute(&below.value, &mut sums);
            }
        }
        let inflate = SLACK * (1.0 + sum.relative);
        let mut sizes = std::mem::take(&mut self.nodes[id].operand);
        sizes.clear();
        for (r, sum_of_terms) in sums.iter().enumerate() {
            let j = if node.compressed { self.nodes[id].live[r] as usize } else { r };
            let bias = sum.bias.get(j).map_or(0.0, |b| b.abs());
            let size = (kernel::total(sum_of_terms) + bias) * inflate + TINY * (sum.fan_in as f64 + 1.0);
            sizes.push(self.deployed.magnitude(size, sum.fan_in, below_most));
        }
        self.sums = sums;
        sizes.resize(self.nodes[id].width, 0.0);
        self.nodes[id].operand = sizes;
    }

    /// The lines of a hinge: any slopes in `[-1, 1]` are valid with the offset chosen here, so their rounding is free.
    ///
    /// `f(a) = max(a, s a)` is convex: above it lies the line of slope `t` through the greater of `f(a) - t a` at both ends;
    /// below it any `t a` with `s <= t <= 1`.
    fn hinge(&mut self, id: usize, activation: usize, slope: f64, operand: &Operand, state: &State) {
        let (plan, node) = (self.plan, &self.plan.nodes[id]);
        let start = plan.activations[activation].start;
        let (none, joined) = (Vec::new(), if let Operand::Joined(sum) = operand { Some(sum) } else { None });
        let bias = joined.map_or(&none, |sum| &sum.bias);
        let own_terms = if let Operand::Node(p) = operand { gamma(plan.nodes[*p].terms.saturating_add(2)) } else { 0.0 };
        let (constants, product) = (constant_error(plan, node.len), joined.map_or(0.0, |sum| sum_error(plan, sum, node.len)));
        let products_underflow = joined.map_or(0.0, |sum| self.sum_underflow(sum, node.len));
        let count = if node.compressed { self.nodes[id].live.len() } else { node.len };
        let mut made = std::mem::take(&mut self.nodes[id]);
        made.clear_lines(count);
        let exact_slope = slope == 0.0 || slope.abs() == 1.0;
        let mut sizes = 0.0;
        for r in 0..count {
            let j = if node.compressed { made.live[r] as usize } else { r };
            let (l, u) = (state.below[start + j], state.above[start + j]);
            if u <= 0.0 && slope == 0.0 {
                continue;
            }
            let (upper, offset, lower) = hinge_lines(l, u, slope);
            let b = bias.get(j).copied().unwrap_or(0.0);
            let size = l.abs().max(u.abs());
            let reach = if l >= 0.0 { u } else { u.max((slope * l).abs()) };
            let (magnitude, deployed) = match (joined, operand) {
                (Some(sum), _) => (made.operand[r], self.block_error(sum, made.operand[r])),
                (None, Operand::Node(p)) => (0.0, self.deployed_error(*p, j)),
                (None, Operand::Joined(_)) => unreachable!("joined operands are sums"),
            };
            let scaled = if exact_slope || l >= 0.0 { 0.0 } else { self.deployed.product(reach) };
            made.upper_slope[r] = upper;
            made.lower_slope[r] = lower;
            made.upper_constant[r] = upper * b + offset;
            made.lower_constant[r] = lower * b;
            // The products with slopes and the offset's own rounding: 6 u; a joined operand's rounding counts as its block's.
            made.error[r] =
                ((6.0 * UNIT + own_terms) * size + constants * (b.abs() + offset) + product * magnitude + deployed + scaled) * SLACK + TINY;
            made.value[r] = ((reach + scaled) * SLACK).max(TINY);
            sizes += size;
        }
        made.finish_values(count);
        made.underflow = products_underflow + TINY * (2.0 * count as f64 + sizes) * SLACK;
        self.nodes[id] = made;
    }

    fn maximum(&mut self, id: usize, activation: usize, groups: &[Vec<u32>], state: &State) {
        let start = self.plan.activations[activation].start;
        let Step::Maximum(_, _, source) = &self.plan.nodes[id].step else { return };
        let (below, above) = (&state.below[start..], &state.above[start..]);
        let errors = (gamma(self.plan.nodes[*source].terms.saturating_add(2)) + constant_error(self.plan, groups.len())) * SLACK;
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

/// Upper slope, upper offset, lower slope of `max(a, s a)` on `[l, u]`; see [`Relaxed::hinge`].
fn hinge_lines(l: f64, u: f64, s: f64) -> (f64, f64, f64) {
    if l >= 0.0 || s == 1.0 {
        return (1.0, 0.0, 1.0);
    }
    if u <= 0.0 {
        return (s, 0.0, s);
    }
    let chord = (u - s * l) / (u - l);
    // Infinite ends: the offset becomes infinite or NaN, which proves nothing.
    let t = if chord.is_finite() { chord.clamp(s, 1.0) } else { s };
    let (right, left) = (u - t * u, s * l - t * l);
    let offset = if right.is_nan() || left.is_nan() { f64::INFINITY } else { right.max(left).max(0.0) };
    (t, offset, if u > -l { 1.0 } else { s })
}

impl Prepared {
    fn finish_values(&mut self, count: usize) {
        self.total = self.value[..count].iter().sum::<f64>() * SLACK;
        self.value.resize(self.width, 0.0);
    }

    fn clear_lines(&mut self, count: usize) {
        self.width = padded(count);
        let Prepared { upper_slope, lower_slope, upper_constant, lower_constant, error, value, .. } = self;
        for array in [upper_slope, lower_slope, upper_constant, lower_constant, error, value] {
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
