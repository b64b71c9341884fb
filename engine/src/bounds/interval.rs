//! Interval bound propagation, rigorous in `f64` by centre and radius (Rump 1999; design of the rounding terms in TRUST.md).

use super::Network;
use crate::graph::NodeId;
use crate::numerics::rounding::gamma;
use crate::numerics::{Interval, Numbers};
use crate::ops::{Affine, Operation, Ranges};

/// Proved ranges of all nodes over one box, and the magnitudes that rounding errors are measured by.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// Ranges of every node's value: of the real network and, where it is asked for, of every deployed evaluation.
    pub ranges: Vec<Ranges>,
    /// For affine nodes `sum |W| M + |b|` over the whole affine block, elementwise: bounds every partial sum. Empty otherwise.
    pub magnitude: Vec<Vec<f64>>,
}

impl Bounds {
    /// At least the absolute value of element `i` of node `id`, inside affine blocks of every partial sum of it.
    pub fn size(&self, id: NodeId, i: usize) -> f64 {
        let range = self.ranges[id].at(i).magnitude();
        self.magnitude[id].get(i).map_or(range, |m| m.max(range))
    }
}

impl Network<'_> {
    /// Ranges (and for affine nodes magnitudes) of one node from those of its operands.
    pub fn node_interval(&self, id: NodeId, bounds: &Bounds) -> (Ranges, Vec<f64>) {
        let node = &self.graph.nodes[id];
        let operands: Vec<&Ranges> = node.inputs.iter().map(|&p| &bounds.ranges[p]).collect();
        match &node.operation {
            Operation::Input | Operation::Constant(_) => (bounds.ranges[id].clone(), Vec::new()),
            Operation::Affine(op) => self.affine_interval(id, op.as_ref(), bounds),
            Operation::Scalar(op) => {
                let error = op.deployed_error();
                let one = |i: usize| self.deployed_range(op.interval(operands[0].at(i)), error.absolute, error.relative);
                (Ranges::collect((0..node.len()).map(one)), Vec::new())
            }
            Operation::General(op) => {
                let exact = op.interval(&operands);
                let errors = op.deployed_errors(&operands, &exact);
                let one = |i: usize| self.deployed_range(exact.at(i), errors[i], 0.0);
                (Ranges::collect((0..node.len()).map(one)), Vec::new())
            }
        }
    }

    /// The range of a deployed elementary function whose real values lie in `x`.
    fn deployed_range(&self, x: Interval, absolute: f64, relative: f64) -> Interval {
        if self.deployed.unit == 0.0 || (absolute == 0.0 && relative == 0.0) {
            return x;
        }
        x.widened((absolute + relative * x.magnitude()).next_up().next_up())
    }

    fn affine_interval(&self, id: NodeId, op: &dyn Affine, bounds: &Bounds) -> (Ranges, Vec<f64>) {
        let node = &self.graph.nodes[id];
        let len = node.len();
        let (mut middle, mut radius, mut magnitude) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
        let selection = op.is_selection();
        let mut infinite = false;
        for (k, &p) in node.inputs.iter().enumerate() {
            let ranges = &bounds.ranges[p];
            infinite |= ranges.low.iter().chain(&ranges.high).any(|x| !x.is_finite());
            let centre: Vec<f64> = (0..ranges.len()).map(|i| ranges.at(i).middle()).collect();
            // The radius covers both ends seen from the rounded centre.
            let reach = |i: usize| (ranges.high[i] - centre[i]).max(centre[i] - ranges.low[i]).next_up().max(0.0);
            let reaches: Vec<f64> = (0..ranges.len()).map(|i| if ranges.low[i] == ranges.high[i] { 0.0 } else { reach(i) }).collect();
            let sizes: Vec<f64> = (0..ranges.len()).map(|i| bounds.size(p, i)).collect();
            op.apply_f64(k, &centre, &mut middle, 1, false);
            op.apply_f64(k, &reaches, &mut radius, 1, true);
            op.apply_f64(k, &sizes, &mut magnitude, 1, true);
        }
        if infinite {
            return (Ranges { low: vec![f64::NEG_INFINITY; len], high: vec![f64::INFINITY; len] }, vec![f64::INFINITY; len]);
        }
        if let Some(bias) = op.bias() {
            add_bias(bias, &mut middle, &mut magnitude);
        }
        let fan_in = op.fan_in();
        let own = if selection && op.bias().is_none() { 0.0 } else { gamma::<f64>(fan_in + 4) + 2.0 * op.weight_error() };
        let deployed = if self.roundings[id] == 0 { 0.0 } else { self.deployed.relative(self.roundings[id]) };
        let bias_error = op.bias_error();
        let mut ranges = Ranges { low: vec![0.0; len], high: vec![0.0; len] };
        for i in 0..len {
            magnitude[i] = if own == 0.0 { magnitude[i] } else { magnitude[i] * (1.0 + 2.0 * own) + f64::MIN_POSITIVE * fan_in as f64 };
            let mut error = own * magnitude[i] + bias_error.as_ref().map_or(0.0, |b| b[i]);
            if own != 0.0 {
                error += f64::MIN_POSITIVE * 2.0 * fan_in as f64;
            }
            if deployed != 0.0 {
                // Underflow counts as magnitude, so that it is scaled with everything else through the rest of the block.
                magnitude[i] += self.deployed.underflow(fan_in);
                error += if magnitude[i] < self.deployed.largest { deployed * magnitude[i] } else { f64::INFINITY };
            }
            let reach = radius[i] + error * (1.0 + 1.0 / 1024.0);
            (ranges.low[i], ranges.high[i]) = match (selection, reach == 0.0) {
                (_, true) => (middle[i], middle[i]),
                _ => ((middle[i] - reach).next_down(), (middle[i] + reach).next_up()),
            };
            if !(ranges.low[i] <= ranges.high[i]) {
                (ranges.low[i], ranges.high[i]) = (f64::NEG_INFINITY, f64::INFINITY);
            }
        }
        if selection && op.bias().is_none() {
            self.select(op, node.inputs.as_slice(), bounds, &mut ranges);
        }
        (ranges, magnitude)
    }

    /// Copies of elements keep their ranges exactly.
    fn select(&self, op: &dyn Affine, operands: &[NodeId], bounds: &Bounds, ranges: &mut Ranges) {
        ranges.low.fill(0.0);
        ranges.high.fill(0.0);
        for (k, &p) in operands.iter().enumerate() {
            op.apply_f64(k, &bounds.ranges[p].low, &mut ranges.low, 1, false);
            op.apply_f64(k, &bounds.ranges[p].high, &mut ranges.high, 1, false);
        }
    }
}

fn add_bias(bias: &Numbers, middle: &mut [f64], magnitude: &mut [f64]) {
    for i in 0..middle.len() {
        middle[i] += bias.at(i);
        magnitude[i] += bias.at(i).abs();
    }
}
