//! The steps of a node without children, taken one by one by the checker: those that it accepts are kept and gone on from.

use checker::Semantics;
use checker::case::Prepared;
use checker::certificate::Cursor;
use checker::plan::Plan;
use checker::relax::Relaxed;
use checker::rounding::{Deployed, environment_is_default};
use checker::state::State;
use checker::steps::Stepper;

use super::{CertifyError, Read, error};
use crate::bounds::neurons::Known;
use crate::proof::{Proof, Steps};

/// Steps that meet intervals of pre-activations and do nothing else.
const TIGHTENING: [u8; 2] = [0x12, 0x13];

/// What became of a root.
pub(super) enum Replayed {
    /// It has children, or no steps.
    Not,
    /// What is accepted closes it; true if that is all there was.
    Closed(bool),
    /// It is open, but this is known.
    Open(Known),
}

/// What is accepted of a root without children.
struct Kept {
    steps: Steps,
    state: State,
    whole: bool,
}

impl Read {
    /// The network as the checker sweeps it.
    pub(super) fn plan(&self) -> Result<Plan, CertifyError> {
        Plan::new(&self.network).map_err(error)
    }

    /// Elements of each activation.
    pub(super) fn lens(&self) -> Result<Vec<usize>, CertifyError> {
        Ok(self.plan()?.activations.iter().map(|a| a.len).collect())
    }

    /// Keeps what is accepted of the steps of a case's root that has no children (if `trim`, without those that tighten nothing),
    /// and says what they show.
    pub(super) fn replay(&self, proof: &Proof, case: usize, trim: bool, threads: usize) -> Result<Replayed, CertifyError> {
        let record = proof.trees[case].unfinished(0).map_err(super::unmade)?;
        if record.is_empty() || !environment_is_default() {
            return Ok(Replayed::Not);
        }
        let plan = self.plan()?;
        let Kept { mut steps, state, whole } = self.take((&plan, proof.semantics), case, &record, trim, threads)?;
        if state.void || state.open.is_empty() {
            steps.leaf();
            proof.trees[case].end(0, steps.bytes());
            return Ok(Replayed::Closed(whole));
        }
        steps.open();
        proof.trees[case].pause(0, steps.bytes());
        let end = |place: usize| (state.below[place], state.above[place]);
        let ends = plan.activations.iter().map(|a| (a.start..a.start + a.len).map(end).collect()).collect();
        Ok(Replayed::Open(Known { open: state.open.iter().map(|&d| d as usize).collect(), ends }))
    }

    fn take(
        &self,
        (plan, semantics): (&Plan, Semantics),
        case: usize,
        record: &[u8],
        trim: bool,
        threads: usize,
    ) -> Result<Kept, CertifyError> {
        let deployed = Deployed::new(semantics, plan.double);
        let prepared = Prepared::new(&self.query.cases[case], plan, semantics, deployed).map_err(error)?;
        let mut stepper = Stepper::new(Relaxed::new(plan, deployed));
        stepper.threads = threads;
        let mut state = prepared.root(&mut stepper.relaxed, &mut stepper.batch);
        stepper.begin();
        let (mut cursor, mut steps) = (Cursor::new(record, 0, record.len()), Steps::default());
        while cursor.left() > 0 {
            let start = cursor.at;
            let before = (trim && TIGHTENING.contains(&record[start])).then(|| (state.below.clone(), state.above.clone()));
            match stepper.step(&mut cursor, &prepared, true, &mut state) {
                Ok(None) if before.is_some_and(|(below, above)| below == state.below && above == state.above) => {}
                Ok(None) => steps.resume(&record[start..cursor.at]),
                Ok(Some(_)) => break,
                Err(_) => {
                    // What claims too much is left out: where all is true, it only says how long it is.
                    cursor = Cursor::new(record, start, record.len());
                    let mut anything = State { void: true, ..state.clone() };
                    if !matches!(stepper.step(&mut cursor, &prepared, true, &mut anything), Ok(None)) {
                        break;
                    }
                }
            }
        }
        let whole = steps.bytes().len() == record.len();
        Ok(Kept { steps, state, whole })
    }
}
