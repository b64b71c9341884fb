//! Whole files: a certificate is compared with the network and the query that it names, then checked.

use crate::certificate::{Container, Cursor, Fault, HEADER, Kind};
use crate::network::Network;
use crate::query::Query;
use crate::read::{Error, onnx, vnnlib};
use crate::{Accepted, Rejection, Semantics, check, sha256, witness};

/// What a certificate has shown about the files.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// The query holds (or the part of it that is proved).
    Holds(Semantics, Accepted),
    /// The query fails: the certificate's point is a counterexample.
    Fails(Semantics),
}

/// Why nothing is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The network or the query cannot be read.
    Unreadable(String),
    /// The certificate does not show what it claims.
    Rejected(Rejection),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Unreadable(why) => f.write_str(why),
            Failure::Rejected(rejection) => rejection.fmt(f),
        }
    }
}

/// Checks a certificate against the uncompressed bytes of an ONNX and a VNN-LIB file.
pub fn check_files(network: &[u8], query: &[u8], certificate: &[u8], threads: usize) -> Result<Shown, Failure> {
    let rejected = |at: usize, reason: String| Failure::Rejected(Rejection { case: 0, path: Vec::new(), node: at, at, reason });
    let container = Container::read(certificate).map_err(|fault| rejected(fault.at, fault.reason))?;
    if container.network != sha256::digest(network) {
        return Err(rejected(15, "the certificate is about another network: the hashes differ".into()));
    }
    if container.query != sha256::digest(query) {
        return Err(rejected(47, "the certificate is about another query: the hashes differ".into()));
    }
    let failure = |what: &str, error: Error| match error {
        Error::Unreadable(why) => Failure::Unreadable(format!("the {what} cannot be read: {why}")),
        Error::NotCertified(why) => rejected(0, format!("the {what} cannot be certified: {why}")),
    };
    let network = onnx::network(network).map_err(|e| failure("network", e))?;
    let query = vnnlib::query(query).map_err(|e| failure("query", e))?;
    match container.kind {
        Kind::Proof => {
            let accepted = check(&network, &query, container.semantics, certificate, threads).map_err(Failure::Rejected)?;
            Ok(Shown::Holds(container.semantics, accepted))
        }
        Kind::Witness => {
            let replayed = replay(&network, &query, container.semantics, certificate);
            replayed.map_err(|fault| rejected(fault.at, fault.reason)).map(|()| Shown::Fails(container.semantics))
        }
        kind => Err(rejected(12, format!("{kind:?} is not known for these files"))),
    }
}

/// A witness: the number of inputs, then each value as a decimal with its length.
fn replay(network: &Network, query: &Query, semantics: Semantics, certificate: &[u8]) -> Result<(), Fault> {
    let mut cursor = Cursor::new(certificate, HEADER, certificate.len());
    let count = cursor.length()?;
    let mut point = Vec::with_capacity(count);
    for _ in 0..count {
        let length = cursor.length()?;
        point.push(&certificate[cursor.at..cursor.at + length]);
        cursor.at += length;
    }
    if cursor.left() > 0 {
        return cursor.fault("bytes are left after the last input");
    }
    witness::replay(network, query, semantics, &point).map_err(|reason| Fault { at: HEADER, reason })
}
