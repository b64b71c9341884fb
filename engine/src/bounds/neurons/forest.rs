//! Trees of neuron splits, many at a time: each maximises one row over the box, and all their leaves share one batch.

use std::sync::Arc;

use super::batch::{Batch, Row, Split, Step};
use super::program::{Node, Program, Start};
use super::record::Multipliers;
use crate::kernels::Kernel;
use crate::numerics::environment;

/// Which open leaf of a tree is split next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The one with the greatest bound: the tree's own bound falls fastest.
    Worst,
    /// The newest one: few leaves are open at any time.
    Newest,
}

/// Which neuron of a leaf is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// The one whose line above pays most: positive coefficient times the chord's offset (the main term of BaBSR, Bunel et al. 2020).
    Intercept,
    /// The one with the largest coefficient of either sign times that offset.
    Gap,
}

/// How trees are grown.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Steps at a root.
    pub root_steps: u32,
    /// Steps at every other node, at most.
    pub steps: u32,
    /// Sizes of the steps.
    pub step: Step,
    /// A node is left after three steps if its bound less so much of the last improvement times the steps left stays
    /// above zero.
    pub hope: f64,
    /// The order of leaves.
    pub order: Order,
    /// The choice of neurons.
    pub score: Score,
    /// A leaf that would be closed without allowances for rounding is given up when so many of its ancestors in a row were such.
    pub most_blurred: u8,
    /// A tree is left when the last doubling of its nodes took less than this share off its bound.
    pub least_gain: f64,
    /// Rows swept together.
    pub batch: usize,
    /// So many times its allowance for rounding is added to every bound.
    pub caution: f64,
    /// Keep the multipliers of all leaves.
    pub record: bool,
}

impl Settings {
    /// For bounds of intermediate neurons.
    pub fn rows() -> Settings {
        let step = Step { rate: 0.1, beta_rate: 1.0, decay: 0.95 };
        Settings {
            root_steps: 20,
            steps: 3,
            step,
            hope: 0.3,
            order: Order::Worst,
            score: Score::Intercept,
            most_blurred: u8::MAX,
            least_gain: 0.0,
            batch: 16,
            caution: 0.0,
            record: false,
        }
    }

    /// For objectives, which must fall below zero everywhere.
    pub fn objectives() -> Settings {
        Settings { root_steps: 20, steps: 20, order: Order::Newest, most_blurred: 4, ..Settings::rows() }
    }
}

/// One row to bound.
#[derive(Clone, Debug)]
pub struct Goal<F> {
    /// The row.
    pub start: Arc<Start<F>>,
    /// Leaves to begin with: one root without splits, or what an earlier forest left open.
    pub leaves: Vec<Leaf<F>>,
    /// Nodes to spend.
    pub budget: u64,
    /// A leaf whose bound is exactly zero is closed as well.
    pub strict: bool,
    /// An earlier goal: if its tree is closed by the time this one would start, this one is not wanted.
    pub unless: Option<usize>,
}

/// An open leaf: a region and the multipliers that bound the row there.
#[derive(Clone, Debug)]
pub struct Leaf<F> {
    /// The row's bound in the region; infinite if that has not been bounded.
    pub bound: f64,
    /// The region.
    pub splits: Vec<Split<F>>,
    /// The slopes; none at a root.
    pub slopes: Option<Box<[u8]>>,
    /// What the bound rests on, where that is recorded.
    pub proof: Option<Arc<Multipliers>>,
    /// The neuron to split next; none if no unstable one matters.
    pub next: Option<(u32, u32)>,
    /// How many regions from this one outwards would be closed without allowances for rounding.
    pub blurred: u8,
}

impl<F> Leaf<F> {
    /// The whole box, not bounded yet.
    pub fn root() -> Leaf<F> {
        Leaf { bound: f64::INFINITY, splits: Vec::new(), slopes: None, proof: None, next: None, blurred: 0 }
    }

    /// Memory of the leaf in bytes, about.
    pub fn size(&self) -> u64 {
        let slopes = self.slopes.as_ref().map_or(0, |s| s.len());
        (self.proof.as_ref().map_or(0, |p| p.size()) as usize + slopes + self.splits.len() * size_of::<Split<F>>() + 96) as u64
    }
}

