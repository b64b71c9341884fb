//! Deciding a case of a small piecewise-linear network: branch and bound by the chain engine and on phases, in turns.
//!
//! Turns are measured in steps, and each is twice as long as the one before, so that the better kind loses at most a
//! constant factor; which one begins depends on the number of inputs.

use checker::Semantics;

use super::cases::{CaseOutcome, Solver};
use super::chain::{AnyPart, ChainMethod};
use super::phases::Phases;
use super::tree::{self, End, Method};
use super::{Reason, Statistics};
use crate::bounds::exact::Program;
use crate::proof::Log;
use crate::query::Case;

/// How a search of a case ended.
pub enum Ending {
    /// Proved with this margin.
    Proved(f64),
    /// A counterexample near this point.
    Witness(Vec<f64>),
    /// Undecided, with the worst bound left.
    Open(Reason, f64),
    /// So many parts could not be decided in floating point; the worst bound there.
    Stuck(usize, f64),
}

impl Ending {
    /// The outcome of the case, the counterexample replayed.
    pub fn outcome(self, solver: &Solver, case: &Case, first: usize, semantics: Semantics) -> CaseOutcome {
        match self {
            Ending::Proved(margin) => CaseOutcome::Proved(margin),
            Ending::Witness(point) => match solver.check(case, first, semantics, &point) {
                Some(witness) => CaseOutcome::Refuted(Box::new(witness)),
                None => CaseOutcome::Open(Reason::Precision("a counterexample could not be replayed".into()), None),
            },
            Ending::Open(reason, bound) => CaseOutcome::Open(reason, Some(bound)),
            Ending::Stuck(count, worst) => {
                let word = semantics.word();
                let why = format!("{word}: {count} parts are too small to split; the worst bound there is {worst:e}");
                CaseOutcome::Open(Reason::Precision(why), Some(worst))
            }
        }
    }
}

/// Where the chain engine begins.
pub struct Starts {
    /// Open parts.
    pub parts: Vec<AnyPart>,
    /// Share of the input set that is proved already.
    pub proved: f64,
}

/// A search that is done in turns.
struct Strand<'m, M: Method> {
    method: &'m M,
    open: Vec<M::Part>,
    steps: u64,
    proved: f64,
    margin: f64,
    worst: f64,
    stuck: usize,
}

impl<'m, M: Method> Strand<'m, M> {
    fn new(method: &'m M, open: Vec<M::Part>, proved: f64) -> Strand<'m, M> {
        Strand { method, open, steps: 0, proved, margin: f64::INFINITY, worst: f64::NEG_INFINITY, stuck: 0 }
    }

    /// Goes on for `most` steps; `None` if more remains to be done.
    fn turn(&mut self, most: u64, solver: &Solver) -> Option<Ending> {
        let open = std::mem::take(&mut self.open);
        let result = tree::search_some(self.method, open, self.steps, most, solver.config, solver.deadline, solver.observer);
        self.steps += result.steps;
        self.proved += result.proved;
        self.margin = self.margin.min(result.margin);
        self.stuck += result.stuck.len();
        self.worst = result.worst;
        self.open = result.open;
        match result.end {
            End::Paused => None,
            End::Witness(point) => Some(Ending::Witness(point)),
            End::Stopped(reason) => Some(Ending::Open(reason, self.worst)),
            End::Done if self.stuck == 0 => Some(Ending::Proved(self.margin)),
            End::Done => Some(Ending::Stuck(self.stuck, self.worst)),
        }
    }
}

/// The method that proves on phases.
pub const BY_PHASES: &str = "branch and bound on phases";
/// From so many inputs on, phases begin: halving one input among many changes little.
const MANY_INPUTS: usize = 12;
/// Steps of the first turn of the chain engine where it begins.
const LONG: u64 = 1 << 18;
/// Steps of the first turn on phases where they begin, and of the first turn of whatever comes second.
const SHORT: u64 = 256;
/// Shares of the input set that differ by more than this factor say which method is the better one.
const FAR_LESS: f64 = 0.25;
/// Steps of the chain engine that count as one on phases.
const RATIO: u64 = 32;

/// Searches for a decision with the methods that there are: the chain engine from its starts, and phases of the program
/// that `build` makes once it is needed, recorded in `log`. `None` if there is neither.
pub fn search(
    solver: &Solver,
    chain: Option<(&ChainMethod, Starts)>,
    (build, log): (&dyn Fn() -> Option<Program>, Option<&Log>),
    check: &(dyn Fn(&[f64]) -> bool + Sync),
    statistics: &mut Statistics,
) -> Option<Ending> {
    let mut chain = chain.map(|(method, starts)| Strand::new(method, starts.parts, starts.proved));
    let mut stuck = None;
    if let Some(strand) = chain.as_mut().filter(|_| solver.network.input_len() < MANY_INPUTS) {
        let ending = chain_turn(strand, LONG, solver, statistics);
        if ending.is_some() {
            return ending;
        }
    }
    let program = build();
    let method = program.as_ref().map(|program| Phases { program, check, look: solver.config.attack, log });
    let mut phases = method.as_ref().map(|method| Strand::new(method, method.roots(), 0.0));
    let mut steps = SHORT;
    loop {
        // What has proved far less so far waits, as long as there is something to compare.
        let proved = (phases.as_ref().map_or(0.0, |s| s.proved), chain.as_ref().map_or(0.0, |s| s.proved));
        let (phases_wait, chain_waits) = (FAR_LESS * proved.1 > proved.0.max(1e-3), FAR_LESS * proved.0 > proved.1.max(1e-3));
        if let Some(strand) = phases.as_mut().filter(|_| !phases_wait) {
            let ending = strand.turn(if chain.is_some() { steps } else { u64::MAX }, solver);
            note(strand, BY_PHASES, statistics);
            match ending {
                Some(Ending::Stuck(count, worst)) => (stuck, phases) = (Some(Ending::Stuck(count, worst)), None),
                None => {}
                ending => return ending,
            }
        }
        if let Some(strand) = chain.as_mut().filter(|_| !chain_waits) {
            match chain_turn(strand, if phases.is_some() { steps * RATIO } else { u64::MAX }, solver, statistics) {
                Some(Ending::Stuck(count, worst)) => (stuck, chain) = (Some(Ending::Stuck(count, worst)), None),
                None => {}
                ending => return ending,
            }
        }
        if chain.is_none() && phases.is_none() {
            return stuck;
        }
        steps *= 2;
    }
}

fn chain_turn(strand: &mut Strand<ChainMethod>, most: u64, solver: &Solver, statistics: &mut Statistics) -> Option<Ending> {
    let ending = strand.turn(most, solver);
    note(strand, "branch and bound on inputs and neurons", statistics);
    ending
}

fn note<M: Method>(strand: &Strand<M>, method: &str, statistics: &mut Statistics) {
    statistics.subproblems = statistics.subproblems.max(strand.steps);
    if strand.proved >= statistics.proved || statistics.method.is_empty() {
        (statistics.proved, statistics.method) = (strand.proved, method.into());
    }
}
