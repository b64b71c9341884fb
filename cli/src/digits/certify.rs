//! Certified accuracy: of how many images no perturbation can change the class.

use checker::Semantics;
use engine::bounds::Network;

use super::bounds::{Bounds, Method, perturbed, prepared};
use super::classifier::Classifier;
use super::dataset::{Dataset, Example};
use super::decide::{Decision, decide};
use super::error::DigitsError;

/// What is proved of one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The network is right on the unperturbed image.
    pub nominal: bool,
    /// Proved by intervals of the logits.
    pub interval: bool,
    /// Proved by CROWN bounds of the logits.
    pub crown: bool,
    /// Proved by a bound of each difference of logits (the best possible answer for a linear network).
    pub margin: bool,
}

/// Counts over the images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Images looked at.
    pub total: usize,
    /// Right on the unperturbed image.
    pub nominal: usize,
    /// Proved by intervals.
    pub interval: usize,
    /// Proved by CROWN, logit by logit.
    pub crown: usize,
    /// Proved by pairwise margins.
    pub margin: usize,
    /// What the search adds, where it is asked for.
    pub search: Option<Searched>,
}

/// Counts of the complete search, which sees every image that the margins leave open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// Proved, by margins or by the search.
    pub proved: usize,
    /// Shown not to be robust: some perturbation gets another class.
    pub broken: usize,
}

/// What is asked: how far pixels may move, and what the network is taken to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// Perturbation radius of each pixel.
    pub eps: f64,
    /// Semantics of the proofs.
    pub semantics: Semantics,
}

/// Refuses a network and a data set of different sizes.
pub fn check_fit(network: &Classifier, data: &Dataset) -> Result<(), DigitsError> {
    if (network.inputs(), network.classes()) == (data.inputs, data.classes) {
        return Ok(());
    }
    let (n, d) = ((network.inputs(), network.classes()), (data.inputs, data.classes));
    let text = format!("the network maps {} pixels to {} classes, but the data set has {} pixels and {} classes", n.0, n.1, d.0, d.1);
    Err(DigitsError::Mismatch(text + ": give weights and data set that belong together"))
}

/// Counts over the first `max` images; with `search`, images that no bound certifies are searched too.
pub fn count(network: &Classifier, data: &Dataset, max: usize, question: Question, search: bool) -> Result<Counts, DigitsError> {
    check_fit(network, data)?;
    let mut counts = Counts::default();
    let graph = network.graph()?;
    let prepared = prepared(&graph, question.semantics);
    let mut searched = search.then(Searched::default);
    for example in data.examples.iter().take(max) {
        let outcome = certify(network, &prepared, example, question);
        counts.total += 1;
        counts.nominal += outcome.nominal as usize;
        counts.interval += outcome.interval as usize;
        counts.crown += outcome.crown as usize;
        counts.margin += outcome.margin as usize;
        if let Some(sums) = &mut searched {
            let decision = if outcome.margin { Decision::Holds } else { decide(&graph, example, question)? };
            match decision {
                Decision::Holds => sums.proved += 1,
                Decision::Fails => sums.broken += 1,
                Decision::Unknown => {}
            }
        }
    }
    counts.search = searched;
    Ok(counts)
}

/// All methods on one image; `prepared` is the network's graph.
fn certify(network: &Classifier, prepared: &Network, example: &Example, question: Question) -> Outcome {
    let label = example.label;
    let input = perturbed(&example.x, question.eps, question.semantics);
    let (interval, crown) = (Bounds::new(prepared, &input, Method::Interval), Bounds::new(prepared, &input, Method::Crown));
    let separated = |b: &Bounds| is_separated(&b.logits().low, &b.logits().high, label);
    Outcome {
        nominal: network.predict(&example.x) == label,
        interval: separated(&interval),
        crown: separated(&crown),
        margin: crown.margins(label).iter().enumerate().all(|(other, &margin)| other == label || margin > 0.0),
    }
}

/// True if the lower bound of the label's logit is strictly above the upper bounds of all others.
pub fn is_separated(low: &[f64], high: &[f64], label: usize) -> bool {
    (0..high.len()).filter(|&other| other != label).all(|other| low[label] > high[other])
}
