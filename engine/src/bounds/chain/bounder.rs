//! Bounding one part of the input set: inherited facts, fresh lines for unstable neurons, objectives, the next split.

use std::sync::Arc;

use super::branch::{self, Choice};
use super::layer::Reduced;
use super::workspace::Workspace;
use super::{Chain, Facts, Objectives, Phase};
use crate::bounds::Deployed;
use crate::kernels::{Kernel, Packed, padded, rows};
use crate::numerics::rounding::gamma;
use crate::proof::NodeId;

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
    /// By how much, relatively, the ends of an interval must cross before a part counts as empty. 0 unless the checker has
    /// seen an interval of a sliver differently: there the objectives decide.
    pub least_crossing: f64,
    first_transposed: Arc<Vec<F>>,
    /// Absolute part of the first layer's errors per neuron: constants, their share of the deployed error, underflow.
    first_error: Vec<F>,
    /// Absolute part of the errors of lines taken over a box: underflow.
    lined_error: Vec<F>,
    pub(super) forward: Arc<Vec<Packed<F>>>,
    /// `W` of every layer by columns and by rows, padded, for one point at a time.
    pub(super) columns: Arc<Vec<Vec<F>>>,
    pub(super) rows: Arc<Vec<Vec<F>>>,
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
    /// The greatest (least negative) value of a disjunct that the network itself took at a point of the parent.
    pub promise: f64,
    /// The part's share of the whole box.
    pub share: f64,
    /// The least margin of what has been excluded above it.
    pub margin: f64,
    /// Its node in the certificate.
    pub node: NodeId,
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
            promise: self.promise,
            share: self.share,
            margin: self.margin,
            node: self.node,
        }
    }
}

