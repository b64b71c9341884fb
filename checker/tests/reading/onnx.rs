//! ONNX files written byte by byte.

use checker::network::{Linear, Network, Operation};
use checker::read::onnx::network;
use checker::witness::deployed_outputs;

/// A field of a protocol-buffer message: a number.
pub fn number(field: u64, value: i64) -> Vec<u8> {
    [varint(field << 3), varint(value as u64)].concat()
}

/// A field of bytes.
pub fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    [varint(field << 3 | 2), varint(value.as_ref().len() as u64), value.as_ref().to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut written = Vec::new();
    while value > 127 {
        written.push(value as u8 | 128);
        value >>= 7;
    }
    written.push(value as u8);
    written
}

/// A tensor of binary32 numbers.
pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let dims = dims.iter().flat_map(|&d| number(1, d));
    [dims.collect(), number(2, 1), bytes(8, name), bytes(9, raw)].concat()
}

/// A tensor of binary64 numbers with one axis.
pub fn doubles(name: &str, values: &[f64]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    [number(1, values.len() as i64), number(2, 11), bytes(8, name), bytes(9, raw)].concat()
}

/// A node that reads and gives values named in words.
pub fn node(operator: &str, inputs: &str, outputs: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let inputs = inputs.split_whitespace().flat_map(|name| bytes(1, name));
    let outputs = outputs.split_whitespace().flat_map(|name| bytes(2, name));
    let attributes = attributes.iter().flat_map(|attribute| bytes(5, attribute));
    [inputs.chain(outputs).collect(), bytes(3, format!("node {operator}")), bytes(4, operator), attributes.collect()].concat()
}

pub fn int(name: &str, value: i64) -> Vec<u8> {
    [bytes(1, name), number(3, value)].concat()
}

pub fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    [bytes(1, name), values.iter().flat_map(|&v| number(8, v)).collect()].concat()
}

pub fn float(name: &str, value: f32) -> Vec<u8> {
    [bytes(1, name), varint(2 << 3 | 5), value.to_le_bytes().to_vec()].concat()
}

/// An input of the graph.
pub fn input(name: &str, element: i64, dims: &[i64]) -> Vec<u8> {
    let shape: Vec<u8> = dims.iter().flat_map(|&d| bytes(1, number(1, d))).collect();
    let tensor = [number(1, element), bytes(2, shape)].concat();
    [bytes(1, name), bytes(2, bytes(1, tensor))].concat()
}

/// A file with an input `x` of these dimensions and an output `y`; the graph comes last.
pub fn model(dims: &[i64], nodes: &[Vec<u8>], tensors: &[Vec<u8>]) -> Vec<u8> {
    model_of(13, input("x", 1, dims), nodes, tensors)
}

pub fn model_of(opset: i64, input: Vec<u8>, nodes: &[Vec<u8>], tensors: &[Vec<u8>]) -> Vec<u8> {
    let nodes = nodes.iter().flat_map(|node| bytes(1, node));
    let tensors = tensors.iter().flat_map(|tensor| bytes(5, tensor));
    let graph: Vec<u8> = nodes.chain(tensors).chain(bytes(11, input)).chain(bytes(12, bytes(1, "y"))).collect();
    [number(1, 8), bytes(8, number(2, opset)), bytes(7, graph)].concat()
}

pub fn outputs(file: &[u8], point: &[f64]) -> Vec<f64> {
    deployed_outputs(&network(file).unwrap(), point).unwrap()
}

pub fn refused(file: &[u8]) -> String {
    network(file).expect_err("a refusal").to_string()
}

pub fn layers(network: &Network) -> Vec<&'static str> {
    let word = |operation: &Operation| match operation {
        Operation::Input => "input",
        Operation::Constant(_) => "constant",
        Operation::Affine(_) => "affine",
        Operation::Hinge(_) => "hinge",
        Operation::Maximum(_) => "maximum",
        Operation::Curve(_) => "curve",
        Operation::Product => "product",
    };
    network.nodes.iter().map(|node| word(&node.operation)).collect()
}

