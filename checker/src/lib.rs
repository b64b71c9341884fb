//! The independent checker: it reads the original network, the original query and a certificate as bytes,
//! and re-derives every bound. TRUST.md proves its rules, docs/certificate.md describes the bytes.
#![deny(unsafe_code)]

pub mod case;
pub mod certificate;
pub mod cursor;
pub mod curve;
pub mod exact;
pub mod facts;
pub mod files;
pub mod function;
pub mod integer;
pub mod intervals;
pub mod kernel;
pub mod linear;
pub mod narrow;
pub mod network;
pub mod plan;
pub mod query;
pub mod read;
pub mod relax;
pub mod rounding;
pub mod rows;
pub mod sha256;
pub mod state;
pub mod steps;
pub mod sweep;
pub mod tree;
pub mod witness;

use certificate::{Container, HEADER, Kind, Source};
use network::Network;
use plan::Plan;
use query::Query;

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

/// What an accepted certificate shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// Nodes of all trees.
    pub nodes: u64,
    /// Leaves of all trees.
    pub leaves: u64,
    /// Leaves of all row trees, open ones included.
    pub row_leaves: u64,
    /// Of these, open ones.
    pub open_row_leaves: u64,
    /// Disjuncts of all cases.
    pub disjuncts: usize,
    /// Of these, disjuncts that are excluded wherever the tree goes.
    pub excluded: usize,
    /// Share of the input regions that is proved, by volume (a neuron's halves count alike, in row trees too, and so do disjuncts); 1 exactly
    /// if nothing is open.
    pub proved: f64,
}

impl std::fmt::Display for Accepted {
    /// How large the trees are.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let leaves = |count: u64| format!("{count} {}", if count == 1 { "leaf" } else { "leaves" });
        write!(f, "{} node{}, {}", self.nodes, if self.nodes == 1 { "" } else { "s" }, leaves(self.leaves))?;
        if self.row_leaves > 0 {
            write!(f, ", {} of row trees", leaves(self.row_leaves))?;
        }
        if self.open_row_leaves > 0 {
            write!(f, " ({} open)", self.open_row_leaves)?;
        }
        if self.proved < 1.0 { write!(f, "; {} of {} disjuncts excluded", self.excluded, self.disjuncts) } else { Ok(()) }
    }
}

/// Why and where a certificate is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The case whose tree it is.
    pub case: usize,
    /// The sides taken at the splits from the root on: true for the second child.
    pub path: Vec<bool>,
    /// Byte of the certificate at which the node starts.
    pub node: usize,
    /// Byte at which it was rejected.
    pub at: usize,
    /// The step and what is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path: String = self.path.iter().map(|&second| if second { '2' } else { '1' }).collect();
        let path = if path.is_empty() { "root".to_string() } else { path };
        write!(f, "case {}, node {path}, byte {}: {}", self.case, self.at, self.reason)
    }
}

impl std::error::Error for Rejection {}

/// Checks a proof (kind 0) of `query` about `network` under `semantics`; its hashes are for the caller to compare with the
/// files. Stops at the first rejected node.
pub fn check<'a>(
    network: &Network,
    query: &Query,
    semantics: Semantics,
    certificate: impl Into<Source<'a>>,
    threads: usize,
) -> Result<Accepted, Rejection> {
    let mut found = run(network, query, semantics, certificate.into(), threads, false)?;
    if found.rejections.is_empty() { Ok(found.accepted(query)) } else { Err(found.rejections.remove(0)) }
}

/// As [`check`], but goes on with the rest of the tree after a rejected node: gives all rejected nodes, by their place in
/// the file, and what the other ones prove. `Err` if not even the trees can be found.
pub fn check_all<'a>(
    network: &Network,
    query: &Query,
    semantics: Semantics,
    certificate: impl Into<Source<'a>>,
    threads: usize,
) -> Result<(Accepted, Vec<Rejection>), Rejection> {
    let found = run(network, query, semantics, certificate.into(), threads, true)?;
    Ok((found.accepted(query), found.rejections))
}

fn run(
    network: &Network,
    query: &Query,
    semantics: Semantics,
    certificate: Source,
    threads: usize,
    all: bool,
) -> Result<tree::Found, Rejection> {
    let refuse = |at: usize, reason: String| Rejection { case: 0, path: Vec::new(), node: at, at, reason };
    let container = Container::header(certificate).map_err(|fault| refuse(fault.at, fault.reason))?;
    if container.kind != Kind::Proof {
        return Err(refuse(12, format!("this is no proof but {:?}", container.kind)));
    }
    if container.semantics != semantics || semantics == Semantics::Integer {
        let reason = format!("the certificate is about `{}`, asked is `{}`", container.semantics.word(), semantics.word());
        return Err(refuse(13, reason));
    }
    let plan = Plan::new(network).map_err(|reason| refuse(0, format!("the network cannot be checked: {reason}")))?;
    tree::check((certificate, HEADER), &plan, query, (semantics, container.partial, all), threads)
}
