//! `ironbound check`: certificates, judged anew.

use std::path::PathBuf;
use std::time::Duration;

use checker::files::Failure as Refusal;
use clap::Args;
use engine::certify::Subject;
use engine::input;
use exchange::json::Reading;

use crate::Finished;
use crate::failure::Failure;
use crate::foreign::{self, Format};
use crate::options::parse_seconds;

/// Arguments of `ironbound check`.
#[derive(Args)]
pub struct Arguments {
    /// The certificate, and before it what it is about: MODEL, QUERY, or WEIGHTS and DATASET
    #[arg(required = true, num_args = 1..=3, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The certificate's format, if it is one of another tool's
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Also find by how much all conditions on outputs could be stricter with the same certificate
    #[arg(long)]
    pub room: bool,
    /// What the numbers of a certificate stand for
    #[arg(long, value_enum, default_value_t = Numbers::Decimal)]
    pub numbers: Numbers,
    /// Seconds for proving the bounds of one leaf again (abcrown_leaf_artifact_v0_1)
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = parse_seconds)]
    pub timeout: Duration,
}

/// `--numbers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Numbers {
    /// Themselves: 0.1 is one tenth
    Decimal,
    /// The nearest binary64 number, as most programs read and write JSON
    Binary64,
}

impl Numbers {
    /// As the readers call it.
    pub fn reading(self) -> Reading {
        match self {
            Numbers::Decimal => Reading::Decimal,
            Numbers::Binary64 => Reading::Binary64,
        }
    }
}

/// Exit code 0: accepted, everything that the certificate states is true. 1: rejected. 2: nothing was proved, as no network was
/// given. 3: a file cannot be read.
pub fn run(arguments: &Arguments) -> Result<Finished, Failure> {
    match arguments.format {
        Some(format) => foreign::check::run(format, arguments),
        None => own(&arguments.files, arguments.room),
    }
}

/// Our own certificates.
fn own(files: &[PathBuf], room: bool) -> Result<Finished, Failure> {
    let [model, query, certificate] = files else {
        return Err(Failure::new("give MODEL, QUERY and CERTIFICATE, or name the certificate's --format (`ironbound check --help`)"));
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let subject = Subject::new(input::read_bytes(model)?, input::read_bytes(query)?);
    let bytes = input::read_bytes(certificate)?;
    match subject.judge(&bytes, threads) {
        Ok(shown) => {
            let found = if room { subject.room(&bytes, threads).map_err(|e| Failure::about(certificate, e))? } else { None };
            let line = found.map_or(String::new(), |room| {
                format!("room: {room:e} (conditions on outputs this much stricter hold by the same proof)\n")
            });
            Ok(Finished::success(format!("accepted: {shown}\n{line}")))
        }
        Err(Refusal::Rejected(why)) => Ok(Finished { output: format!("rejected: {why}\n"), code: 1 }),
        Err(Refusal::Unreadable(why)) => Err(Failure::about(model, why)),
    }
}
