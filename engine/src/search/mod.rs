//! Deciding a query: attack, then branch and bound.

mod attack;
mod boxes;
mod cases;
mod chain;
mod checked;
mod config;
mod forms;
mod gradient;
mod inspect;
mod neurons;
mod phases;
mod probe;
mod problem;
mod report;
mod small;
mod tree;
mod wide;
mod witness;

pub use config::{Config, SemanticsChoice};
pub use inspect::{BoundMethod, output_bounds, refute};
pub use phases::{Finish, Phases};
pub use report::{Observer, Progress, Reason, Report, Silent, Statistics, Verdict, Witness};

use std::time::Instant;

use checker::Semantics;

use crate::graph::Graph;
use crate::numerics::environment;
use crate::query::{DeclaredElement, Query};
use cases::{Attempt, Solver};
pub use cases::{Begun, Continue};

/// Decides `query` on `network`.
///
/// Never panics on any graph and query that the readers accept; whatever cannot be decided is [`Verdict::Unknown`] with its reason.
pub fn verify(network: &Graph, query: &Query, config: &Config, observer: &dyn Observer) -> Report {
    let mut report = decide(network, query, config, observer);
    report.statistics.elapsed = config.started.elapsed();
    report.notes.splice(0..0, query.notes.iter().cloned());
    report
}

/// Goes on with a proof that has open nodes, under its own semantics. The report's proof is the whole of it.
pub fn go_on(network: &Graph, query: &Query, config: &Config, observer: &dyn Observer, begun: Begun) -> Report {
    let semantics = begun.proof.semantics;
    if !environment::is_default() || semantics == Semantics::Integer {
        return Report::unknown(Reason::Unsupported("a proof of this kind cannot be continued here".into()), None);
    }
    let deadline = config.timeout.map(|t| config.started + t);
    let solver = Solver { network, query, config, observer, deadline, begun: Some(begun) };
    let mut report = solver.prove(semantics, Default::default()).report(semantics);
    report.statistics.elapsed = config.started.elapsed();
    report
}

fn decide(network: &Graph, query: &Query, config: &Config, observer: &dyn Observer) -> Report {
    if !environment::is_default() {
        let why = "the default floating-point environment (round to nearest, subnormals kept); a library in this process has changed it";
        return Report::unknown(Reason::Unsupported(why.into()), None);
    }
    let (sure, fallback) = match config.semantics {
        SemanticsChoice::Only(semantics) => (semantics, None),
        SemanticsChoice::Auto => (Semantics::Both, (query.declared_element() == DeclaredElement::Real).then_some(Semantics::Real)),
    };
    if sure == Semantics::Integer {
        return Report::unknown(Reason::Unsupported("integer semantics needs a quantized network".into()), None);
    }
    let solver = Solver { network, query, config, observer, deadline: config.timeout.map(|t| config.started + t), begun: None };
    let first = solver.attempt(sure);
    let Attempt::Open { reason: Reason::Precision(why), .. } = &first else { return first.report(sure) };
    let Some(real) = fallback.filter(|_| solver.deadline.is_none_or(|d| Instant::now() < d)) else { return first.report(sure) };
    let second = solver.attempt(real);
    match second {
        Attempt::Holds { .. } => {
            let mut report = second.report(real);
            report.notes.push(format!("the deployed network is not covered: {why}"));
            report
        }
        Attempt::Fails(_) => second.report(real),
        Attempt::Open { .. } => first.report(sure),
    }
}
