//! A report in words: the verdict first, then the witness, then semantics, reason, margin and the work done.

use std::fmt::Write;

use clap::ValueEnum;
use engine::search::{Reason, Report, Verdict, Witness};

use crate::assignment;
use crate::files::Problem;

/// The words of verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Words {
    /// sat, unsat, unknown, timed-out
    Standard,
    /// fails, holds, unknown, timed-out
    Plain,
    /// As standard with `timeout`; verdict and assignment only; sat only if the float32 replay breaks the property
    Competition,
}

/// The verdict alone, as it is told: a competition's `sat` must stand in float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// `unsat`.
    Holds,
    /// `sat`.
    Fails,
    /// `unknown`.
    Unknown,
    /// `timed-out`.
    TimedOut,
}

impl Told {
    /// What a report says in these words.
    pub fn of(report: &Report, words: Words) -> Told {
        match &report.verdict {
            Verdict::Holds { .. } => Told::Holds,
            Verdict::Fails(witness) if words == Words::Competition && !witness.breaks_float32 => Told::Unknown,
            Verdict::Fails(_) => Told::Fails,
            Verdict::Unknown { reason: Reason::Timeout, .. } => Told::TimedOut,
            Verdict::Unknown { .. } => Told::Unknown,
        }
    }

    /// The word.
    pub fn word(self, words: Words) -> &'static str {
        match (self, words) {
            (Told::Holds, Words::Plain) => "holds",
            (Told::Fails, Words::Plain) => "fails",
            (Told::TimedOut, Words::Competition) => "timeout",
            (Told::Holds, _) => "unsat",
            (Told::Fails, _) => "sat",
            (Told::Unknown, _) => "unknown",
            (Told::TimedOut, _) => "timed-out",
        }
    }

    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Told::Holds => 0,
            Told::Fails => 1,
            Told::Unknown | Told::TimedOut => 2,
        }
    }
}

/// How much is printed.
pub struct Style {
    /// The words of verdicts.
    pub words: Words,
    /// Verdict and witness only.
    pub quiet: bool,
    /// The witness was written elsewhere.
    pub hide_witness: bool,
}

/// The whole standard output for a report.
pub fn text(report: &Report, problem: &Problem, style: &Style) -> String {
    let told = Told::of(report, style.words);
    let mut text = format!("{}\n", told.word(style.words));
    match &report.verdict {
        Verdict::Fails(witness) if told == Told::Fails && !style.hide_witness => {
            text += &assignment::text(&problem.query, problem.network.element, witness);
        }
        _ => {}
    }
    if !style.quiet && style.words != Words::Competition {
        details(&mut text, report);
    }
    text
}

fn details(text: &mut String, report: &Report) {
    if let Some(semantics) = report.semantics {
        line(text, "semantics", semantics.word());
    }
    match &report.verdict {
        Verdict::Holds { margin } => optional(text, "margin", *margin),
        Verdict::Fails(witness) => line(text, "breaks", breaks(witness)),
        Verdict::Unknown { reason, best_margin } => {
            line(text, "reason", &words_of(reason));
            optional(text, "best margin", *best_margin);
            line(text, "proved", &format!("{:.4} % of the input set", 100.0 * report.statistics.proved));
        }
    }
    for note in &report.notes {
        line(text, "note", note);
    }
    let statistics = &report.statistics;
    line(text, "subproblems", &statistics.subproblems.to_string());
    line(text, "evaluations", &statistics.evaluations.to_string());
    if !statistics.method.is_empty() {
        line(text, "method", &statistics.method);
    }
    line(text, "seconds", &format!("{:.3}", statistics.elapsed.as_secs_f64()));
}

/// Under which meanings of the network the witness was shown to break the property.
fn breaks(witness: &Witness) -> &'static str {
    match (witness.breaks_real, witness.breaks_float32) {
        (true, true) => "the real network at the point as printed, and the float32 network at its rounding (left to right, no FMA)",
        (true, false) => "the real network at the point as printed; not the float32 network at its rounding",
        (false, _) => "the float32 network at the point rounded to float32 (left to right, no FMA)",
    }
}

/// Why nothing was decided, in words.
pub fn words_of(reason: &Reason) -> String {
    match reason {
        Reason::Timeout => "the time limit was reached".into(),
        Reason::Memory => "the memory limit was reached (--max-memory)".into(),
        Reason::NotFound => "no counterexample was found".into(),
        Reason::Stopped => "stopped by the user".into(),
        Reason::Precision(what) => format!("precision: {what}"),
        Reason::Unsupported(what) => format!("unsupported: {what}"),
    }
}

fn optional(text: &mut String, name: &str, value: Option<f64>) {
    if let Some(value) = value {
        line(text, name, &format!("{value:e}"));
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name}: {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness(breaks_float32: bool) -> Report {
        let witness = Witness { input: vec![], rounded: vec![], output: vec![], disjunct: 0, breaks_real: true, breaks_float32 };
        Report { verdict: Verdict::Fails(Box::new(witness)), ..Report::unknown(Reason::Stopped, None) }
    }

    #[test]
    fn a_competition_sat_needs_the_float32_replay() {
        assert_eq!(Told::of(&witness(true), Words::Competition), Told::Fails);
        assert_eq!(Told::of(&witness(false), Words::Competition), Told::Unknown);
        assert_eq!(Told::of(&witness(false), Words::Standard), Told::Fails);
    }

    #[test]
    fn a_timeout_has_its_own_word_and_the_code_of_unknown() {
        let told = Told::of(&Report::unknown(Reason::Timeout, None), Words::Standard);
        assert_eq!((told.word(Words::Standard), told.code()), ("timed-out", 2));
        assert_eq!(told.word(Words::Competition), "timeout");
    }
}
