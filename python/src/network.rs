//! A loaded network, shared by all queries about it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use engine::graph::{Element, Graph, NodeId};
use engine::input;
use engine::ops::Operation;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arrays;
use crate::errors::{of_input, value};

/// A feed-forward network; immutable, shared between threads.
#[pyclass(frozen, module = "ironbound._native")]
pub struct Network {
    pub graph: Arc<Graph>,
    source: Arc<Source>,
    logits: OnceLock<Option<Arc<Graph>>>,
    head: OnceLock<Option<Arc<Graph>>>,
}

/// What the network was read from, to read it again.
pub struct Source {
    bytes: Vec<u8>,
    name: PathBuf,
}

impl Source {
    /// The file, inflated.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn read(&self) -> PyResult<Graph> {
        input::parse_network(self.bytes.clone(), &self.name).map_err(of_input)
    }
}

#[pymethods]
impl Network {
    /// Reads a file: ONNX or `.nnet`, gzipped or not.
    #[staticmethod]
    fn read(py: Python<'_>, path: PathBuf) -> PyResult<Network> {
        let bytes = py.detach(|| input::read_bytes(&path)).map_err(of_input)?;
        Network::parse(py, bytes, path)
    }

    /// Reads bytes; `name` is for messages.
    #[staticmethod]
    fn parse(py: Python<'_>, bytes: Vec<u8>, name: PathBuf) -> PyResult<Network> {
        let source = Source { bytes, name };
        let graph = py.detach(|| source.read())?;
        Ok(Network { graph: Arc::new(graph), source: Arc::new(source), logits: OnceLock::new(), head: OnceLock::new() })
    }

    /// Name and shape of every input.
    #[getter]
    fn inputs(&self) -> Vec<(String, Vec<usize>)> {
        described(&self.graph, &self.graph.inputs)
    }

    /// Name and shape of every output.
    #[getter]
    fn outputs(&self) -> Vec<(String, Vec<usize>)> {
        described(&self.graph, &self.graph.outputs)
    }

    /// Number of input elements, over all inputs.
    #[getter]
    fn input_len(&self) -> usize {
        self.graph.input_len()
    }

    /// Number of output elements, over all outputs.
    #[getter]
    fn output_len(&self) -> usize {
        self.graph.output_len()
    }

    /// `float32` or `float64`.
    #[getter]
    fn element(&self) -> &'static str {
        match self.graph.element {
            Element::F32 => "float32",
            Element::F64 => "float64",
        }
    }

    /// The bytes that the network was read from, inflated.
    #[getter]
    fn source<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.source.bytes)
    }

    /// Name, operator, shape and operands of every node, in order.
    #[getter]
    fn nodes(&self) -> Vec<(String, String, Vec<usize>, Vec<NodeId>)> {
        let one = |n: &engine::graph::Node| (n.name.clone(), n.operation.name().to_owned(), n.shape.clone(), n.inputs.clone());
        self.graph.nodes.iter().map(one).collect()
    }

    /// Outputs at `points` (flat, row by row): in binary64 if `double`, else in the network's own type, left to right.
    #[pyo3(signature = (points, double=false))]
    fn evaluate<'py>(&self, py: Python<'py>, points: &[u8], double: bool) -> PyResult<Bound<'py, PyBytes>> {
        let (points, width) = (arrays::numbers(points)?, self.graph.input_len());
        if width == 0 || points.len() % width != 0 {
            return Err(value(format!("{} numbers are no points of {width} elements", points.len())));
        }
        let graph = &self.graph;
        let outputs: Vec<f64> = py.detach(|| points.chunks_exact(width).flat_map(|x| output(graph, x, double)).collect());
        Ok(arrays::bytes(py, &outputs))
    }

    /// The same network without the Softmax that makes its only output; `None` if it does not end in one over all outputs.
    fn without_softmax(&self, py: Python<'_>) -> PyResult<Option<Network>> {
        if self.logits.get().is_none() {
            let logits = if ends_in_softmax(&self.graph) { Some(self.read_logits(py)?) } else { None };
            let _ = self.logits.set(logits);
        }
        let share = |graph: &Arc<Graph>| {
            let settled = OnceLock::new();
            let _ = settled.set(None);
            Network { graph: Arc::clone(graph), source: Arc::clone(&self.source), logits: settled, head: OnceLock::new() }
        };
        Ok(self.logits.get().and_then(|logits| logits.as_ref().map(share)))
    }
}

impl Network {
    fn read_logits(&self, py: Python<'_>) -> PyResult<Arc<Graph>> {
        let mut graph = py.detach(|| self.source.read())?;
        let softmax = graph.outputs[0];
        graph.outputs = vec![graph.nodes[softmax].inputs[0]];
        // It is the last node of a network that reads no more than it needs, and nothing reads it.
        if softmax + 1 == graph.nodes.len() {
            graph.nodes.pop();
        }
        Ok(Arc::new(graph))
    }
}

impl Network {
    /// What it was read from.
    pub fn origin(&self) -> Arc<Source> {
        Arc::clone(&self.source)
    }

    /// The last layer as a network of its own, whose input is what it reads, where the only output is one layer's weighted sum.
    pub fn head(&self, py: Python<'_>) -> PyResult<Option<Arc<Graph>>> {
        if self.head.get().is_none() {
            let head = if ends_in_weights(&self.graph) { Some(Arc::new(self.read_head(py)?)) } else { None };
            let _ = self.head.set(head);
        }
        Ok(self.head.get().cloned().flatten())
    }

    fn read_head(&self, py: Python<'_>) -> PyResult<Graph> {
        let mut whole = py.detach(|| self.source.read())?;
        let last = whole.nodes.swap_remove(self.graph.outputs[0]);
        let mut head = Graph::new(whole.element);
        let operand = head.add_input("operand", &self.graph.nodes[last.inputs[0]].shape);
        let output = head.add(&last.name, last.operation, &[operand], &last.shape).map_err(|e| value(e.to_string()))?;
        head.outputs = vec![output];
        Ok(head)
    }
}

/// True if the only output is a weighted sum of one other value.
fn ends_in_weights(graph: &Graph) -> bool {
    let [id] = graph.outputs[..] else { return false };
    matches!(graph.nodes[id].operation, Operation::Affine(_)) && graph.nodes[id].inputs.len() == 1
}

fn described(graph: &Graph, ids: &[NodeId]) -> Vec<(String, Vec<usize>)> {
    ids.iter().map(|&id| (graph.nodes[id].name.clone(), graph.nodes[id].shape.clone())).collect()
}

fn output(graph: &Graph, point: &[f64], double: bool) -> Vec<f64> {
    match graph.element {
        Element::F32 if !double => {
            let rounded: Vec<f32> = point.iter().map(|&x| x as f32).collect();
            graph.output_f32(&rounded).into_iter().map(f64::from).collect()
        }
        _ => graph.output_f64(point),
    }
}

/// True if the only output is a Softmax that normalises all of it.
fn ends_in_softmax(graph: &Graph) -> bool {
    let [id] = graph.outputs[..] else { return false };
    let node = &graph.nodes[id];
    let Operation::General(op) = &node.operation else { return false };
    let mut shares = vec![0.0; node.len()];
    let equal = vec![0.0; node.len()];
    if op.name() != "Softmax" || node.len() < 2 {
        return false;
    }
    op.eval(&[&equal], &mut shares);
    // Along another axis, or in several groups, the shares would be larger.
    shares.iter().all(|&s| s < 1.5 / node.len() as f64)
}
