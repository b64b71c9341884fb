//! A limit of CPU time: what a loaded machine gives to others does not count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::usage;

/// How often the clock is read.
const INTERVAL: Duration = Duration::from_millis(10);

/// CPU time that this process has used; wall time where the platform does not tell.
pub struct Stopwatch {
    cpu: Option<f64>,
    wall: Instant,
}

impl Stopwatch {
    /// Begins now.
    pub fn start() -> Stopwatch {
        Stopwatch { cpu: usage::own_cpu_seconds(), wall: Instant::now() }
    }

    /// Seconds since then.
    pub fn seconds(&self) -> f64 {
        usage::own_cpu_seconds().zip(self.cpu).map_or(self.wall.elapsed().as_secs_f64(), |(now, then)| now - then)
    }
}

/// Does some work with a flag that is set once the limit is reached, or `stop` is set.
pub fn within<T>(limit: Duration, stop: &AtomicBool, work: impl FnOnce(&Arc<AtomicBool>) -> T) -> T {
    let (over, watch) = (Arc::new(AtomicBool::new(false)), Stopwatch::start());
    let (done, wait) = channel::<()>();
    thread::scope(|scope| {
        let reached = Arc::clone(&over);
        scope.spawn(move || {
            while matches!(wait.recv_timeout(INTERVAL), Err(RecvTimeoutError::Timeout)) {
                if stop.load(Ordering::Relaxed) || watch.seconds() >= limit.as_secs_f64() {
                    return reached.store(true, Ordering::Relaxed);
                }
            }
        });
        let result = work(&over);
        drop(done);
        result
    })
}
