//! Certificates of networks whose searches the checker's own steps make: one with a max pool, one with sigmoids.

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

/// Two inputs, twelve sigmoids, eight ReLUs; the weights are values of a sine.
fn smooth() -> Model {
    let mut k = 0.0f32;
    let mut numbers = |count: usize, size: f32| -> Vec<f32> {
        let next = |_| {
            k += 1.0;
            size * (12.9898 * k).sin()
        };
        (0..count).map(next).collect()
    };
    let (first, second, last) = (numbers(24, 3.0), numbers(96, 2.0), numbers(8, 1.0));
    let (inner, middle) = (numbers(12, 0.5), numbers(8, 0.5));
    let rows = |weights: &'_ [f32], inputs| weights.chunks(inputs).map(<[f32]>::to_vec).collect::<Vec<_>>();
    let dense = |model: Model, (from, to): (&str, &str), weights: &[f32], bias: &[f32]| {
        let rows = rows(weights, weights.len() / bias.len());
        model.gemm(from, to, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), bias)
    };
    let model = dense(Model::new(&[1, 2]), ("X", "A"), &first, &inner).apply("Sigmoid", &["A"], "S");
    let model = dense(model, ("S", "B"), &second, &middle).apply("Relu", &["B"], "R");
    dense(model, ("R", "Y"), &last, &[0.0]).output("Y", &[1, 1])
}

/// Rows choose their lines, and every tool for certificates knows such steps.
#[test]
fn rows_choose_the_lines_of_functions() {
    let asking = |least: f64| Bench::new(&smooth(), &query(&[("-1", "1"); 2], 1, &format!("(assert (>= Y_0 {least}))")));
    let (mut fails, mut holds) = (0.0, 16.0);
    while holds - fails > 1.0 / 64.0 {
        let middle = 0.5 * (fails + holds);
        *(if asking(middle).verify(&[]).verdict() == "unsat" { &mut holds } else { &mut fails }) = middle;
    }
    let bench = asking(holds);
    let run = bench.verify(&["--certificate", "proof.cert", "--check"]);
    assert_eq!(run.verdict(), "unsat", "{run:?}");
    let check = |name: &str| bench.run(&["check", "net.onnx", "query.vnnlib", name]);
    let whole = check("proof.cert");
    assert!(whole.output.starts_with("accepted: holds (both)") && whole.output.contains("leaves of row trees"), "{whole:?}");
    // The margin is what the property could be stricter by, but for clips, which would then take away less.
    let number = |text: &str| text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).expect("a number");
    let margin = number(run.detail("margin").expect("it holds"));
    let room = bench.run(&["check", "net.onnx", "query.vnnlib", "proof.cert", "--room"]);
    let room = number(room.output.split("room: ").nth(1).expect("it says so"));
    assert!(room > 0.5 * margin, "room {room}, margin {margin}");
    let trimmed = bench.run(&["trim", "net.onnx", "query.vnnlib", "proof.cert", "-o", "short.cert"]);
    assert!(trimmed.code == 0 && check("short.cert").code == 0, "{trimmed:?}");
    let mut proof = std::fs::read(bench.path("proof.cert")).expect("written");
    assert_eq!(proof.pop(), Some(0x50));
    proof.push(0x52);
    proof[14] = 1;
    bench.write("open.cert", &proof);
    let resumed = bench.verify(&["--resume", "open.cert", "--certificate", "whole.cert", "--check"]);
    assert_eq!((resumed.verdict(), check("whole.cert").code), ("unsat", 0), "{resumed:?}");
    let other = asking(holds + 0.001);
    other.write("proof.cert", &std::fs::read(bench.path("proof.cert")).expect("written"));
    let reused = other.verify(&["--reuse", "proof.cert", "--certificate", "new.cert", "--check"]);
    assert_eq!((reused.verdict(), reused.detail("subproblems")), ("unsat", Some("0")), "{reused:?}");
}
