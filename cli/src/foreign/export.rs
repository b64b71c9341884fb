//! `ironbound export`: certificates of our own in the formats of other tools.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use engine::query::Query;
use exchange::leaves::{self, Effort};
use exchange::nodes::Domain;
use exchange::rational::{extract, monotonicity, prove};
use exchange::{lirpa, nodes};

use super::Format;
use super::given::Given;
use crate::Finished;
use crate::digits;
use crate::failure::Failure;
use crate::options::parse_seconds;

/// Arguments of `ironbound export`.
#[derive(Args)]
pub struct Arguments {
    /// MODEL and QUERY, or WEIGHTS and DATASET, as the format needs
    #[arg(num_args = 0..=2, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The format to write
    #[arg(long, value_enum)]
    format: Format,
    /// Write here instead of to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Put the network into the certificate (per-node formats)
    #[arg(long)]
    embed: bool,
    /// How far each pixel may move (robust_margin_cert_v0_1)
    #[arg(long, default_value_t = 0.02, value_parser = digits::radius)]
    eps: f64,
    /// Prove this many images at most (robust_margin_cert_v0_1)
    #[arg(long, value_name = "N", default_value_t = 100)]
    max: usize,
    /// Give up beyond this many leaves (abcrown_leaf_artifact_v0_1)
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_leaves: u32,
    /// Give up after this many seconds (abcrown_leaf_artifact_v0_1)
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = parse_seconds)]
    timeout: Duration,
}

/// Writes a certificate that `ironbound check` accepts; what cannot be proved is not written.
pub fn run(arguments: &Arguments) -> Result<Finished, Failure> {
    let text = write(arguments)?;
    match &arguments.output {
        None => Ok(Finished::success(text)),
        Some(path) => {
            std::fs::write(path, &text).map_err(|e| Failure::about(path, format!("cannot be written: {e}")))?;
            Ok(Finished::success(format!("wrote {} ({} bytes)\n", path.display(), text.len())))
        }
    }
}

fn write(arguments: &Arguments) -> Result<String, Failure> {
    let format = arguments.format;
    if format == Format::RobustMargin {
        let [weights, dataset] = &arguments.files[..] else { return Err(Failure::new("give WEIGHTS and DATASET for this format")) };
        return digits::margin_certificate(weights, dataset, arguments.eps, arguments.max);
    }
    let given = Given::read(&arguments.files)?;
    let graph = given.needed_network("this format is about a network")?;
    match format {
        Format::Monotonicity => Ok(monotonicity::write(&extract::chain(graph)?)?),
        Format::CrownQuery => Ok(prove::write(graph, given.needed_query("this format is about a query")?)?),
        Format::Leaves => {
            let effort = Effort { leaves: arguments.max_leaves as usize, time: arguments.timeout };
            Ok(leaves::write(graph, given.needed_query("this format is about a query")?, effort)?)
        }
        Format::IbpOutput => {
            let name = arguments.files[0].file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            Ok(lirpa::write(&name, graph, &domain(given.needed_query("this format is about a box of inputs")?)?)?)
        }
        _ => {
            let domain = domain(given.needed_query("this format is about a box of inputs")?)?;
            let kind = format.kind().ok_or_else(|| Failure::new("not a per-node format"))?;
            Ok(nodes::write(graph, &domain, kind, arguments.embed)?)
        }
    }
}

/// The smallest box that holds all inputs of a query.
fn domain(query: &Query) -> Result<Domain, Failure> {
    let mut boxes = query.cases.iter().map(|c| c.region.ranges.iter().map(|r| (r.low.clone(), r.high.clone())).collect::<Domain>());
    let first = boxes.next().ok_or_else(|| Failure::new("the query has no inputs"))?;
    Ok(boxes.fold(first, |all, own| all.into_iter().zip(own).map(|((l, h), (low, high))| (l.min(low), h.max(high))).collect()))
}
