//! From ONNX nodes to graph nodes, one for one wherever something is computed; what depends on no input is folded.

mod call;
mod constants;
mod elementwise;
mod functions;
mod layout;
mod linear;
mod normal;
mod reshape;
mod windows;

use std::collections::HashMap;
use std::rc::Rc;

use super::model::Model;
use super::proto::NodeProto;
use super::tensor::{Tensor, element_count};
use crate::graph::{Element, Graph, NodeId};
use crate::input::InputError;
use crate::numerics::Numbers;
use crate::ops::{Affine, Operation};
use call::Call;

/// What a name of the file stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A constant.
    Constant(Rc<Tensor>),
    /// A node of the graph.
    Node(NodeId),
}

/// The shape rule and meaning of one operator; makes the node's outputs.
type Rule = fn(&mut Lowering, &Call) -> Result<Vec<Value>, String>;

/// No limit on the number of inputs.
const MANY: usize = usize::MAX;

/// Every operator that can be read: its name, most inputs, and rule.
const OPERATORS: &[(&str, usize, Rule)] = &[
    ("Abs", 1, functions::abs),
    ("Add", 2, elementwise::add),
    ("AveragePool", 1, windows::average_pool),
    ("BatchNormalization", 5, normal::batch_normalization),
    ("Cast", 1, constants::cast),
    ("Clip", 3, functions::clip),
    ("Concat", MANY, layout::concat),
    ("Constant", 0, constants::constant),
    ("ConstantOfShape", 1, constants::constant_of_shape),
    ("Conv", 3, windows::conv),
    ("ConvTranspose", 3, windows::conv_transpose),
    ("Cos", 1, functions::cos),
    ("Div", 2, elementwise::div),
    ("Dropout", 3, reshape::dropout),
    ("Equal", 2, constants::equal),
    ("Exp", 1, functions::exp),
    ("Expand", 2, layout::expand),
    ("Flatten", 1, reshape::flatten),
    ("Floor", 1, functions::floor),
    ("Gather", 2, layout::gather),
    ("Gemm", 3, linear::gemm),
    ("GlobalAveragePool", 1, windows::global_average_pool),
    ("HardSigmoid", 1, functions::hard_sigmoid),
    ("Identity", 1, reshape::identity),
    ("LeakyRelu", 1, functions::leaky_relu),
    ("MatMul", 2, linear::matmul),
    ("Max", MANY, functions::max),
    ("MaxPool", 1, windows::max_pool),
    ("Min", MANY, functions::min),
    ("Mul", 2, elementwise::mul),
    ("Neg", 1, elementwise::neg),
    ("Pad", 4, layout::pad),
    ("Pow", 2, functions::pow),
    ("Reciprocal", 1, functions::reciprocal),
    ("ReduceMax", 2, functions::reduce_max),
    ("ReduceMean", 2, normal::reduce_mean),
    ("ReduceMin", 2, functions::reduce_min),
    ("ReduceSum", 2, normal::reduce_sum),
    ("Relu", 1, functions::relu),
    ("Reshape", 2, reshape::reshape),
    ("Resize", 4, layout::resize),
    ("Shape", 1, constants::shape),
    ("Sigmoid", 1, functions::sigmoid),
    ("Sign", 1, functions::sign),
    ("Sin", 1, functions::sin),
    ("Slice", 5, layout::slice),
    ("Softmax", 1, functions::softmax),
    ("Softplus", 1, functions::softplus),
    ("Split", 2, layout::split),
    ("Squeeze", 2, reshape::squeeze),
    ("Sub", 2, elementwise::sub),
    ("Sum", MANY, elementwise::sum_of_all),
    ("Tanh", 1, functions::tanh),
    ("Transpose", 1, layout::transpose),
    ("Unsqueeze", 2, reshape::unsqueeze),
    ("Upsample", 2, layout::upsample),
    ("Where", 3, layout::select),
];

/// Names of the ONNX operators that can be read, in alphabetical order.
pub fn supported_operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().map(|o| o.0)
}

fn rule(node: &NodeProto) -> Option<&'static (&'static str, usize, Rule)> {
    let standard = matches!(node.domain(), "" | "ai.onnx");
    OPERATORS.iter().find(|o| standard && o.0 == node.op_type())
}

/// True if there is a rule for the node's operator.
pub(super) fn is_supported(node: &NodeProto) -> bool {
    rule(node).is_some()
}

/// A graph that grows node by node.
pub(super) struct Lowering<'m> {
    model: &'m Model,
    graph: Graph,
    values: HashMap<&'m str, Value>,
    /// Constants that some operator reads as a variable operand.
    materialised: HashMap<String, NodeId>,
}

