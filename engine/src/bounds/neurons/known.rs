//! What was proved before: where a search by row trees goes on.

use crate::proof::RowTree;

/// Bounds and excluded disjuncts that the steps of a certificate show.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Disjuncts that are open.
    pub open: Vec<usize>,
    /// For each activation the ranges of its pre-activations.
    pub ends: Vec<Vec<(f64, f64)>>,
    /// These steps.
    pub steps: Vec<u8>,
    /// Trees that exclude open disjuncts in part; of each the best one.
    pub trees: Vec<RowTree>,
}
