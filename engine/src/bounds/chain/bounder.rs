//! Bounding one part of the input set: inherited facts, fresh lines for unstable neurons, objectives, the next split.

use std::sync::Arc;

use super::branch::{self, Choice};
use super::layer::Reduced;
use super::{Chain, Facts, Objectives, Phase};
use crate::bounds::{Deployed, Game};
use crate::kernels::{Aligned, Kernel, Packed, padded, rows};
use crate::numerics::rounding::gamma;

/// A network and a query, ready to bound parts of the query's box.
#[derive(Clone, Debug)]
pub struct Bounder<F> {
    /// The network.
    pub chain: Arc<Chain<F>>,
    /// What is to be excluded.
    pub objectives: Objectives<F>,
    /// What the deployed network adds.
    pub deployed: Deployed,
    /// Below this many unstable neurons a neuron is split instead of an input.
    pub neuron_split_below: usize,
    first_transposed: Arc<Vec<F>>,
    forward: Arc<Vec<Packed<F>>>,
    offsets: Arc<Vec<usize>>,
}

/// A part of the input set, still open.
#[derive(Clone, Debug)]
pub struct Part<F> {
    /// Lower corner of the box.
    pub low: Vec<F>,
    /// Upper corner.
    pub high: Vec<F>,
    /// Hinges fixed to one side.
    pub phases: Vec<Phase>,
    /// Facts of a part that contains this one.
    pub facts: Arc<Facts<F>>,
    /// Disjuncts not excluded yet.
    pub open: Vec<u32>,
    /// The parent's bound: the larger, the farther from proved.
    pub bound: f64,
    /// The part's share of the whole box.
    pub share: f64,
}

impl<F: Kernel> Part<F> {
    /// The same part in a wider type.
    pub fn widen<G: Kernel>(&self) -> Part<G> {
        let turn = |v: &[F]| v.iter().map(|x| G::from_f64(x.to_f64())).collect();
        Part {
            low: turn(&self.low),
            high: turn(&self.high),
            phases: self.phases.clone(),
            facts: Arc::new(self.facts.widen()),
            open: self.open.clone(),
            bound: self.bound,
            share: self.share,
        }
    }
}

/// What bounding a part led to.
#[derive(Clone, Debug)]
pub enum Outcome<F> {
    /// No counterexample inside; `margin` is by how much the worst disjunct is excluded.
    Closed {
        /// Distance from zero of the worst bound; infinite for an empty part.
        margin: f64,
    },
    /// Still open: the parts to look at next.
    Split(Box<[Part<F>; 2]>),
    /// Still open, and rounding in `F` is what is in the way, or nothing is left to split.
    Exhausted {
        /// The worst bound.
        bound: f64,
    },
}

/// Reusable memory of one thread, and what the last call found.
#[derive(Clone, Debug, Default)]
pub struct Workspace<F> {
    pub(super) layers: Vec<Reduced<F>>,
    pub(super) facts: Option<Facts<F>>,
    /// Hidden neurons whose hinge is fixed in this part.
    pub(super) fixed: Vec<bool>,
    pub(super) rows: Aligned<F>,
    pub(super) next: Aligned<F>,
    pub(super) constants: Vec<f64>,
    pub(super) errors: Vec<f64>,
    /// For each hidden layer: the objectives' coefficients on its live values.
    pub(super) traces: Vec<Vec<F>>,
    pub(super) value: Vec<F>,
    pub(super) scale: Vec<F>,
    pub(super) input_live: Vec<u32>,
    pub(super) input_value: Aligned<F>,
    pub(super) low: Vec<f64>,
    pub(super) high: Vec<f64>,
    /// Linear upper bounds of the objectives: coefficients, `inputs` per row.
    pub(super) forms: Vec<f64>,
    /// Their constants, errors included.
    pub(super) form_constants: Vec<f64>,
    pub(super) form_bounds: Vec<f64>,
    /// How much of each form's bound is allowance for rounding.
    pub(super) form_errors: Vec<f64>,
    pub(super) game: Game,
    /// Points at which the relaxation is worst, one per open disjunct: candidates for counterexamples.
    pub candidates: Vec<Vec<f64>>,
    /// Unstable neurons of the last part.
    pub unstable: usize,
}

