//! `ironbound quantized`: robustness of integer networks, decided bit for bit.

mod bench;
mod certificate;
mod data;
mod decide;
mod options;
mod published;

use std::fmt::Write;

use engine::quantized::Query;
use serde_json::json;

pub use options::QuantizedArgs;

use crate::Finished;
use crate::failure::Failure;
use crate::options::stop_on_interrupt;
use data::Data;
use decide::{Verdict, decide_image};
use options::{Action, QueryArgs};

/// Runs `quantized`.
pub fn run(args: &QuantizedArgs) -> Result<Finished, Failure> {
    match &args.action {
        None => query(&args.query),
        Some(Action::Samples(args)) => Ok(bench::samples(args)),
        Some(Action::Bench(args)) => bench::run(args),
        Some(Action::Check(args)) => certificate::check(args),
    }
}

fn query(args: &QueryArgs) -> Result<Finished, Failure> {
    let (Some(id), Some(eps)) = (args.sample_id, args.eps) else {
        return Err(Failure::new("give --sample-id ID and --eps N, or a subcommand; `ironbound quantized --help` lists them"));
    };
    let data = Data::read(args.dataset, &args.sources)?;
    let (image, label) = data.sample(id)?;
    let (verdict, effort) = decide_image(&data.network, &image, label, eps, args.timeout, &stop_on_interrupt()?)?;
    let mut text = format!("{}\n", verdict.word());
    let _ = writeln!(text, "query: {} sample {id}, class {label}, eps {eps}", args.dataset.name());
    let _ = writeln!(text, "network: {}, integer semantics", data.network.shape());
    match &verdict {
        Verdict::Vulnerable(x) => {
            let outputs = data.network.evaluate(x);
            let changed = x.iter().zip(&image).filter(|(a, b)| a != b).count();
            let _ = writeln!(text, "class there: {} ({changed} pixels changed)", engine::quantized::first_maximum(&outputs));
            let _ = writeln!(text, "outputs: {}", spaced(&outputs));
            let _ = writeln!(text, "image: {}", spaced(x));
        }
        Verdict::Misclassified(class) => {
            let _ = writeln!(text, "class of the image: {class}");
        }
        Verdict::Robust(_) | Verdict::Timeout => {}
    }
    let _ = writeln!(
        text,
        "classes excluded by intervals: {}, by one relaxation: {}, by branching: {}; parts: {}",
        effort.by_interval, effort.by_relaxation, effort.by_branching, effort.parts
    );
    if let Some(file) = &args.certificate {
        let query = Query::around(&data.network, &image, eps, label);
        match certificate::make(&verdict, &query, &data.network_bytes) {
            Some((bytes, query)) => {
                certificate::write(file, &bytes, &query)?;
                let _ = writeln!(text, "certificate: {} ({} bytes)", file.display(), bytes.len());
            }
            None => text += "certificate: none, nothing was proved\n",
        }
    }
    if args.json {
        let witness = if let Verdict::Vulnerable(x) = &verdict { Some(x) } else { None };
        text = json!({"verdict": verdict.word(), "semantics": "integer", "dataset": args.dataset.name(), "sample": id, "label": label,
            "eps": eps, "witness": witness, "parts": effort.parts})
        .to_string()
            + "\n";
    }
    Ok(Finished { output: text, code: verdict.code() })
}

fn spaced(numbers: &[i64]) -> String {
    numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
}
