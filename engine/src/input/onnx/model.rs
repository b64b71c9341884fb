//! A decoded model whose names, order and operators have been checked.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use prost::bytes::Bytes;

use super::lower::is_supported;
use super::proto::{ModelProto, NodeProto, TensorProto, ValueInfoProto, element};
use super::tensor::{Tensor, decode, element_count};
use crate::graph::Element;
use crate::input::InputError;

/// Operator sets that the shape rules are written for.
const OPSETS: std::ops::RangeInclusive<i64> = 8..=21;

/// An input of the network.
#[derive(Debug)]
pub struct Input {
    pub name: String,
    pub shape: Vec<usize>,
}

/// A model ready to be lowered or interpreted: nodes in topological order, none that the outputs do not need.
#[derive(Debug)]
pub struct Model {
    pub path: PathBuf,
    pub opset: i64,
    pub element: Element,
    pub inputs: Vec<Input>,
    pub outputs: Vec<String>,
    pub nodes: Vec<NodeProto>,
    pub constants: HashMap<String, Rc<Tensor>>,
}

impl Model {
    /// Checks a decoded model.
    pub fn new(proto: ModelProto, path: &Path) -> Result<Model, InputError> {
        let opset = opset(&proto, path)?;
        let fail = |problem: &str| InputError::content(path, problem, "the file is truncated or not a network; export it again");
        let graph = proto.graph.ok_or_else(|| fail("there is no graph in the file, expected an ONNX model"))?;
        if graph.output.is_empty() {
            return Err(fail("the graph has no output"));
        }
        if !graph.sparse_initializer.is_empty() {
            return Err(InputError::content(path, "sparse initialisers are not supported", "export the model with dense initialisers"));
        }
        let outputs: Vec<String> = graph.output.iter().map(|o| o.name().to_string()).collect();
        let stored: HashSet<&str> = graph.initializer.iter().map(|t| t.name()).collect();
        let free: Vec<&ValueInfoProto> = graph.input.iter().filter(|i| !stored.contains(i.name())).collect();
        let element = network_element(&free, path)?;
        let inputs = free.iter().map(|i| input(i, path)).collect::<Result<Vec<_>, _>>()?;
        let known = free.iter().map(|i| i.name()).chain(stored.iter().copied()).collect();
        let nodes = order(graph.node, &outputs, known, path)?;
        refuse_unsupported(&nodes, path)?;
        let read: HashSet<&str> =
            nodes.iter().flat_map(|n| n.input.iter().map(String::as_str)).chain(outputs.iter().map(String::as_str)).collect();
        let mut constants = HashMap::new();
        for tensor in graph.initializer.iter().filter(|t| read.contains(t.name())) {
            constants.insert(tensor.name().to_string(), Rc::new(stored_tensor(tensor, path)?));
        }
        Ok(Model { path: path.into(), opset, element, inputs, outputs, nodes, constants })
    }

    /// An error at one node.
    pub fn fault(&self, node: &NodeProto, problem: impl Into<String>) -> InputError {
        InputError::place(&self.path, describe(node), problem, "export the model again, or without this operator")
    }
}

/// A node's name and operator, for messages.
pub fn describe(node: &NodeProto) -> String {
    let name = match node.name() {
        "" => node.output.first().map_or("", String::as_str),
        name => name,
    };
    format!("node `{name}` ({})", node.op_type())
}

fn opset(model: &ModelProto, path: &Path) -> Result<i64, InputError> {
    let standard = |d: &str| d.is_empty() || d == "ai.onnx";
    let found = model.opset_import.iter().filter(|o| standard(o.domain())).map(|o| o.version()).max();
    match found {
        Some(v) if OPSETS.contains(&v) => Ok(v),
        Some(v) => Err(InputError::content(
            path,
            format!("operator set {v} where {} to {} are supported", OPSETS.start(), OPSETS.end()),
            "convert the model with onnx.version_converter",
        )),
        None => Err(InputError::content(
            path,
            "no operator set is named, expected an ONNX model",
            "the file is truncated, or not ONNX; fetch or export it again",
        )),
    }
}

