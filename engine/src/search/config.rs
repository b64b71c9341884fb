//! What a user may choose.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use checker::Semantics;

use crate::proof::Files;

/// The semantics asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SemanticsChoice {
    /// `both` where it closes; otherwise, for queries that allow it, `real` (the verdict says so).
    #[default]
    Auto,
    /// Exactly this one.
    Only(Semantics),
}

/// All options of a verification.
#[derive(Clone, Debug)]
pub struct Config {
    /// Semantics of the verdict.
    pub semantics: SemanticsChoice,
    /// When the clock started (process start: reading counts).
    pub started: Instant,
    /// Wall-clock limit since `started`; none means no limit.
    pub timeout: Option<Duration>,
    /// Worker threads; the verdict, the tree and the witness do not depend on it.
    pub threads: usize,
    /// Memory limit in bytes for open subproblems and tables.
    pub max_memory: u64,
    /// Seed of the attack's random starts.
    pub seed: u64,
    /// Look for counterexamples before and during branch and bound (off only to test soundness).
    pub attack: bool,
    /// Accept a query whose whole input set is empty (it then holds vacuously).
    pub allow_empty: bool,
    /// Record what a certificate about these files needs ([`crate::search::Report::proof`]).
    pub record: Option<Arc<Files>>,
    /// Set from outside (Ctrl-C) to stop at the next check with `unknown`.
    pub stop: Arc<AtomicBool>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            semantics: SemanticsChoice::Auto,
            started: Instant::now(),
            timeout: None,
            threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
            max_memory: 4 << 30,
            seed: 0,
            attack: true,
            allow_empty: false,
            record: None,
            stop: Arc::default(),
        }
    }
}

impl Config {
    /// True once the time limit has passed or a stop was asked for.
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.timeout.is_some_and(|limit| self.started.elapsed() >= limit)
    }
}
