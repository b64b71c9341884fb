//! The question: declared networks, and the negated property as an OR of (input region, conjunction).

use crate::numerics::Decimal;

/// What a variable of a query stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableKind {
    /// An input of the network.
    Input,
    /// An output of the network.
    Output,
    /// The value of this name inside the network (parsed, not yet supported).
    Hidden(String),
}

/// One declared variable (a tensor).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Name in the query.
    pub name: String,
    /// Input, output or hidden.
    pub kind: VariableKind,
    /// Element type as written: `real`, `Real`, `float32`, ...
    pub element: String,
    /// Declared shape; empty for a scalar.
    pub shape: Vec<usize>,
}

/// How a declared network is related to an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The same model file as the named network.
    EqualTo(String),
    /// The same structure as the named network, other weights.
    IsomorphicTo(String),
}

/// One declared network. A VNN-LIB 1.0 query has one, without a name, with variables `X` and `Y`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkDeclaration {
    /// Name in the query; empty in version 1.0.
    pub name: String,
    /// Relation to another network.
    pub relation: Option<Relation>,
    /// Variables in the order of declaration.
    pub variables: Vec<Variable>,
}

/// `sum terms + constant >= 0`, or `> 0` if strict, over flat element indices:
/// the inputs `0..n` in order of declaration, then the outputs `n..n+m`.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// (element, coefficient), ascending, no zero coefficient.
    pub terms: Vec<(usize, Decimal)>,
    /// The constant.
    pub constant: Decimal,
    /// True for `> 0`.
    pub strict: bool,
}

/// A closed range of one input element, as written.
#[derive(Clone, Debug, PartialEq)]
pub struct DecimalRange {
    /// Lower end.
    pub low: Decimal,
    /// Upper end.
    pub high: Decimal,
}

/// A set of inputs: a box, cut by further linear constraints over inputs (strict bounds stand here too).
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// One range per input element.
    pub ranges: Vec<DecimalRange>,
    /// Constraints over inputs only.
    pub cuts: Vec<Constraint>,
}

/// One input region with every disjunct asked over it. A disjunct is a conjunction over outputs (and inputs, where mixed);
/// a counterexample satisfies all constraints of one disjunct. An empty conjunction is satisfied by every input of the region.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The inputs.
    pub region: Region,
    /// The disjuncts.
    pub disjuncts: Vec<Vec<Constraint>>,
}

/// A read query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Declared networks.
    pub networks: Vec<NetworkDeclaration>,
    /// True for VNN-LIB 1.0.
    pub legacy: bool,
    /// The cases of the negated property, in order; together an OR.
    pub cases: Vec<Case>,
    /// Remarks for the user (empty disjuncts dropped, exponents in 2.x, ...).
    pub notes: Vec<String>,
}
