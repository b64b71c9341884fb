//! The question as the checker reads it from the file, in exact numbers.

use crate::exact::Rational;

/// The negated property: an OR of cases.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Number of input elements.
    pub inputs: usize,
    /// Number of output elements.
    pub outputs: usize,
    /// The cases, in the order that docs/certificate.md defines.
    pub cases: Vec<Case>,
}

/// One input region with every disjunct asked over it. A counterexample lies in the region and satisfies all constraints of
/// one disjunct.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Lower ends, one per input.
    pub low: Vec<Rational>,
    /// Upper ends.
    pub high: Vec<Rational>,
    /// Constraints over inputs alone that every input of the region satisfies.
    pub cuts: Vec<Constraint>,
    /// The disjuncts; an empty one is satisfied by every input of the region.
    pub disjuncts: Vec<Vec<Constraint>>,
}

/// `sum of terms + constant >= 0`, or `> 0` if strict.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// Coefficients of inputs, ascending.
    pub inputs: Vec<(usize, Rational)>,
    /// Coefficients of outputs, ascending.
    pub outputs: Vec<(usize, Rational)>,
    /// The constant.
    pub constant: Rational,
    /// Whether equality is excluded.
    pub strict: bool,
}
