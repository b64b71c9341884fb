//! What a query declares: networks and their variables.

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

impl Variable {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True for a variable of no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the element at a row-major index: `X_3` in VNN-LIB 1.0, else `X[0,3]`, or `X` for a scalar.
    pub fn element_name(&self, flat: usize, legacy: bool) -> String {
        if legacy {
            return format!("{}_{flat}", self.name);
        }
        if self.shape.is_empty() {
            return self.name.clone();
        }
        let mut rest = flat;
        let mut indices: Vec<String> = Vec::with_capacity(self.shape.len());
        for &size in self.shape.iter().rev() {
            indices.push((rest % size.max(1)).to_string());
            rest /= size.max(1);
        }
        indices.reverse();
        format!("{}[{}]", self.name, indices.join(","))
    }
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

/// An element type of a query, as far as the rules about semantics need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredElement {
    /// The user permits to read the model as a real-valued function.
    Real,
    /// IEEE binary32.
    Float32,
    /// IEEE binary64.
    Float64,
    /// Another ONNX element type, as written.
    Other(String),
}

impl DeclaredElement {
    /// The type of this name.
    pub fn named(name: &str) -> DeclaredElement {
        match name {
            "real" | "Real" => DeclaredElement::Real,
            "float32" => DeclaredElement::Float32,
            "float64" => DeclaredElement::Float64,
            other => DeclaredElement::Other(other.into()),
        }
    }
}
