//! Networks with many inputs: which of them are worth splitting, and neurons that are split instead.

use std::fmt::Write;

use engine::graph::{Element, Graph, NodeId};
use engine::input::vnnlib::{ParseOptions, read_query};
use engine::numerics::Numbers;
use engine::ops::{Conv, Curve, Dense, Operation, Relu, Sigmoid, Window};
use engine::search::{Config, Report, Silent, Verdict, verify};

/// More than are split.
const INPUTS: usize = 70;
/// With so many, a convolution is no matrix and its ReLUs are too many for a linear program.
const WINDOW_INPUTS: usize = 4_200;

/// Is the sum of the first and of all other outputs of `last`, weighted by 1, 1 and `rest`, at least `most` in the box?
fn ask(mut graph: Graph, last: NodeId, width: usize, rest: f32, ranges: &dyn Fn(usize) -> (f64, f64), most: f64) -> Report {
    let weights: Vec<f32> = (0..width).map(|i| if i % (width / 2) == 0 { 1.0 } else { rest }).collect();
    let sum = Dense::new("Gemm", width, 1, Numbers::F32(weights), None).expect("sizes fit");
    graph.outputs = vec![graph.add("sum", Operation::Affine(Box::new(sum)), &[last], &[1, 1]).expect("sizes fit")];
    let inputs = graph.input_len();
    let mut text = String::from("(declare-const Y_0 Real)\n");
    for i in 0..inputs {
        let (low, high) = ranges(i);
        writeln!(text, "(declare-const X_{i} Real)\n(assert (>= X_{i} {low}))\n(assert (<= X_{i} {high}))").expect("strings take text");
    }
    writeln!(text, "(assert (>= Y_0 {most}))").expect("strings take text");
    let query = read_query(text.as_bytes(), &ParseOptions::default()).expect("well formed");
    verify(&graph, &query, &Config { threads: 1, ..Config::default() }, &Silent)
}

/// `relu(x_0 + x_1) + relu(x_0 - x_1)`, and the same of all other pairs with a small weight, by one convolution.
fn one_layer_of_windows(most: f64) -> Report {
    let mut graph = Graph::new(Element::F32);
    let x = graph.add_input("X", &[1, 1, 1, WINDOW_INPUTS]);
    let window = Window {
        input: [1, WINDOW_INPUTS],
        output: [1, WINDOW_INPUTS / 2],
        kernel: [1, 2],
        strides: [1, 2],
        dilations: [1, 1],
        pads: [0, 0],
    };
    let conv = Conv::new("Conv", window, [1, 2], 1, Numbers::F32(vec![1.0, 1.0, 1.0, -1.0])).expect("sizes fit");
    let a = graph.add("conv", Operation::Affine(Box::new(conv)), &[x], &[1, 2, 1, WINDOW_INPUTS / 2]).expect("sizes fit");
    let h = graph.add("relu", Operation::Scalar(Box::new(Relu)), &[a], &[1, 2, 1, WINDOW_INPUTS / 2]).expect("sizes fit");
    ask(graph, h, WINDOW_INPUTS, 1e-5, &|_| (-1.0, 1.0), most)
}

#[test]
fn the_neurons_of_a_single_hidden_layer_are_split() {
    // The greatest value is 2 + 2,099 * 0.00002 = 2.042; the chords alone give 3 and more.
    let report = one_layer_of_windows(2.5);
    assert!(matches!(report.verdict, Verdict::Holds { .. }), "{:?}", report.verdict);
    assert_eq!(report.statistics.method, "branch and bound on neurons");
    let report = one_layer_of_windows(2.03);
    assert!(matches!(report.verdict, Verdict::Fails(_)), "{:?}", report.verdict);
}

#[test]
fn inputs_that_vary_by_rounding_alone_are_not_counted() {
    // s(z) + s(-z) = 1, but the lines above both halves meet at about 1.2.
    let mut graph = Graph::new(Element::F32);
    let x = graph.add_input("X", &[1, INPUTS]);
    let weight = |i: usize| if i == 0 { 4.0f32 } else { 0.01 };
    let weights: Vec<f32> = (0..INPUTS).flat_map(|i| [weight(i), -weight(i)]).collect();
    let columns = Dense::new("Gemm", INPUTS, 2, Numbers::F32(by_rows(&weights)), None).expect("sizes fit");
    let z = graph.add("dense", Operation::Affine(Box::new(columns)), &[x], &[1, 2]).expect("sizes fit");
    let s = graph.add("sigmoid", Operation::Scalar(Box::new(Curve(Sigmoid))), &[z], &[1, 2]).expect("sizes fit");
    let report = ask(graph, s, 2, 1.0, &|i| if i == 0 { (-1.0, 1.0) } else { (0.1, 0.1) }, 1.05);
    assert!(matches!(report.verdict, Verdict::Holds { .. }), "{:?}", report.verdict);
    assert_eq!(report.statistics.method, "branch and bound on inputs");
}

/// The weights of two neurons, given input by input, one neuron after the other.
fn by_rows(pairs: &[f32]) -> Vec<f32> {
    (0..2).flat_map(|k| pairs.iter().skip(k).step_by(2).copied()).collect()
}
