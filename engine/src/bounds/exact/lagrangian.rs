//! The rigorous bound that any multipliers give, and what it leaves of every range.
//!
//! For goals weighted by `theta >= 0` and any multipliers `lambda` of the pre-activations, every counterexample has
//!
//! ```text
//! 0 <= sum theta g <= G = constants + sum_j sup { c_j h(a) - lambda_j a : a in [l_j, u_j] } + sum_d sup { v_d x }
//! ```
//!
//! with `c` and `v` passed back row by row (ARCHITECTURE.md, "The one idea"). No term can stay further below its own
//! supremum than `G`, which bounds each range (reduced-cost tightening). Multipliers come from anywhere, the simplex
//! method included; all rounding is accounted for here.

use super::cut::{Cut, NumberedCut};
use super::program::Program;
use super::state::{Met, Span, State};
use crate::numerics::rounding::gamma;

/// How the multiplier of hinge `j` follows from the coefficient `c_j` of its value: `lambda_j = slope_j c_j + add_j`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Multipliers {
    /// Weight of each goal: (goal, theta), theta finite and nonnegative.
    pub goals: Vec<(usize, f64)>,
    /// Slopes; NaN stands for the slope that CROWN would take.
    pub slope: Vec<f64>,
    /// Additions.
    pub add: Vec<f64>,
    /// Weights of cuts: (place in the node's list, nonnegative weight).
    pub cuts: Vec<(u32, f64)>,
}

/// Reusable memory of one bound, and its terms.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Coefficient of every variable.
    pub c: Vec<f64>,
    /// How much the goals have of every hinge's value, before cuts.
    pub pull: Vec<f64>,
    /// Multiplier of every hinge.
    pub lambda: Vec<f64>,
    /// Supremum of every term, rounded up: inputs, then hinges.
    pub sup: Vec<f64>,
    absolute: Vec<f64>,
    /// The bound: `sum theta g` is at most this in the state.
    pub bound: f64,
    /// How much of it is allowance for rounding.
    pub error: f64,
    /// Terms looked at, over all calls.
    pub work: u64,
}

impl Program {
    /// Bounds goal `goal` alone with CROWN's slopes.
    pub fn bound_goal(&self, state: &State, goal: usize, ledger: &mut Ledger) {
        self.bound_with(state, &[(goal, 1.0)], |_| (f64::NAN, 0.0), &[], ledger);
    }

    /// Bounds with given multipliers; `cuts` are those of the node.
    pub fn bound(&self, state: &State, multipliers: &Multipliers, cuts: &[NumberedCut], ledger: &mut Ledger) {
        let mut weighted: Vec<(&Cut, f64)> = multipliers.cuts.iter().map(|&(k, y)| (&*cuts[k as usize].0, y)).collect();
        weighted.sort_by_key(|cut| std::cmp::Reverse(cut.0.hinge));
        self.bound_with(state, &multipliers.goals, |j| (multipliers.slope[j], multipliers.add[j]), &weighted, ledger);
    }

