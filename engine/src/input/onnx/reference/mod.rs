//! A second, independent reading of the model: every ONNX node interpreted naively in binary64, from the ONNX specification.
//!
//! Written apart from the lowering on purpose (own broadcasting, own index arithmetic, no operator of `ops`):
//! shared code would share its bugs. Slow; run on a few points at every load.

mod array;
mod elementwise;
mod layout;
mod linear;
mod windows;

use std::collections::HashMap;
use std::rc::Rc;

use super::model::Model;
use super::proto::NodeProto;
pub(super) use array::Array;

/// Values of a run by name.
pub(super) type Values = HashMap<String, Rc<Array>>;

/// Interprets every node at `input` (all inputs in order, flat); or says which node cannot be interpreted and why.
pub(super) fn interpret<'m>(model: &'m Model, input: &[f64]) -> Result<Values, (&'m NodeProto, String)> {
    let mut values: Values = HashMap::new();
    for (name, tensor) in &model.constants {
        values.insert(name.clone(), Rc::new(Array::stored(tensor.clone())));
    }
    let mut rest = input;
    for i in &model.inputs {
        let (own, others) = rest.split_at(i.shape.iter().product::<usize>().min(rest.len()));
        rest = others;
        values.insert(i.name.clone(), Rc::new(Array::new(i.shape.clone(), own.to_vec())));
    }
    for node in &model.nodes {
        let inputs: Vec<Option<Rc<Array>>> = node.input.iter().map(|name| values.get(name).cloned()).collect();
        let outputs = apply(&Step { node, inputs, opset: model.opset }).map_err(|problem| (node, problem))?;
        for (name, value) in node.output.iter().zip(outputs) {
            values.insert(name.clone(), Rc::new(value));
        }
    }
    Ok(values)
}

/// One node with the values that it reads.
struct Step<'a> {
    node: &'a NodeProto,
    inputs: Vec<Option<Rc<Array>>>,
    opset: i64,
}

impl Step<'_> {
    fn get(&self, k: usize) -> Result<&Array, String> {
        self.maybe(k).ok_or_else(|| format!("input {k} is missing"))
    }

    fn maybe(&self, k: usize) -> Option<&Array> {
        self.inputs.get(k)?.as_deref()
    }

    fn has(&self, name: &str) -> bool {
        self.node.attribute.iter().any(|a| a.name() == name)
    }

    fn int(&self, name: &str, default: i64) -> i64 {
        self.node.attribute.iter().find(|a| a.name() == name).map_or(default, |a| a.i())
    }

    fn float(&self, name: &str, default: f64) -> f64 {
        self.node.attribute.iter().find(|a| a.name() == name).map_or(default, |a| a.f() as f64)
    }

    fn text(&self, name: &str) -> String {
        let found = self.node.attribute.iter().find(|a| a.name() == name).and_then(|a| a.s.as_ref());
        found.map_or(String::new(), |s| String::from_utf8_lossy(s).into_owned())
    }

    fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.node.attribute.iter().find(|a| a.name() == name).map(|a| a.ints.clone())
    }

    /// An attribute in old operator sets, input `k` in new ones.
    fn ints_or_input(&self, name: &str, k: usize) -> Option<Vec<i64>> {
        self.ints(name).or_else(|| self.maybe(k).map(Array::to_ints))
    }
}

fn apply(step: &Step) -> Result<Vec<Array>, String> {
    let one = match step.node.op_type() {
        "Split" => return layout::split(step),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Equal" => elementwise::binary(step),
        "Min" | "Max" | "Sum" => elementwise::of_all(step),
        "Softmax" => linear::softmax(step),
        "Where" => elementwise::select(step),
        "BatchNormalization" => elementwise::batch_normalization(step),
        "Gemm" => linear::gemm(step),
        "MatMul" => linear::matmul(step),
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" => linear::reduce(step),
        "Conv" => windows::conv(step),
        "ConvTranspose" => windows::conv_transpose(step),
        "AveragePool" | "GlobalAveragePool" | "MaxPool" => windows::pool(step),
        "Identity" | "Dropout" | "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => layout::reshape(step),
        "Constant" | "ConstantOfShape" | "Shape" => layout::constant(step),
        "Concat" => layout::concat(step),
        "Transpose" => layout::transpose(step),
        "Slice" => layout::slice(step),
        "Gather" => layout::gather(step),
        "Expand" => layout::expand(step),
        "Pad" => layout::pad(step),
        "Upsample" | "Resize" => layout::upsample(step),
        _ => elementwise::unary(step),
    };
    Ok(vec![one?])
}
