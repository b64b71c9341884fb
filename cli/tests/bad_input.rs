//! Bad input gives exit code 3, an empty standard output and a message that names the file and the place; never a verdict.

mod support;

use std::time::{Duration, Instant};

use support::{Attribute, Bench, Model, query};

/// `Y = relu(X_0 + 2 X_1, -X_0)`.
fn model() -> Model {
    Model::new(&[1, 2]).gemm("X", "H", &[&[1.0, 2.0], &[-1.0, 0.0]], &[0.0, 0.0]).apply("Relu", &["H"], "Y").output("Y", &[1, 2])
}

fn good_query() -> String {
    query(&[("0", "1"), ("0", "1")], 2, "(assert (>= Y_0 10))")
}

fn with_query(text: &str) -> support::Run {
    Bench::new(&model(), text).verify(&[])
}

fn with_model(model: &Model) -> support::Run {
    Bench::new(model, &good_query()).verify(&[])
}

#[test]
fn a_missing_file_is_named() {
    let bench = Bench::new(&model(), &good_query());
    bench.run(&["verify", "net.onnx", "absent.vnnlib"]).refused(&["absent.vnnlib"]);
    bench.run(&["verify", "absent.onnx", "query.vnnlib"]).refused(&["absent.onnx"]);
    bench.run(&["verify", "query.vnnlib", "--network", "absent.onnx"]).refused(&["absent.onnx"]);
}

#[test]
fn a_folder_is_no_file() {
    let bench = Bench::new(&model(), &good_query());
    bench.run(&["verify", ".", "query.vnnlib"]).refused(&["."]);
}

#[test]
fn a_truncated_network_is_refused_at_every_length() {
    let whole = model().bytes();
    let bench = Bench::new(&model(), &good_query());
    for length in (0..whole.len()).step_by(7) {
        bench.write("net.onnx", &whole[..length]);
        bench.verify(&[]).refused(&["net.onnx"]);
    }
}

#[test]
fn a_corrupt_network_never_gives_an_internal_error() {
    let whole = model().bytes();
    let bench = Bench::new(&model(), &good_query());
    for place in (0..whole.len()).step_by(11) {
        let mut corrupt = whole.clone();
        corrupt[place] ^= 0xff;
        bench.write("net.onnx", &corrupt);
        let run = bench.verify(&[]);
        assert!(!run.errors.contains("internal error"), "byte {place}: {}", run.errors);
        assert_eq!(run.code == 3, run.output.is_empty(), "byte {place}: {run:?}");
    }
}

#[test]
fn a_truncated_gzip_file_is_refused() {
    let bench = Bench::new(&model(), &good_query());
    bench.write("net.onnx", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b]);
    bench.verify(&[]).refused(&["net.onnx"]);
}

#[test]
fn an_unknown_operator_is_named_with_its_node() {
    let model = Model::new(&[1, 2]).apply("Frobnicate", &["X"], "Y").output("Y", &[1, 2]);
    with_model(&model).refused(&["net.onnx", "Frobnicate", "Y"]);
}

#[test]
fn shapes_that_do_not_fit_are_refused_at_their_node() {
    let narrow = Model::new(&[1, 2]).gemm("X", "Y", &[&[1.0, 2.0, 3.0]], &[]).output("Y", &[1, 1]);
    with_model(&narrow).refused(&["net.onnx", "Y"]);
    let short = Model::new(&[1, 2]).constant("W", &[2, 2], &[1.0, 2.0, 3.0]).node("MatMul", &["X", "W"], "Y", &[]).output("Y", &[1, 2]);
    with_model(&short).refused(&["net.onnx", "W"]);
    let huge = Model::new(&[1, usize::MAX >> 1]).apply("Relu", &["X"], "Y").output("Y", &[1, 2]);
    with_model(&huge).refused(&["net.onnx"]);
}

