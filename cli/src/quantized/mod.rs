//! `ironbound quantized`: robustness of integer networks, decided bit for bit.

mod bench;
mod certificate;
mod cpu_limit;
mod data;
mod decide;
mod digits;
mod options;
mod published;
mod query;
mod train;

pub use options::QuantizedArgs;

use engine::quantized::read::{network_to_json, read_network};

use crate::Finished;
use crate::failure::Failure;
use options::{Action, ConvertArgs};

/// Runs `quantized`.
pub fn run(args: &QuantizedArgs) -> Result<Finished, Failure> {
    match &args.action {
        None => query::run(&args.query),
        Some(Action::Samples(args)) => Ok(bench::samples(args)),
        Some(Action::Bench(args)) => bench::run(args),
        Some(Action::Digits(args)) => digits::run(args),
        Some(Action::Train(args)) => train::run(args),
        Some(Action::Convert(args)) => convert(args),
        Some(Action::Check(args)) => certificate::check(args),
        Some(Action::Merge(args)) => certificate::merge(args),
    }
}

fn convert(args: &ConvertArgs) -> Result<Finished, Failure> {
    let network = read_network(&args.network)?;
    let text = network_to_json(&network, None).map_err(|why| Failure::about(&args.network, why))?;
    std::fs::write(&args.out, text).map_err(|e| Failure::about(&args.out, format!("cannot be written: {e}")))?;
    Ok(Finished::success(format!("wrote {} ({})\n", args.out.display(), network.shape())))
}
