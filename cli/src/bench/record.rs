//! One JSON line per finished instance; the file is also what a stopped run resumes from.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::list::Key;
use crate::failure::Failure;

/// What is known about one finished instance.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub struct Record {
    /// The family.
    pub family: String,
    /// The network as the list names it.
    pub onnx: String,
    /// The query as the list names it.
    pub vnnlib: String,
    /// `sat`, `unsat`, `unknown`, `timed-out` or `error`.
    pub result: String,
    /// What the ground truth says, if anything.
    pub expected: Option<String>,
    /// Under which semantics the verdict stands.
    pub semantics: Option<String>,
    /// For `sat`: whether the float32 replay breaks the property, as a competition asks.
    pub breaks_float32: Option<bool>,
    /// The time limit.
    pub limit_s: f64,
    /// Wall time of the whole process.
    pub wall_s: f64,
    /// CPU time of the whole process, user and system.
    pub cpu_s: Option<f64>,
    /// Peak resident memory.
    pub peak_mib: Option<f64>,
    /// Subproblems bounded.
    pub subproblems: Option<u64>,
    /// Share of the input set proved.
    pub proved: Option<f64>,
    /// Proved margin, or the best bound reached.
    pub margin: Option<f64>,
    /// Which method decided.
    pub method: Option<String>,
    /// Why nothing was decided, or the error.
    pub reason: Option<String>,
    /// Exit code of the process; none if a signal ended it.
    pub exit_code: Option<i32>,
}

impl Record {
    /// What tells it from all others.
    pub fn key(&self) -> Key {
        Key { family: self.family.clone(), onnx: self.onnx.clone(), vnnlib: self.vnnlib.clone() }
    }

    /// True for `sat` and `unsat`.
    pub fn decided(&self) -> bool {
        matches!(self.result.as_str(), "sat" | "unsat")
    }

    /// True if the verdict contradicts the ground truth.
    pub fn wrong(&self) -> bool {
        matches!((self.result.as_str(), self.expected.as_deref()), ("sat", Some("unsat")) | ("unsat", Some("sat")))
    }
}

/// The results so far, and where further ones go.
pub struct Journal {
    file: Option<(File, PathBuf)>,
    /// The records found at the start.
    pub earlier: Vec<Record>,
}

impl Journal {
    /// Opens a results file, made if it is not there; a half-written last line is dropped.
    pub fn open(path: Option<&Path>) -> Result<Journal, Failure> {
        let Some(path) = path else {
            return Ok(Journal { file: None, earlier: vec![] });
        };
        let fail = |e: std::io::Error| Failure::about(path, e);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(fail)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(fail)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(fail)?;
        file.seek(std::io::SeekFrom::End(0)).map_err(fail)?;
        let earlier: Result<Vec<Record>, Failure> = text[..whole].lines().enumerate().map(|(i, line)| parse(path, i, line)).collect();
        Ok(Journal { file: Some((file, path.to_path_buf())), earlier: earlier? })
    }

    /// Appends one record; it is on disk when this returns.
    pub fn append(&mut self, record: &Record) -> Result<(), Failure> {
        let Some((file, path)) = &mut self.file else {
            return Ok(());
        };
        let line = serde_json::to_string(record)? + "\n";
        file.write_all(line.as_bytes()).and_then(|()| file.flush()).map_err(|e| Failure::about(path, e))
    }
}

fn parse(path: &Path, index: usize, line: &str) -> Result<Record, Failure> {
    serde_json::from_str(line).map_err(|e| Failure::new(format!("{}:{}: not a result of this program: {e}", path.display(), index + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_written_line_is_dropped_and_overwritten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("results.jsonl");
        let record = Record { family: "f".into(), result: "sat".into(), ..Record::default() };
        Journal::open(Some(&path)).and_then(|mut j| j.append(&record)).expect("written");
        let mut text = std::fs::read_to_string(&path).expect("read");
        text += "{\"family\":\"g\",\"on";
        std::fs::write(&path, text).expect("written");
        let mut journal = Journal::open(Some(&path)).expect("opened");
        assert_eq!(journal.earlier.len(), 1);
        journal.append(&record).expect("written");
        assert_eq!(Journal::open(Some(&path)).expect("opened").earlier.len(), 2);
    }

    #[test]
    fn only_contradictions_are_wrong() {
        let record = |result: &str, expected: Option<&str>| Record {
            result: result.into(),
            expected: expected.map(Into::into),
            ..Record::default()
        };
        assert!(record("sat", Some("unsat")).wrong() && record("unsat", Some("sat")).wrong());
        assert!(!record("unknown", Some("sat")).wrong() && !record("sat", Some("unknown")).wrong() && !record("sat", None).wrong());
    }
}
