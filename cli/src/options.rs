//! The options that commands share, and the engine's configuration made from them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use checker::Semantics;
use clap::{Args, ValueEnum};
use engine::search::{Config, SemanticsChoice};

use crate::failure::Failure;

/// What to search with.
#[derive(Args, Clone)]
pub struct Options {
    /// What the network is taken to be; `auto`: both where that can be shown, else what the query allows
    #[arg(long, value_enum, default_value_t = SemanticsOption::Auto)]
    pub semantics: SemanticsOption,
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Memory for open subproblems, such as 500M or 4G
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = parse_size)]
    pub max_memory: u64,
    /// Seed of the random starts
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Do not look for counterexamples (to test soundness)
    #[arg(long)]
    pub no_attack: bool,
    /// Accept a query whose whole input set is empty
    #[arg(long)]
    pub allow_empty: bool,
}

/// `--semantics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SemanticsOption {
    /// Both where it closes, else real where the query allows it
    Auto,
    /// Real and float32 in one proof
    Both,
    /// Exact arithmetic
    Real,
    /// Every binary32 evaluation
    Float32,
}

impl SemanticsOption {
    fn choice(self) -> SemanticsChoice {
        match self {
            SemanticsOption::Auto => SemanticsChoice::Auto,
            SemanticsOption::Both => SemanticsChoice::Only(Semantics::Both),
            SemanticsOption::Real => SemanticsChoice::Only(Semantics::Real),
            SemanticsOption::Float32 => SemanticsChoice::Only(Semantics::Float32),
        }
    }

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            SemanticsOption::Auto => "auto",
            SemanticsOption::Both => "both",
            SemanticsOption::Real => "real",
            SemanticsOption::Float32 => "float32",
        }
    }
}

impl Options {
    /// The engine's configuration; `stop` ends the search from outside.
    pub fn config(&self, started: Instant, timeout: Option<Duration>, stop: Arc<AtomicBool>) -> Config {
        let default = Config::default();
        Config {
            semantics: self.semantics.choice(),
            started,
            timeout,
            threads: self.threads.map_or(default.threads, usize::from),
            max_memory: self.max_memory,
            seed: self.seed,
            attack: !self.no_attack,
            allow_empty: self.allow_empty,
            record: None,
            stop,
        }
    }
}

/// A time limit in seconds; zero and negative numbers make no sense and are refused.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(limit) if !limit.is_zero() => Ok(limit),
        _ => Err(format!("`{text}`: a time limit is a positive number of seconds")),
    }
}

/// A size in bytes with an optional binary suffix.
fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.trim_end_matches(['i', 'B', 'b']).to_ascii_uppercase() {
        t if t.ends_with('K') => (t.trim_end_matches('K').to_owned(), 10),
        t if t.ends_with('M') => (t.trim_end_matches('M').to_owned(), 20),
        t if t.ends_with('G') => (t.trim_end_matches('G').to_owned(), 30),
        t => (t, 0),
    };
    let number: u64 = digits.parse().map_err(|_| format!("`{text}` is not a size; write 500M or 4G"))?;
    number.checked_mul(1 << shift).filter(|&bytes| bytes > 0).ok_or_else(|| format!("`{text}` is not a usable size"))
}

/// The flag that Ctrl-C sets: the search then ends with `unknown` and what is proved so far. A second Ctrl-C ends the process.
pub fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stop: Arc<AtomicBool> = Arc::default();
    let flag = Arc::clone(&stop);
    let handler = move || {
        if flag.swap(true, std::sync::atomic::Ordering::SeqCst) {
            std::process::exit(crate::failure::ERROR.into());
        }
    };
    ctrlc::set_handler(handler).map_err(|e| Failure::new(format!("Ctrl-C cannot be handled here: {e}")))?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_positive_finite_limits_are_accepted() {
        assert_eq!(parse_seconds("1.5"), Ok(Duration::from_millis(1500)));
        for bad in ["0", "-1", "0.0", "nan", "inf", "1e300", "ten", ""] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_binary_suffixes() {
        assert_eq!(parse_size("4G"), Ok(4 << 30));
        assert_eq!(parse_size("500MiB"), Ok(500 << 20));
        assert_eq!(parse_size("12"), Ok(12));
        for bad in ["", "G", "-1G", "0", "99999999999G"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
