//! Networks that the chain engine does not take: bounds of the whole box in steps of growing cost, a longer attack,
//! and branch and bound on inputs where few of them vary.

mod by_checker;
mod record;

pub use record::Record;

use checker::Semantics;

use super::attack::{Attack, Effort};
use super::boxes::{Boxes, Part, rows_of};
use super::cases::{CaseOutcome, Solver};
use super::checked::Checked;
use super::forms::{Judgement, bound_rows};
use super::neurons::{CHAIN_ROUNDS, GRAPH_ROUNDS, Left, Neurons, Round, SECOND_ROUNDS, resumed};
use super::probe::{AttackPart, Probe};
use super::tree::{self, End, Method};
use super::{Reason, SemanticsChoice, Statistics, problem};
use crate::bounds::chain::{Chain, Objectives};
use crate::bounds::neurons::{GraphRows, Layers, Relaxed};
use crate::bounds::{Network, Plan, Relaxation};
use crate::graph::Element;
use crate::numerics::Interval;
use crate::ops::{Operation, Ranges, Working};
use crate::proof::{Fact, Log, Steps};
use crate::query::Case;

/// Slope steps for rows of objectives at the root, and for rows of nodes.
const STEPS: usize = 20;
/// Slope steps for rows of objectives in a part.
const PART_STEPS: usize = 6;
/// Inputs are split where at most so many of them vary.
const MOST_SPLIT_INPUTS: usize = 64;
/// Backward rows that take so many times the multiplications of a forward pass are dear: then parts get forward bounds first.
const DEAR_ROWS: f64 = 100.0;
/// Multiplications per second and thread that effort is planned with.
const SPEED: f64 = 1e10;
/// Seconds to plan for where there is no limit.
const UNLIMITED: f64 = 600.0;

/// Decides a case; `chain` is the network as dense layers, where it is one.
pub fn decide(
    solver: &Solver,
    chain: Option<&Chain<f32>>,
    case: &Case,
    first: usize,
    semantics: Semantics,
    record: Option<Record>,
    statistics: &mut Statistics,
) -> CaseOutcome {
    if solver.begun.is_some() && record.is_some_and(|record| !record.log.has_gaps()) {
        // Only what is open is proved again.
        return CaseOutcome::Proved(f64::INFINITY);
    }
    let network = Network::new(solver.network, problem::deployed(semantics, solver.network.element));
    let root = Root::new(solver, &network, case, first, semantics, record);
    let chain = chain.and_then(|chain| root.chain_rows(chain));
    let by_neurons = chain.and_then(|rows| root.decide_neurons(Box::new(rows), &CHAIN_ROUNDS, statistics));
    let recorded = || {
        root.record.and_then(|record| {
            let alike = solver.config.record.as_ref()?.read().ok()?.plan().is_ok_and(is_piecewise_linear);
            let plainly = if alike && !root.forward_pays() { root.decide_plainly(record.log, statistics) } else { None };
            // Where few inputs vary and rows are dear, trees of neurons are dearer still.
            let by_neurons = || if root.forward_pays() { None } else { root.decide_recorded(statistics) };
            plainly.or_else(by_neurons).or_else(|| root.decide_checked(record, statistics))
        })
    };
    match by_neurons.or_else(recorded) {
        Some(outcome) => outcome,
        None => root.decide(statistics),
    }
}

struct Root<'a> {
    solver: &'a Solver<'a>,
    case: &'a Case,
    first: usize,
    semantics: Semantics,
    network: &'a Network<'a>,
    region: Ranges,
    single: Objectives<f32>,
    double: Objectives<f64>,
    record: Option<Record<'a>>,
}

