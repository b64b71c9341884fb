//! Forward affine bounds: every value as one linear function of the inputs that vary, and how far it may be from it.
//!
//! Affine arithmetic with a single error term per value (Stolfi and de Figueiredo 1997; the zonotopes of Singh et al. 2018
//! with all their error symbols joined). A pass costs as much as evaluating the network at one point more than there are inputs that
//! vary, whatever the number of unstable neurons: it pays where few inputs vary and layers are wide.

use super::{Bounds, Network};
use crate::graph::NodeId;
use crate::numerics::rounding::gamma;
use crate::ops::{Affine, General, Operation, Ranges, Scalar};

/// Slack for second-order terms and for sums of some thousand positive terms that are themselves rounded.
const SLACK: f64 = 1.0 + 1e-9;

/// Where the error is less than so many times what the linear function itself varies by, no backward row is swept: a row costs as much as
/// a whole pass does for one input (cGAN, 1 channel, property 3: 15.7 s with 2, 8.0 s with 5, 32,000 unstable neurons).
const SHARP: f64 = 5.0;

/// Rows of a general operator are asked for one element at a time, each over all operands: at most so many numbers per node.
const MOST_GENERAL: usize = 1 << 18;

/// The linear functions of one node's elements: `rows . (t, 1)` with `t` in `[-1, 1]` for every input that varies.
#[derive(Clone, Debug, Default)]
struct Lines {
    /// Coefficients of each `t`, then the values at the middle of the box: `varying + 1` rows of one number per element.
    rows: Vec<f64>,
    /// How far each value, real or deployed, may be from its linear function; never NaN.
    error: Vec<f64>,
}

impl Lines {
    /// Element `i` becomes a number between these ends.
    fn set_constant(&mut self, i: usize, low: f64, high: f64) {
        let len = self.error.len();
        let (middle, radius) = middle_and_radius(low, high);
        let constants = self.rows.len() - len;
        self.rows.iter_mut().skip(i).step_by(len).for_each(|x| *x = 0.0);
        self.rows[constants + i] = middle;
        self.error[i] = radius;
    }

    /// At least the sum of the absolute coefficients of element `i`, without its constant.
    fn reach(&self, i: usize) -> f64 {
        let len = self.error.len();
        let constants = self.rows.len() - len;
        let sum: f64 = self.rows[..constants].iter().skip(i).step_by(len).map(|x| x.abs()).sum();
        sum * SLACK
    }

    fn constant(&self, i: usize) -> f64 {
        self.rows[self.rows.len() - self.error.len() + i]
    }

    /// At least the absolute value of every term of element `i`.
    fn size(&self, i: usize) -> f64 {
        (self.constant(i).abs() + self.reach(i) + self.error[i]) * SLACK
    }

    fn is_finite(&self) -> bool {
        self.rows.iter().chain(&self.error).all(|x| x.is_finite())
    }
}

/// A pass under way: the linear functions of the nodes that are still to be read.
#[derive(Debug)]
pub(super) struct Forward<'n> {
    network: &'n Network<'n>,
    /// Middle and radius of every input element.
    inputs: Vec<(f64, f64)>,
    /// Which of them vary.
    varying: Vec<usize>,
    nodes: Vec<Lines>,
    /// How often each node is still to be read.
    readers: Vec<usize>,
}