fn small() -> Vec<u8> {
    let nodes = [
        node("Sub", "x mean", "a", &[]),
        node("Flatten", "a", "b", &[int("axis", 1)]),
        node("MatMul", "b w", "c", &[]),
        node("Add", "c bias", "d", &[]),
        node("LeakyRelu", "d", "y", &[float("alpha", 0.25)]),
    ];
    let tensors = [floats("mean", &[1], &[0.0]), floats("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]), floats("bias", &[2], &[-9.0, 5.0])];
    model(&[1, 1, 2], &nodes, &tensors)
}

#[test]
fn a_chain_is_read_with_its_biases_folded() {
    let network = network(&small()).unwrap();
    assert_eq!(layers(&network), ["input", "affine", "hinge"]);
    let Operation::Affine(affine) = &network.nodes[1].operation else { panic!("{network:?}") };
    assert!(matches!(&affine.parts[..], [Linear::Dense(w)] if w[..] == [1.0, 3.0, 2.0, 4.0]));
    assert_eq!((&affine.bias[..], affine.relative_error), (&[-9.0, 5.0][..], 0.0));
    assert_eq!(outputs(&small(), &[1.0, 1.0]), [-1.25, 11.0]);
}

#[test]
fn a_sum_that_others_read_too_keeps_its_value() {
    // c is read as it is, under another shape, and with a bias.
    let nodes = [
        node("MatMul", "x w", "c", &[]),
        node("Flatten", "c", "flat", &[]),
        node("Add", "flat bias", "d", &[]),
        node("Relu", "c", "e", &[]),
        node("Sub", "d e", "y", &[]),
    ];
    let tensors = [floats("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]), floats("bias", &[2], &[-9.0, 5.0])];
    assert_eq!(outputs(&model(&[1, 2], &nodes, &tensors), &[1.0, 1.0]), [-9.0, 5.0]);
    assert_eq!(outputs(&model(&[1, 2], &nodes, &tensors), &[-1.0, -1.0]), [-13.0, -1.0]);
}

#[test]
fn nodes_that_no_output_needs_are_left_out() {
    let nodes = [node("Einsum", "x", "dead", &[]), node("Relu", "x", "also dead", &[]), node("Abs", "x", "y", &[])];
    let file = model(&[2], &nodes, &[]);
    assert_eq!(layers(&network(&file).unwrap()), ["input", "hinge"]);
    assert_eq!(outputs(&file, &[-2.0, 3.0]), [2.0, 3.0]);
}

#[test]
fn windows_are_those_of_the_standard() {
    let pool = |operator: &str, more: &[Vec<u8>]| {
        let attributes = [&[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2]), ints("pads", &[0, 0, 1, 1])], more].concat();
        model(&[1, 1, 3, 3], &[node(operator, "x", "y", &attributes)], &[])
    };
    let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    assert_eq!(outputs(&pool("MaxPool", &[]), &image), [5.0, 6.0, 8.0, 9.0]);
    assert_eq!(outputs(&pool("AveragePool", &[]), &image), [3.0, 4.5, 7.5, 9.0]);
    assert_eq!(outputs(&pool("AveragePool", &[int("count_include_pad", 1)]), &image), [3.0, 2.25, 3.75, 2.25]);
    // Two groups of one channel; the second filter takes differences.
    let conv = node("Conv", "x w b", "y", &[int("group", 2), ints("pads", &[1, 0])]);
    let tensors = [floats("w", &[2, 1, 2], &[1.0, 1.0, 1.0, -1.0]), floats("b", &[2], &[0.5, 0.0])];
    assert_eq!(outputs(&model(&[1, 2, 2], &[conv], &tensors), &[1.0, 2.0, 3.0, 5.0]), [1.5, 3.5, -3.0, -2.0]);
}

#[test]
fn what_has_no_rule_is_named_with_its_node() {
    let one = |operator: &str, attributes: &[Vec<u8>]| model(&[1, 2], &[node(operator, "x", "y", attributes)], &[]);
    assert_eq!(refused(&one("Softmax", &[])), "not certified: operator Softmax at node `node Softmax`: no rule");
    assert!(refused(&one("Relu", &[int("surprise", 1)])).contains("operator Relu at node `node Relu`: attribute surprise"));
    assert!(refused(&one("LeakyRelu", &[float("alpha", 1.5)])).contains("slope 1.5"));
    assert!(refused(&one("LeakyRelu", &[float("alpha", f32::NAN)])).contains("slope NaN"));
    // An attribute of another kind is not the attribute; one that stands twice is one too many.
    assert!(refused(&one("LeakyRelu", &[int("alpha", 1)])).contains("attribute alpha"));
    assert!(refused(&one("LeakyRelu", &[float("alpha", 0.5), float("alpha", 0.25)])).contains("attribute alpha"));
    assert!(refused(&one("LeakyRelu", &[[float("alpha", 0.5), number(20, 2)].concat()])).contains("attribute alpha"));
    assert!(refused(&model(&[2], &[node("Add", "x c", "y", &[])], &[floats("c", &[1], &[f32::NAN])])).contains("not finite"));
    assert!(refused(&model(&[2], &[node("Div", "x c", "y", &[])], &[floats("c", &[1], &[0.0])])).contains("absurd size"));
    assert!(refused(&model(&[2], &[node("Relu", "x x", "y", &[])], &[])).contains("operand 1 has no meaning"));
    let foreign = [node("Relu", "x", "y", &[]), bytes(7, "my.domain")].concat();
    assert!(refused(&model(&[2], &[foreign], &[])).contains("operator my.domain.Relu"));
    assert!(refused(&model(&[2], &[node("Dropout", "x", "z y", &[])], &[])).contains("output 1"));
}

#[test]
fn inconsistent_files_are_refused() {
    let relu = node("Relu", "x", "y", &[]);
    let with = |nodes: &[Vec<u8>], tensors: &[Vec<u8>]| refused(&model(&[2], nodes, tensors));
    assert!(with(&[relu.clone(), relu.clone()], &[]).contains("two values are named `y`"));
    assert!(with(&[node("Relu", "z", "y", &[])], &[]).contains("reads `z`, which nothing before it gives"));
    assert!(with(&[node("Relu", "x", "z", &[])], &[]).contains("no node gives output `y`"));
    assert!(with(std::slice::from_ref(&relu), &[floats("c", &[3], &[1.0])]).contains("does not fit its shape"));
    assert!(with(std::slice::from_ref(&relu), &[floats("c", &[1 << 40, 1 << 40], &[1.0])]).contains("too large"));
    assert!(with(std::slice::from_ref(&relu), &[floats("c", &[-1], &[])]).contains("negative dimension"));
    let outside = [floats("c", &[1], &[]), number(14, 1)].concat();
    assert!(with(std::slice::from_ref(&relu), &[outside]).contains("outside the file"));
    let twice = [floats("c", &[1], &[1.0]), bytes(4, 1f32.to_le_bytes())].concat();
    assert!(with(std::slice::from_ref(&relu), &[twice]).contains("does not fit"));
    assert!(with(&[node("MatMul", "x c", "y", &[])], &[floats("c", &[3, 1], &[1.0; 3])]).contains("a product of shapes"));
    assert!(refused(&model_of(6, input("x", 1, &[2]), std::slice::from_ref(&relu), &[])).contains("operator set 6"));
    assert!(refused(&model_of(13, input("x", 7, &[2]), std::slice::from_ref(&relu), &[])).contains("element type 7"));
    assert!(refused(&model_of(13, input("x", 1, &[1 << 60, 1 << 60]), &[relu], &[])).contains("too large"));
    assert!(refused(b"").contains("no graph"));
}

#[test]
fn every_prefix_is_refused_and_every_changed_byte_survived() {
    let file = small();
    assert!((0..file.len()).all(|end| network(&file[..end]).is_err()));
    for place in 0..file.len() {
        for value in 0..=255 {
            let mut changed = file.clone();
            changed[place] = value;
            if let Ok(network) = network(&changed) {
                let len = network.inputs.iter().map(|&id| network.nodes[id].len).sum();
                let _ = deployed_outputs(&network, &vec![0.5; len]);
            }
        }
    }
}

/// A tensor of 64-bit integers, packed.
pub fn integers(name: &str, values: &[i64]) -> Vec<u8> {
    let packed: Vec<u8> = values.iter().flat_map(|&v| varint(v as u64)).collect();
    [number(1, values.len() as i64), number(2, 7), bytes(7, packed), bytes(8, name)].concat()
}

/// The outputs at 1, 2, 3, ... of one node that reads `x` of this shape.
pub fn of_node(dims: &[i64], node: Vec<u8>, tensors: &[Vec<u8>]) -> Vec<f64> {
    let point: Vec<f64> = (1..=dims.iter().product()).map(|i: i64| i as f64).collect();
    outputs(&model(dims, &[node], tensors), &point)
}

#[test]
fn operators_that_move_elements() {
    let constant = [integers("i", &[-1, 0])];
    assert_eq!(of_node(&[2, 3], node("Transpose", "x", "y", &[]), &[]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(of_node(&[1, 2, 3], node("Transpose", "x", "y", &[ints("perm", &[2, 0, 1])]), &[]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(of_node(&[2, 3], node("Gather", "x i", "y", &[int("axis", 1)]), &constant), [3.0, 1.0, 6.0, 4.0]);
    assert_eq!(of_node(&[2, 3], node("Gather", "x i", "y", &[]), &constant), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
    let slice = |s, e, a, by| [integers("s", &[s]), integers("e", &[e]), integers("a", &[a]), integers("b", &[by])];
    let sliced = |dims: &[i64], c: &[Vec<u8>]| of_node(dims, node("Slice", "x s e a b", "y", &[]), c);
    assert_eq!(sliced(&[2, 4], &slice(1, i64::MAX, -1, 2)), [2.0, 4.0, 6.0, 8.0]);
    assert_eq!(sliced(&[5], &slice(-2, i64::MIN, 0, -2)), [4.0, 2.0]);
    assert_eq!(sliced(&[5], &slice(9, -4, 0, -1)), [5.0, 4.0, 3.0]);
    let split = model(&[4], &[node("Split", "x n", "a b", &[]), node("Sub", "b a", "y", &[])], &[integers("n", &[1, 3])]);
    assert_eq!(outputs(&split, &[1.0, 2.0, 3.0, 4.0]), [1.0, 2.0, 3.0]);
    let halves = model(&[4], &[node("Split", "x", "a b", &[]), node("Sub", "b a", "y", &[])], &[]);
    assert_eq!(outputs(&halves, &[1.0, 2.0, 3.0, 5.0]), [2.0, 3.0]);
    let half = floats("h", &[2, 1], &[0.5, 0.25]);
    assert_eq!(
        of_node(&[2, 2], node("Concat", "x h x", "y", &[int("axis", 1)]), &[half]),
        [1.0, 2.0, 0.5, 1.0, 2.0, 3.0, 4.0, 0.25, 3.0, 4.0]
    );
    let pads = [integers("p", &[1, 0, 0, -1]), floats("v", &[], &[9.0])];
    assert_eq!(of_node(&[2, 2], node("Pad", "x p", "y", &[]), &pads), [0.0, 1.0, 3.0]);
    assert_eq!(of_node(&[2, 3], node("Pad", "x p v", "y", &[]), &pads), [9.0, 9.0, 1.0, 2.0, 4.0, 5.0]);
    assert_eq!(of_node(&[2, 1], node("Expand", "x i", "y", &[]), &[integers("i", &[2, 1, 2])]), [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
}

#[test]
fn shapes_are_computed_from_constants() {
    // Reshape to (2, size of axis 2, the rest): the shape is made of constants.
    let nodes = [
        node("Shape", "x", "s", &[]),
        node("Gather", "s two", "d", &[]),
        node("Unsqueeze", "d", "e", &[ints("axes", &[0])]),
        node("Concat", "first e rest", "t", &[int("axis", 0)]),
        node("Reshape", "x t", "r", &[]),
        node("Transpose", "r", "y", &[ints("perm", &[1, 0, 2])]),
    ];
    let scalar = [number(2, 7), bytes(7, varint(2)), bytes(8, "two")].concat();
    let file = model(&[1, 2, 3], &nodes, &[scalar, integers("rest", &[-1]), integers("first", &[2])]);
    assert_eq!(outputs(&file, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let reshape = |wanted: &[i64]| model(&[2, 3], &[node("Reshape", "x t", "y", &[])], &[integers("t", wanted)]);
    assert!(network(&reshape(&[0, -1])).is_ok() && network(&reshape(&[3, 2, 1])).is_ok());
    assert!([&[4, -1][..], &[-1, -1], &[2, 2], &[2, 3, 0], &[-2, 3]].iter().all(|wanted| network(&reshape(wanted)).is_err()));
}

#[test]
fn weighted_sums() {
    let w = floats("w", &[3, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    let gemm = |inputs: &str, attributes: &[Vec<u8>]| node("Gemm", inputs, "y", attributes);
    let c = floats("c", &[2], &[1.0, -1.0]);
    let scaled = [float("alpha", 0.5), float("beta", 2.0)];
    assert_eq!(of_node(&[1, 3], gemm("x w c", &scaled), &[w.clone(), c.clone()]), [4.0, 0.5]);
    assert_eq!(of_node(&[1, 2], gemm("x w", &[int("transB", 1)]), std::slice::from_ref(&w)), [1.0, 2.0, 3.0]);
    assert_eq!(of_node(&[2, 1], gemm("x w", &[int("transA", 1), int("transB", 1)]), std::slice::from_ref(&w)), [1.0, 2.0, 3.0]);
    assert_eq!(of_node(&[2, 3], node("MatMul", "x w", "y", &[]), std::slice::from_ref(&w)), [4.0, 5.0, 10.0, 11.0]);
    assert_eq!(of_node(&[2, 1], node("MatMul", "w x", "y", &[]), &[w]), [1.0, 2.0, 3.0]);
    assert_eq!(of_node(&[2], node("Neg", "x", "y", &[]), &[]), [-1.0, -2.0]);
    assert_eq!(of_node(&[2, 1], node("Sub", "c x", "y", &[]), std::slice::from_ref(&c)), [0.0, -2.0, -1.0, -3.0]);
    assert_eq!(of_node(&[2], node("Mul", "c x", "y", &[]), std::slice::from_ref(&c)), [1.0, -2.0]);
    assert_eq!(of_node(&[2], node("Div", "x d", "y", &[]), &[floats("d", &[1], &[4.0])]), [0.25, 0.5]);
    assert_eq!(of_node(&[2, 2, 2], node("ReduceSum", "x a", "y", &[int("keepdims", 0)]), &[integers("a", &[0, -1])]), [14.0, 22.0]);
    assert_eq!(of_node(&[2, 2], node("ReduceMean", "x", "y", &[ints("axes", &[0])]), &[]), [2.0, 3.0]);
    assert_eq!(of_node(&[1, 2, 2], node("GlobalAveragePool", "x", "y", &[]), &[]), [1.5, 3.5]);
}

#[test]
fn every_weight_error_is_counted() {
    let error = |file: &[u8]| {
        let network = network(file).unwrap();
        let of = |operation: &Operation| if let Operation::Affine(affine) = operation { affine.relative_error } else { 0.0 };
        network.nodes.iter().map(|node| of(&node.operation)).fold(0.0, f64::max)
    };
    let divided = |d: f32| model(&[2], &[node("Div", "x d", "y", &[])], &[floats("d", &[1], &[d])]);
    assert_eq!([error(&divided(4.0)), error(&divided(3.0))], [0.0, f64::EPSILON]);
    let mean = |n: i64| model(&[1, n], &[node("ReduceMean", "x", "y", &[])], &[]);
    assert_eq!([error(&mean(8)), error(&mean(6))], [0.0, f64::EPSILON]);
    // At the border three of four elements count, unless padding does.
    let pool = |more: &[Vec<u8>]| {
        let attributes = [&[ints("kernel_shape", &[4]), ints("pads", &[1, 0])], more].concat();
        model(&[1, 1, 6], &[node("AveragePool", "x", "y", &attributes)], &[])
    };
    assert_eq!([error(&pool(&[int("count_include_pad", 1)])), error(&pool(&[]))], [0.0, f64::EPSILON]);
    // The last window of ceil_mode reaches beyond the padding, which has no agreed meaning where padding counts.
    let beyond = pool(&[int("count_include_pad", 1), int("ceil_mode", 1), ints("strides", &[2])]);
    assert!(refused(&beyond).contains("beyond the padding"));
}
