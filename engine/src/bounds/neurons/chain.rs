//! Chains of dense layers: bounds of every neuron layer by layer from the bottom, each neuron's rows by trees of their own.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::dense::Dense;
use super::forest::{Ending, Forest, Goal, Leaf, Settings};
use super::known::Known;
use super::program::{Affine, CONSTANT_ROUNDINGS, Hinge, Input, Node, Program, Relaxed, Start};
use super::record::{Multipliers, Neuron, Recorder, free_neurons};
use crate::bounds::chain::{Chain, Objective};
use crate::bounds::crown::in_parallel;
use crate::bounds::{Bounds, Deployed};
use crate::kernels::{Kernel, block_roundings, padded};
use crate::numerics::rounding::gamma;
use crate::ops::Ranges;

/// How much work goes into the rows of neurons.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Nodes per row.
    pub nodes: u64,
    /// How the rows' trees are grown.
    pub settings: Settings,
    /// Threads; the bounds do not depend on it.
    pub threads: usize,
    /// Bytes that open leaves may take in all; fewer nodes are spent where that is not enough.
    pub memory: u64,
}

/// A chain over one box: proved bounds of all neurons, and the program that sweeps run on.
#[derive(Clone, Debug)]
pub struct Layers<'c, F> {
    chain: &'c Chain<F>,
    deployed: Deployed,
    /// Inputs that vary.
    varying: Vec<usize>,
    middle: Vec<f64>,
    radius: Vec<f64>,
    /// Proved ranges of the hidden pre-activations.
    pub bounds: Vec<Ranges>,
    /// For each layer done so far, the neurons that may be non-zero.
    live: Vec<Vec<usize>>,
    /// At least the size of each live neuron's value as the layer above reads it.
    reach: Vec<Vec<f64>>,
    /// The layers done so far: the input, then an affine node and its hinge per layer.
    program: Program<'c, F>,
    /// True if some range turned out empty: nothing of the box is left.
    empty: bool,
}

/// Neurons whose rows are bounded together.
const NEURONS_PER_TASK: usize = 48;

/// Slack for computing error bounds themselves in `f64`.
const SLACK: f64 = 1.0 + 1.0 / 1024.0;

