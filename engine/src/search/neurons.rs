//! Wide networks of ReLUs: bounds of neurons by row trees in rounds of growing effort, and after each round trees of neuron
//! splits for the disjuncts that are still open.

use std::sync::Arc;

use super::cases::Solver;
use super::{Progress, Statistics};
use crate::bounds::chain::Objectives;
use crate::bounds::in_parallel;
use crate::bounds::neurons::{Effort, Ending, Forest, Goal, Leaf, Multipliers, Recorder, Relaxed, Settings, Start, free_neurons, retrace};
use crate::kernels::Kernel;
use crate::proof::RowTree;

/// One round: the bounds of neurons are tightened, then the trees of disjuncts grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Nodes per row of a neuron; 0 leaves bounds as they are.
    pub row_nodes: u64,
    /// Nodes per disjunct.
    pub nodes: u64,
    /// Only neurons are tightened that open disjuncts pay this share of their payments for.
    pub share: f64,
}

const fn round(row_nodes: u64, nodes: u64, share: f64) -> Round {
    Round { row_nodes, nodes, share }
}

/// For chains.
pub const CHAIN_ROUNDS: [Round; 4] =
    [round(1, 200, 1.0), round(400, 20_000, 1.0), round(3_000, 400_000, 1.0), round(20_000, u64::MAX, 1.0)];
/// As [`CHAIN_ROUNDS`], for graphs whose rows cost more.
pub const GRAPH_ROUNDS: [Round; 5] =
    [round(1, 2_000, 1.0), round(20, 5_000, 0.8), round(20, 100_000, 1.0), round(200, 1_000_000, 1.0), round(2_000, u64::MAX, 1.0)];
/// For a second try with the bounds of a first one.
pub const SECOND_ROUNDS: [Round; 1] = [round(0, u64::MAX, 1.0)];
/// The rounds of a search that goes on with trees of up to `grown` nodes: these are grown first, to twice their size at least (or without
/// end, where that is the last round's), with the bounds of neurons as they are.
pub fn resumed(rounds: &[Round], grown: u64, least: u64) -> Vec<Round> {
    let last = rounds.iter().rev().skip(1).all(|round| round.nodes < grown);
    let nodes = if last { u64::MAX } else { least.max(2 * grown) };
    let later = rounds.iter().skip(1).filter(|round| round.nodes > grown);
    std::iter::once(Round { row_nodes: 0, nodes, ..rounds[0] }).chain(later.copied()).collect()
}

/// Tasks of a wave; fixed, so that trees do not depend on the number of threads.
const WAVE_TASKS: usize = 8;
/// Nodes per disjunct and task in one wave.
const WAVE_NODES: u64 = 1_000;
/// Points kept per disjunct.
const MOST_POINTS: usize = 8;

/// A case of a network of affine operators and ReLUs.
pub struct Neurons<'a, F> {
    /// The query being decided.
    pub solver: &'a Solver<'a>,
    /// The network over the box.
    pub layers: Box<dyn Relaxed<F> + Sync + 'a>,
    /// The rounds.
    pub rounds: &'a [Round],
    /// What is to be excluded.
    pub objectives: &'a Objectives<F>,
    /// Keeps what a certificate needs.
    pub recorder: Option<Recorder>,
    /// Trees of an earlier proof, which the first round goes on with.
    pub begun: &'a [RowTree],
}

/// What the trees leave of a case.
#[derive(Debug, Default)]
pub struct Left {
    /// Disjuncts still open.
    pub open: Vec<usize>,
    /// Their worst bound.
    pub worst: f64,
    /// The least margin of those that are excluded.
    pub margin: f64,
    /// Share of the box, over all disjuncts, that is excluded.
    pub proved: f64,
    /// Leaves in which no split is left, or that rounding keeps open.
    pub stuck: usize,
    /// True if rounding alone keeps everything open that is open.
    pub blurred: bool,
    /// True if the search was cut short by the memory limit.
    pub memory: bool,
    /// Points at which open leaves' bounds are attained: starts for an attack.
    pub points: Vec<Vec<f64>>,
}

