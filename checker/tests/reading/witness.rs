//! The replay of witnesses.

use checker::Semantics::{Both, Float32, Integer, Real};
use checker::network::Network;
use checker::query::Query;
use checker::read::{onnx, vnnlib};
use checker::witness::replay;

use crate::onnx::{float, floats, int, ints, model, node};

/// Inputs in [-1, 1], asked is `condition`.
fn query(inputs: usize, outputs: usize, condition: &str) -> Query {
    let declare = |letter: &str, n: usize| (0..n).map(|i| format!("(declare-const {letter}_{i} Real)")).collect::<String>();
    let bounds: String = (0..inputs).map(|i| format!("(assert (and (>= X_{i} -1) (<= X_{i} 1)))")).collect();
    let text = format!("{}{}{bounds}(assert {condition})", declare("X", inputs), declare("Y", outputs));
    vnnlib::query(text.as_bytes()).unwrap()
}

fn accepts(network: &Network, semantics: checker::Semantics, condition: &str, point: &[&str]) -> bool {
    let texts: Vec<&[u8]> = point.iter().map(|text| text.as_bytes()).collect();
    replay(network, &query(point.len(), 1, condition), semantics, &texts).is_ok()
}

fn read(file: &[u8]) -> Network {
    onnx::network(file).unwrap()
}

#[test]
fn a_margin_of_zero_counts_unless_strict() {
    // y = |x0| - 3 x1
    let nodes =
        [node("Abs", "x", "a", &[]), node("MatMul", "a w", "b", &[]), node("MatMul", "x v", "c", &[]), node("Add", "b c", "y", &[])];
    let net = read(&model(&[1, 2], &nodes, &[floats("w", &[2, 1], &[1.0, 0.0]), floats("v", &[2, 1], &[0.0, -3.0])]));
    let point = ["-0.9", "0.3"];
    assert!(accepts(&net, Real, "(>= Y_0 0)", &point) && !accepts(&net, Real, "(> Y_0 0)", &point));
    assert!(accepts(&net, Real, "(= Y_0 0)", &point) && !accepts(&net, Real, "(!= Y_0 0)", &point));
    // The point enters the constraint as well.
    assert!(accepts(&net, Real, "(>= (+ Y_0 X_1) 0.3)", &point) && !accepts(&net, Real, "(> (+ Y_0 X_1) 0.3)", &point));
    // In binary32 0.9 and 3 times 0.3 differ.
    assert!(accepts(&net, Float32, "(!= Y_0 0)", &point));
}

#[test]
fn binary32_rounds_after_every_operation() {
    // y = (x + 2^25) - 2^25 is x, but in binary32 a multiple of 4, the tie 2 going to the even 0.
    let nodes =
        [node("Mul", "x two", "d", &[]), node("Add", "d big", "a", &[]), node("Relu", "a", "b", &[]), node("Sub", "b big", "y", &[])];
    let net = read(&model(&[1], &nodes, &[floats("big", &[1], &[33554432.0]), floats("two", &[1], &[2.0])]));
    assert!(accepts(&net, Real, "(>= Y_0 2)", &["1"]) && !accepts(&net, Float32, "(>= Y_0 2)", &["1"]));
    assert!(accepts(&net, Float32, "(<= Y_0 0)", &["1"]) && !accepts(&net, Real, "(<= Y_0 0)", &["1"]));
    // Sums go from left to right: 2^24 + 1 + 1 stays 2^24.
    let sum = read(&model(&[1, 3], &[node("ReduceSum", "x", "y", &[])], &[]));
    let scaled = ["1", "0.000000059604644775390625", "0.000000059604644775390625"];
    assert!(accepts(&sum, Float32, "(<= Y_0 1)", &scaled) && !accepts(&sum, Real, "(<= Y_0 1)", &scaled));
}

#[test]
fn the_region_is_taken_as_written() {
    let net = read(&model(&[1], &[node("Relu", "x", "y", &[])], &[]));
    assert!(accepts(&net, Real, "(>= Y_0 0)", &["1"]) && !accepts(&net, Real, "(>= Y_0 0)", &["1.000000000000000000000000000001"]));
    assert!(
        !accepts(&net, Real, "(and (< X_0 0.5) (>= Y_0 0))", &["0.5"]) && accepts(&net, Real, "(and (<= X_0 0.5) (>= Y_0 0))", &["0.5"])
    );
    assert!(!accepts(&net, Real, "(>= Y_0 0)", &["one"]));
    assert!(!accepts(&net, Both, "(>= Y_0 0)", &["1"]) && !accepts(&net, Integer, "(>= Y_0 0)", &["1"]));
    let two = replay(&net, &query(2, 1, "(>= Y_0 0)"), Real, &[b"0", b"0"]);
    assert!(two.is_err_and(|why| why.contains("the query has 2 inputs")));
}

#[test]
fn weights_that_are_no_numbers_are_enclosed() {
    // The mean of 1, 1, 1 is 1, but 1/3 is known to within 2^-52 only; max-pooling keeps that.
    let nodes = [node("AveragePool", "x", "a", &[ints("kernel_shape", &[3])]), node("MaxPool", "a", "y", &[ints("kernel_shape", &[2])])];
    let net = read(&model(&[1, 1, 4], &nodes, &[]));
    let point = ["1"; 4];
    assert!(accepts(&net, Real, "(>= Y_0 0.999999999999999)", &point) && accepts(&net, Real, "(<= Y_0 1.000000000000001)", &point));
    assert!(!accepts(&net, Real, "(>= Y_0 1)", &point) && !accepts(&net, Real, "(<= Y_0 1)", &point));
    // A mean of four is exact.
    let net = read(&model(&[1, 1, 4], &[node("AveragePool", "x", "y", &[ints("kernel_shape", &[4])])], &[]));
    assert!(accepts(&net, Real, "(= Y_0 0.25)", &["0.1", "0.2", "0.3", "0.4"]));
}

#[test]
fn batch_normalization_encloses_the_true_factor() {
    // 3 (x - 0.5) / sqrt(1.75 + 0.25) + 1 at 1 is 1 + 1.5 / sqrt(2).
    let tensors = [floats("s", &[1], &[3.0]), floats("b", &[1], &[1.0]), floats("m", &[1], &[0.5]), floats("v", &[1], &[1.75])];
    let norm = node("BatchNormalization", "x s b m v", "a", &[float("epsilon", 0.25)]);
    let net = read(&model(&[1, 1, 1], &[norm, node("Flatten", "a", "y", &[int("axis", 0)])], &tensors));
    assert!(accepts(&net, Real, "(and (>= Y_0 2.060660171779820) (<= Y_0 2.060660171779823))", &["1"]));
    assert!(
        !accepts(&net, Real, "(>= Y_0 2.060660171779821286601)", &["1"])
            && !accepts(&net, Real, "(<= Y_0 2.060660171779821286602)", &["1"])
    );
}
