//! The replay of witnesses.

use checker::Semantics::{Both, Float32, Integer, Real};
use checker::network::Network;
use checker::query::Query;
use checker::read::{onnx, vnnlib};
use checker::witness::replay;

use crate::onnx::{float, floats, input, int, integers, ints, model, model_of, node};

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

#[test]
fn products_and_powers_of_exact_numbers_are_exact() {
    // y = (x0 x1)^3 - x0^2, in decimals: (0.1 * 0.7)^3 - 0.01.
    let nodes = [
        node("Split", "x", "a b", &[]),
        node("Mul", "a b", "p", &[]),
        node("Pow", "p n", "c", &[]),
        node("Mul", "a a", "s", &[]),
        node("Sub", "c s", "y", &[]),
    ];
    let net = read(&model(&[2], &nodes, &[floats("n", &[], &[3.0])]));
    let point = ["0.1", "-0.7"];
    assert!(accepts(&net, Real, "(= Y_0 -0.010343)", &point) && !accepts(&net, Real, "(> Y_0 -0.010343)", &point));
    // In binary32 every operation rounds, the cube twice.
    let (a, b) = (0.1f32, -0.7f32);
    let p = a * b;
    let value = f64::from(p * p * p - a * a);
    assert!(accepts(&net, Float32, &format!("(= Y_0 {value:.60})"), &point) && !accepts(&net, Float32, "(= Y_0 -0.010343)", &point));
}

#[test]
fn the_cube_in_binary32_rounds_twice() {
    let net = read(&model(&[1], &[node("Pow", "x n", "y", &[])], &[floats("n", &[], &[3.0])]));
    let mut once = 0;
    for x in (1..100).map(|k| k as f32 / 128.0 / 3.0) {
        let (twice, wide) = (x * x * x, f64::from(x).powi(3) as f32);
        let at = |y: f32| accepts(&net, Float32, &format!("(= Y_0 {y:.160})"), &[&format!("{x:.160}")]);
        assert!(at(twice) && (twice == wide || !at(wide)));
        once += usize::from(twice != wide);
    }
    assert!(once > 10);
}

#[test]
fn long_numbers_that_are_not_exact_are_shortened_outward() {
    // x + mean(z, z, z) 2^-100: the sum has forty digits and an error of about 1e-46.
    let nodes = [
        node("Split", "x n", "p q", &[int("axis", 2)]),
        node("AveragePool", "p", "a", &[ints("kernel_shape", &[3])]),
        node("Mul", "a tiny", "t", &[]),
        node("Add", "t q", "y", &[]),
    ];
    let net = read(&model(&[1, 1, 4], &nodes, &[integers("n", &[3, 1]), floats("tiny", &[], &[2f32.powi(-100)])]));
    // The binary64 number next to it is 0.10000000000000000555.
    let point = ["1", "1", "1", "0.1000000000000000010000000000000000000000001"];
    assert!(!accepts(&net, Real, "(>= Y_0 0.100000000000000005)", &point));
    assert!(accepts(&net, Real, "(and (>= Y_0 0.0999999999999999) (<= Y_0 0.1000000000000001))", &point));
}

#[test]
fn factors_that_are_no_numbers_enclose_their_product() {
    // The mean of three ones is known to within 2^-52, so its square is to within 2^-51 and its seventh power to within 7 2^-52.
    let pool = node("AveragePool", "x", "a", &[ints("kernel_shape", &[3])]);
    let of = |last: Vec<u8>| read(&model(&[1, 1, 3], &[pool.clone(), last], &[floats("n", &[], &[7.0])]));
    for net in [of(node("Mul", "a a", "y", &[])), of(node("Pow", "a n", "y", &[])), of(node("Clip", "a", "y", &[]))] {
        let point = ["1"; 3];
        assert!(accepts(&net, Real, "(and (>= Y_0 0.99999999999999) (<= Y_0 1.00000000000001))", &point));
        assert!(!accepts(&net, Real, "(>= Y_0 1)", &point) && !accepts(&net, Real, "(<= Y_0 1)", &point));
    }
    let floor = node("Floor", "a", "y", &[]);
    assert!(accepts(&of(floor.clone()), Real, "(= Y_0 0)", &["0.999999"; 3]) && !accepts(&of(floor), Real, "(= Y_0 1)", &["1"; 3]));
}

