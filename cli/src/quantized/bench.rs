//! The published benchmark, and its table.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::quantized::Query;
use serde_json::json;

use super::certificate;
use super::cpu_limit::{Stopwatch, within};
use super::data::Data;
use super::decide::{Verdict, decide_image};
use super::options::{BenchArgs, Dataset, SamplesArgs, Sources};
use super::published::{BLOCKS, Block};
use crate::Finished;
use crate::failure::Failure;
use crate::options::stop_on_interrupt;

const WORDS: [&str; 4] = ["misclassified", "timeout", "vulnerable", "robust"];

/// What came out for one block.
struct Row {
    title: String,
    ids: String,
    counts: [usize; 4],
    published: Option<[usize; 4]>,
    seconds: f64,
    slowest: (f64, usize),
    /// CPU seconds of the checker.
    checked: f64,
}

/// Prints the samples and radii of the benchmark.
pub fn samples(args: &SamplesArgs) -> Finished {
    let mut text = String::new();
    for block in BLOCKS.iter().filter(|b| args.dataset.is_none_or(|d| d == b.dataset)) {
        for id in block.ids.clone() {
            let _ = writeln!(text, "--dataset {} --sample-id {id} --eps {}", block.dataset.name(), block.eps);
        }
    }
    Finished::success(text)
}

/// Runs the benchmark; exit code 1 if a verdict contradicts a published one, 2 if one is missing.
pub fn run(args: &BenchArgs) -> Result<Finished, Failure> {
    let stop = stop_on_interrupt()?;
    let mut rows = Vec::new();
    let mut contradictions = Vec::new();
    for dataset in [Dataset::Mnist, Dataset::FashionMnist].into_iter().filter(|d| args.dataset.is_none_or(|chosen| chosen == *d)) {
        let sources = Sources { weights: args.weights.clone(), images: None, labels: None, data: args.data.clone() };
        let data = Data::read(dataset, &sources)?;
        let radii = |eps: &i64| Block { dataset, ids: 0..args.last + 1, eps: *eps, misclassified: &[], timeout: &[], vulnerable: &[] };
        match args.radius.is_empty() {
            true => {
                for block in BLOCKS.iter().filter(|b| b.dataset == dataset) {
                    rows.push(run_block(block, args.weights.is_none(), &data, args, &stop, &mut contradictions)?);
                }
            }
            false => {
                for block in args.radius.iter().map(radii) {
                    rows.push(run_block(&block, false, &data, args, &stop, &mut contradictions)?);
                }
            }
        }
    }
    let open: usize = rows.iter().map(|r| r.counts[1]).sum();
    let mut text = table(&rows);
    for line in &contradictions {
        let _ = writeln!(text, "CONTRADICTION: {line}");
    }
    let code = if !contradictions.is_empty() {
        1
    } else if open > 0 {
        2
    } else {
        0
    };
    Ok(Finished { output: text, code })
}

