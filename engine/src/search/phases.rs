//! Branch and bound on the phases of hinges, one tree per disjunct: consequences of what is known, and linear programs.

use checker::Semantics;

use super::cases::Solver;
use super::problem;
use super::tree::{Method, Step};
use crate::bounds::exact::{Aid, Program, Scratch, Settled, Skeleton, State, Trail};
use crate::bounds::{Network, Relaxation};
use crate::graph::Graph;
use crate::ops::{Operation, Ranges};
use crate::proof::Log;
use crate::query::Case;

/// A node: the ranges that hold in it.
#[derive(Clone, Debug)]
pub struct Node {
    state: State,
    disjunct: u32,
    aid: Aid,
    /// Where its proof is recorded, if it is.
    trail: Option<Trail>,
    bound: f64,
    /// The bound without linear programs.
    plain: f64,
    promise: f64,
    share: f64,
    /// Linear programs are solved at every node while this is positive, and now and then after that.
    credit: i32,
    depth: u32,
}

/// One case on one network.
pub struct Phases<'a> {
    /// The network and the goals.
    pub program: &'a Program,
    /// Says whether a point is a counterexample.
    pub check: &'a (dyn Fn(&[f64]) -> bool + Sync),
    /// Look at points at all.
    pub look: bool,
    /// Where the proof is recorded, if it is.
    pub log: Option<&'a Log>,
}

/// Hinges beyond which small deep networks are left to other methods.
const MOST_HINGES: usize = 2000;
/// As [`MOST_HINGES`], for networks with one layer of hinges.
const MOST_SHALLOW_HINGES: usize = 4000;

/// The hinges of `network` where branch and bound on phases is worth a try: it is small and another method takes turns
/// with it (`shared`), or it has one layer of hinges, where the linear program leaves out little.
pub fn skeleton(network: &Graph, shared: bool) -> Option<Skeleton> {
    let mut depth: Vec<usize> = Vec::with_capacity(network.nodes.len());
    let mut hinges = 0;
    for node in &network.nodes {
        let below = node.inputs.iter().map(|&p| depth[p]).max().unwrap_or(0);
        depth.push(match &node.operation {
            Operation::Scalar(op) if op.hinge().is_some() => {
                hinges += node.len();
                below + 1
            }
            Operation::Scalar(_) | Operation::General(_) => return None,
            _ => below,
        });
    }
    let shallow = depth.iter().max().is_some_and(|&d| d == 1) && hinges <= MOST_SHALLOW_HINGES;
    (shallow || (shared && hinges <= MOST_HINGES)).then(|| Skeleton::new(network)).flatten()
}

/// The program of a case, with ranges of pre-activations from the general engine where layers stand on layers.
pub fn program(solver: &Solver, skeleton: &Skeleton, case: &Case, semantics: Semantics) -> Option<Program> {
    let deployed = problem::deployed(semantics, solver.network.element);
    let (low, high) = problem::region_box(case, semantics, solver.network.element);
    let region = Ranges { low, high };
    let objectives = problem::objectives(case, solver.network, semantics);
    let network = Network::new(solver.network, deployed);
    let bounds = (!skeleton.is_shallow()).then(|| Relaxation::<f64>::crown(&network, &region, &|| solver.stopped()).bounds);
    Program::new(skeleton, &region, deployed, &objectives, bounds.as_ref())
}

/// Nodes for which linear programs are solved before they have shown to be of use.
const CREDIT: i32 = 4;
/// Every so many levels a linear program is solved in any case.
const PERIOD: u32 = 5;

/// A linear program is of use if its bound is below this share of the bound without it.
const TELLING: f64 = 0.98;

