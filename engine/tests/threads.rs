//! The number of threads changes neither the verdict nor the tree nor the witness.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use checker::Semantics;
use engine::graph::{Element, Graph};
use engine::input::vnnlib::{ParseOptions, read_query};
use engine::input::{load_network, read_bytes};
use engine::numerics::{Numbers, Random};
use engine::ops::{Dense, Operation, Relu};
use engine::query::Query;
use engine::search::{Config, SemanticsChoice, Silent, Verdict, verify};

/// What must not depend on threads, and the number of parts.
fn run(graph: &Graph, query: &Query, threads: usize, attack: bool) -> (String, u64) {
    let semantics = SemanticsChoice::Only(Semantics::Both);
    let report = verify(graph, query, &Config { threads, attack, semantics, ..Config::default() }, &Silent);
    let verdict = match &report.verdict {
        Verdict::Holds { margin } => format!("holds {margin:?}"),
        Verdict::Fails(w) => format!("fails {:?} {:?} {}", w.input, w.output, w.disjunct),
        Verdict::Unknown { reason, best_margin } => format!("unknown {reason:?} {best_margin:?}"),
    };
    let parts = report.statistics.subproblems;
    (format!("{verdict}; {parts} parts, {:?} proved", report.statistics.proved), parts)
}

/// Runs with 1, 2 and 4 threads, with and without attack; the number of parts with one thread and no attack.
fn same_for_all(name: &str, graph: &Graph, query: &Query) -> u64 {
    for attack in [true, false] {
        let (one, _) = run(graph, query, 1, attack);
        for threads in [2, 4] {
            assert_eq!(run(graph, query, threads, attack).0, one, "{name}, attack {attack}: {threads} threads against one");
        }
    }
    run(graph, query, 1, false).1
}

fn synthetic(random: &mut Random) -> Graph {
    let mut graph = Graph::new(Element::F32);
    let mut top = graph.add_input("X", &[1, 4]);
    for (inputs, outputs) in [(4, 16), (16, 16), (16, 1)] {
        let mut numbers = |n: usize| Numbers::F32((0..n).map(|_| 2.0 * random.unit() - 1.0).collect());
        let op = Dense::new("Gemm", inputs, outputs, numbers(inputs * outputs), Some(numbers(outputs))).expect("sizes fit");
        top = graph.add("dense", Operation::Affine(Box::new(op)), &[top], &[1, outputs]).expect("sizes fit");
        if outputs > 1 {
            top = graph.add("relu", Operation::Scalar(Box::new(Relu)), &[top], &[1, outputs]).expect("sizes fit");
        }
    }
    graph.outputs = vec![top];
    graph
}

/// Is the output anywhere in the box more than `share` of the way beyond the greatest of many samples?
fn question(graph: &Graph, share: f64, random: &mut Random) -> Query {
    let samples: Vec<f64> = (0..4000).map(|_| graph.output_f64(&[0; 4].map(|_| 2.0 * random.unit() as f64 - 1.0))[0]).collect();
    let most = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let mut text = String::from("(declare-const Y_0 Real)\n");
    for i in 0..4 {
        writeln!(text, "(declare-const X_{i} Real)\n(assert (>= X_{i} -1))\n(assert (<= X_{i} 1))").expect("strings take text");
    }
    writeln!(text, "(assert (>= Y_0 {:.60}))", most + share * (most - least)).expect("strings take text");
    read_query(text.as_bytes(), &ParseOptions::default()).expect("well formed")
}

#[test]
fn synthetic_problems_are_the_same_for_any_number_of_threads() {
    let mut parts = 0;
    for seed in 0..4 {
        let random = &mut Random::new(seed);
        let graph = synthetic(random);
        for share in [0.05, 0.2] {
            let query = question(&graph, share, random);
            parts += same_for_all(&format!("seed {seed}, share {share}"), &graph, &query);
        }
    }
    println!("{parts} parts");
    assert!(parts > 1000, "too easy to tell anything: {parts} parts");
}

/// The shared data folder: named by IRONBOUND_SHARED, or beside the repository.
fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("IRONBOUND_SHARED").map(PathBuf::from).into_iter();
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared"));
    named.chain(above).map(|root| root.join("data/vnncomp/acasxu_2023")).find(|folder| folder.is_dir())
}

#[test]
fn acas_xu_is_the_same_for_any_number_of_threads() {
    let Some(folder) = shared() else {
        eprintln!("SKIPPED 1 test: no shared data folder (set IRONBOUND_SHARED): threads were not compared on ACAS Xu");
        return;
    };
    let mut parts = 0;
    for (network, property) in [("1_1", "prop_3"), ("1_1", "prop_4"), ("2_4", "prop_2")] {
        let path =
            |file: String| [file.clone() + ".gz", file].map(|f| folder.join(f)).into_iter().find(|p| p.exists()).expect("in the set");
        let graph = load_network(&path(format!("onnx/ACASXU_run2a_{network}_batch_2000.onnx"))).expect("readable");
        let text = read_bytes(&path(format!("vnnlib/{property}.vnnlib"))).expect("readable");
        let query = read_query(&text, &ParseOptions::default()).expect("well formed");
        parts += same_for_all(&format!("{network} {property}"), &graph, &query);
    }
    println!("{parts} parts");
    assert!(parts > 100, "too easy to tell anything: {parts} parts");
}
