//! Whole files: a certificate is compared with the network and the query that it names, then checked.

use crate::certificate::{Container, Cursor, Fault, HEADER, Kind, Source};
use crate::network::Network;
use crate::query::Query;
use crate::read::{Error, onnx, vnnlib};
use crate::{Accepted, Rejection, Semantics, check, integer, sha256, witness};

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

/// Checks a certificate against the uncompressed bytes of its files: ONNX and VNN-LIB, or those of an integer network.
pub fn check_files<'a>(network: &[u8], query: &[u8], certificate: impl Into<Source<'a>>, threads: usize) -> Result<Shown, Failure> {
    let certificate = certificate.into();
    let container = Container::header(certificate).map_err(rejected)?;
    let other = |at, what: &str| Err(rejected(Fault { at, reason: format!("the certificate is about another {what}: the hashes differ") }));
    if container.network != sha256::digest(network) {
        return other(15, "network");
    }
    if container.query != sha256::digest(query) {
        return other(47, "query");
    }
    match container.kind {
        Kind::Proof | Kind::Witness => check_real(network, query, &container, certificate, threads),
        Kind::IntegerProof | Kind::IntegerWitness => match integer::check(network, query, certificate) {
            Ok(integer::Shown::Robust(accepted) | integer::Shown::Partly(accepted)) => Ok(Shown::Holds(Semantics::Integer, accepted)),
            Ok(integer::Shown::Vulnerable { .. }) => Ok(Shown::Fails(Semantics::Integer)),
            Err(fault) => Err(rejected(fault)),
        },
    }
}

fn rejected(fault: Fault) -> Failure {
    Failure::Rejected(Rejection { case: 0, path: Vec::new(), node: fault.at, at: fault.at, reason: fault.reason })
}

fn check_real(network: &[u8], query: &[u8], container: &Container, certificate: Source, threads: usize) -> Result<Shown, Failure> {
    let failure = |what: &str, error: Error| match error {
        Error::Unreadable(why) => Failure::Unreadable(format!("the {what} cannot be read: {why}")),
        Error::NotCertified(why) => rejected(Fault { at: 0, reason: format!("the {what} cannot be certified: {why}") }),
    };
    let network = onnx::network(network).map_err(|e| failure("network", e))?;
    let query = vnnlib::query(query).map_err(|e| failure("query", e))?;
    if container.kind == Kind::Proof {
        let accepted = check(&network, &query, container.semantics, certificate, threads).map_err(Failure::Rejected)?;
        return Ok(Shown::Holds(container.semantics, accepted));
    }
    if container.partial {
        return Err(rejected(Fault { at: 14, reason: "a witness cannot be partial".into() }));
    }
    replay(&network, &query, container.semantics, certificate).map_err(rejected).map(|()| Shown::Fails(container.semantics))
}

/// A witness: the number of inputs, then each value as a decimal with its length.
fn replay(network: &Network, query: &Query, semantics: Semantics, certificate: Source) -> Result<(), Fault> {
    let mut cursor = Cursor::new(certificate, HEADER, certificate.len());
    let count = cursor.length()?;
    let mut point = Vec::with_capacity(count);
    for _ in 0..count {
        let length = cursor.length()?;
        point.push(cursor.bytes(length)?.to_vec());
    }
    if cursor.left() > 0 {
        return cursor.fault("bytes are left after the last input");
    }
    let point: Vec<&[u8]> = point.iter().map(Vec::as_slice).collect();
    witness::replay(network, query, semantics, &point).map_err(|reason| Fault { at: HEADER, reason })
}
