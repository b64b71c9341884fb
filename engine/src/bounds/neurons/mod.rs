//! Branch and bound on neurons of wide networks: rows of coefficients with free multipliers, many at a time.
//!
//! A *row tree* maximises one linear function of a layer (an intermediate neuron's upper or lower end, or an objective) over
//! the box by splitting neurons below it. All open leaves of many trees share the matrix products of one batch. Bounds of
//! intermediate neurons found this way tighten wide and deep networks by orders of magnitude before the objective is looked at.

mod batch;
mod chain;
mod compact;
mod dense;
mod focus;
mod forest;
mod graph;
mod known;
mod program;
mod record;

pub use batch::{Batch, Row, Split, Step};
pub use chain::{Effort, Layers};
pub use compact::Room;
pub use forest::{Ending, Forest, Goal, Leaf, Order, Score, Settings};
pub use graph::GraphRows;
pub use known::Known;
pub use program::{Affine, Hinge, Input, Map, Node, Program, Relaxed, Start};
pub use record::{Multipliers, Recorder, free_neurons, retrace};