impl Phases<'_> {
    /// One root per disjunct.
    pub fn roots(&self) -> Vec<Node> {
        let count = self.program.disjuncts.len();
        let trails = self.begin(count);
        let root = |d: usize| Node {
            state: self.program.root.clone(),
            disjunct: d as u32,
            aid: Aid::default(),
            trail: trails.get(d).cloned(),
            bound: f64::INFINITY,
            plain: f64::INFINITY,
            promise: f64::NEG_INFINITY,
            share: 1.0 / count as f64,
            credit: CREDIT,
            depth: 0,
        };
        (0..count).rev().map(root).collect()
    }

    /// The log's root: bounds of all hinges, and one node per disjunct.
    fn begin(&self, count: usize) -> Vec<Trail> {
        let Some(log) = self.log else { return Vec::new() };
        let mut at = Trail::default();
        let activations = (0..self.program.slope.len()).filter_map(|j| self.program.name(j)).map(|name| name.0 + 1).max().unwrap_or(0);
        (0..activations).for_each(|activation| at.steps.refresh_by_intervals(activation));
        at.steps.refresh_all();
        let mut trails = Vec::with_capacity(count);
        for disjunct in 1..count {
            at.steps.split_disjuncts(disjunct - 1);
            let first = log.children();
            log.split(at.node, at.steps.bytes(), first);
            trails.push(at.child(first));
            at = at.child(first + 1);
        }
        trails.push(at);
        trails
    }

    /// The present node is proved.
    fn close(&self, ws: &mut Scratch) {
        if let (Some(log), Some(mut trail)) = (self.log, ws.trail.take()) {
            trail.steps.empty();
            log.end(trail.node, trail.steps.bytes());
        }
    }

    fn solve(&self, node: &mut Node, ws: &mut Scratch) -> Settled {
        let rounds = if node.depth == 0 { 8 } else { 1 };
        let settled = self.program.settle_linear(&mut node.state, node.disjunct as usize, &mut node.aid, rounds, node.bound, ws);
        match settled {
            Settled::Excluded { .. } => node.credit = CREDIT,
            Settled::Open { bound } => {
                node.credit = if bound < TELLING * node.plain { CREDIT } else { node.credit - 1 };
                node.bound = bound;
            }
        }
        settled
    }

    /// A counterexample at the linear program's point.
    fn witness(&self, node: &mut Node, ws: &mut Scratch) -> Option<Vec<f64>> {
        let point = ws.linear.point.clone();
        if !self.look || point.is_empty() {
            return None;
        }
        let value = self.program.value_at(&point, node.disjunct as usize, ws);
        node.promise = value;
        (value >= -1e-6 && (self.check)(&point)).then_some(point)
    }

    /// The open hinge whose relaxation matters most: by its gap in the linear program where that is `telling`, else by the
    /// room between its lines; and by how much it has to do with other rows.
    fn choose(&self, node: &Node, telling: bool, ws: &mut Scratch) -> Option<usize> {
        let program = self.program;
        let mut scores: Vec<(f64, usize)> = Vec::new();
        if telling {
            let gaps = ws.linear.gaps.iter().map(|&(j, gap)| (gap.abs() * ws.ledger.pull[j as usize].abs(), j as usize));
            scores.extend(gaps.filter(|s| s.0 > 1e-9));
        }
        if scores.is_empty() {
            let mut weights = vec![0.0; program.slope.len()];
            for &g in &program.disjuncts[node.disjunct as usize] {
                program.bound_goal(&node.state, g, &mut ws.ledger);
                weights.iter_mut().zip(&ws.ledger.pull).for_each(|(w, c)| *w += c.abs());
            }
            let room = |j: usize| {
                let (l, u) = (node.state.low[program.inputs + j], node.state.high[program.inputs + j]);
                -l * u / (u - l) * (1.0 - program.slope[j])
            };
            scores.extend(weights.iter().enumerate().map(|(j, w)| (room(j) * (w + 1e-6), j)));
        }
        scores.retain(|s| node.state.is_open(program.inputs + s.1) && program.slope[s.1] != 1.0);
        let ties = program.ties(&node.state);
        let best = scores.iter().map(|&(score, j)| (score * (ties[j] + 1e-9), j));
        best.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1))).map(|b| b.1)
    }

    /// The node with hinge `j` on one side, where anything is left.
    fn child(&self, node: &Node, j: usize, active: bool, trail: Option<Trail>, ws: &mut Scratch) -> Option<Node> {
        ws.trail = trail;
        let i = self.program.inputs + j;
        let mut state = node.state.clone();
        if active {
            state.low[i] = 0.0;
        } else {
            state.high[i] = 0.0;
        }
        match self.program.settle(&mut state, node.disjunct as usize, Some(&[i as u32]), ws) {
            Settled::Excluded { .. } => {
                self.close(ws);
                None
            }
            Settled::Open { bound } => {
                let trail = ws.trail.take();
                let (share, depth) = (0.5 * node.share, node.depth + 1);
                Some(Node { state, bound: bound.min(node.bound), plain: bound, share, depth, trail, aid: node.aid.clone(), ..*node })
            }
        }
    }

    fn split(&self, mut node: Node, telling: bool, ws: &mut Scratch) -> Step<Node> {
        let mut telling = telling;
        while let Some(j) = self.choose(&node, telling, ws) {
            let trails = self.record_split(j, ws);
            match (self.child(&node, j, false, trails.0, ws), self.child(&node, j, true, trails.1, ws)) {
                (None, None) => return Step::Closed { margin: f64::INFINITY },
                // Only one side is possible: a consequence like any other, and the linear program's gaps are out of date.
                (Some(only), None) | (None, Some(only)) => {
                    node = Node { share: node.share, ..only };
                    ws.trail = node.trail.take();
                }
                // The side with the better bound is the likelier one to be proved, so it is looked at last: a stack.
                (Some(low), Some(high)) if low.bound >= high.bound => return Step::Split(vec![high, low]),
                (Some(low), Some(high)) => return Step::Split(vec![low, high]),
            }
            telling = false;
        }
        // Every phase is decided, so the linear program leaves out nothing but rounding.
        match self.solve(&mut node, ws) {
            Settled::Excluded { margin } => {
                self.close(ws);
                Step::Closed { margin }
            }
            Settled::Open { bound } => match self.witness(&mut node, ws) {
                Some(point) => Step::Witness(point),
                None => Step::Stuck { bound, part: node },
            },
        }
    }

    /// Ends the present node with a split of hinge `j`; the starts of both children.
    fn record_split(&self, j: usize, ws: &mut Scratch) -> (Option<Trail>, Option<Trail>) {
        let (Some(log), Some(mut trail), Some((activation, element))) = (self.log, ws.trail.take(), self.program.name(j)) else {
            return (None, None);
        };
        trail.steps.split_neuron(activation, element);
        let first = log.children();
        log.split(trail.node, trail.steps.bytes(), first);
        (Some(trail.child(first)), Some(trail.child(first + 1)))
    }

    /// Decides a part of the box given by ranges, such as a leaf of another search: at most `most` nodes, depth first.
    ///
    /// `state` holds every counterexample of `disjunct` that the caller is concerned with ([`Program::state`]).
    pub fn finish(&self, state: State, disjunct: usize, most: usize, ws: &mut Scratch) -> Finish {
        let mut open = vec![Node { state, disjunct: disjunct as u32, share: 1.0, ..self.roots().swap_remove(0) }];
        let mut finish = Finish::Excluded { margin: f64::INFINITY };
        for _ in 0..most {
            let (Some(node), Finish::Excluded { margin: least }) = (open.pop(), &finish) else { return finish };
            match self.bound(node, false, ws) {
                Step::Closed { margin } => finish = Finish::Excluded { margin: margin.min(*least) },
                Step::Split(children) => open.extend(children),
                Step::Witness(point) => return Finish::Witness(point),
                Step::Stuck { bound, .. } => return Finish::Open { bound },
            }
        }
        let worst = open.iter().map(|n| n.bound).fold(f64::NEG_INFINITY, f64::max);
        if open.is_empty() { finish } else { Finish::Open { bound: worst } }
    }
}