impl<'n> Forward<'n> {
    /// Over the box `region`.
    pub(super) fn new(network: &'n Network<'n>, region: &Ranges) -> Forward<'n> {
        let inputs: Vec<(f64, f64)> = (0..region.len()).map(|i| middle_and_radius(region.low[i], region.high[i])).collect();
        let varying = (0..inputs.len()).filter(|&i| inputs[i].1 != 0.0).collect();
        Forward { network, inputs, varying, nodes: Vec::new(), readers: network.readers.clone() }
    }

    /// True if a backward row could not narrow the range of element `i` of node `id` by much: nearly all of it is the linear function's.
    pub(super) fn is_sharp(&self, id: NodeId, i: usize) -> bool {
        let lines = &self.nodes[id];
        lines.error.get(i).is_some_and(|&e| e < SHARP * lines.reach(i))
    }

    /// Multiplications that node `id` takes, about.
    pub(super) fn work(&self, id: NodeId) -> f64 {
        (self.varying.len() + 2) as f64 * self.network.work[id]
    }

    /// The ranges of node `id` by its linear functions of the inputs, from those of its operands. `bounds` are the proved ranges up to
    /// this node's own; `start` is where its elements start among the inputs if it is one.
    pub(super) fn node(&mut self, id: NodeId, bounds: &Bounds, start: usize) -> Ranges {
        let node = &self.network.graph.nodes[id];
        let own = &bounds.ranges[id];
        let lines = match &node.operation {
            Operation::Input => self.input(start, node.len()),
            Operation::Constant(_) => self.constants(own),
            Operation::Affine(op) => self.affine(id, op.as_ref(), own, &bounds.magnitude[id]),
            Operation::Scalar(op) => self.scalar(id, op.as_ref(), own, bounds),
            Operation::General(op) => self.general(id, op.as_ref(), own, bounds),
        };
        for &p in &node.inputs {
            self.readers[p] -= 1;
            if self.readers[p] == 0 {
                self.nodes[p] = Lines::default();
            }
        }
        let ends = |i: usize| {
            let (middle, reach) = (lines.constant(i), (lines.reach(i) + lines.error[i]) * SLACK);
            crate::numerics::Interval { low: (middle - reach).next_down(), high: (middle + reach).next_up() }
        };
        let ranges = Ranges::collect((0..node.len()).map(ends));
        self.nodes.push(lines);
        ranges
    }

    fn empty(&self, len: usize) -> Lines {
        Lines { rows: vec![0.0; (self.varying.len() + 1) * len], error: vec![0.0; len] }
    }

    fn input(&self, start: usize, len: usize) -> Lines {
        let mut lines = self.empty(len);
        let constants = self.varying.len() * len;
        for i in 0..len {
            lines.rows[constants + i] = self.inputs[start + i].0;
        }
        for (row, &d) in self.varying.iter().enumerate().filter(|(_, d)| (start..start + len).contains(d)) {
            lines.rows[row * len + d - start] = self.inputs[d].1;
        }
        lines
    }

    fn constants(&self, ranges: &Ranges) -> Lines {
        let mut lines = self.empty(ranges.len());
        (0..ranges.len()).for_each(|i| lines.set_constant(i, ranges.low[i], ranges.high[i]));
        lines
    }

    /// `W` of every row; every rounding, ours and the deployed network's, is paid into the errors.
    fn affine(&self, id: NodeId, op: &dyn Affine, own: &Ranges, magnitude: &[f64]) -> Lines {
        let operands = &self.network.graph.nodes[id].inputs;
        if operands.iter().any(|&p| !self.nodes[p].is_finite()) {
            return self.constants(own);
        }
        let mut lines = self.empty(own.len());
        let count = self.varying.len() + 1;
        let copies = op.is_selection() && op.bias().is_none();
        let relative = if copies { 0.0 } else { gamma::<f64>(op.fan_in() + 4) + 2.0 * op.weight_error() };
        for (k, &p) in operands.iter().enumerate() {
            let below = &self.nodes[p];
            op.apply_f64(k, &below.rows, &mut lines.rows, count, false);
            let paid = |i: usize| if copies { below.error[i] } else { below.error[i] + relative * below.size(i) };
            let errors: Vec<f64> = (0..below.error.len()).map(paid).collect();
            op.apply_f64(k, &errors, &mut lines.error, 1, true);
        }
        if copies {
            return lines;
        }
        let roundings = self.network.roundings[id];
        let deployed = if roundings == 0 { 0.0 } else { self.network.deployed.relative(roundings) };
        let lost = f64::MIN_POSITIVE * 4.0 * op.fan_in() as f64;
        let constants = (count - 1) * own.len();
        let bias_error = op.bias_error();
        for i in 0..own.len() {
            if let Some(bias) = op.bias() {
                lines.rows[constants + i] += bias.at(i);
                lines.error[i] += relative * bias.at(i).abs() + bias_error.as_ref().map_or(0.0, |b| b[i]);
            }
            let own_error = lines.error[i] * (1.0 + 2.0 * relative) + lost * count as f64;
            lines.error[i] = (own_error + self.deployed_error(deployed, magnitude[i])) * SLACK;
        }
        self.replace_wild(lines, own)
    }

    fn deployed_error(&self, relative: f64, magnitude: f64) -> f64 {
        match relative {
            0.0 => 0.0,
            _ if magnitude < self.network.deployed.largest => relative * magnitude,
            _ => f64::INFINITY,
        }
    }

    /// Elements whose numbers are not finite become what their ranges say.
    fn replace_wild(&self, mut lines: Lines, own: &Ranges) -> Lines {
        let len = own.len();
        for i in 0..len {
            let finite = lines.error[i].is_finite() && lines.rows.iter().skip(i).step_by(len).all(|x| x.is_finite());
            if !finite {
                lines.set_constant(i, own.low[i], own.high[i]);
            }
        }
        lines
    }

    /// `f(a)` is `t a` plus a number between `-lower_offset(t)` and `upper_offset(t)`, for any slope `t`: the chord's.
    fn scalar(&self, id: NodeId, op: &dyn Scalar, own: &Ranges, bounds: &Bounds) -> Lines {
        let p = self.network.graph.nodes[id].inputs[0];
        let below = &self.nodes[p];
        let (len, deployed) = (own.len(), op.deployed_error());
        let mut lines = self.empty(len);
        for i in 0..len {
            let x = bounds.ranges[p].at(i);
            let t = chord(op, x);
            let (above, beneath) = (op.upper_offset(t, x), op.lower_offset(t, x));
            let middle = 0.5 * above - 0.5 * beneath;
            let strip = (above - middle).max(middle + beneath);
            let rounding = f64::EPSILON * (4.0 * t.abs() * below.size(i) + 4.0 * (above.abs() + beneath.abs())) + f64::MIN_POSITIVE * 8.0;
            let mut error = t.abs() * below.error[i] + strip + rounding;
            if self.network.deployed.unit > 0.0 {
                error += deployed.absolute + deployed.relative * own.at(i).magnitude();
            }
            error = (error * SLACK).next_up();
            // Nothing is gained by a line that strays farther than the range is wide.
            if !(error < 0.5 * (own.high[i] - own.low[i])) || !below.size(i).is_finite() {
                lines.set_constant(i, own.low[i], own.high[i]);
                continue;
            }
            for (to, from) in lines.rows.iter_mut().skip(i).step_by(len).zip(below.rows.iter().skip(i).step_by(len)) {
                *to = t * from;
            }
            let constant = self.varying.len() * len + i;
            lines.rows[constant] += middle;
            lines.error[i] = error;
        }
        self.replace_wild(lines, own)
    }

    /// The operator's own multipliers for each element upwards and downwards, and half their difference as an error.
    fn general(&self, id: NodeId, op: &dyn General, own: &Ranges, bounds: &Bounds) -> Lines {
        let operands = &self.network.graph.nodes[id].inputs;
        let ranges: Vec<&Ranges> = operands.iter().map(|&p| &bounds.ranges[p]).collect();
        let numbers = own.len() * ranges.iter().map(|r| r.len()).sum::<usize>();
        let wild =
            |p: &usize| !self.nodes[*p].is_finite() || bounds.ranges[*p].low.iter().chain(&bounds.ranges[*p].high).any(|x| !x.is_finite());
        let mut lines = self.constants(own);
        if numbers > MOST_GENERAL || operands.iter().any(wild) {
            return lines;
        }
        let errors = match self.network.deployed.unit > 0.0 {
            true => op.deployed_errors(&ranges, &op.interval(&ranges)),
            false => vec![0.0; own.len()],
        };
        let mut unit = vec![0.0; own.len()];
        let mut rows = [ranges.iter().map(|r| vec![0.0; r.len()]).collect::<Vec<_>>(), ranges.iter().map(|r| vec![0.0; r.len()]).collect()];
        for i in 0..own.len() {
            let offsets = [1.0, -1.0].map(|sign| {
                let back = &mut rows[(sign < 0.0) as usize];
                back.iter_mut().for_each(|b| b.fill(0.0));
                unit[i] = sign;
                op.relax_row(&unit, &ranges, back)
            });
            unit[i] = 0.0;
            self.join(operands, &ranges, &rows, offsets, errors[i], i, own, &mut lines);
        }
        self.replace_wild(lines, own)
    }

    /// One element from `f <= up . p + above` and `-f <= down . p + beneath`, unless its range says more.
    #[allow(clippy::too_many_arguments)] // one element of `general`
    fn join(
        &self,
        operands: &[NodeId],
        ranges: &[&Ranges],
        [up, down]: &[Vec<Vec<f64>>; 2],
        [above, beneath]: [f64; 2],
        deployed: f64,
        i: usize,
        own: &Ranges,
        lines: &mut Lines,
    ) {
        let len = own.len();
        let (mut row, mut count) = (vec![0.0; self.varying.len() + 1], 0);
        let (mut apart, mut error, mut size) = (0.0f64, 0.0f64, 0.0f64);
        for (k, &p) in operands.iter().enumerate() {
            let below = &self.nodes[p];
            let width = below.error.len();
            for j in (0..width).filter(|&j| up[k][j] != 0.0 || down[k][j] != 0.0) {
                // Any slope will do: what the two lines differ from it is paid over the operand's range.
                let t = 0.5 * (up[k][j] - down[k][j]);
                let x = ranges[k].at(j);
                let highest = |c: f64| (c * x.low).max(c * x.high);
                apart += highest(up[k][j] - t).max(highest(down[k][j] + t)).max(0.0);
                row.iter_mut().zip(below.rows.iter().skip(j).step_by(width)).for_each(|(r, x)| *r += t * x);
                error += t.abs() * below.error[j];
                size += (up[k][j].abs() + down[k][j].abs()) * below.size(j).max(x.magnitude());
                count += 1;
            }
        }
        let middle = 0.5 * above - 0.5 * beneath;
        let strip = (above - middle).max(middle + beneath) + apart;
        let rounding =
            gamma::<f64>(2 * count + 16) * (size + above.abs() + beneath.abs() + apart) + f64::MIN_POSITIVE * (8 + 4 * count) as f64;
        let error = ((error + strip + rounding + deployed) * SLACK).next_up();
        if !(error < 0.5 * (own.high[i] - own.low[i])) {
            return;
        }
        let last = row.len() - 1;
        row[last] += middle;
        lines.rows.iter_mut().skip(i).step_by(len).zip(row).for_each(|(to, x)| *to = x);
        lines.error[i] = error;
    }
}

/// A point and at least its distance from both ends; infinite where an end is not finite.
fn middle_and_radius(low: f64, high: f64) -> (f64, f64) {
    let middle = 0.5 * low + 0.5 * high;
    match (low == high, middle.is_finite()) {
        (_, false) => (0.0, f64::INFINITY),
        // Half a subnormal number may not be one.
        (true, true) => (low, 0.0),
        (false, true) => (middle, (high - middle).max(middle - low).next_up()),
    }
}

/// The slope of the chord of `op` over `x`; any finite number is sound.
fn chord(op: &dyn Scalar, x: crate::numerics::Interval) -> f64 {
    let width = x.high - x.low;
    let t = match width > 1e-6 * x.magnitude() {
        true => (op.eval(x.high) - op.eval(x.low)) / width,
        false => op.derivative(x.middle()),
    };
    if t.is_finite() { t } else { 0.0 }
}
