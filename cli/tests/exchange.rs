//! `ironbound check --format` and `ironbound export`, as a user runs them.

mod support;

use support::{Bench, Model, query};

/// `y = relu(x0 + x1) + relu(x0 - x1)` over the unit box; a counterexample has y >= `bound`.
fn bench(bound: &str) -> Bench {
    let model = Model::new(&[1, 2])
        .gemm("X", "H", &[&[1.0, 1.0], &[1.0, -1.0]], &[0.0, 0.0])
        .apply("Relu", &["H"], "R")
        .gemm("R", "Y", &[&[1.0, 1.0]], &[0.0])
        .output("Y", &[1, 1]);
    Bench::new(&model, &query(&[("-1", "1"), ("-1", "1")], 1, &format!("(assert (>= Y_0 {bound}))")))
}

#[test]
fn what_is_exported_is_accepted_and_decides_the_query() {
    let bench = bench("3.5");
    for format in ["ibp-nodes", "alpha-crown", "alpha-beta-crown", "abcrown_leaf_artifact_v0_1", "crown_query_v1"] {
        let run = bench.run(&["export", "--format", format, "net.onnx", "query.vnnlib", "--output", "cert.json"]);
        assert_eq!(run.code, 0, "{format}: {run:?}");
        let about: &[&str] = if format == "crown_query_v1" { &[] } else { &["net.onnx", "query.vnnlib"] };
        let run = bench.run(&[&["check", "--format", format], about, &["cert.json"]].concat());
        assert_eq!((run.code, run.verdict().starts_with("accepted")), (0, true), "{format}: {run:?}");
        assert!(run.output.contains("semantics: real"));
        let decided = run.output.contains("the query holds (unsat)") || format == "crown_query_v1";
        assert_eq!(decided, format != "ibp-nodes", "intervals alone give [0, 4]: {run:?}");
    }
    let run = bench.run(&["export", "--format", "alpha-crown", "--embed", "query.vnnlib", "net.onnx", "-o", "alone.json"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(bench.run(&["check", "--format", "alpha-crown", "alone.json"]).code, 0);
    assert!(bench.run(&["check", "--format", "alpha-crown", "query.vnnlib", "alone.json"]).output.contains("holds (unsat)"));
    bench.run(&["check", "--format", "alpha-crown", "net.onnx", "alone.json"]).refused(&["holds its network itself"]);
}

#[test]
fn what_cannot_be_proved_is_not_written() {
    // The greatest value is 2, at (1, 0); the affine bound is 3.
    let bench = bench("2.0");
    for format in ["crown_query_v1", "abcrown_leaf_artifact_v0_1"] {
        let run = bench.run(&["export", "--format", format, "--max-leaves", "200", "net.onnx", "query.vnnlib", "-o", "cert.json"]);
        run.refused(&["not proved, so nothing is written"]);
        assert!(!bench.path("cert.json").exists());
    }
    bench.run(&["export", "--format", "monotonicity_v1", "net.onnx"]).refused(&["layers[0].weights[1][1] is -1: a negative weight"]);
}

#[test]
fn leaves_without_their_network_are_unproved() {
    let bench = bench("2.5");
    let run = bench.run(&["export", "--format", "abcrown_leaf_artifact_v0_1", "net.onnx", "query.vnnlib", "-o", "cert.json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = bench.run(&["check", "--format", "abcrown_leaf_artifact_v0_1", "cert.json"]);
    assert_eq!((run.code, run.verdict().starts_with("unproved")), (2, true), "{run:?}");
    let run = bench.run(&["check", "--format", "abcrown_leaf_artifact_v0_1", "net.onnx", "query.vnnlib", "cert.json"]);
    assert_eq!((run.code, run.output.contains("the query holds (unsat)")), (0, true), "{run:?}");
    bench.write("wide.vnnlib", query(&[("-1", "1.5"), ("-1", "1")], 1, "(assert (>= Y_0 2.5))").as_bytes());
    let run = bench.run(&["check", "--format", "abcrown_leaf_artifact_v0_1", "net.onnx", "wide.vnnlib", "cert.json"]);
    assert_eq!((run.code, run.output.contains("leaves out a part of the query's [-1, 1.5]")), (1, true), "{run:?}");
    bench.write("other.vnnlib", query(&[("-1", "1"), ("-1", "1")], 1, "(assert (>= Y_0 2.25))").as_bytes());
    let run = bench.run(&["check", "--format", "abcrown_leaf_artifact_v0_1", "net.onnx", "other.vnnlib", "cert.json"]);
    assert_eq!((run.code, run.output.contains("threshold[0] is -2.5, the query's is -2.25")), (1, true), "{run:?}");
}

#[test]
fn unreadable_files_and_missing_ones_are_errors() {
    let bench = bench("3.5");
    bench.write("cert.json", b"{\"ibp\":[NaN]}");
    bench.run(&["check", "--format", "ibp-nodes", "net.onnx", "cert.json"]).refused(&[
        "cert.json",
        "line 1, column 9",
        "`NaN` is no JSON number",
    ]);
    bench.write("cert.json", b"{\"ibp\":[null]}");
    bench.run(&["check", "--format", "ibp-nodes", "cert.json"]).refused(&["give the network before it"]);
    bench.run(&["check", "--format", "ibp-nodes", "net.onnx", "cert.json"]).refused(&["field `ibp`", "an array of 4 elements"]);
    bench.run(&["check", "--format", "ibp-nodes", "net.onnx", "net.onnx", "cert.json"]).refused(&["is another network"]);
    bench.run(&["check", "--format", "crown_query_v1", "net.onnx", "cert.json"]).refused(&["holds its network itself"]);
    bench.run(&["check", "--format", "crown_query_v1", "none.json"]).refused(&["none.json"]);
    bench.run(&["check", "--format", "unknown", "cert.json"]).refused(&["possible values"]);
    bench.run(&["check", "cert.json"]).refused(&["--format"]);
}

#[test]
fn a_margin_certificate_needs_its_files_to_be_accepted() {
    let bench = Bench::empty();
    let files = ["--weights", "w.json", "--dataset", "d.json"];
    let train = ["digits", "train-certify", "--epochs=2", "--max-test=20", "--onnx", "n.onnx", "--certificate", "c.json"];
    assert_eq!(bench.run(&[&train[..], &files].concat()).code, 0);
    let check = ["check", "--format", "robust_margin_cert_v0_1"];
    assert_eq!(bench.run(&[&check[..], &["w.json", "d.json", "c.json"]].concat()).code, 0);
    assert_eq!(bench.run(&[&check[..], &["c.json"]].concat()).code, 2);
    let run = bench.run(&["export", "--format", "robust_margin_cert_v0_1", "--eps", "0.01", "w.json", "d.json", "-o", "e.json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = bench.run(&[&check[..], &["w.json", "d.json", "e.json"]].concat());
    assert_eq!((run.code, run.output.contains("eps = 0.01")), (0, true), "{run:?}");
}
