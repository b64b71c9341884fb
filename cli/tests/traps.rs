//! Traps: tiny questions with known answers where careless verifiers go wrong. `sat` is never called `unsat`, also without the attack.

mod support;

use support::{Attribute, Bench, Model, query};

/// Asks under one semantics, with and without the attack; without it, the answer may be `unknown` but never the opposite.
fn expect(model: &Model, query: &str, semantics: &str, expected: &str) {
    let opposite = if expected == "sat" { "unsat" } else { "sat" };
    never(model, query, semantics, opposite);
    let run = Bench::new(model, query).verify(&["--semantics", semantics]);
    assert_eq!(run.verdict(), expected, "{semantics}: {}\n{}", assertion(query), run.output);
}

/// Asks with and without the attack; a proof that needs the last bit may fail, but nothing false is said.
fn never(model: &Model, query: &str, semantics: &str, wrong: &str) {
    // A limit, because a proof attempt of something false may go on for long.
    for options in [&["--semantics", semantics, "--timeout=5"][..], &["--semantics", semantics, "--timeout=5", "--no-attack"]] {
        let run = Bench::new(model, query).run(&[&["verify", "net.onnx", "query.vnnlib"], options].concat());
        assert_ne!(run.verdict(), wrong, "{options:?}: {}\n{}", assertion(query), run.output);
    }
}

/// What a query asks, for messages.
fn assertion(query: &str) -> &str {
    query.trim_end().lines().last().unwrap_or("")
}

/// Under `float32`, and so under `both`, nothing may be proved here.
fn expect_no_proof_for_floats(model: &Model, query: &str) {
    for semantics in ["float32", "both"] {
        never(model, query, semantics, "unsat");
    }
    let auto = Bench::new(model, query).verify(&[]);
    if auto.verdict() == "unsat" {
        assert_eq!(auto.detail("semantics"), Some("real"), "{}\n{}", assertion(query), auto.output);
    }
}

/// `Y = X`, through a ReLU that does nothing on nonnegative numbers and rounds nothing.
fn copy() -> Model {
    Model::new(&[1, 1]).apply("Relu", &["X"], "Y").output("Y", &[1, 1])
}

#[test]
fn an_input_fixed_between_two_floats_is_not_an_empty_set() {
    let fixed = |assertion: &str| query(&[("0.1", "0.1")], 1, assertion);
    for semantics in ["auto", "both", "real", "float32"] {
        expect(&copy(), &fixed("(assert (>= Y_0 0.05))"), semantics, "sat");
        expect(&copy(), &fixed("(assert (<= Y_0 0.05))"), semantics, "unsat");
    }
    // fl(0.1) lies above 0.1: the real and the float32 network differ.
    expect(&copy(), &fixed("(assert (> Y_0 0.1))"), "real", "unsat");
    expect(&copy(), &fixed("(assert (and (>= Y_0 0.1) (< Y_0 0.1)))"), "real", "unsat");
    expect(&copy(), &fixed("(assert (> Y_0 0.1))"), "float32", "sat");
    expect(&copy(), &fixed("(assert (<= Y_0 0.1))"), "real", "sat");
    never(&copy(), &fixed("(assert (<= Y_0 0.1))"), "float32", "sat");
    expect_no_proof_for_floats(&copy(), &fixed("(assert (> Y_0 0.1))"));
}

#[test]
fn a_margin_of_exactly_zero_on_a_corner_is_a_counterexample() {
    let sum = Model::new(&[1, 3]).gemm("X", "H", &[&[1.0, 1.0, 1.0]], &[]).apply("Relu", &["H"], "Y").output("Y", &[1, 1]);
    let unit = [("0", "1"), ("0", "1"), ("0", "1")];
    for semantics in ["auto", "both", "real", "float32"] {
        expect(&sum, &query(&unit, 1, "(assert (>= Y_0 3))"), semantics, "sat");
        expect(&sum, &query(&unit, 1, "(assert (<= Y_0 0))"), semantics, "sat");
    }
    expect(&sum, &query(&unit, 1, "(assert (>= Y_0 3.001))"), "auto", "unsat");
    never(&sum, &query(&unit, 1, "(assert (< Y_0 0))"), "auto", "sat");
    never(&sum, &query(&unit, 1, "(assert (> Y_0 3))"), "real", "sat");
}