    fn bound_with(
        &self,
        state: &State,
        goals: &[(usize, f64)],
        rule: impl Fn(usize) -> (f64, f64),
        cuts: &[(&Cut, f64)],
        ledger: &mut Ledger,
    ) {
        let Ledger { c, pull, lambda, sup, absolute, work, .. } = ledger;
        for v in [&mut *c, absolute, sup] {
            v.clear();
            v.resize(self.variables(), 0.0);
        }
        for v in [&mut *lambda, pull] {
            v.clear();
            v.resize(self.hinges.len(), 0.0);
        }
        // The constants' sum, their absolute sum, and errors of rows.
        let mut sums = Sums::default();
        for &(g, theta) in goals {
            sums.row(theta, self.goals.bias[g], self.goals.error[g]);
            pass(self.goals.terms(g), theta, c, absolute);
        }
        let mut cut_at = 0;
        for j in (0..self.hinges.len()).rev() {
            let i = self.inputs + j;
            pull[j] = c[i];
            // `y (g z + g0 - h) >= 0`: what the goals have of `h` goes over to the variables that it reads.
            while let Some(&(cut, y)) = cuts.get(cut_at).filter(|cut| cut.0.hinge as usize == j) {
                c[i] -= y;
                absolute[i] += y;
                sums.term(y * cut.bias);
                pass(&cut.terms, y, c, absolute);
                cut_at += 1;
            }
            let (slope, add) = rule(j);
            if c[i] == 0.0 && add == 0.0 {
                continue;
            }
            let (low, high) = (state.low[i], state.high[i]);
            let slope = if slope.is_nan() { default_slope(c[i], low, high, self.slope[j]) } else { slope };
            lambda[j] = slope * c[i] + add;
            let own = greatest(c[i], lambda[j], low, high, self.slope[j]);
            sup[i] = own;
            sums.term(own);
            if lambda[j] != 0.0 {
                sums.row(lambda[j], self.hinges.bias[j], self.hinges.error[j]);
                pass(self.hinges.terms(j), lambda[j], c, absolute);
                *work += self.hinges.terms(j).len() as u64;
            }
        }
        for d in 0..self.inputs {
            sup[d] = (c[d] * state.low[d]).max(c[d] * state.high[d]).next_up();
            sums.term(if c[d].is_finite() { sup[d] } else { f64::INFINITY });
        }
        let roundings = gamma::<f64>(self.hinges.len() + goals.len() + cuts.len() + 4);
        let passed: f64 = absolute.iter().zip(&self.size).map(|(a, m)| a * m).sum();
        let tiny = f64::MIN_POSITIVE * (self.variables() as f64 + 4.0) * (2.0 + self.size.iter().fold(0.0f64, |m, &x| m.max(x)));
        let error =
            (sums.errors + roundings * passed + gamma::<f64>(2 * self.variables() + goals.len() + cuts.len() + 4) * sums.size + tiny)
                * 1.001;
        let bound = (sums.value + error).next_up();
        (ledger.bound, ledger.error) = (if bound.is_nan() { f64::INFINITY } else { bound }, error);
    }

    /// True if the bound says that no counterexample is left.
    pub fn excludes(&self, goals: &[(usize, f64)], bound: f64) -> bool {
        bound < 0.0 || (bound <= 0.0 && goals.iter().any(|&(g, theta)| theta > 0.0 && self.needs[g].strict))
    }

    /// Narrows every range to where its term of the last bound can be within that bound of its supremum; lists the
    /// entries that changed in `changed`. False if nothing is left.
    pub fn tighten(&self, state: &mut State, ledger: &Ledger, changed: &mut Vec<u32>) -> bool {
        let total = ledger.bound;
        if !total.is_finite() {
            return true;
        }
        if total < 0.0 {
            return false;
        }
        for d in (0..self.inputs).filter(|&d| ledger.c[d] != 0.0) {
            let (c, least) = (ledger.c[d], (ledger.sup[d] - total).next_down());
            let end = least / c;
            let span = if c > 0.0 { (end.next_down(), f64::INFINITY) } else { (f64::NEG_INFINITY, end.next_up()) };
            if !meet(state, d, span, changed) {
                return false;
            }
        }
        for j in 0..self.hinges.len() {
            let i = self.inputs + j;
            if ledger.c[i] == 0.0 && ledger.lambda[j] == 0.0 {
                continue;
            }
            let least = (ledger.sup[i] - total).next_down();
            let span = at_least(ledger.c[i], ledger.lambda[j], self.slope[j], least, (state.low[i], state.high[i]));
            if !meet(state, i, span, changed) {
                return false;
            }
        }
        true
    }
}

/// Sums of a bound: the value, the absolute values, and the errors of rows.
#[derive(Default)]
struct Sums {
    value: f64,
    size: f64,
    errors: f64,
}

impl Sums {
    fn row(&mut self, weight: f64, bias: f64, error: f64) {
        self.term(weight * bias);
        self.errors += weight.abs() * error;
    }

