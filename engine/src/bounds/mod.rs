//! Rigorous bounds of a network over a box: from interval arithmetic to optimised relaxations.

pub mod chain;
mod crown;
pub mod exact;
mod forward;
mod game;
mod interval;
mod lanes;
mod network;
pub mod neurons;
mod slopes;
mod sweep;

pub(crate) use crown::in_parallel;
pub use crown::{Plan, Relaxation};
pub use game::Game;
pub(crate) use game::combine;
pub use interval::Bounds;
pub use network::{Deployed, Network};
pub use slopes::{Choices, Descent};
pub use sweep::Form;
