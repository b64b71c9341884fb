//! What is known in a node of the tree: every fact holds for all counterexamples of open disjuncts in the node's region.

use std::sync::Arc;

use crate::kernel::{self, Concretise, LANES, padded};
use crate::narrow::Cap;
use crate::plan::Plan;
use crate::rounding::{SLACK, TINY, UNIT, gamma};

/// An element of fixed sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The hinge's activation number.
    pub activation: u32,
    /// The element.
    pub element: u32,
    /// `a >= 0`; otherwise `a <= 0`.
    pub active: bool,
}

/// The facts of a node of the tree.
#[derive(Debug, Default)]
pub struct State {
    /// Lower corner of the box.
    pub low: Vec<f64>,
    /// Upper corner.
    pub high: Vec<f64>,
    /// Lower ends of the activations' operands, all activations one after the other.
    pub below: Vec<f64>,
    /// Upper ends. Both are padded to whole vectors with unbounded elements.
    pub above: Vec<f64>,
    /// Lower lines of `n` elements in `dims` inputs: coefficient of input `d` of element `j` at `d n + j`, constants last. Empty
    /// if the plan keeps none.
    pub lower: Vec<f64>,
    /// Upper lines.
    pub upper: Vec<f64>,
    /// The phases on the path from the root.
    pub phases: Vec<Phase>,
    /// For each phase the function of the inputs that it makes nonnegative: coefficients, then the constant.
    pub phase_lines: Vec<f64>,
    /// Elements with a phase, and all from the first sum with multipliers on: they are not left out where they are provably zero.
    pub fixed: Vec<bool>,
    /// All elements count as fixed.
    pub whole: bool,
    /// Upper bounds of hinges, in the order of the steps on the path from the root.
    pub caps: Vec<Arc<Cap>>,
    /// Disjuncts not excluded yet, ascending.
    pub open: Vec<u32>,
    /// Open disjuncts that row trees exclude in part, and the share of their open leaves.
    pub partly: Vec<(u32, f64)>,
    /// The lines have been taken over this very box.
    pub settled: bool,
    /// The region is proved empty: everything holds.
    pub void: bool,
    /// Share of the root box and its disjuncts.
    pub share: f64,
    /// Sides taken at the splits above.
    pub path: Vec<bool>,
}

impl Clone for State {
    fn clone(&self) -> State {
        let mut copy = State::default();
        copy.clone_from(self);
        copy
    }

    /// Keeps the memory of what is replaced.
    fn clone_from(&mut self, source: &State) {
        self.low.clone_from(&source.low);
        self.high.clone_from(&source.high);
        self.below.clone_from(&source.below);
        self.above.clone_from(&source.above);
        self.lower.clone_from(&source.lower);
        self.upper.clone_from(&source.upper);
        self.phases.clone_from(&source.phases);
        self.phase_lines.clone_from(&source.phase_lines);
        self.fixed.clone_from(&source.fixed);
        self.caps.clone_from(&source.caps);
        self.open.clone_from(&source.open);
        self.partly.clone_from(&source.partly);
        self.path.clone_from(&source.path);
        (self.whole, self.settled, self.void, self.share) = (source.whole, source.settled, source.void, source.share);
    }
}

/// At least `constant + max v . x` over the box; infinite or NaN where numbers end.
///
/// Every term meets at most `dims + 2` roundings; `gamma` of them times the sum of absolute terms is added twice over.
pub fn upper_end(v: &[f64], constant: f64, low: &[f64], high: &[f64]) -> f64 {
    let (mut sum, mut size) = (constant, constant.abs());
    for ((&v, &l), &h) in v.iter().zip(low).zip(high) {
        // No branch: signs are not to be guessed.
        sum += v * if v > 0.0 { h } else { l };
        size += v.abs() * l.abs().max(h.abs());
    }
    let terms = (low.len() + 4) as f64;
    (sum + (2.0 * SLACK * UNIT * terms * size + TINY * terms)).next_up()
}

impl State {
    /// Nothing known but the box and the open disjuncts.
    pub fn root(plan: &Plan, low: Vec<f64>, high: Vec<f64>, disjuncts: usize) -> State {
        let n = padded(plan.elements);
        let lined = if plan.lined { n * plan.inputs } else { 0 };
        let line = |constant: f64| {
            let mut line = vec![0.0; lined];
            line.resize(if plan.lined { lined + n } else { 0 }, constant);
            line
        };
        State {
            void: low.iter().zip(&high).any(|(l, h)| l > h),
            low,
            high,
            below: vec![f64::NEG_INFINITY; n],
            above: vec![f64::INFINITY; n],
            lower: line(f64::NEG_INFINITY),
            upper: line(f64::INFINITY),
            fixed: vec![false; n],
            open: (0..disjuncts as u32).collect(),
            share: 1.0,
            ..State::default()
        }
    }

