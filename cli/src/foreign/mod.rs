//! Certificates in the formats of other tools: the doors to the crate `exchange`.

pub mod check;
pub mod export;
mod given;

use clap::ValueEnum;
use exchange::nodes::Kind;

/// A certificate format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Intervals of one node of a network named in the file (TorchLean's LiRPA certificates)
    #[value(alias = "lirpa")]
    IbpOutput,
    /// An interval for every node
    IbpNodes,
    /// Intervals, affine functions and ReLU slopes for every node (alpha-CROWN)
    AlphaCrown,
    /// The same with ReLU phases (alpha/beta-CROWN)
    AlphaBetaCrown,
    /// A linear/ReLU network, a box, slopes and output inequalities in exact rationals
    #[value(name = "crown_query_v1")]
    CrownQuery,
    /// A linear/ReLU network without negative weights
    #[value(name = "monotonicity_v1")]
    Monotonicity,
    /// Leaves of a branch and bound over inputs, with the bounds that close them
    #[value(name = "abcrown_leaf_artifact_v0_1")]
    Leaves,
    /// Intervals of the logits of every image
    #[value(name = "robust_margin_cert_v0_1")]
    RobustMargin,
}

impl Format {
    /// For the per-node formats, which claims they hold.
    fn kind(self) -> Option<Kind> {
        match self {
            Format::IbpNodes => Some(Kind::Intervals),
            Format::AlphaCrown => Some(Kind::Alpha),
            Format::AlphaBetaCrown => Some(Kind::AlphaBeta),
            _ => None,
        }
    }
}