#[test]
fn a_strict_constraint_is_not_a_non_strict_one() {
    let unit = [("0", "1")];
    for semantics in ["auto", "both", "real", "float32"] {
        expect(&copy(), &query(&unit, 1, "(assert (>= Y_0 1))"), semantics, "sat");
        never(&copy(), &query(&unit, 1, "(assert (> Y_0 1))"), semantics, "sat");
        expect(&copy(), &query(&unit, 1, "(assert (> Y_0 1.000001))"), semantics, "unsat");
        expect(&copy(), &query(&unit, 1, "(assert (<= Y_0 0))"), semantics, "sat");
        never(&copy(), &query(&unit, 1, "(assert (< Y_0 0))"), semantics, "sat");
        expect(&copy(), &query(&unit, 1, "(assert (< Y_0 -0.000001))"), semantics, "unsat");
    }
}

/// `Y_0 = relu(X_0) + relu(X_1)`, `Y_1 = relu(-X_0) + relu(-X_1)`.
fn corners() -> Model {
    let hidden: [&[f32]; 4] = [&[1.0, 0.0], &[0.0, 1.0], &[-1.0, 0.0], &[0.0, -1.0]];
    let model = Model::new(&[1, 2]).gemm("X", "H", &hidden, &[0.0; 4]).apply("Relu", &["H"], "R");
    model.gemm("R", "Y", &[&[1.0, 1.0, 0.0, 0.0], &[0.0, 0.0, 1.0, 1.0]], &[0.0; 2]).output("Y", &[1, 2])
}

#[test]
fn counterexamples_of_two_disjuncts_lie_in_different_corners() {
    let square = [("-1", "1"), ("-1", "1")];
    let ask = |assertion: &str| query(&square, 2, assertion);
    // Clipping to the first disjunct's counterexamples (there are none, or they sit elsewhere) must keep the second's.
    expect(&corners(), &ask("(assert (or (and (>= Y_0 1.75) (>= Y_1 0.5)) (and (>= Y_1 2))))"), "auto", "sat");
    expect(&corners(), &ask("(assert (or (and (>= Y_1 2)) (and (>= Y_0 1.75) (>= Y_1 0.5))))"), "auto", "sat");
    expect(&corners(), &ask("(assert (or (and (>= Y_0 2) (<= Y_1 -1)) (and (>= Y_1 1.999) (<= Y_0 0))))"), "auto", "sat");
    expect(&corners(), &ask("(assert (or (and (>= Y_0 1.75) (>= Y_1 0.5)) (and (>= Y_1 1.75) (>= Y_0 0.5))))"), "auto", "unsat");
    expect(&corners(), &ask("(assert (or (and (>= Y_0 2.01)) (and (>= Y_1 2.01))))"), "auto", "unsat");
}

#[test]
fn disjuncts_with_different_input_boxes_are_all_asked() {
    let text = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n(declare-const Y_1 Real)\n(assert (or\n\
        (and (>= X_0 0) (<= X_0 0.5) (>= X_1 0) (<= X_1 0.5) (>= Y_0 1.5))\n(and (>= X_0 0.5) (<= X_0 1) (>= X_1 0.5) (<= X_1 LAST) (>= Y_0 1.5))))\n";
    expect(&corners(), &text.replace("LAST", "1"), "auto", "sat");
    expect(&corners(), &text.replace("LAST", "0.49"), "auto", "unsat");
    expect(&corners(), &text.replace("LAST", "0.75").replace("(>= Y_0 1.5))))", "(>= Y_0 1.76))))"), "auto", "unsat");
}

