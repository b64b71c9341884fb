//! Every network of the development set is read, agrees with the reference evaluator (at load), and evaluates.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::input::load_network;

/// The shared data folder: named by IRONBOUND_SHARED, or beside the repository.
fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("IRONBOUND_SHARED").map(PathBuf::from).into_iter();
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared"));
    named.chain(above).map(|root| root.join("data/vnncomp")).find(|folder| folder.is_dir())
}

fn networks(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable").map(|e| e.expect("readable").path()) {
        let name = entry.to_string_lossy().into_owned();
        if entry.is_dir() {
            networks(&entry, found);
        } else if [".onnx", ".onnx.gz", ".nnet", ".nnet.gz"].iter().any(|end| name.ends_with(end)) {
            found.push(entry);
        }
    }
}

#[test]
fn every_development_network_is_read_and_evaluates() {
    let Some(root) = shared() else {
        eprintln!("SKIPPED 1 test: no shared data folder (set IRONBOUND_SHARED): no development network was read");
        return;
    };
    let mut found = Vec::new();
    networks(&root, &mut found);
    found.sort();
    let mut slowest = (Duration::ZERO, PathBuf::new());
    for path in &found {
        let start = Instant::now();
        let graph = load_network(path).unwrap_or_else(|e| panic!("{e}"));
        slowest = slowest.max((start.elapsed(), path.clone()));
        let point: Vec<f32> = (0..graph.input_len()).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
        let output = graph.output_f32(&point);
        assert!(!output.is_empty() && output.iter().all(|y| y.is_finite()), "{}: {output:?}", path.display());
    }
    println!("{} networks read; the slowest, {}, in {:?}", found.len(), slowest.1.display(), slowest.0);
    assert!(found.len() >= 209, "{} networks below {}", found.len(), root.display());
}