fn run_block(
    block: &Block,
    published: bool,
    data: &Data,
    args: &BenchArgs,
    stop: &Arc<AtomicBool>,
    contradictions: &mut Vec<String>,
) -> Result<Row, Failure> {
    let name = block.dataset.name();
    let mut row = Row {
        title: format!("{name} eps {}", block.eps),
        ids: format!("{}-{}", block.ids.start, block.ids.end - 1),
        counts: [0; 4],
        published: published.then(|| WORDS.map(|word| block.ids.clone().filter(|id| block.verdict(*id) == word).count())),
        seconds: 0.0,
        slowest: (0.0, block.ids.start),
        checked: 0.0,
    };
    for id in block.ids.clone() {
        let (image, label) = data.sample(id)?;
        let watch = Stopwatch::start();
        let (verdict, effort) = within(args.timeout, stop, |over| decide_image(&data.network, &image, label, block.eps, None, over))?;
        let seconds = watch.seconds();
        if stop.load(Ordering::Relaxed) {
            return Err(Failure::new("interrupted: no table; --out FILE keeps the verdicts so far"));
        }
        let word = verdict.word();
        if let Some(folder) = &args.certificates {
            row.checked += certified(folder, block, id, &verdict, data)?;
        }
        row.counts[WORDS.iter().position(|w| *w == word).expect("a verdict's word")] += 1;
        row.seconds += seconds;
        if seconds > row.slowest.0 {
            row.slowest = (seconds, id);
        }
        let theirs = if published { block.verdict(id) } else { "timeout" };
        if theirs != "timeout" && word != "timeout" && theirs != word {
            contradictions.push(format!("{name} sample {id}: {word} here, {theirs} published"));
        }
        if let Some(file) = &args.out {
            let line = json!({
                "dataset": name, "sample": id, "eps": block.eps, "verdict": word, "cpu_seconds": seconds, "parts": effort.parts,
                "classes_by_interval": effort.by_interval, "by_relaxation": effort.by_relaxation, "by_branching": effort.by_branching,
            });
            let written = OpenOptions::new().create(true).append(true).open(file).and_then(|mut f| writeln!(f, "{line}"));
            written.map_err(|e| Failure::about(file, e))?;
        }
        eprintln!("{name} {id} eps {}: {word} in {seconds:.3} s, {} parts", block.eps, effort.parts);
    }
    Ok(row)
}

/// Writes and checks the certificate of a verdict; the checker's CPU seconds.
fn certified(folder: &Path, block: &Block, id: usize, verdict: &Verdict, data: &Data) -> Result<f64, Failure> {
    let (image, label) = data.sample(id)?;
    let query = Query::around(&data.network, &image, block.eps, label);
    let Some((bytes, text)) = certificate::make(verdict, &query, &data.network_bytes) else { return Ok(0.0) };
    let file = folder.join(format!("{}_{id:04}_eps{}.cert", block.dataset.name(), block.eps));
    std::fs::create_dir_all(folder).map_err(|e| Failure::about(folder, e))?;
    certificate::write(&file, &bytes, &text)?;
    let watch = Stopwatch::start();
    checker::integer::check(&data.network_bytes, text.as_bytes(), &bytes)
        .map_err(|fault| Failure::about(&file, format!("the checker rejects it at byte {}: {}", fault.at, fault.reason)))?;
    Ok(watch.seconds())
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("Each cell: ours (published)\n\n");
    let header = ["samples", "misclassified", "timeout", "vulnerable", "robust", "CPU s", "slowest"];
    let _ = writeln!(
        text,
        "{:<22}{:>9}{:>15}{:>12}{:>12}{:>12}{:>9}{:>14}",
        "", header[0], header[1], header[2], header[3], header[4], header[5], header[6]
    );
    let widths = [15, 12, 12, 12];
    for row in rows {
        let _ = write!(text, "{:<22}{:>9}", row.title, row.ids);
        for (k, width) in widths.iter().enumerate() {
            let cell = row.published.map_or(format!("{}", row.counts[k]), |p| format!("{} ({})", row.counts[k], p[k]));
            let _ = write!(text, "{cell:>width$}");
        }
        let _ = writeln!(text, "{:>9.2}{:>14}", row.seconds, format!("{:.2} ({})", row.slowest.0, row.slowest.1));
    }
    let total = |k: usize| rows.iter().map(|r| r.counts[k]).sum::<usize>();
    let seconds: f64 = rows.iter().map(|r| r.seconds).sum();
    let _ = writeln!(
        text,
        "\n{} queries: {} misclassified, {} timeout, {} vulnerable, {} robust; {seconds:.2} s of CPU time",
        rows.iter().map(|r| r.counts.iter().sum::<usize>()).sum::<usize>(),
        total(0),
        total(1),
        total(2),
        total(3)
    );
    let checked: f64 = rows.iter().map(|r| r.checked).sum();
    if checked > 0.0 {
        let _ = writeln!(text, "all certificates accepted by the checker in {checked:.2} s of CPU time");
    }
    text
}