#[test]
fn a_node_used_twice_counts_twice() {
    let sum = Model::new(&[1, 1]).apply("Relu", &["X"], "R").apply("Add", &["R", "X"], "Y").output("Y", &[1, 1]);
    let around = [("-1", "1")];
    for semantics in ["auto", "real", "float32"] {
        expect(&sum, &query(&around, 1, "(assert (>= Y_0 2))"), semantics, "sat");
        expect(&sum, &query(&around, 1, "(assert (>= Y_0 1.5))"), semantics, "sat");
        expect(&sum, &query(&around, 1, "(assert (>= Y_0 2.001))"), semantics, "unsat");
        expect(&sum, &query(&around, 1, "(assert (<= Y_0 -1))"), semantics, "sat");
        expect(&sum, &query(&around, 1, "(assert (<= Y_0 -1.001))"), semantics, "unsat");
    }
}

#[test]
fn a_bent_function_of_a_bent_function_is_bounded() {
    // relu(clip(2x)) + clip(2x), clipped to [-0.5, 2]: at most 4.
    let limits = |model: Model| model.constant("low", &[], &[-0.5]).constant("high", &[], &[2.0]);
    let model = limits(Model::new(&[1, 1])).gemm("X", "H", &[&[2.0]], &[]).apply("Clip", &["H", "low", "high"], "C");
    let model = model.apply("Relu", &["C"], "R").apply("Add", &["R", "C"], "Y").output("Y", &[1, 1]);
    let around = [("-1", "1")];
    expect(&model, &query(&around, 1, "(assert (>= Y_0 4))"), "auto", "sat");
    never(&model, &query(&around, 1, "(assert (>= Y_0 4.01))"), "auto", "sat");
    never(&model, &query(&around, 1, "(assert (<= Y_0 -0.51))"), "auto", "sat");
}

#[test]
fn x_minus_x_is_zero() {
    let difference = Model::new(&[1, 1]).apply("Sub", &["X", "X"], "D").apply("Relu", &["D"], "Y").output("Y", &[1, 1]);
    let wide = [("-1000", "1000")];
    expect(&difference, &query(&wide, 1, "(assert (>= Y_0 0.01))"), "auto", "unsat");
    expect(&difference, &query(&wide, 1, "(assert (>= Y_0 0))"), "auto", "sat");
}

/// `Y = relu(batchnorm(gemm(X)))`, the normalisation as its own node or folded into the weights by hand.
fn normalised(fused: bool) -> Model {
    let (scale, shift, mean, variance) = ([2.0f32, -0.5], [0.25f32, 1.0], [0.5f32, -0.25], [4.0f32, 0.25]);
    let (weights, bias) = ([[1.0f32, -2.0], [0.5, 3.0]], [0.125f32, -0.75]);
    let model = Model::new(&[1, 2]);
    let model = if fused {
        let factor = [scale[0] / variance[0].sqrt(), scale[1] / variance[1].sqrt()];
        let rows = [weights[0].map(|w| w * factor[0]), weights[1].map(|w| w * factor[1])];
        let constants = [(bias[0] - mean[0]) * factor[0] + shift[0], (bias[1] - mean[1]) * factor[1] + shift[1]];
        model.gemm("X", "N", &[&rows[0], &rows[1]], &constants)
    } else {
        let model = model.gemm("X", "H", &[&weights[0], &weights[1]], &bias);
        let model = model.constant("s", &[2], &scale).constant("b", &[2], &shift).constant("m", &[2], &mean).constant("v", &[2], &variance);
        model.node("BatchNormalization", &["H", "s", "b", "m", "v"], "N", &[Attribute::Float("epsilon", 0.0)])
    };
    model.apply("Relu", &["N"], "Y").output("Y", &[1, 2])
}

