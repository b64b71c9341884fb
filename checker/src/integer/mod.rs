//! Certificates about integer networks (kinds 2 and 3), checked in exact integers.
//!
//! The network file (JSON or Keras HDF5) and the query file (JSON) are read here anew; the rules are those of docs/certificate.md,
//! "Integer proofs": interval bounds, splits that cover, and the Lagrangian bound with the exact staircase, for which any
//! multipliers are valid.

mod bound;
mod hdf5;
mod json;
mod network;
mod tree;

pub use network::{Network, Query};

use crate::certificate::{Container, Cursor, Fault, HEADER, Kind, Source};
use crate::sha256::digest;
use crate::{Accepted, Semantics};

/// What an accepted certificate shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// No input of the box leaves the class.
    Robust(Accepted),
    /// No input of some parts of the box takes some of the other classes; what is left is open.
    Partly(Accepted),
    /// This input leaves the class.
    Vulnerable {
        /// The input.
        input: Vec<i64>,
        /// Its class.
        class: usize,
    },
}

/// Checks a certificate against the files' (uncompressed) bytes.
pub fn check<'a>(network: &[u8], query: &[u8], certificate: impl Into<Source<'a>>) -> Result<Shown, Fault> {
    check_with_margin(network, query, certificate, 0)
}

/// As [`check`]; of a proof it is asked that every other output stay at least `margin` (0 to 2^40) below that of the class.
pub fn check_with_margin<'a>(network: &[u8], query: &[u8], certificate: impl Into<Source<'a>>, margin: i64) -> Result<Shown, Fault> {
    let certificate = certificate.into();
    let container = Container::header(certificate)?;
    let refuse = |at: usize, reason: &str| Err(Fault { at, reason: reason.into() });
    if container.semantics != Semantics::Integer {
        return refuse(13, "the semantics is not `integer`");
    }
    if container.partial && container.kind != Kind::IntegerProof {
        return refuse(14, "only proofs can be partial");
    }
    if !(0..=bound::MOST).contains(&margin) {
        return refuse(0, "the margin is out of range");
    }
    if container.network != digest(network) {
        return refuse(15, "the certificate is about another network file");
    }
    if container.query != digest(query) {
        return refuse(47, "the certificate is about another query file");
    }
    let unreadable = |reason: String| Fault { at: HEADER, reason };
    let network = Network::read(network).map_err(unreadable)?;
    let query = Query::read(query).and_then(|q| q.fits(&network).map(|()| q)).map_err(unreadable)?;
    let mut cursor = Cursor::new(certificate, HEADER, certificate.len());
    match container.kind {
        Kind::IntegerProof => tree::check(&network, &query, cursor, (margin, container.partial)).map(|accepted| match accepted.proved {
            1.0 => Shown::Robust(accepted),
            _ => Shown::Partly(accepted),
        }),
        Kind::IntegerWitness => {
            let input = read_input(&mut cursor, query.input.len())?;
            query.replay(&network, &input).map_or_else(|reason| cursor.fault(reason), |class| Ok(Shown::Vulnerable { input, class }))
        }
        _ => refuse(12, "this certificate is not about integers"),
    }
}

/// The input of a witness: as many signed numbers as the query has, and nothing more.
fn read_input(cursor: &mut Cursor, count: usize) -> Result<Vec<i64>, Fault> {
    let input = (0..count).map(|_| signed(cursor)).collect::<Result<Vec<i64>, Fault>>()?;
    if cursor.left() > 0 { cursor.fault("there are bytes after the last input") } else { Ok(input) }
}

/// A signed number: 0, -1, 1, -2, ... as varints 0, 1, 2, 3, ...
fn signed(cursor: &mut Cursor) -> Result<i64, Fault> {
    let coded = cursor.varint()?;
    Ok((coded >> 1) as i64 ^ -((coded & 1) as i64))
}
