//! Per-node certificates: intervals (IBP), affine functions of the input (alpha-CROWN), slopes and phases (alpha/beta-CROWN).
//!
//! The network comes with the certificate (`graph` inside, see [`graph`]) or from elsewhere; then there is one entry for each node
//! of the engine's graph, in its order.

mod arithmetic;
mod bound;
mod check;
mod claims;
mod combination;
mod document;
mod embed;
pub mod graph;
mod layer_norm;
mod produce;
mod read;
mod rules;
mod text;

pub use check::{check, covers, decides};
pub use claims::{Claims, Ends, Forms, Lines, NodeClaim, Side};
pub use document::{Domain, Kind, inside, judge, write};
pub use embed::{dense, members};
pub use layer_norm::LayerNorm;
pub use produce::{exact_ends, produce};
pub use read::{MEMBERS, claims, ends};
pub use text::{Parts, to_json, vector};

/// The name of a certificate with its network inside.
pub const FORMAT: &str = "node_certificate_v1";
