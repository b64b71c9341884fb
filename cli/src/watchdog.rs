//! Keeps a time limit even where reading or one long computation does not look at the clock.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Ends the process with `timed-out` somewhat after its limit, unless called off.
pub struct Watchdog(Arc<AtomicBool>);

impl Watchdog {
    /// Watches from now on; `output` is what standard output then holds, exit code 2.
    pub fn start(started: Instant, limit: Duration, output: String) -> Watchdog {
        let settled = Arc::new(AtomicBool::new(false));
        let ours = Arc::clone(&settled);
        // The search stops by itself at the limit, with what it proved; this is for all that does not.
        let last = limit.saturating_add(limit / 20).saturating_add(Duration::from_millis(500));
        thread::spawn(move || {
            thread::sleep(last.saturating_sub(started.elapsed()));
            if !ours.swap(true, Ordering::SeqCst) {
                let _ = std::io::stdout().lock().write_all(output.as_bytes());
                std::process::exit(2);
            }
        });
        Watchdog(settled)
    }

    /// Calls it off; does not return if it has already spoken.
    pub fn call_off(self) {
        while self.0.swap(true, Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(100));
        }
    }
}
