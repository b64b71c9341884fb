//! Functions of one number, products of two values, and what is computed from constants.

use checker::function::Function;
use checker::network::Operation;
use checker::read::onnx::network;
use checker::witness::deployed_outputs;

use crate::onnx::{bytes, float, floats, input, int, integers, layers, model, model_of, node, number, of_node, outputs, refused};

#[test]
fn functions_of_one_number() {
    let functions = [
        ("Sigmoid", Function::Sigmoid),
        ("Tanh", Function::Tanh),
        ("Sin", Function::Sine),
        ("Cos", Function::Cosine),
        ("Floor", Function::Floor),
        ("Reciprocal", Function::Reciprocal),
    ];
    for (operator, function) in functions {
        let network = network(&model(&[2, 2], &[node(operator, "x", "y", &[])], &[])).unwrap();
        assert_eq!((network.nodes[1].len, &network.nodes[1].operation), (4, &Operation::Curve(function)));
        assert!(refused(&model(&[2], &[node(operator, "x", "y", &[int("alpha", 1)])], &[])).contains("attribute alpha"));
    }
    assert_eq!(of_node(&[3], node("Floor", "x", "y", &[]), &[]), [1.0, 2.0, 3.0]);
    assert!(refused(&model(&[2], &[node("Exp", "x", "y", &[])], &[])).contains("no rule"));
}

#[test]
fn powers_of_one_whole_exponent() {
    let power = |exponents: Vec<u8>| model(&[2], &[node("Pow", "x n", "y", &[])], &[exponents]);
    assert_eq!(outputs(&power(floats("n", &[], &[2.0])), &[3.0, -2.0]), [9.0, 4.0]);
    assert_eq!(outputs(&power(floats("n", &[2], &[3.0, 3.0])), &[3.0, -2.0]), [27.0, -8.0]);
    let sixteen = network(&power(integers("n", &[16]))).unwrap();
    assert_eq!(sixteen.nodes[1].operation, Operation::Curve(Function::Power(16)));
    assert!(deployed_outputs(&sixteen, &[1.0, 1.0]).is_err_and(|why| why.contains("Power(16) has no one value")));
    for exponent in [1.0, 0.0, -2.0, 2.5, 17.0, 258.0] {
        assert!(refused(&power(floats("n", &[], &[exponent]))).contains(&format!("exponent {exponent}")));
    }
    assert!(refused(&power(floats("n", &[2], &[2.0, 3.0]))).contains("or several"));
    assert!(refused(&power(floats("n", &[], &[f32::NAN]))).contains("not finite"));
    assert!(refused(&power(floats("n", &[0], &[]))).contains("exponents of shape"));
    assert!(refused(&power(floats("n", &[2, 2], &[2.0; 4]))).contains("exponents of shape"));
    assert!(refused(&model(&[2], &[node("Pow", "x x", "y", &[])], &[])).contains("operand 1 is not a constant"));
}

#[test]
fn the_greatest_and_the_least() {
    let of = |operator: &str, inputs: &str, attributes: &[Vec<u8>]| {
        let numbers = [floats("c", &[1], &[0.5]), floats("row", &[2], &[-1.0, 4.0]), floats("nan", &[1], &[f32::NAN])];
        model_of(13, input("x", 1, &[2, 2]), &[node(operator, inputs, "y", attributes)], &numbers)
    };
    let point = [-7.0, 2.0, 3.0, 5.0];
    assert_eq!(layers(&network(&of("Max", "x c", &[])).unwrap()), ["input", "curve"]);
    assert_eq!(outputs(&of("Max", "x c", &[]), &point), [0.5, 2.0, 3.0, 5.0]);
    assert_eq!(outputs(&of("Min", "c x", &[]), &point), [-7.0, 0.5, 0.5, 0.5]);
    assert_eq!(outputs(&of("Max", "x row", &[]), &point), [-1.0, 4.0, 3.0, 5.0]);
    assert_eq!(outputs(&of("Min", "x row c", &[]), &point), [-7.0, 0.5, -1.0, 0.5]);
    assert_eq!(outputs(&of("Max", "x", &[]), &point), point);
    assert_eq!(outputs(&of("HardSigmoid", "x", &[float("alpha", 0.25)]), &point), [0.0, 1.0, 1.0, 1.0]);
    assert_eq!(outputs(&of("HardSigmoid", "x", &[float("alpha", 0.25)]), &[-1.0, 0.0, 1.0, -2.0]), [0.25, 0.5, 0.75, 0.0]);
    assert!(refused(&of("Max", "x nan", &[])).contains("not finite"));
    assert!(refused(&of("HardSigmoid", "x", &[float("beta", f32::INFINITY)])).contains("beta inf"));
}

