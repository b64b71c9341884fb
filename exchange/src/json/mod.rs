//! Reading JSON without losing anything, and writing it.

mod field;
mod parse;
mod value;
mod write;

pub use field::Field;
pub use parse::{DEEPEST, Malformed, Reading, parse};
pub use value::{Number, Value, shown};
pub use write::{array, numbers, quoted};
