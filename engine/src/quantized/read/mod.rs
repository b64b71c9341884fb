//! Readers of integer networks, of the published benchmark's Keras weights and of MNIST's idx files.
//!
//! Every reader takes arbitrary bytes: a wrong file is an error that names place, expectation and remedy.

mod hdf5;
mod idx;
mod json;
mod keras;
mod npz;

pub use idx::{Images, read_images, read_labels};
pub use json::{network_to_json, query_from_json, query_to_json};

use std::path::Path;

use super::network::Network;
use crate::input::{InputError, read_bytes};

/// Reads a network: Keras weights in HDF5 (quantized on load as in the published benchmark), integers in JSON or npz; told
/// apart by content, gzipped or not.
pub fn read_network(path: &Path) -> Result<Network, InputError> {
    network_from_bytes(&read_bytes(path)?, path)
}

/// The same from bytes; `path` is for messages.
pub fn network_from_bytes(bytes: &[u8], path: &Path) -> Result<Network, InputError> {
    match bytes {
        [0x89, b'H', b'D', b'F', ..] => keras::read(bytes, path),
        [b'P', b'K', ..] => npz::read(bytes, path),
        _ if bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{') => json::network_from_json(bytes, path),
        _ => Err(InputError::content(
            path,
            "neither HDF5 (.h5) nor npz nor JSON",
            "give Keras weights, or an integer network as described in docs/quantized.md",
        )),
    }
}
