//! Decides one query and prints what the search did: `decide MODEL QUERY [SECONDS] [noattack] [record] [real|both|float32]`.
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::input::vnnlib::{ParseOptions, read_query};
use engine::input::{load_network, read_bytes};
use engine::proof::Files;
use engine::search::{Config, SemanticsChoice, Silent, Verdict, verify};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let args: Vec<String> = std::env::args().collect();
    let graph = load_network(args[1].as_ref())?;
    let query = read_query(&read_bytes(args[2].as_ref())?, &ParseOptions::default())?;
    let read = started.elapsed();
    let has = |w: &str| args.iter().any(|a| a == w);
    let semantics = match (has("real"), has("float32")) {
        (true, _) => SemanticsChoice::Only(checker::Semantics::Real),
        (_, true) => SemanticsChoice::Only(checker::Semantics::Float32),
        _ => SemanticsChoice::Auto,
    };
    let files = || -> Result<_, Box<dyn std::error::Error>> {
        Ok(Arc::new(Files::new(read_bytes(args[1].as_ref())?, read_bytes(args[2].as_ref())?)))
    };
    let files = if has("record") { Some(files()?) } else { None };
    let config = Config {
        semantics,
        started,
        timeout: args.get(3).and_then(|s| s.parse().ok()).map(Duration::from_secs_f64),
        attack: !has("noattack"),
        record: files,
        threads: if has("two") { 2 } else { 1 },
        ..Config::default()
    };
    let report = verify(&graph, &query, &config, &Silent);
    if let Some(proof) = &report.proof {
        let mut bytes = Vec::new();
        proof.write([0; 32], [0; 32], &mut bytes)?;
        eprintln!("certificate: {} bytes, partial {}", bytes.len(), proof.partial);
    }
    let word = match &report.verdict {
        Verdict::Holds { .. } => "unsat",
        Verdict::Fails(_) => "sat",
        Verdict::Unknown { .. } => "unknown",
    };
    let name = |i: usize| std::path::Path::new(&args[i]).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let s = &report.statistics;
    print!(
        "{word} {} {} read {:.4} total {:.4} parts {} proved {:.4}",
        name(1),
        name(2),
        read.as_secs_f64(),
        s.elapsed.as_secs_f64(),
        s.subproblems,
        s.proved
    );
    match report.verdict {
        Verdict::Fails(w) => println!(" real {} float32 {} by {}", w.breaks_real, w.breaks_float32, s.method),
        Verdict::Holds { margin } => println!(" margin {margin:?} {:?}", report.semantics),
        Verdict::Unknown { reason, best_margin } => println!(" {reason:?} {best_margin:?}"),
    }
    Ok(())
}
