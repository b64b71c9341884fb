//! `ironbound trim` and `ironbound merge`: certificates made shorter, or one of several.

use std::fs;
use std::path::PathBuf;

use checker::Semantics;
use checker::certificate::Container;
use clap::Args;
use engine::certify::Subject;
use engine::input;

use crate::Finished;
use crate::failure::Failure;

/// Arguments of `ironbound trim` and `ironbound merge`.
#[derive(Args)]
pub struct Arguments {
    /// What the certificates are about, then the certificates
    #[arg(required = true, num_args = 3.., value_names = ["MODEL", "QUERY", "CERTIFICATE"])]
    files: Vec<PathBuf>,
    /// Where to write the certificate that is made of them
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// Joins the certificates and, if `trim`, shortens the result; the checker accepts what is written.
pub fn run(arguments: &Arguments, trim: bool) -> Result<Finished, Failure> {
    let [model, query, certificates @ ..] = &arguments.files[..] else {
        return Err(Failure::new("give MODEL, QUERY and at least one CERTIFICATE"));
    };
    let read = |path: &PathBuf| {
        let bytes = input::read_bytes(path)?;
        match Container::read(&bytes) {
            Ok(container) if container.semantics == Semantics::Integer => {
                Err(Failure::about(path, "is about an integer network; `ironbound quantized merge` joins such certificates"))
            }
            _ => Ok(bytes),
        }
    };
    let certificates: Vec<Vec<u8>> = certificates.iter().map(read).collect::<Result<_, _>>()?;
    let subject = Subject::new(input::read_bytes(model)?, input::read_bytes(query)?);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let revised = subject.revise(&certificates, trim, threads).map_err(|e| Failure::new(e.to_string()))?;
    let output = &arguments.output;
    fs::write(output, &revised.certificate).map_err(|e| Failure::about(output, format!("cannot be written: {e}")))?;
    let bytes = (certificates.iter().map(Vec::len).sum::<usize>(), revised.certificate.len());
    let (before, after) = revised.nodes;
    Ok(Finished::success(format!("accepted: {}\n{before} -> {after} nodes, {} -> {} bytes\n", revised.shown, bytes.0, bytes.1)))
}
