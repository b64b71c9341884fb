//! Checking certificates: in themselves, and against the files that they are about.

use super::bounds::{Bounds, perturbed, prepared};
use super::certificate::{Certificate, Claim, FORMAT, METHODS, Sources, hex_digest, method_name, method_of, semantics_of};
use super::certify::{Question, check_fit, is_separated};
use super::classifier::Classifier;
use super::dataset::{Dataset, Example};
use super::error::DigitsError;
use super::json::{Field, parse};

/// Certificates of tools that round to nearest claim intervals that are too tight by some units in the last place. Such a
/// difference is reported; the claims of robustness themselves are always proved anew, without any tolerance.
const NEAREST: f64 = 1e-9;

/// Reads a certificate and refuses one that contradicts itself.
pub fn read(file: &str, bytes: &[u8]) -> Result<Certificate, DigitsError> {
    let value = parse(file, bytes)?;
    let top = Field::top(file, &value);
    top.member("format")?.one_of(&[FORMAT])?;
    top.member("norm")?.one_of(&["linf"])?;
    let method = top.member("method")?.one_of(&METHODS)?.to_string();
    let eps = top.member("eps")?;
    let eps = if eps.number()? >= 0.0 { eps.number()? } else { return Err(eps.expected("a number of at least 0")) };
    let (inputs, classes) = (top.member("input_dim")?.natural(1 << 20)?, top.member("num_classes")?.natural(1 << 16)?);
    let (sources, question) = read_meta(&top.member("meta")?, eps)?;
    let list = top.member("examples")?;
    let claims = list.elements()?.iter().map(|e| read_claim(e, classes)).collect::<Result<Vec<_>, _>>()?;
    if claims.is_empty() {
        return Err(list.expected("at least one example"));
    }
    let certificate = Certificate { question, method, inputs, classes, sources, claims };
    check_summary(&top.member("summary")?, &certificate)?;
    Ok(certificate)
}

fn read_meta(meta: &Field, eps: f64) -> Result<(Sources, Question), DigitsError> {
    let text = |key: &str| Ok::<_, DigitsError>(meta.member(key)?.text()?.to_string());
    let semantics = match meta.optional("semantics")? {
        Some(word) => semantics_of(word.text()?).ok_or_else(|| word.expected("`both`, `real` or `float32`"))?,
        // The format itself knows no semantics: its claims are about real numbers.
        None => checker::Semantics::Real,
    };
    let sources = Sources {
        weights_path: text("weights_path")?,
        dataset_path: text("dataset_path")?,
        weights_sha256: text("weights_sha256")?,
        dataset_sha256: text("dataset_sha256")?,
    };
    Ok((sources, Question { eps, semantics }))
}

fn read_claim(example: &Field, classes: usize) -> Result<Claim, DigitsError> {
    let class = |key: &str| {
        let field = example.member(key)?;
        field.natural(classes.saturating_sub(1))
    };
    let (label, pred) = (class("label")?, class("pred")?);
    let (low, high) = (example.member("logits_lo")?, example.member("logits_hi")?);
    let (low_ends, high_ends) = (low.numbers(classes)?, high.numbers(classes)?);
    if let Some(i) = (0..classes).find(|&i| low_ends[i] > high_ends[i]) {
        return Err(low.exactly(classes)?[i].expected(format!("at most logits_hi[{i}] = {}", high_ends[i])));
    }
    let flag = example.member("certified")?;
    let certified = flag.truth()?;
    if certified != is_separated(&low_ends, &high_ends, label) {
        return Err(flag.expected(format!("{}, as the intervals say", !certified)));
    }
    Ok(Claim { id: example.member("id")?.natural(1 << 40)?, label, pred, low: low_ends, high: high_ends, certified })
}

fn check_summary(summary: &Field, certificate: &Certificate) -> Result<(), DigitsError> {
    let counts = [("examples", certificate.claims.len()), ("nominal_ok", certificate.nominal()), ("certified_ok", certificate.certified())];
    for (key, count) in counts {
        let field = summary.member(key)?;
        if field.natural(1 << 40)? != count {
            return Err(field.expected(format!("{count}, as the examples say")));
        }
    }
    Ok(())
}

/// Proves every claim anew. Returns how far, at most, recorded intervals are tighter than what can be proved
/// (0 or less if all are proved as they stand).
pub fn prove_again(certificate: &Certificate, weights: (&Classifier, &[u8]), dataset: (&Dataset, &[u8])) -> Result<f64, DigitsError> {
    let (network, data) = (weights.0, dataset.0);
    same_hash("weights", &certificate.sources.weights_sha256, weights.1)?;
    same_hash("dataset", &certificate.sources.dataset_sha256, dataset.1)?;
    check_fit(network, data)?;
    if (certificate.inputs, certificate.classes) != (network.inputs(), network.classes()) {
        return Err(DigitsError::Mismatch("the certificate's input_dim and num_classes are not the network's".into()));
    }
    let method = method_of(&certificate.method).filter(|&m| method_name(network, m) == certificate.method);
    let method = method
        .ok_or_else(|| DigitsError::Mismatch(format!("method `{}` does not fit a {} network", certificate.method, network.title())))?;
    if certificate.claims.len() > data.examples.len() {
        return Err(DigitsError::Mismatch(format!("the certificate claims more images than the {} of the data set", data.examples.len())));
    }
    let Question { eps, semantics } = certificate.question;
    let graph = network.graph()?;
    let prepared = prepared(&graph, semantics);
    let mut gap = f64::NEG_INFINITY;
    for (claim, example) in certificate.claims.iter().zip(&data.examples) {
        let bounds = Bounds::new(&prepared, &perturbed(&example.x, eps, semantics), method);
        gap = gap.max(check_claim(claim, example, network, &bounds)?);
    }
    Ok(gap)
}

fn same_hash(what: &str, recorded: &str, bytes: &[u8]) -> Result<(), DigitsError> {
    let found = hex_digest(bytes);
    if recorded.eq_ignore_ascii_case(&found) {
        return Ok(());
    }
    Err(DigitsError::Mismatch(format!(
        "the certificate is about another {what} file: its SHA-256 is `{recorded}`, this file's is `{found}`"
    )))
}

fn check_claim(claim: &Claim, example: &Example, network: &Classifier, bounds: &Bounds) -> Result<f64, DigitsError> {
    let fail = |text: String| Err(DigitsError::Mismatch(format!("example {}: {text}", claim.id)));
    if (claim.id, claim.label) != (example.id, example.label) {
        return fail(format!("the data set has id {} and class {} at this place", example.id, example.label));
    }
    let named = network.predict(&example.x);
    if claim.pred != named {
        return fail(format!("the network names class {named}, not {}", claim.pred));
    }
    let proved = bounds.logits();
    if claim.certified && !is_separated(&proved.low, &proved.high, claim.label) {
        return fail("its class cannot be proved".into());
    }
    let mut worst = f64::NEG_INFINITY;
    for i in 0..proved.len() {
        let gap = (claim.low[i] - proved.low[i]).max(proved.high[i] - claim.high[i]);
        let size = 1.0 + proved.low[i].abs().max(proved.high[i].abs());
        if gap.is_nan() || gap > NEAREST * size {
            let (low, high, p, q) = (claim.low[i], claim.high[i], proved.low[i], proved.high[i]);
            return fail(format!("logit {i} is claimed in [{low}, {high}], but only [{p}, {q}] can be proved"));
        }
        worst = worst.max(gap);
    }
    Ok(worst)
}