/// How a tree ended.
#[derive(Clone, Debug)]
pub struct Ending<F> {
    /// At least the row's greatest value; negative (or zero, where strict) if all leaves are closed.
    pub bound: f64,
    /// The greatest bound of a closed leaf; negative infinity if there is none.
    pub closed_bound: f64,
    /// Nodes bounded.
    pub nodes: u64,
    /// Leaves closed.
    pub closed: u64,
    /// The share of the box closed, a half per split.
    pub proved: f64,
    /// Leaves still open.
    pub open: Vec<Leaf<F>>,
    /// Leaves that are still open although every unstable neuron that matters is fixed, or that rounding keeps open.
    pub stuck: Vec<Leaf<F>>,
    /// What bounds the closed leaves, where that is recorded.
    pub leaves: Vec<Arc<Multipliers>>,
    /// Points of the box (in the program's inputs) at which the bounds of some open leaves were attained, the root's first.
    pub points: Vec<Vec<F>>,
}

impl<F: Kernel> Ending<F> {
    /// What bounds all leaves, the open ones included; none if some leaf has never been bounded.
    pub fn all_leaves(&self) -> Option<Vec<Arc<Multipliers>>> {
        let open: Option<Vec<Arc<Multipliers>>> = self.open.iter().chain(&self.stuck).map(|leaf| leaf.proof.clone()).collect();
        Some(self.leaves.iter().cloned().chain(open?).collect()).filter(|leaves: &Vec<_>| !leaves.is_empty())
    }
}

/// Points kept per tree.
const MOST_POINTS: usize = 8;

struct Tree<F> {
    goal: Goal<F>,
    flying: usize,
    ending: Ending<F>,
    /// The bound at the last check of the gain, and the nodes at which the next one is due.
    checked: (f64, u64),
    done: bool,
}

/// Grows trees on one program.
pub struct Forest<'p, F> {
    program: &'p Program<'p, F>,
    settings: Settings,
}

