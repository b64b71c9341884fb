//! A proof as it is found: for every wrong class a tree in pre-order, with integer multipliers at its leaves.

use checker::Semantics;
use checker::certificate::{Container, Kind, write_varint};

use super::dual;
use super::problem::{Multipliers, Split};

/// One record of a tree in pre-order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Nothing is left here: a range is empty, or ranges alone exclude every level.
    Empty,
    /// These multipliers exclude the target.
    Leaf(Multipliers),
    /// Two parts follow.
    Split {
        /// How.
        split: Split,
        /// True if the half above comes first.
        second_first: bool,
    },
    /// A narrower range of an accumulator, valid here and below; the node's own record follows.
    Tighten {
        /// Hidden layer, counted from 0.
        layer: usize,
        /// Neuron, counted from 0.
        neuron: usize,
        /// 1: the range ends at the bound; -1: it begins there.
        sign: i64,
        /// Units of the multipliers.
        unit: i64,
        /// Of the accumulators of the layers before.
        multipliers: dual::Multipliers,
    },
}

/// The tree of one wrong class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassProof {
    /// The wrong class.
    pub class: usize,
    /// In pre-order.
    pub records: Vec<Record>,
}

/// A proof that a query is robust.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Proof {
    /// Tightenings that hold in all trees.
    pub shared: Vec<Record>,
    /// One for every class but the label, in order.
    pub classes: Vec<ClassProof>,
}

/// The certificate of a proof; the hashes are those of the uncompressed network and query files.
pub fn certificate(proof: &Proof, network: [u8; 32], query: [u8; 32]) -> Vec<u8> {
    let mut payload = Vec::new();
    write_varint(&mut payload, proof.shared.len() as u64);
    let records = proof.shared.iter().chain(proof.classes.iter().flat_map(|c| &c.records));
    records.for_each(|record| write(&mut payload, record));
    contained(Kind::IntegerProof, &payload, network, query)
}

/// The certificate of a counterexample.
pub fn witness(input: &[i64], network: [u8; 32], query: [u8; 32]) -> Vec<u8> {
    let mut payload = Vec::new();
    input.iter().for_each(|&x| write_signed(&mut payload, x));
    contained(Kind::IntegerWitness, &payload, network, query)
}

fn contained(kind: Kind, payload: &[u8], network: [u8; 32], query: [u8; 32]) -> Vec<u8> {
    Container { kind, semantics: Semantics::Integer, partial: false, network, query, payload }.write()
}

/// 0, -1, 1, -2, ... as 0, 1, 2, 3, ...
fn write_signed(bytes: &mut Vec<u8>, value: i64) {
    write_varint(bytes, ((value << 1) ^ (value >> 63)) as u64);
}

/// One record (docs/certificate.md, "Integer proofs").
fn write(bytes: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Empty => bytes.push(0),
        Record::Leaf(Multipliers { rise, cap, layers }) => {
            bytes.push(1);
            [rise, cap].into_iter().for_each(|w| write_varint(bytes, *w as u64));
            layers.iter().flatten().for_each(|&m| write_signed(bytes, m));
        }
        Record::Split { split, second_first } => {
            let second = u8::from(*second_first);
            match *split {
                Split::Hidden { layer, neuron, last } => {
                    bytes.push(2 + second);
                    [layer, neuron].into_iter().for_each(|n| write_varint(bytes, n as u64));
                    write_signed(bytes, last);
                }
                Split::Input { index, last } => {
                    bytes.push(4 + second);
                    write_varint(bytes, index as u64);
                    write_signed(bytes, last);
                }
                Split::Level { last } => {
                    bytes.push(6 + second);
                    write_signed(bytes, last);
                }
            }
        }
        Record::Tighten { layer, neuron, sign, unit, multipliers } => {
            bytes.push(if *sign > 0 { 8 } else { 9 });
            [*layer as u64, *neuron as u64, *unit as u64].into_iter().for_each(|n| write_varint(bytes, n));
            multipliers.iter().flatten().for_each(|&m| write_signed(bytes, m));
        }
    }
}
