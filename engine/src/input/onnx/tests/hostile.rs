//! Damaged files: whatever the bytes, the reader answers with a network or an error.

use super::super::{load, supported_operators};
use super::*;
use prost::Message;

fn models() -> Vec<Vec<u8>> {
    let conv = Builder::new(&[1, 2, 4, 4]).constant(floats("w", &[2, 1, 2, 2], &count_f32(8))).constant(floats("b", &[2], &[1.0, 2.0]));
    let conv = conv.node("Conv", "x w b", "h", vec![int("group", 2), list("pads", &[1, 0, 0, 1]), list("strides", &[2, 1])]);
    let conv = conv.node("MaxPool", "h", "p", vec![list("kernel_shape", &[2, 2])]).node(
        "AveragePool",
        "p",
        "y",
        vec![list("kernel_shape", &[1, 2])],
    );
    let shapes = Builder::new(&[-1, 2, 3]).node("Shape", "x", "s", vec![]).constant(ints("i", &[1], &[0]));
    let shapes = shapes.node("Gather", "s i", "batch", vec![]).constant(ints("open", &[1], &[-1]));
    let shapes = shapes.node("Concat", "batch open", "t", vec![int("axis", 0)]).node("Reshape", "x t", "r", vec![]);
    let shapes = shapes.constant(ints("p", &[4], &[0, 1, 0, 2])).node("Pad", "r p", "padded", vec![]);
    let shapes = shapes.node("Split", "padded", "a b c", vec![int("axis", 1)]).node("Sub", "a b", "y", vec![]);
    let dense = Builder::new(&[1, 3]).constant(floats("w", &[3, 2], &count_f32(6))).constant(floats("c", &[2], &[1.0, 2.0]));
    let dense = dense.node("Gemm", "x w c", "h", vec![float("alpha", 0.5), int("transB", 0)]).node("Relu", "h", "r", vec![]);
    let dense = dense.node("MatMul", "r v", "m", vec![]).constant(floats("v", &[2, 2], &count_f32(4)));
    let dense = dense.node("Softmax", "m", "o", vec![int("axis", 1)]).node("ReduceSum", "o i", "y", vec![]).constant(ints("i", &[1], &[1]));
    [conv, shapes, dense].into_iter().map(|b| b.model().encode_to_vec()).collect()
}

/// A linear congruential generator.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    /// Numbers that index arithmetic stumbles over.
    fn number(&mut self) -> i64 {
        let edges = [0, 1, 2, 3, -1, -2, 7, i64::MIN, i64::MAX, 1 << 31, 1 << 40, -(1 << 33), (1 << 30) - 1, 1 << 24];
        edges[self.below(edges.len())]
    }
}

#[test]
fn damaged_files_never_panic() {
    let mut dice = Dice(1);
    for bytes in models() {
        assert!(load(bytes.clone(), Path::new("whole.onnx")).is_ok());
        for _ in 0..3000 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + dice.below(3) {
                let at = dice.below(damaged.len());
                match dice.below(4) {
                    0 => damaged[at] = dice.below(256) as u8,
                    1 => damaged[at] ^= 1 << dice.below(8),
                    2 => drop(damaged.remove(at)),
                    _ => damaged.insert(at, [0, 1, 0x7f, 0xff][dice.below(4)]),
                }
            }
            let _ = load(damaged, Path::new("damaged.onnx"));
        }
    }
}

/// Well-formed messages with other operators, names, attributes, shapes and numbers.
#[test]
fn absurd_models_never_panic() {
    let operators: Vec<&str> = supported_operators().collect();
    let mut dice = Dice(2);
    for bytes in models() {
        let whole = ModelProto::decode(bytes.as_slice()).expect("encoded above");
        for _ in 0..3000 {
            let mut model = whole.clone();
            for _ in 0..1 + dice.below(3) {
                distort(model.graph.as_mut().expect("built"), &operators, &mut dice);
            }
            model.opset_import[0].version = Some([9, 11, 13, 18][dice.below(4)]);
            let _ = load_model(model, Path::new("absurd.onnx"));
        }
    }
}

fn distort(graph: &mut GraphProto, operators: &[&str], dice: &mut Dice) {
    let (n, c) = (dice.below(graph.node.len()), dice.below(graph.initializer.len()));
    let names: Vec<String> = graph.node.iter().flat_map(|n| n.input.clone()).collect();
    let (node, constant) = (&mut graph.node[n], &mut graph.initializer[c]);
    let numbers = [vec![dice.number()], vec![dice.number(), dice.number()], (0..4).map(|_| dice.number()).collect(), vec![]];
    let numbers = numbers[dice.below(4)].clone();
    match dice.below(8) {
        0 => node.op_type = Some(operators[dice.below(operators.len())].into()),
        1 if !node.input.is_empty() => {
            let k = dice.below(node.input.len());
            node.input[k] = names[dice.below(names.len())].clone();
        }
        2 => node.input.push(names[dice.below(names.len())].clone()),
        3 => {
            let known = ["axis", "axes", "pads", "strides", "dilations", "kernel_shape", "group", "perm", "split", "starts", "ends", "to"];
            node.attribute.push(list(known[dice.below(known.len())], &numbers));
            node.attribute.last_mut().expect("pushed").i = Some(dice.number());
        }
        4 if !node.attribute.is_empty() => {
            let k = dice.below(node.attribute.len());
            (node.attribute[k].ints, node.attribute[k].i) = (numbers, Some(dice.number()));
        }
        5 => constant.dims = numbers,
        6 => (constant.dims, constant.int64_data) = (vec![numbers.len() as i64], numbers),
        _ => {
            let dim = dice.number();
            graph.input[0] = value_info("x", element::FLOAT, &[1, dim.clamp(-2, 1 << 10), 4]);
        }
    }
}

#[test]
fn garbage_is_refused() {
    let noise: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert!(load(noise, Path::new("noise.onnx")).is_err());
    assert!(load(vec![], Path::new("empty.onnx")).is_err());
    assert!(load(vec![0xff; 1000], Path::new("ones.onnx")).is_err());
}