#[test]
fn clipping() {
    let of = |opset: i64, inputs: &str, attributes: &[Vec<u8>]| {
        let ends = [floats("low", &[], &[-1.0]), floats("high", &[1], &[2.5]), floats("two", &[2], &[0.0; 2])];
        model_of(opset, input("x", 1, &[3]), &[node("Clip", inputs, "y", attributes)], &ends)
    };
    let point = [-7.0, 2.0, 3.0];
    assert_eq!(outputs(&of(11, "x low high", &[]), &point), [-1.0, 2.0, 2.5]);
    assert_eq!(outputs(&of(13, "x low", &[]), &point), [-1.0, 2.0, 3.0]);
    assert_eq!(outputs(&of(10, "x", &[float("max", 0.0)]), &point), [-7.0, 0.0, 0.0]);
    assert!(refused(&of(10, "x low", &[])).contains("operand 1 has no meaning"));
    assert!(refused(&of(11, "x", &[float("max", 0.0)])).contains("attribute max"));
    assert!(refused(&of(11, "x high low", &[])).contains("ends 2.5 and -1"));
    assert!(refused(&of(11, "x two", &[])).contains("operand 1 is not one number"));
    assert!(refused(&of(11, "x x", &[])).contains("operand 1 is not a constant"));
    assert!(refused(&of(10, "x", &[float("min", f32::NAN)])).contains("ends NaN"));
}

#[test]
fn products_of_two_values() {
    // A value times itself is its square, also under another shape; in another order it is a product.
    let square = model(&[2, 1], &[node("Flatten", "x", "f", &[]), node("Mul", "x f", "y", &[])], &[]);
    assert_eq!((layers(&network(&square).unwrap()), outputs(&square, &[3.0, -2.0])), (vec!["input", "curve"], vec![9.0, 4.0]));
    let outer = model(&[1, 2], &[node("Transpose", "x", "t", &[]), node("Mul", "x t", "y", &[])], &[]);
    assert_eq!(outputs(&outer, &[3.0, -2.0]), [9.0, -6.0, -6.0, 4.0]);
    let repeated = model(&[2], &[node("Split", "x", "a b", &[]), node("Mul", "x b", "y", &[])], &[]);
    assert_eq!(layers(&network(&repeated).unwrap()), ["input", "affine", "affine", "affine", "product"]);
    assert_eq!(outputs(&repeated, &[3.0, -2.0]), [-6.0, 4.0]);
    let stretched = [node("Expand", "x s", "e", &[]), node("Mul", "e e", "y", &[])];
    assert_eq!(outputs(&model(&[1, 2], &stretched, &[integers("s", &[2, 2])]), &[3.0, -2.0]), [9.0, 4.0, 9.0, 4.0]);
}

#[test]
fn quotients_are_products_with_reciprocals() {
    let of_values = model(&[2, 2], &[node("Split", "x", "a b", &[]), node("Div", "a b", "y", &[])], &[]);
    let network_of = |file: &[u8]| network(file).unwrap();
    assert_eq!(layers(&network_of(&of_values)), ["input", "affine", "affine", "curve", "affine", "product"]);
    let of_constant = model(&[2], &[node("Div", "c x", "y", &[])], &[floats("c", &[2, 1], &[1.0, 6.0])]);
    let read = network_of(&of_constant);
    assert_eq!((layers(&read), read.nodes[2].len), (vec!["input", "curve", "affine"], 4));
    let Operation::Affine(affine) = &read.nodes[2].operation else { panic!("{read:?}") };
    let terms: Vec<Vec<(usize, f64)>> = (0..4)
        .map(|o| {
            let mut row = Vec::new();
            affine.parts[0].each_term(o, 4, |i, w| row.push((i, w)));
            row
        })
        .collect();
    assert_eq!(terms, [[(0, 1.0)], [(1, 1.0)], [(0, 6.0)], [(1, 6.0)]]);
}

