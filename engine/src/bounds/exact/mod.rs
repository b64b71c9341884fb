//! Exact treatment of piecewise-linear networks: hinges as a sparse program, ranges from each other, linear programs.

mod cut;
mod lagrangian;
mod linear;
mod node;
mod program;
mod propagate;
mod simplex;
mod state;
mod trail;

pub use cut::Cut;
pub use lagrangian::{Ledger, Multipliers};
pub use linear::{Linear, Solution};
pub use node::{Aid, Scratch, Settled};
pub use program::{Goal, Program, Rows, Skeleton};
pub use propagate::Queue;
pub use simplex::Simplex;
pub use state::{Met, Span, State};
pub use trail::Trail;
