//! One query, from image to verdict.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use engine::quantized::{Answer, Effort, Limits, Network, Query, decide, first_maximum};

use crate::failure::Failure;

/// Verdicts, with their words and exit codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Proved.
    Robust(engine::quantized::proof::Proof),
    /// Refuted by this image.
    Vulnerable(Vec<i64>),
    /// The clean image already has another class.
    Misclassified(usize),
    /// Not decided in time.
    Timeout,
}

impl Verdict {
    /// The word that reports begin with.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Robust(_) => "robust",
            Verdict::Vulnerable(_) => "vulnerable",
            Verdict::Misclassified(_) => "misclassified",
            Verdict::Timeout => "timeout",
        }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Verdict::Robust(_) => 0,
            Verdict::Vulnerable(_) => 1,
            Verdict::Timeout => 2,
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
    decide_query(network, &Query::around(network, image, eps, label), timeout, stop)
}

/// Decides a query.
pub fn decide_query(
    network: &Network,
    query: &Query,
    timeout: Option<Duration>,
    stop: &Arc<AtomicBool>,
) -> Result<(Verdict, Effort), Failure> {
    let limits = Limits { started: Some(Instant::now()), timeout, stop: Arc::clone(stop) };
    let (answer, effort) = decide(network, query, &limits)?;
    let verdict = match answer {
        Answer::Robust(proof) => Verdict::Robust(proof),
        Answer::Vulnerable(x) => Verdict::Vulnerable(x),
        Answer::Timeout => Verdict::Timeout,
    };
    Ok((verdict, effort))
}
