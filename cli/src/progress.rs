//! Progress on a terminal: one line on standard error, rewritten in place; silent in pipes.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use engine::search::{Observer, Progress};

/// Shows progress where somebody is watching.
pub struct Display {
    started: Instant,
    watched: bool,
}

impl Display {
    /// A display for a run that began at `started`.
    pub fn new(started: Instant, quiet: bool) -> Display {
        Display { started, watched: !quiet && std::io::stderr().is_terminal() }
    }
}

impl Observer for Display {
    fn progress(&self, progress: &Progress) {
        if self.watched {
            let line = line(progress, self.started.elapsed().as_secs_f64());
            let _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if self.watched {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

fn line(progress: &Progress, elapsed: f64) -> String {
    let margin = progress.worst_margin.map_or(String::new(), |m| format!(", worst margin {m:.3e}"));
    format!(
        "{elapsed:.1} s: {} subproblems ({} open), {:.2} % proved{margin}",
        progress.subproblems,
        progress.open,
        100.0 * progress.proved
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_all_that_is_known() {
        let progress = Progress { subproblems: 12, open: 3, proved: 0.5, worst_margin: Some(-0.25) };
        assert_eq!(line(&progress, 1.25), "1.2 s: 12 subproblems (3 open), 50.00 % proved, worst margin -2.500e-1");
    }
}
