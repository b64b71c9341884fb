//! Branch and bound on inputs for any network: CROWN bounds of every part, inherited ranges, relaxed clipping.

use std::sync::Arc;

use super::attack::Effort;
use super::forms::{Judgement, bound_rows};
use super::tree::{Method, Step};
use crate::bounds::chain::Objectives;
use crate::bounds::{Bounds, Network, Plan, Relaxation};
use crate::ops::{Ranges, Working};

/// Attacks a box for some disjuncts, with an effort and a seed.
type AttackPart<'a> = dyn Fn(&Ranges, &[usize], Effort, u64) -> Option<Vec<f64>> + Sync + 'a;

/// A part of the input set.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its box.
    pub region: Ranges,
    /// Proved ranges of a part that contains this one.
    pub inherited: Option<Arc<Bounds>>,
    /// Disjuncts not excluded yet.
    pub open: Vec<usize>,
    /// The parent's bound.
    pub bound: f64,
    /// How close the network came to a counterexample at the worst points of the parent's forms.
    pub promise: f64,
    /// The part's share of the whole box.
    pub share: f64,
    /// True where `f32` has proved too coarse.
    pub double: bool,
}

/// One case on one network.
pub struct Boxes<'a> {
    /// The network.
    pub network: &'a Network<'a>,
    /// The objectives in both working types.
    pub single: Objectives<f32>,
    /// As `single`.
    pub double: Objectives<f64>,
    /// Forward affine bounds of every part, before backward rows.
    pub forward: bool,
    /// Slope steps for rows that CROWN leaves open.
    pub steps: usize,
    /// Says whether a point is a counterexample; looked at only where `look` says so.
    pub check: &'a (dyn Fn(&[f64]) -> bool + Sync),
    /// Attacks some disjuncts in a box.
    pub attack: &'a AttackPart<'a>,
    /// Look for counterexamples at all.
    pub look: bool,
    /// The whole box.
    pub whole: &'a Ranges,
    /// Says when to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// An `f32` bound within this many allowances for rounding of zero is taken again in `f64`.
const NEAR: f64 = 8.0;

/// An input's share of its whole range is no more than this often another's: where slopes are optimised, a form is level along the very
/// input that is worth splitting, and boxes would be cut into slivers along the others.
const MOST_SKEW: f64 = 8.0;

impl Method for Boxes<'_> {
    type Part = Part;
    type Workspace = ();

    fn workspace(&self) {}

    fn forget(&self, _: &mut ()) {}

    fn bound(&self, part: Part, eager: bool, _workspace: &mut ()) -> Step<Part> {
        match part.double {
            true => self.bound_in(part, eager, &self.double),
            false => self.bound_in(part, eager, &self.single),
        }
    }

    fn urgency(&self, part: &Part) -> f64 {
        part.bound
    }

    fn promise(&self, part: &Part) -> f64 {
        part.promise
    }

    fn assault(&self, effort: u32, _workspace: &mut ()) -> Option<Vec<f64>> {
        let all: Vec<usize> = (0..self.double.disjuncts.len()).collect();
        let effort_now = Effort { restarts: 64 << effort, steps: 40 };
        if self.look { (self.attack)(self.whole, &all, effort_now, 100 + effort as u64) } else { None }
    }

    fn share(&self, part: &Part) -> f64 {
        part.share
    }

    fn part_size(&self) -> u64 {
        let elements: usize = self.network.graph.nodes.iter().map(|n| n.len()).sum();
        // Siblings share their inherited ranges.
        12 * elements as u64 + 64 * self.network.graph.input_len() as u64
    }
}

