//! One query, from image to verdict.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use engine::quantized::proof::Proof;
use engine::quantized::{Answer, Effort, Limits, Network, Query, decide, first_maximum, go_on};

use crate::failure::Failure;

/// Verdicts, with their words and exit codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Proved.
    Robust(Proof),
    /// Refuted by this image.
    Vulnerable(Vec<i64>),
    /// The clean image already has another class.
    Misclassified(usize),
    /// Not decided in time; so much is proved.
    Timeout(Proof),
}

impl Verdict {
    /// The word that reports begin with.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Robust(_) => "robust",
            Verdict::Vulnerable(_) => "vulnerable",
            Verdict::Misclassified(_) => "misclassified",
            Verdict::Timeout(_) => "timeout",
        }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Verdict::Robust(_) => 0,
            Verdict::Vulnerable(_) => 1,
            Verdict::Timeout(_) => 2,
            Verdict::Misclassified(_) => 4,
        }
    }
}

/// Decides the box around an image.
pub fn decide_image(
    network: &Network,
    image: &[i64],
    label: usize,
    eps: i64,
    timeout: Option<Duration>,
    stop: &Arc<AtomicBool>,
) -> Result<(Verdict, Effort), Failure> {
    let class = first_maximum(&network.evaluate(image));
    if class != label {
        return Ok((Verdict::Misclassified(class), Effort::default()));
    }
    decide_query(network, &Query::around(network, image, eps, label), None, timeout, stop)
}

/// Decides a query, from what is open of an accepted proof where there is one.
pub fn decide_query(
    network: &Network,
    query: &Query,
    begun: Option<Proof>,
    timeout: Option<Duration>,
    stop: &Arc<AtomicBool>,
) -> Result<(Verdict, Effort), Failure> {
    let limits = Limits { started: Some(Instant::now()), timeout, stop: Arc::clone(stop) };
    let (answer, effort) = match begun {
        Some(begun) => go_on(network, query, &limits, begun)?,
        None => decide(network, query, &limits)?,
    };
    let verdict = match answer {
        Answer::Robust(proof) => Verdict::Robust(proof),
        Answer::Vulnerable(x) => Verdict::Vulnerable(x),
        Answer::Timeout(proof) => Verdict::Timeout(proof),
    };
    Ok((verdict, effort))
}
