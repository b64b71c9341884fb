//! The independent checker: it reads the original network, the original query and a certificate as bytes,
//! and re-derives every bound. For now it holds the words that engine and checker share.
#![deny(unsafe_code)]

pub mod exact;
pub mod network;
pub mod query;
pub mod read;
pub mod sha256;
pub mod witness;

/// What the network is taken to be when a verdict is given (TRUST.md, "Semantics").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Semantics {
    /// The real function of the stored weights, in exact arithmetic.
    Real,
    /// Every binary32 evaluation covered by TRUST.md, on inputs rounded to binary32.
    Float32,
    /// One proof for `Real` and `Float32` at once.
    Both,
    /// The bit-exact integer function of a quantized network.
    Integer,
}

impl Semantics {
    /// The word used on the command line and in reports.
    pub fn word(self) -> &'static str {
        match self {
            Semantics::Real => "real",
            Semantics::Float32 => "float32",
            Semantics::Both => "both",
            Semantics::Integer => "integer",
        }
    }
}
