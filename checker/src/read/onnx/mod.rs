//! ONNX files to [`Network`]s: what is in the file, node by node; an operator without a rule is named and refused.

mod call;
mod constant;
mod extremum;
mod layout;
mod linear;
mod product;
mod proto;
mod simplify;
mod tensor;
mod transposed;
mod window;

use std::collections::{HashMap, HashSet};

use super::{Error, not_certified, unreadable};
use crate::function::Function;
use crate::network::{Affine, Linear, Network, Node, Operation};
use call::Call;
use proto::{Input, Model, NodeProto};
use tensor::{Tensor, count};

/// Versions of the standard operators whose rules are those below.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=22;
/// Most numbers (weights, indices, elements) of a network in memory.
const MOST_NUMBERS: usize = 1 << 28;

/// Reads a network from the bytes of an ONNX file.
pub fn network(bytes: &[u8]) -> Result<Network, Error> {
    let model = Model::read(bytes)?;
    if !OPSETS.contains(&model.opset) {
        return not_certified(format!("operator set {}: {} to {} are read", model.opset, OPSETS.start(), OPSETS.end()));
    }
    let mut lowering = Lowering { opset: model.opset, room: MOST_NUMBERS, ..Lowering::default() };
    for (name, tensor) in model.tensors {
        lowering.define(name, Value::Constant(tensor))?;
    }
    for input in &model.inputs {
        // Old files list the weights among the inputs.
        if !lowering.values.contains_key(input.name.unwrap_or_default()) {
            lowering.add_input(input)?;
        }
    }
    for node in needed(&model.nodes, &model.outputs) {
        let call = Call::new(node, &lowering)?;
        let place = |error| match error {
            Error::NotCertified(what) => Error::NotCertified(format!("operator {} at node `{}`: {what}", call.operator, call.name)),
            Error::Unreadable(why) => Error::Unreadable(format!("operator {} at node `{}`: {why}", call.operator, call.name)),
        };
        let results = lowering.lower(&call).and_then(|results| call.all_used().map(|()| results)).map_err(place)?;
        for (k, name) in node.outputs.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            match results.get(k) {
                Some(value) => lowering.define(name, value.clone())?,
                None => return not_certified(format!("operator {} at node `{}`: output {k}", call.operator, call.name)),
            }
        }
    }
    lowering.finish(&model.outputs)
}

/// The nodes that the outputs need, in the order of the file.
fn needed<'m, 'a>(nodes: &'m [NodeProto<'a>], outputs: &[&'a str]) -> Vec<&'m NodeProto<'a>> {
    let mut names: HashSet<&str> = outputs.iter().copied().collect();
    let mut needed = Vec::with_capacity(nodes.len());
    for node in nodes.iter().rev() {
        if node.outputs.iter().any(|name| names.contains(name)) {
            names.extend(&node.inputs);
            needed.push(node);
        }
    }
    needed.reverse();
    needed
}

/// The value of a name.
#[derive(Clone)]
enum Value<'a> {
    Constant(Tensor<'a>),
    Node {
        /// Index in the network.
        id: usize,
        shape: Vec<usize>,
    },
}

impl Value<'_> {
    fn shape(&self) -> &[usize] {
        match self {
            Value::Constant(tensor) => &tensor.shape,
            Value::Node { shape, .. } => shape,
        }
    }
}

/// A network being read.
#[derive(Default)]
struct Lowering<'a> {
    /// Version of the standard operators.
    opset: i64,
    network: Network,
    values: HashMap<&'a str, Value<'a>>,
    /// How many more numbers may be stored.
    room: usize,
}

impl<'a> Lowering<'a> {
    fn define(&mut self, name: &'a str, value: Value<'a>) -> Result<(), Error> {
        match self.values.insert(name, value) {
            None => Ok(()),
            Some(_) => unreadable(format!("two values are named `{name}`")),
        }
    }

    fn add_input(&mut self, input: &Input<'a>) -> Result<(), Error> {
        let name = input.name.unwrap_or_default();
        let double = match input.element {
            Some(1) => false,
            Some(11) => true,
            element => return not_certified(format!("input `{name}` of element type {}", element.unwrap_or(0))),
        };
        if !self.network.inputs.is_empty() && self.network.double != double {
            return not_certified("inputs of two element types");
        }
        self.network.double = double;
        // An open dimension is the batch: one input at a time.
        let sizes = input.shape.iter().map(|d| usize::try_from(d.unwrap_or(1)).ok()).collect::<Option<Vec<_>>>();
        let Some(shape) = sizes else { return unreadable(format!("input `{name}` has a negative dimension")) };
        let value = self.add(name, &[], shape, Operation::Input)?;
        if let Value::Node { id, .. } = value {
            self.network.inputs.push(id);
        }
        self.define(name, value)
    }