impl<F: Kernel> Bounder<F> {
    /// Prepares a network and its objectives.
    pub fn new(chain: Chain<F>, objectives: Objectives<F>, deployed: Deployed) -> Bounder<F> {
        let first = &chain.layers[0];
        let mut first_transposed = vec![F::ZERO; first.neurons * (chain.inputs + 1)];
        for j in 0..first.neurons {
            for d in 0..chain.inputs {
                first_transposed[d * first.neurons + j] = first.weights[j * first.below + d];
            }
            first_transposed[chain.inputs * first.neurons + j] = F::from_f64(first.bias[j]);
        }
        let mut offsets = vec![0];
        for layer in chain.hidden() {
            offsets.push(offsets[offsets.len() - 1] + layer.neurons);
        }
        let forward: Vec<_> = chain.layers.iter().map(|l| Packed::new(l.below, l.neurons, |k, j| l.weights[j * l.below + k])).collect();
        Bounder {
            chain: Arc::new(chain),
            objectives,
            deployed,
            neuron_split_below: 15,
            first_transposed: Arc::new(first_transposed),
            forward: Arc::new(forward),
            offsets: Arc::new(offsets),
        }
    }

    /// The same network with other objectives.
    pub fn with(&self, objectives: Objectives<F>, deployed: Deployed) -> Bounder<F> {
        Bounder { objectives, deployed, ..self.clone() }
    }

    /// The whole box with every disjunct open.
    pub fn root(&self, low: Vec<F>, high: Vec<F>) -> Part<F> {
        let open = (0..self.objectives.disjuncts.len() as u32).collect();
        let facts = Arc::new(Facts::nothing(&self.chain));
        Part { low, high, phases: Vec::new(), facts, open, bound: f64::INFINITY, share: 1.0 }
    }

    /// Where hidden layer `k` starts in [`Facts::low`], and where it ends.
    pub(super) fn span(&self, k: usize) -> std::ops::Range<usize> {
        self.offsets[k]..self.offsets[k + 1]
    }

    /// Neurons that have lines: all hidden ones above the first layer.
    pub(super) fn lined(&self) -> usize {
        self.offsets[self.offsets.len() - 1] - self.offsets.get(1).copied().unwrap_or(0)
    }

    /// Bounds `part` and says what to do next.
    pub fn bound(&self, part: &Part<F>, ws: &mut Workspace<F>) -> Outcome<F> {
        self.load(part, ws);
        if !self.concretise(part, ws) || !self.refresh(ws) {
            return Outcome::Closed { margin: f64::INFINITY };
        }
        self.bound_objectives(part, ws);
        let (open, worst) = match self.decide(part, ws) {
            Verdict::Closed(margin) => return Outcome::Closed { margin },
            Verdict::Open(open, worst) => (open, worst),
        };
        if self.rounding_decides(worst, ws) {
            return Outcome::Exhausted { bound: worst };
        }
        match branch::choose(self, part, ws) {
            Some(choice) => Outcome::Split(Box::new(self.split(part, ws, open, worst, choice))),
            None => Outcome::Exhausted { bound: worst },
        }
    }

    /// True if the network at `point` comes within rounding of satisfying a disjunct.
    pub fn is_candidate(&self, point: &[f64]) -> bool {
        let x: Vec<F> = point.iter().map(|&x| F::from_f64(x)).collect();
        let mut below = x.clone();
        for (layer, packed) in self.chain.layers.iter().zip(self.forward.iter()) {
            let mut values: Vec<F> = layer.bias.iter().map(|&b| F::from_f64(b)).collect();
            packed.multiply_add(&below, &mut values, 1, false);
            for (v, &s) in values.iter_mut().zip(&layer.slope) {
                *v = if *v < F::ZERO { *v * s } else { *v };
            }
            below = values;
        }
        let near = |r: usize| {
            let row = &self.objectives.rows[r];
            let terms = row.outputs.iter().zip(&below).chain(row.inputs.iter().zip(&x));
            let (mut value, mut size) = (row.constant, row.constant.abs());
            for (c, y) in terms {
                value += c.to_f64() * y.to_f64();
                size += (c.to_f64() * y.to_f64()).abs();
            }
            value >= -1e3 * F::UNIT * size
        };
        self.objectives.disjuncts.iter().any(|rows| rows.iter().all(|&r| near(r)))
    }

    /// Roughly the memory of one open part, in bytes.
    pub fn part_size(&self) -> u64 {
        let hidden = self.offsets[self.offsets.len() - 1];
        ((hidden + self.lined() * (self.chain.inputs + 1) + 2 * self.chain.inputs) * size_of::<F>()) as u64 + 256
    }

    fn load(&self, part: &Part<F>, ws: &mut Workspace<F>) {
        ws.facts = Some((*part.facts).clone());
        ws.low = part.low.iter().map(|x| x.to_f64()).collect();
        ws.high = part.high.iter().map(|x| x.to_f64()).collect();
        ws.layers.resize_with(self.chain.layers.len(), Reduced::default);
        ws.input_live = (0..self.chain.inputs as u32).collect();
        ws.input_value.reset(padded(self.chain.inputs));
        for (m, (l, h)) in ws.input_value.iter_mut().zip(part.low.iter().zip(&part.high)) {
            *m = l.abs().max(h.abs());
        }
    }

