//! Branch and bound on inputs by the checker's own steps: what is recorded has been accepted already.
//!
//! For networks whose searches in the engine leave no proof: smooth functions, products, max pools. The engine's bounds of these differ
//! from the checker's (other lines, optimised slopes), so that a tree of one is rarely one of the other. A part is the checker's state at
//! a node; every step that is written has been taken by the checker's [`Stepper`].

use checker::Semantics;
use checker::case::Prepared;
use checker::certificate::Cursor;
use checker::kernel::total;
use checker::plan::Plan;
use checker::relax::Relaxed;
use checker::rounding::Deployed;
use checker::rows::batch_rows;
use checker::state::{State, upper_end};
use checker::steps::{End, Split, Stepper};
use checker::tree::divide;

mod chosen;

use super::boxes::rows_of;
use super::forms::{Exclusion, Forms, Judgement};
use super::probe::{Probe, axis};
use super::tree::{Method, Step};
use crate::bounds::{Form, Network};
use crate::graph::NodeId;
use crate::ops::Ranges;
use crate::proof::{self, Fact, Log, Read, Steps};

/// A node that is open.
#[derive(Clone, Debug)]
pub struct Part {
    node: proof::NodeId,
    state: State,
    /// The parent's bound.
    bound: f64,
    /// How close the network came to a counterexample at the worst points of the parent's forms.
    promise: f64,
    /// The part's share of the whole box.
    share: f64,
    /// The least margin of what has been excluded above it.
    margin: f64,
    /// So many parts above in a row have gained little by slopes of their own.
    idle: u32,
}

/// One case on one network.
pub struct Checked<'a> {
    plan: &'a Plan,
    case: Prepared,
    deployed: Deployed,
    /// For each objective a disjunct and the place there, where it has one.
    places: Vec<Option<(usize, usize)>>,
    /// The objectives and the search for counterexamples.
    pub probe: Probe<'a>,
    /// Where the proof is recorded.
    pub log: &'a Log,
    /// The network as the engine's bounds see it.
    pub network: &'a Network<'a>,
    /// For each activation the scalar node that is the same to the engine, if there is one.
    twins: Vec<Option<NodeId>>,
    /// Inputs may be split; otherwise the whole box has to do.
    pub splits: bool,
    /// Says when to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// How hard a node's facts are tightened before its disjuncts are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Effort {
    /// What is inherited, over the node's own box.
    Inherited,
    /// Interval arithmetic, layer by layer.
    Intervals,
    /// Fresh lines of all elements of open sign.
    Lines,
    /// Both in turns, layer by layer.
    Layers,
}

/// Clipping is recorded where it takes away this share of some input's range.
const LEAST_CLIP: f64 = 1.0 / 64.0;

/// Parts in a row that have gained little by slopes of their own, after which slopes are left alone below.
const MOST_IDLE: u32 = 2;

/// A node under way.
struct Node<'s, 'p> {
    stepper: &'s mut Stepper<'p>,
    state: State,
    steps: Steps,
}

