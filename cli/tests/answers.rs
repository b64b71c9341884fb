//! Good runs: first lines, exit codes, formats, and the solver interface of the VNN-LIB standard.

mod support;

use support::{Bench, Model, query};

/// `Y = relu(X_0 + X_1)`, at most 2 on the unit square, and only at its corner.
fn model() -> Model {
    Model::new(&[1, 2]).gemm("X", "H", &[&[1.0, 1.0]], &[0.0]).apply("Relu", &["H"], "Y").output("Y", &[1, 1])
}

fn asking(assertion: &str) -> Bench {
    Bench::new(&model(), &query(&[("0", "1"), ("0", "1")], 1, assertion))
}

const VERSION_2: &str = "(vnnlib-version <2.0>)\n(declare-network f (declare-input X float32 [1,2]) (declare-output Y float32 [1,1]))\n\
    (assert (and (>= X[0,0] 0) (<= X[0,0] 1) (>= X[0,1] 0) (<= X[0,1] 1)))\n(assert (>= Y[0,0] 1.5))\n";

#[test]
fn a_property_that_holds_is_unsat_with_code_0() {
    let run = asking("(assert (>= Y_0 2.5))").verify(&[]);
    assert_eq!((run.verdict(), run.code), ("unsat", 0));
    assert_eq!(run.detail("semantics"), Some("both"), "{}", run.output);
}

#[test]
fn a_property_that_fails_is_sat_with_code_1_and_a_witness() {
    let run = asking("(assert (>= Y_0 1.5))").verify(&[]);
    assert_eq!((run.verdict(), run.code), ("sat", 1));
    let witness = run.output.lines().nth(1).expect("a witness");
    assert!(witness.starts_with("((X_0 "), "{}", run.output);
    assert!(run.output.contains("(Y_0 ") && run.detail("semantics").is_some(), "{}", run.output);
}

#[test]
fn plain_words_say_holds_and_fails() {
    assert_eq!(asking("(assert (>= Y_0 2.5))").verify(&["--words", "plain"]).verdict(), "holds");
    assert_eq!(asking("(assert (>= Y_0 1.5))").verify(&["--words", "plain"]).verdict(), "fails");
}

#[test]
fn competition_words_print_the_verdict_and_the_assignment_only() {
    let run = asking("(assert (>= Y_0 1.5))").verify(&["--words", "competition"]);
    assert!(run.output.starts_with("sat\n((X_0 ") && run.output.ends_with("))\n"), "{}", run.output);
    assert_eq!(asking("(assert (>= Y_0 2.5))").verify(&["--words", "competition"]).output, "unsat\n");
}

#[test]
fn quiet_prints_the_verdict_only() {
    assert_eq!(asking("(assert (>= Y_0 2.5))").verify(&["--quiet"]).output, "unsat\n");
}

#[test]
fn files_are_told_apart_by_content_in_either_order() {
    let bench = asking("(assert (>= Y_0 2.5))");
    for arguments in [["verify", "net.onnx", "query.vnnlib"], ["verify", "query.vnnlib", "net.onnx"]] {
        assert_eq!(bench.run(&arguments).verdict(), "unsat");
    }
    std::fs::rename(bench.path("net.onnx"), bench.path("a")).expect("renamed");
    std::fs::rename(bench.path("query.vnnlib"), bench.path("b")).expect("renamed");
    assert_eq!(bench.run(&["verify", "b", "a"]).verdict(), "unsat");
    assert_eq!(bench.run(&["verify", "b", "--network", "a"]).verdict(), "unsat");
}

#[test]
fn json_is_one_object_with_the_same_answer() {
    let run = asking("(assert (>= Y_0 1.5))").verify(&["--json"]);
    let answer: serde_json::Value = serde_json::from_str(&run.output).expect("JSON");
    assert_eq!((answer["verdict"].as_str(), run.code), (Some("sat"), 1));
    assert_eq!(answer["witness"]["input"].as_array().map(Vec::len), Some(2));
    assert_eq!(run.output.lines().count(), 1);
}

#[test]
fn the_witness_is_written_where_asked() {
    let bench = asking("(assert (>= Y_0 1.5))");
    bench.verify(&["--witness", "witness.txt"]);
    let text = std::fs::read_to_string(bench.path("witness.txt")).expect("written");
    assert!(text.starts_with("((X_0 ") && text.ends_with("))\n"), "{text}");
}

