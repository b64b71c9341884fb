//! The network as a graph: one node per node of the file, values flattened in C order.

mod build;
mod evaluate;

pub use build::GraphError;

use crate::ops::Operation;

/// Index of a node in [`Graph::nodes`].
pub type NodeId = usize;

/// The element type that the network computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
}

/// One value of the network and the operation that makes it.
#[derive(Debug)]
pub struct Node {
    /// Name of the node's output in the file, for messages.
    pub name: String,
    /// What it computes.
    pub operation: Operation,
    /// The nodes it reads; all have smaller indices.
    pub inputs: Vec<NodeId>,
    /// Dimensions; the value is flat, in C order.
    pub shape: Vec<usize>,
}

impl Node {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True for a value of no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A feed-forward network: nodes in topological order.
#[derive(Debug)]
pub struct Graph {
    /// All nodes; every node reads only earlier ones.
    pub nodes: Vec<Node>,
    /// The network's inputs in the file's order.
    pub inputs: Vec<NodeId>,
    /// The network's outputs in the file's order.
    pub outputs: Vec<NodeId>,
    /// The type that the deployed network computes in.
    pub element: Element,
}
