//! The question: declared networks, and the negated property as an OR of (input region, conjunction).

mod assignment;
mod constraint;
mod declaration;
mod region;
mod serialise;

pub use constraint::Constraint;
pub use declaration::{DeclaredElement, NetworkDeclaration, Relation, Variable, VariableKind};
pub use region::{DecimalRange, Ranges, Region};
pub use serialise::{SerialiseError, tensor_proto};

use std::sync::Arc;

use crate::numerics::Decimal;

/// One input region with every disjunct asked over it. A disjunct is a conjunction over outputs (and inputs, where mixed);
/// a counterexample satisfies all constraints of one disjunct. An empty conjunction is satisfied by every input of the region.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The inputs.
    pub region: Region,
    /// The disjuncts; cases that ask the same share them.
    pub disjuncts: Arc<Vec<Vec<Constraint>>>,
}

impl Case {
    /// True if `input` lies in the region as written: box and cuts, exactly.
    pub fn contains(&self, input: &[Decimal]) -> bool {
        self.region.contains(input)
    }
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

impl Query {
    /// Number of input elements of the (first) network.
    pub fn input_len(&self) -> usize {
        self.elements_of(&VariableKind::Input)
    }

    /// Number of output elements of the (first) network.
    pub fn output_len(&self) -> usize {
        self.elements_of(&VariableKind::Output)
    }

    /// Number of disjuncts over all cases.
    pub fn disjunct_count(&self) -> usize {
        self.cases.iter().map(|case| case.disjuncts.len()).sum()
    }

    /// The element type that the query's variables are declared with.
    pub fn declared_element(&self) -> DeclaredElement {
        let variable = self.networks.first().and_then(|network| network.variables.first());
        variable.map_or(DeclaredElement::Real, |variable| DeclaredElement::named(&variable.element))
    }

    /// The name of a flat element in the query's own notation: `X_3`, or `X[0,3]` in version 2.
    pub fn element_name(&self, element: usize) -> String {
        let mut rest = element;
        for variable in self.networks.iter().flat_map(|network| &network.variables) {
            let visible = matches!(variable.kind, VariableKind::Input | VariableKind::Output);
            match rest.checked_sub(variable.len()) {
                Some(beyond) if visible => rest = beyond,
                None if visible => return variable.element_name(rest, self.legacy),
                _ => {}
            }
        }
        format!("element {element}")
    }

    fn elements_of(&self, kind: &VariableKind) -> usize {
        let variables = self.networks.first().map_or(&[][..], |network| &network.variables);
        variables.iter().filter(|variable| variable.kind == *kind).map(Variable::len).sum()
    }
}
