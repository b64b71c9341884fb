//! Branch and bound on inputs for any network: CROWN bounds of every part, inherited ranges, relaxed clipping.

use std::sync::Arc;

use super::forms::{Judgement, bound_rows};
use super::probe::{Probe, axis};
use super::tree::{Method, Step};
use crate::bounds::chain::Objectives;
use crate::bounds::{Bounds, Network, Plan, Relaxation};
use crate::ops::{Ranges, Working};

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
    /// The least margin of what has been excluded above it.
    pub margin: f64,
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
    /// Looks for counterexamples.
    pub probe: Probe<'a>,
    /// Says when to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// An `f32` bound within this many allowances for rounding of zero is taken again in `f64`.
const NEAR: f64 = 8.0;

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
        self.probe.assault(effort)
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
        let mut judgement = self.judge(&relaxation, objectives, &part);
        judgement.margin = judgement.margin.min(part.margin);
        if judgement.open.is_empty() {
            return Step::Closed { margin: judgement.margin };
        }
        let (promise, witness) = self.probe.look_at(&judgement, eager);
        if let Some(point) = witness {
            return Step::Witness(point);
        }
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
        Judgement { margin: sharper.margin.min(judgement.margin), reach: judgement.reach, ..sharper }
    }

    /// Two halves of what the facts leave of the box, cut where the open forms vary most.
    fn split(&self, part: Part, judgement: Judgement, bounds: Bounds) -> Step<Part> {
        let worst = judgement.worst.min(part.bound);
        if !part.double && judgement.worst <= NEAR * judgement.error {
            return Step::Split(vec![Part { double: true, bound: worst, open: judgement.open, margin: judgement.margin, ..part }]);
        }
        let (region, margin) = (judgement.left, judgement.margin);
        let middle = |d: usize| 0.5 * region.low[d] + 0.5 * region.high[d];
        let Some(d) = axis(&judgement.reach, &part.region, &region, self.probe.whole) else {
            return match part.double {
                true => Step::Stuck { bound: worst, part },
                false => Step::Split(vec![Part { double: true, bound: worst, open: judgement.open, margin: judgement.margin, ..part }]),
            };
        };
        let inherited = Some(Arc::new(bounds));
        let half = |low: f64, high: f64| {
            let mut region = region.clone();
            (region.low[d], region.high[d]) = (low, high);
            let (open, inherited) = (judgement.open.clone(), inherited.clone());
            Part { region, inherited, open, bound: worst, promise: part.promise, share: 0.5 * part.share, margin, double: part.double }
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
