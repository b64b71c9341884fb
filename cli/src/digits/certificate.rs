//! Certificates of the format `robust_margin_cert_v0_1`: proved intervals of the logits of every image.
//!
//! The file says `certified` where the lower end of the label's logit is strictly above all other upper ends.

use checker::Semantics;
use serde_json::{Value, json};

use super::bounds::{Bounds, Method, perturbed, prepared};
use super::certify::{Question, is_separated};
use super::classifier::Classifier;
use super::dataset::{Dataset, Example};
use super::error::DigitsError;

/// The format's name.
pub const FORMAT: &str = "robust_margin_cert_v0_1";

/// Which rule made the intervals.
pub fn method_name(network: &Classifier, method: Method) -> &'static str {
    match method {
        Method::Interval if network.is_linear() => "ibp_linear",
        Method::Interval => "ibp_relu",
        Method::Crown => "crown_relu",
    }
}

/// The rule of a name.
pub fn method_of(name: &str) -> Option<Method> {
    match name {
        "ibp_linear" | "ibp_relu" => Some(Method::Interval),
        "crown_relu" => Some(Method::Crown),
        _ => None,
    }
}

/// All names.
pub const METHODS: [&str; 3] = ["ibp_linear", "ibp_relu", "crown_relu"];

/// Names and hashes of the files that a certificate is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Sources {
    /// Path of the weights when the certificate was made.
    pub weights_path: String,
    /// Path of the images.
    pub dataset_path: String,
    /// SHA-256 of the weights file.
    pub weights_sha256: String,
    /// SHA-256 of the images file.
    pub dataset_sha256: String,
}

/// What is claimed of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Number of the image in its file.
    pub id: usize,
    /// The right class.
    pub label: usize,
    /// The class that the network names.
    pub pred: usize,
    /// Lower ends of the logits.
    pub low: Vec<f64>,
    /// Upper ends of the logits.
    pub high: Vec<f64>,
    /// True if the intervals prove the label.
    pub certified: bool,
}

/// A certificate that is consistent in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// Radius and semantics of the claims.
    pub question: Question,
    /// Name of the rule.
    pub method: String,
    /// Pixels per image.
    pub inputs: usize,
    /// Number of classes.
    pub classes: usize,
    /// The files.
    pub sources: Sources,
    /// One per image.
    pub claims: Vec<Claim>,
}

impl Certificate {
    /// Proves the intervals of the first `max` images.
    pub fn prove(
        network: &Classifier,
        data: &Dataset,
        max: usize,
        question: Question,
        sources: Sources,
    ) -> Result<Certificate, DigitsError> {
        let method = if network.is_linear() { Method::Interval } else { Method::Crown };
        let graph = network.graph()?;
        let prepared = prepared(&graph, question.semantics);
        let claim = |example: &Example| {
            let bounds = Bounds::new(&prepared, &perturbed(&example.x, question.eps, question.semantics), method);
            let (low, high) = (bounds.logits().low.clone(), bounds.logits().high.clone());
            let certified = is_separated(&low, &high, example.label);
            Claim { id: example.id, label: example.label, pred: network.predict(&example.x), low, high, certified }
        };
        Ok(Certificate {
            question,
            method: method_name(network, method).into(),
            inputs: network.inputs(),
            classes: network.classes(),
            sources,
            claims: data.examples.iter().take(max).map(claim).collect(),
        })
    }

    /// Number of images whose class the network names.
    pub fn nominal(&self) -> usize {
        self.claims.iter().filter(|c| c.pred == c.label).count()
    }

    /// Number of images whose class is proved.
    pub fn certified(&self) -> usize {
        self.claims.iter().filter(|c| c.certified).count()
    }

    /// The file's text. An infinite bound (possible overflow) becomes `null`, which every reader refuses.
    pub fn to_json(&self) -> String {
        let s = &self.sources;
        let example = |c: &Claim| -> Value {
            json!({"id": c.id, "label": c.label, "pred": c.pred, "logits_lo": c.low, "logits_hi": c.high, "certified": c.certified})
        };
        let top = json!({
            "format": FORMAT, "norm": "linf", "method": self.method, "eps": self.question.eps,
            "input_dim": self.inputs, "num_classes": self.classes,
            "meta": {
                "weights_path": s.weights_path, "dataset_path": s.dataset_path,
                "weights_sha256": s.weights_sha256, "dataset_sha256": s.dataset_sha256,
                "semantics": self.question.semantics.word(),
            },
            "summary": {"examples": self.claims.len(), "nominal_ok": self.nominal(), "certified_ok": self.certified()},
            "examples": self.claims.iter().map(example).collect::<Vec<_>>(),
        });
        top.to_string() + "\n"
    }
}

/// The semantics of a word.
pub fn semantics_of(word: &str) -> Option<Semantics> {
    [Semantics::Both, Semantics::Real, Semantics::Float32].into_iter().find(|s| s.word() == word)
}

/// SHA-256 in lower-case hexadecimal, by which a certificate names the files it is about.
pub fn hex_digest(bytes: &[u8]) -> String {
    checker::sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
