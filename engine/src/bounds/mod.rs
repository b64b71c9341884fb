//! Rigorous bounds of a network over a box: from interval arithmetic to optimised relaxations.

pub mod chain;
mod crown;
mod game;
mod interval;
mod network;

pub use crown::{Form, Relaxation};
pub use game::Game;
pub use interval::Bounds;
pub use network::{Deployed, Network};