#[test]
fn a_value_that_nobody_makes_is_named() {
    let model = Model::new(&[1, 2]).apply("Relu", &["Z"], "Y").output("Y", &[1, 2]);
    with_model(&model).refused(&["net.onnx", "Z"]);
    let model = Model::new(&[1, 2]).apply("Relu", &["X"], "H").output("Y", &[1, 2]);
    with_model(&model).refused(&["net.onnx", "Y"]);
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    for weight in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let gemm = Model::new(&[1, 2]).gemm("X", "Y", &[&[1.0, weight], &[0.0, 0.0]], &[]).output("Y", &[1, 2]);
        with_model(&gemm).refused(&["net.onnx"]);
        let bias = Model::new(&[1, 2]).gemm("X", "Y", &[&[1.0, 1.0], &[0.0, 0.0]], &[0.0, weight]).output("Y", &[1, 2]);
        with_model(&bias).refused(&["net.onnx"]);
    }
    let alpha = Model::new(&[1, 2]).node("LeakyRelu", &["X"], "Y", &[Attribute::Float("alpha", f32::NAN)]).output("Y", &[1, 2]);
    with_model(&alpha).refused(&["net.onnx"]);
}

#[test]
fn a_query_with_another_number_of_inputs_or_outputs_is_refused() {
    with_query(&query(&[("0", "1")], 2, "(assert (>= Y_0 10))")).refused(&["query.vnnlib", "input"]);
    with_query(&query(&[("0", "1"); 3], 2, "(assert (>= Y_0 10))")).refused(&["query.vnnlib", "input"]);
    with_query(&query(&[("0", "1"); 2], 1, "(assert (>= Y_0 10))")).refused(&["query.vnnlib", "output"]);
    with_query(&query(&[("0", "1"); 2], 3, "(assert (>= Y_0 10))")).refused(&["query.vnnlib", "output"]);
}

#[test]
fn an_unknown_variable_is_named_with_its_line() {
    with_query(&query(&[("0", "1"); 2], 2, "(assert (>= Y_7 10))")).refused(&["query.vnnlib", "Y_7", "9"]);
    with_query(&query(&[("0", "1"); 2], 2, "(assert (>= Z 10))")).refused(&["query.vnnlib", "Z", "9"]);
}

#[test]
fn a_missing_bound_is_named() {
    let text = good_query().replace("(assert (<= X_1 1))\n", "");
    with_query(&text).refused(&["query.vnnlib", "X_1"]);
    let text = good_query().replace("(assert (>= X_0 0))\n", "");
    with_query(&text).refused(&["query.vnnlib", "X_0"]);
}

#[test]
fn a_malformed_number_is_refused_with_its_line() {
    for number in ["1.2.3", "1e", "--1", "0x10", "1,5", "nan", "inf", "1e999999999999"] {
        with_query(&good_query().replace("10", number)).refused(&["query.vnnlib", "9"]);
    }
}

#[test]
fn unbalanced_parentheses_are_refused() {
    let text = good_query();
    with_query(text.trim_end().trim_end_matches(')')).refused(&["query.vnnlib"]);
    with_query(&(text.clone() + ")")).refused(&["query.vnnlib"]);
    with_query(&"(".repeat(1_000_000)).refused(&["query.vnnlib"]);
    with_query(&("(assert ".to_owned() + &"(and ".repeat(1_000_000))).refused(&["query.vnnlib"]);
}

#[test]
fn an_empty_query_is_refused() {
    with_query("").refused(&["query.vnnlib"]);
    with_query("; nothing here\n").refused(&["query.vnnlib"]);
}

#[test]
fn an_empty_input_set_is_refused_with_its_constants_unless_allowed() {
    let bench = Bench::new(&model(), &query(&[("0.75", "0.25"), ("0", "1")], 2, "(assert (>= Y_0 10))"));
    bench.verify(&[]).refused(&["query.vnnlib", "0.75", "0.25", "--allow-empty"]);
    let allowed = bench.verify(&["--allow-empty"]);
    assert_eq!((allowed.verdict(), allowed.code), ("unsat", 0));
}

