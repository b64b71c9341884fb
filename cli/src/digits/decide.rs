//! The last resort for images that no bound certifies: the whole search of the engine.

use std::time::{Duration, Instant};

use engine::graph::Graph;
use engine::input::vnnlib::{ParseOptions, read_query};
use engine::search::{Config, SemanticsChoice, Silent, Verdict, verify};

use super::certify::Question;
use super::dataset::Example;
use super::error::DigitsError;
use super::vnnlib::query;

/// Time for one image.
const LIMIT: Duration = Duration::from_secs(2);

/// What the search says of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// No perturbation changes the class.
    Holds,
    /// A perturbation does.
    Fails,
    /// Neither could be shown.
    Unknown,
}

/// Decides the robustness of one image, by the same query that `digits export` writes.
pub fn decide(network: &Graph, example: &Example, question: Question) -> Result<Decision, DigitsError> {
    let text = query(example, question.eps, network.output_len());
    let query = read_query(text.as_bytes(), &ParseOptions::default()).map_err(|e| DigitsError::Mismatch(e.to_string()))?;
    let semantics = SemanticsChoice::Only(question.semantics);
    let config = Config { semantics, started: Instant::now(), timeout: Some(LIMIT), ..Config::default() };
    Ok(match verify(network, &query, &config, &Silent).verdict {
        Verdict::Holds { .. } => Decision::Holds,
        Verdict::Fails(_) => Decision::Fails,
        Verdict::Unknown { .. } => Decision::Unknown,
    })
}
