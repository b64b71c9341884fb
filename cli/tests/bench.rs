//! The benchmark runner and the competition scripts, on a tiny family.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Bench, Model, query};

/// A family of one network `Y = relu(X_0 + X_1)` on the unit square: one `sat`, one `unsat`, one unreadable instance.
fn family() -> Bench {
    let model = Model::new(&[1, 2]).gemm("X", "H", &[&[1.0, 1.0]], &[0.0]).apply("Relu", &["H"], "Y").output("Y", &[1, 1]);
    let asking = |assertion: &str| query(&[("0", "1"), ("0", "1")], 1, assertion).into_bytes();
    let bench = Bench::empty();
    bench.write("tiny/onnx/net.onnx", &model.bytes());
    bench.write("tiny/onnx/broken.onnx", b"\x08\x08 not a network");
    bench.write("tiny/vnnlib/reached.vnnlib", &asking("(assert (>= Y_0 1.5))"));
    bench.write("tiny/vnnlib/beyond.vnnlib", &asking("(assert (>= Y_0 2.5))"));
    bench.write(
        "tiny/instances.csv",
        b"onnx/net.onnx,vnnlib/reached.vnnlib,60\nonnx/net.onnx,./vnnlib/beyond.vnnlib,60.0\nonnx/broken.onnx,vnnlib/beyond.vnnlib,60\n",
    );
    bench.write("ground_truth.csv", TRUTH.as_bytes());
    bench
}

const TRUTH: &str = "benchmark,onnx,vnnlib,expected,some_tool,timeout_s\n\
    tiny,onnx/net.onnx,vnnlib/reached.vnnlib,sat,1.5,60\ntiny,onnx/net.onnx,vnnlib/beyond.vnnlib,unsat,,60\n";

fn records(bench: &Bench) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(bench.path("results.jsonl")).expect("written");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn every_instance_has_its_line_and_the_family_its_summary() {
    let bench = family();
    let run = bench.run(&["bench", "tiny/instances.csv", "--out", "results.jsonl", "--witnesses", "witnesses"]);
    assert_eq!(run.code, 0, "{run:?}");
    let results: Vec<String> = records(&bench).iter().map(|r| r["result"].as_str().expect("text").to_owned()).collect();
    assert_eq!(results, ["sat", "unsat", "error"]);
    let first = &records(&bench)[0];
    assert_eq!((first["family"].as_str(), first["expected"].as_str(), first["exit_code"].as_i64()), (Some("tiny"), Some("sat"), Some(1)));
    assert!(first["wall_s"].as_f64().is_some_and(|s| s > 0.0 && s < 60.0));
    assert!(records(&bench)[2]["reason"].as_str().is_some_and(|reason| reason.contains("broken.onnx")));
    let row: Vec<&str> = run.output.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(row[..7], ["tiny", "3", "2", "1", "1", "0", "1"], "{}", run.output);
    assert!(row.ends_with(&["1", "some_tool"]), "{}", run.output);
    assert_eq!(std::fs::read_dir(bench.path("witnesses")).expect("made").count(), 1);
}

#[test]
fn a_wrong_verdict_gives_exit_code_1() {
    let bench = family();
    bench.write("ground_truth.csv", TRUTH.replace(",sat,", ",unsat,").as_bytes());
    let run = bench.run(&["bench", "tiny"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.output.contains("WRONG: tiny onnx/net.onnx vnnlib/reached.vnnlib"), "{}", run.output);
}

#[test]
fn a_run_resumes_where_it_stopped() {
    let bench = family();
    bench.run(&["bench", ".", "--out", "results.jsonl", "--only", "tiny/reached"]);
    assert_eq!(records(&bench).len(), 1);
    let run = bench.run(&["bench", ".", "--out", "results.jsonl", "--jobs", "2"]);
    assert_eq!(records(&bench).len(), 3);
    assert!(!run.errors.contains("reached"), "what is there is not run again: {}", run.errors);
    assert!(bench.run(&["bench", ".", "--out", "results.jsonl"]).errors.is_empty());
}

#[test]
fn bad_lists_are_refused_with_their_line() {
    let bench = family();
    bench.write("tiny/instances.csv", b"onnx/net.onnx,vnnlib/reached.vnnlib,60\nonnx/net.onnx\n");
    bench.run(&["bench", "tiny"]).refused(&["instances.csv:2"]);
    bench.write("tiny/instances.csv", b"onnx/net.onnx,vnnlib/reached.vnnlib,0\n");
    bench.run(&["bench", "tiny"]).refused(&["instances.csv:1"]);
    bench.run(&["bench", "absent"]).refused(&["absent"]);
    bench.write("tiny/instances.csv", b"onnx/net.onnx,vnnlib/reached.vnnlib,5\n");
    bench.run(&["bench", "tiny", "--only", "other"]).refused(&["--only"]);
}

#[cfg(unix)]
#[test]
fn the_competition_scripts_write_the_verdict_and_the_assignment() {
    let bench = family();
    for (onnx, vnnlib, expected) in [
        ("onnx/net.onnx", "vnnlib/reached.vnnlib", "sat\n((X_0 "),
        ("onnx/net.onnx", "vnnlib/beyond.vnnlib", "unsat\n"),
        ("onnx/broken.onnx", "vnnlib/beyond.vnnlib", "error\n"),
        ("[('f','onnx/net.onnx')]", "vnnlib/beyond.vnnlib", "unsat\n"),
    ] {
        assert!(script(&bench, "prepare_instance.sh", &["v1", "tiny", onnx, vnnlib]), "{onnx}");
        assert!(script(&bench, "run_instance.sh", &["v1", "tiny", onnx, vnnlib, "result.txt", "60"]), "{onnx}");
        let result = std::fs::read_to_string(bench.path("tiny/result.txt")).expect("written");
        assert!(result.starts_with(expected), "{onnx} {vnnlib}: {result}");
    }
    assert!(!script(&bench, "prepare_instance.sh", &["v1", "tiny", "absent.onnx", "vnnlib/beyond.vnnlib"]));
    assert!(!script(&bench, "run_instance.sh", &["v1", "tiny", "onnx/net.onnx", "vnnlib/beyond.vnnlib", "absent/result.txt", "60"]));
}

fn script(bench: &Bench, name: &str, arguments: &[&str]) -> bool {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../competition").join(name);
    let mut command = Command::new(path);
    let binary = assert_cmd::cargo::cargo_bin("ironbound");
    command.args(arguments).current_dir(bench.path("tiny")).env("IRONBOUND", binary).output().expect("runs").status.success()
}
