//! Wide networks of ReLUs: bounds of neurons by row trees in rounds of growing effort, and after each round trees of neuron
//! splits for the disjuncts that are still open.

use std::sync::Arc;

use checker::Semantics;

use super::cases::Solver;
use super::{Progress, Statistics, problem};
use crate::bounds::chain::{Chain, Objectives};
use crate::bounds::neurons::{Effort, Ending, Forest, Goal, Layers, Leaf, Settings};
use crate::ops::Ranges;

/// Nodes per row of a neuron, and per disjunct, in each round.
const ROUNDS: [(u64, u64); 4] = [(1, 200), (400, 20_000), (3_000, 400_000), (20_000, u64::MAX)];
/// Disjuncts whose trees share a batch.
const DISJUNCTS_PER_TASK: usize = 16;

/// A case of a network that is a chain of dense layers with ReLUs.
pub struct Neurons<'a> {
    /// The query being decided.
    pub solver: &'a Solver<'a>,
    /// The network.
    pub chain: &'a Chain<f32>,
    /// What is to be excluded.
    pub objectives: &'a Objectives<f32>,
    /// The box.
    pub region: &'a Ranges,
    /// What the bounds are to cover.
    pub semantics: Semantics,
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
    pub fn exclude(&self, statistics: &mut Statistics, between: &mut dyn FnMut(usize, &Left) -> bool) -> Option<Left> {
        let deployed = problem::deployed(self.semantics, self.solver.network.element);
        let mut layers = Layers::new(self.chain, self.region, deployed)?;
        let rows = &self.objectives.rows;
        if self.chain.hidden().is_empty() || !self.objectives.disjuncts.iter().all(|d| d.iter().any(|&r| rows[r].inputs.is_empty())) {
            return None;
        }
        let all = self.objectives.disjuncts.len();
        let mut left = Left { open: (0..all).collect(), worst: f64::INFINITY, margin: f64::INFINITY, ..Left::default() };
        for (round, (nodes_per_row, nodes)) in ROUNDS.into_iter().enumerate() {
            let config = self.solver.config;
            let effort =
                Effort { nodes: nodes_per_row, settings: Settings::rows(), threads: config.threads, memory: config.max_memory / 2 };
            layers.tighten(effort, &|| self.solver.stopped());
            if layers.empty {
                return Some(Left { open: Vec::new(), ..left });
            }
            self.grow(&layers, &mut left, nodes, statistics);
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
    fn grow(&self, layers: &Layers<f32>, left: &mut Left, nodes: u64, statistics: &mut Statistics) {
        let stop = || self.solver.stopped();
        let mut endings: Vec<(usize, Ending<f32>)> = Vec::new();
        for disjuncts in left.open.chunks(DISJUNCTS_PER_TASK) {
            let goals = disjuncts.iter().map(|&d| self.goal(layers, d, nodes)).collect();
            let grown = Forest::new(&layers.program, Settings::objectives()).grow(goals, &stop);
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
    fn goal(&self, layers: &Layers<f32>, d: usize, nodes: u64) -> Goal<f32> {
        let rows = &self.objectives.rows;
        let row = self.objectives.disjuncts[d].iter().find(|&&r| rows[r].inputs.is_empty()).expect("looked for before");
        let start = Arc::new(layers.objective_start(&rows[*row]));
        Goal { start, leaves: vec![Leaf::root()], budget: nodes, strict: rows[*row].strict, unless: None }
    }
}
