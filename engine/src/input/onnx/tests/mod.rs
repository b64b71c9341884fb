//! Small models built with the messages themselves, read back, and evaluated beside values computed by hand.

mod affine;
mod encodings;
#[path = "../../../../tests/readers/evaluate.rs"]
mod evaluate;
mod functions;
mod hostile;
mod layout;
mod refusals;

use std::path::Path;

use prost::Message;

use super::load_model;
use super::proto::*;
use crate::graph::Graph;

/// A model under construction; its operator set is 13 unless said otherwise, its input `x`, its output `y`.
pub(super) struct Builder {
    opset: i64,
    inputs: Vec<ValueInfoProto>,
    constants: Vec<TensorProto>,
    nodes: Vec<NodeProto>,
    outputs: Vec<String>,
}

pub(super) fn value_info(name: &str, element: i32, dims: &[i64]) -> ValueInfoProto {
    let dim = |&d: &i64| match d {
        -1 => DimensionProto { dim_value: None, dim_param: Some("batch".into()) },
        d => DimensionProto { dim_value: Some(d), dim_param: None },
    };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type: Some(element), shape });
    ValueInfoProto { name: Some(name.into()), r#type: Some(TypeProto { tensor_type }) }
}

pub(super) fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.into(),
        data_type: Some(element::FLOAT),
        float_data: values.into(),
        ..Default::default()
    }
}

pub(super) fn ints(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.into(),
        data_type: Some(element::INT64),
        int64_data: values.into(),
        ..Default::default()
    }
}

fn attribute(name: &str) -> AttributeProto {
    AttributeProto { name: Some(name.into()), ..Default::default() }
}

pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i: Some(i), ..attribute(name) }
}

pub(super) fn list(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { ints: ints.into(), ..attribute(name) }
}

pub(super) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f: Some(f), ..attribute(name) }
}

pub(super) fn text(name: &str, s: &str) -> AttributeProto {
    AttributeProto { s: Some(s.to_string().into()), ..attribute(name) }
}

pub(super) fn tensor(name: &str, t: TensorProto) -> AttributeProto {
    AttributeProto { t: Some(t), ..attribute(name) }
}

impl Builder {
    pub fn new(dims: &[i64]) -> Builder {
        let inputs = vec![value_info("x", element::FLOAT, dims)];
        Builder { opset: 13, inputs, constants: vec![], nodes: vec![], outputs: vec!["y".into()] }
    }

    pub fn opset(self, opset: i64) -> Builder {
        Builder { opset, ..self }
    }

    pub fn input(mut self, info: ValueInfoProto) -> Builder {
        self.inputs.push(info);
        self
    }

    pub fn constant(mut self, tensor: TensorProto) -> Builder {
        self.constants.push(tensor);
        self
    }

    pub fn outputs(self, names: &[&str]) -> Builder {
        Builder { outputs: names.iter().map(|n| n.to_string()).collect(), ..self }
    }

    /// A node `op` that reads and makes values named in words, such as `"x w"` and `"y"`; `_` is an absent input.
    pub fn node(mut self, op: &str, inputs: &str, outputs: &str, attribute: Vec<AttributeProto>) -> Builder {
        let names = |words: &str| words.split_whitespace().map(|w| if w == "_" { "" } else { w }.to_string()).collect();
        self.nodes.push(NodeProto {
            input: names(inputs),
            output: names(outputs),
            name: Some(format!("{op}_{}", self.nodes.len())),
            op_type: Some(op.into()),
            attribute,
            domain: None,
        });
        self
    }

    pub fn model(self) -> ModelProto {
        let output = self.outputs.iter().map(|name| value_info(name, element::FLOAT, &[])).collect();
        let graph = GraphProto {
            node: self.nodes,
            name: Some("test".into()),
            initializer: self.constants,
            input: self.inputs,
            output,
            sparse_initializer: vec![],
        };
        let opset = OperatorSetIdProto { domain: None, version: Some(self.opset) };
        ModelProto { ir_version: Some(8), graph: Some(graph), opset_import: vec![opset] }
    }

    pub fn load(self) -> Graph {
        load_model(self.model(), Path::new("test.onnx")).expect("the model is read")
    }

    /// The message of the refusal.
    pub fn refused(self) -> String {
        load_model(self.model(), Path::new("test.onnx")).expect_err("the model is refused").to_string()
    }

    /// Shape of the first output, and all outputs at `input`; binary32 and binary64 must agree on these small numbers.
    /// So must the checker's reader, if it has rules for these operators.
    pub fn run(self, input: &[f64]) -> (Vec<usize>, Vec<f64>) {
        let model = self.model();
        let checkers = checkers_outputs(&model, input);
        let graph = load_model(model, Path::new("test.onnx")).expect("the model is read");
        let wide = graph.output_f64(input);
        let narrow = graph.output_f32(&input.iter().map(|&x| x as f32).collect::<Vec<_>>());
        assert!(checkers.as_ref().is_none_or(|outputs| outputs.len() == wide.len()), "{checkers:?} in the checker, {wide:?}");
        for (w, n) in wide.iter().zip(&narrow).chain(wide.iter().zip(checkers.iter().flatten())) {
            assert!((w - *n as f64).abs() <= 1e-5 * w.abs().max(1.0), "{wide:?} in binary64, {narrow:?} in binary32");
        }
        (graph.nodes[graph.outputs[0]].shape.clone(), wide)
    }
}

/// What the checker reads from the model, evaluated; none if it has no rule for it.
fn checkers_outputs(model: &ModelProto, input: &[f64]) -> Option<Vec<f32>> {
    use checker::read::{Error, onnx};
    let network = match onnx::network(&model.encode_to_vec()) {
        Ok(network) => network,
        Err(Error::NotCertified(_)) => return None,
        // The checker takes nodes in the order of the file, as the standard wants it.
        Err(Error::Unreadable(why)) if why.contains("nothing before it gives") => return None,
        Err(error) => panic!("the checker's reader: {error}"),
    };
    Some(evaluate::outputs(&network, input).into_iter().map(|y| y as f32).collect())
}

/// `0, 1, 2, ...`
pub(super) fn count(n: usize) -> Vec<f64> {
    (0..n).map(|i| i as f64).collect()
}

/// `0, 1, 2, ...`
pub(super) fn count_f32(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32).collect()
}