/// What finishing a part led to.
#[derive(Clone, Debug)]
pub enum Finish {
    /// No counterexample of the disjunct is in it.
    Excluded {
        /// By how much, at the worst leaf.
        margin: f64,
    },
    /// A counterexample, found near this point.
    Witness(Vec<f64>),
    /// Not decided, with the worst bound left.
    Open {
        /// That bound.
        bound: f64,
    },
}

impl Method for Phases<'_> {
    type Part = Node;
    type Workspace = Scratch;

    fn workspace(&self) -> Scratch {
        Scratch::default()
    }

    fn forget(&self, workspace: &mut Scratch) {
        workspace.linear.point.clear();
    }

    fn bound(&self, mut node: Node, _eager: bool, ws: &mut Scratch) -> Step<Node> {
        ws.trail = node.trail.take();
        if node.depth == 0 {
            match self.program.settle(&mut node.state, node.disjunct as usize, None, ws) {
                Settled::Excluded { margin } => {
                    self.close(ws);
                    return Step::Closed { margin };
                }
                Settled::Open { bound } => (node.bound, node.plain) = (bound, bound),
            }
        }
        let solved = node.credit > 0 || node.depth.is_multiple_of(PERIOD);
        if solved {
            if let Settled::Excluded { margin } = self.solve(&mut node, ws) {
                self.close(ws);
                return Step::Closed { margin };
            }
            if let Some(point) = self.witness(&mut node, ws) {
                return Step::Witness(point);
            }
        }
        // Where the linear program says no more than single goals do, its gaps are those of some vertex among many.
        let telling = solved && node.bound < TELLING * node.plain;
        self.split(node, telling, ws)
    }

    fn urgency(&self, node: &Node) -> f64 {
        node.bound
    }

    fn promise(&self, node: &Node) -> f64 {
        node.promise
    }

    fn share(&self, node: &Node) -> f64 {
        node.share
    }

    fn assault(&self, _effort: u32, _workspace: &mut Scratch) -> Option<Vec<f64>> {
        None
    }

    fn part_size(&self) -> u64 {
        16 * self.program.root.low.len() as u64 + 4 * self.program.root.low.len() as u64 + 128
    }
}
