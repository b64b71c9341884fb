//! Damaged files: an error, never a panic, endless work or absurd amounts of memory.

use std::fs;
use std::time::{Duration, Instant};

use engine::input::read_bytes;

use crate::{development_set, files, random};

/// Every file that takes a reader longer than this on some damage is a fault.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads `bytes` cut at many places and with `mutations` random changes; how many damaged files were still read.
fn damage<T>(bytes: &[u8], mutations: usize, read: impl Fn(&[u8]) -> Option<T>) -> usize {
    let step = (bytes.len() / 2000).max(1);
    let mut survived = (0..bytes.len()).step_by(step).filter(|&end| timed(|| read(&bytes[..end])).is_some()).count();
    let mut state = bytes.len() as u64;
    for _ in 0..mutations {
        let mut changed = bytes.to_vec();
        for _ in 0..1 + random(&mut state) % 4 {
            // Mostly near the front or the end of a file, where structure is denser than in weights.
            let range = if random(&mut state).is_multiple_of(2) { changed.len().min(400) } else { changed.len() };
            let place = (random(&mut state) as usize) % range;
            let place = if random(&mut state).is_multiple_of(2) { place } else { changed.len() - 1 - place };
            match random(&mut state) % 5 {
                0 => changed[place] = random(&mut state) as u8,
                1 => changed[place] ^= 1 << (random(&mut state) % 8),
                2 => changed[place] = 0xff,
                3 => drop(changed.remove(place)),
                _ => changed.insert(place, changed[place]),
            }
        }
        survived += usize::from(timed(|| read(&changed)).is_some());
    }
    survived
}

fn timed<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < PATIENCE, "a damaged file took {:?}", start.elapsed());
    result
}

#[test]
fn damaged_networks_are_survived() {
    let Some(root) = development_set() else { return };
    let small = |path: &std::path::PathBuf| fs::metadata(path).is_ok_and(|meta| meta.len() < 150_000);
    let (mut tried, mut survived) = (0, 0);
    // Some of each family; weights are long, so the smallest files say most about structure.
    for path in files(&root, ".onnx").iter().filter(|path| small(path)).step_by(7) {
        let bytes = read_bytes(path).expect("readable");
        survived += damage(&bytes, 300, |bytes| checker::read::onnx::network(bytes).ok());
        tried += 1;
    }
    println!("{tried} networks damaged, {survived} of the damaged files are read");
    assert!(tried >= 10);
}

#[test]
fn damaged_queries_are_survived() {
    let Some(root) = development_set() else { return };
    let small = |path: &std::path::PathBuf| fs::metadata(path).is_ok_and(|meta| meta.len() < 4_000);
    let (mut tried, mut survived) = (0, 0);
    for path in files(&root, ".vnnlib").iter().filter(|path| small(path)).step_by(11) {
        let text = read_bytes(path).expect("readable");
        survived += damage(&text, 300, |text| checker::read::vnnlib::query(text).ok());
        tried += 1;
    }
    println!("{tried} queries damaged, {survived} of the damaged files are read");
    assert!(tried >= 20);
}

#[test]
fn random_bytes_are_refused() {
    let mut state = 5;
    for round in 0..20_000 {
        let len = random(&mut state) as usize % 200;
        // Half of them from an alphabet in which structure is likely.
        let alphabet: &[u8] =
            if round % 2 == 0 { b"()[] \nXY_0 1.5e-+*<=>andorassert" } else { &[0x0a, 0x12, 0x08, 0x3a, 0x42, 0x22, 1, 2, 5, 10] };
        let bytes: Vec<u8> = (0..len).map(|_| alphabet[random(&mut state) as usize % alphabet.len()]).collect();
        assert!(checker::read::onnx::network(&bytes).is_err());
        assert!(checker::read::vnnlib::query(&bytes).is_err());
    }
}

#[test]
fn hostile_queries_cost_little() {
    let head = "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 0))(assert (<= X_0 1))";
    let nest = |open: &str, middle: &str, close: &str, depth: usize| {
        format!("{head}(assert (<= Y_0 {}{middle}{}))", open.repeat(depth), close.repeat(depth))
    };
    let pair = "(or (<= Y_0 0) (>= Y_0 1))";
    let texts = [
        nest("(+ 1 ", "Y_0", ")", 100_000),
        nest("(- ", "Y_0", ")", 100_000),
        nest("(* 3 ", "Y_0", ")", 100_000),
        nest("(* 1e9999 ", "1", ")", 10_000),
        nest("(+ Y_0 ", "1", ")", 100_000),
        format!("{head}(assert {}(<= Y_0 1){})", "(or (<= Y_0 0) ".repeat(50_000), ")".repeat(50_000)),
        format!("{head}(assert {}(<= Y_0 1){})", "(and (<= Y_0 0) ".repeat(100_000), ")".repeat(100_000)),
        format!("{head}(assert {}(<= Y_0 1){})", "(and (<= Y_0 0) (or (<= Y_0 0) ".repeat(20_000), "))".repeat(20_000)),
        format!("{head}(assert (and {}))", pair.repeat(64)),
        format!("{head}{}", format!("(assert {pair})").repeat(64)),
        format!("{head}(assert {})", "(".repeat(1_000_000)),
        format!("{head}(assert (<= X_0 {}))", "9".repeat(5_000_000)),
        "(vnnlib-version <2.0>)(declare-network f (declare-input X float32 [200000000]) (declare-output Y float32 [1]))(assert (<= X[0] 1))".into(),
        format!("(vnnlib-version <2.0>)(declare-network f (declare-input X float32 [{}]))", "9,".repeat(1_000_000)),
    ];
    for text in texts {
        let start = Instant::now();
        let read = checker::read::vnnlib::query(text.as_bytes());
        let shown = text[head.len()..].chars().take(60).collect::<String>();
        assert!(start.elapsed() < PATIENCE, "{shown}: {:?}", start.elapsed());
        if let Ok(query) = read {
            assert!(query.cases.len() == 1 && query.cases[0].disjuncts.len() < 60_000, "{shown}");
        }
    }
}