fn network_element(inputs: &[&ValueInfoProto], path: &Path) -> Result<Element, InputError> {
    let mut found = None;
    for input in inputs {
        let code = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).map_or(0, |t| t.elem_type());
        let here = match code {
            element::FLOAT => Element::F32,
            element::DOUBLE => Element::F64,
            _ => {
                let problem = format!("element type {} where float32 or float64 is supported", element::name(code));
                return Err(InputError::place(path, format!("input `{}`", input.name()), problem, "export the model with float32 inputs"));
            }
        };
        if *found.get_or_insert(here) != here {
            return Err(InputError::place(
                path,
                format!("input `{}`", input.name()),
                "float32 and float64 inputs in one network are not supported",
                "export the model with one element type",
            ));
        }
    }
    found.ok_or_else(|| InputError::content(path, "the graph has no input", "export the model with at least one input"))
}

fn input(info: &ValueInfoProto, path: &Path) -> Result<Input, InputError> {
    let fail = |problem: String| {
        InputError::place(path, format!("input `{}`", info.name()), problem, "export the model with fixed input dimensions")
    };
    let shape = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).and_then(|t| t.shape.as_ref());
    let shape = shape.ok_or_else(|| fail("no shape is given".into()))?;
    let mut dims = Vec::new();
    for (axis, dim) in shape.dim.iter().enumerate() {
        dims.push(match dim.dim_value {
            Some(d) if d > 0 => d as usize,
            // The batch is left open (or is 0, or -1): one point at a time.
            None | Some(0 | -1) if axis == 0 => 1,
            None | Some(0 | -1) => return Err(fail(format!("dimension {axis} is left open; only the first (the batch) may be"))),
            Some(d) => return Err(fail(format!("dimension {axis} is {d}"))),
        });
    }
    if element_count(&dims).map_err(&fail)? == 0 {
        return Err(fail("it has no elements".into()));
    }
    Ok(Input { name: info.name().into(), shape: dims })
}

/// The nodes that the outputs need, each after all that it reads.
fn order(nodes: Vec<NodeProto>, outputs: &[String], known: HashSet<&str>, path: &Path) -> Result<Vec<NodeProto>, InputError> {
    let mut maker: HashMap<&str, usize> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for name in node.output.iter().filter(|n| !n.is_empty()) {
            if known.contains(name.as_str()) || maker.insert(name, i).is_some() {
                let problem = format!("makes `{name}`, which is already defined");
                return Err(InputError::place(path, describe(node), problem, "every value needs its own name; export the model again"));
            }
        }
    }
    let missing = |place: String, name: &str| {
        InputError::place(path, place, format!("reads `{name}`, which nothing defines"), "the file is incomplete; export the model again")
    };
    let mut state = vec![State::Unseen; nodes.len()];
    let mut sorted = Vec::new();
    for output in outputs {
        match maker.get(output.as_str()) {
            None if known.contains(output.as_str()) => {}
            None => return Err(missing(format!("output `{output}`"), output)),
            Some(&last) => visit(last, &nodes, &maker, &mut state, &mut sorted).map_err(|e| match e {
                Unordered::Cycle(i) => InputError::place(
                    path,
                    describe(&nodes[i]),
                    "depends on itself",
                    "a network must be free of cycles; export the model again",
                ),
            })?,
        }
    }
    for &i in &sorted {
        let undefined = nodes[i].input.iter().find(|n| !n.is_empty() && !known.contains(n.as_str()) && !maker.contains_key(n.as_str()));
        if let Some(name) = undefined {
            return Err(missing(describe(&nodes[i]), name));
        }
    }
    let mut nodes: Vec<Option<NodeProto>> = nodes.into_iter().map(Some).collect();
    Ok(sorted.into_iter().filter_map(|i| nodes[i].take()).collect())
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Unseen,
    Open,
    Done,
}

