//! A proof as it is found: for every wrong class a tree in pre-order, with integer multipliers at its leaves.

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