impl<'a> Root<'a> {
    fn new(
        solver: &'a Solver<'a>,
        network: &'a Network<'a>,
        case: &'a Case,
        first: usize,
        semantics: Semantics,
        record: Option<Record<'a>>,
    ) -> Root<'a> {
        let (low, high) = problem::region_box(case, semantics, solver.network.element);
        Root {
            solver,
            case,
            first,
            semantics,
            network,
            region: Ranges { low, high },
            single: problem::objectives(case, solver.network, semantics),
            double: problem::objectives(case, solver.network, semantics),
            record,
        }
    }
}

/// True if every node is affine, a hinge or a maximum to the checker: then its lines are the engine's.
fn is_piecewise_linear(plan: &checker::plan::Plan) -> bool {
    use checker::plan::Step::{Affine, Constant, Hinge, Input, Joined, Maximum};
    plan.nodes.iter().all(|node| matches!(node.step, Joined | Input(_) | Constant(_) | Affine(_) | Hinge(..) | Maximum(..)))
}

/// False where an input varies by no more than what rounding its decimal numbers takes.
fn is_worth_splitting(x: Interval) -> bool {
    x.high - x.low > 8.0 * f64::from(f32::EPSILON) * x.magnitude()
}

impl Root<'_> {
    /// The chain over the box, if it has hidden layers of ReLUs.
    fn chain_rows<'c>(&self, chain: &'c Chain<f32>) -> Option<Layers<'c, f32>> {
        if chain.hidden().is_empty() { None } else { Layers::new(chain, &self.region, self.network.deployed) }
    }

    /// The graph over the box with optimised slopes, if it is one of affine operators and ReLUs.
    fn graph_rows(&self) -> Option<GraphRows<'_, f32>> {
        let stop = || self.solver.stopped();
        let plan = Plan { steps: STEPS, threads: self.solver.config.threads, most_work: self.budget(), ..Plan::crown(&stop) };
        GraphRows::new(Relaxation::planned(self.network, &self.region, plan))
    }

    /// By intervals, or one CROWN sweep of every row, from the whole box, as the checker makes them too; not again where it has refused that.
    fn decide_plainly(&self, log: &Log, statistics: &mut Statistics) -> Option<CaseOutcome> {
        let solver = self.solver;
        let stop = || solver.stopped();
        let all: Vec<usize> = (0..self.double.disjuncts.len()).collect();
        for refresh in [false, true].into_iter().filter(|_| solver.begun.is_none()) {
            let judged = match (refresh, solver.network.element) {
                (true, Element::F32) => self.bound::<f32>(&all, 0).0,
                (true, _) => self.bound::<f64>(&all, 0).0,
                (false, _) => {
                    let relaxation = Relaxation::<f64>::planned(self.network, &self.region, Plan { rows: false, ..Plan::crown(&stop) });
                    bound_rows(&relaxation, &self.double, &rows_of(&self.double, &all), 0, &stop).judge(&self.double, &all, &self.region)
                }
            };
            if solver.stopped() {
                return None;
            }
            if judged.open.is_empty() {
                self.record_plainly(log, refresh);
                statistics.subproblems += 1;
                statistics.method = "bounds of the whole box".into();
                return Some(CaseOutcome::Proved(judged.margin));
            }
        }
        None
    }

    /// Intervals, fresh lines if `refresh`, and every row of every disjunct with default slopes.
    fn record_plainly(&self, log: &Log, refresh: bool) {
        let bends = |node: &&crate::graph::Node| matches!(node.operation, Operation::Scalar(_) | Operation::General(_));
        let mut steps = Steps::default();
        (0..self.network.graph.nodes.iter().filter(bends).count()).for_each(|activation| steps.refresh_by_intervals(activation));
        if refresh {
            steps.refresh_all();
        }
        let rows = |d: usize| self.double.disjuncts[d].len();
        let (single, joint): (Vec<usize>, Vec<usize>) = (0..self.double.disjuncts.len()).partition(|&d| rows(d) == 1);
        single.iter().for_each(|&d| steps.drop_row(d, 0));
        let mut node = 0;
        for &d in &joint {
            steps.split_disjuncts(d);
            let first = log.children();
            log.split(node, steps.bytes(), first);
            steps.clear();
            (0..rows(d)).for_each(|row| steps.narrow(true, std::iter::once((Fact::Row(row), 1.0)), &[]));
            steps.empty();
            log.end(first, steps.bytes());
            steps.clear();
            node = first + 1;
        }
        steps.leaf();
        log.end(node, steps.bytes());
    }

    /// By trees of neuron splits from bounds that the checker derives as well: what cheaper methods prove is not recorded.
    fn decide_recorded(&self, statistics: &mut Statistics) -> Option<CaseOutcome> {
        let stop = || self.solver.stopped();
        let plan = Plan { threads: self.solver.config.threads, ..Plan::crown(&stop) };
        let rows = GraphRows::<f32>::new(Relaxation::planned(self.network, &self.region, plan))?;
        self.decide_neurons(Box::new(rows), &GRAPH_ROUNDS, statistics)
    }

    /// By trees of neuron splits, with attacks in between; none where the query is not of their kind.
    fn decide_neurons(
        &self,
        mut layers: Box<dyn Relaxed<f32> + Sync + '_>,
        rounds: &[Round],
        statistics: &mut Statistics,
    ) -> Option<CaseOutcome> {
        let (solver, semantics) = (self.solver, self.semantics);
        let recorder = self.record.map(|record| record.recorder(solver, rounds));
        let (mut rounds, mut open, mut begun) = (rounds.to_vec(), (0..self.single.disjuncts.len()).collect(), &[][..]);
        if let Some(known) = self.record.and_then(|record| record.known) {
            layers.inherit(known);
            (open, begun) = (known.open.clone(), &known.trees);
            // What is known of neurons is used before it is improved: more so if it has been enough for some disjuncts.
            let trust = if open.len() < self.single.disjuncts.len() { 10 } else { 1 };
            let grown = known.trees.iter().map(|tree| tree.nodes()).max().unwrap_or(0);
            rounds = resumed(&rounds, grown, trust * rounds[0].nodes);
        }
        let mut neurons = Neurons { solver, layers, rounds: &rounds, objectives: &self.single, recorder, begun };
        let (mut found, mut evaluations) = (None, 0);
        let mut left = neurons.exclude(open, statistics, &mut |round, left| {
            let mut effort = Statistics::default();
            found = self.long_attack(&left.open, &left.points, 1 << (2 * round), &mut effort);
            evaluations += effort.evaluations;
            found.is_some()
        })?;
        statistics.evaluations += evaluations;
        if let Some(witness) = found {
            statistics.method = "attack".into();
            return Some(CaseOutcome::Refuted(witness));
        }
        if left.blurred && !solver.stopped() {
            left = self.again_in_double(&mut neurons, left, statistics);
        }
        statistics.method = "branch and bound on neurons".into();
        statistics.proved = left.proved;
        if let Some((record, recorder)) = self.record.zip(neurons.recorder) {
            record.keep(recorder, left.open.is_empty());
        }
        if left.open.is_empty() {
            return Some(CaseOutcome::Proved(left.margin));
        }
        if solver.stopped() {
            return Some(CaseOutcome::Open(solver.why_stopped(), Some(left.worst)));
        }
        if left.memory {
            return Some(CaseOutcome::Open(Reason::Memory, Some(left.worst)));
        }
        let (word, count, worst) = (semantics.word(), left.stuck, left.worst);
        let obstacle = if left.blurred { "are open only for rounding" } else { "have no neuron left to split" };
        let why = format!("{word}: {count} parts {obstacle}; the worst bound there is {worst:e}");
        Some(CaseOutcome::Open(Reason::Precision(why), Some(worst)))
    }

    /// Where rounding alone keeps disjuncts open: their trees once more, in `f64`, with the bounds of neurons as they are.
    fn again_in_double(&self, first: &mut Neurons<f32>, left: Left, statistics: &mut Statistics) -> Left {
        let stop = || self.solver.stopped();
        let Some(bounds) = first.layers.bounds() else { return left };
        let plan = Plan { inherited: Some(bounds), rows: false, ..Plan::crown(&stop) };
        let Some(rows) = GraphRows::<f64>::new(Relaxation::planned(self.network, &self.region, plan)) else { return left };
        let recorder = first.recorder.take();
        let mut second =
            Neurons { solver: self.solver, layers: Box::new(rows), rounds: &SECOND_ROUNDS, objectives: &self.double, recorder, begun: &[] };
        let open = left.open.clone();
        let again = second.exclude(open, statistics, &mut |_, _| false);
        first.recorder = second.recorder;
        match again {
            Some(again) => Left { margin: again.margin.min(left.margin), ..again },
            None => left,
        }
    }

    fn decide(&self, statistics: &mut Statistics) -> CaseOutcome {
        let all: Vec<usize> = (0..self.double.disjuncts.len()).collect();
        let mut left = Judgement { open: all, worst: f64::INFINITY, margin: f64::INFINITY, ..Judgement::default() };
        let single = self.solver.network.element == Element::F32;
        let (mut crown_work, mut swept) = (0.0f64, false);
        let varying = self.varying();
        if self.forward_pays() {
            statistics.subproblems += 1;
            left = self.bound_forward(&left.open);
            if !left.open.is_empty() && !self.solver.stopped() {
                if let Some(witness) = self.long_attack(&left.open, &left.points, 1, statistics) {
                    return CaseOutcome::Refuted(witness);
                }
                return self.search(left, true, statistics);
            }
        }
        for (double, steps) in [(false, 0), (true, 0), (false, STEPS)] {
            if swept && steps == 0 && !left.open.is_empty() && varying > MOST_SPLIT_INPUTS && !self.solver.stopped() {
                // Neurons are the better split, and their trees optimise slopes themselves.
                let rows = self.graph_rows();
                if let Some(outcome) = rows.and_then(|rows| self.decide_neurons(Box::new(rows), &GRAPH_ROUNDS, statistics)) {
                    return outcome;
                }
            }
            // What `f64` can gain is a matter of rounding; optimising the rows of nodes takes its time.
            let skip = match (double, steps) {
                (false, 0) => !single,
                (true, 0) => single && left.worst > 0.02 * (1.0 + left.reach.iter().sum::<f64>()),
                _ => crown_work * (2 * steps) as f64 > self.budget(),
            };
            if skip || left.open.is_empty() || self.solver.stopped() {
                continue;
            }
            if steps > 0
                && let Some(witness) = self.long_attack(&left.open, &left.points, 8, statistics)
            {
                return CaseOutcome::Refuted(witness);
            }
            statistics.subproblems += 1;
            let wide = double || !single;
            let (judged, work) = if wide { self.bound::<f64>(&left.open, steps) } else { self.bound::<f32>(&left.open, steps) };
            (crown_work, swept) = (crown_work.max(work), true);
            left = Judgement { margin: judged.margin.min(left.margin), worst: judged.worst.min(left.worst), ..judged };
        }
        statistics.method = "bounds of the whole box".into();
        if left.open.is_empty() {
            return CaseOutcome::Proved(left.margin);
        }
        if self.solver.stopped() {
            return CaseOutcome::Open(self.solver.why_stopped(), Some(left.worst));
        }
        if varying > MOST_SPLIT_INPUTS {
            let reason =
                format!("branch and bound for a network of this kind with more than {MOST_SPLIT_INPUTS} inputs that vary ({varying})");
            return CaseOutcome::Open(Reason::Unsupported(reason), Some(left.worst));
        }
        self.search(left, false, statistics)
    }

    /// True where few inputs vary and backward rows for all nodes that intervals leave loose would cost far more than a forward pass.
    fn forward_pays(&self) -> bool {
        let varying = (0..self.region.len()).filter(|&d| self.region.low[d] < self.region.high[d]).count();
        let pass = (varying + 2) as f64 * self.network.work.iter().sum::<f64>();
        varying <= MOST_SPLIT_INPUTS && Relaxation::<f64>::interval(self.network, &self.region).rows_work() > DEAR_ROWS * pass
    }

    /// Bounds of the whole box by a forward pass and backward rows of the objectives alone.
    fn bound_forward(&self, open: &[usize]) -> Judgement {
        let stop = || self.solver.stopped();
        let plan = Plan { rows: false, forward: true, ..Plan::crown(&stop) };
        let relaxation = Relaxation::<f64>::planned(self.network, &self.region, plan);
        bound_rows(&relaxation, &self.double, &rows_of(&self.double, open), 0, &stop).judge(&self.double, open, &self.region)
    }

    /// Bounds of the whole box in `F`, the objectives in `f64`; and the multiplications that the rows of nodes took.
    fn bound<F: Working>(&self, open: &[usize], steps: usize) -> (Judgement, f64) {
        let solver = self.solver;
        let stop = || solver.stopped();
        let threads = self.solver.config.threads;
        let plan = Plan { steps, threads, most_work: self.budget(), ..Plan::crown(&stop) };
        let rough = Relaxation::<F>::planned(self.network, &self.region, plan);
        let (work, bounds) = (rough.work, rough.bounds);
        let relaxation = Relaxation::<f64>::known(self.network, bounds);
        let mut forms = bound_rows(&relaxation, &self.double, &rows_of(&self.double, open), 0, &stop);
        let judged = forms.judge(&self.double, open, &self.region);
        if judged.open.is_empty() || self.solver.stopped() {
            return (judged, work);
        }
        forms.improve(bound_rows(&relaxation, &self.double, &rows_of(&self.double, &judged.open), STEPS, &stop));
        let sharper = forms.judge(&self.double, &judged.open, &self.region);
        (Judgement { margin: sharper.margin.min(judged.margin), ..sharper }, work)
    }

    /// Multiplications that all threads can do within a quarter of the time limit.
    fn budget(&self) -> f64 {
        let seconds = self.solver.config.timeout.map_or(UNLIMITED, |t| t.as_secs_f64());
        0.25 * seconds * SPEED * self.solver.config.threads as f64
    }

    /// A longer attack on disjuncts that bounds leave open, from the bounds' worst points on, at most `most` times.
    fn long_attack(&self, open: &[usize], points: &[Vec<f64>], most: u64, statistics: &mut Statistics) -> Option<Box<super::Witness>> {
        if !self.solver.config.attack {
            return None;
        }
        let per_evaluation = 3.0 * self.network.work.iter().sum::<f64>();
        let effort = Effort { restarts: 64.max(2 * open.len().min(64)), steps: 60 };
        // One round in any case unless it takes the whole time.
        let affordable = self.budget() / (per_evaluation * (effort.restarts * effort.steps) as f64);
        let rounds = if affordable < 0.25 { 0 } else { affordable.clamp(1.0, most as f64) as u64 };
        for round in 0..rounds {
            let starts = if round == 0 { points } else { &[] };
            let (point, evaluations) = self.attack(&self.region, open, starts, effort, most + round);
            statistics.evaluations += evaluations;
            if let Some(witness) = point.and_then(|p| self.solver.check(self.case, self.first, self.semantics, &p)) {
                statistics.method = "attack".into();
                return Some(Box::new(witness));
            }
        }
        None
    }

    /// One attack on some disjuncts in a box; also the number of evaluations.
    fn attack(&self, region: &Ranges, aims: &[usize], starts: &[Vec<f64>], effort: Effort, seed: u64) -> (Option<Vec<f64>>, u64) {
        let narrow = |v: &[f64]| v.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let (low, high) = (narrow(&region.low), narrow(&region.high));
        let starts: Vec<Vec<f32>> = starts.iter().map(|p| narrow(p)).collect();
        let seed = self.solver.config.seed.wrapping_add(seed);
        let attack = Attack { graph: self.solver.network, objectives: &self.single, low: &low, high: &high, seed, aims };
        let check = |x: &[f64]| self.solver.check(self.case, self.first, self.semantics, x).is_some();
        attack.run(effort, &starts, &check, &|| self.solver.stopped())
    }

    /// Branch and bound on inputs, with forward bounds of the parts or without.
    fn search(&self, left: Judgement, forward: bool, statistics: &mut Statistics) -> CaseOutcome {
        let stop = || self.solver.stopped();
        let (check, attack) = self.looking();
        let method = Boxes {
            network: self.network,
            single: self.single.clone(),
            double: self.double.clone(),
            forward,
            steps: PART_STEPS,
            probe: self.probe(&check, &attack),
            stop: &stop,
        };
        let double = self.solver.network.element == Element::F64;
        let part = Part {
            region: self.region.clone(),
            inherited: None,
            open: left.open,
            bound: left.worst,
            promise: f64::NEG_INFINITY,
            share: 1.0,
            margin: f64::INFINITY,
            double,
        };
        let result = tree::search(&method, vec![part], self.solver.config, self.solver.deadline, self.solver.observer);
        statistics.method = "branch and bound on inputs".into();
        self.ended(result, left.margin, statistics)
    }

    /// Says whether a point is a counterexample; attacks a box.
    #[allow(clippy::type_complexity)]
    fn looking(&self) -> (impl Fn(&[f64]) -> bool + Sync, impl Fn(&Ranges, &[usize], Effort, u64) -> Option<Vec<f64>> + Sync) {
        (
            |x: &[f64]| self.solver.check(self.case, self.first, self.semantics, x).is_some(),
            |region: &Ranges, aims: &[usize], effort: Effort, seed: u64| self.attack(region, aims, &[], effort, seed).0,
        )
    }

    fn probe<'p>(&'p self, check: &'p (dyn Fn(&[f64]) -> bool + Sync), attack: &'p AttackPart<'p>) -> Probe<'p> {
        let (look, whole) = (self.solver.config.attack, &self.region);
        Probe { graph: self.solver.network, objectives: &self.double, check, attack, look, whole }
    }

    /// Inputs that vary by more than what rounding takes.
    fn varying(&self) -> usize {
        (0..self.region.len()).filter(|&d| is_worth_splitting(self.region.at(d))).count()
    }

    /// What a search on inputs has led to, where everything else is proved with this margin.
    fn ended<P>(&self, result: tree::Result<P>, margin: f64, statistics: &mut Statistics) -> CaseOutcome {
        statistics.subproblems += result.steps;
        statistics.proved = result.proved;
        match result.end {
            End::Witness(point) => match self.solver.check(self.case, self.first, self.semantics, &point) {
                Some(witness) => CaseOutcome::Refuted(Box::new(witness)),
                None => CaseOutcome::Open(Reason::Precision("a counterexample could not be replayed".into()), None),
            },
            End::Stopped(reason) => CaseOutcome::Open(reason, Some(result.worst)),
            End::Paused => CaseOutcome::Open(Reason::Stopped, Some(result.worst)),
            End::Done if result.stuck.is_empty() => CaseOutcome::Proved(result.margin.min(margin)),
            End::Done if self.solver.stopped() => CaseOutcome::Open(self.solver.why_stopped(), Some(result.worst)),
            End::Done => {
                let (word, count) = (self.semantics.word(), result.stuck.len());
                let why = format!("{word}: {count} parts are too small to split; the worst bound there is {:e}", result.worst);
                CaseOutcome::Open(Reason::Precision(why), Some(result.worst))
            }
        }
    }
}
