//! One node: the consequences of what is known, and the bound of its linear program.

use std::sync::Arc;

use super::cut::NumberedCut;
use super::lagrangian::Ledger;
use super::linear::{Linear, Solution};
use super::program::Program;
use super::propagate::Queue;
use super::state::State;
use super::trail::Trail;

/// Reusable memory of one thread.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    queue: Queue,
    /// The last bound's terms.
    pub ledger: Ledger,
    /// The last linear program.
    pub linear: Linear,
    changed: Vec<u32>,
    values: Vec<f64>,
    /// Where the present node's proof is recorded, if it is.
    pub trail: Option<Trail>,
}

impl Scratch {
    /// Work done so far, about in multiplications.
    pub fn work(&self) -> u64 {
        self.queue.work + self.ledger.work + self.linear.work
    }
}

/// What a node hands down to those below it.
#[derive(Clone, Debug, Default)]
pub struct Aid {
    /// Upper bounds of hinges, with their numbers in the certificate.
    pub cuts: Vec<NumberedCut>,
    /// Columns that were basic in the linear program.
    pub basis: Vec<u32>,
}

impl Aid {
    /// Keeps the cuts with a weight; their places change with it.
    fn keep(&mut self, weighted: &mut [(u32, f64)]) {
        self.cuts = weighted.iter().map(|w| self.cuts[w.0 as usize].clone()).collect();
        weighted.iter_mut().zip(0..).for_each(|(w, place)| w.0 = place);
    }
}

/// What a node came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Settled {
    /// No counterexample of the disjunct is left.
    Excluded {
        /// By how much; infinite if ranges contradict each other.
        margin: f64,
    },
    /// Open, with the least bound of a goal or of the program.
    Open {
        /// That bound.
        bound: f64,
    },
}

/// A row matters where more than this share of its width lies on the other side of its kink, or beyond its range.
const SLIGHT: f64 = 0.05;
/// Rounds of goals and rows per node.
const ROUNDS: usize = 6;

impl Program {
    /// Takes `state` to its consequences under the goals of `disjunct`, starting from the entries `changed` (all if `None`).
    pub fn settle(&self, state: &mut State, disjunct: usize, changed: Option<&[u32]>, scratch: &mut Scratch) -> Settled {
        let empty = Settled::Excluded { margin: f64::INFINITY };
        if !self.propagate(state, changed, &mut scratch.queue, &mut scratch.trail) {
            return empty;
        }
        let mut bound = f64::INFINITY;
        for _ in 0..ROUNDS {
            bound = f64::INFINITY;
            let mut moved = false;
            for &g in self.disjuncts[disjunct].iter().chain(&self.cuts) {
                self.bound_goal(state, g, &mut scratch.ledger);
                let note = |trail: &mut Trail| trail.goal(self, disjunct, g);
                if self.excludes(&[(g, 1.0)], scratch.ledger.bound) {
                    scratch.trail.as_mut().map(note);
                    return Settled::Excluded { margin: -scratch.ledger.bound };
                }
                bound = bound.min(scratch.ledger.bound);
                match self.follow(state, scratch, note) {
                    None => return empty,
                    Some(narrowed) => moved |= narrowed,
                }
            }
            if !moved {
                break;
            }
        }
        Settled::Open { bound }
    }

    /// Narrows ranges by the last bound and takes them to their consequences; says whether any moved, `None` if nothing is left.
    /// `note` puts that bound into the trail.
    fn follow(&self, state: &mut State, scratch: &mut Scratch, note: impl FnOnce(&mut Trail)) -> Option<bool> {
        scratch.changed.clear();
        let Scratch { ledger, changed, queue, trail, .. } = scratch;
        let left = self.tighten(state, ledger, changed);
        if left && changed.is_empty() {
            return Some(false);
        }
        trail.as_mut().map(note);
        (left && self.propagate(state, Some(changed), queue, trail)).then_some(true)
    }

