//! Work on a thread of its own, without the interpreter lock, while the caller's thread listens for Ctrl-C.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::errors::InternalError;

/// How often Python's signals are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How long work may go on after it was asked to stop, before it is left to itself.
const PATIENCE: Duration = Duration::from_secs(2);
/// Rust's default is 2 MiB; main threads have this.
const STACK: usize = 8 << 20;

/// Runs `work` and calls `tick` now and then; `None` if it did not come back by `deadline`.
///
/// Ctrl-C, or an error of `tick`, sets `stop`, which `work` must look at, and is raised. Work that does not look is left behind; it
/// owns all that it uses.
pub fn run<T: Send + 'static>(
    py: Python<'_>,
    stop: &Arc<AtomicBool>,
    deadline: Option<Instant>,
    mut tick: impl FnMut() -> PyResult<()>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<Option<T>> {
    let (send, receive) = mpsc::sync_channel(1);
    let guarded = move || {
        let _ = send.send(catch_unwind(AssertUnwindSafe(work)));
    };
    let spawned = thread::Builder::new().name("ironbound".into()).stack_size(STACK).spawn(guarded);
    spawned.map_err(|e| PyRuntimeError::new_err(format!("no thread can be started: {e}")))?;
    // Only this thread receives; the lock is what lets it do so while it is detached.
    let receive = Mutex::new(receive);
    let wait = |time| receive.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(time);
    loop {
        match py.detach(|| wait(TICK)) {
            Ok(Ok(result)) => return Ok(Some(result)),
            Ok(Err(panic)) => return Err(internal(panic.as_ref())),
            Err(RecvTimeoutError::Disconnected) => return Err(internal(&"the worker has gone")),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Err(interrupt) = py.check_signals().and_then(|()| tick()) {
            stop.store(true, Ordering::SeqCst);
            py.detach(|| drop(wait(PATIENCE)));
            return Err(interrupt);
        }
        if deadline.is_some_and(|d| Instant::now() >= d) {
            stop.store(true, Ordering::SeqCst);
            return Ok(None);
        }
    }
}

fn internal(panic: &(dyn std::any::Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    InternalError::new_err(format!("internal error: {text}; no verdict was given. Please report this with the network and the query."))
}