impl<'a> Checked<'a> {
    /// The case of this number; none where the checker does not take it.
    pub fn new(
        (read, number): (&'a Read, usize),
        (network, semantics): (&'a Network<'a>, Semantics),
        probe: Probe<'a>,
        log: &'a Log,
        splits: bool,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Option<Checked<'a>> {
        let plan = read.plan().ok()?;
        let deployed = Deployed::new(semantics, plan.double);
        let case = Prepared::new(read.query.cases.get(number)?, plan, semantics, deployed).ok()?;
        let objectives = probe.objectives;
        let alike =
            case.cuts.len() == objectives.cuts.len() && case.disjuncts.iter().map(Vec::len).eq(objectives.disjuncts.iter().map(Vec::len));
        let mut places = vec![None; objectives.rows.len()];
        for (d, rows) in objectives.disjuncts.iter().enumerate() {
            rows.iter().enumerate().for_each(|(i, &r)| places[r] = Some((d, i)));
        }
        let twins = chosen::twins(plan, network.graph);
        alike.then_some(Checked { plan, case, deployed, places, probe, log, network, twins, splits, stop })
    }

    /// The open nodes of the log, with what the steps above them show; none if these steps are not those of this case.
    pub fn starts(&self) -> Option<Vec<Part>> {
        let mut stepper = self.workspace();
        let state = self.case.root(&mut stepper.relaxed, &mut stepper.batch);
        let mut stack =
            vec![Part { node: 0, state, bound: f64::INFINITY, promise: f64::NEG_INFINITY, share: 1.0, margin: f64::INFINITY, idle: 0 }];
        let mut open = Vec::new();
        while let Some(mut part) = stack.pop() {
            let Some((mut steps, first)) = self.log.inner(part.node).ok()? else {
                open.extend(self.log.is_open(part.node).then_some(part));
                continue;
            };
            // The length of the first child is not recorded.
            steps.push(0);
            let mut cursor = Cursor::new(&steps[..], 0, steps.len());
            let Ok(End::Split(split, _)) = stepper.node(&mut cursor, &self.case, true, &mut part.state) else { return None };
            stack.extend(self.children(part, split, first).into_iter().rev());
        }
        Some(open)
    }

    /// The children of a part that has been split.
    fn children(&self, part: Part, split: Split, first: proof::NodeId) -> [Part; 2] {
        let mut low = Part { node: first, share: 0.5 * part.share, ..part };
        let mut high = Part { node: first + 1, ..low.clone() };
        divide(self.plan, split, &mut low.state, &mut high.state);
        [low, high]
    }

    /// What is tried at a node, one after the other.
    fn efforts(&self, node: proof::NodeId) -> &'static [Effort] {
        match self.plan.lined {
            _ if node == 0 => &[Effort::Intervals, Effort::Layers],
            true => &[Effort::Inherited, Effort::Lines],
            false => &[Effort::Intervals, Effort::Lines],
        }
    }

    /// Upper forms of the open disjuncts' objectives and of the cuts, by sweeps over the node's present facts.
    fn forms(&self, node: &mut Node) -> Forms {
        let (objectives, Node { stepper, state, .. }) = (self.probe.objectives, node);
        let Stepper { relaxed, batch, .. } = &mut **stepper;
        let mut forms: Vec<Option<Form<f64>>> = objectives.rows.iter().map(|_| None).collect();
        let form = |v: &[f64], constant: f64, error: f64| {
            let bound = upper_end(v, constant, &state.low, &state.high);
            // What is not finite says nothing.
            Some(Form { coefficients: v.to_vec(), constant, error, bound }).filter(|f| f.bound.is_finite())
        };
        for (&r, cut) in objectives.cuts.iter().zip(&self.case.cuts) {
            forms[r] = form(&cut.0, cut.1, 0.0);
        }
        relaxed.prepare(self.plan.nodes.len(), state);
        let open: Vec<usize> = state.open.iter().map(|&d| d as usize).collect();
        let mut rows = rows_of(objectives, &open);
        rows.retain(|r| !objectives.cuts.contains(r));
        for chunk in rows.chunks(batch_rows(relaxed)) {
            batch.start(chunk.len(), self.plan.nodes.len());
            for (at, (d, i)) in chunk.iter().enumerate().filter_map(|(at, &r)| Some((at, self.places[r]?))) {
                self.case.disjuncts[d][i].start(relaxed, batch, at, state);
            }
            batch.descend(relaxed);
            for (at, &r) in chunk.iter().enumerate() {
                let (v, constant) = batch.form(at);
                forms[r] = form(v, constant, total(&batch.errors[at]));
            }
        }
        Forms { forms }
    }

