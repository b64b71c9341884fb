//! Quantized networks against the published benchmark, an independent slow evaluation, and brute force on tiny networks.

mod evaluation;
mod files;
mod partial;
mod published;
mod support;
mod verdicts;