    /// Bounds the disjunct by its linear program, starting from the columns `hint`; narrows ranges by the result.
    ///
    /// `cuts` are upper bounds of hinges that hold here. Up to `rounds` times, those that the solution violates are added
    /// and the program is solved again; at the end, only those that the bound rests on are kept.
    pub fn settle_linear(
        &self,
        state: &mut State,
        disjunct: usize,
        aid: &mut Aid,
        rounds: usize,
        bound: f64,
        scratch: &mut Scratch,
    ) -> Settled {
        let mut bound = bound;
        for round in 0.. {
            let Scratch { ledger, linear, trail, .. } = &mut *scratch;
            let cutoff = -1e-7 * (1.0 + bound.abs().min(1e3));
            let solution = self.solve(state, disjunct, &aid.cuts, &aid.basis, cutoff, linear);
            aid.basis.clone_from(&linear.basis);
            self.bound(state, &linear.multipliers, &aid.cuts, ledger);
            let weight: f64 = linear.multipliers.goals.iter().map(|g| g.1).sum();
            if self.excludes(&linear.multipliers.goals, ledger.bound) {
                if let Some(trail) = trail {
                    trail.sum(self, disjunct, &linear.multipliers, aid);
                }
                return Settled::Excluded { margin: if weight > 0.0 { -ledger.bound / weight } else { f64::INFINITY } };
            }
            let own = if weight > 0.0 && solution != Solution::Empty { ledger.bound / weight } else { f64::INFINITY };
            let gain = bound - own;
            bound = bound.min(own);
            aid.keep(&mut linear.multipliers.cuts);
            let more = round < rounds && matches!(solution, Solution::Value(_)) && (round == 0 || gain > 0.02 * bound);
            if !more || !self.separate(state, linear, ledger, aid) {
                break;
            }
        }
        let multipliers = std::mem::take(&mut scratch.linear.multipliers);
        let left = self.follow(state, scratch, |trail| trail.sum(self, disjunct, &multipliers, aid));
        scratch.linear.multipliers = multipliers;
        match left {
            None => Settled::Excluded { margin: f64::INFINITY },
            Some(_) => Settled::Open { bound },
        }
    }

    /// Adds the upper bounds of open hinges that the last solution violates; false if there are none.
    fn separate(&self, state: &State, linear: &Linear, ledger: &Ledger, aid: &mut Aid) -> bool {
        let before = aid.cuts.len();
        let least = 1e-3 * linear.gaps.iter().map(|&(j, gap)| gap * ledger.pull[j as usize].abs()).fold(0.0, f64::max);
        for &(j, gap) in &linear.gaps {
            let i = self.inputs + j as usize;
            if gap * ledger.pull[j as usize].abs() <= least || gap <= 0.0 {
                continue;
            }
            if let Some((cut, value)) = self.cut(state, j as usize, &linear.values)
                && value < linear.values[i] - 0.01 * gap
            {
                aid.cuts.push((Arc::new(cut), None));
            }
        }
        aid.cuts.len() > before
    }

    /// How much each hinge has to do with the rows that matter: those that are open, or whose range is narrower than what
    /// their terms could reach. A variable counts by its share of these rows' width, a hinge by its variables' shares of its own.
    pub fn ties(&self, state: &State) -> Vec<f64> {
        let mut of_variable = vec![0.0; self.variables()];
        let width = |v: usize| {
            let span = self.value(state, v);
            span.high - span.low
        };
        let widths: Vec<f64> = (0..self.variables()).map(width).collect();
        let mut reach = Vec::with_capacity(self.hinges.len());
        for j in 0..self.hinges.len() {
            let i = self.inputs + j;
            let sum = self.activity(state, &self.hinges, j);
            let total = sum.high - sum.low;
            reach.push(total);
            let (low, high) = (state.low[i], state.high[i]);
            let open = -low > SLIGHT * total && high > SLIGHT * total && self.slope[j] != 1.0;
            let narrower = sum.low < low - SLIGHT * total || sum.high > high + SLIGHT * total;
            if total > 0.0 && (open || narrower) {
                self.hinges.terms(j).iter().for_each(|&(v, w)| of_variable[v as usize] += w.abs() * widths[v as usize] / total);
            }
        }
        let tie = |j: usize| {
            let share = |&(v, w): &(u32, f64)| w.abs() * widths[v as usize] * of_variable[v as usize];
            let sum: f64 = self.hinges.terms(j).iter().map(share).sum();
            if reach[j] > 0.0 { sum / reach[j] } else { 0.0 }
        };
        (0..self.hinges.len()).map(tie).collect()
    }

    /// The least goal of `disjunct` that the network takes at `point`, cuts included, to nearest.
    pub fn value_at(&self, point: &[f64], disjunct: usize, scratch: &mut Scratch) -> f64 {
        let values = &mut scratch.values;
        values.clear();
        values.extend_from_slice(point);
        let sum = |terms: &[(u32, f64)], bias: f64, z: &[f64]| bias + terms.iter().map(|&(v, w)| w * z[v as usize]).sum::<f64>();
        for j in 0..self.hinges.len() {
            let a = sum(self.hinges.terms(j), self.hinges.bias[j], values);
            values.push(if a < 0.0 { self.slope[j] * a } else { a });
        }
        let goals = self.disjuncts[disjunct].iter().chain(&self.cuts);
        goals.map(|&g| sum(self.goals.terms(g), self.goals.bias[g], values)).fold(f64::INFINITY, f64::min)
    }
}