impl<F: Kernel> Neurons<'_, F> {
    /// Excludes what it can of the disjuncts `open`; after each round `between` sees its number and what is left, and ends the search by
    /// returning true. None if the chain or the query is of another kind.
    pub fn exclude(
        &mut self,
        open: Vec<usize>,
        statistics: &mut Statistics,
        between: &mut dyn FnMut(usize, &Left) -> bool,
    ) -> Option<Left> {
        let rows = &self.objectives.rows;
        if !self.objectives.disjuncts.iter().all(|d| d.iter().any(|&r| rows[r].inputs.is_empty())) {
            return None;
        }
        let solver = self.solver;
        let all = self.objectives.disjuncts.len();
        let mut left = Left { open, worst: f64::INFINITY, margin: f64::INFINITY, ..Left::default() };
        for (number, round) in self.rounds.iter().copied().enumerate() {
            let config = solver.config;
            let settings = Settings { record: self.recorder.is_some(), ..Settings::rows() };
            let effort = Effort { nodes: round.row_nodes, settings, threads: config.threads, memory: config.max_memory / 2 };
            self.aim(&left.open, round.share);
            let recorder = self.recorder.as_mut().filter(|_| round.row_nodes > 0);
            self.layers.tighten(effort, recorder, &|| solver.stopped());
            if self.layers.is_empty() {
                return Some(Left { open: Vec::new(), ..left });
            }
            let mut recorder = self.recorder.take();
            let begun = if number == 0 { self.begun } else { &[] };
            let trees = left.open.iter().map(|&d| self.tree(&*self.layers, d, begun.iter().find(|t| t.disjunct == d))).collect();
            self.grow(&*self.layers, trees, &mut left, round.nodes, recorder.as_mut(), statistics);
            self.recorder = recorder;
            let done = self.objectives.disjuncts.len() - left.open.len();
            left.proved = (left.proved + done as f64) / all.max(1) as f64;
            self.solver.observer.progress(&Progress {
                subproblems: statistics.subproblems,
                open: left.open.len() as u64,
                proved: left.proved,
                worst_margin: Some(-left.worst),
            });
            if left.open.is_empty() || left.blurred || left.memory || self.solver.stopped() || between(number, &left) {
                break;
            }
        }
        Some(left)
    }

    /// Chooses the neurons to tighten by what the disjuncts `open` pay for.
    fn aim(&mut self, open: &[usize], share: f64) {
        let Objectives { rows, disjuncts, .. } = self.objectives;
        let row = |&d: &usize| disjuncts[d].iter().map(|&r| &rows[r]).find(|row| row.inputs.is_empty());
        let wanted: Vec<_> = open.iter().filter_map(row).collect();
        self.layers.aim(&wanted, share);
    }

    /// Trees for the open disjuncts, in waves: the open leaves are dealt out to a fixed number of tasks, which grow them for a
    /// while on their own.
    fn grow(
        &self,
        layers: &dyn Relaxed<F>,
        mut trees: Vec<Tree<F>>,
        left: &mut Left,
        nodes: u64,
        mut recorder: Option<&mut Recorder>,
        statistics: &mut Statistics,
    ) {
        while !self.solver.stopped() && trees.iter().any(|t| t.wants_more(nodes)) {
            let memory: u64 = trees.iter().flat_map(|t| &t.open).map(|l| l.size()).sum();
            if memory > self.solver.config.max_memory / 2 {
                left.memory = true;
                break;
            }
            self.wave(layers, &mut trees, nodes, recorder.is_some(), statistics);
            let proved = trees.iter().map(|t| if t.is_closed() { 1.0 } else { t.proved }).sum::<f64>();
            self.tell(trees.iter().filter(|t| !t.is_closed()).count(), proved, &trees, statistics);
            if let Some(recorder) = recorder.as_mut() {
                let kept: u64 = trees.iter().flat_map(|t| &t.leaves).map(|l| l.size()).sum();
                if kept > recorder.room() {
                    recorder.run_out();
                    trees.iter_mut().for_each(|t| t.leaves.clear());
                }
            }
        }
        let most = Settings::objectives().most_blurred;
        let blurred = trees.iter().all(|t| t.open.is_empty() && t.stuck.iter().all(|leaf| leaf.blurred >= most));
        *left = Left { worst: f64::NEG_INFINITY, margin: left.margin, memory: left.memory, blurred, ..Left::default() };
        for tree in trees {
            if tree.is_closed() {
                left.margin = left.margin.min(tree.margin);
            }
            if let Some(recorder) = recorder.as_mut() {
                tree.record(layers, recorder);
            }
            if tree.is_closed() {
                continue;
            }
            left.open.push(tree.disjunct);
            left.worst = tree.open.iter().chain(&tree.stuck).map(|l| l.bound).fold(left.worst, f64::max);
            left.proved += tree.proved;
            left.points.extend(tree.points.iter().map(|p| layers.point(p)));
            left.stuck += tree.stuck.len();
        }
    }

    /// Progress between waves, of all trees of a round; disjuncts that earlier rounds excluded count as proved.
    fn tell(&self, open: usize, proved: f64, trees: &[Tree<F>], statistics: &Statistics) {
        let all = self.objectives.disjuncts.len();
        let leaves = trees.iter().flat_map(|t| t.open.iter().chain(&t.stuck));
        let worst = leaves.map(|l| l.bound).fold(f64::NEG_INFINITY, f64::max);
        self.solver.observer.progress(&Progress {
            subproblems: statistics.subproblems,
            open: open as u64,
            proved: (proved + (all - trees.len()) as f64) / all.max(1) as f64,
            worst_margin: worst.is_finite().then_some(-worst),
        });
    }

    /// One wave.
    fn wave(&self, layers: &dyn Relaxed<F>, trees: &mut [Tree<F>], nodes: u64, record: bool, statistics: &mut Statistics) {
        let mut tasks: Vec<Vec<(usize, Goal<F>)>> = (0..WAVE_TASKS).map(|_| Vec::new()).collect();
        for (t, tree) in trees.iter_mut().enumerate().filter(|t| t.1.wants_more(nodes)) {
            let mut parts: Vec<Vec<Leaf<F>>> = vec![Vec::new(); WAVE_TASKS];
            tree.open.drain(..).enumerate().for_each(|(i, leaf)| parts[(t + i) % WAVE_TASKS].push(leaf));
            for (task, leaves) in tasks.iter_mut().zip(parts).filter(|p| !p.1.is_empty()) {
                task.push((
                    t,
                    Goal {
                        start: tree.start.clone(),
                        leaves,
                        budget: WAVE_NODES.min(nodes - tree.nodes),
                        strict: tree.strict,
                        unless: None,
                    },
                ));
            }
        }
        tasks.retain(|task| !task.is_empty());
        let stop = || self.solver.stopped();
        let forest = Forest::new(layers.program(), Settings { record, caution: self.solver.caution(), ..Settings::objectives() });
        let grown =
            in_parallel(&tasks, self.solver.config.threads, |task| forest.grow(task.iter().map(|(_, goal)| goal.clone()).collect(), &stop));
        for ((t, _), ending) in tasks.iter().flatten().zip(grown.into_iter().flatten()) {
            statistics.subproblems += ending.nodes;
            trees[*t].take(ending);
        }
    }

    /// The tree of a disjunct by the first of its conjuncts that reads outputs only, as far as it was grown before.
    fn tree(&self, layers: &dyn Relaxed<F>, disjunct: usize, begun: Option<&RowTree>) -> Tree<F> {
        let rows = &self.objectives.rows;
        let disjuncts = &self.objectives.disjuncts[disjunct];
        let row = disjuncts.iter().position(|&r| rows[r].inputs.is_empty()).expect("looked for before");
        let objective = &rows[disjuncts[row]];
        let start = Arc::new(layers.start(objective));
        let begun = begun.filter(|tree| tree.row == row);
        let earlier = begun.and_then(|tree| Some((tree, retrace(tree, layers.program(), start.node, &|n| layers.name(n))?)));
        let (nodes, proved, (leaves, open)) = match earlier {
            Some((tree, leaves)) => (tree.nodes(), tree.closed(), leaves),
            None => (0, 0.0, (Vec::new(), vec![Leaf::root()])),
        };
        let strict = objective.strict;
        Tree { disjunct, row, start, strict, leaves, open, stuck: vec![], points: vec![], nodes, proved, margin: f64::INFINITY }
    }
}

