//! Where a proof by row trees goes, finished or not.

use crate::bounds::neurons::{Known, Recorder};
use crate::proof::Log;
use crate::search::cases::Solver;
use crate::search::neurons::{GRAPH_ROUNDS, Round};

/// Where a proof is recorded, and what is recorded already.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The tree; row trees use its root only.
    pub log: &'a Log,
    /// The case's number.
    pub case: usize,
    /// What the steps of the root show.
    pub known: Option<&'a Known>,
}

impl Record<'_> {
    /// Goes on after the steps that show what is known.
    pub(super) fn recorder(&self, solver: &Solver, rounds: &[Round]) -> Recorder {
        let mut recorder = Recorder::new(solver.network, solver.config.max_memory / 4);
        match self.known {
            Some(known) => {
                recorder.resume(&known.steps);
                known.trees.iter().for_each(|tree| recorder.keep_part(tree));
            }
            None if rounds == GRAPH_ROUNDS => recorder.defaults(),
            None => {}
        }
        recorder
    }

    /// Keeps what was recorded; of an open case too.
    pub(super) fn keep(&self, recorder: Recorder, closed: bool) {
        match recorder.finish(closed) {
            Ok(mut steps) if closed => {
                steps.leaf();
                self.log.end(0, steps.bytes());
            }
            Ok(mut steps) => {
                steps.open();
                self.log.pause(0, steps.bytes());
            }
            Err(why) => self.log.fail(why),
        }
    }
}
