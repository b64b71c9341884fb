//! Broken and unsupported models, each with its message.

use super::super::compare::compare;
use super::super::model::Model;
use super::super::{load, lower};
use super::*;
use prost::Message;

fn two() -> Builder {
    Builder::new(&[1, 2])
}

#[test]
fn every_unsupported_operator_is_named_at_once() {
    let builder = two().node("Einsum", "x", "a", vec![]).node("LSTM", "a", "b", vec![]).node("Einsum", "b", "y", vec![]);
    let message = builder.refused();
    assert!(message.starts_with("test.onnx: unsupported operators: "), "{message}");
    assert!(message.contains("Einsum (node `Einsum_0`, `Einsum_2`)") && message.contains("LSTM (node `LSTM_1`)"), "{message}");
    let mut model = two().node("Relu", "x", "y", vec![]).model();
    model.graph.as_mut().expect("built").node[0].domain = Some("com.example".into());
    let message = load_model(model, Path::new("test.onnx")).expect_err("refused").to_string();
    assert!(message.contains("com.example.Relu (node `Relu_0`)"), "{message}");
}

#[test]
fn names_must_be_defined_once_and_without_cycles() {
    let undefined = two().node("Relu", "z", "y", vec![]).refused();
    assert!(undefined.contains("node `Relu_0` (Relu): reads `z`, which nothing defines"), "{undefined}");
    let output = two().node("Relu", "x", "z", vec![]).refused();
    assert!(output.contains("output `y`: reads `y`, which nothing defines"), "{output}");
    let cycle = two().node("Add", "x b", "a", vec![]).node("Relu", "a", "b", vec![]).node("Relu", "b", "y", vec![]).refused();
    assert!(cycle.contains("depends on itself"), "{cycle}");
    let twice = two().node("Relu", "x", "y", vec![]).node("Neg", "x", "y", vec![]).refused();
    assert!(twice.contains("node `Neg_1` (Neg): makes `y`, which is already defined"), "{twice}");
}

#[test]
fn weights_must_be_finite_and_complete() {
    let add = |c: TensorProto| two().constant(c).node("Add", "x c", "y", vec![]).refused();
    assert!(add(floats("c", &[2], &[1.0, f32::NAN])).contains("initialiser `c`: element 1 is NaN, expected a finite number"));
    assert!(add(floats("c", &[2], &[f32::NEG_INFINITY, 0.0])).contains("element 0 is -inf"));
    assert!(add(floats("c", &[2], &[1.0])).contains("shape [2] needs 2 elements, 1 are stored"));
    assert!(add(floats("c", &[-2], &[])).contains("negative dimension in [-2]"));
    assert!(add(floats("c", &[1 << 40, 1 << 40], &[])).contains("elements"));
    assert!(add(floats("c", &[0, 1 << 40, 1 << 40], &[])).contains("elements"));
    let short = TensorProto { raw_data: Some(vec![0; 7].into()), ..floats("c", &[2], &[]) };
    assert!(add(short).contains("7 bytes stored, 2 elements of float32 need 8"));
    let strings = TensorProto { data_type: Some(8), ..floats("c", &[2], &[]) };
    assert!(add(strings).contains("element type string is not supported"));
    let double = TensorProto { data_type: Some(element::DOUBLE), double_data: vec![1.0, 2.0], ..floats("c", &[2], &[]) };
    assert!(add(double).contains("node `Add_0` (Add): float64 constants in a float32 network"));
}

#[test]
fn shapes_must_fit() {
    let matmul = two().constant(floats("w", &[3, 1], &[0.0; 3])).node("MatMul", "x w", "y", vec![]).refused();
    assert!(matmul.contains("node `MatMul_0` (MatMul): shapes [1, 2] and [3, 1] cannot be multiplied"), "{matmul}");
    let add = two().constant(floats("c", &[3], &[0.0; 3])).node("Add", "x c", "y", vec![]).refused();
    assert!(add.contains("shapes [1, 2] and [3] cannot be broadcast together"), "{add}");
    let gemm = two().constant(floats("w", &[2, 1], &[0.0; 2])).constant(floats("c", &[2], &[0.0; 2])).node("Gemm", "x w c", "y", vec![]);
    assert!(gemm.refused().contains("C of shape [2] for a product of shape [1, 1]"));
    let conv = Builder::new(&[1, 2, 4]).constant(floats("w", &[1, 3, 2], &[0.0; 6])).node("Conv", "x w", "y", vec![]);
    assert!(conv.refused().contains("weights for 3 channels in 1 groups, the operand has 2"));
    let wide = Builder::new(&[1, 1, 4]).constant(floats("w", &[1, 1, 5], &[0.0; 5])).node("Conv", "x w", "y", vec![]);
    assert!(wide.refused().contains("a kernel that reaches over 5 does not fit into 4"));
    let reshape = two().constant(ints("s", &[1], &[3])).node("Reshape", "x s", "y", vec![]);
    assert!(reshape.refused().contains("shape [1, 2] cannot become [3]: 2 elements"));
    let perm = two().node("Transpose", "x", "y", vec![list("perm", &[0, 0])]);
    assert!(perm.refused().contains("perm [0, 0] does not permute the axes"));
    let relu = two().node("Relu", "x x", "y", vec![]);
    assert!(relu.refused().contains("node `Relu_0` (Relu): 2 inputs, expected at most 1"));
    let gather = two().constant(ints("i", &[1], &[2])).node("Gather", "x i", "y", vec![int("axis", 1)]);
    assert!(gather.refused().contains("index 2 of 2 along axis 1"));
}

