//! The steps of a node without children, taken one by one by the checker: those that it accepts are kept and gone on from.

use checker::Semantics;
use checker::case::{Prepared, excludes};
use checker::certificate::Cursor;
use checker::plan::Plan;
use checker::relax::Relaxed;
use checker::rounding::{Deployed, environment_is_default};
use checker::state::State;
use checker::steps::Stepper;

use super::{CertifyError, error};
use crate::bounds::neurons::Known;
use crate::proof::{Proof, Read, RowLeaf, RowTree, Steps};

/// Steps that meet intervals of pre-activations and do nothing else.
const TIGHTENING: [u8; 2] = [0x12, 0x13];

/// The step that excludes a disjunct by a tree.
const DROP_BY_TREE: u8 = 0x23;

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
    /// Those that are settled.
    steps: Steps,
    /// Of each open disjunct the tree that excludes most of it.
    trees: Vec<RowTree>,
    state: State,
    whole: bool,
}

impl Read {
    /// Keeps what is accepted of the steps of a case's root that has no children (if `trim`, without those that tighten nothing),
    /// and says what they show.
    pub(super) fn replay(&self, proof: &Proof, case: usize, trim: bool, threads: usize) -> Result<Replayed, CertifyError> {
        let record = proof.trees[case].unfinished(0).map_err(super::unmade)?;
        if record.is_empty() || !environment_is_default() {
            return Ok(Replayed::Not);
        }
        let plan = self.plan().map_err(error)?;
        let Kept { mut steps, trees, state, whole } = self.take((plan, proof.semantics), case, &record, trim, threads)?;
        if state.void || state.open.is_empty() {
            steps.leaf();
            proof.trees[case].end(0, steps.bytes());
            return Ok(Replayed::Closed(whole));
        }
        let settled = steps.bytes().to_vec();
        let lens = self.lens().map_err(error)?;
        trees.iter().for_each(|tree| tree.write(&lens, &mut steps));
        steps.open();
        proof.trees[case].pause(0, steps.bytes());
        let end = |place: usize| (state.below[place], state.above[place]);
        let ends = plan.activations.iter().map(|a| (a.start..a.start + a.len).map(end).collect()).collect();
        Ok(Replayed::Open(Known { open: state.open.iter().map(|&d| d as usize).collect(), ends, steps: settled, trees }))
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
        let lens: Vec<usize> = plan.activations.iter().map(|a| a.len).collect();
        let (mut cursor, mut steps, mut trees) = (Cursor::new(record, 0, record.len()), Steps::default(), Vec::new());
        while cursor.left() > 0 {
            let start = cursor.at;
            let before = (trim && TIGHTENING.contains(&record[start])).then(|| (state.below.clone(), state.above.clone()));
            match stepper.step(&mut cursor, &prepared, true, &mut state) {
                Ok(None) if before.is_some_and(|(below, above)| below == state.below && above == state.above) => {}
                Ok(None) => keep(&record[start..cursor.at], (&lens, &state), &mut steps, &mut trees)?,
                Ok(Some(_)) => break,
                Err(_) => {
                    let bounds = std::mem::take(&mut stepper.trees.bounds);
                    // What claims too much is left out: where all is true, it only says how long it is.
                    cursor = Cursor::new(record, start, record.len());
                    let mut anything = State { void: true, ..state.clone() };
                    if !matches!(stepper.step(&mut cursor, &prepared, true, &mut anything), Ok(None)) {
                        break;
                    }
                    // Of a disjunct's tree only those leaves that do.
                    if let Some(step) = without_false_leaves(&record[start..cursor.at], &lens, &bounds, &prepared)
                        && let Ok(None) = stepper.step(&mut Cursor::new(&step, 0, step.len()), &prepared, true, &mut state)
                    {
                        keep(&step, (&lens, &state), &mut steps, &mut trees)?;
                    }
                }
            }
        }
        trees.retain(|tree| state.open.contains(&(tree.disjunct as u32)));
        let whole = steps.bytes().len() == record.len();
        Ok(Kept { steps, trees, state, whole })
    }
}

/// Keeps an accepted step: trees that leave their disjunct open on their own.
fn keep(step: &[u8], (lens, state): (&[usize], &State), steps: &mut Steps, trees: &mut Vec<RowTree>) -> Result<(), CertifyError> {
    if step[0] != DROP_BY_TREE || state.void {
        steps.resume(step);
        return Ok(());
    }
    let tree = RowTree::read(&mut &step[1..], lens).map_err(super::unread)?;
    if tree.is_whole() {
        steps.resume(step);
    } else {
        let better = trees.iter().any(|other| other.disjunct == tree.disjunct && other.closed() >= tree.closed());
        if !better {
            trees.retain(|other| other.disjunct != tree.disjunct);
            trees.push(tree);
        }
    }
    Ok(())
}

/// The step of a disjunct's tree with those leaves open that the checker's `bounds` of closed ones do not exclude; none if none is left.
fn without_false_leaves(step: &[u8], lens: &[usize], bounds: &[f64], prepared: &Prepared) -> Option<Vec<u8>> {
    let mut tree = (step[0] == DROP_BY_TREE).then(|| RowTree::read(&mut &step[1..], lens).ok())??;
    let strict = prepared.disjuncts.get(tree.disjunct)?.get(tree.row)?.strict;
    let closed: Vec<&mut RowLeaf> = tree.leaves.iter_mut().filter(|leaf| !leaf.open).collect();
    if closed.len() != bounds.len() {
        return None;
    }
    closed.into_iter().zip(bounds).for_each(|(leaf, &bound)| leaf.open = !excludes(bound, strict));
    let mut steps = Steps::default();
    tree.write(lens, &mut steps);
    (tree.closed() > 0.0).then(|| steps.bytes().to_vec())
}
