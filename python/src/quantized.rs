//! Integer networks: bit-exact evaluation and robustness.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use checker::files::check_files;
use checker::sha256::digest;
use engine::input;
use engine::quantized::bounds::Range;
use engine::quantized::read::{network_from_bytes, query_to_json};
use engine::quantized::{Answer, Effort, Limits, Network, Query, decide, proof};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::{of_input, value};
use crate::running;
use crate::verify::limit;

/// A quantized network; immutable, shared between threads.
#[pyclass(frozen, module = "ironbound._native")]
pub struct IntegerNetwork {
    network: Arc<Network>,
    source: Arc<[u8]>,
}

#[pymethods]
impl IntegerNetwork {
    /// Reads a file: Keras HDF5, JSON or npz, gzipped or not.
    #[staticmethod]
    fn read(py: Python<'_>, path: PathBuf) -> PyResult<IntegerNetwork> {
        let bytes = py.detach(|| input::read_bytes(&path)).map_err(of_input)?;
        IntegerNetwork::parse(py, bytes, path)
    }

    /// Reads bytes; `name` is for messages.
    #[staticmethod]
    fn parse(py: Python<'_>, bytes: Vec<u8>, name: PathBuf) -> PyResult<IntegerNetwork> {
        let network = py.detach(|| network_from_bytes(&bytes, &name)).map_err(of_input)?;
        Ok(IntegerNetwork { network: Arc::new(network), source: bytes.into() })
    }

    /// Number of inputs.
    #[getter]
    fn inputs(&self) -> usize {
        self.network.inputs()
    }

    /// Number of outputs.
    #[getter]
    fn outputs(&self) -> usize {
        self.network.outputs()
    }

    /// Least and greatest value of every input.
    #[getter]
    fn input_range(&self) -> (i64, i64) {
        self.network.input_range()
    }

    /// Sizes as in `784-64-10`.
    #[getter]
    fn shape(&self) -> String {
        self.network.shape()
    }

    /// The bytes that the network was read from.
    #[getter]
    fn source<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.source)
    }

    /// Outputs at `points` (64-bit integers, row by row).
    fn evaluate<'py>(&self, py: Python<'py>, points: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let (points, width) = (integers(points)?, self.network.inputs());
        let (least, most) = self.network.input_range();
        if points.len() % width != 0 {
            return Err(value(format!("{} numbers are no points of {width} elements", points.len())));
        }
        if let Some(bad) = points.iter().find(|x| **x < least || **x > most) {
            return Err(value(format!("{bad} is no input: this network takes integers from {least} to {most}")));
        }
        let outputs: Vec<i64> = py.detach(|| points.chunks_exact(width).flat_map(|x| self.network.evaluate(x)).collect());
        Ok(as_bytes(py, &outputs))
    }

    /// Decides whether every integer point of a box has the class `label`: a dictionary of verdict, effort and certificate.
    #[pyo3(signature = (low, high, label, *, timeout=None, certify=false))]
    fn decide<'py>(
        &self,
        py: Python<'py>,
        low: &[u8],
        high: &[u8],
        label: usize,
        timeout: Option<f64>,
        certify: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let started = Instant::now();
        let timeout = limit(timeout)?;
        let (low, high) = (integers(low)?, integers(high)?);
        let input = low.into_iter().zip(high).map(|(low, high)| Range { low, high }).collect();
        let query = Query { input, label };
        query.check(&self.network).map_err(|e| value(e.to_string()))?;
        let (network, source, stop) = (Arc::clone(&self.network), Arc::clone(&self.source), Arc::<AtomicBool>::default());
        let limits = Limits { started: Some(started), timeout, stop: Arc::clone(&stop) };
        let work = move || {
            decide(&network, &query, &limits).map(|(answer, effort)| {
                let certificate = if certify { certificate(&answer, &query, &source) } else { None };
                (answer, effort, certificate)
            })
        };
        let deadline = timeout.filter(|_| !certify).map(|limit| started + limit + limit / 20 + Duration::from_millis(500));
        let done = running::run(py, &stop, deadline, || Ok(()), work)?;
        let (answer, effort, certificate) =
            done.unwrap_or(Ok((Answer::Timeout(Default::default()), Effort::default(), None))).map_err(|e| value(e.to_string()))?;
        let dict = told(py, &answer, &effort, started.elapsed())?;
        if let Some(certificate) = certificate {
            dict.set_item("certificate", certificate.in_python(py))?;
        }
        Ok(dict)
    }
}

/// A certificate with the query that it is about, and what the checker says of it.
struct Certificate {
    query: String,
    bytes: Vec<u8>,
    judged: Result<(), String>,
}

impl Certificate {
    /// Query, certificate and the checker's objection.
    fn in_python<'py>(self, py: Python<'py>) -> (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Option<String>) {
        (PyBytes::new(py, self.query.as_bytes()), PyBytes::new(py, &self.bytes), self.judged.err())
    }
}

fn certificate(answer: &Answer, query: &Query, network: &[u8]) -> Option<Certificate> {
    let query = query_to_json(query);
    let hashes = (digest(network), digest(query.as_bytes()));
    let bytes = match answer {
        Answer::Robust(proof) => proof::certificate(proof, hashes.0, hashes.1),
        Answer::Vulnerable(x) => proof::witness(x, hashes.0, hashes.1),
        Answer::Timeout(_) => return None,
    };
    let judged = check_files(network, query.as_bytes(), &bytes, 1).map(drop).map_err(|e| e.to_string());
    Some(Certificate { query, bytes, judged })
}

fn told<'py>(py: Python<'py>, answer: &Answer, effort: &Effort, elapsed: Duration) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let word = match answer {
        Answer::Robust(_) => "holds",
        Answer::Vulnerable(_) => "fails",
        Answer::Timeout(_) => "unknown",
    };
    dict.set_item("verdict", word)?;
    dict.set_item("parts", effort.parts)?;
    dict.set_item("seconds", elapsed.as_secs_f64())?;
    if let Answer::Vulnerable(x) = answer {
        dict.set_item("witness", as_bytes(py, x))?;
    }
    Ok(dict)
}

fn integers(bytes: &[u8]) -> PyResult<Vec<i64>> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    match rest.is_empty() {
        true => Ok(chunks.iter().map(|&c| i64::from_le_bytes(c)).collect()),
        false => Err(value("an array must hold 64-bit integers")),
    }
}

fn as_bytes<'py>(py: Python<'py>, numbers: &[i64]) -> Bound<'py, PyBytes> {
    let flat: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    PyBytes::new(py, &flat)
}