impl<'c, F: Kernel> Layers<'c, F> {
    /// Nothing known yet over `region`; none if some hinge of the chain is neither a ReLU nor an identity.
    pub fn new(chain: &'c Chain<F>, region: &Ranges, deployed: Deployed) -> Option<Layers<'c, F>> {
        let plain = |s: &F| *s == F::ZERO || *s == F::ONE;
        if !chain.hidden().iter().all(|l| l.slope.iter().all(plain)) || !region.low.iter().chain(&region.high).all(|x| x.is_finite()) {
            return None;
        }
        let middle: Vec<f64> = region.low.iter().zip(&region.high).map(|(l, h)| 0.5 * l + 0.5 * h).collect();
        let ends = region.low.iter().zip(&region.high).zip(&middle);
        let radius = ends.map(|((l, h), m)| if l == h && *m == *l { 0.0 } else { (h - m).max(m - l).next_up() }).collect::<Vec<f64>>();
        let infinite =
            |l: &crate::bounds::chain::Layer<F>| Ranges { low: vec![f64::NEG_INFINITY; l.neurons], high: vec![f64::INFINITY; l.neurons] };
        Some(Layers {
            chain,
            deployed,
            varying: (0..chain.inputs).filter(|&d| radius[d] > 0.0).collect(),
            middle,
            radius,
            bounds: chain.hidden().iter().map(infinite).collect(),
            live: Vec::new(),
            reach: Vec::new(),
            program: Program { nodes: Vec::new() },
            empty: false,
        })
    }

    /// The same bounds in another working type.
    pub fn convert<'d, G: Kernel>(&self, chain: &'d Chain<G>) -> Layers<'d, G> {
        let mut other = Layers {
            chain,
            deployed: self.deployed,
            varying: self.varying.clone(),
            middle: self.middle.clone(),
            radius: self.radius.clone(),
            bounds: self.bounds.clone(),
            live: Vec::new(),
            reach: Vec::new(),
            program: Program { nodes: Vec::new() },
            empty: self.empty,
        };
        other.assemble();
        other
    }

    /// The program of the bounds known now.
    fn assemble(&mut self) {
        self.begin();
        (0..self.bounds.len()).for_each(|k| self.push_layer(k));
    }

    fn begin(&mut self) {
        let width = padded(self.varying.len());
        let mut radius: Vec<f64> = self.varying.iter().map(|&d| self.radius[d]).collect();
        radius.resize(width, 0.0);
        self.program.nodes = vec![Node::Input(Input::new(vec![F::ZERO; width], &radius))];
        self.live.clear();
        self.reach.clear();
    }

    /// The layer and neuron that element `element` of hinge node `node` is, if it is one.
    pub fn neuron(&self, node: usize, element: usize) -> Option<(usize, usize)> {
        let k = node.checked_sub(2)? / 2;
        Some((k, *self.live.get(k)?.get(element)?))
    }

    /// Sum over the live values below layer `k` of `|w|` times their size; for the first layer of `|w|` times the input's size.
    fn magnitude(&self, k: usize, j: usize) -> f64 {
        let layer = &self.chain.layers[k];
        let row = &layer.weights[j * layer.below..(j + 1) * layer.below];
        let sum: f64 = match k {
            0 => row.iter().zip(self.middle.iter().zip(&self.radius)).map(|(w, (m, r))| w.to_f64().abs() * (m.abs() + r)).sum(),
            _ => self.live[k - 1].iter().zip(&self.reach[k - 1]).map(|(&i, r)| row[i].to_f64().abs() * r).sum(),
        };
        sum * SLACK
    }

    /// What one unit of neuron `(k, j)` may err by beside our own arithmetic: its constant, and the deployed network.
    fn own_error(&self, k: usize, j: usize) -> f64 {
        let layer = &self.chain.layers[k];
        let deployed = self.deployed.error(layer.terms, self.magnitude(k, j) + layer.bias_magnitude[j]);
        (deployed + layer.bias_error[j]) * SLACK
    }

    /// Interval bounds of layer `k` from the values below.
    fn meet_intervals(&mut self, k: usize) {
        let layer = &self.chain.layers[k];
        for j in 0..layer.neurons {
            let row = &layer.weights[j * layer.below..(j + 1) * layer.below];
            let (mut centre, mut radius) = (layer.bias[j], 0.0);
            if k == 0 {
                for (w, (m, r)) in row.iter().zip(self.middle.iter().zip(&self.radius)) {
                    centre += w.to_f64() * m;
                    radius += w.to_f64().abs() * r;
                }
            } else {
                let below = &self.bounds[k - 1];
                let slopes = &self.chain.layers[k - 1].slope;
                for &i in &self.live[k - 1] {
                    let low = if slopes[i] == F::ONE { below.low[i] } else { below.low[i].max(0.0) };
                    let (m, r) = (0.5 * low + 0.5 * below.high[i], 0.5 * (below.high[i] - low));
                    centre += row[i].to_f64() * m;
                    radius += row[i].to_f64().abs() * r;
                }
            }
            let size = self.magnitude(k, j) + layer.bias[j].abs();
            let error = self.own_error(k, j) + f64::EPSILON * (layer.below + 8) as f64 * size * SLACK + f64::MIN_POSITIVE;
            self.meet(k, j, centre - radius - error, centre + radius + error);
        }
    }

    fn meet(&mut self, k: usize, j: usize, low: f64, high: f64) {
        let bounds = &mut self.bounds[k];
        // `max` and `min` drop NaN, which improves nothing.
        bounds.low[j] = bounds.low[j].max(low);
        bounds.high[j] = bounds.high[j].min(high);
        if bounds.low[j] > bounds.high[j] {
            bounds.high[j] = bounds.low[j];
            self.empty = true;
        }
    }

    /// The activation and element that neuron `(k, j)` is, if it is one of the network's.
    fn origin(&self, k: usize, j: usize) -> Option<(usize, usize)> {
        let layer = &self.chain.layers[k];
        let (activation, element) = layer.origin[j];
        (layer.slope[j] == F::ZERO).then_some((activation as usize, element as usize))
    }

    /// The activations of layer `k`.
    fn activations(&self, k: usize) -> impl Iterator<Item = usize> {
        (0..self.chain.layers[k].neurons).filter_map(move |j| Some(self.origin(k, j)?.0)).collect::<BTreeSet<_>>().into_iter()
    }

    /// Bounds of the unstable neurons of layer `k` by row trees.
    fn meet_rows(&mut self, k: usize, effort: Effort, recorder: Option<&mut Recorder>, stop: &(dyn Fn() -> bool + Sync)) {
        let (layer, known) = (&self.chain.layers[k], &self.bounds[k]);
        let unstable: Vec<usize> =
            (0..layer.neurons).filter(|&j| layer.slope[j] == F::ZERO && known.low[j] < 0.0 && known.high[j] > 0.0).collect();
        let tasks: Vec<&[usize]> = unstable.chunks(NEURONS_PER_TASK).collect();
        let results = in_parallel(&tasks, effort.threads, |neurons| self.grow(k, neurons, effort, stop));
        if let Some(recorder) = recorder {
            self.record(k, &tasks, &results, recorder);
        }
        let found: Vec<(usize, bool, f64)> = tasks
            .iter()
            .zip(results)
            .flat_map(|(neurons, (sides, endings))| {
                let count = neurons.len();
                let one = move |(i, ending): (usize, Ending<F>)| (neurons[i % count], sides[i % count] == (i < count), ending.bound);
                endings.into_iter().enumerate().map(one).collect::<Vec<_>>()
            })
            .collect();
        for (j, upper, bound) in found {
            if upper { self.meet(k, j, f64::NEG_INFINITY, bound) } else { self.meet(k, j, -bound, f64::INFINITY) }
        }
    }

    /// Trees for both ends of some neurons: first the end that is nearer to zero, which makes the other one needless where it
    /// turns out stable. The first `neurons.len()` endings are those; true in the list where that is the upper end.
    fn grow(&self, k: usize, neurons: &[usize], effort: Effort, stop: &(dyn Fn() -> bool + Sync)) -> (Vec<bool>, Vec<Ending<F>>) {
        let sides: Vec<bool> = neurons.iter().map(|&j| self.bounds[k].high[j] < -self.bounds[k].low[j]).collect();
        let tasks = (self.bounds[k].len().div_ceil(NEURONS_PER_TASK)).min(effort.threads.max(1)) as u64;
        let budget = effort.nodes.min(Forest::new(&self.program, effort.settings).affordable(effort.memory / tasks));
        let goal = |(unless, (i, upper)): (Option<usize>, (usize, bool))| Goal {
            start: Arc::new(self.neuron_start(k, neurons[i], upper)),
            leaves: vec![Leaf::root()],
            budget,
            strict: false,
            unless,
        };
        let first = sides.iter().copied().enumerate().map(|side| (None, side));
        let second = sides.iter().map(|s| !s).enumerate().map(|side| (Some(side.0), side));
        let goals = first.chain(second).map(goal).collect();
        let endings = Forest::new(&self.program, effort.settings).grow(goals, stop);
        (sides, endings)
    }

    fn record(&self, k: usize, tasks: &[&[usize]], results: &[(Vec<bool>, Vec<Ending<F>>)], recorder: &mut Recorder) {
        let free = free_neurons(&self.program, 2 * k);
        for activation in self.activations(k) {
            let mut ends = Vec::new();
            for (neurons, (sides, endings)) in tasks.iter().zip(results) {
                for (i, ending) in endings.iter().enumerate() {
                    let (n, first) = (i % neurons.len(), i < neurons.len());
                    let Some((own, element)) = self.origin(k, neurons[n]).filter(|o| o.0 == activation) else { continue };
                    debug_assert_eq!(own, activation);
                    let (j, lower) = (neurons[n], sides[n] != first);
                    let better = if lower { -ending.bound > self.bounds[k].low[j] } else { ending.bound < self.bounds[k].high[j] };
                    ends.extend(ending.all_leaves().filter(|_| better).map(|leaves| (element, lower, leaves)));
                }
            }
            let ends: Vec<(usize, bool, &[Arc<Multipliers>])> = ends.iter().map(|(e, lower, leaves)| (*e, *lower, &leaves[..])).collect();
            recorder.ends(activation, &|neuron| self.name(neuron), &free, &ends);
        }
    }

    /// The row of neuron `(k, j)`, for `k > 0`: itself, or its negative.
    fn neuron_start(&self, k: usize, j: usize, upper: bool) -> Start<F> {
        let layer = &self.chain.layers[k];
        let row = &layer.weights[j * layer.below..(j + 1) * layer.below];
        let sign = if upper { F::ONE } else { -F::ONE };
        let mut coefficients: Vec<F> = self.live[k - 1].iter().map(|&i| sign * row[i]).collect();
        coefficients.resize(padded(coefficients.len()), F::ZERO);
        Start { node: 2 * k, coefficients, constant: sign.to_f64() * layer.bias[j], error: self.own_error(k, j) }
    }

    /// Adds layer `k` with its bounds of now to the program.
    fn push_layer(&mut self, k: usize) {
        let layer = &self.chain.layers[k];
        let relu = |j: usize| layer.slope[j] == F::ZERO;
        let live: Vec<usize> = (0..layer.neurons).filter(|&j| !relu(j) || self.bounds[k].high[j] > 0.0).collect();
        let below: &[usize] = if k == 0 { &self.varying } else { &self.live[k - 1] };
        let (outputs, inputs) = (padded(live.len()), padded(below.len()));
        let weight = |o: usize, i: usize| match (live.get(o), below.get(i)) {
            (Some(&j), Some(&i)) => layer.weights[j * layer.below + i],
            _ => F::ZERO,
        };
        let map = Arc::new(Dense::new(outputs, inputs, weight));
        let (mut bias, mut error, mut reach) = (vec![F::ZERO; outputs], vec![F::ZERO; outputs], Vec::new());
        let mut hinge = Hinge::empty(2 * k + 1);
        let product = gamma::<F>(block_roundings(outputs) + 2);
        for (o, &j) in live.iter().enumerate() {
            let (constant, wrong, size) = self.constant(k, j);
            bias[o] = F::from_f64(constant);
            let rounding = product * size + (CONSTANT_ROUNDINGS + 2) as f64 * F::UNIT * constant.abs() + wrong;
            error[o] = F::from_f64_up((rounding + self.own_error(k, j)) * SLACK + F::TINY);
            let (low, high) = (self.bounds[k].low[j], self.bounds[k].high[j]);
            hinge.push(low, high, !relu(j));
            let most = if relu(j) { high.max(0.0) } else { low.abs().max(high.abs()) };
            reach.push(if layer.joined[j] { most.max(self.magnitude(k, j) + layer.bias_magnitude[j]) } else { most });
        }
        (live.len()..outputs).for_each(|_| hinge.push(0.0, 0.0, false));
        let sizes: f64 = match k {
            0 => self.radius.iter().sum(),
            _ => self.reach[k - 1].iter().sum(),
        };
        let underflow = 2.0 * F::TINY * outputs as f64 * (1.0 + sizes);
        self.program.nodes.push(Node::Affine(Affine { operands: vec![2 * k], map, bias, error, underflow }));
        self.program.nodes.push(Node::Hinge(hinge));
        self.live.push(live);
        self.reach.push(reach);
    }

    /// The constant of neuron `(k, j)` (in the first layer at the middle of the box), how far it may be from the exact one,
    /// and the sum of `|w|` times the sizes of what varies below.
    fn constant(&self, k: usize, j: usize) -> (f64, f64, f64) {
        let layer = &self.chain.layers[k];
        if k > 0 {
            return (layer.bias[j], 0.0, self.magnitude(k, j));
        }
        let row = &layer.weights[j * layer.below..(j + 1) * layer.below];
        let (mut sum, mut size, mut varying) = (layer.bias[j], layer.bias[j].abs(), 0.0);
        for (w, (m, r)) in row.iter().zip(self.middle.iter().zip(&self.radius)) {
            sum += w.to_f64() * m;
            size += (w.to_f64() * m).abs();
            varying += w.to_f64().abs() * r;
        }
        (sum, f64::EPSILON * (layer.below + 4) as f64 * size * SLACK, varying * SLACK)
    }
}

