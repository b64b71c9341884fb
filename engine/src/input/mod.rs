//! Readers: files in, types that cannot be wrong out.

pub mod vnnlib;