enum Unordered {
    Cycle(usize),
}

/// Depth-first search with its own stack: a chain of a million nodes must not overflow the thread's.
fn visit(
    last: usize,
    nodes: &[NodeProto],
    maker: &HashMap<&str, usize>,
    state: &mut [State],
    sorted: &mut Vec<usize>,
) -> Result<(), Unordered> {
    let mut stack = vec![(last, 0)];
    while let Some((node, next)) = stack.pop() {
        if state[node] == State::Done {
            continue;
        }
        state[node] = State::Open;
        match nodes[node].input.get(next) {
            Some(name) => {
                stack.push((node, next + 1));
                match maker.get(name.as_str()).map(|&m| (m, state[m])) {
                    Some((m, State::Unseen)) => stack.push((m, 0)),
                    Some((m, State::Open)) => return Err(Unordered::Cycle(m)),
                    _ => {}
                }
            }
            None => {
                state[node] = State::Done;
                sorted.push(node);
            }
        }
    }
    Ok(())
}

/// One message for everything that is not supported, so that a user learns it at once.
fn refuse_unsupported(nodes: &[NodeProto], path: &Path) -> Result<(), InputError> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for node in nodes.iter().filter(|n| !is_supported(n)) {
        let operator = match node.domain() {
            "" | "ai.onnx" => node.op_type().to_string(),
            domain => format!("{domain}.{}", node.op_type()),
        };
        let name = if node.name().is_empty() { node.output.first().cloned().unwrap_or_default() } else { node.name().into() };
        match found.iter_mut().find(|(o, _)| *o == operator) {
            Some((_, names)) => names.push(name),
            None => found.push((operator, vec![name])),
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let list = found.iter().map(|(operator, names)| {
        let shown = names.iter().take(5).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        let more = if names.len() > 5 { format!(" and {} more", names.len() - 5) } else { String::new() };
        format!("{operator} (node {shown}{more})")
    });
    let problem = format!("unsupported operators: {}", list.collect::<Vec<_>>().join("; "));
    Err(InputError::content(path, problem, "export the model without them"))
}

fn stored_tensor(tensor: &TensorProto, path: &Path) -> Result<Tensor, InputError> {
    decode(tensor, &|t| external(t, path))
        .map_err(|problem| InputError::place(path, format!("initialiser `{}`", tensor.name()), problem, "export the model again"))
}

/// The bytes of a tensor that lies in a file beside the model.
fn external(tensor: &TensorProto, model: &Path) -> Result<Bytes, String> {
    let entry = |key: &str| tensor.external_data.iter().find(|e| e.key() == key).map(|e| e.value());
    let number = |key: &str| entry(key).map(|v| v.parse::<u64>().map_err(|_| format!("external {key} `{v}` is not a number"))).transpose();
    let location = Path::new(entry("location").ok_or("external data without a location")?);
    // A model must not be able to read any other file of the machine.
    if !location.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err(format!("external location `{}` leaves the model's folder", location.display()));
    }
    let file = model.parent().unwrap_or(Path::new("")).join(location);
    let fail = |e: std::io::Error| format!("external data {}: {e}; put the file beside the model", file.display());
    let mut reader = File::open(&file).map_err(fail)?;
    let size = reader.metadata().map_err(fail)?.len();
    let offset = number("offset")?.unwrap_or(0);
    let length = number("length")?.unwrap_or(size.saturating_sub(offset));
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(format!("external data {}: {length} bytes at {offset} where the file has {size}", file.display()));
    }
    reader.seek(SeekFrom::Start(offset)).map_err(fail)?;
    let mut bytes = Vec::new();
    reader.take(length).read_to_end(&mut bytes).map_err(fail)?;
    Ok(Bytes::from(bytes))
}
