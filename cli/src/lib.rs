//! The command line: one file per subcommand, each a thin skin over the engine.
//!
//! A library, so that the program and the Python package's `ironbound` are the same code.

mod answer;
mod arguments;
mod assignment;
mod bench;
mod bounds;
mod check;
mod digits;
mod eval;
mod failure;
mod files;
mod foreign;
mod json;
mod options;
mod progress;
mod quantized;
mod revise;
mod supports;
mod usage;
mod verify;
mod watchdog;

use std::ffi::OsString;
use std::time::Instant;

use clap::Parser;
use engine::search;

pub use answer::words_of as reason_in_words;
use arguments::{Arguments, Command};
use failure::Failure;

/// What a finished command hands back: its standard output, complete, and its exit code.
///
/// Nothing is written to standard output before a command has succeeded, so an error leaves it empty.
pub(crate) struct Finished {
    /// The whole standard output.
    pub output: String,
    /// The exit code.
    pub code: u8,
}

impl Finished {
    /// Success with this output.
    pub fn success(output: impl Into<String>) -> Finished {
        Finished { output: output.into(), code: 0 }
    }
}

/// The whole program: parses `arguments` (the first is the program's name), carries them out, prints, and returns the exit code.
///
/// `again` starts this same program: its path, or an interpreter and what it runs.
pub fn main(arguments: impl IntoIterator<Item = OsString>, again: Vec<OsString>) -> u8 {
    let started = Instant::now();
    match Arguments::try_parse_from(arguments) {
        Ok(arguments) => failure::guarded(|| run(arguments, again, started)),
        Err(usage) => failure::usage(&usage),
    }
}

fn run(arguments: Arguments, again: Vec<OsString>, started: Instant) -> Result<Finished, Failure> {
    if arguments.name {
        return Ok(Finished::success("ironbound\n"));
    }
    if arguments.version {
        return Ok(Finished::success(concat!(env!("CARGO_PKG_VERSION"), "\n")));
    }
    match arguments.command {
        Some(Command::Verify(arguments)) => verify::run(&arguments, started, search::verify),
        Some(Command::Attack(arguments)) => verify::run(&arguments, started, search::refute),
        Some(Command::Bounds(arguments)) => bounds::run(&arguments, started),
        Some(Command::Eval(arguments)) => eval::run(&arguments),
        Some(Command::Bench(mut arguments)) => {
            arguments.again = again;
            bench::run(&arguments)
        }
        Some(Command::Quantized(which)) => quantized::run(&which),
        Some(Command::Check(arguments)) => check::run(&arguments),
        Some(Command::Trim(arguments)) => revise::run(&arguments, true),
        Some(Command::Merge(arguments)) => revise::run(&arguments, false),
        Some(Command::Export(arguments)) => foreign::export::run(&arguments),
        Some(Command::Supports(which)) => supports::run(&which),
        Some(Command::Digits(which)) => digits::run(&which),
        Some(Command::DigitsTrainCertify(which)) => digits::train_certify(&which),
        None => Err(Failure::new("no command given; `ironbound --help` lists them")),
    }
}