/// What bounding a part led to.
#[derive(Clone, Debug)]
pub enum Outcome<F> {
    /// No counterexample inside; `margin` is by how much the worst disjunct is excluded.
    Closed {
        /// Distance from zero of the worst bound here and above; infinite for an empty part of a box on which nothing was excluded.
        margin: f64,
    },
    /// Still open: the parts to look at next.
    Split(Box<[Part<F>; 2]>),
    /// Still open, and rounding in `F` is what is in the way, or nothing is left to split.
    Exhausted {
        /// The worst bound.
        bound: f64,
        /// The part.
        part: Box<Part<F>>,
    },
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
        let columns = chain.layers.iter().map(|l| padded_rows(l.below, l.neurons, |i, j| l.weights[j * l.below + i])).collect();
        let rows = chain.layers.iter().map(|l| padded_rows(l.neurons, l.below, |j, i| l.weights[j * l.below + i])).collect();
        let mut bounder = Bounder {
            first_error: Vec::new(),
            lined_error: Vec::new(),
            chain: Arc::new(chain),
            objectives,
            deployed,
            neuron_split_below: 15,
            least_crossing: 0.0,
            first_transposed: Arc::new(first_transposed),
            forward: Arc::new(forward),
            columns: Arc::new(columns),
            rows: Arc::new(rows),
            offsets: Arc::new(offsets),
        };
        bounder.set_errors();
        bounder
    }

    /// The same network with other objectives.
    pub fn with(&self, objectives: Objectives<F>, deployed: Deployed) -> Bounder<F> {
        let mut bounder = Bounder { objectives, deployed, ..self.clone() };
        bounder.set_errors();
        bounder
    }

    fn set_errors(&mut self) {
        let first = &self.chain.layers[0];
        let underflow = F::TINY * (2 * self.chain.inputs + 4) as f64;
        let relative = self.deployed.relative(first.terms);
        let error = |j: usize| {
            let size = first.bias_magnitude[j] + self.deployed.underflow(first.terms);
            let own = if size < self.deployed.largest / 4.0 { relative * size } else { f64::INFINITY };
            // Also the bias rounded to F.
            F::from_f64_up((own + F::UNIT * first.bias[j].abs()) * 1.01 + first.bias_error[j] * 1.01 + underflow)
        };
        self.first_error = (0..first.neurons).map(error).collect();
        self.lined_error = vec![F::from_f64_up(underflow); self.lined()];
    }

    /// The whole box with every disjunct open.
    pub fn root(&self, low: Vec<F>, high: Vec<F>) -> Part<F> {
        let open = (0..self.objectives.disjuncts.len() as u32).collect();
        let facts = Arc::new(Facts::nothing(&self.chain));
        let (bound, promise, margin) = (f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY);
        Part { low, high, phases: Vec::new(), facts, open, bound, promise, share: 1.0, margin, node: 0 }
    }

    /// Where hidden layer `k` starts in [`Facts::low`], and where it ends.
    pub(super) fn span(&self, k: usize) -> std::ops::Range<usize> {
        self.offsets[k]..self.offsets[k + 1]
    }

    /// Neurons that have lines: all hidden ones above the first layer.
    pub(super) fn lined(&self) -> usize {
        self.offsets[self.offsets.len() - 1] - self.offsets.get(1).copied().unwrap_or(0)
    }

    /// Bounds `part` and says what to do next; if `eager`, also climbs towards a counterexample. What was proved is
    /// recorded in the workspace's log.
    pub fn bound(&self, mut part: Part<F>, eager: bool, ws: &mut Workspace<F>) -> Outcome<F> {
        ws.steps.clear();
        self.load(&mut part, ws);
        match self.judge(&mut part, eager, ws) {
            Judgement::Closed(margin) => {
                if let Some(log) = &ws.log {
                    log.end(part.node, ws.steps.bytes());
                }
                ws.recycle(part.facts);
                Outcome::Closed { margin }
            }
            Judgement::Split(worst, choice) => Outcome::Split(Box::new(self.split(part, ws, worst, choice))),
            Judgement::Exhausted(bound) => {
                ws.keep(&mut part.facts);
                Outcome::Exhausted { bound, part: Box::new(part) }
            }
        }
    }

    fn judge(&self, part: &mut Part<F>, eager: bool, ws: &mut Workspace<F>) -> Judgement<F> {
        if !self.concretise(part, ws) {
            ws.steps.empty();
            return Judgement::Closed(part.margin);
        }
        ws.steps.refresh_all();
        if !self.refresh(ws) {
            ws.steps.empty();
            return Judgement::Closed(part.margin);
        }
        if ws.late() {
            return Judgement::Exhausted(part.bound);
        }
        self.bound_objectives(part, ws);
        let worst = match self.decide(part, ws) {
            Verdict::Closed(margin) => {
                ws.steps.leaf();
                return Judgement::Closed(margin);
            }
            Verdict::Open(worst) => worst,
        };
        if self.rounding_decides(worst, ws) {
            return Judgement::Exhausted(worst);
        }
        self.clip_box(part, ws);
        if eager && ws.candidates.is_empty() {
            self.climb(ws);
        }
        match branch::choose(self, part, ws) {
            Some(choice) => Judgement::Split(worst, choice),
            None => Judgement::Exhausted(worst),
        }
    }

    /// Roughly the memory of one open part, in bytes.
    pub fn part_size(&self) -> u64 {
        let hidden = self.offsets[self.offsets.len() - 1];
        ((hidden + self.lined() * (self.chain.inputs + 1) + 2 * self.chain.inputs) * size_of::<F>()) as u64 + 256
    }

    pub(super) fn load(&self, part: &mut Part<F>, ws: &mut Workspace<F>) {
        match Arc::get_mut(&mut part.facts) {
            // Nobody else needs them: no copy. What the part gets in exchange is only memory.
            Some(own) => std::mem::swap(own, &mut ws.facts),
            None => ws.facts.clone_from(&part.facts),
        }
        for (ends, own) in [(&mut ws.low, &part.low), (&mut ws.high, &part.high)] {
            ends.clear();
            ends.extend(own.iter().map(|x| x.to_f64()));
        }
        ws.layers.resize_with(self.chain.layers.len(), Reduced::default);
        ws.input_live.clear();
        ws.input_live.extend(0..self.chain.inputs as u32);
        ws.input_value.reset(padded(self.chain.inputs));
        for (m, (l, h)) in ws.input_value.iter_mut().zip(part.low.iter().zip(&part.high)) {
            *m = l.abs().max(h.abs());
        }
    }

    /// Intervals from the first layer's weights and from inherited lines on this box; false if one is empty.
    pub(super) fn concretise(&self, part: &Part<F>, ws: &mut Workspace<F>) -> bool {
        let facts = &mut ws.facts;
        let dims = self.chain.inputs;
        let hidden = facts.low.len();
        ws.value.resize(hidden.max(1), F::ZERO);
        ws.scale.resize(hidden.max(1), F::ZERO);
        // Room for the rounding of the ends themselves is in the last term; see `rows::meet_ends`.
        let relative = gamma::<F>(dims + 4) * 1.01 + 6.0 * F::UNIT;
        if let Some(first) = self.chain.hidden().first() {
            let deployed = self.deployed.relative(first.terms);
            for lower in [false, true] {
                rows::concretise(&self.first_transposed, first.neurons, &part.low, &part.high, lower, &mut ws.value, &mut ws.scale);
                let ends = if lower { &mut facts.low } else { &mut facts.high };
                let reach = F::from_f64_up(relative + deployed * 1.01);
                let largest = ws.scale[..first.neurons].iter().fold(F::ZERO, |m, &x| m.max(x));
                if largest.to_f64() < self.deployed.largest / 4.0 {
                    rows::meet_ends(&mut ends[..first.neurons], &ws.value, &ws.scale, reach, &self.first_error, lower);
                }
            }
        }
        let (n, first) = (self.lined(), hidden - self.lined());
        for lower in [false, true] {
            let Facts { low, high, lower: below, upper: above } = &mut *facts;
            let (lines, ends) = if lower { (below, low) } else { (above, high) };
            rows::concretise(lines, n, &part.low, &part.high, lower, &mut ws.value, &mut ws.scale);
            rows::meet_ends(&mut ends[first..], &ws.value, &ws.scale, F::from_f64_up(relative), &self.lined_error, lower);
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
        !self.is_empty(&facts.low, &facts.high)
    }

    /// True if an interval is empty. NaN is no proof of anything, so it must not count as one.
    pub(super) fn is_empty(&self, low: &[F], high: &[F]) -> bool {
        let crossing = |l: F, h: F| l > h && l.to_f64() - h.to_f64() > self.least_crossing * (l.to_f64().abs() + h.to_f64().abs());
        low.iter().zip(high).any(|(&l, &h)| l > h && (self.least_crossing == 0.0 || crossing(l, h)))
    }

    /// Shrinks the part's box to the hull of what the facts leave of it.
    pub(super) fn clip_box(&self, part: &mut Part<F>, ws: &mut Workspace<F>) {
        let Some((low, high)) = &ws.hull else { return };
        let mut changed = false;
        for d in 0..low.len() {
            let (l, h) = (part.low[d].max(F::from_f64_down(low[d])), part.high[d].min(F::from_f64_up(high[d])));
            changed |= l != part.low[d] || h != part.high[d];
            (part.low[d], part.high[d]) = (l, h);
            (ws.low[d], ws.high[d]) = (l.to_f64(), h.to_f64());
        }
        if changed && ws.log.is_some() {
            ws.steps.clip(&ws.clips);
        }
    }

    /// True if the allowance for rounding is a large part of the bound that is left: a wider type is the better split.
    fn rounding_decides(&self, worst: f64, ws: &Workspace<F>) -> bool {
        let error = ws.form_errors.iter().copied().fold(0.0, f64::max);
        F::UNIT > f64::EPSILON && worst < error
    }

    /// Records the split and returns the first child's node; the second's is one more.
    fn record_split(&self, node: NodeId, choice: Choice<F>, ws: &mut Workspace<F>) -> NodeId {
        let Some(log) = &ws.log else { return 0 };
        match choice {
            Choice::Input { dimension, at } => ws.steps.split_input(dimension, at.to_f64()),
            Choice::Neuron { layer, neuron } => {
                let (activation, element) = self.chain.layers[layer as usize].origin[neuron as usize];
                ws.steps.split_neuron(activation as usize, element as usize);
            }
        }
        let first = log.children();
        log.split(node, ws.steps.bytes(), first);
        first
    }

    fn split(&self, mut part: Part<F>, ws: &mut Workspace<F>, bound: f64, choice: Choice<F>) -> [Part<F>; 2] {
        let first_node = self.record_split(part.node, choice, ws);
        ws.keep_or_share(&mut part.facts);
        part.open.clone_from(&ws.open);
        (part.bound, part.promise, part.share, part.margin) = (bound, ws.promise, 0.5 * part.share, ws.margin);
        let mut children = [part.clone(), part];
        children[0].node = first_node;
        children[1].node = first_node + 1;
        match choice {
            Choice::Input { dimension, at } => {
                children[0].high[dimension] = at;
                children[1].low[dimension] = at;
                // The half that holds the most promising point is looked at first, which is last on the stack.
                if ws.worst_point[dimension] < at.to_f64() {
                    children.reverse();
                }
            }
            Choice::Neuron { layer, neuron } => {
                children[0].phases.push(Phase { layer, neuron, active: false });
                children[1].phases.push(Phase { layer, neuron, active: true });
            }
        }
        children
    }
}

/// A matrix row by row, each row filled up with zeros to whole vectors.
fn padded_rows<F: Kernel>(rows: usize, width: usize, at: impl Fn(usize, usize) -> F) -> Vec<F> {
    let stride = padded(width);
    let mut matrix = vec![F::ZERO; rows * stride];
    for r in 0..rows {
        (0..width).for_each(|c| matrix[r * stride + c] = at(r, c));
    }
    matrix
}

/// What bounding a part says to do.
enum Judgement<F> {
    /// Proved, with this margin.
    Closed(f64),
    /// To be split; the worst bound.
    Split(f64, Choice<F>),
    /// Rounding is in the way, or nothing is left to split; the worst bound.
    Exhausted(f64),
}

/// What the objectives' bounds say.
pub(super) enum Verdict {
    /// All disjuncts are excluded, the worst by this margin.
    Closed(f64),
    /// Disjuncts are still open, in the workspace; the worst bound.
    Open(f64),
}