#[test]
fn version_2_answers_in_its_own_format() {
    let bench = Bench::new(&model(), VERSION_2);
    let run = bench.run(&["verify", "query.vnnlib", "--network", "f=net.onnx", "--quiet"]);
    assert_eq!(run.verdict(), "sat");
    let lines: Vec<&str> = run.output.lines().collect();
    assert_eq!((lines.len(), lines[1], lines[4]), (6, "X float32 [1,2]", "Y float32 [1,1]"), "{}", run.output);
    let y: f64 = lines[5].parse().expect("a number");
    assert!(y >= 1.5);
}

#[test]
fn assignments_are_serialised_instead_of_printed() {
    let bench = Bench::new(&model(), VERSION_2);
    let run = bench.run(&["verify", "query.vnnlib", "--network", "f=net.onnx", "--quiet", "--serialise-assignments", "out"]);
    assert_eq!(run.output, "sat\n");
    let input = std::fs::read(bench.path("out/X.pb")).expect("written");
    // dims 1 and 2, FLOAT, name X, eight raw bytes
    assert_eq!(input[..11], [0x08, 1, 0x08, 2, 0x10, 1, 0x42, 1, b'X', 0x4a, 8]);
    assert!(bench.path("out/Y.pb").is_file());
}

#[test]
fn the_answer_does_not_depend_on_the_number_of_threads() {
    let bench = asking("(assert (>= Y_0 1.5))");
    let [one, two] = ["1", "2"].map(|n| bench.verify(&["--quiet", "--threads", n]).output);
    assert_eq!(one, two);
}

#[test]
fn name_version_and_capabilities_are_one_per_line() {
    let bench = Bench::empty();
    assert_eq!(bench.run(&["--name"]).output, "ironbound\n");
    let version = bench.run(&["--version"]).output;
    assert_eq!(version.trim().split('.').count(), 3, "{version}");
    assert_eq!(bench.run(&["supports", "--vnnlib-versions"]).output, "1.0\n2.1\n");
    assert_eq!(bench.run(&["supports", "--hidden-node-theories"]).output, "NH\n");
    assert_eq!(bench.run(&["supports", "--onnx-opset-versions"]).output, "8\n21\n");
    let operators = bench.run(&["supports", "--onnx-operators"]).output;
    assert!(operators.lines().any(|line| line == "Relu"), "{operators}");
    bench.run(&["supports"]).refused(&["--vnnlib-versions"]);
}

#[test]
fn verify_has_at_most_20_options() {
    let help = Bench::empty().run(&["verify", "--help"]);
    let options = help.output.lines().filter(|line| line.trim_start().starts_with("--") || line.trim_start().starts_with("-q")).count();
    assert!((10..=20).contains(&options), "{options} options:\n{}", help.output);
    assert_eq!(help.code, 0);
}

#[test]
fn an_attack_finds_or_gives_up_but_proves_nothing() {
    let found = asking("(assert (>= Y_0 1.5))").run(&["attack", "net.onnx", "query.vnnlib"]);
    assert_eq!((found.verdict(), found.code), ("sat", 1));
    let given_up = asking("(assert (>= Y_0 2.5))").run(&["attack", "net.onnx", "query.vnnlib"]);
    assert_eq!((given_up.verdict(), given_up.code, given_up.detail("reason")), ("unknown", 2, Some("no counterexample was found")));
}

#[test]
fn bounds_enclose_the_outputs() {
    for method in ["interval", "crown", "slopes"] {
        let run = asking("(assert (>= Y_0 2.5))").run(&["bounds", "net.onnx", "query.vnnlib", "--method", method]);
        let words: Vec<&str> = run.output.split_whitespace().collect();
        let [name, low, high] = words[..] else { panic!("{run:?}") };
        let (low, high): (f64, f64) = (low.parse().expect("a number"), high.parse().expect("a number"));
        assert!(name == "Y_0" && (-0.001..=0.0).contains(&low) && (2.0..2.001).contains(&high), "{run:?}");
    }
}

/// A network of pseudo-random weights whose greatest output lies far below what bounds of the whole box tell.
fn hard() -> Bench {
    let mut state = 7u64;
    let mut weights = |rows: usize, columns: usize| -> Vec<Vec<f32>> {
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..rows).map(|_| (0..columns).map(|_| next()).collect()).collect()
    };
    let mut model = Model::new(&[1, 10]);
    let mut below = "X".to_owned();
    for (k, (rows, columns)) in [(50, 10), (50, 50), (50, 50)].into_iter().enumerate() {
        let layer = weights(rows, columns);
        let rows: Vec<&[f32]> = layer.iter().map(|row| &row[..]).collect();
        model = model.gemm(&below, &format!("H{k}"), &rows, &[]).apply("Relu", &[&format!("H{k}")], &format!("R{k}"));
        below = format!("R{k}");
    }
    let last = weights(1, 50);
    let model = model.gemm(&below, "Y", &[&last[0]], &[]).output("Y", &[1, 1]);
    Bench::new(&model, &query(&[("-1", "1"); 10], 1, "(assert (>= Y_0 250))"))
}

