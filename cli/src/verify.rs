//! `ironbound verify` and `ironbound attack`: read a network and a query, decide, answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use engine::certify::{Certificate, Start, Subject, Workshop};
use engine::graph::Graph;
use engine::input;
use engine::query::Query;
use engine::search::{Config, Observer, Reason, Report, Verdict, Witness};

use crate::Finished;
use crate::answer::{self, Style, Told, Words};
use crate::assignment;
use crate::failure::Failure;
use crate::files::{Files, Problem};
use crate::json::Answer;
use crate::options::{self, Options, parse_seconds};
use crate::progress::Display;
use crate::watchdog::Watchdog;

/// Arguments of `ironbound verify`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,
    /// Wall-clock limit in seconds, start-up and reading included
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    timeout: Option<Duration>,
    #[command(flatten)]
    options: Options,
    /// The words of the verdict
    #[arg(long, value_enum, default_value_t = Words::Standard)]
    words: Words,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print the verdict and the witness only, and no progress
    #[arg(long, short)]
    quiet: bool,
    /// Also write the witness here, in the query's own format
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    /// Write the proof or the witness here, for `ironbound check`; what is proved so far, if time runs out (the checker's look at it comes after the limit)
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Have the independent checker accept the whole proof before the verdict is printed (--certificate alone: each node once)
    #[arg(long)]
    check: bool,
    /// Go on from this certificate of the same network and query
    #[arg(long, value_name = "FILE", conflicts_with = "reuse")]
    resume: Option<PathBuf>,
    /// Begin with the tree of this certificate of another network of the same shape, or of a similar query
    #[arg(long, value_name = "FILE")]
    reuse: Option<PathBuf>,
    /// Write the witness as one ONNX TensorProto per variable here instead of printing it
    #[arg(long, value_name = "DIR")]
    serialise_assignments: Option<PathBuf>,
}

impl Arguments {
    /// The certificate to start from.
    fn start(&self) -> Option<(Start, &Path)> {
        let resume = self.resume.as_deref().map(|file| (Start::Resume, file));
        resume.or(self.reuse.as_deref().map(|file| (Start::Reuse, file)))
    }
}

/// What decides: the whole search, or the attack alone.
type Decide = fn(&Graph, &Query, &Config, &dyn Observer) -> Report;

/// Decides the query.
pub fn run(arguments: &Arguments, started: Instant, decide: Decide) -> Result<Finished, Failure> {
    let mut watchdog =
        arguments.timeout.map(|limit| overrun(arguments, limit).map(|output| Watchdog::start(started, limit, output))).transpose()?;
    let problem = arguments.files.read(&arguments.options)?;
    let record = arguments.certificate.is_some() || arguments.check || arguments.start().is_some();
    let config = arguments.options.config(started, arguments.timeout, options::stop_on_interrupt()?);
    let display = Display::new(started, arguments.quiet || arguments.json);
    let report = match record {
        true => certified(arguments, &problem, config, &display, decide, &mut watchdog)?,
        false => decide(&problem.network, &problem.query, &config, &display),
    };
    drop(display);
    if let Some(watchdog) = watchdog {
        watchdog.call_off();
    }
    tell(arguments, &problem, &report)
}

/// Decides, has the checker accept the answer, and writes its certificate.
fn certified(
    arguments: &Arguments,
    problem: &Problem,
    config: Config,
    observer: &dyn Observer,
    decide: Decide,
    watchdog: &mut Option<Watchdog>,
) -> Result<Report, Failure> {
    let Problem { network, query, model_path, query_path } = problem;
    let subject = Subject::new(input::read_bytes(model_path)?, input::read_bytes(query_path)?);
    let config = &Config { record: Some(subject.files()), ..config };
    let workshop = Workshop { subject, network, query, config, observer };
    let mut report = match arguments.start() {
        Some((start, file)) => {
            let bytes = fs::read(file).map_err(|e| Failure::about(file, format!("cannot be read: {e}")))?;
            workshop.start(start, &bytes).map_err(|e| Failure::about(file, e))?
        }
        None => decide(network, query, config, observer),
    };
    // What is proved when the time is up is not lost: making its certificate may take longer.
    if let Some(watchdog) = watchdog.take() {
        watchdog.call_off();
    }
    let certificate = workshop.certify(&mut report).map_err(|e| Failure::new(e.to_string()))?;
    report.statistics.elapsed = config.started.elapsed();
    let Some(Certificate { bytes, shown, whole }) = certificate else { return Ok(report) };
    if arguments.check && !whole {
        let judged = workshop.subject.judge(&bytes, config.threads);
        judged.map_err(|why| {
            Failure::new(format!("no verdict: the checker does not accept the whole certificate: {why}; please report this"))
        })?;
    }
    report.notes.extend(shown.map(|words| format!("certificate accepted: {words}")));
    if let Some(file) = &arguments.certificate {
        fs::write(file, &bytes).map_err(|e| Failure::about(file, format!("cannot be written: {e}")))?;
    }
    Ok(report)
}

fn tell(arguments: &Arguments, problem: &Problem, report: &Report) -> Result<Finished, Failure> {
    if let Verdict::Fails(witness) = &report.verdict {
        save(arguments, problem, witness)?;
    }
    let output = match arguments.json {
        true => Answer::new(report, arguments.words).line()?,
        false => answer::text(report, problem, &style(arguments)),
    };
    Ok(Finished { output, code: Told::of(report, arguments.words).code() })
}

fn style(arguments: &Arguments) -> Style {
    Style { words: arguments.words, quiet: arguments.quiet, hide_witness: arguments.serialise_assignments.is_some() }
}

fn save(arguments: &Arguments, Problem { query, network, .. }: &Problem, witness: &Witness) -> Result<(), Failure> {
    if let Some(path) = &arguments.witness {
        let text = assignment::text(query, network.element, witness);
        fs::write(path, text).map_err(|e| Failure::about(path, format!("cannot be written: {e}")))?;
    }
    if let Some(folder) = &arguments.serialise_assignments {
        assignment::serialise(query, network.element, witness, folder)?;
    }
    Ok(())
}

/// What is printed if the limit passes while nobody looks at the clock.
fn overrun(arguments: &Arguments, limit: Duration) -> Result<String, Failure> {
    let mut report = Report::unknown(Reason::Timeout, None);
    report.statistics.elapsed = limit;
    match arguments.json {
        true => Ok(Answer::new(&report, arguments.words).line()?),
        false => Ok(format!("{}\n", Told::of(&report, arguments.words).word(arguments.words))),
    }
}
