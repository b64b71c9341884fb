//! Certificates of verdicts, judged by the independent checker from bytes.

use checker::certificate::{Container, Kind};
use checker::sha256::digest;
use engine::search::{Reason, Report, Verdict};
use pyo3::prelude::*;

/// What the checker says of a certificate.
pub enum Judgement {
    /// Everything that it claims is so; in words.
    Accepted(String),
    /// It claims something that was not shown.
    Rejected(String),
    /// The checker has no rule for a part of the network, the query or the certificate.
    NotCertified(String),
}

/// Judges `certificate` about the network and the query in these files.
pub fn judge(network: &[u8], query: &[u8], certificate: &[u8], threads: usize) -> Judgement {
    let container = match Container::read(certificate) {
        Ok(container) => container,
        Err(fault) => return Judgement::Rejected(format!("byte {}: {}", fault.at, fault.reason)),
    };
    for (what, hash, file) in [("network", container.network, network), ("query", container.query, query)] {
        if hash != digest(file) {
            return Judgement::Rejected(format!("it is about another {what}: the hash differs"));
        }
    }
    let network = match checker::read::onnx::network(network) {
        Ok(network) => network,
        Err(error) => return Judgement::NotCertified(format!("the network: {error}")),
    };
    let query = match checker::read::vnnlib::query(query) {
        Ok(query) => query,
        Err(error) => return Judgement::NotCertified(format!("the query: {error}")),
    };
    let word = container.semantics.word();
    match container.kind {
        Kind::Proof => match checker::check(&network, &query, container.semantics, certificate, threads) {
            Ok(accepted) if container.partial => {
                Judgement::Accepted(format!("{:.4} % of the inputs proved ({word})", 100.0 * accepted.proved))
            }
            Ok(accepted) => Judgement::Accepted(format!("holds ({word}): {} leaves of {} nodes", accepted.leaves, accepted.nodes)),
            Err(rejection) => Judgement::Rejected(rejection.to_string()),
        },
        kind => Judgement::NotCertified(format!("certificates of the kind {kind:?} are not judged here")),
    }
}

/// The certificate of a report about these files, judged; None where there is nothing to certify. A proof that the checker rejects
/// is no proof: the report then says `unknown`.
pub fn certify(report: &mut Report, network: &[u8], query: &[u8], threads: usize) -> Option<(Vec<u8>, String)> {
    let mut bytes = Vec::new();
    report.proof.as_ref()?.write(digest(network), digest(query), &mut bytes).ok()?;
    match judge(network, query, &bytes, threads) {
        Judgement::Accepted(words) => Some((bytes, words)),
        Judgement::NotCertified(why) => {
            report.notes.push(format!("not certified: {why}"));
            None
        }
        Judgement::Rejected(why) => {
            if matches!(report.verdict, Verdict::Holds { .. }) {
                let reason = Reason::Precision(format!("the checker rejects the proof: {why}"));
                report.verdict = Verdict::Unknown { reason, best_margin: None };
                report.semantics = None;
            }
            None
        }
    }
}

/// Judges a certificate from bytes: (`accepted`, `rejected` or `not certified`; in words what was shown, or why not).
#[pyfunction]
#[pyo3(signature = (network, query, certificate, threads=1))]
pub fn check_certificate(py: Python<'_>, network: &[u8], query: &[u8], certificate: &[u8], threads: usize) -> (&'static str, String) {
    match py.detach(|| judge(network, query, certificate, threads.max(1))) {
        Judgement::Accepted(words) => ("accepted", words),
        Judgement::Rejected(why) => ("rejected", why),
        Judgement::NotCertified(why) => ("not certified", why),
    }
}
