//! Certificates of networks whose searches the checker's own steps make: here one with a max pool.

mod support;

use support::{Attribute, Bench, Model, query};

/// Filters of 1 x 2 over four inputs in a square, the greater of each pair of results, two layers.
fn model(last: f32) -> Model {
    let filters = [1.0, 1.0, 1.0, -1.0, -0.5, 1.0, -1.0, -0.75];
    Model::new(&[1, 1, 2, 2])
        .constant("K", &[4, 1, 1, 2], &filters)
        .constant("C", &[4], &[-0.25, 0.0, 0.1, 0.2])
        .apply("Conv", &["X", "K", "C"], "A")
        .node("MaxPool", &["A"], "P", &[Attribute::Ints("kernel_shape", &[2, 1])])
        .node("Flatten", &["P"], "F", &[Attribute::Int("axis", 1)])
        .gemm("F", "B", &[&[1.0, -1.0, 0.5, 0.25], &[-1.0, 1.5, last, -0.5]], &[0.0, -0.1])
        .apply("Relu", &["B"], "G")
        .gemm("G", "Y", &[&[1.0, -1.0], &[0.5, 1.0]], &[0.0, 0.0])
        .output("Y", &[1, 2])
}

fn asking(last: f32, least: f64) -> Bench {
    let asked = format!("(assert (or (and (>= Y_0 {least}) (<= Y_1 3.0)) (and (>= Y_1 9.0) (>= Y_0 -20.0))))");
    Bench::new(&model(last), &query(&[("-1", "1"); 4], 2, &asked))
}

/// The least bound of `Y_0` that is proved, to a 64th, and its network: a tree is needed there.
fn tightest() -> (Bench, f64) {
    let (mut fails, mut holds) = (0.0, 8.0);
    while holds - fails > 1.0 / 64.0 {
        let middle = 0.5 * (fails + holds);
        match asking(0.25, middle).verify(&[]).verdict() {
            "unsat" => holds = middle,
            _ => fails = middle,
        }
    }
    (asking(0.25, holds), holds)
}

/// Nodes of the tree, from what is said of a certificate.
fn nodes(words: &str) -> usize {
    let at = words.find(" node").unwrap_or_else(|| panic!("no number of nodes in `{words}`"));
    words[..at].rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no number in `{words}`"))
}

#[test]
fn a_tree_is_recorded_and_accepted_at_once() {
    let (bench, _) = tightest();
    let run = bench.verify(&["--certificate", "proof.cert", "--check"]);
    assert_eq!((run.verdict(), run.code), ("unsat", 0), "{run:?}");
    assert_eq!(run.detail("method"), Some("branch and bound on inputs"), "{run:?}");
    let check = bench.run(&["check", "net.onnx", "query.vnnlib", "proof.cert"]);
    assert!(check.code == 0 && check.output.starts_with("accepted: holds (both)"), "{check:?}");
    let count = nodes(&check.output);
    assert!(count > 10, "no tree of {count} nodes");
    assert_eq!(run.detail("subproblems").and_then(|n| n.parse().ok()), Some(count), "nothing was mended: {run:?}");
    let proof = std::fs::read(bench.path("proof.cert")).expect("written");
    bench.verify(&["--certificate", "again.cert", "--threads", "2"]);
    assert_eq!(std::fs::read(bench.path("again.cert")).expect("written"), proof, "it does not depend on the threads");
}

#[test]
fn a_search_goes_on_from_open_nodes() {
    let (bench, _) = tightest();
    bench.verify(&["--certificate", "proof.cert"]);
    let mut proof = std::fs::read(bench.path("proof.cert")).expect("written");
    // The last leaf is opened: nothing is claimed of it.
    assert_eq!(proof.pop(), Some(0x50));
    proof.push(0x52);
    proof[14] = 1;
    bench.write("open.cert", &proof);
    let check = bench.run(&["check", "net.onnx", "query.vnnlib", "open.cert"]);
    assert!(check.code == 0 && check.output.contains("% of the input set"), "{check:?}");
    let resumed = bench.verify(&["--resume", "open.cert", "--certificate", "whole.cert", "--check"]);
    assert_eq!(resumed.verdict(), "unsat", "{resumed:?}");
    assert_eq!(resumed.detail("subproblems"), Some("1"), "only the open node is searched from: {resumed:?}");
    assert_eq!(bench.run(&["check", "net.onnx", "query.vnnlib", "whole.cert"]).code, 0);
}

#[test]
fn a_tree_serves_other_weights() {
    let (bench, least) = tightest();
    let run = bench.verify(&["--certificate", "proof.cert"]);
    let all: usize = run.detail("subproblems").and_then(|n| n.parse().ok()).expect("a number");
    let other = asking(0.2501, least + 0.001);
    other.write("proof.cert", &std::fs::read(bench.path("proof.cert")).expect("written"));
    let reused = other.verify(&["--reuse", "proof.cert", "--certificate", "new.cert", "--check"]);
    assert_eq!(reused.verdict(), "unsat", "{reused:?}");
    let again: usize = reused.detail("subproblems").and_then(|n| n.parse().ok()).expect("a number");
    assert!(again < all / 2, "{again} of {all} nodes were searched again");
}

#[test]
fn counterexamples_are_found_on_the_way() {
    let (_, least) = tightest();
    let run = asking(0.25, least - 1.0 / 32.0).verify(&["--certificate", "witness.cert", "--check"]);
    assert_eq!(run.verdict(), "sat", "{run:?}");
}
