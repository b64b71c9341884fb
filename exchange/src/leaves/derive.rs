//! Proving the stated bounds of leaves again, by the engine's own search over each leaf.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use checker::Semantics;
use engine::graph::Graph;
use engine::search::{Config, SemanticsChoice, Silent, Verdict, refute, verify};

use super::Property;
use super::read::{Leaf, Leaves};
use crate::json::shown;

/// What proving bounds again may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for each leaf.
    pub leaf: Duration,
    /// Threads; leaves are taken in parallel.
    pub threads: usize,
    /// Set from outside to stop.
    pub stop: Arc<AtomicBool>,
}

impl Default for Limits {
    fn default() -> Limits {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        Limits { leaf: Duration::from_secs(20), threads, stop: Arc::default() }
    }
}

/// Are all stated bounds true? `Err` names the first leaf with one that is false or could not be proved.
pub fn all(graph: &Graph, property: &Property, leaves: &Leaves, limits: &Limits) -> Result<(), String> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None::<(usize, String)>));
    std::thread::scope(|scope| {
        for _ in 0..limits.threads.clamp(1, leaves.leaves.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    // Leaves are taken in order: those before a failed one are finished by who took them.
                    let over = failed.lock().is_ok_and(|f| f.is_some());
                    let Some(leaf) = leaves.leaves.get(at).filter(|_| !over) else { break };
                    if let (Err(why), Ok(mut failed)) = (one(graph, property, leaf, limits), failed.lock())
                        && failed.as_ref().is_none_or(|(first, _)| at < *first)
                    {
                        *failed = Some((at, why));
                    }
                }
            });
        }
    });
    match failed.into_inner() {
        Ok(None) if !limits.stop.load(Ordering::Relaxed) => Ok(()),
        Ok(None) => Err("stopped".into()),
        Ok(Some((at, why))) => Err(format!("leaf {at}: {why}")),
        Err(_) => Err("a thread ended early".into()),
    }
}

fn one(graph: &Graph, property: &Property, leaf: &Leaf, limits: &Limits) -> Result<(), String> {
    let doubt = property.doubt(leaf);
    let config = |timeout: Duration, attack: bool| Config {
        semantics: SemanticsChoice::Only(Semantics::Real),
        started: Instant::now(),
        timeout: Some(timeout),
        threads: 1,
        attack,
        stop: Arc::clone(&limits.stop),
        ..Config::default()
    };
    // Nearly all bounds of an honest certificate hold, so no counterexample is looked for at first.
    if let Verdict::Holds { .. } = verify(graph, &doubt, &config(limits.leaf, false), &Silent).verdict {
        return Ok(());
    }
    let report = refute(graph, &doubt, &config(limits.leaf.min(Duration::from_secs(2)), true), &Silent);
    match report.verdict {
        Verdict::Fails(witness) => {
            let point: Vec<String> = witness.input.iter().take(8).map(shown).collect();
            let row = witness.disjunct;
            Err(format!("lb[{row}] is false: the row is below {} at ({})", shown(&leaf.lower_bounds[row].exact), point.join(", ")))
        }
        _ => Err(format!("its bounds could not be proved within {:.0?}; some may be false, or exact to the last digit", limits.leaf)),
    }
}
