//! A report as one JSON object, for programs; `ironbound bench` reads it back.

use engine::search::{Report, Statistics, Verdict, Witness};
use serde::{Deserialize, Serialize};

use crate::answer::{Told, Words, words_of};
use crate::usage;

/// The object that `--json` prints.
#[derive(Serialize, Deserialize, Debug, Default)]
pub struct Answer {
    /// `sat`, `unsat`, `unknown` or `timed-out` (or the words asked for).
    pub verdict: String,
    /// Under which semantics; absent for `unknown`.
    pub semantics: Option<String>,
    /// A proved distance to violation, or the best bound reached.
    pub margin: Option<f64>,
    /// Why nothing was decided.
    pub reason: Option<String>,
    /// The counterexample.
    pub witness: Option<Counterexample>,
    /// Remarks.
    pub notes: Vec<String>,
    /// Subproblems bounded.
    pub subproblems: u64,
    /// Evaluations of the attack.
    pub evaluations: u64,
    /// Share of the input set proved.
    pub proved: f64,
    /// Which method decided.
    pub method: String,
    /// Wall time since the start of the process.
    pub seconds: f64,
    /// CPU time of the process, where the platform tells.
    pub cpu_seconds: Option<f64>,
    /// Peak resident memory, where the platform tells.
    pub peak_mib: Option<f64>,
}

/// A counterexample.
#[derive(Serialize, Deserialize, Debug)]
pub struct Counterexample {
    /// Exact decimals inside the region as written.
    pub input: Vec<String>,
    /// The input rounded to the network's element type.
    pub rounded: Vec<f64>,
    /// The outputs of the deployed evaluation.
    pub output: Vec<f64>,
    /// The disjunct that is met.
    pub disjunct: usize,
    /// True if shown for the real network.
    pub breaks_real: bool,
    /// True if shown for the float32 network.
    pub breaks_float32: bool,
}

impl Answer {
    /// The object for a report.
    pub fn new(report: &Report, words: Words) -> Answer {
        let told = Told::of(report, words);
        let (margin, reason, witness) = match &report.verdict {
            Verdict::Holds { margin } => (*margin, None, None),
            Verdict::Fails(witness) => (None, None, Some(counterexample(witness))),
            Verdict::Unknown { reason, best_margin } => (*best_margin, Some(words_of(reason)), None),
        };
        let Statistics { subproblems, proved, evaluations, elapsed, ref method } = report.statistics;
        Answer {
            verdict: told.word(words).into(),
            semantics: report.semantics.map(|s| s.word().into()),
            margin,
            reason,
            witness,
            notes: report.notes.clone(),
            subproblems,
            evaluations,
            proved,
            method: method.clone(),
            seconds: elapsed.as_secs_f64(),
            cpu_seconds: usage::own_cpu_seconds(),
            peak_mib: usage::peak_mib("self"),
        }
    }

    /// The object on one line.
    pub fn line(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}

fn counterexample(witness: &Witness) -> Counterexample {
    Counterexample {
        input: witness.input.iter().map(ToString::to_string).collect(),
        rounded: witness.rounded.clone(),
        output: witness.output.clone(),
        disjunct: witness.disjunct,
        breaks_real: witness.breaks_real,
        breaks_float32: witness.breaks_float32,
    }
}
