//! Ironbound's engine: readers, rigorous bounds and search.
//!
//! Rooms in order of dependence; a room uses only rooms above it (`tests/layers.rs` refuses an upward `use`).

pub mod numerics;

pub mod bounds;
pub mod graph;
pub mod input;
pub mod kernels;
pub mod ops;
pub mod proof;
pub mod quantized;
pub mod query;
pub mod search;

pub mod certify;