    /// Drops what the forms exclude, as far as the checker agrees; says what is left.
    fn judge(&self, node: &mut Node) -> Judgement {
        node.stepper.settle(&mut node.state);
        if node.state.void {
            return Judgement { margin: f64::INFINITY, ..Judgement::default() };
        }
        let region = Ranges { low: node.state.low.clone(), high: node.state.high.clone() };
        let forms = self.forms(node);
        let open: Vec<usize> = node.state.open.iter().map(|&d| d as usize).collect();
        let judgement = forms.judge(self.probe.objectives, &open, &region);
        for (d, exclusion) in &judgement.excluded {
            let mut step = Steps::default();
            let rows = self.probe.objectives.disjuncts[*d].len();
            match exclusion {
                Exclusion::Alone(i) if *i < rows => step.drop_row(*d, *i),
                Exclusion::Alone(i) => step.drop_combined(*d, std::iter::once((fact(*i, rows), 1.0))),
                Exclusion::Joint(weights) => step.drop_combined(*d, facts(weights, rows)),
                Exclusion::Clipped(weights) => step.drop_clipped(*d, facts(weights, rows)),
            }
            node.take(&step, &self.case);
        }
        judgement
    }

    /// Intervals that change nothing are not recorded.
    fn tighten(&self, effort: Effort, node: &mut Node) {
        if effort == Effort::Lines {
            let mut step = Steps::default();
            step.refresh_all();
            return node.take(&step, &self.case);
        }
        if effort == Effort::Inherited {
            return;
        }
        for activation in (0..self.plan.activations.len()).take_while(|_| !(self.stop)()) {
            self.take_intervals(activation, node);
            if effort == Effort::Layers {
                self.take_lines(activation, node);
            }
        }
    }

    fn take_intervals(&self, activation: usize, node: &mut Node) {
        let mut step = Steps::default();
        step.refresh_by_intervals(activation);
        let place = &self.plan.activations[activation];
        let ends = |state: &State| [&state.below, &state.above].map(|ends| ends[place.start..][..place.len].to_vec());
        let (before, written) = (ends(&node.state), node.steps.bytes().len());
        node.take(&step, &self.case);
        if before == ends(&node.state) {
            node.steps.cut(written);
        }
    }

    /// Fresh lines of the elements of an activation that intervals leave open; as many as a step for all layers would choose.
    fn take_lines(&self, activation: usize, node: &mut Node) {
        let place = &self.plan.activations[activation];
        node.stepper.settle(&mut node.state);
        let elements = node.stepper.open_elements(activation, &node.state);
        if !elements.is_empty() {
            let mut step = Steps::default();
            step.refresh_some(activation, place.len, elements.iter().map(|&j| j as usize));
            node.take(&step, &self.case);
        }
    }

    /// Shrinks the box to what the facts leave of it, where that is worth a step.
    fn clip(&self, judgement: &Judgement, node: &mut Node) {
        let (state, left) = (&node.state, &judgement.left);
        let less = |d: usize| (left.high[d] - left.low[d]) < (1.0 - LEAST_CLIP) * (state.high[d] - state.low[d]);
        let same = judgement.open.iter().map(|&d| d as u32).eq(state.open.iter().copied());
        if !same || !(0..left.len()).any(less) {
            return;
        }
        let mut lists = Steps::default();
        for (&d, weights) in judgement.open.iter().zip(&judgement.weights) {
            lists.weights(facts(weights, self.probe.objectives.disjuncts[d].len()));
        }
        let mut step = Steps::default();
        step.clip(&lists);
        node.take(&step, &self.case);
    }

    /// Ends a node of which nothing is open.
    fn close(&self, id: proof::NodeId, mut node: Node, margin: f64) -> Step<Part> {
        node.steps.leaf();
        self.log.end(id, node.steps.bytes());
        Step::Closed { margin }
    }