#[test]
fn a_time_limit_is_kept_and_says_what_is_proved() {
    let started = std::time::Instant::now();
    let run = hard().run(&["verify", "net.onnx", "query.vnnlib", "--timeout", "1"]);
    assert_eq!((run.verdict(), run.code), ("timed-out", 2));
    assert!(started.elapsed() < std::time::Duration::from_millis(1800), "{:?}", started.elapsed());
    assert!(run.detail("proved").is_some() && run.detail("best margin").is_some_and(|m| m.starts_with('-')), "{}", run.output);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_with_unknown_and_what_is_proved() {
    let bench = hard();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("ironbound"));
    command.args(["verify", "net.onnx", "query.vnnlib"]).current_dir(bench.path("."));
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("runs");
    std::thread::sleep(std::time::Duration::from_millis(700));
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("runs");
    assert!(sent.success());
    let done = child.wait_with_output().expect("ends");
    let output = String::from_utf8_lossy(&done.stdout);
    assert_eq!((done.status.code(), output.lines().next()), (Some(2), Some("unknown")), "{output}");
    assert!(output.contains("stopped by the user") && output.contains("proved: "), "{output}");
    assert!(done.stderr.is_empty(), "no progress in a pipe");
}

/// The second output is a function of the first input alone, and its disjunct is excluded from the whole box, by 1e-3; the other one's needs a tree.
#[test]
fn the_margin_is_that_of_every_disjunct() {
    for (operator, shift, greatest) in [("Relu", 2.0, 1.0), ("Tanh", 0.0, 0.761_594_2)] {
        let numbers = |count: usize, from: usize, size: f32| -> Vec<f32> {
            (from..from + count).map(|k| size * (12.9898 * k as f32).sin()).collect()
        };
        let (mut first, mut second) = (numbers(24, 1, 3.0), numbers(117, 30, 2.0));
        first.extend([1.0, 0.0]);
        second[..13].fill(0.0);
        second[12] = 1.0;
        let rows = |weights: &[f32], inputs: usize| weights.chunks(inputs).map(<[f32]>::to_vec).collect::<Vec<_>>();
        let dense = |model: Model, from: &str, to: &str, rows: Vec<Vec<f32>>, bias: &[f32]| {
            model.gemm(from, to, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), bias)
        };
        let bias = |count: usize, last: f32| (0..count).map(|k| if k + 1 < count { 0.25 } else { last }).collect::<Vec<_>>();
        let model = dense(Model::new(&[1, 2]), "X", "A", rows(&first, 2), &bias(13, shift)).apply(operator, &["A"], "S");
        // The value arrives at least 1 above zero.
        let lift = [vec![2.0 - shift], vec![0.25; 8]].concat();
        let model = dense(model, "S", "B", rows(&second, 13), &lift).apply("Relu", &["B"], "R");
        let (mut last, mut only) = (numbers(9, 200, 1.0), vec![0.0; 9]);
        (last[0], only[0]) = (0.0, 1.0);
        let model = dense(model, "R", "Y", vec![last, only], &[0.0, -2.0]).output("Y", &[1, 2]);
        let asking = |least: f64| {
            let asked = format!("(assert (or (>= Y_0 {least}) (>= Y_1 {})))", greatest + 1e-3);
            Bench::new(&model, &query(&[("-1", "1"); 2], 2, &asked))
        };
        let (mut fails, mut holds) = (0.0, 32.0);
        while holds - fails > 1.0 / 64.0 {
            let middle = 0.5 * (fails + holds);
            *(if asking(middle).verify(&[]).verdict() == "unsat" { &mut holds } else { &mut fails }) = middle;
        }
        // The larger the other disjunct's own margin, the fewer parts hide what is forgotten.
        let plain: &[&str] = &[];
        for (options, further) in
            [plain, &["--certificate", "proof.cert"]].into_iter().flat_map(|o| [0.005, 0.02, 0.05, 0.1].map(|f| (o, f)))
        {
            let run = asking(holds + further).verify(options);
            let margin: f64 = run.detail("margin").and_then(|m| m.parse().ok()).expect("it holds");
            assert!(margin <= 1.001e-3, "{operator} {options:?}: {run:?}");
        }
    }
}
