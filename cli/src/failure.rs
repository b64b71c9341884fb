//! Errors: a message on standard error, exit code 3, an empty standard output. A panic inside is one of them, never a verdict.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{Debug, Display};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Finished;

/// Exit code of every error.
pub const ERROR: u8 = 3;

/// Why a command could not be carried out, in words for the user.
pub struct Failure(String);

impl Failure {
    /// A failure with this message.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure(message.into())
    }

    /// A failure about a file.
    pub fn about(path: &std::path::Path, problem: impl Display) -> Failure {
        Failure(format!("{}: {problem}", path.display()))
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.to_string())
    }
}

impl Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a command; prints its output, or its error, or that of a panic.
pub fn guarded(command: impl FnOnce() -> Result<Finished, Failure>) -> u8 {
    std::panic::set_hook(Box::new(|panic| {
        // Captured only where RUST_BACKTRACE asks for it.
        let place = match Backtrace::capture() {
            trace if trace.status() == BacktraceStatus::Captured => format!("{trace}\n"),
            _ => String::new(),
        };
        let report = "No verdict was given. Please report this with the model and the query.";
        let _ = writeln!(std::io::stderr(), "ironbound: internal error: {panic}\n{place}{report}");
    }));
    match catch_unwind(AssertUnwindSafe(command)) {
        Ok(Ok(finished)) => print(finished),
        Ok(Err(failure)) => {
            let _ = writeln!(std::io::stderr(), "ironbound: error: {}", failure.message());
            ERROR
        }
        Err(_) => ERROR,
    }
}

/// Prints a help text (success) or a usage error.
pub fn usage(usage: &clap::Error) -> u8 {
    let _ = usage.print();
    if usage.use_stderr() { ERROR } else { 0 }
}

fn print(finished: Finished) -> u8 {
    let mut out = std::io::stdout().lock();
    match out.write_all(finished.output.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => finished.code,
        // The reader has gone (`| head`): it has what it wanted.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => finished.code,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "ironbound: error: standard output: {e}");
            ERROR
        }
    }
}
