//! Deciding a query.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use checker::Semantics;
use engine::certify::{Subject, Workshop};
use engine::graph::{Element, Graph};
use engine::input::vnnlib;
use engine::query::{DeclaredElement, Query as Asked};
use engine::search::{self, Config, Observer, Progress, Reason, Report, SemanticsChoice, Verdict, Witness};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::arrays;
use crate::certificate::{self, Wish};
use crate::errors::{UnsupportedError, of_query, value};
use crate::network::Network;
use crate::query::Query;
use crate::running;

/// The word for a semantics.
pub fn semantics(word: &str) -> PyResult<SemanticsChoice> {
    match word {
        "auto" => Ok(SemanticsChoice::Auto),
        "real" => Ok(SemanticsChoice::Only(Semantics::Real)),
        "float32" => Ok(SemanticsChoice::Only(Semantics::Float32)),
        "both" => Ok(SemanticsChoice::Only(Semantics::Both)),
        _ => Err(value(format!("semantics '{word}'; use 'auto', 'real', 'float32' or 'both'"))),
    }
}

/// A time limit in seconds.
pub fn limit(seconds: Option<f64>) -> PyResult<Option<Duration>> {
    let Some(seconds) = seconds else { return Ok(None) };
    match Duration::try_from_secs_f64(seconds) {
        Ok(limit) if !limit.is_zero() => Ok(Some(limit)),
        _ => Err(value(format!("timeout={seconds}: a time limit is a positive number of seconds"))),
    }
}

/// Refuses a query that is not about this network, or not under this semantics.
fn check_fit(query: &Asked, graph: &Graph, choice: SemanticsChoice) -> PyResult<()> {
    if query.networks.len() != 1 {
        return Err(UnsupportedError::new_err(format!(
            "a query over {} networks; only queries over one are supported",
            query.networks.len()
        )));
    }
    vnnlib::check_against(query, graph).map_err(of_query)?;
    let computed = match graph.element {
        Element::F32 => DeclaredElement::Float32,
        Element::F64 => DeclaredElement::Float64,
    };
    for variable in query.networks.iter().flat_map(|network| &network.variables).filter(|_| !query.legacy) {
        let declared = DeclaredElement::named(&variable.element);
        if declared == DeclaredElement::Real {
            continue;
        }
        if choice == SemanticsChoice::Only(Semantics::Real) {
            let word = &variable.element;
            return Err(value(format!(
                "the query is over {word}, so semantics='real' would not answer it; use 'auto', 'float32' or 'both'"
            )));
        }
        if declared != computed {
            return Err(value(format!(
                "the query declares `{}` as {}, which is not what the network computes in",
                variable.name, variable.element
            )));
        }
    }
    Ok(())
}

/// The latest progress.
#[derive(Default)]
struct Latest(Mutex<Option<Progress>>);

impl Observer for Latest {
    fn progress(&self, progress: &Progress) {
        if let Ok(mut latest) = self.0.lock() {
            *latest = Some(progress.clone());
        }
    }
}

