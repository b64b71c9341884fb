//! `ironbound-check MODEL QUERY CERTIFICATE [THREADS]`: checks a certificate against plain (not compressed) files.
//! Exit status 0: accepted, 1: rejected, 3: a file cannot be read.

use std::process::ExitCode;

use checker::certificate::Source;
use checker::cursor::Stored;
use checker::files::{Failure, Shown, check_files};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (files, threads) = match &arguments[..] {
        [files @ .., last] if files.len() == 3 => match last.parse() {
            Ok(threads) if threads > 0 => (files, threads),
            _ => return usage(),
        },
        files if files.len() == 3 => (files, std::thread::available_parallelism().map_or(1, usize::from)),
        _ => return usage(),
    };
    let unread = |name: &String, error| Failure::Unreadable(format!("{name}: {error}"));
    let read = |name: &String| std::fs::read(name).map_err(|error| unread(name, error));
    // The only one of the three that may be large: read piece by piece.
    let open = |name: &String| Stored::open(name).map_err(|error| unread(name, error));
    let result = || check_files(&read(&files[0])?, &read(&files[1])?, Source::File(&open(&files[2])?), threads);
    match result() {
        Ok(Shown::Holds(semantics, accepted)) if accepted.proved == 1.0 => {
            println!("accepted: holds under {}, {accepted}", semantics.word());
            ExitCode::SUCCESS
        }
        Ok(Shown::Holds(semantics, accepted)) => {
            println!("accepted in part: {} of the input set proved under {}, {accepted}", accepted.proved, semantics.word());
            ExitCode::SUCCESS
        }
        Ok(Shown::Fails(semantics)) => {
            println!("accepted: fails under {}", semantics.word());
            ExitCode::SUCCESS
        }
        Err(failure @ Failure::Rejected(_)) => {
            println!("rejected: {failure}");
            ExitCode::from(1)
        }
        Err(failure) => {
            eprintln!("unreadable: {failure}");
            ExitCode::from(3)
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: ironbound-check MODEL QUERY CERTIFICATE [THREADS]\nfiles are ONNX, VNN-LIB and a certificate, not compressed");
    ExitCode::from(3)
}