#[test]
fn batch_normalisation_says_the_same_fused_and_unfused() {
    // Y_0 = relu(x - 2y - 0.125), at most 2.875 at (1, -1); Y_1 = relu(-0.5x - 3y + 1.5), at most 5 at (-1, -1).
    let square = [("-1", "1"), ("-1", "1")];
    for fused in [false, true] {
        for (assertion, expected) in [
            ("(assert (>= Y_0 2.874))", "sat"),
            ("(assert (>= Y_0 2.876))", "unsat"),
            ("(assert (>= Y_1 4.999))", "sat"),
            ("(assert (>= Y_1 5.001))", "unsat"),
            ("(assert (and (>= Y_0 2.8) (>= Y_1 4.5)))", "unsat"),
        ] {
            expect(&normalised(fused), &query(&square, 2, assertion), "auto", expected);
        }
    }
}

#[test]
fn a_sum_that_cancels_in_floats_is_not_proved_for_floats() {
    // 2^24 + 1 - 2^24: one in real numbers, zero in float32 from left to right.
    let sum = Model::new(&[1, 3]).gemm("X", "Y", &[&[16777216.0, 1.0, -16777216.0]], &[]).output("Y", &[1, 1]);
    let ones = [("1", "1"), ("1", "1"), ("1", "1")];
    let low = query(&ones, 1, "(assert (<= Y_0 0.5))");
    expect(&sum, &low, "real", "unsat");
    expect(&sum, &low, "float32", "sat");
    expect_no_proof_for_floats(&sum, &low);
    let high = query(&ones, 1, "(assert (>= Y_0 0.5))");
    expect(&sum, &high, "real", "sat");
    expect_no_proof_for_floats(&sum, &high);
}

#[test]
fn float32_overflow_is_never_a_proof_for_floats() {
    // 6e38 is beyond float32; 3e38 + 3e38 - 3e38 may overflow on the way.
    let product = Model::new(&[1, 1]).gemm("X", "H", &[&[3e38]], &[]).gemm("H", "Y", &[&[1e-38]], &[]).output("Y", &[1, 1]);
    let two = [("2", "2")];
    expect(&product, &query(&two, 1, "(assert (<= Y_0 5))"), "real", "unsat");
    expect(&product, &query(&two, 1, "(assert (>= Y_0 5))"), "real", "sat");
    expect_no_proof_for_floats(&product, &query(&two, 1, "(assert (<= Y_0 5))"));
    expect_no_proof_for_floats(&product, &query(&two, 1, "(assert (>= Y_0 5))"));
    let sum = Model::new(&[1, 3]).gemm("X", "Y", &[&[3e38, 3e38, -3e38]], &[]).output("Y", &[1, 1]);
    let ones = [("1", "1"), ("1", "1"), ("1", "1")];
    expect_no_proof_for_floats(&sum, &query(&ones, 1, "(assert (<= Y_0 1e38))"));
}

#[test]
fn numbers_below_float32_do_not_vanish() {
    let tiny = Model::new(&[1, 1]).gemm("X", "Y", &[&[1e-40]], &[]).output("Y", &[1, 1]);
    expect(&tiny, &query(&[("0", "1")], 1, "(assert (>= Y_0 1e-41))"), "real", "sat");
    expect(&tiny, &query(&[("0", "1")], 1, "(assert (>= Y_0 1e-30))"), "auto", "unsat");
    // Positive in real numbers; hardware that flushes makes it zero.
    let zero = query(&[("1", "1")], 1, "(assert (<= Y_0 0))");
    expect(&tiny, &zero, "real", "unsat");
    expect_no_proof_for_floats(&tiny, &zero);
}

#[test]
fn sigmoid_near_zero_is_one_half() {
    let sigmoid = Model::new(&[1, 1]).apply("Sigmoid", &["X"], "Y").output("Y", &[1, 1]);
    let near = [("-0.001", "0.001")];
    for (assertion, expected) in [
        ("(assert (>= Y_0 0.5002))", "sat"),
        ("(assert (>= Y_0 0.5003))", "unsat"),
        ("(assert (<= Y_0 0.4998))", "sat"),
        ("(assert (<= Y_0 0.4997))", "unsat"),
    ] {
        expect(&sigmoid, &query(&near, 1, assertion), "auto", expected);
    }
}