#[test]
fn a_hundred_megabytes_of_garbage_are_refused_quickly() {
    let mut state = 1u64;
    let garbage: Vec<u8> = (0..100 << 17)
        .flat_map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state.to_le_bytes()
        })
        .collect();
    let bench = Bench::new(&model(), &good_query());
    bench.write("garbage.onnx", &garbage);
    bench.write("garbage.vnnlib", &garbage);
    let started = Instant::now();
    bench.run(&["verify", "garbage.onnx", "query.vnnlib"]).refused(&["garbage.onnx"]);
    bench.run(&["verify", "garbage.vnnlib", "--network", "net.onnx"]).refused(&["garbage.vnnlib"]);
    bench.run(&["verify", "net.onnx", "garbage.vnnlib"]).refused(&["garbage.vnnlib"]);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn text_garbage_is_refused_quickly() {
    let bench = Bench::new(&model(), &good_query());
    bench.write("query.vnnlib", "(assert (<= a b c ".repeat(1 << 20).as_bytes());
    let started = Instant::now();
    bench.verify(&[]).refused(&["query.vnnlib"]);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn a_time_limit_is_positive() {
    let bench = Bench::new(&model(), &good_query());
    for limit in ["0", "-1", "nan", "inf", "soon"] {
        bench.run(&["verify", "net.onnx", "query.vnnlib", &format!("--timeout={limit}")]).refused(&["timeout"]);
    }
}

#[test]
fn unknown_options_and_missing_arguments_are_errors() {
    let bench = Bench::new(&model(), &good_query());
    bench.run(&["verify"]).refused(&["FILE"]);
    bench.run(&["verify", "net.onnx"]).refused(&["net.onnx", "query"]);
    bench.run(&["verify", "net.onnx", "query.vnnlib", "--frobnicate"]).refused(&["--frobnicate"]);
    bench.run(&["verify", "net.onnx", "query.vnnlib", "--threads", "0"]).refused(&["--threads"]);
    bench.run(&["frobnicate"]).refused(&["frobnicate"]);
    bench.run(&[]).refused(&["Usage"]);
}

#[test]
fn two_networks_or_two_queries_are_refused() {
    let bench = Bench::new(&model(), &good_query());
    bench.run(&["verify", "net.onnx", "net.onnx"]).refused(&["net.onnx", "VNN-LIB"]);
    bench.run(&["verify", "query.vnnlib", "query.vnnlib"]).refused(&["query.vnnlib", "network"]);
    bench.run(&["verify", "query.vnnlib", "--network", "net.onnx", "--network", "net.onnx"]).refused(&["1 model", "2 are given"]);
}

#[test]
fn real_semantics_do_not_answer_a_query_over_float32() {
    let text = "(vnnlib-version <2.0>)\n(declare-network f (declare-input X float32 [1,2]) (declare-output Y float32 [1,2]))\n\
                (assert (and (>= X[0,0] 0) (<= X[0,0] 1) (>= X[0,1] 0) (<= X[0,1] 1)))\n(assert (>= Y[0,0] 10))\n";
    let bench = Bench::new(&model(), text);
    bench.verify(&["--semantics", "real"]).refused(&["query.vnnlib", "float32", "real"]);
    bench.run(&["verify", "query.vnnlib", "--network", "g=net.onnx"]).refused(&["query.vnnlib", "`f`", "`g`"]);
    bench.write("query.vnnlib", text.replace("float32", "float64").as_bytes());
    bench.verify(&[]).refused(&["query.vnnlib", "float64", "float32"]);
}

#[test]
fn a_witness_that_cannot_be_written_is_an_error_not_a_verdict() {
    let bench = Bench::new(&model(), &query(&[("0", "1"), ("0", "1")], 2, "(assert (>= Y_0 1))"));
    bench.verify(&["--witness", "absent/folder/witness.txt"]).refused(&["witness.txt"]);
    bench.write("file", b"");
    bench.verify(&["--serialise-assignments", "file"]).refused(&["file"]);
}

#[cfg(unix)]
#[test]
fn a_file_without_read_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new(&model(), &good_query());
    std::fs::set_permissions(bench.path("net.onnx"), std::fs::Permissions::from_mode(0o0)).expect("set");
    if std::fs::read(bench.path("net.onnx")).is_ok() {
        eprintln!("SKIPPED: this user may read everything");
        return;
    }
    bench.verify(&[]).refused(&["net.onnx"]);
}
