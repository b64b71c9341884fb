//! Deciding a query: attack, then branch and bound.

mod chain;
mod config;
mod problem;
mod report;
mod tree;

pub use config::{Config, SemanticsChoice};
pub use report::{Observer, Progress, Reason, Report, Silent, Statistics, Verdict, Witness};

use crate::graph::Graph;
use crate::query::Query;

/// Decides `query` on `network`.
///
/// Never panics on any graph and query that the readers accept; whatever cannot be decided is [`Verdict::Unknown`] with its reason.
pub fn verify(network: &Graph, query: &Query, config: &Config, observer: &dyn Observer) -> Report {
    let _ = (network, query, config, observer);
    Report::unknown(Reason::Unsupported("the search is not built yet".into()), None)
}
