//! Operators with weights.

use super::*;
use crate::ops::{Affine, Operation};

fn affine(graph: &Graph) -> &dyn Affine {
    match &graph.nodes[graph.outputs[0]].operation {
        Operation::Affine(op) => op.as_ref(),
        other => panic!("{other:?} is not affine"),
    }
}

#[test]
fn gemm_has_transposes_and_factors() {
    let w = floats("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let plain = Builder::new(&[1, 2]).constant(w.clone()).node("Gemm", "x w", "y", vec![]);
    assert_eq!(plain.run(&[1.0, 10.0]), (vec![1, 3], vec![41.0, 52.0, 63.0]));
    let turned = Builder::new(&[1, 3]).constant(w.clone()).constant(floats("c", &[2], &[1.0, 2.0]));
    let turned = turned.node("Gemm", "x w c", "y", vec![int("transB", 1), float("alpha", 0.5), float("beta", 2.0)]);
    assert_eq!(turned.run(&[1.0, 0.0, 2.0]), (vec![1, 2], vec![3.5 + 2.0, 8.0 + 4.0]));
    // x as a column, turned into a row; a constant on the left; a matrix as operand.
    let column = Builder::new(&[2, 1]).constant(w.clone()).node("Gemm", "x w", "y", vec![int("transA", 1)]);
    assert_eq!(column.run(&[1.0, 10.0]).1, [41.0, 52.0, 63.0]);
    let left = Builder::new(&[3, 1]).constant(w.clone()).node("Gemm", "w x", "y", vec![]);
    assert_eq!(left.run(&[1.0, 0.0, 2.0]), (vec![2, 1], vec![7.0, 16.0]));
    let rows = Builder::new(&[2, 2]).constant(w).constant(floats("c", &[2, 1], &[100.0, 200.0]));
    let rows = rows.node("Gemm", "x w c", "y", vec![int("transA", 1)]);
    assert_eq!(rows.run(&[1.0, 0.0, 0.0, 1.0]), (vec![2, 3], vec![101.0, 102.0, 103.0, 204.0, 205.0, 206.0]));
}

#[test]
fn gemm_adds_a_variable() {
    let builder = Builder::new(&[1, 2]).constant(floats("w", &[2, 2], &[1.0, 0.0, 0.0, 1.0]));
    let builder = builder.node("Relu", "x", "c", vec![]).node("Gemm", "x w c", "y", vec![float("beta", 3.0)]);
    assert_eq!(builder.run(&[-1.0, 2.0]).1, [-1.0, 8.0]);
}

#[test]
fn inexact_factors_are_kept_in_binary64() {
    let builder = Builder::new(&[1, 1]).constant(floats("w", &[1, 1], &[0.1]));
    let graph = builder.node("Gemm", "x w", "y", vec![float("alpha", 0.1)]).load();
    assert!(affine(&graph).inexact_in_f32());
    assert_eq!(graph.output_f64(&[1.0]), [0.1f32 as f64 * 0.1f32 as f64]);
}

#[test]
fn matmul_follows_numpy() {
    let w = floats("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let matmul = |dims: &[i64], w: &TensorProto, order: &str| Builder::new(dims).constant(w.clone()).node("MatMul", order, "y", vec![]);
    assert_eq!(matmul(&[2], &w, "x w").run(&[1.0, 10.0]), (vec![3], vec![41.0, 52.0, 63.0]));
    assert_eq!(matmul(&[3], &w, "w x").run(&[1.0, 0.0, 2.0]), (vec![2], vec![7.0, 16.0]));
    assert_eq!(matmul(&[1, 2, 2], &w, "x w").run(&[1.0, 0.0, 0.0, 1.0]), (vec![1, 2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    assert_eq!(matmul(&[3, 2], &w, "w x").run(&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]), (vec![2, 2], vec![1.0, 2.0, 4.0, 5.0]));
    // One row times a stack of two matrices; a vector times the stack.
    let stack = floats("w", &[2, 2, 1], &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(matmul(&[1, 2], &stack, "x w").run(&[1.0, 10.0]), (vec![2, 1, 1], vec![21.0, 43.0]));
    assert_eq!(matmul(&[2], &stack, "x w").run(&[1.0, 10.0]), (vec![2, 1], vec![21.0, 43.0]));
    let vector = floats("w", &[2], &[1.0, 10.0]);
    assert_eq!(matmul(&[1, 3, 2], &vector, "x w").run(&count(6)), (vec![1, 3], vec![10.0, 32.0, 54.0]));
}

#[test]
fn mostly_zero_matrices_are_stored_sparsely() {
    let mut weights = vec![0.0f32; 200 * 100];
    (weights[5 * 100 + 7], weights[199 * 100 + 7], weights[0]) = (2.0, 3.0, -1.0);
    let raw: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
    let w = TensorProto { float_data: vec![], raw_data: Some(raw.into()), ..floats("w", &[200, 100], &[]) };
    let graph = Builder::new(&[1, 200]).constant(w.clone()).node("MatMul", "x w", "y", vec![]).load();
    let mut entries = Vec::new();
    affine(&graph).for_each_weight(0, &mut |o, i, w| entries.push((o, i, w)));
    assert_eq!(entries, [(0, 0, -1.0), (7, 5, 2.0), (7, 199, 3.0)]);
    assert_eq!((affine(&graph).fan_in(), affine(&graph).fan_out(0)), (2, 1));
    let turned = Builder::new(&[1, 100]).constant(w).constant(floats("c", &[200], &[1.0; 200]));
    let graph = turned.node("Gemm", "x w c", "y", vec![int("transB", 1), float("alpha", 2.0)]).load();
    let mut entries = Vec::new();
    affine(&graph).for_each_weight(0, &mut |o, i, w| entries.push((o, i, w)));
    assert_eq!(entries, [(0, 0, -2.0), (5, 7, 4.0), (199, 7, 6.0)]);
}

#[test]
fn constants_and_variables_are_added_and_scaled_with_broadcasting() {
    let c = || floats("c", &[2, 1], &[10.0, 20.0]);
    let run = |op: &str, order: &str| Builder::new(&[1, 2]).constant(c()).node(op, order, "y", vec![]).run(&[4.0, 5.0]);
    assert_eq!(run("Add", "x c"), (vec![2, 2], vec![14.0, 15.0, 24.0, 25.0]));
    assert_eq!(run("Sub", "x c").1, [-6.0, -5.0, -16.0, -15.0]);
    assert_eq!(run("Sub", "c x").1, [6.0, 5.0, 16.0, 15.0]);
    assert_eq!(run("Mul", "c x").1, [40.0, 50.0, 80.0, 100.0]);
    assert_eq!(run("Div", "x c").1, [0.4, 0.5, 0.2, 0.25]);
    let two = |op: &str| {
        Builder::new(&[1, 2]).node("Reshape", "x s", "t", vec![]).constant(ints("s", &[2], &[2, 1])).node(op, "x t", "y", vec![])
    };
    assert_eq!(two("Add").run(&[4.0, 5.0]), (vec![2, 2], vec![8.0, 9.0, 9.0, 10.0]));
    assert_eq!(two("Sub").run(&[4.0, 5.0]).1, [0.0, 1.0, -1.0, 0.0]);
    let twice = Builder::new(&[2]).node("Sub", "x x", "y", vec![]);
    assert_eq!(twice.run(&[4.0, 5.0]).1, [0.0, 0.0]);
    assert_eq!(Builder::new(&[2]).constant(c()).node("Sum", "x c x", "y", vec![]).run(&[4.0, 5.0]).1, [18.0, 20.0, 28.0, 30.0]);
    assert_eq!(Builder::new(&[2]).node("Neg", "x", "y", vec![]).run(&[4.0, -5.0]).1, [-4.0, 5.0]);
}

#[test]
fn a_quotient_says_how_far_its_weights_are_off() {
    let divided = |by: f32| Builder::new(&[1]).constant(floats("c", &[], &[by])).node("Div", "x c", "y", vec![]).load();
    assert_eq!((affine(&divided(4.0)).weight_error(), affine(&divided(4.0)).inexact_in_f32()), (0.0, false));
    assert_eq!((affine(&divided(3.0)).weight_error(), affine(&divided(3.0)).inexact_in_f32()), (f64::EPSILON, true));
}

#[test]
fn inexact_arithmetic_on_constants_stays_in_the_graph() {
    // 2^24 + 1 is no binary32 number: folding would change the network.
    let builder = Builder::new(&[1]).constant(floats("a", &[], &[16_777_216.0])).constant(floats("b", &[], &[1.0]));
    let graph = builder.node("Add", "a b", "c", vec![]).node("Sub", "c a", "d", vec![]).node("Mul", "x d", "y", vec![]).load();
    assert_eq!(graph.output_f64(&[3.0]), [3.0]);
    assert_eq!(graph.output_f32(&[3.0]), [0.0]);
}

#[test]
fn convolutions_slide_with_pads_strides_dilations_and_groups() {
    let kernel = floats("w", &[1, 1, 2, 2], &[1.0, 10.0, 100.0, 1000.0]);
    let conv = |attributes| Builder::new(&[1, 1, 3, 3]).constant(kernel.clone()).node("Conv", "x w", "y", attributes);
    assert_eq!(conv(vec![]).run(&count(9)), (vec![1, 1, 2, 2], vec![4310.0, 5421.0, 7643.0, 8754.0]));
    assert_eq!(conv(vec![list("dilations", &[2, 2])]).run(&count(9)), (vec![1, 1, 1, 1], vec![8620.0]));
    assert_eq!(conv(vec![list("pads", &[1, 0, 0, 1]), list("strides", &[2, 2])]).run(&count(9)).1, [1000.0, 200.0, 7643.0, 805.0]);
    assert_eq!(conv(vec![text("auto_pad", "SAME_UPPER")]).run(&count(9)).0, [1, 1, 3, 3]);
    assert_eq!(conv(vec![text("auto_pad", "SAME_LOWER")]).run(&count(9)).1[0], 0.0);
    let grouped =
        Builder::new(&[1, 2, 3]).constant(floats("w", &[2, 1, 2], &[1.0, 10.0, 100.0, 1000.0])).constant(floats("b", &[2], &[0.5, 0.25]));
    let grouped = grouped.node("Conv", "x w b", "y", vec![int("group", 2), list("kernel_shape", &[2])]);
    assert_eq!(grouped.run(&count(6)), (vec![1, 2, 2], vec![10.5, 21.5, 4300.25, 5400.25]));
}

#[test]
fn transposed_convolutions_spread_and_cut() {
    let kernel = floats("w", &[1, 1, 2], &[1.0, 10.0]);
    let conv =
        |attributes| Builder::new(&[1, 1, 3]).constant(kernel.clone()).node("ConvTranspose", "x w", "y", attributes).run(&[1.0, 2.0, 3.0]);
    assert_eq!(conv(vec![]), (vec![1, 1, 4], vec![1.0, 12.0, 23.0, 30.0]));
    assert_eq!(conv(vec![list("strides", &[2])]).1, [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
    assert_eq!(conv(vec![list("strides", &[3]), list("output_padding", &[1])]).1, [1.0, 10.0, 0.0, 2.0, 20.0, 0.0, 3.0, 30.0, 0.0]);
    assert_eq!(conv(vec![list("pads", &[1, 1])]).1, [12.0, 23.0]);
    let wide =
        Builder::new(&[1, 2, 2, 2]).constant(floats("w", &[2, 3, 2, 2], &count_f32(24))).constant(floats("b", &[3], &[1.0, 2.0, 3.0]));
    assert_eq!(wide.node("ConvTranspose", "x w b", "y", vec![list("strides", &[2, 1])]).run(&count(8)).0, [1, 3, 4, 3]);
    let grouped = Builder::new(&[1, 4, 3, 3]).constant(floats("w", &[4, 1, 2, 3], &count_f32(24)));
    let attributes = vec![int("group", 2), list("dilations", &[2, 1]), list("pads", &[1, 0, 0, 2])];
    assert_eq!(grouped.node("ConvTranspose", "x w", "y", attributes).run(&count(36)).0, [1, 2, 4, 3]);
}

#[test]
fn averages_count_padding_only_when_told_to() {
    let pool = |attributes: Vec<AttributeProto>| {
        let all = [vec![list("kernel_shape", &[2])], attributes].concat();
        Builder::new(&[1, 1, 3]).node("AveragePool", "x", "y", all).run(&[1.0, 2.0, 6.0])
    };
    assert_eq!(pool(vec![]), (vec![1, 1, 2], vec![1.5, 4.0]));
    assert_eq!(pool(vec![list("pads", &[1, 1])]).1, [1.0, 1.5, 4.0, 6.0]);
    assert_eq!(pool(vec![list("pads", &[1, 1]), int("count_include_pad", 1)]).1, [0.5, 1.5, 4.0, 3.0]);
    assert_eq!(pool(vec![list("strides", &[2]), int("ceil_mode", 1)]).1, [1.5, 6.0]);
    let global = Builder::new(&[1, 2, 2, 2]).node("GlobalAveragePool", "x", "y", vec![]);
    assert_eq!(global.run(&count(8)), (vec![1, 2, 1, 1], vec![1.5, 5.5]));
    let thirds = Builder::new(&[1, 1, 3]).node("GlobalAveragePool", "x", "y", vec![]).load();
    assert_eq!((affine(&thirds).weight_error(), affine(&thirds).inexact_in_f32()), (f64::EPSILON, true));
}

#[test]
fn batch_normalization_bounds_its_errors() {
    let parameter = |name: &str, a: f32, b: f32| floats(name, &[2], &[a, b]);
    let builder = Builder::new(&[1, 2, 2]).constant(parameter("s", 2.0, 3.0)).constant(parameter("b", 1.0, 0.1));
    let builder = builder.constant(parameter("m", 4.0, 0.7)).constant(parameter("v", 3.0, 0.2));
    let builder = builder.node("BatchNormalization", "x s b m v", "y", vec![float("epsilon", 1.0)]);
    let graph = builder.load();
    let y = graph.output_f64(&[5.0, 6.0, 0.7, 1.7]);
    let expected = [2.0, 3.0, 0.1, 0.1 + 3.0 / 1.2f64.sqrt()];
    assert!(y.iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-6), "{y:?}");
    let op = affine(&graph);
    let errors = op.bias_error().expect("the bias is a difference");
    assert!(op.weight_error() > 0.0 && op.weight_error() < 1e-15 && op.inexact_in_f32());
    assert!(errors.len() == 4 && errors.iter().all(|&e| e > 0.0 && e < 1e-14), "{errors:?}");
}

#[test]
fn sums_and_means_run_over_axes() {
    let reduce = |op: &str, attributes| Builder::new(&[1, 2, 3]).node(op, "x", "y", attributes).opset(11).run(&count(6));
    assert_eq!(reduce("ReduceSum", vec![list("axes", &[2])]), (vec![1, 2, 1], vec![3.0, 12.0]));
    assert_eq!(reduce("ReduceSum", vec![list("axes", &[-2]), int("keepdims", 0)]), (vec![1, 3], vec![3.0, 5.0, 7.0]));
    assert_eq!(reduce("ReduceMean", vec![]), (vec![1, 1, 1], vec![2.5]));
    let by_input = Builder::new(&[1, 2, 3]).constant(ints("a", &[1], &[1])).node("ReduceSum", "x a", "y", vec![int("keepdims", 0)]);
    assert_eq!(by_input.run(&count(6)), (vec![1, 3], vec![3.0, 5.0, 7.0]));
}
