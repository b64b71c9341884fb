//! What a verification answers.

use std::time::Duration;

use checker::Semantics;

use crate::numerics::Decimal;
use crate::proof::Proof;

/// The answer, its semantics and how it was reached.
#[derive(Clone, Debug)]
pub struct Report {
    /// Holds, fails or unknown.
    pub verdict: Verdict,
    /// Under which semantics the verdict stands; `None` for `unknown`.
    pub semantics: Option<Semantics>,
    /// Remarks for the user: dropped empty disjuncts, "float32 misses by 3e-7", ...
    pub notes: Vec<String>,
    /// Work done.
    pub statistics: Statistics,
    /// What was recorded for a certificate: all of the proof of `holds`, a part of it where the search ended early. None if
    /// nothing was asked to be recorded, or if it cannot be (a note then says why).
    pub proof: Option<Proof>,
}

impl Report {
    /// An undecided report.
    pub fn unknown(reason: Reason, best_margin: Option<f64>) -> Report {
        Report {
            verdict: Verdict::Unknown { reason, best_margin },
            semantics: None,
            notes: Vec::new(),
            statistics: Statistics::default(),
            proof: None,
        }
    }
}

/// The three answers.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// No input of the region breaks the property (`unsat`).
    Holds {
        /// By how much the bound of the worst closed part stayed below zero, in units of the constraints: the slack of this
        /// proof. It is no distance to violation, as clipping and fixed phases leave points out that do not violate.
        margin: Option<f64>,
    },
    /// This input breaks it (`sat`).
    Fails(Box<Witness>),
    /// Neither could be shown.
    Unknown {
        /// Why.
        reason: Reason,
        /// The worst bound left, as a distance to violation (negative: not proved), where one is known.
        best_margin: Option<f64>,
    },
}

/// A counterexample, replayed.
#[derive(Clone, Debug)]
pub struct Witness {
    /// The point, exactly inside the region as written; one decimal per input element.
    pub input: Vec<Decimal>,
    /// The point rounded to the network's element type.
    pub rounded: Vec<f64>,
    /// The network's output at `rounded` in one deployed evaluation (left to right, no FMA).
    pub output: Vec<f64>,
    /// Index of the violated disjunct, over all cases in order.
    pub disjunct: usize,
    /// True if the real network breaks the property at `input` (proved in exact or interval arithmetic).
    pub breaks_real: bool,
    /// True if the deployed evaluation of `rounded` breaks the property.
    pub breaks_float32: bool,
}

impl Witness {
    /// The semantics under which the point was shown to break the property.
    pub fn semantics(&self) -> Semantics {
        match (self.breaks_real, self.breaks_float32) {
            (true, true) => Semantics::Both,
            (true, false) => Semantics::Real,
            (false, _) => Semantics::Float32,
        }
    }
}

/// Why a verdict is `unknown`.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The time limit was reached (`timed-out`).
    Timeout,
    /// The memory limit was reached.
    Memory,
    /// Stopped by the user.
    Stopped,
    /// Only a counterexample was looked for, and none was found.
    NotFound,
    /// Bounds cannot be made sharper in floating point here.
    Precision(String),
    /// Something the network or the query needs is missing; names the node or constraint.
    Unsupported(String),
}

/// Work counters.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Subproblems bounded.
    pub subproblems: u64,
    /// Share of the input set proved, in `[0, 1]`.
    pub proved: f64,
    /// Network evaluations of the attack.
    pub evaluations: u64,
    /// Wall time since the start.
    pub elapsed: Duration,
    /// Which method decided, in a few words.
    pub method: String,
}

/// A snapshot for progress displays.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Subproblems bounded so far.
    pub subproblems: u64,
    /// Subproblems open.
    pub open: u64,
    /// Share of the input set proved, in `[0, 1]`.
    pub proved: f64,
    /// The worst margin left, where known.
    pub worst_margin: Option<f64>,
}

/// Receives progress; called a few times per second from one thread.
pub trait Observer: Sync {
    /// One snapshot.
    fn progress(&self, progress: &Progress);
}

/// An observer that ignores everything.
pub struct Silent;

impl Observer for Silent {
    fn progress(&self, _progress: &Progress) {}
}
