//! Readers: files in, values that cannot be wrong out, or an error that names the file, the place and the remedy.

mod error;
mod file;
pub mod nnet;
pub mod onnx;
pub mod vnnlib;

pub use error::InputError;
pub use file::read_bytes;

use std::path::Path;

use crate::graph::Graph;

/// Reads a network: ONNX or ACAS Xu's `.nnet` text, either one gzipped or not, told apart by content.
///
/// The network that comes back has been evaluated at pseudo-random points by an independent slow evaluator as well;
/// if the two differ, the file is refused.
pub fn load_network(path: &Path) -> Result<Graph, InputError> {
    parse_network(read_bytes(path)?, path)
}

/// As [`load_network`] from bytes that are there already, not gzipped; `path` is for messages and external data.
pub fn parse_network(bytes: Vec<u8>, path: &Path) -> Result<Graph, InputError> {
    match first_visible(&bytes) {
        None => Err(InputError::content(path, "the file is empty", "give an .onnx or .nnet file")),
        Some(b'(' | b';') if looks_like_text(&bytes) => {
            Err(InputError::content(path, "this is a VNN-LIB query, not a network", "give an .onnx or .nnet file"))
        }
        Some(_) if looks_like_text(&bytes) => nnet::load(&bytes, path).map_err(|error| match is_named_onnx(path) {
            true => InputError::content(
                path,
                "this is text, not an ONNX model",
                "give the binary .onnx file (a download may have saved a web page)",
            ),
            false => error,
        }),
        Some(_) => onnx::load(bytes, path),
    }
}

/// True for `x.onnx` and `x.onnx.gz`.
fn is_named_onnx(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.trim_end_matches(".gz").ends_with(".onnx")
}

fn first_visible(bytes: &[u8]) -> Option<u8> {
    bytes.iter().copied().find(|b| !b.is_ascii_whitespace()).or(bytes.first().copied())
}

/// True if the beginning holds no control characters: a protobuf message always has some.
fn looks_like_text(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(512)].iter().all(|&b| b >= 0x20 || b.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn files_are_told_apart_by_content_and_inflated() {
        let folder = std::env::temp_dir().join(format!("ironbound-input-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let nnet = b"1,1,1,1\n1,1\n0\n-1\n1\n0,0\n1,1\n2\n3\n";
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(nnet).expect("in memory");
        let packed = packer.finish().expect("in memory");
        let load = |bytes: &[u8]| {
            // The name says nothing.
            std::fs::write(folder.join("file"), bytes).expect("written");
            load_network(&folder.join("file")).map(|g| g.output_f64(&[5.0])).map_err(|e| e.to_string())
        };
        assert_eq!(load(nnet), Ok(vec![13.0]));
        assert_eq!(load(&packed), Ok(vec![13.0]));
        assert!(load(&packed[..packed.len() - 9]).is_err_and(|e| e.contains("gzip data cannot be inflated")));
        assert!(load(b"; comment\n(declare-const X_0 Real)").is_err_and(|e| e.contains("this is a VNN-LIB query")));
        std::fs::write(folder.join("page.onnx"), b"<!DOCTYPE html>").expect("written");
        assert!(load_network(&folder.join("page.onnx")).is_err_and(|e| e.to_string().contains("this is text, not an ONNX model")));
        assert!(load(b"").is_err_and(|e| e.contains("the file is empty")));
        assert!(load(&[8, 1, 2, 3]).is_err_and(|e| e.contains("not a readable ONNX file") || e.contains("no operator set")));
        assert!(load_network(&folder).is_err_and(|e| e.to_string().contains("this is a folder")));
        assert!(load_network(&folder.join("none")).is_err_and(|e| e.to_string().contains("cannot be read")));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
