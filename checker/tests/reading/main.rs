//! The readers and the replay of witnesses on small files made by hand.

mod layouts;
mod onnx;
mod products;
mod repeated;
mod scales;
mod vnnlib;
mod windows;
mod witness;