    /// Two halves of what is left of the box, cut where the open forms vary most.
    fn split(&self, judgement: Judgement, node: Node, part: Part) -> Step<Part> {
        let Node { state, mut steps, .. } = node;
        let bound = judgement.worst.min(part.bound);
        let left = Ranges { low: state.low.clone(), high: state.high.clone() };
        let before = Ranges { low: part.state.low.clone(), high: part.state.high.clone() };
        let Some(d) = axis(&judgement.reach, &before, &left, self.probe.whole).filter(|_| self.splits) else {
            return Step::Stuck { bound, part };
        };
        let at = 0.5 * left.low[d] + 0.5 * left.high[d];
        steps.split_input(d, at);
        let first = self.log.children();
        self.log.split(part.node, steps.bytes(), first);
        Step::Split(self.children(Part { state, bound, ..part }, Split::Input(d, at), first).into())
    }
}

impl Node<'_, '_> {
    /// Takes a step and records it, if the checker accepts it.
    fn take(&mut self, step: &Steps, case: &Prepared) {
        let mut cursor = Cursor::new(step.bytes(), 0, step.bytes().len());
        if let Ok(None) = self.stepper.step(&mut cursor, case, false, &mut self.state) {
            self.steps.resume(step.bytes());
        }
    }

    fn is_closed(&self) -> bool {
        self.state.void || self.state.open.is_empty()
    }
}

/// A disjunct's facts as a certificate names them: its rows, then the cuts.
fn fact(i: usize, rows: usize) -> Fact {
    i.checked_sub(rows).map_or(Fact::Row(i), Fact::Cut)
}

fn facts(weights: &[f64], rows: usize) -> impl Iterator<Item = (Fact, f32)> + '_ {
    weights.iter().enumerate().map(move |(i, &weight)| (fact(i, rows), weight as f32))
}

impl<'a> Method for Checked<'a> {
    type Part = Part;
    type Workspace = Stepper<'a>;

    fn workspace(&self) -> Stepper<'a> {
        Stepper::new(Relaxed::new(self.plan, self.deployed))
    }

    fn forget(&self, stepper: &mut Stepper<'a>) {
        stepper.begin();
    }

    fn bound(&self, part: Part, eager: bool, stepper: &mut Stepper<'a>) -> Step<Part> {
        stepper.begin();
        let mut node = Node { stepper, state: part.state.clone(), steps: Steps::default() };
        let (mut judgement, mut margin) = (Judgement::default(), part.margin);
        for &effort in self.efforts(part.node) {
            if (self.stop)() {
                return Step::Stuck { bound: part.bound, part };
            }
            self.tighten(effort, &mut node);
            judgement = self.judge(&mut node);
            margin = margin.min(judgement.margin);
            if node.is_closed() {
                return self.close(part.node, node, margin);
            }
        }
        let mut idle = part.idle;
        if idle < MOST_IDLE {
            let gains = self.choose(&mut judgement, &mut node);
            idle = if gains { 0 } else { idle + 1 };
            margin = margin.min(judgement.margin);
            if node.is_closed() {
                return self.close(part.node, node, margin);
            }
        }
        let (promise, witness) = self.probe.look_at(&judgement, eager);
        if let Some(point) = witness {
            return Step::Witness(point);
        }
        self.clip(&judgement, &mut node);
        if node.is_closed() {
            return self.close(part.node, node, margin.min(0.0));
        }
        self.split(judgement, node, Part { promise, margin, idle, ..part })
    }

    fn urgency(&self, part: &Part) -> f64 {
        part.bound
    }

    fn promise(&self, part: &Part) -> f64 {
        part.promise
    }

    fn share(&self, part: &Part) -> f64 {
        part.share
    }

    fn assault(&self, effort: u32, _: &mut Stepper<'a>) -> Option<Vec<f64>> {
        self.probe.assault(effort)
    }

    fn part_size(&self) -> u64 {
        let (elements, inputs) = (self.plan.elements as u64, self.plan.inputs as u64);
        let lines = if self.plan.lined { 16 * elements * (inputs + 1) } else { 0 };
        lines + 17 * elements + 16 * inputs
    }
}