#[test]
fn matrices_of_values() {
    let squared = |dims: &[i64]| of_node(dims, node("MatMul", "x x", "y", &[]), &[]);
    assert_eq!(squared(&[2, 2]), [7.0, 10.0, 15.0, 22.0]);
    assert_eq!(squared(&[3]), [14.0]);
    assert_eq!(squared(&[2, 2, 2]), [7.0, 10.0, 15.0, 22.0, 67.0, 78.0, 91.0, 106.0]);
    // Stacks are broadcast, and a vector is a row on the left and a column on the right.
    let with = |left: &[i64], right: &[i64], order: &str| {
        let nodes = [
            node("Split", "x n", "a b", &[]),
            node("Reshape", "a l", "left", &[]),
            node("Reshape", "b r", "right", &[]),
            node("MatMul", order, "y", &[]),
        ];
        let (l, r): (i64, i64) = (left.iter().product(), right.iter().product());
        model(&[l + r], &nodes, &[integers("n", &[l, r]), integers("l", left), integers("r", right)])
    };
    assert_eq!(outputs(&with(&[2, 1, 2], &[2, 1], "left right"), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [17.0, 39.0]);
    assert_eq!(outputs(&with(&[2], &[2, 3], "left right"), &[1.0, 2.0, 1.0, 0.0, 3.0, 0.0, 1.0, 4.0]), [1.0, 2.0, 11.0]);
    assert_eq!(outputs(&with(&[2], &[1, 1, 2], "right left"), &[1.0, 2.0, 3.0, 4.0]), [11.0]);
    for (left, right) in [(vec![2, 3], vec![2, 3]), (vec![3], vec![2, 3]), (vec![2, 2, 2], vec![3, 2, 2])] {
        assert!(network(&with(&left, &right, "left right")).is_err());
    }
    assert!(network(&model(&[], &[node("MatMul", "x x", "y", &[])], &[])).is_err());
}

#[test]
fn constants_become_nodes_where_their_results_round() {
    // 0.1 + 0.2 is no binary32 number: the file's network adds them.
    let nodes = [node("Add", "c d", "s", &[]), node("MatMul", "s w", "m", &[]), node("Mul", "x m", "y", &[])];
    let tensors = [floats("c", &[1, 2], &[0.1, 0.5]), floats("d", &[], &[0.2]), floats("w", &[2, 1], &[1.0, 2.0])];
    let file = model(&[1, 1], &nodes, &tensors);
    let read = network(&file).unwrap();
    assert_eq!(layers(&read), ["input", "constant", "affine", "affine", "affine", "product"]);
    assert_eq!(read.nodes[1].operation, Operation::Constant(vec![f64::from(0.1f32), 0.5]));
    let sum = f64::from((0.1f32 + 0.2f32) + (0.5f32 + 0.2f32) * 2.0);
    assert_eq!(outputs(&file, &[3.0]), [f64::from((3.0 * sum) as f32)]);
    let product = [node("MatMul", "c w", "m", &[]), node("Relu", "m", "r", &[]), node("Add", "x r", "y", &[])];
    assert_eq!(outputs(&model(&[1, 1], &product, &tensors), &[1.0]), [f64::from(2.0 + 0.1f32)]);
    let mixed = [node("Add", "c i", "s", &[]), node("Add", "x s", "y", &[])];
    assert!(refused(&model(&[1], &mixed, &[floats("c", &[1], &[1.0]), integers("i", &[1])])).contains("another element type"));
}

#[test]
fn integers_are_computed_exactly_or_refused() {
    // The shape 1, -1 as exporters write it: where(shape == -1 ones, ones, shape), then twice the first axis.
    let nodes = [
        node("ConstantOfShape", "rank", "ones", &[[bytes(1, "value"), bytes(5, integers("", &[1]))].concat()]),
        node("Mul", "ones minus", "negative", &[]),
        node("Equal", "shape negative", "open", &[]),
        node("Where", "open ones shape", "filled", &[]),
        node("Add", "filled once", "sizes", &[]),
        node("Expand", "x sizes", "y", &[]),
    ];
    let scalar = [number(2, 7), bytes(7, [255; 9].into_iter().chain([1]).collect::<Vec<u8>>()), bytes(8, "minus")].concat();
    let tensors = [integers("rank", &[2]), scalar, integers("shape", &[1, -1]), integers("once", &[1, 0])];
    assert_eq!(outputs(&model(&[2], &nodes, &tensors), &[1.0, 2.0]), [1.0, 2.0, 1.0, 2.0]);
    let of = |operator: &str, a: i64, b: i64| {
        let nodes = [node(operator, "a b", "n", &[]), node("Reshape", "x n", "y", &[])];
        network(&model(&[2, 3], &nodes, &[integers("a", &[a]), integers("b", &[b])])).map(|_| ()).map_err(|e| e.to_string())
    };
    assert!(of("Div", 13, 2).is_ok() && of("Sub", 4, -2).is_ok() && of("Mul", -2, -3).is_ok() && of("Div", -13, 2).is_err());
    for (operator, a, b) in [("Add", i64::MAX, 1), ("Mul", i64::MIN, -1), ("Div", i64::MIN, -1), ("Div", 6, 0), ("Mul", 1 << 20, 1 << 20)] {
        assert!(of(operator, a, b).is_err_and(|why| why.contains("beyond 32 bits")));
    }
    let choose = |condition: &str| {
        let nodes = [node("Equal", "a b", "c", &[]), node("Where", condition, "y", &[])];
        model(&[2], &nodes, &[integers("a", &[1, 2]), integers("b", &[1]), floats("f", &[2, 1], &[7.0, 8.0])])
    };
    assert_eq!(outputs(&choose("c x f"), &[5.0, 6.0]), [5.0, 7.0, 5.0, 8.0]);
    assert_eq!(outputs(&choose("c f x"), &[5.0, 6.0]), [7.0, 6.0, 8.0, 6.0]);
    assert!(refused(&choose("a x f")).contains("truth values"));
    assert!(refused(&choose("x x f")).contains("operand 0 is not a constant"));
    assert!(refused(&choose("c x a")).contains("another element type"));
}

#[test]
fn every_changed_byte_is_survived() {
    let nodes = [
        node("Pow", "x n", "p", &[]),
        node("MatMul", "p x", "m", &[]),
        node("Div", "m p", "q", &[]),
        node("Mul", "c c", "s", &[]),
        node("Mul", "q s", "y", &[]),
    ];
    let file = model(&[2, 2], &nodes, &[floats("n", &[], &[2.0]), floats("c", &[2], &[0.5, 3.0])]);
    assert!(network(&file).is_ok() && (0..file.len()).all(|end| network(&file[..end]).is_err()));
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