impl Boxes<'_> {
    fn bound_in<F: Working>(&self, part: Part, eager: bool, objectives: &Objectives<F>) -> Step<Part> {
        let plan = Plan { inherited: part.inherited.as_deref(), forward: self.forward, ..Plan::crown(self.stop) };
        let relaxation = Relaxation::<F>::planned(self.network, &part.region, plan);
        if (self.stop)() || relaxation.empty {
            // Stopped half-way, or ranges that contradict each other, which those of a box cannot.
            return Step::Stuck { bound: part.bound, part };
        }
        let judgement = self.judge(&relaxation, objectives, &part);
        if judgement.open.is_empty() {
            return Step::Closed { margin: judgement.margin };
        }
        let values = self.values(&judgement);
        if let Some(point) = self.counterexample(&judgement, &values, eager) {
            return Step::Witness(point);
        }
        let promise = values.into_iter().fold(f64::NEG_INFINITY, f64::max);
        self.split(Part { promise, ..part }, judgement, relaxation.bounds)
    }

    /// Excludes disjuncts by CROWN, then by optimised slopes.
    fn judge<F: Working>(&self, relaxation: &Relaxation<F>, objectives: &Objectives<F>, part: &Part) -> Judgement {
        let rows = rows_of(objectives, &part.open);
        let mut forms = bound_rows(relaxation, objectives, &rows, 0, self.stop);
        let judgement = forms.judge(objectives, &part.open, &part.region);
        if judgement.open.is_empty() || self.steps == 0 {
            return judgement;
        }
        let rows = rows_of(objectives, &judgement.open);
        forms.improve(bound_rows(relaxation, objectives, &rows, self.steps, self.stop));
        let sharper = forms.judge(objectives, &judgement.open, &part.region);
        Judgement { margin: sharper.margin.min(judgement.margin), ..sharper }
    }

    /// What the least fact of each open disjunct is at the disjunct's worst point, in the network itself.
    fn values(&self, judgement: &Judgement) -> Vec<f64> {
        let dot = |c: &[f64], x: &[f64]| c.iter().zip(x).map(|(c, x)| c * x).sum::<f64>();
        let at = |(&d, point): (&usize, &Vec<f64>)| {
            let output = self.network.graph.output_f64(point);
            let value = |&r: &usize| {
                let row = &self.double.rows[r];
                row.constant + dot(&row.outputs, &output) + dot(&row.inputs, point)
            };
            self.double.disjuncts[d].iter().chain(&self.double.cuts).map(value).fold(f64::INFINITY, f64::min)
        };
        judgement.open.iter().zip(&judgement.points).map(at).collect()
    }

    /// A counterexample at one of the forms' worst points, or near them if `eager`.
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

    /// Two halves of what the facts leave of the box, cut where the open forms vary most.
    fn split(&self, part: Part, judgement: Judgement, bounds: Bounds) -> Step<Part> {
        let worst = judgement.worst.min(part.bound);
        if !part.double && judgement.worst <= NEAR * judgement.error {
            return Step::Split(vec![Part { double: true, bound: worst, open: judgement.open, ..part }]);
        }
        let region = judgement.left;
        let middle = |d: usize| 0.5 * region.low[d] + 0.5 * region.high[d];
        let can = |&d: &usize| region.low[d] < middle(d) && middle(d) < region.high[d];
        let whole = &part.region;
        // What clipping leaves of an input counts, not what it was.
        let score = |d: usize| match whole.high[d] - whole.low[d] {
            width if width > 0.0 => judgement.reach[d] * (region.high[d] - region.low[d]) / width,
            _ => 0.0,
        };
        let width = |d: usize| region.high[d] - region.low[d];
        let order = |&a: &usize, &b: &usize| score(a).total_cmp(&score(b)).then(width(a).total_cmp(&width(b))).then(b.cmp(&a));
        let relative = |d: usize| width(d) / (self.whole.high[d] - self.whole.low[d]);
        let best = (0..region.len()).filter(can).max_by(order);
        let long = |&d: &usize| best.is_some_and(|b| relative(d) > MOST_SKEW * relative(b));
        let longest = (0..region.len()).filter(can).filter(long).max_by(|&a, &b| relative(a).total_cmp(&relative(b)).then(b.cmp(&a)));
        let Some(d) = longest.or(best) else {
            return match part.double {
                true => Step::Stuck { bound: worst, part },
                false => Step::Split(vec![Part { double: true, bound: worst, open: judgement.open, ..part }]),
            };
        };
        let inherited = Some(Arc::new(bounds));
        let half = |low: f64, high: f64| {
            let mut region = region.clone();
            (region.low[d], region.high[d]) = (low, high);
            let (open, inherited) = (judgement.open.clone(), inherited.clone());
            Part { region, inherited, open, bound: worst, promise: part.promise, share: 0.5 * part.share, double: part.double }
        };
        Step::Split(vec![half(region.low[d], middle(d)), half(middle(d), region.high[d])])
    }
}

/// The objectives of some disjuncts, each once, and the cuts.
pub fn rows_of<F>(objectives: &Objectives<F>, open: &[usize]) -> Vec<usize> {
    let mut rows: Vec<usize> =
        open.iter().flat_map(|&d| objectives.disjuncts[d].iter().copied()).chain(objectives.cuts.iter().copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}