    /// Intervals from the first layer's weights and from inherited lines on this box; false if one is empty.
    fn concretise(&self, part: &Part<F>, ws: &mut Workspace<F>) -> bool {
        let facts = ws.facts.as_mut().expect("loaded");
        let dims = self.chain.inputs;
        let hidden = facts.low.len();
        ws.value.resize(hidden.max(1), F::ZERO);
        ws.scale.resize(hidden.max(1), F::ZERO);
        let relative = gamma::<F>(dims + 4) * 1.01 + 4.0 * F::UNIT;
        if let Some(first) = self.chain.hidden().first() {
            let n = first.neurons;
            for negate in [false, true] {
                rows::concretise(&self.first_transposed, n, &part.low, &part.high, negate, &mut ws.value, &mut ws.scale);
                for j in 0..n {
                    // The stored bias is rounded to F, the deployed network errs by its own share of the magnitude.
                    let size = ws.scale[j].to_f64() + first.bias_magnitude[j];
                    let deployed = self.deployed.error(first.terms, size);
                    let error = (relative * ws.scale[j].to_f64() + deployed) * 1.001 + first.bias_error[j] + F::TINY * (dims + 2) as f64;
                    meet(facts, j, negate, ws.value[j].to_f64(), error);
                }
            }
        }
        let (n, first) = (self.lined(), hidden - self.lined());
        let slack = (F::from_f64_up(relative), F::from_f64_up(F::TINY * (2 * dims + 4) as f64));
        for lower in [false, true] {
            let Facts { low, high, lower: below, upper: above } = &mut *facts;
            let (lines, ends) = if lower { (below, low) } else { (above, high) };
            rows::concretise(lines, n, &part.low, &part.high, lower, &mut ws.value, &mut ws.scale);
            rows::meet_ends(&mut ends[first..], &ws.value, &ws.scale, slack.0, slack.1, lower);
        }
        ws.fixed.clear();
        ws.fixed.resize(hidden, false);
        for phase in &part.phases {
            let j = self.span(phase.layer as usize).start + phase.neuron as usize;
            ws.fixed[j] = true;
            match phase.active {
                true => facts.low[j] = facts.low[j].max(F::ZERO),
                false => facts.high[j] = facts.high[j].min(F::ZERO),
            }
        }
        facts.low.iter().zip(&facts.high).all(|(l, h)| l <= h)
    }

    /// True if the allowance for rounding is a large part of the bound that is left: a wider type is the better split.
    fn rounding_decides(&self, worst: f64, ws: &Workspace<F>) -> bool {
        let error = ws.form_errors.iter().copied().fold(0.0, f64::max);
        F::UNIT > f64::EPSILON && worst < 4.0 * error
    }

    fn split(&self, part: &Part<F>, ws: &mut Workspace<F>, open: Vec<u32>, bound: f64, choice: Choice<F>) -> [Part<F>; 2] {
        let facts = Arc::new(ws.facts.take().expect("loaded"));
        let child = |side: bool| {
            let mut child = Part {
                low: part.low.clone(),
                high: part.high.clone(),
                phases: part.phases.clone(),
                facts: facts.clone(),
                open: open.clone(),
                bound,
                share: 0.5 * part.share,
            };
            match choice {
                Choice::Input { dimension, at } if side => child.low[dimension] = at,
                Choice::Input { dimension, at } => child.high[dimension] = at,
                Choice::Neuron { layer, neuron } => child.phases.push(Phase { layer, neuron, active: side }),
            }
            child
        };
        [child(false), child(true)]
    }
}

/// What the objectives' bounds say.
pub(super) enum Verdict {
    /// All disjuncts are excluded, the worst by this margin.
    Closed(f64),
    /// Disjuncts still open, and the worst bound.
    Open(Vec<u32>, f64),
}

/// Intersects interval `j` with a computed end that may be wrong by `error`. NaN improves nothing.
#[inline]
fn meet<F: Kernel>(facts: &mut Facts<F>, j: usize, lower: bool, end: f64, error: f64) {
    if lower {
        let low = F::from_f64_down((end - error).next_down());
        if low > facts.low[j] {
            facts.low[j] = low;
        }
    } else {
        let high = F::from_f64_up((end + error).next_up());
        if high < facts.high[j] {
            facts.high[j] = high;
        }
    }
}