/// One disjunct's tree between waves.
struct Tree<F> {
    disjunct: usize,
    /// The number of its row among the disjunct's.
    row: usize,
    /// What bounds the closed leaves.
    leaves: Vec<Arc<Multipliers>>,
    start: Arc<Start<F>>,
    strict: bool,
    open: Vec<Leaf<F>>,
    stuck: Vec<Leaf<F>>,
    points: Vec<Vec<F>>,
    nodes: u64,
    proved: f64,
    margin: f64,
}

impl<F: Kernel> Tree<F> {
    fn is_closed(&self) -> bool {
        self.open.is_empty() && self.stuck.is_empty()
    }

    /// Keeps what bounds the leaves, of an open tree with those that are open.
    fn record(&self, layers: &dyn Relaxed<F>, recorder: &mut Recorder) {
        let free = free_neurons(layers.program(), self.start.node);
        let names = |neuron| layers.name(neuron);
        if self.is_closed() {
            return recorder.drop(self.disjunct, self.row, &names, &free, &self.leaves);
        }
        let open: Option<Vec<_>> = self.open.iter().chain(&self.stuck).map(|leaf| leaf.proof.clone()).collect();
        if let Some(open) = open {
            recorder.drop_in_part(self.disjunct, self.row, &names, &free, [&self.leaves, &open]);
        }
    }

    fn wants_more(&self, nodes: u64) -> bool {
        !self.open.is_empty() && self.nodes < nodes
    }

    fn take(&mut self, ending: Ending<F>) {
        self.nodes += ending.nodes;
        self.proved += ending.proved;
        self.margin = self.margin.min(-ending.closed_bound);
        self.open.extend(ending.open);
        self.stuck.extend(ending.stuck);
        self.leaves.extend(ending.leaves);
        self.points.extend(ending.points);
        // The newest points are of the leaves that are hardest to close.
        self.points.drain(..self.points.len().saturating_sub(MOST_POINTS));
    }
}