    fn term(&mut self, x: f64) {
        self.value += x;
        self.size += x.abs();
    }
}

fn pass(terms: &[(u32, f64)], weight: f64, c: &mut [f64], absolute: &mut [f64]) {
    for &(v, w) in terms {
        let x = weight * w;
        c[v as usize] += x;
        absolute[v as usize] += x.abs();
    }
}

/// CROWN's slope of a hinge of slope `s` below zero: the chord above it, the nearer side below it.
pub(super) fn default_slope(c: f64, low: f64, high: f64, s: f64) -> f64 {
    if low >= 0.0 {
        1.0
    } else if high <= 0.0 {
        s
    } else if c > 0.0 {
        let chord = (high - s * low) / (high - low);
        if chord.is_finite() { chord } else { 0.0 }
    } else if high > -low {
        1.0
    } else {
        s
    }
}

/// The slopes of `c h(a) - lambda a` below and above the kink, with bounds of their rounding errors.
fn pieces(c: f64, lambda: f64, s: f64) -> [(f64, f64); 2] {
    let below = c * s;
    let error = |slope: f64, part: f64| f64::EPSILON * (slope.abs() + part.abs()) + 2.0 * f64::MIN_POSITIVE;
    let (left, right) = (below - lambda, c - lambda);
    // The product is exact for the usual slopes, and so is a difference that is zero.
    let left_error = if left == 0.0 && (s == 0.0 || s.abs() == 1.0) { 0.0 } else { error(left, below) };
    [(left, left_error), (right, if right == 0.0 { 0.0 } else { error(right, 0.0) })]
}

/// At least `sup { c h(a) - lambda a : a in [low, high] }`, for `h(a) = a` above zero and `s a` below.
fn greatest(c: f64, lambda: f64, low: f64, high: f64, s: f64) -> f64 {
    let [(left, left_error), (right, right_error)] = pieces(c, lambda, s);
    let at = |a: f64| {
        let (slope, error) = if a < 0.0 { (left, left_error) } else { (right, right_error) };
        if slope == 0.0 && error == 0.0 || a == 0.0 { 0.0 } else { (slope * a).next_up() + (error * a.abs()).next_up() }
    };
    let (x, y) = (at(low), at(high));
    let ends = if x.is_nan() || y.is_nan() { f64::INFINITY } else { x.max(y) };
    if low < 0.0 && high > 0.0 { ends.max(0.0) } else { ends }
}

/// A range that holds every `a` of `[low, high]` with `c h(a) - lambda a >= least`; ends that are infinite mean none does.
fn at_least(c: f64, lambda: f64, s: f64, least: f64, (low, high): (f64, f64)) -> (f64, f64) {
    let [(left, left_error), (right, right_error)] = pieces(c, lambda, s);
    // Upper estimates: left of the kink the function is at most `(left - e) a`, right of it at most `(right + e) a`.
    let (left, right) = (left - left_error, right + right_error);
    let value = |a: f64| (if a < 0.0 { left * a } else { right * a }).next_up();
    // From an end inwards: on its own side of the kink where the function passes `least` before zero, else beyond it.
    let first = if value(low) >= least {
        low
    } else if low < 0.0 && least <= 0.0 {
        (least / left).next_down()
    } else if right > 0.0 {
        (least / right).next_down()
    } else {
        f64::INFINITY
    };
    let last = if value(high) >= least {
        high
    } else if high > 0.0 && least <= 0.0 {
        (least / right).next_up()
    } else if left < 0.0 {
        (least / left).next_up()
    } else {
        f64::NEG_INFINITY
    };
    (first, last)
}

fn meet(state: &mut State, i: usize, (low, high): (f64, f64), changed: &mut Vec<u32>) -> bool {
    match state.meet(i, Span { low, high }) {
        Met::Empty => return false,
        Met::Narrowed => changed.push(i as u32),
        Met::Same => {}
    }
    true
}
