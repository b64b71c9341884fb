//! A ground-truth table: `benchmark,onnx,vnnlib,expected,<seconds of each tool>,timeout_s,...`; an empty cell of a tool means not solved.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::list::{Key, cells};
use crate::failure::Failure;

/// Expected verdicts, and which tool solved what.
#[derive(Default)]
pub struct Truth {
    rows: HashMap<Key, Row>,
    tools: Vec<String>,
}

struct Row {
    expected: String,
    solved: Vec<bool>,
}

impl Truth {
    /// Reads a table.
    pub fn read(path: &Path) -> Result<Truth, Failure> {
        let text = fs::read_to_string(path).map_err(|e| Failure::about(path, e))?;
        let mut lines = text.lines();
        let header = cells(lines.next().unwrap_or_default());
        if header.len() < 4 || header[..4] != ["benchmark", "onnx", "vnnlib", "expected"] {
            return Err(Failure::new(format!("{}:1: the header must begin benchmark,onnx,vnnlib,expected", path.display())));
        }
        let tools: Vec<String> = header[4..].iter().take_while(|name| *name != "timeout_s").cloned().collect();
        let rows = lines.map(cells).filter(|row| row.len() >= 4).map(|row| {
            let solved = (0..tools.len()).map(|t| row.get(4 + t).is_some_and(|seconds| !seconds.is_empty())).collect();
            let key = Key { family: row[0].clone(), onnx: row[1].clone(), vnnlib: row[2].clone() };
            (key, Row { expected: row[3].clone(), solved })
        });
        Ok(Truth { rows: rows.collect(), tools })
    }

    /// The table beside a list, or beside its folder, if there is one.
    pub fn beside(list: &Path) -> Option<PathBuf> {
        let whole = fs::canonicalize(list).ok()?;
        whole.ancestors().take(3).map(|folder| folder.join("ground_truth.csv")).find(|table| table.is_file())
    }

    /// The expected verdict.
    pub fn expected(&self, key: &Key) -> Option<String> {
        self.rows.get(key).map(|row| row.expected.clone())
    }

    /// The tool that solved most of these instances, and how many.
    pub fn best_tool(&self, keys: &[Key]) -> Option<(&str, usize)> {
        let rows: Vec<&Row> = keys.iter().filter_map(|key| self.rows.get(key)).collect();
        let solved = |t: usize| rows.iter().filter(|row| row.solved[t]).count();
        let counts = self.tools.iter().enumerate().map(|(t, name)| (name.as_str(), solved(t)));
        counts.rev().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0)
    }
}
