//! The largest (or least) of each of many groups of elements: max-pooling, Max and Min of several operands, ReduceMax.
//!
//! For `c >= 0` and any multipliers `m`, as `c max p = max_k c p_k`,
//! `sup { c max p - m . p } = max_k ( sup (c - m_k) p_k + sum_{j != k} sup -m_j p_j )` over a box: exact, and cheap.
//! For `c < 0`, `c max p - c p_k <= 0` for each `k`. The least is treated as `min p = -max -p`.

use dashu::rational::RBig;

use super::ledger::{Ledger, largest, range, usable};
use crate::numerics::Interval;
use crate::ops::{DeployedError, General, Ranges};

/// An operator whose outputs are each the largest, or each the least, of a group of elements.
pub trait Groups: std::fmt::Debug + Send + Sync {
    /// The ONNX name.
    fn name(&self) -> &str;
    /// Number of outputs for operands of these sizes, or what does not fit.
    fn output_len(&self, inputs: &[usize]) -> Result<usize, String>;
    /// Number of outputs.
    fn outputs(&self) -> usize;
    /// Calls `visit(operand, index)` for every member of group `output`; at least once.
    fn members(&self, output: usize, visit: &mut dyn FnMut(usize, usize));
    /// True for the least instead of the largest.
    fn least(&self) -> bool {
        false
    }
}

/// One member as the rules see it: values negated where the least is asked for.
#[derive(Clone, Copy)]
struct Member {
    operand: usize,
    index: usize,
    range: Interval,
    multiplier: f64,
}

fn oriented<G: Groups + ?Sized>(groups: &G, inputs: &[&Ranges], output: usize, members: &mut Vec<Member>) {
    members.clear();
    groups.members(output, &mut |operand, index| {
        let range = range(inputs, operand, index);
        let range = if groups.least() { -range } else { range };
        members.push(Member { operand, index, range, multiplier: 0.0 });
    });
}

/// Chooses multipliers for `c max p` and returns the bound that goes with them.
fn relax(c: f64, members: &mut [Member]) -> f64 {
    let best =
        |key: fn(&Interval) -> f64| (0..members.len()).reduce(|a, b| if key(&members[b].range) > key(&members[a].range) { b } else { a });
    if c < 0.0 {
        let Some(k) = best(|r| r.middle()) else { return f64::NAN };
        members[k].multiplier = c;
        return 0.0;
    }
    let Some(k) = best(|r| r.low) else { return f64::NAN };
    let rival = members.iter().enumerate().filter(|&(j, _)| j != k).map(|(_, m)| m.range.high).fold(f64::NEG_INFINITY, f64::max);
    if members[k].range.low >= rival {
        members[k].multiplier = c;
        return 0.0;
    }
    share(c, members);
    supremum(c, members)
}

/// Lowers the bound at the box's centre as far as any multipliers can, and of these shares takes (nearly) those that sum to `c`.
///
/// The bound at the centre is `c (sum_k (high_k - T)^+ / 2 + T)` with multipliers `c (high_k - T) / width_k`; it is least for every
/// `T` between the second and the third largest upper end (and above the largest lower end).
fn share(c: f64, members: &mut [Member]) {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|&a, &b| members[b].range.high.total_cmp(&members[a].range.high));
    let floor = members.iter().map(|m| m.range.low).fold(f64::NEG_INFINITY, f64::max);
    let third = order.get(2).map_or(f64::NEG_INFINITY, |&k| members[k].range.high);
    let (first, second) = (members[order[0]].range, members[order[1]].range);
    let (w1, w2) = (first.high - first.low, second.high - second.low);
    let even = (first.high / w1 + second.high / w2 - 1.0) / (1.0 / w1 + 1.0 / w2);
    let low = floor.max(third).min(second.high);
    let level = if even.is_nan() { second.high } else { even.clamp(low, second.high) };
    for &k in &order[..2] {
        let m = &mut members[k];
        m.multiplier = usable(c * ((m.range.high - level) / (m.range.high - m.range.low)).clamp(0.0, 1.0));
    }
}

