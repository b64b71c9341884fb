//! CPU time and memory of processes, as far as the platform tells.

use std::fs;

/// CPU seconds of this process, all threads, user and system.
#[cfg(unix)]
pub fn own_cpu_seconds() -> Option<f64> {
    cpu_seconds(nix::sys::resource::UsageWho::RUSAGE_SELF)
}

/// CPU seconds of all children waited for so far.
#[cfg(unix)]
pub fn children_cpu_seconds() -> Option<f64> {
    cpu_seconds(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)
}

#[cfg(unix)]
fn cpu_seconds(who: nix::sys::resource::UsageWho) -> Option<f64> {
    let usage = nix::sys::resource::getrusage(who).ok()?;
    let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + 1e-6 * t.tv_usec() as f64;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// CPU seconds of this process: not told here.
#[cfg(not(unix))]
pub fn own_cpu_seconds() -> Option<f64> {
    None
}

/// CPU seconds of all children: not told here.
#[cfg(not(unix))]
pub fn children_cpu_seconds() -> Option<f64> {
    None
}

/// Peak resident memory of a process (`self` or its number) in MiB, while it runs; Linux only.
pub fn peak_mib(process: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
