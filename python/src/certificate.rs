//! Certificates of verdicts: made, mended and gone on with in the engine, judged by the independent checker from bytes.

use checker::files::Failure as Refusal;
use engine::certify::{Certificate, Start, Subject, Workshop};
use engine::search::{Report, Verdict};
use pyo3::prelude::*;

use crate::errors::{UnsupportedError, value};

/// A certificate that the checker accepts, and what it shows, in words.
pub type Accepted = (Vec<u8>, String);

/// What a certificate is asked for.
#[derive(FromPyObject)]
pub struct Wish {
    /// The text of the query, which is what the certificate is about.
    #[pyo3(item)]
    query: Vec<u8>,
    /// An earlier certificate, and whether it is about the same network and query.
    #[pyo3(item)]
    start: Option<(Vec<u8>, bool)>,
}

impl Wish {
    /// The query's text, and where to start.
    pub fn parts(self) -> (Vec<u8>, Option<(Start, Vec<u8>)>) {
        let how = |same| if same { Start::Resume } else { Start::Reuse };
        (self.query, self.start.map(|(bytes, same)| (how(same), bytes)))
    }
}

/// Decides, and has the checker accept the answer. What is given back is accepted; where nothing is, a note says why.
pub fn certified(
    workshop: &Workshop,
    start: Option<(Start, Vec<u8>)>,
    decide: impl FnOnce() -> Report,
) -> Result<(Report, Option<Accepted>), String> {
    let mut report = match start {
        Some((how, bytes)) => workshop.start(how, &bytes).map_err(|e| format!("the earlier certificate: {e}"))?,
        None => decide(),
    };
    let made = workshop.certify(&mut report).map_err(|e| e.to_string())?;
    let accepted = made.and_then(|Certificate { bytes, shown, .. }| Some((bytes, shown?)));
    if accepted.is_none() && matches!(report.verdict, Verdict::Holds { .. }) && !report.notes.iter().any(|n| n.contains("certified")) {
        report.notes.push("not certified: this proof left no record".into());
    }
    Ok((report, accepted))
}

/// Judges a certificate from bytes: in words what it shows.
#[pyfunction]
#[pyo3(signature = (network, query, certificate, threads=1))]
pub fn check_certificate(py: Python<'_>, network: Vec<u8>, query: Vec<u8>, certificate: &[u8], threads: usize) -> PyResult<String> {
    let judged = py.detach(|| Subject::new(network, query).judge(certificate, threads.max(1)));
    judged.map_err(|why| match why {
        Refusal::Unreadable(why) => value(why),
        Refusal::Rejected(r) if r.reason.contains("cannot be certified") => UnsupportedError::new_err(r.reason),
        Refusal::Rejected(rejection) => value(format!("the certificate is rejected: {rejection}")),
    })
}
