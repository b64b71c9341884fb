//! Building a graph node by node, refusing what is inconsistent.

use super::{Element, Graph, Node, NodeId};
use crate::ops::Operation;

/// Why a node cannot be added.
#[derive(Debug, thiserror::Error)]
#[error("node `{node}`: {problem}")]
pub struct GraphError {
    /// The node's name.
    pub node: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Graph {
    /// An empty network that computes in `element`.
    pub fn new(element: Element) -> Graph {
        Graph { nodes: Vec::new(), inputs: Vec::new(), outputs: Vec::new(), element }
    }

    /// Appends an input of the given shape.
    pub fn add_input(&mut self, name: &str, shape: &[usize]) -> NodeId {
        self.nodes.push(Node { name: name.into(), operation: Operation::Input, inputs: vec![], shape: shape.into() });
        self.inputs.push(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// Appends a node; refuses operand sizes or a shape that do not fit the operation.
    pub fn add(&mut self, name: &str, operation: Operation, inputs: &[NodeId], shape: &[usize]) -> Result<NodeId, GraphError> {
        let fail = |problem: String| GraphError { node: name.into(), problem };
        if let Some(bad) = inputs.iter().find(|&&i| i >= self.nodes.len()) {
            return Err(fail(format!("reads node {bad}, which does not come before it")));
        }
        let sizes: Vec<usize> = inputs.iter().map(|&i| self.nodes[i].len()).collect();
        let size = operation.output_len(&sizes).map_err(&fail)?;
        let node = Node { name: name.into(), operation, inputs: inputs.into(), shape: shape.into() };
        if node.len() != size {
            return Err(fail(format!("shape {shape:?} has {} elements, the operation makes {size}", node.len())));
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    /// Number of input elements, over all inputs in order.
    pub fn input_len(&self) -> usize {
        self.inputs.iter().map(|&i| self.nodes[i].len()).sum()
    }

    /// Number of output elements, over all outputs in order.
    pub fn output_len(&self) -> usize {
        self.outputs.iter().map(|&i| self.nodes[i].len()).sum()
    }
}