    /// Takes every line over the box and meets the intervals with what it says.
    pub fn concretise(&mut self) {
        if self.lower.is_empty() || std::mem::replace(&mut self.settled, true) {
            return;
        }
        let (dims, mut least) = (self.low.len(), [0.0; LANES]);
        // A term meets at most `2 dims + 1` roundings, and its end three more.
        kernel::run(Concretise {
            lower: &self.lower,
            upper: &self.upper,
            low: &self.low,
            high: &self.high,
            relative: SLACK * gamma(2 * dims + 6) + 2.0 * UNIT,
            absolute: TINY * (4 * dims + 4) as f64,
            below: &mut self.below,
            above: &mut self.above,
            least: &mut least,
        });
        self.void |= least.iter().any(|&width| width < 0.0);
    }

    /// A disjunct has no counterexample here; all open ones have an equal part in the node's share.
    pub fn exclude(&mut self, disjunct: usize) {
        let before = self.open.len() as f64;
        self.open.retain(|&d| d as usize != disjunct);
        self.share *= self.open.len() as f64 / before.max(1.0);
    }

    /// A disjunct has no counterexample here but in open leaves of a row tree. Of several trees the best counts.
    pub fn exclude_in_part(&mut self, disjunct: usize, open: f64) {
        self.partly.push((disjunct as u32, open));
    }

    /// The share that is open where this node ends: that of its open disjuncts, less what row trees exclude.
    pub fn open_share(&self) -> f64 {
        let least = |d: &u32| self.partly.iter().filter(|p| p.0 == *d).fold(1.0f64, |least, p| least.min(p.1));
        self.share * self.open.iter().map(least).sum::<f64>() / self.open.len().max(1) as f64
    }

    /// An interval without a number in it proves the region empty.
    pub fn notice_empty(&mut self) {
        self.void |= self.below.iter().zip(&self.above).any(|(l, h)| l > h);
    }

    /// Fixes an element of a hinge to one side.
    pub fn fix(&mut self, plan: &Plan, phase: Phase) {
        let place = plan.activations[phase.activation as usize].start + phase.element as usize;
        self.fixed[place] = true;
        let dims = self.low.len();
        if phase.active {
            self.below[place] = self.below[place].max(0.0);
        } else {
            self.above[place] = self.above[place].min(0.0);
        }
        self.phases.push(phase);
        self.phase_lines.resize(self.phase_lines.len() + dims, 0.0);
        self.phase_lines.push(f64::INFINITY);
        if !self.lower.is_empty() {
            let (n, sign) = (self.below.len(), if phase.active { 1.0 } else { -1.0 });
            let lines = if phase.active { &self.upper } else { &self.lower };
            let start = self.phase_lines.len() - dims - 1;
            self.phase_lines[start..].iter_mut().enumerate().for_each(|(d, v)| *v = sign * lines[d * n + place]);
        }
        self.void |= self.below[place] > self.above[place];
    }

    /// Keeps the line `v . x + constant` at or above (`lower`: at or below) element `place` where its end over the box is
    /// better than what is known, or always where the element is fixed.
    ///
    /// Both are given as upper bounds: for `lower`, of the negated element.
    pub fn adopt(&mut self, plan: &Plan, place: usize, lower: bool, v: &[f64], constant: f64) {
        if !constant.is_finite() || !v.iter().all(|x| x.is_finite()) {
            return;
        }
        let bound = upper_end(v, constant, &self.low, &self.high);
        let better = if lower { -bound > self.below[place] } else { bound < self.above[place] };
        if !(better || self.fixed[place]) {
            return;
        }
        if lower && better {
            self.below[place] = -bound;
        } else if better {
            self.above[place] = bound;
        }
        self.void |= self.below[place] > self.above[place];
        if !self.lower.is_empty() {
            let (n, sign) = (self.below.len(), if lower { -1.0 } else { 1.0 });
            let lines = if lower { &mut self.lower } else { &mut self.upper };
            v.iter().chain([&constant]).enumerate().for_each(|(d, x)| lines[d * n + place] = sign * x);
        }
        if self.fixed[place] {
            self.keep_phase_line(plan, place, lower, v, constant);
        }
    }

    /// Keeps an upper bound of element `place` (`lower`: of the negated element) where it is better than what is known.
    pub fn meet(&mut self, place: usize, lower: bool, bound: f64) {
        if lower && -bound > self.below[place] {
            self.below[place] = -bound;
        } else if !lower && bound < self.above[place] {
            self.above[place] = bound;
        }
    }

    /// `a >= 0` makes the upper line nonnegative, `a <= 0` the negated lower one, which is what is given.
    fn keep_phase_line(&mut self, plan: &Plan, place: usize, lower: bool, v: &[f64], constant: f64) {
        let dims = self.low.len();
        for (phase, line) in self.phases.iter().zip(self.phase_lines.chunks_exact_mut(dims + 1)) {
            let own = plan.activations[phase.activation as usize].start + phase.element as usize == place;
            if own && phase.active != lower {
                line[..dims].copy_from_slice(v);
                line[dims] = constant;
            }
        }
    }
}