/// Lowers a checked model.
pub(super) fn lower(model: &Model) -> Result<Graph, InputError> {
    let mut lowering = Lowering { model, graph: Graph::new(model.element), values: HashMap::new(), materialised: HashMap::new() };
    for (name, tensor) in &model.constants {
        lowering.values.insert(name, Value::Constant(tensor.clone()));
    }
    for input in &model.inputs {
        let id = lowering.graph.add_input(&input.name, &input.shape);
        lowering.values.insert(&input.name, Value::Node(id));
    }
    for node in &model.nodes {
        lowering.lower_node(node).map_err(|problem| model.fault(node, problem))?;
    }
    for name in &model.outputs {
        let id = lowering
            .output(name)
            .map_err(|problem| InputError::place(&model.path, format!("output `{name}`"), problem, "export the model again"))?;
        lowering.graph.outputs.push(id);
    }
    Ok(lowering.graph)
}

impl<'m> Lowering<'m> {
    fn lower_node(&mut self, node: &'m NodeProto) -> Result<(), String> {
        let (operator, most, rule) = rule(node).ok_or("unsupported operator")?;
        if node.input.len() > *most {
            return Err(format!("{} inputs, expected at most {most}", node.input.len()));
        }
        let mut inputs = Vec::new();
        for name in &node.input {
            inputs.push(match self.values.get(name.as_str()) {
                Some(value) => Some(value.clone()),
                None if name.is_empty() => None,
                None => return Err(format!("reads `{name}`, an optional output that is not supported")),
            });
        }
        let call = Call { node, operator, inputs, opset: self.model.opset };
        let outputs = rule(self, &call)?;
        for (name, value) in node.output.iter().zip(outputs).filter(|(name, _)| !name.is_empty()) {
            self.values.insert(name, value);
        }
        Ok(())
    }

    fn output(&mut self, name: &str) -> Result<NodeId, String> {
        match self.values.get(name).cloned() {
            Some(Value::Node(id)) => Ok(id),
            Some(Value::Constant(tensor)) => self.add_constant(name, &tensor),
            None => Err("an optional output that is not supported".into()),
        }
    }

    fn shape(&self, value: &Value) -> Vec<usize> {
        match value {
            Value::Constant(tensor) => tensor.shape.clone(),
            Value::Node(id) => self.graph.nodes[*id].shape.clone(),
        }
    }

    /// Adds a graph node that makes output `k` of the ONNX node.
    fn add_output(&mut self, call: &Call, k: usize, operation: Operation, inputs: &[NodeId], shape: &[usize]) -> Result<Value, String> {
        let name = call.node.output.get(k).map_or("", String::as_str);
        if element_count(shape)? == 0 {
            return Err(format!("the result has shape {shape:?}, without elements"));
        }
        self.graph.add(name, operation, inputs, shape).map(Value::Node).map_err(|e| e.problem)
    }

    /// Adds the graph node of an ONNX node with one output.
    fn add(&mut self, call: &Call, operation: Operation, inputs: &[NodeId], shape: &[usize]) -> Result<Vec<Value>, String> {
        Ok(vec![self.add_output(call, 0, operation, inputs, shape)?])
    }

    fn add_affine(&mut self, call: &Call, op: impl Affine + 'static, inputs: &[NodeId], shape: &[usize]) -> Result<Vec<Value>, String> {
        self.add(call, Operation::Affine(Box::new(op)), inputs, shape)
    }

    fn add_constant(&mut self, name: &str, tensor: &Tensor) -> Result<NodeId, String> {
        if let Some(&id) = self.materialised.get(name) {
            return Ok(id);
        }
        let operation = Operation::Constant(self.numbers(tensor)?);
        let id = self.graph.add(name, operation, &[], &tensor.shape).map_err(|e| e.problem)?;
        self.materialised.insert(name.into(), id);
        Ok(id)
    }

    /// Input `k` as a node; a constant becomes one.
    fn operand(&mut self, call: &Call, k: usize) -> Result<NodeId, String> {
        match call.input(k)? {
            Value::Node(id) => Ok(*id),
            Value::Constant(tensor) => self.add_constant(&call.node.input[k], tensor),
        }
    }

    /// Constants of an operator; refused if they are not of the network's element type.
    fn numbers(&self, tensor: &Tensor) -> Result<Numbers, String> {
        let numbers = tensor.numbers()?;
        match (&numbers, self.model.element) {
            (Numbers::F32(_), Element::F32) | (Numbers::F64(_), Element::F64) => Ok(numbers),
            (Numbers::F64(_), Element::F32) => Err("float64 constants in a float32 network".into()),
            (Numbers::F32(_), Element::F64) => Err("float32 constants in a float64 network".into()),
        }
    }

    /// Computed constants in the network's element type if they are numbers of it, otherwise in binary64.
    fn computed(&self, values: Vec<f64>) -> Result<Numbers, String> {
        if let Some(x) = values.iter().find(|x| !x.is_finite()) {
            return Err(format!("a constant computed from those of the file is {x}"));
        }
        let numbers = Numbers::F64(values);
        match (self.model.element, numbers) {
            (Element::F32, Numbers::F64(v)) if v.iter().all(|&x| x as f32 as f64 == x) => {
                Ok(Numbers::F32(v.into_iter().map(|x| x as f32).collect()))
            }
            (_, numbers) => Ok(numbers),
        }
    }
}
