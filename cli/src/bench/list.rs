//! Benchmark lists: `onnx,vnnlib,timeout` per line, paths relative to the list's folder, in the form of VNN-COMP.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::Failure;
use crate::options::parse_seconds;

/// One instance of a list.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The family: the name of the list's folder.
    pub family: String,
    /// The network as the list names it.
    pub onnx: String,
    /// The query as the list names it.
    pub vnnlib: String,
    /// The time limit.
    pub limit: Duration,
    folder: PathBuf,
}

impl Instance {
    /// What tells it from all others.
    pub fn key(&self) -> Key {
        Key { family: self.family.clone(), onnx: self.onnx.clone(), vnnlib: self.vnnlib.clone() }
    }

    /// The query's file.
    pub fn query(&self) -> PathBuf {
        on_disk(&self.folder, &self.vnnlib)
    }

    /// The networks as arguments of `--network`: one file, or `NAME=FILE` for each of several.
    pub fn networks(&self) -> Vec<String> {
        match several(&self.onnx) {
            Some(pairs) => pairs.iter().map(|(name, file)| format!("{name}={}", on_disk(&self.folder, file).display())).collect(),
            None => vec![on_disk(&self.folder, &self.onnx).display().to_string()],
        }
    }
}

/// What tells an instance from all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The family.
    pub family: String,
    /// The network as the list names it.
    pub onnx: String,
    /// The query as the list names it.
    pub vnnlib: String,
}

/// The instances of a list, or of every `instances.csv` in the subfolders of a folder, in order.
pub fn read(path: &Path) -> Result<Vec<Instance>, Failure> {
    if !path.is_dir() {
        return read_list(path);
    }
    let own = path.join("instances.csv");
    if own.is_file() {
        return read_list(&own);
    }
    let mut lists: Vec<PathBuf> = fs::read_dir(path)
        .map_err(|e| Failure::about(path, e))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path().join("instances.csv")))
        .filter(|list| list.is_file())
        .collect();
    lists.sort();
    if lists.is_empty() {
        return Err(Failure::about(path, "neither the folder nor its subfolders hold an instances.csv"));
    }
    let read: Result<Vec<Vec<Instance>>, Failure> = lists.iter().map(|list| read_list(list)).collect();
    Ok(read?.concat())
}

fn read_list(list: &Path) -> Result<Vec<Instance>, Failure> {
    let text = fs::read_to_string(list).map_err(|e| Failure::about(list, e))?;
    let folder = list.parent().unwrap_or(Path::new("")).to_path_buf();
    let name = fs::canonicalize(&folder).ok().and_then(|f| f.file_name().map(|n| n.to_string_lossy().into_owned()));
    let family = name.unwrap_or_default();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .filter(|(number, line)| !(*number == 0 && line.starts_with("onnx,vnnlib")))
        .map(|(number, line)| {
            let wrong = |problem: String| Failure::new(format!("{}:{}: {problem}", list.display(), number + 1));
            let cells = cells(line);
            let [onnx, vnnlib, limit, ..] = &cells[..] else {
                return Err(wrong("expected onnx,vnnlib,timeout".into()));
            };
            let limit = parse_seconds(limit).map_err(wrong)?;
            Ok(Instance { family: family.clone(), onnx: plain(onnx), vnnlib: plain(vnnlib), limit, folder: folder.clone() })
        })
        .collect()
}

/// The cells of a CSV line; a quoted cell may hold commas.
pub fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for c in line.trim_end().chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().expect("starts with one cell").push(c),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

fn plain(path: &str) -> String {
    path.strip_prefix("./").unwrap_or(path).to_owned()
}

/// `[('f','onnx/a.onnx'),('g','onnx/b.onnx')]`, as lists of 2026 name several networks.
fn several(cell: &str) -> Option<Vec<(String, String)>> {
    cell.strip_prefix('[')?.strip_suffix(']')?;
    let strings: Vec<&str> = cell.split('\'').skip(1).step_by(2).collect();
    Some(strings.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect())
}

/// The file, or its compressed form where only that is there.
fn on_disk(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let compressed = folder.join(format!("{name}.gz"));
    if !path.exists() && compressed.exists() { compressed } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_cells_hold_commas() {
        let cells = cells("\"[('f','onnx/a.onnx'),('g','b.onnx')]\",./vnnlib/i.vnnlib,100\r");
        assert_eq!(cells.len(), 3);
        assert_eq!(several(&cells[0]).expect("a list"), [("f".into(), "onnx/a.onnx".into()), ("g".into(), "b.onnx".into())]);
        assert_eq!(plain(&cells[1]), "vnnlib/i.vnnlib");
    }
}
