//! Operators that are not affine, through the reader.

use super::*;

fn applied(op: &str, attributes: Vec<AttributeProto>, x: &[f64]) -> Vec<f64> {
    Builder::new(&[x.len() as i64]).node(op, "x", "y", attributes).run(x).1
}

fn close(found: Vec<f64>, expected: &[f64]) {
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-6), "{found:?}, not {expected:?}");
}

#[test]
fn functions_of_one_element() {
    assert_eq!(applied("Relu", vec![], &[-1.0, 2.0]), [0.0, 2.0]);
    assert_eq!(applied("Abs", vec![], &[-1.0, 2.0]), [1.0, 2.0]);
    assert_eq!(applied("LeakyRelu", vec![float("alpha", 0.5)], &[-1.0, 2.0]), [-0.5, 2.0]);
    assert_eq!(applied("Floor", vec![], &[-0.5, 2.5]), [-1.0, 2.0]);
    assert_eq!(applied("Sign", vec![], &[-0.5, 0.0, 3.0]), [-1.0, 0.0, 1.0]);
    assert_eq!(applied("Reciprocal", vec![], &[4.0]), [0.25]);
    close(applied("HardSigmoid", vec![], &[-5.0, 1.0, 5.0]), &[0.0, 0.7, 1.0]);
    close(applied("Sigmoid", vec![], &[0.0, 1.0]), &[0.5, 1.0 / (1.0 + (-1f64).exp())]);
    close(applied("Tanh", vec![], &[1.0]), &[1f64.tanh()]);
    close(applied("Exp", vec![], &[1.0]), &[1f64.exp()]);
    close(applied("Softplus", vec![], &[0.0]), &[2f64.ln()]);
    close(applied("Sin", vec![], &[1.0]), &[1f64.sin()]);
    close(applied("Cos", vec![], &[1.0]), &[1f64.cos()]);
}

#[test]
fn clip_has_attributes_in_old_sets_and_inputs_in_new_ones() {
    let old = Builder::new(&[3]).opset(10).node("Clip", "x", "y", vec![float("min", 0.0), float("max", 6.0)]);
    assert_eq!(old.run(&[-1.0, 2.0, 7.0]).1, [0.0, 2.0, 6.0]);
    let new = Builder::new(&[3]).constant(floats("high", &[], &[6.0])).node("Clip", "x _ high", "y", vec![]);
    assert_eq!(new.run(&[-1.0, 2.0, 7.0]).1, [-1.0, 2.0, 6.0]);
}

#[test]
fn powers_have_constant_exponents() {
    let pow = |e: f32| Builder::new(&[1, 2]).constant(floats("e", &[], &[e])).node("Pow", "x e", "y", vec![]);
    assert_eq!(pow(2.0).run(&[-3.0, 2.0]).1, [9.0, 4.0]);
    assert_eq!(pow(3.0).run(&[-3.0, 2.0]).1, [-27.0, 8.0]);
    assert!(pow(0.5).refused().contains("Pow_0` (Pow): exponent 0.5"));
    let integer = Builder::new(&[2]).constant(ints("e", &[1], &[2])).node("Pow", "x e", "y", vec![]);
    assert_eq!(integer.run(&[-3.0, 2.0]).1, [9.0, 4.0]);
}

#[test]
fn products_and_quotients_of_variables() {
    let two = |op: &str| Builder::new(&[1, 2]).node("Relu", "x", "r", vec![]).node(op, "x r", "y", vec![]);
    assert_eq!(two("Mul").run(&[-3.0, 2.0]).1, [0.0, 4.0]);
    assert_eq!(two("Max").run(&[-3.0, 2.0]).1, [0.0, 2.0]);
    assert_eq!(two("Min").run(&[-3.0, 2.0]).1, [-3.0, 2.0]);
    assert_eq!(Builder::new(&[2]).node("Div", "x x", "y", vec![]).run(&[-3.0, 2.0]).1, [1.0, 1.0]);
    let constant = Builder::new(&[2]).constant(floats("c", &[], &[6.0])).node("Div", "c x", "y", vec![]);
    assert_eq!(constant.run(&[-3.0, 2.0]).1, [-2.0, 3.0]);
    let matrices = Builder::new(&[2, 2]).node("Transpose", "x", "t", vec![]).node("MatMul", "x t", "y", vec![]);
    assert_eq!(matrices.run(&[1.0, 2.0, 3.0, 4.0]), (vec![2, 2], vec![5.0, 11.0, 11.0, 25.0]));
}

#[test]
fn softmax_sums_over_all_later_axes_in_old_sets() {
    let softmax = |opset| Builder::new(&[1, 2, 2]).opset(opset).node("Softmax", "x", "y", vec![]).run(&[0.0; 4]).1;
    close(softmax(11), &[0.25; 4]);
    close(softmax(13), &[0.5; 4]);
}

#[test]
fn the_largest_of_a_window_or_of_an_axis() {
    let pool = Builder::new(&[1, 1, 3, 3]).node("MaxPool", "x", "y", vec![list("kernel_shape", &[2, 2]), list("pads", &[0, 1, 0, 0])]);
    assert_eq!(pool.run(&count(9)), (vec![1, 1, 2, 3], vec![3.0, 4.0, 5.0, 6.0, 7.0, 8.0]));
    let reduce = |op: &str| Builder::new(&[1, 2, 2]).node(op, "x", "y", vec![list("axes", &[2]), int("keepdims", 0)]).run(&count(4));
    assert_eq!(reduce("ReduceMax"), (vec![1, 2], vec![1.0, 3.0]));
    assert_eq!(reduce("ReduceMin"), (vec![1, 2], vec![0.0, 2.0]));
}