/// Decides whether any input of the query breaks the property; with `prove=False` only looks for such an input.
///
/// With `certify` (see [`Wish`]) the answer comes with a certificate that the checker has accepted, mended where need be; making it
/// may take longer than `timeout`.
/// `progress` is called a few times per second with (subproblems, open, proved share, worst margin or None).
#[pyfunction]
#[pyo3(signature = (network, query, *, semantics="auto", timeout=None, threads=None, max_memory=4 << 30, seed=0, attack=true, prove=true, progress=None, certify=None))]
#[allow(clippy::too_many_arguments, reason = "Python's keyword arguments")]
pub fn verify<'py>(
    py: Python<'py>,
    network: &Network,
    query: &Query,
    semantics: &str,
    timeout: Option<f64>,
    threads: Option<usize>,
    max_memory: u64,
    seed: u64,
    attack: bool,
    prove: bool,
    progress: Option<Py<PyAny>>,
    certify: Option<Wish>,
) -> PyResult<Bound<'py, PyDict>> {
    let started = Instant::now();
    let choice = self::semantics(semantics)?;
    check_fit(&query.asked, &network.graph, choice)?;
    let stop: Arc<AtomicBool> = Arc::default();
    let config = Config {
        semantics: choice,
        started,
        timeout: limit(timeout)?,
        threads: threads.unwrap_or(Config::default().threads).max(1),
        max_memory,
        seed,
        attack,
        stop: Arc::clone(&stop),
        ..Config::default()
    };
    let latest: Arc<Latest> = Arc::default();
    // Certificates are made after the search, which keeps the limit by itself.
    let limit = config.timeout.filter(|_| certify.is_none());
    let deadline = limit.map(|limit| started + limit + limit / 20 + Duration::from_millis(500));
    let tick = || match (&progress, latest.0.lock().ok().and_then(|mut latest| latest.take())) {
        (Some(call), Some(p)) => call.call1(py, (p.subproblems, p.open, p.proved, p.worst_margin)).map(drop),
        _ => Ok(()),
    };
    let (graph, asked, observer) = (Arc::clone(&network.graph), Arc::clone(&query.asked), Arc::clone(&latest));
    let decide = if prove { search::verify } else { search::refute };
    let source = network.origin();
    let work = move || {
        let Some(wish) = certify else { return Ok((decide(&graph, &asked, &config, observer.as_ref()), None)) };
        let (text, start) = wish.parts();
        let subject = Subject::new(source.bytes().to_vec(), text);
        let config = Config { record: Some(subject.files()), ..config };
        let workshop = Workshop { subject, network: &graph, query: &asked, config: &config, observer: observer.as_ref() };
        certificate::certified(&workshop, start, || decide(&graph, &asked, &config, observer.as_ref()))
    };
    let done = running::run(py, &stop, deadline, tick, work)?;
    let (report, certificate) = done.unwrap_or_else(|| Ok((Report::unknown(Reason::Timeout, None), None))).map_err(value)?;
    let dict = answer(py, &report, started.elapsed())?;
    if let Some((bytes, words)) = certificate {
        dict.set_item("certificate", (PyBytes::new(py, &bytes), words))?;
    }
    Ok(dict)
}

fn answer<'py>(py: Python<'py>, report: &Report, elapsed: Duration) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let (verdict, margin, reason) = match &report.verdict {
        Verdict::Holds { margin } => ("holds", *margin, None),
        Verdict::Fails(_) => ("fails", None, None),
        Verdict::Unknown { reason, best_margin } => ("unknown", *best_margin, Some(ironbound_cli::reason_in_words(reason))),
    };
    dict.set_item("verdict", verdict)?;
    dict.set_item("timed_out", matches!(&report.verdict, Verdict::Unknown { reason: Reason::Timeout, .. }))?;
    dict.set_item("semantics", report.semantics.map(|s| s.word()))?;
    dict.set_item("margin", margin)?;
    dict.set_item("reason", reason)?;
    dict.set_item("notes", &report.notes)?;
    let statistics = &report.statistics;
    dict.set_item("subproblems", statistics.subproblems)?;
    dict.set_item("evaluations", statistics.evaluations)?;
    dict.set_item("proved", statistics.proved)?;
    dict.set_item("method", &statistics.method)?;
    dict.set_item("seconds", elapsed.as_secs_f64())?;
    dict.set_item("engine_seconds", statistics.elapsed.as_secs_f64())?;
    if let Verdict::Fails(witness) = &report.verdict {
        dict.set_item("witness", shown(py, witness)?)?;
    }
    Ok(dict)
}

fn shown<'py>(py: Python<'py>, witness: &Witness) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("input", witness.input.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    dict.set_item("rounded", arrays::bytes(py, &witness.rounded))?;
    dict.set_item("output", arrays::bytes(py, &witness.output))?;
    dict.set_item("disjunct", witness.disjunct)?;
    dict.set_item("breaks_real", witness.breaks_real)?;
    dict.set_item("breaks_float32", witness.breaks_float32)?;
    Ok(dict)
}
