//! ACAS Xu's `.nnet` text files.

use std::path::Path;

use super::InputError;
use crate::graph::Graph;

/// Reads a network from the text of a `.nnet` file; `path` is for messages.
pub fn load(_text: &[u8], path: &Path) -> Result<Graph, InputError> {
    Err(InputError::content(path, "not supported", "give an ONNX file"))
}
