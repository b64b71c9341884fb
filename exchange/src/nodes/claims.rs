//! What a per-node certificate claims.

use engine::graph::Graph;
use engine::numerics::{Decimal, Interval};
use engine::ops::Ranges;

use crate::json::Number;

/// Claimed ends of every element of a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ends {
    /// Lower ends.
    pub low: Vec<Number>,
    /// Upper ends, nowhere below the lower ones.
    pub high: Vec<Number>,
}

impl Ends {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.low.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.low.is_empty()
    }

    /// Contains element `i`, in doubles.
    pub fn at(&self, i: usize) -> Interval {
        Interval { low: self.low[i].near.low, high: self.high[i].near.high }
    }

    /// All elements, in doubles.
    pub fn ranges(&self) -> Ranges {
        Ranges::collect((0..self.len()).map(|i| self.at(i)))
    }

    /// The end on one side.
    pub fn side(&self, side: Side) -> &[Number] {
        match side {
            Side::Lower => &self.low,
            Side::Upper => &self.high,
        }
    }
}

/// Affine functions of the context's input, one for each element: row-major coefficients, and constants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// `elements x inputs`.
    pub coefficients: Vec<Number>,
    /// One for each element.
    pub constants: Vec<Number>,
}

/// Affine functions below and above a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forms {
    /// Below.
    pub low: Lines,
    /// Above.
    pub high: Lines,
}

impl Forms {
    /// The functions on one side.
    pub fn side(&self, side: Side) -> &Lines {
        match side {
            Side::Lower => &self.low,
            Side::Upper => &self.high,
        }
    }
}

/// Below or above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// At most the value.
    Lower,
    /// At least the value.
    Upper,
}

impl Side {
    /// The side of a function that is multiplied by a number of this sign.
    pub fn times(self, negative: bool) -> Side {
        match (self, negative) {
            (side, false) => side,
            (Side::Lower, true) => Side::Upper,
            (Side::Upper, true) => Side::Lower,
        }
    }
}

/// What is claimed about one node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeClaim {
    /// `ibp`.
    pub ends: Option<Ends>,
    /// `crown`.
    pub forms: Option<Forms>,
    /// `alpha`: slopes from below, in `[0, 1]`.
    pub alpha: Option<Vec<Number>>,
    /// `beta`: phases, -1 for inactive, 1 for active, 0 for unknown.
    pub beta: Option<Vec<i8>>,
}

/// A per-node certificate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// The input node that affine functions are functions of, where there are any.
    pub input: Option<usize>,
    /// One for each node of the graph.
    pub nodes: Vec<NodeClaim>,
}

impl Claims {
    /// The box that affine functions are compared on; empty where there is no context.
    pub fn input_box(&self) -> Option<&Ends> {
        self.nodes.get(self.input?)?.ends.as_ref()
    }

    /// Number of inputs of affine functions.
    pub fn width(&self) -> usize {
        self.input_box().map_or(0, Ends::len)
    }

    /// Are there as many entries and elements as the graph has? What is read always fits.
    pub fn fit(&self, graph: &Graph) -> Result<(), String> {
        if self.nodes.len() != graph.nodes.len() {
            return Err(format!("{} entries for {} nodes", self.nodes.len(), graph.nodes.len()));
        }
        let width = self.width();
        for (id, (claim, node)) in self.nodes.iter().zip(&graph.nodes).enumerate() {
            let n = node.len();
            let ends = claim.ends.as_ref().is_none_or(|e| e.low.len() == n && e.high.len() == n);
            let lines = |l: &Lines| l.constants.len() == n && l.coefficients.len() == n * width;
            let forms = claim.forms.as_ref().is_none_or(|f| self.input_box().is_some() && lines(&f.low) && lines(&f.high));
            let slopes = claim.alpha.as_ref().is_none_or(|a| a.len() == n) && claim.beta.as_ref().is_none_or(|b| b.len() == n);
            if !(ends && forms && slopes) {
                return Err(format!("the claims about node {id} are not about {n} elements and {width} inputs"));
            }
        }
        match self.input {
            Some(id) if !graph.inputs.contains(&id) => Err(format!("node {id} is no input")),
            _ => Ok(()),
        }
    }

    /// The claimed ends of element `i` of node `id`, exactly.
    pub fn exact(&self, id: usize, i: usize) -> Option<(&Decimal, &Decimal)> {
        let ends = self.nodes.get(id)?.ends.as_ref()?;
        Some((&ends.low.get(i)?.exact, &ends.high.get(i)?.exact))
    }
}
