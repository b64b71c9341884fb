//! Quantized networks in exact integers: what a microcontroller computes, decided bit for bit.
//!
//! A network is a chain of affine maps in integers, each followed by a *staircase*: requantisation by multiplier and shift with
//! an explicit rounding mode, then saturation. Nothing here depends on the rooms of floating-point networks. Floating point
//! chooses multipliers, branches and points; every decision is made by integers alone:
//!
//! * a proof is a tree of splits with integer multipliers at its leaves ([`dual`]: any multipliers are sound);
//! * a counterexample is an integer input that [`Network::evaluate`] sends to another class.

mod attack;
pub mod bounds;
mod branch;
mod bundle;
mod concave;
mod deep;
pub mod dual;
mod first_layer;
mod fixed_point;
mod hull;
mod join;
mod network;
pub mod problem;
pub mod proof;
mod query;
pub mod read;
mod relax;
mod search;
mod simplex;
pub mod smtlib;
mod staircase;
mod upper;

pub use fixed_point::{DenseFloats, FixedPoint};
pub use network::{Layer, Network, NetworkError};
pub use query::{Query, QueryError, Target, first_maximum};
pub use search::{Answer, Effort, Limits, decide, go_on};
pub use staircase::{Requantise, Rounding};