impl<'p, F: Kernel> Forest<'p, F> {
    /// Trees on `program`.
    pub fn new(program: &'p Program<'p, F>, settings: Settings) -> Forest<'p, F> {
        Forest { program, settings }
    }

    /// Nodes per tree at which the open leaves of all trees that are active at a time take `memory` bytes, about.
    pub fn affordable(&self, memory: u64) -> u64 {
        let hinges = self.program.nodes.iter().filter(|n| matches!(n, Node::Hinge(_)));
        let leaf = hinges.map(Node::width).sum::<usize>() + 32 * size_of::<Split<F>>() + 96;
        (2 * memory / (self.most_active() * leaf) as u64).max(8)
    }

    /// Trees active at a time: each node is split into two rows.
    fn most_active(&self) -> usize {
        (self.settings.batch / 2).max(1)
    }

    /// Grows one tree per goal (all start at the same node) until each is closed, has spent its budget or no longer gains.
    pub fn grow(&self, goals: Vec<Goal<F>>, stop: &dyn Fn() -> bool) -> Vec<Ending<F>> {
        let Some(node) = goals.first().map(|g| g.start.node) else { return Vec::new() };
        let mut batch = Batch::new(self.program, node, self.settings.batch);
        let mut trees: Vec<Tree<F>> = goals.into_iter().map(Tree::new).collect();
        if !environment::is_default() {
            // No bound means anything here: everything stays open.
            return trees.into_iter().map(Tree::end).collect();
        }
        let mut growth = Growth { active: Vec::new(), next: 0, turn: 0 };
        loop {
            self.fill(&mut trees, &mut growth, &mut batch);
            if batch.rows.is_empty() {
                break;
            }
            batch.sweep();
            let mut r = 0;
            while r < batch.rows.len() {
                if self.lands(&trees[batch.rows[r].tag], &batch.rows[r]) {
                    let tag = batch.rows[r].tag;
                    self.land(&mut trees[tag], &mut batch, r);
                } else {
                    r += 1;
                }
            }
            if stop() {
                break;
            }
            if batch.rows.is_empty() {
                continue;
            }
            batch.climb(self.settings.step);
        }
        while !batch.rows.is_empty() {
            let tag = batch.rows[0].tag;
            self.land(&mut trees[tag], &mut batch, 0);
        }
        trees.into_iter().map(Tree::end).collect()
    }

    /// Puts new rows into the batch: children of each active tree's next leaf in turn; trees become active in order.
    fn fill(&self, trees: &mut [Tree<F>], growth: &mut Growth, batch: &mut Batch<F>) {
        let most_active = self.most_active();
        let mut idle = 0;
        while batch.rows.len() + 1 < self.settings.batch {
            growth.active.retain(|&t| !trees[t].done);
            while growth.active.len() < most_active && growth.next < trees.len() {
                let t = growth.next;
                growth.next += 1;
                if trees[t].goal.unless.is_some_and(|other| trees[other].closes(trees[other].bound_now())) {
                    trees[t].done = true;
                } else {
                    growth.active.push(t);
                }
            }
            if growth.active.is_empty() || idle >= growth.active.len() {
                break;
            }
            growth.turn = (growth.turn + 1) % growth.active.len();
            let t = growth.active[growth.turn];
            // A tree that ends here makes room for the next one.
            let moved = self.launch(t, &mut trees[t], batch) || trees[t].done;
            idle = if moved { 0 } else { idle + 1 };
        }
    }

    /// Sends the next leaf of a tree on its way: a root as it is, any other as two children. False if there is none now.
    fn launch(&self, tag: usize, tree: &mut Tree<F>, batch: &mut Batch<F>) -> bool {
        if tree.settled(self.settings) {
            tree.done |= tree.flying == 0;
            return false;
        }
        let Some(leaf) = tree.take(self.settings.order) else { return false };
        match leaf.next {
            // A root, or what an earlier proof left open.
            None if leaf.bound == f64::INFINITY => {
                batch.add(tree.goal.start.clone(), leaf.splits, leaf.slopes.as_deref(), tag);
                batch.rows.last_mut().expect("just added").proof = leaf.proof;
                tree.flying += 1;
            }
            None => tree.ending.stuck.push(leaf),
            Some((node, neuron)) => {
                for active in [false, true] {
                    let mut splits = Vec::with_capacity(leaf.splits.len() + 1);
                    splits.extend_from_slice(&leaf.splits);
                    splits.push(Split { node, neuron, active, beta: F::ZERO });
                    batch.add(tree.goal.start.clone(), splits, leaf.slopes.as_deref(), tag);
                    let row = batch.rows.last_mut().expect("just added");
                    (row.inherited, row.blurred) = (leaf.bound, leaf.blurred);
                    row.proof = leaf.proof.as_ref().map(|proof| Arc::new(proof.inherited((node, neuron), active)));
                }
                tree.flying += 2;
            }
        }
        true
    }

    /// True if the row needs no further step.
    fn lands(&self, tree: &Tree<F>, row: &Row<F>) -> bool {
        let root = row.splits.is_empty();
        let most = if root { self.settings.root_steps } else { self.settings.steps };
        if tree.closes(self.cautious(row)) || row.steps >= most.max(1) {
            return true;
        }
        if row.steps < 3 || root {
            return false;
        }
        let improvement = (row.previous - row.bound).max(0.0);
        row.bound - improvement * (most - row.steps) as f64 * self.settings.hope > 0.0
    }

    fn cautious(&self, row: &Row<F>) -> f64 {
        if self.settings.caution > 0.0 { row.bound + self.settings.caution * row.error } else { row.bound }
    }

    /// Takes row `r` out of the batch and into its tree.
    fn land(&self, tree: &mut Tree<F>, batch: &mut Batch<F>, r: usize) {
        let bound = self.cautious(&batch.rows[r]).min(batch.rows[r].inherited);
        // Infinite is what has never been bounded.
        let bound = if batch.rows[r].steps > 0 { bound.min(f64::MAX) } else { bound };
        tree.flying -= 1;
        tree.ending.nodes += 1;
        if tree.closes(bound) {
            tree.ending.leaves.extend(self.settings.record.then(|| proof(batch, r)));
            let row = batch.remove(r);
            tree.ending.closed += 1;
            tree.ending.proved += 0.5f64.powi(row.splits.len() as i32);
            tree.ending.closed_bound = tree.ending.closed_bound.max(bound);
            return;
        }
        let bounded = batch.rows[r].steps > 0;
        if bounded && tree.ending.points.len() < MOST_POINTS && tree.ending.nodes.is_power_of_two() {
            tree.ending.points.push(batch.point(r));
        }
        let (next, slopes) = (if bounded { batch.pick(r, self.settings.score) } else { None }, batch.save(r));
        let proof = (self.settings.record && bounded).then(|| proof(batch, r)).or_else(|| batch.rows[r].proof.clone());
        let row = batch.remove(r);
        let slopes = (bounded || !row.splits.is_empty()).then_some(slopes);
        let blurred = if bounded && row.bound - row.error < 0.0 { row.blurred.saturating_add(1) } else { 0 };
        let leaf = Leaf { bound, splits: row.splits, slopes, proof, next, blurred };
        if blurred >= self.settings.most_blurred {
            tree.ending.stuck.push(leaf);
            return;
        }
        tree.goal.leaves.push(leaf);
        if self.settings.order == Order::Worst {
            let last = tree.goal.leaves.len() - 1;
            sift_up(&mut tree.goal.leaves, last);
        }
    }
}

