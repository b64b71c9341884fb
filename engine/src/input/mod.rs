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
    let bytes = read_bytes(path)?;
    match first_visible(&bytes) {
        None => Err(InputError::content(path, "the file is empty", "give an .onnx or .nnet file")),
        Some(b'(' | b';') if looks_like_text(&bytes) => {
            Err(InputError::content(path, "this is a VNN-LIB query, not a network", "give an .onnx or .nnet file"))
        }
        Some(_) if looks_like_text(&bytes) => nnet::load(&bytes, path),
        Some(_) => onnx::load(bytes, path),
    }
}

fn first_visible(bytes: &[u8]) -> Option<u8> {
    bytes.iter().copied().find(|b| !b.is_ascii_whitespace()).or(bytes.first().copied())
}

/// True if the beginning holds no control characters: a protobuf message always has some.
fn looks_like_text(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(512)].iter().all(|&b| b >= 0x20 || b.is_ascii_whitespace())
}