#[test]
fn each_factor_of_a_product_brings_its_error() {
    // A mean of three, known to within 2^-52, times an exact number, in both orders.
    for order in ["a q", "q a"] {
        let nodes = [
            node("Split", "x n", "p q", &[int("axis", 2)]),
            node("AveragePool", "p", "a", &[ints("kernel_shape", &[3])]),
            node("Mul", order, "y", &[]),
        ];
        let net = read(&model(&[1, 1, 4], &nodes, &[integers("n", &[3, 1])]));
        let point = ["1"; 4];
        assert!(accepts(&net, Real, "(and (>= Y_0 0.99999999999999) (<= Y_0 1.00000000000001))", &point));
        assert!(!accepts(&net, Real, "(>= Y_0 1)", &point) && !accepts(&net, Real, "(<= Y_0 1)", &point));
    }
    // Of the sine of a huge angle nothing but -1 <= s <= 1 is said, and the product of two of them lies between -1 and 1.
    let nodes =
        [node("Mul", "x big", "angle", &[]), node("Sin", "angle", "s", &[]), node("Split", "s", "a b", &[]), node("Mul", "a b", "y", &[])];
    let net = read(&model(&[2], &nodes, &[floats("big", &[], &[1e9])]));
    let point = ["1", "1"];
    assert!(accepts(&net, Real, "(and (>= Y_0 -1) (<= Y_0 1))", &point));
    assert!(!accepts(&net, Real, "(<= Y_0 0.99)", &point) && !accepts(&net, Real, "(>= Y_0 -0.99)", &point));
}

#[test]
fn functions_are_enclosed_in_real_numbers_and_refused_in_binary32() {
    let net = |operator: &str| read(&model(&[1], &[node(operator, "x", "y", &[])], &[]));
    // At 1/2, to seventeen digits.
    for (operator, below, above) in [
        ("Sigmoid", "0.62245933120185456", "0.62245933120185457"),
        ("Tanh", "0.46211715726000975", "0.46211715726000976"),
        ("Sin", "0.47942553860420300", "0.47942553860420301"),
        ("Cos", "0.87758256189037271", "0.87758256189037272"),
        ("Reciprocal", "1.99999999999999999", "2.00000000000000001"),
    ] {
        let near = |condition: String| accepts(&net(operator), Real, &condition, &["0.5"]);
        assert!(near(format!("(and (>= Y_0 (- {below} 1e-14)) (<= Y_0 (+ {above} 1e-14)))")), "{operator}");
        assert!(!near(format!("(<= Y_0 {below})")) && !near(format!("(>= Y_0 {above})")), "{operator}");
        let refused = replay(&net(operator), &query(1, 1, "(>= Y_0 -9)"), Float32, &[b"0.5"]);
        assert!(refused.is_err_and(|why| why.contains(&format!("{operator:.3}")) && why.contains("no one value in binary32")));
    }
    // Between two binary64 numbers.
    assert!(accepts(&net("Sin"), Real, "(and (>= Y_0 0.09983341664682) (<= Y_0 0.09983341664683))", &["0.1"]));
    let nothing = replay(&net("Reciprocal"), &query(1, 1, "(>= Y_0 -9)"), Real, &[b"0"]);
    assert!(nothing.is_err_and(|why| why.contains("not finite")));
}

#[test]
fn whole_parts_and_limits_are_exact() {
    let floor = read(&model(&[1], &[node("Floor", "x", "y", &[])], &[]));
    // Nearer to 1 than any binary64 number, and rounded to 1 in binary32.
    let point = ["0.99999999999999999999999999999"];
    assert!(accepts(&floor, Real, "(= Y_0 0)", &point) && accepts(&floor, Float32, "(= Y_0 1)", &point));
    assert!(accepts(&floor, Real, "(= Y_0 -1)", &["-0.00000000000000000000000000001"]));
    let large = read(&model(&[1], &[node("Mul", "x big", "a", &[]), node("Floor", "a", "y", &[])], &[floats("big", &[], &[1e30])]));
    assert!(replay(&large, &query(1, 1, "(>= Y_0 0)"), Real, &[b"1"]).is_err_and(|why| why.contains("too large for its whole part")));
    let clip = read(&model_of(10, input("x", 1, &[1]), &[node("Clip", "x", "y", &[float("max", 0.5)])], &[]));
    for semantics in [Real, Float32] {
        assert!(accepts(&clip, semantics, "(= Y_0 0.5)", &["0.6"]) && accepts(&clip, semantics, "(= Y_0 -0.5)", &["-0.5"]));
    }
}

#[test]
fn exact_numbers_that_grow_without_end_are_refused() {
    // Squared thirty times, the decimal would have 2^30 digits.
    let squares: Vec<Vec<u8>> =
        (0..30).map(|k| node("Mul", &format!("v{k} v{k}"), &if k == 29 { "y".into() } else { format!("v{}", k + 1) }, &[])).collect();
    let nodes: Vec<Vec<u8>> = [node("Identity", "x", "v0", &[])].into_iter().chain(squares).collect();
    let net = read(&model(&[1], &nodes, &[]));
    assert!(replay(&net, &query(1, 1, "(<= Y_0 1)"), Real, &[b"0.7"]).is_err_and(|why| why.contains("too long")));
    assert!(accepts(&net, Float32, "(= Y_0 0)", &["0.7"]));
}
