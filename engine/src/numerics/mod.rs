//! Numbers: intervals, rounding-error constants, exact decimals.

mod decimal;
pub mod elementary;
pub mod environment;
mod interval;
mod numbers;
mod random;
mod real;
pub mod rounding;

pub use decimal::{Decimal, DecimalError};
pub use interval::Interval;
pub use numbers::Numbers;
pub use random::Random;
pub use real::Real;
