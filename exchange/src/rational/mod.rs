//! Formats whose numbers are fractions in texts: chains of linear layers and ReLU, computed in exact rationals.

mod chain;
pub mod crown_query;
pub mod extract;
pub mod monotonicity;
mod number;
pub mod prove;

pub use chain::{Chain, Layer};
pub use number::{Budget, TooMuch, fraction, text};
