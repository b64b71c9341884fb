//! Certificates: what a search records, and the file that is made of it (docs/certificate.md).
//!
//! Nothing here is trusted: whatever is written, the checker derives every bound again.

mod files;
mod frontier;
mod log;
mod revise;
mod row_trees;
mod steps;
mod tree;

pub use files::{Files, Read};
pub use frontier::{OpenNode, Turn};
pub use log::{Log, NodeId};
pub use row_trees::{Element, RowLeaf, RowTree};
pub use steps::{Fact, Split, Steps};

use std::io::{self, Write};
use std::sync::Arc;

use checker::Semantics;
use tree::Order;

/// SHA-256 of a file's uncompressed bytes.
pub type Hash = [u8; 32];

/// The proof that a query holds, or as much of it as was found.
#[derive(Clone, Debug)]
pub struct Proof {
    /// What was proved.
    pub semantics: Semantics,
    /// One tree per case of the query.
    pub trees: Vec<Arc<Log>>,
    /// True if nodes may be open.
    pub partial: bool,
    /// Per tree the nodes outside whose subtrees the checker has accepted everything; none if it has not looked yet.
    pub fresh: Option<Vec<Vec<NodeId>>>,
}

/// First bytes of a certificate.
const MAGIC: &[u8; 8] = b"IRONCERT";
/// The format's version.
const VERSION: u32 = 1;
/// What the certificate is about.
const KIND_PROOF: u8 = 0;
const KIND_WITNESS: u8 = 1;

impl Proof {
    /// Writes the certificate for the network and query with these hashes.
    pub fn write(&self, network: Hash, query: Hash, to: &mut dyn Write) -> io::Result<()> {
        self.write_trees(self.trees.iter().map(|log| Order::new(log)).collect(), self.partial, network, query, to)
    }

    /// Writes a partial certificate of the subtrees of some nodes, given per tree, alone.
    pub fn write_only(&self, nodes: &[Vec<NodeId>], network: Hash, query: Hash, to: &mut dyn Write) -> io::Result<()> {
        let trees = self.trees.iter().zip(nodes).map(|(log, nodes)| Order::only(log, nodes)).collect();
        self.write_trees(trees, true, network, query, to)
    }

    fn write_trees(&self, trees: Vec<Order>, partial: bool, network: Hash, query: Hash, to: &mut dyn Write) -> io::Result<()> {
        let head = length_of(trees.len() as u64);
        let lengths: Vec<Vec<u8>> = trees.iter().map(|t| length_of(t.len())).collect();
        let payload = head.len() as u64 + trees.iter().zip(&lengths).map(|(t, l)| t.len() + l.len() as u64).sum::<u64>();
        container(KIND_PROOF, self.semantics, partial, network, query, payload, to)?;
        to.write_all(&head)?;
        for (tree, length) in trees.iter().zip(&lengths) {
            to.write_all(length)?;
            tree.write(to)?;
        }
        Ok(())
    }
}

impl Proof {
    /// The proof in the payload of a certificate, to go on from: one tree per case, with so many disjuncts each, about a network
    /// whose activations have `lens` elements.
    pub fn read(semantics: Semantics, mut payload: &[u8], disjuncts: &[usize], lens: &[usize]) -> io::Result<Proof> {
        let count = steps::number(&mut payload)?;
        if count != disjuncts.len() {
            return Err(steps::damaged(format!("it has {count} cases, the query {}", disjuncts.len())));
        }
        let mut trees = Vec::new();
        for &disjuncts in disjuncts {
            let length = steps::number(&mut payload)?;
            let tree = payload.get(..length).ok_or_else(|| steps::damaged("it ends early"))?;
            trees.push(Arc::new(Log::read(tree, disjuncts, lens)?));
            payload = &payload[length..];
        }
        Ok(Proof { semantics, trees, partial: true, fresh: None })
    }

    /// The open nodes of every tree, with so many disjuncts each.
    pub fn open(&self, disjuncts: &[usize]) -> io::Result<Vec<Vec<NodeId>>> {
        let nodes = |(log, &count): (&Arc<Log>, &usize)| Ok(log.frontier(count)?.iter().map(|open| open.node).collect());
        self.trees.iter().zip(disjuncts).map(nodes).collect()
    }
}

/// Writes the certificate of a counterexample: one decimal per input element.
pub fn write_witness(semantics: Semantics, point: &[String], network: Hash, query: Hash, to: &mut dyn Write) -> io::Result<()> {
    let mut payload = length_of(point.len() as u64);
    for decimal in point {
        payload.extend(length_of(decimal.len() as u64));
        payload.extend(decimal.as_bytes());
    }
    container(KIND_WITNESS, semantics, false, network, query, payload.len() as u64, to)?;
    to.write_all(&payload)
}

fn length_of(length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    steps::varint(&mut bytes, length);
    bytes
}

fn container(
    kind: u8,
    semantics: Semantics,
    partial: bool,
    network: Hash,
    query: Hash,
    payload: u64,
    to: &mut dyn Write,
) -> io::Result<()> {
    let semantics = match semantics {
        Semantics::Real => 0,
        Semantics::Float32 => 1,
        Semantics::Both => 2,
        Semantics::Integer => 3,
    };
    to.write_all(MAGIC)?;
    to.write_all(&VERSION.to_le_bytes())?;
    to.write_all(&[kind, semantics, partial as u8])?;
    to.write_all(&network)?;
    to.write_all(&query)?;
    to.write_all(&payload.to_le_bytes())
}