/// What the bound of row `r` rests on: its own multipliers, or those of the region that contains it.
fn proof<F: Kernel>(batch: &Batch<F>, r: usize) -> Arc<Multipliers> {
    let row = &batch.rows[r];
    let inherited = row.proof.as_ref().filter(|_| row.inherited < row.bound);
    inherited.cloned().unwrap_or_else(|| Arc::new(Multipliers::new(batch.save(r), &row.splits)))
}

struct Growth {
    active: Vec<usize>,
    next: usize,
    turn: usize,
}

impl<F: Kernel> Tree<F> {
    fn new(goal: Goal<F>) -> Tree<F> {
        let ending = Ending {
            bound: f64::INFINITY,
            closed_bound: f64::NEG_INFINITY,
            nodes: 0,
            closed: 0,
            proved: 0.0,
            open: vec![],
            stuck: vec![],
            leaves: vec![],
            points: vec![],
        };
        Tree { goal, flying: 0, ending, checked: (f64::INFINITY, 8), done: false }
    }

    fn closes(&self, bound: f64) -> bool {
        bound < 0.0 || (self.goal.strict && bound <= 0.0)
    }

    /// The greatest bound of an open leaf; with none, of a closed one.
    fn bound_now(&self) -> f64 {
        let open = self.goal.leaves.iter().chain(&self.ending.stuck).map(|l| l.bound);
        let flying = if self.flying > 0 || (self.done && self.ending.nodes == 0) { f64::INFINITY } else { f64::NEG_INFINITY };
        open.fold(self.ending.closed_bound.max(flying), f64::max)
    }

    /// True if the tree launches nothing more: closed, out of budget, or without gain.
    fn settled(&mut self, settings: Settings) -> bool {
        if self.done || (self.goal.leaves.is_empty() && self.flying == 0) || self.ending.nodes + self.flying as u64 >= self.goal.budget {
            self.done |= self.flying == 0;
            return true;
        }
        if settings.least_gain > 0.0 && self.flying == 0 && self.ending.nodes >= self.checked.1 {
            let bound = self.bound_now();
            if bound > self.checked.0 * (1.0 - settings.least_gain) {
                self.done = true;
                return true;
            }
            self.checked = (bound, 2 * self.ending.nodes);
        }
        false
    }

    fn take(&mut self, order: Order) -> Option<Leaf<F>> {
        let leaves = &mut self.goal.leaves;
        if order == Order::Newest || leaves.len() < 2 {
            return leaves.pop();
        }
        let leaf = leaves.swap_remove(0);
        sift_down(leaves);
        Some(leaf)
    }

    fn end(mut self) -> Ending<F> {
        self.flying = 0;
        self.ending.bound = self.bound_now();
        self.ending.open = self.goal.leaves;
        self.ending
    }
}

fn sift_up<F>(leaves: &mut [Leaf<F>], mut at: usize) {
    while at > 0 && leaves[at].bound > leaves[(at - 1) / 2].bound {
        leaves.swap(at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

fn sift_down<F>(leaves: &mut [Leaf<F>]) {
    let mut at = 0;
    loop {
        let larger = [2 * at + 1, 2 * at + 2].into_iter().filter(|&c| c < leaves.len() && leaves[c].bound > leaves[at].bound);
        let Some(child) = larger.max_by(|&a, &b| leaves[a].bound.total_cmp(&leaves[b].bound)) else { break };
        leaves.swap(at, child);
        at = child;
    }
}