#[test]
fn huge_values_are_refused_before_they_are_made() {
    let expand = two().constant(ints("s", &[2], &[1 << 30, 2])).node("Expand", "x s", "y", vec![]);
    assert!(expand.refused().contains("has more than 16777216 elements"));
    let fill =
        two().constant(ints("s", &[2], &[1 << 30, 1 << 40])).node("ConstantOfShape", "s", "c", vec![]).node("Add", "x c", "y", vec![]);
    assert!(fill.refused().contains("has more than 16777216 elements"));
    let pad = two().constant(ints("p", &[4], &[0, 0, 0, i64::MAX])).node("Pad", "x p", "y", vec![]);
    assert!(pad.refused().contains("(Pad): pads 0 and 9223372036854775807"));
}

#[test]
fn what_varies_where_only_constants_may_is_refused() {
    let weights = Builder::new(&[1, 1, 3]).node("Conv", "x x", "y", vec![]).refused();
    assert!(weights.contains("node `Conv_0` (Conv): input 1 (`x`) must be a constant"), "{weights}");
    let cast = two().node("Cast", "x", "y", vec![int("to", 7)]).refused();
    assert!(cast.contains("a variable is cast to int64"), "{cast}");
    let zero = two().constant(floats("c", &[], &[0.0])).node("Div", "x c", "y", vec![]).refused();
    assert!(zero.contains("division by the constant 0"), "{zero}");
}

#[test]
fn inputs_need_a_type_and_a_shape() {
    let typed =
        |element, dims: &[i64]| Builder { inputs: vec![value_info("x", element, dims)], ..two() }.node("Relu", "x", "y", vec![]).refused();
    assert!(typed(element::INT64, &[1]).contains("input `x`: element type int64 where float32 or float64 is supported"));
    assert!(typed(element::FLOAT16, &[1]).contains("element type float16"));
    assert!(typed(element::FLOAT, &[1, -1]).contains("dimension 1 is left open; only the first (the batch) may be"));
    assert!(typed(element::FLOAT, &[-5]).contains("dimension 0 is -5"));
    assert!(typed(element::FLOAT, &[1 << 40]).contains("elements"));
}

#[test]
fn operator_sets_out_of_range_are_refused() {
    let relu = |opset| two().opset(opset).node("Relu", "x", "y", vec![]);
    assert!(relu(7).refused().contains("operator set 7 where 8 to 21 are supported"));
    assert!(relu(22).refused().contains("operator set 22"));
    relu(8).load();
    relu(21).load();
    let mut model = relu(13).model();
    model.opset_import.clear();
    assert!(load_model(model, Path::new("test.onnx")).expect_err("refused").to_string().contains("no operator set is named"));
}

#[test]
fn truncated_files_are_refused() {
    let bytes = two().constant(floats("c", &[2], &[1.0, 2.0])).node("Add", "x c", "y", vec![]).model().encode_to_vec();
    assert!(load(bytes.clone(), Path::new("a.onnx")).is_ok());
    for length in 0..bytes.len() {
        let message = load(bytes[..length].to_vec(), Path::new("a.onnx")).expect_err("refused").to_string();
        assert!(message.starts_with("a.onnx: "), "{message}");
    }
    assert!(load(bytes[..20].to_vec(), Path::new("a.onnx")).expect_err("refused").to_string().contains("the file is truncated"));
}

/// The comparison at load sees a wrong weight, a wrong operand, a wrong shape and a wrong output.
#[test]
fn a_graph_that_differs_from_the_model_is_refused() {
    let model = |c: [f32; 2], order: &str, shape: &[i64], output: &str| {
        let builder = two().constant(floats("c", &[2], &c)).constant(ints("s", &[2], shape)).node("Mul", "x c", "m", vec![]);
        let builder = builder.node("Sub", order, "d", vec![]).node("Reshape", "d s", "y", vec![]).outputs(&[output]);
        Model::new(builder.model(), Path::new("test.onnx")).expect("checked")
    };
    let right = model([1.0, 2.0], "m x", &[1, 2], "y");
    let graph = lower::lower(&right).expect("lowered");
    compare(&right, &graph).expect("agrees");
    let refused = |other: Model| compare(&other, &graph).expect_err("differs").to_string();
    assert!(refused(model([1.0, 2.00001], "m x", &[1, 2], "y")).contains("value `m`: element 1 is"));
    assert!(refused(model([1.0, 2.0], "x m", &[1, 2], "y")).contains("value `d`: element 1 is"));
    assert!(refused(model([1.0, 2.0], "m x", &[2, 1], "y")).contains("value `y`: shape [1, 2], the reference evaluator says [2, 1]"));
    assert!(refused(model([1.0, 2.0], "m x", &[1, 2], "d")).contains("output `d` was read as `y`"));
}
