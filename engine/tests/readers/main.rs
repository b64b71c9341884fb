//! The checker's own readers beside the engine's, on every file of the development set: they agree, or the checker refuses by
//! naming what it has no rule for.

mod evaluate;
mod hostile;
mod networks;
mod operators;
mod products;
mod queries;
mod witnesses;

use std::fs;
use std::path::{Path, PathBuf};

/// The development set in the shared data folder: named by IRONBOUND_SHARED, or beside the repository.
fn development_set() -> Option<PathBuf> {
    let named = std::env::var_os("IRONBOUND_SHARED").map(PathBuf::from).into_iter();
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared"));
    let found = named.chain(above).map(|root| root.join("data/vnncomp")).find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("SKIPPED 1 test: no shared data folder (set IRONBOUND_SHARED): the readers were not compared on it");
    }
    found
}

/// The files below `folder` whose names end so, gzipped or not, sorted.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("readable").map(|entry| entry.expect("readable").path()) {
            let name = entry.to_string_lossy().into_owned();
            if entry.is_dir() {
                folders.push(entry);
            } else if name.trim_end_matches(".gz").ends_with(end) {
                found.push(entry);
            }
        }
    }
    found.sort();
    found
}

/// A pseudo-random number (splitmix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
