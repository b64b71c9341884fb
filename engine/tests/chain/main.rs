//! The chain engine against exact arithmetic: no bound may be on the wrong side of any network it claims to cover.

mod compiled;
mod exact;
mod follow;
mod networks;
mod rows;
mod soundness;
