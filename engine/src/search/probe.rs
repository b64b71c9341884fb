//! What searches on inputs share: looking for a counterexample where the open forms are greatest, and the input to split.

use super::attack::Effort;
use super::forms::Judgement;
use crate::bounds::chain::Objectives;
use crate::graph::Graph;
use crate::ops::Ranges;

/// Attacks a box for some disjuncts, with an effort and a seed.
pub type AttackPart<'a> = dyn Fn(&Ranges, &[usize], Effort, u64) -> Option<Vec<f64>> + Sync + 'a;

/// Looks for counterexamples of one case.
pub struct Probe<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// The objectives.
    pub objectives: &'a Objectives<f64>,
    /// Says whether a point is a counterexample; looked at only where `look` says so.
    pub check: &'a (dyn Fn(&[f64]) -> bool + Sync),
    /// Attacks some disjuncts in a box.
    pub attack: &'a AttackPart<'a>,
    /// Look for counterexamples at all.
    pub look: bool,
    /// The whole box.
    pub whole: &'a Ranges,
}

/// An input's share of its whole range is no more than this often another's: where slopes are optimised, a form is level along the very
/// input that is worth splitting, and boxes would be cut into slivers along the others.
const MOST_SKEW: f64 = 8.0;

impl Probe<'_> {
    /// How close the network comes to a counterexample at the open forms' worst points, and one at these points, or near them if `eager`.
    pub fn look_at(&self, judgement: &Judgement, eager: bool) -> (f64, Option<Vec<f64>>) {
        let values = self.values(judgement);
        let promise = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (promise, self.counterexample(judgement, &values, eager))
    }

    /// Looks in the whole box, harder each time.
    pub fn assault(&self, effort: u32) -> Option<Vec<f64>> {
        let all: Vec<usize> = (0..self.objectives.disjuncts.len()).collect();
        let now = Effort { restarts: 64 << effort, steps: 40 };
        if self.look { (self.attack)(self.whole, &all, now, 100 + effort as u64) } else { None }
    }

    /// What the least fact of each open disjunct is at the disjunct's worst point, in the network itself.
    fn values(&self, judgement: &Judgement) -> Vec<f64> {
        let dot = |c: &[f64], x: &[f64]| c.iter().zip(x).map(|(c, x)| c * x).sum::<f64>();
        let at = |(&d, point): (&usize, &Vec<f64>)| {
            let output = self.graph.output_f64(point);
            let value = |&r: &usize| {
                let row = &self.objectives.rows[r];
                row.constant + dot(&row.outputs, &output) + dot(&row.inputs, point)
            };
            self.objectives.disjuncts[d].iter().chain(&self.objectives.cuts).map(value).fold(f64::INFINITY, f64::min)
        };
        judgement.open.iter().zip(&judgement.points).map(at).collect()
    }

    fn counterexample(&self, judgement: &Judgement, values: &[f64], eager: bool) -> Option<Vec<f64>> {
        if !self.look {
            return None;
        }
        let mut likely = judgement.points.iter().zip(values).filter(|p| *p.1 >= -1e-6);
        if let Some((point, _)) = likely.find(|(point, _)| (self.check)(point)) {
            return Some(point.clone());
        }
        let effort = Effort { restarts: 8, steps: 20 };
        if eager { (self.attack)(&judgement.left, &judgement.open, effort, 7) } else { None }
    }
}

/// The input along which the open forms vary most over what is left of the box `part`, as `reach` says of all of it; none if no input
/// can be halved.
pub fn axis(reach: &[f64], part: &Ranges, left: &Ranges, whole: &Ranges) -> Option<usize> {
    let middle = |d: usize| 0.5 * left.low[d] + 0.5 * left.high[d];
    let can = |&d: &usize| left.low[d] < middle(d) && middle(d) < left.high[d];
    let width = |d: usize| left.high[d] - left.low[d];
    // What clipping leaves of an input counts, not what it was.
    let score = |d: usize| match part.high[d] - part.low[d] {
        before if before > 0.0 => reach[d] * width(d) / before,
        _ => 0.0,
    };
    let order = |&a: &usize, &b: &usize| score(a).total_cmp(&score(b)).then(width(a).total_cmp(&width(b))).then(b.cmp(&a));
    let relative = |d: usize| width(d) / (whole.high[d] - whole.low[d]);
    let best = (0..left.len()).filter(can).max_by(order);
    let long = |&d: &usize| best.is_some_and(|b| relative(d) > MOST_SKEW * relative(b));
    let longest = (0..left.len()).filter(can).filter(long).max_by(|&a, &b| relative(a).total_cmp(&relative(b)).then(b.cmp(&a)));
    longest.or(best)
}
