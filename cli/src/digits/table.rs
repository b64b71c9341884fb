//! The table of certified accuracies, for people.

use std::fmt::Write;

use checker::Semantics;

use super::certify::{Counts, Question};

/// One network's column.
pub struct Column {
    /// Its name.
    pub title: String,
    /// What was proved.
    pub counts: Counts,
    /// True if pairwise margins are the exact answer.
    pub exact: bool,
}

/// The table, with a sentence that says what it means.
pub fn render(columns: &[Column], data: &str, question: Question) -> String {
    let total = columns.first().map_or(0, |c| c.counts.total);
    let mut text = format!("Certified robustness on handwritten digits: {total} images of {data}\n");
    let _ = writeln!(text, "every pixel may move by eps = {} within [0, 1]; semantics: {}\n", question.eps, question.semantics.word());
    let margin = if columns.iter().all(|c| c.exact) { "certified by exact pairwise margin" } else { "certified by pairwise margin" };
    let star = if columns.iter().any(|c| c.exact) && columns.iter().any(|c| !c.exact) { " *" } else { "" };
    line(&mut text, "", columns.iter().map(|c| c.title.clone()));
    let mut row = |name: &str, pick: fn(&Counts) -> Option<usize>| {
        let cell = |c: &Column| pick(&c.counts).map_or("-".into(), |n| format!("{n}/{}", c.counts.total));
        line(&mut text, name, columns.iter().map(cell));
    };
    row("nominal accuracy", |c| Some(c.nominal));
    row("certified by interval (IBP)", |c| Some(c.interval));
    row("certified by CROWN, logit by logit", |c| Some(c.crown));
    row(&format!("{margin}{star}"), |c| Some(c.margin));
    if columns.iter().any(|c| c.counts.search.is_some()) {
        row("certified by complete search", |c| c.search.map(|s| s.proved));
        row("shown not to be robust", |c| c.search.map(|s| s.broken));
    }
    if !star.is_empty() {
        text += "  * exact for a linear network, a CROWN bound otherwise\n";
    }
    text + "\n" + &meaning(question) + "\n"
}

fn line(text: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let cells: String = cells.map(|cell| format!("{cell:>20}")).collect();
    let _ = writeln!(text, "{}", format!("  {name:<36}{cells}").trim_end());
}

fn meaning(question: Question) -> String {
    let network = match question.semantics {
        Semantics::Real | Semantics::Integer => "the real function of the stored weights",
        Semantics::Float32 => "every float32 evaluation of it, in any order of summation",
        Semantics::Both => "the real function of the stored weights and for every float32 evaluation of it",
    };
    format!(
        "Certified means proved: no picture within {} of the test image, in any pixel, makes the network name\n\
         another class than the right one. The proof accounts for every rounding error and holds for\n{network}.",
        question.eps
    )
}
