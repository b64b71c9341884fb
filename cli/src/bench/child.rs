//! One instance in a process of its own: a crash, a memory blow-up or an overrun costs that instance only.

use std::ffi::OsString;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::list::Instance;
use super::record::Record;
use crate::failure::Failure;
use crate::json::Answer;
use crate::options::Options;
use crate::usage;

/// How long after its limit a process is ended; it ends itself before.
const GRACE: Duration = Duration::from_secs(5);

/// What came of one process.
pub struct Outcome {
    /// The line for the results file.
    pub record: Record,
    /// The whole answer, where there is one.
    pub answer: Option<Answer>,
}

/// Runs one instance under `limit`. `alone`: no other process of ours runs meanwhile, so the CPU time of children is its own.
pub fn run(
    instance: &Instance,
    limit: Duration,
    options: &Options,
    threads: usize,
    alone: bool,
    again: &[OsString],
) -> Result<Outcome, Failure> {
    let before = usage::children_cpu_seconds();
    let started = Instant::now();
    let mut child = command(instance, limit, options, threads, again)?.spawn()?;
    let (output, errors, killed_at) = collect(&mut child, limit + GRACE)?;
    let status = child.wait()?;
    let wall = started.elapsed();
    let own_cpu = usage::children_cpu_seconds().zip(before).map(|(after, before)| after - before).filter(|_| alone);

    let answer: Option<Answer> = serde_json::from_str(&output).ok().filter(|_| matches!(status.code(), Some(0..=2)));
    let mut record = Record {
        family: instance.family.clone(),
        onnx: instance.onnx.clone(),
        vnnlib: instance.vnnlib.clone(),
        limit_s: limit.as_secs_f64(),
        wall_s: wall.as_secs_f64(),
        cpu_s: own_cpu.or(answer.as_ref().and_then(|a| a.cpu_seconds)),
        peak_mib: killed_at.or(answer.as_ref().and_then(|a| a.peak_mib)),
        exit_code: status.code(),
        ..Record::default()
    };
    match &answer {
        Some(answer) => told(&mut record, answer, wall > limit + limit / 20 + Duration::from_millis(500)),
        None if killed_at.is_some() => (record.result, record.reason) = ("timed-out".into(), Some("ended after its limit".into())),
        None => (record.result, record.reason) = ("error".into(), Some(last_words(status, &errors))),
    }
    Ok(Outcome { record, answer })
}

fn command(instance: &Instance, limit: Duration, options: &Options, threads: usize, again: &[OsString]) -> Result<Command, Failure> {
    let (program, first) = again.split_first().ok_or_else(|| Failure::new("the path of this program is not known"))?;
    let mut command = Command::new(program);
    command.args(first).arg("verify").arg(instance.query()).arg("--json");
    for network in instance.networks() {
        command.args(["--network", &network]);
    }
    command.args(["--timeout", &limit.as_secs_f64().to_string(), "--threads", &threads.to_string()]);
    command.args(["--semantics", options.semantics.word(), "--max-memory", &options.max_memory.to_string()]);
    command.args(["--seed", &options.seed.to_string()]);
    if options.no_attack {
        command.arg("--no-attack");
    }
    if options.allow_empty {
        command.arg("--allow-empty");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// Reads all that a process prints; ends it at the deadline, and then says how much memory it had (zero where unknown).
fn collect(child: &mut Child, deadline: Duration) -> Result<(String, String, Option<f64>), Failure> {
    let (send, receive) = mpsc::channel();
    let mut stdout = child.stdout.take().expect("is piped");
    let mut stderr = child.stderr.take().expect("is piped");
    let errors = thread::spawn(move || text(&mut stderr));
    thread::spawn(move || {
        let _ = send.send(text(&mut stdout));
    });
    match receive.recv_timeout(deadline) {
        Ok(output) => Ok((output, errors.join().unwrap_or_default(), None)),
        Err(RecvTimeoutError::Timeout) => {
            let peak = usage::peak_mib(&child.id().to_string());
            child.kill()?;
            Ok((String::new(), String::new(), Some(peak.unwrap_or(0.0))))
        }
        Err(RecvTimeoutError::Disconnected) => Err(Failure::new("internal error: the reader of a child's output has ended")),
    }
}

fn text(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    // What arrived before a broken pipe still counts.
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn told(record: &mut Record, answer: &Answer, late: bool) {
    record.result = answer.verdict.clone();
    record.reason = answer.reason.clone();
    if late && record.decided() {
        record.reason = Some(format!("answered {} after the limit", answer.verdict));
        record.result = "timed-out".into();
    }
    record.semantics = answer.semantics.clone();
    record.breaks_float32 = answer.witness.as_ref().map(|w| w.breaks_float32);
    record.subproblems = Some(answer.subproblems);
    record.proved = Some(answer.proved);
    record.margin = answer.margin;
    record.method = Some(answer.method.clone());
}

/// The error as the process told it, without our prefix; or the signal that ended it.
fn last_words(status: ExitStatus, errors: &str) -> String {
    let told = errors.lines().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    let told = told.strip_prefix("ironbound: error: ").unwrap_or(told);
    match status.code() {
        Some(_) => told.to_owned(),
        None => format!("ended by {status}: {told}"),
    }
}
