//! Rigorous bounds of a network over a box: from interval arithmetic to optimised relaxations.

pub mod chain;
mod game;

pub use game::Game;
