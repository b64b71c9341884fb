//! Certificates in the formats of other tools: read and judged, and written.
//!
//! Nothing that a certificate claims is believed. Every claim is compared with what a rigorous recomputation gives, with all
//! rounding outward or none at all, so that the producer may round, guess and optimise as it likes. `docs/exchange.md` states each
//! format, what acceptance means and why it is sound.
//!
//! All formats here are about the *real* function of the stored weights ([`checker::Semantics::Real`]).

mod error;
pub mod json;
pub mod leaves;
pub mod lirpa;
pub mod nodes;
pub mod rational;

pub use error::ExchangeError;

use json::{Field, Reading, Value};

/// What a check comes to. A file that cannot be read is an [`ExchangeError`] instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Everything that the file states is true: what that is, in words, one line each.
    Accepted(Vec<String>),
    /// Nothing in the file contradicts itself, but its claims could not be compared with a network, as none was given.
    Unproved(Vec<String>),
    /// Some claim is not implied: which, and why.
    Rejected(String),
}

/// A certificate's text as JSON; `file` is for messages.
pub fn parse(file: &str, bytes: &[u8], reading: Reading) -> Result<Value, ExchangeError> {
    json::parse(bytes, reading).map_err(|e| ExchangeError::Json { file: file.into(), problem: e.to_string() })
}

/// The name in the member `format` of a document, where there is one.
pub fn format_of(value: &Value) -> Option<&str> {
    Field::top("", value).optional("format").ok()??.text().ok()
}