/// The formula of the module's head, every operation rounded up.
fn supremum(c: f64, members: &[Member]) -> f64 {
    let times = |a: Interval, b: Interval| (a * b).high;
    let rest = |m: &Member| times(Interval::point(-m.multiplier), m.range);
    let with_multiplier: Vec<usize> = (0..members.len()).filter(|&j| members[j].multiplier != 0.0).collect();
    largest(members.iter().enumerate().map(|(k, m)| {
        let own = match m.multiplier {
            0.0 => times(Interval::point(c), m.range),
            own => times(Interval::point(c) - Interval::point(own), m.range),
        };
        with_multiplier.iter().filter(|&&j| j != k).fold(own, |sum, &j| (sum + rest(&members[j])).next_up())
    }))
}

impl<G: Groups> General for G {
    fn name(&self) -> &str {
        Groups::name(self)
    }

    fn output_len(&self, inputs: &[usize]) -> Result<usize, String> {
        Groups::output_len(self, inputs)
    }

    fn eval(&self, inputs: &[&[f64]], output: &mut [f64]) {
        for (o, y) in output.iter_mut().enumerate() {
            let (k, i) = winner(self, o, |k, i| inputs[k][i]);
            *y = inputs[k][i];
        }
    }

    fn eval_f32(&self, inputs: &[&[f32]], output: &mut [f32]) {
        for (o, y) in output.iter_mut().enumerate() {
            let (k, i) = winner(self, o, |k, i| inputs[k][i] as f64);
            *y = inputs[k][i];
        }
    }

    fn pull_back(&self, inputs: &[&[f64]], gradient: &[f64], back: &mut [Vec<f64>]) {
        for (o, &g) in gradient.iter().enumerate() {
            let (k, i) = winner(self, o, |k, i| inputs[k][i]);
            back[k][i] += g;
        }
    }

    fn interval(&self, inputs: &[&Ranges]) -> Ranges {
        let mut members = Vec::new();
        Ranges::collect((0..self.outputs()).map(|o| {
            oriented(self, inputs, o, &mut members);
            let low = largest(members.iter().map(|m| m.range.low));
            let largest = Interval { low, high: largest(members.iter().map(|m| m.range.high)) };
            if self.least() { -largest } else { largest }
        }))
    }

    fn relax_row(&self, c: &[f64], inputs: &[&Ranges], back: &mut [Vec<f64>]) -> f64 {
        let mut ledger = Ledger::new(inputs, back);
        let mut members = Vec::new();
        for (o, &c) in c.iter().enumerate().filter(|(_, c)| **c != 0.0) {
            if !c.is_finite() {
                return f64::NAN;
            }
            let sign = if self.least() { -1.0 } else { 1.0 };
            oriented(self, inputs, o, &mut members);
            let bound = relax(sign * c, &mut members);
            ledger.charge(bound);
            for m in members.iter().filter(|m| m.multiplier != 0.0) {
                ledger.add(m.operand, m.index, sign * m.multiplier);
            }
        }
        ledger.bound()
    }

    fn deployed_error(&self) -> DeployedError {
        DeployedError::default()
    }

    fn eval_exact(&self, inputs: &[&[RBig]]) -> Option<Vec<RBig>> {
        (0..self.outputs())
            .map(|o| {
                let mut best: Option<&RBig> = None;
                self.members(o, &mut |k, i| {
                    let p = &inputs[k][i];
                    let better = best.is_none_or(|b| if self.least() { p < b } else { p > b });
                    best = if better { Some(p) } else { best };
                });
                best.cloned()
            })
            .collect()
    }
}

/// The first member of the greatest (least) value; NaN wins, as it does in deployment.
fn winner<G: Groups + ?Sized>(groups: &G, output: usize, value: impl Fn(usize, usize) -> f64) -> (usize, usize) {
    let mut best: Option<(usize, usize)> = None;
    groups.members(output, &mut |k, i| {
        let new = value(k, i);
        let better = best.is_none_or(|(a, b)| {
            let old = value(a, b);
            !old.is_nan() && (new.is_nan() || if groups.least() { new < old } else { new > old })
        });
        best = if better { Some((k, i)) } else { best };
    });
    best.expect("every group has a member: the constructors refuse empty ones")
}
