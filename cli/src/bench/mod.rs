//! `ironbound bench`: a list of instances, each in its own process under its own limit, compared with a ground truth.

mod child;
mod list;
mod record;
mod summary;
mod truth;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Args;

use crate::Finished;
use crate::failure::Failure;
use crate::options::{Options, parse_seconds};
use list::{Instance, Key};
use record::{Journal, Record};
use truth::Truth;

/// Arguments of `ironbound bench`.
#[derive(Args)]
pub struct Arguments {
    /// An instances.csv (onnx,vnnlib,timeout), its folder, or a folder of such folders
    list: PathBuf,
    /// Append one JSON line per instance here, and skip what is already there
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Lower every limit to this many seconds
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    timeout_cap: Option<Duration>,
    /// Only these: a family, or FAMILY/TEXT with the text in a file name (may be repeated)
    #[arg(long, value_name = "FAMILY[/TEXT]")]
    only: Vec<String>,
    /// Instances at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Expected verdicts [default: ground_truth.csv beside the list]
    #[arg(long, value_name = "FILE")]
    ground_truth: Option<PathBuf>,
    /// Write every witness here
    #[arg(long, value_name = "DIR")]
    witnesses: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// Starts this same program.
    #[arg(skip)]
    pub again: Vec<OsString>,
}

/// Runs the list; exit code 1 if any verdict is wrong.
pub fn run(arguments: &Arguments) -> Result<Finished, Failure> {
    let truth = match arguments.ground_truth.clone().or_else(|| Truth::beside(&arguments.list)) {
        Some(table) => Truth::read(&table)?,
        None => Truth::default(),
    };
    let instances: Vec<Instance> = list::read(&arguments.list)?.into_iter().filter(|i| chosen(i, &arguments.only)).collect();
    if instances.is_empty() {
        return Err(Failure::about(&arguments.list, "no instance is chosen; `--only` takes FAMILY or FAMILY/TEXT"));
    }
    let journal = Journal::open(arguments.out.as_deref())?;
    let records = run_missing(arguments, &instances, &truth, journal)?;
    let code = u8::from(records.iter().any(Record::wrong));
    Ok(Finished { output: summary::text(&records, &truth), code })
}

fn chosen(instance: &Instance, only: &[String]) -> bool {
    let matches = |wanted: &String| match wanted.split_once('/') {
        Some((family, text)) => instance.family == family && (instance.onnx.contains(text) || instance.vnnlib.contains(text)),
        None => instance.family == *wanted,
    };
    only.is_empty() || only.iter().any(matches)
}

/// Runs what has no record yet; returns the records of all chosen instances in their order.
fn run_missing(arguments: &Arguments, instances: &[Instance], truth: &Truth, journal: Journal) -> Result<Vec<Record>, Failure> {
    let mut done: HashMap<Key, Record> = journal.earlier.iter().map(|record| (record.key(), record.clone())).collect();
    let mut seen = HashSet::new();
    let missing: Vec<&Instance> = instances.iter().filter(|i| !done.contains_key(&i.key()) && seen.insert(i.key())).collect();
    let (next, finished, journal) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(journal));
    let work = || -> Result<Vec<Record>, Failure> {
        let mut records = Vec::new();
        while let Some(instance) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            let record = run_one(arguments, instance, truth)?;
            let number = finished.fetch_add(1, Ordering::Relaxed) + 1;
            eprintln!("[{number}/{}] {}", missing.len(), told(&record));
            journal.lock().expect("no holder of the lock panics").append(&record)?;
            records.push(record);
        }
        Ok(records)
    };
    let results: Vec<Result<Vec<Record>, Failure>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..arguments.jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a panic of a worker is ours")).collect()
    });
    for records in results {
        done.extend(records?.into_iter().map(|record| (record.key(), record)));
    }
    Ok(instances.iter().filter_map(|instance| done.get(&instance.key()).cloned()).collect())
}

fn run_one(arguments: &Arguments, instance: &Instance, truth: &Truth) -> Result<Record, Failure> {
    let limit = arguments.timeout_cap.map_or(instance.limit, |cap| cap.min(instance.limit));
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = arguments.options.threads.map_or((cores / arguments.jobs as usize).max(1), usize::from);
    let mut outcome = child::run(instance, limit, &arguments.options, threads, arguments.jobs == 1, &arguments.again)?;
    outcome.record.expected = truth.expected(&instance.key());
    if let (Some(folder), Some(answer)) = (&arguments.witnesses, &outcome.answer) {
        write_witness(folder, instance, answer)?;
    }
    Ok(outcome.record)
}

/// Writes a witness with its instance, for `scripts/replay_witnesses.py`.
fn write_witness(folder: &Path, instance: &Instance, answer: &crate::json::Answer) -> Result<(), Failure> {
    let Some(witness) = &answer.witness else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|e| Failure::about(folder, e))?;
    let name = format!("{}__{}__{}.json", instance.family, instance.onnx, instance.vnnlib);
    let path = folder.join(name.replace(['/', '\\', '[', ']', '\''], "_"));
    let text = serde_json::json!({
        "family": instance.family, "onnx": instance.onnx, "vnnlib": instance.vnnlib, "semantics": answer.semantics,
        "breaks_real": witness.breaks_real, "breaks_float32": witness.breaks_float32,
        "input": witness.input, "output": witness.output,
    });
    fs::write(&path, text.to_string() + "\n").map_err(|e| Failure::about(&path, e))
}

fn told(record: &Record) -> String {
    let mark = if record.wrong() { " WRONG" } else { "" };
    let reason = record.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
    format!("{} {} {}: {}{mark} in {:.3} s{reason}", record.family, record.onnx, record.vnnlib, record.result, record.wall_s)
}
