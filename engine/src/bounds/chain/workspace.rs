//! What a thread keeps from part to part: memory, and what was found last.

use std::sync::Arc;
use std::time::Instant;

use super::Facts;
use super::branch::Gaps;
use super::layer::Reduced;
use crate::bounds::Game;
use crate::kernels::{Aligned, Kernel};
use crate::proof::{Log, Steps};

/// Facts kept for a thread's later parts, at most: a part has one parent.
const MOST_SPARE: usize = 4;

/// Reusable memory of one thread, and what the last call found.
#[derive(Clone, Debug, Default)]
pub struct Workspace<F> {
    pub(super) layers: Vec<Reduced<F>>,
    pub(super) gaps: Gaps<F>,
    pub(super) facts: Facts<F>,
    /// Memory of facts that nobody needs any more.
    spare: Vec<Arc<Facts<F>>>,
    /// Disjuncts that the present part leaves open.
    pub(super) open: Vec<u32>,
    /// Live neurons whose lines are refreshed.
    pub(super) picked: Vec<usize>,
    /// Hidden neurons whose hinge is fixed in this part.
    pub(super) fixed: Vec<bool>,
    pub(super) rows: Aligned<F>,
    pub(super) next: Aligned<F>,
    pub(super) constants: Vec<f64>,
    pub(super) errors: Vec<f64>,
    /// For each hidden layer: the objectives' coefficients on its live values.
    pub(super) traces: Vec<Vec<F>>,
    pub(super) value: Vec<F>,
    pub(super) scale: Vec<F>,
    pub(super) input_live: Vec<u32>,
    pub(super) input_value: Aligned<F>,
    pub(super) low: Vec<f64>,
    pub(super) high: Vec<f64>,
    /// Linear upper bounds of the objectives: coefficients, `inputs` per row.
    pub(super) forms: Vec<f64>,
    /// Their constants, errors included.
    pub(super) form_constants: Vec<f64>,
    pub(super) form_bounds: Vec<f64>,
    /// How much of each form's bound is allowance for rounding.
    pub(super) form_errors: Vec<f64>,
    pub(super) game: Game,
    /// Facts of the disjunct played last: coefficients and constants.
    pub(super) fact_rows: Vec<f64>,
    pub(super) fact_constants: Vec<f64>,
    /// The phases' facts.
    pub(super) phase_rows: Vec<f64>,
    pub(super) phase_constants: Vec<f64>,
    /// Which phase each one is.
    pub(super) phase_numbers: Vec<usize>,
    /// Their weighted combination.
    pub(super) combined: Vec<f64>,
    /// The smallest box found that holds all counterexamples of open disjuncts.
    pub(super) hull: Option<(Vec<f64>, Vec<f64>)>,
    /// Points at which the relaxation of an open disjunct is worst and the network itself comes close: candidates.
    pub candidates: Vec<Vec<f64>>,
    /// The point at which the worst disjunct's relaxation is worst, and the network's pre-activations there.
    pub(super) worst_point: Vec<f64>,
    pub(super) worst_disjunct: usize,
    /// The greatest value of an open disjunct that the network itself took so far in the part.
    pub(super) promise: f64,
    /// The least margin of what is excluded, here or above.
    pub(super) margin: f64,
    pub(super) probe: Vec<F>,
    pub(super) probe_values: Vec<F>,
    /// Where the proof of each part is recorded, if it is.
    pub log: Option<Arc<Log>>,
    /// The steps that prove the present part.
    pub(super) steps: Steps,
    /// The weights of a clip, one list per open disjunct.
    pub(super) clips: Steps,
    /// When to give up on a part half-way; the part is then simply not decided.
    pub deadline: Option<Instant>,
    /// Unstable neurons of the last part.
    pub unstable: usize,
}

impl<F> Workspace<F> {
    /// True once the deadline has passed.
    pub(super) fn late(&self) -> bool {
        self.deadline.is_some_and(|d| Instant::now() >= d)
    }

    /// Forgets the weights gathered for earlier parts. Where they are kept, dead neurons among them take part in sums of
    /// errors, so that bounds depend on earlier parts by some roundings.
    pub fn forget(&mut self) {
        self.layers.iter_mut().for_each(Reduced::forget);
    }
}

impl<F: Kernel> Workspace<F> {
    /// Takes back the memory of facts that belong to nobody else.
    pub(super) fn recycle(&mut self, mut facts: Arc<Facts<F>>) {
        if self.spare.len() < MOST_SPARE && Arc::get_mut(&mut facts).is_some() {
            self.spare.push(facts);
        }
    }

    /// Gives the present facts to their part, if the part gave its own away.
    pub(super) fn keep(&mut self, facts: &mut Arc<Facts<F>>) {
        if let Some(own) = Arc::get_mut(facts) {
            std::mem::swap(own, &mut self.facts);
        }
    }

    /// Replaces a part's facts by the present ones.
    pub(super) fn keep_or_share(&mut self, facts: &mut Arc<Facts<F>>) {
        if Arc::get_mut(facts).is_none() {
            *facts = self.spare.pop().unwrap_or_default();
        }
        self.keep(facts);
    }
}
