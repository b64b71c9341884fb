//! Wide networks of ReLUs: bounds of neurons by row trees in rounds of growing effort, and after each round trees of neuron
//! splits for the disjuncts that are still open.

use std::sync::Arc;

use super::cases::Solver;
use super::{Progress, Statistics};
use crate::bounds::chain::Objectives;
use crate::bounds::neurons::{Effort, Ending, Forest, Goal, Leaf, Relaxed, Settings};

/// Nodes per row of a neuron, and per disjunct, in each round.
pub const CHAIN_ROUNDS: [(u64, u64); 4] = [(1, 200), (400, 20_000), (3_000, 400_000), (20_000, u64::MAX)];
/// As [`CHAIN_ROUNDS`], for graphs whose rows cost more.
pub const GRAPH_ROUNDS: [(u64, u64); 4] = [(1, 2_000), (20, 100_000), (200, 1_000_000), (2_000, u64::MAX)];
/// Disjuncts whose trees share a batch.
const DISJUNCTS_PER_TASK: usize = 16;

/// A case of a network of affine operators and ReLUs.
pub struct Neurons<'a> {
    /// The query being decided.
    pub solver: &'a Solver<'a>,
    /// The network over the box.
    pub layers: Box<dyn Relaxed<f32> + Sync + 'a>,
    /// Nodes per row of a neuron, and per disjunct, in each round.
    pub rounds: &'a [(u64, u64)],
    /// What is to be excluded.
    pub objectives: &'a Objectives<f32>,
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
    /// Open disjuncts with leaves in which no split is left: regions for an exact method.
    pub stuck: Vec<(usize, Leaf<f32>)>,
    /// Points at which open leaves' bounds are attained: starts for an attack.
    pub points: Vec<Vec<f64>>,
}

impl<'a> Neurons<'a> {
    /// Excludes what it can of the disjuncts; after each round `between` sees its number and what is left, and ends the search by
    /// returning true. None if the chain or the query is of another kind.
    pub fn exclude(&mut self, statistics: &mut Statistics, between: &mut dyn FnMut(usize, &Left) -> bool) -> Option<Left> {
        let rows = &self.objectives.rows;
        if !self.objectives.disjuncts.iter().all(|d| d.iter().any(|&r| rows[r].inputs.is_empty())) {
            return None;
        }
        let solver = self.solver;
        let all = self.objectives.disjuncts.len();
        let mut left = Left { open: (0..all).collect(), worst: f64::INFINITY, margin: f64::INFINITY, ..Left::default() };
        for (round, (nodes_per_row, nodes)) in self.rounds.iter().copied().enumerate() {
            let config = solver.config;
            let effort =
                Effort { nodes: nodes_per_row, settings: Settings::rows(), threads: config.threads, memory: config.max_memory / 2 };
            self.layers.tighten(effort, &|| solver.stopped());
            if self.layers.is_empty() {
                return Some(Left { open: Vec::new(), ..left });
            }
            self.grow(&*self.layers, &mut left, nodes, statistics);
            let done = self.objectives.disjuncts.len() - left.open.len();
            left.proved = (left.proved + done as f64) / all.max(1) as f64;
            self.solver.observer.progress(&Progress {
                subproblems: statistics.subproblems,
                open: left.open.len() as u64,
                proved: left.proved,
                worst_margin: Some(-left.worst),
            });
            if left.open.is_empty() || self.solver.stopped() || between(round, &left) {
                break;
            }
        }
        Some(left)
    }

    /// Trees for the open disjuncts.
    fn grow(&self, layers: &dyn Relaxed<f32>, left: &mut Left, nodes: u64, statistics: &mut Statistics) {
        let stop = || self.solver.stopped();
        let mut endings: Vec<(usize, Ending<f32>)> = Vec::new();
        for disjuncts in left.open.chunks(DISJUNCTS_PER_TASK) {
            let goals = disjuncts.iter().map(|&d| self.goal(layers, d, nodes)).collect();
            let grown = Forest::new(layers.program(), Settings::objectives()).grow(goals, &stop);
            endings.extend(disjuncts.iter().copied().zip(grown));
        }
        *left = Left { worst: f64::NEG_INFINITY, margin: left.margin, ..Left::default() };
        for (d, ending) in endings {
            statistics.subproblems += ending.nodes;
            if ending.is_closed() {
                left.margin = left.margin.min(-ending.bound);
                continue;
            }
            left.open.push(d);
            left.worst = left.worst.max(ending.bound);
            left.proved += ending.proved;
            left.points.extend(ending.points.iter().map(|p| layers.point(p)));
            left.stuck.extend(ending.stuck.into_iter().map(|leaf| (d, leaf)));
        }
    }

    /// A disjunct by the first of its conjuncts that reads outputs only.
    fn goal(&self, layers: &dyn Relaxed<f32>, d: usize, nodes: u64) -> Goal<f32> {
        let rows = &self.objectives.rows;
        let row = self.objectives.disjuncts[d].iter().find(|&&r| rows[r].inputs.is_empty()).expect("looked for before");
        let start = Arc::new(layers.start(&rows[*row]));
        Goal { start, leaves: vec![Leaf::root()], budget: nodes, strict: rows[*row].strict, unless: None }
    }
}