    /// Takes room for so many numbers.
    fn take(&mut self, numbers: usize) -> Result<(), Error> {
        match self.room.checked_sub(numbers) {
            Some(room) => self.room = room,
            None => return not_certified(format!("the network needs more than {MOST_NUMBERS} numbers")),
        }
        Ok(())
    }

    /// Adds a node of the network.
    fn add(&mut self, name: &str, inputs: &[usize], shape: Vec<usize>, operation: Operation) -> Result<Value<'a>, Error> {
        let len = count(&shape)?;
        if len == 0 {
            return not_certified(format!("value `{name}` has no elements"));
        }
        self.take(len)?;
        self.network.nodes.push(Node { name: name.into(), len, inputs: inputs.to_vec(), operation });
        Ok(Value::Node { id: self.network.nodes.len() - 1, shape })
    }

    fn add_affine(&mut self, name: &str, parts: Vec<(usize, Linear)>, bias: Vec<f64>, shape: Vec<usize>) -> Result<Value<'a>, Error> {
        self.add_rounded(name, parts, bias, shape, 0.0)
    }

    /// An affine node whose weights may differ from the true ones.
    fn add_rounded(
        &mut self,
        name: &str,
        parts: Vec<(usize, Linear)>,
        bias: Vec<f64>,
        shape: Vec<usize>,
        relative_error: f64,
    ) -> Result<Value<'a>, Error> {
        let (inputs, parts): (Vec<usize>, Vec<Linear>) = parts.into_iter().unzip();
        self.add(name, &inputs, shape, Operation::Affine(Affine { parts, bias, relative_error }))
    }

    /// Rules for all operators; what a node gives, output by output.
    fn lower(&mut self, call: &Call<'_, 'a>) -> Result<Vec<Value<'a>>, Error> {
        let value = match call.operator {
            "Relu" => self.hinge(call, 0.0),
            "LeakyRelu" => self.hinge(call, call.float("alpha", 0.01).into()),
            "Abs" => self.hinge(call, -1.0),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(call),
            "Neg" => self.negate(call),
            "Gemm" => self.gemm(call),
            "MatMul" => self.matmul(call),
            "BatchNormalization" => self.batch_normalization(call),
            "ReduceSum" | "ReduceMean" | "GlobalAveragePool" => self.reduce(call),
            "Conv" => self.convolution(call),
            "AveragePool" => self.average_pool(call),
            "MaxPool" => self.max_pool(call),
            "ConvTranspose" => self.transposed_convolution(call),
            "Upsample" | "Resize" => self.repeated(call),
            "Sigmoid" => self.curve(call, Function::Sigmoid),
            "Tanh" => self.curve(call, Function::Tanh),
            "Sin" => self.curve(call, Function::Sine),
            "Cos" => self.curve(call, Function::Cosine),
            "Floor" => self.curve(call, Function::Floor),
            "Reciprocal" => self.curve(call, Function::Reciprocal),
            "Clip" => self.clip(call),
            "Max" | "Min" => self.extremum(call),
            "HardSigmoid" => self.hard_sigmoid(call),
            "Pow" => self.power(call),
            "Equal" => self.equal(call),
            "Where" => self.choice(call),
            "Split" => return self.split(call),
            _ => self.layout(call),
        };
        value.map(|value| vec![value])
    }

    /// `max(a, s a)`.
    fn hinge(&mut self, call: &Call<'_, 'a>, slope: f64) -> Result<Value<'a>, Error> {
        let (id, shape) = self.node_at(call, 0)?;
        if !(-1.0..=1.0).contains(&slope) {
            return not_certified(format!("slope {slope}: slopes from -1 to 1 are"));
        }
        self.add(call.output, &[id], shape, Operation::Hinge(slope))
    }

    fn finish(mut self, outputs: &[&str]) -> Result<Network, Error> {
        for name in outputs {
            match self.values.get(name) {
                Some(Value::Node { id, .. }) => self.network.outputs.push(*id),
                Some(Value::Constant(_)) => return not_certified(format!("output `{name}` is a constant")),
                None => return unreadable(format!("no node gives output `{name}`")),
            }
        }
        match self.network.inputs.is_empty() || outputs.is_empty() {
            true => unreadable("the network has no input or no output"),
            false => {
                simplify::simplify(&mut self.network);
                Ok(self.network)
            }
        }
    }
}