#[test]
fn errors_of_sums_over_sigmoids_scale_with_their_values_not_their_inputs() {
    // 64 sigmoids of almost zero, weighted +1/3 and -1/3: zero in real numbers, up to rounding of about 64 * 0.5 / 3 in floats.
    let ones = vec![[1.0f32]; 64];
    let rows: Vec<&[f32]> = ones.iter().map(|row| &row[..]).collect();
    let weights: Vec<f32> = (0..64).map(|i| if i < 32 { 1.0 / 3.0 } else { -1.0 / 3.0 }).collect();
    let model =
        Model::new(&[1, 1]).gemm("X", "H", &rows, &[]).apply("Sigmoid", &["H"], "S").gemm("S", "Y", &[&weights], &[]).output("Y", &[1, 1]);
    let near = [("-0.000001", "0.000001")];
    expect_no_proof_for_floats(&model, &query(&near, 1, "(assert (>= Y_0 1e-9))"));
    expect(&model, &query(&near, 1, "(assert (>= Y_0 0.01))"), "auto", "unsat");
}

#[test]
fn five_inputs_and_twenty_thousand_neurons() {
    // Y = the sum of 20,000 equal neurons of X_0 + .. + X_4, each weighted w = fl(5e-5): at most 100,000 w = 5.0000000...
    let wide = 20_000;
    let ones = vec![[1.0f32; 5]; wide];
    let rows: Vec<&[f32]> = ones.iter().map(|row| &row[..]).collect();
    let weights = vec![5e-5f32; wide];
    let model =
        Model::new(&[1, 5]).gemm("X", "H", &rows, &[]).apply("Relu", &["H"], "R").gemm("R", "Y", &[&weights], &[]).output("Y", &[1, 1]);
    let unit = [("0", "1"); 5];
    expect(&model, &query(&unit, 1, "(assert (>= Y_0 4.99))"), "auto", "sat");
    expect(&model, &query(&unit, 1, "(assert (>= Y_0 5.02))"), "both", "unsat");
    // 41 bits: the product is exact, and so are the printed digits.
    let most = format!("{:.60}", 5e-5f32 as f64 * 100_000.0);
    expect(&model, &query(&unit, 1, &format!("(assert (>= Y_0 {most}))")), "real", "sat");
    never(&model, &query(&unit, 1, &format!("(assert (> Y_0 {most}))")), "real", "sat");
}

/// Five nonnegative inputs, and the same positive sum of them 20,000 times: at most 4.5.
const WIDE: usize = 20_000;

fn many_outputs() -> Model {
    let ones = vec![[1.0f32, 1.0, 1.0, 1.0, 0.5]; WIDE];
    let rows: Vec<&[f32]> = ones.iter().map(|row| &row[..]).collect();
    Model::new(&[1, 5]).gemm("X", "H", &rows, &[]).apply("Relu", &["H"], "Y").output("Y", &[1, WIDE])
}

#[test]
fn five_inputs_to_twenty_thousand_outputs() {
    let unit = [("0", "1"); 5];
    expect(&many_outputs(), &query(&unit, WIDE, "(assert (>= Y_19999 4.5))"), "auto", "sat");
    expect(&many_outputs(), &query(&unit, WIDE, "(assert (>= Y_19999 4.501))"), "auto", "unsat");
}

#[test]
fn conjuncts_over_equal_outputs_exclude_each_other() {
    let unit = [("0", "1"); 5];
    expect(&many_outputs(), &query(&unit, WIDE, "(assert (and (>= Y_0 3.5) (<= Y_19999 3.4)))"), "auto", "unsat");
}