impl<F: Kernel> Relaxed<F> for Layers<'_, F> {
    fn program(&self) -> &Program<'_, F> {
        &self.program
    }

    fn is_empty(&self) -> bool {
        self.empty
    }

    fn tighten(&mut self, effort: Effort, mut recorder: Option<&mut Recorder>, stop: &(dyn Fn() -> bool + Sync)) {
        self.begin();
        for k in 0..self.bounds.len() {
            self.meet_intervals(k);
            if let Some(recorder) = &mut recorder {
                self.activations(k).for_each(|activation| recorder.intervals(activation));
            }
            if k > 0 && effort.nodes > 0 && !self.empty && !stop() {
                self.meet_rows(k, effort, recorder.as_deref_mut(), stop);
            }
            self.push_layer(k);
        }
    }

    fn inherit(&mut self, known: &Known) {
        for k in 0..self.bounds.len() {
            for j in 0..self.chain.layers[k].neurons {
                let ends = self.origin(k, j).and_then(|(activation, element)| known.ends.get(activation)?.get(element));
                if let Some(&(low, high)) = ends {
                    self.meet(k, j, low, high);
                }
            }
        }
    }

    fn name(&self, (node, element): Neuron) -> Option<(usize, usize)> {
        let (k, j) = self.neuron(node as usize, element as usize)?;
        self.origin(k, j)
    }

    fn start(&self, objective: &Objective<F>) -> Start<F> {
        let k = self.bounds.len();
        let layer = self.chain.output();
        let (mut constant, mut error) = (objective.constant, 0.0);
        let mut sums = vec![0.0f64; self.live[k - 1].len()];
        let relative = 1.01 * F::UNIT + f64::EPSILON * (layer.neurons + 6) as f64;
        for (m, c) in objective.outputs.iter().enumerate() {
            let c = c.to_f64();
            let size = self.magnitude(k, m) + layer.bias_magnitude[m] + self.own_error(k, m);
            // The coefficient itself was rounded.
            error += objective.output_error * size;
            if c != 0.0 {
                let row = &layer.weights[m * layer.below..(m + 1) * layer.below];
                self.live[k - 1].iter().zip(&mut sums).for_each(|(&i, s)| *s += c * row[i].to_f64());
                constant += c * layer.bias[m];
                error += c.abs() * (self.own_error(k, m) + relative * size);
            }
        }
        error += f64::EPSILON * (layer.neurons + 4) as f64 * objective.constant.abs() + f64::MIN_POSITIVE;
        error += F::TINY * self.reach[k - 1].iter().sum::<f64>();
        let mut coefficients: Vec<F> = sums.iter().map(|&s| F::from_f64(s)).collect();
        coefficients.resize(padded(coefficients.len()), F::ZERO);
        Start { node: 2 * k, coefficients, constant, error: error * SLACK }
    }

    fn bounds(&self) -> Option<&Bounds> {
        None
    }

    fn point(&self, inputs: &[F]) -> Vec<f64> {
        let mut point = self.middle.clone();
        for (&d, x) in self.varying.iter().zip(inputs) {
            point[d] = (self.middle[d] + x.to_f64()).clamp(self.middle[d] - self.radius[d], self.middle[d] + self.radius[d]);
        }
        point
    }

    fn unstable(&self) -> Vec<usize> {
        let hidden = self.chain.hidden().iter().zip(&self.bounds);
        hidden.map(|(l, b)| (0..l.neurons).filter(|&j| l.slope[j] == F::ZERO && b.low[j] < 0.0 && b.high[j] > 0.0).count()).collect()
    }
}
