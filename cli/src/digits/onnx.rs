//! Writes a classifier as ONNX (opset 13, Gemm and Relu): the few protobuf fields that such a file needs, by hand.
//!
//! Field numbers are those of `onnx.proto3`.

use super::classifier::{Classifier, Layer};

const IR_VERSION: u64 = 7;
const OPSET: u64 = 13;
const FLOAT: u64 = 1;
const ATTRIBUTE_INT: u64 = 2;

/// The file's bytes. Input `x` and output `logits` have a batch dimension named `batch`.
pub fn encode(network: &Classifier) -> Vec<u8> {
    let mut opset = Message::default();
    opset.text(1, "").number(2, OPSET);
    let mut model = Message::default();
    model.number(1, IR_VERSION).text(2, "ironbound").text(3, env!("CARGO_PKG_VERSION"));
    model.message(7, &graph(network)).message(8, &opset);
    model.0
}

fn graph(network: &Classifier) -> Message {
    let mut graph = Message::default();
    let count = network.layers.len();
    let mut last = "x".to_string();
    for k in 0..count {
        if k > 0 {
            let after = format!("relu{}", k - 1);
            graph.message(1, &node("Relu", &[&last], &after, &[]));
            last = after;
        }
        let after = if k + 1 == count { "logits".into() } else { format!("layer{k}") };
        let inputs = [last.as_str(), &format!("layers.{k}.weight"), &format!("layers.{k}.bias")];
        graph.message(1, &node("Gemm", &inputs, &after, &[("transB", 1)]));
        last = after;
    }
    graph.text(2, "digits");
    for (k, layer) in network.layers.iter().enumerate() {
        let Layer { inputs, outputs, weights, bias } = layer;
        graph.message(5, &tensor(&format!("layers.{k}.weight"), &[*outputs, *inputs], weights));
        graph.message(5, &tensor(&format!("layers.{k}.bias"), &[*outputs], bias));
    }
    graph.message(11, &value("x", network.inputs())).message(12, &value("logits", network.classes()));
    graph
}

fn node(operator: &str, inputs: &[&str], output: &str, integers: &[(&str, u64)]) -> Message {
    let mut node = Message::default();
    inputs.iter().for_each(|input| {
        node.text(1, input);
    });
    node.text(2, output).text(3, output).text(4, operator);
    for (name, value) in integers {
        let mut attribute = Message::default();
        attribute.text(1, name).number(3, *value).number(20, ATTRIBUTE_INT);
        node.message(5, &attribute);
    }
    node
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> Message {
    let mut tensor = Message::default();
    shape.iter().for_each(|&n| {
        tensor.number(1, n as u64);
    });
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor.number(2, FLOAT).text(8, name).bytes(9, &raw);
    tensor
}

/// A value of type float and shape `[batch, size]`.
fn value(name: &str, size: usize) -> Message {
    let (mut batch, mut fixed, mut shape, mut tensor, mut kind, mut value) = Default::default();
    Message::text(&mut batch, 2, "batch");
    Message::number(&mut fixed, 1, size as u64);
    Message::message(&mut shape, 1, &batch).message(1, &fixed);
    Message::number(&mut tensor, 1, FLOAT).message(2, &shape);
    Message::message(&mut kind, 1, &tensor);
    Message::text(&mut value, 1, name).message(2, &kind);
    value
}

/// A protobuf message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn variable_length(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(&mut self, field: u64, number: u64) -> &mut Message {
        self.variable_length(field << 3);
        self.variable_length(number);
        self
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Message {
        self.variable_length(field << 3 | 2);
        self.variable_length(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, field: u64, text: &str) -> &mut Message {
        self.bytes(field, text.as_bytes())
    }

    fn message(&mut self, field: u64, message: &Message) -> &mut Message {
        self.bytes(field, &message.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::digits::embedded;

    #[test]
    fn our_own_reader_reads_the_same_network() {
        for network in [embedded::linear(), embedded::relu()] {
            let network = network.expect("readable");
            let graph = engine::input::onnx::load(encode(&network), Path::new("digits.onnx")).expect("our reader takes it");
            for example in embedded::test_set().examples.iter().take(20) {
                let (ours, theirs) = (network.logits(&example.x), graph.output_f64(&example.x));
                assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() <= 1e-12 * (1.0 + a.abs())), "{ours:?} {theirs:?}");
            }
        }
    }
}
