//! Tiny networks and queries written to a temporary folder, and runs of the program on them.
#![allow(dead_code)] // every test file uses its own part

mod model;

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
#[allow(unused_imports)]
pub use model::{Attribute, Model};
use tempfile::TempDir;

/// A folder with a network and a query in it.
pub struct Bench {
    folder: TempDir,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

impl Bench {
    /// A folder holding `net.onnx` and `query.vnnlib`.
    pub fn new(model: &Model, query: &str) -> Bench {
        let bench = Bench::empty();
        bench.write("net.onnx", &model.bytes());
        bench.write("query.vnnlib", query.as_bytes());
        bench
    }

    /// An empty folder.
    pub fn empty() -> Bench {
        Bench { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("lies in the folder")).expect("made");
        fs::write(path, content).expect("written");
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program in the folder.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let mut command = Command::cargo_bin("ironbound").expect("the program is built");
        let done = command.current_dir(self.folder.path()).args(arguments).output().expect("runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Run { code: done.status.code().unwrap_or(-1), output: text(done.stdout), errors: text(done.stderr) }
    }

    /// Verifies `net.onnx` and `query.vnnlib` within a generous limit.
    pub fn verify(&self, further: &[&str]) -> Run {
        self.run(&[&["verify", "net.onnx", "query.vnnlib", "--timeout", "60"], further].concat())
    }
}

impl Run {
    /// The first line of standard output.
    pub fn verdict(&self) -> &str {
        assert_ne!(self.code, 3, "an error where an answer was expected: {}", self.errors);
        self.output.lines().next().unwrap_or("")
    }

    /// The value of a line `name: value`.
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Asserts an error: exit code 3, nothing on standard output, a message with all of these words and no internal error.
    pub fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, 3, "{self:?}");
        assert_eq!(self.output, "", "an error leaves standard output empty");
        assert!(!self.errors.contains("internal error"), "{}", self.errors);
        for word in words {
            assert!(self.errors.contains(word), "`{word}` is not in the message: {}", self.errors);
        }
    }
}

/// A VNN-LIB 1.0 query: input ranges as text, the number of outputs, and assertions.
pub fn query(ranges: &[(&str, &str)], outputs: usize, assertions: &str) -> String {
    let inputs: String = (0..ranges.len()).map(|i| format!("(declare-const X_{i} Real)\n")).collect();
    let declared: String = (0..outputs).map(|o| format!("(declare-const Y_{o} Real)\n")).collect();
    let bounds = ranges.iter().enumerate().map(|(i, (low, high))| format!("(assert (>= X_{i} {low}))\n(assert (<= X_{i} {high}))\n"));
    format!("{inputs}{declared}{}{assertions}\n", bounds.collect::<String>())
}
