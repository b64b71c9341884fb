//! ONNX files, node by node: what is verified is what is in the file, with no optimiser in between.

mod compare;
pub mod lower;
mod model;
pub mod proto;
mod reference;
mod shape;
mod tensor;

use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

use super::InputError;
use crate::graph::Graph;
use proto::ModelProto;

pub(crate) use compare::pseudo_random;
pub use lower::supported_operators;

/// Reads a network from the bytes of an ONNX file; `path` is for messages and for external data beside it.
pub fn load(bytes: Vec<u8>, path: &Path) -> Result<Graph, InputError> {
    // Zero-copy: the weights stay in the file's buffer until an operator takes them.
    let model = ModelProto::decode(Bytes::from(bytes)).map_err(|e| {
        InputError::content(
            path,
            format!("not a readable ONNX file: {e}"),
            "the file is truncated or corrupt, or not ONNX; fetch or export it again",
        )
    })?;
    load_model(model, path)
}

/// Reads a network from a decoded model.
pub fn load_model(model: ModelProto, path: &Path) -> Result<Graph, InputError> {
    let model = model::Model::new(model, path)?;
    let graph = lower::lower(&model)?;
    compare::compare(&model, &graph)?;
    Ok(graph)
}

#[cfg(test)]
mod tests;
