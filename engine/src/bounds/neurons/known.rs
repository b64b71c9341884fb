//! What was proved before: where a search by row trees goes on.

/// Bounds and excluded disjuncts that the steps of a certificate show.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Disjuncts that are open.
    pub open: Vec<usize>,
    /// For each activation the ranges of its pre-activations.
    pub ends: Vec<Vec<(f64, f64)>>,
}
