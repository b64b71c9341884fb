//! Declared variables: what a name in an assertion stands for.

use std::collections::HashMap;

use super::error::{Fault, QueryErrorKind, quoted};
use super::formula::Element;
use crate::query::{NetworkDeclaration, Variable, VariableKind};

/// Most elements per kind; fits the `u32` of [`Element`] and every real network.
pub(super) const MAX_ELEMENTS: usize = 1 << 30;

/// The element types that a query may name: those of ONNX tensors, and `real`.
const ELEMENT_TYPES: [&str; 22] = [
    "real",
    "Real",
    "float16",
    "float32",
    "float64",
    "bfloat16",
    "float8e4m3fn",
    "float8e4m3fnuz",
    "float8e5m2",
    "float8e5m2fnuz",
    "int4",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint4",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "string",
];

/// What a name stands for.
#[derive(Clone, Debug)]
enum Symbol {
    Network,
    Variable {
        /// Network and variable.
        index: (usize, usize),
        /// Number of the first element among those of its kind.
        first: u32,
    },
}

/// An element and its type, as an assertion uses it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub element: Element,
    /// Equal for equal element types; 0 throughout in version 1.0.
    pub type_number: u32,
}

/// All declarations of a version 2 query, in order.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    pub networks: Vec<NetworkDeclaration>,
    names: HashMap<Vec<u8>, Symbol>,
    inputs: u32,
    outputs: u32,
    hidden: u32,
}

impl Symbols {
    pub fn declare_network(&mut self, name: &[u8], at: usize) -> Result<(), Fault> {
        let name_text = self.fresh(name, at)?;
        self.names.insert(name.into(), Symbol::Network);
        self.networks.push(NetworkDeclaration { name: name_text, relation: None, variables: Vec::new() });
        Ok(())
    }

    /// Adds a variable to the network declared last.
    pub fn declare_variable(&mut self, variable: Variable, at: usize) -> Result<(), Fault> {
        self.fresh(variable.name.as_bytes(), at)?;
        self.check_element_type(&variable.element, at)?;
        let count = variable.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_ELEMENTS);
        let too_large = || Fault::new(QueryErrorKind::TooLarge, at, format!("more than {MAX_ELEMENTS} elements are declared"));
        let count = count.ok_or_else(too_large)?;
        let network = self.networks.len().checked_sub(1).expect("variables are declared inside a network");
        let total = match variable.kind {
            VariableKind::Input => &mut self.inputs,
            VariableKind::Output => &mut self.outputs,
            VariableKind::Hidden(_) => &mut self.hidden,
        };
        let first = *total;
        *total = u32::try_from(first as usize + count).ok().filter(|&n| n as usize <= MAX_ELEMENTS).ok_or_else(too_large)?;
        let symbol = Symbol::Variable { index: (network, self.networks[network].variables.len()), first };
        self.names.insert(variable.name.clone().into_bytes(), symbol);
        self.networks[network].variables.push(variable);
        Ok(())
    }

    /// The element `name[indices]`.
    pub fn resolve(&self, name: &[u8], indices: &[usize], at: usize) -> Result<Reference, Fault> {
        let (index, first) = match self.names.get(name) {
            Some(Symbol::Variable { index, first }) => (*index, *first),
            Some(Symbol::Network) => return Err(Fault::declaration(at, format!("{} is a network, expected a variable", quoted(name)))),
            None => return Err(self.unknown(name, at)),
        };
        let variable = &self.networks[index.0].variables[index.1];
        let flat = flat_index(variable, indices).map_err(|message| Fault::declaration(at, message))?;
        // The total of each kind fits a u32, so that no sum overflows.
        let number = first + flat as u32;
        let element = match variable.kind {
            VariableKind::Input => Element::Input(number),
            VariableKind::Output => Element::Output(number),
            VariableKind::Hidden(_) => Element::Hidden(number),
        };
        let type_number = ELEMENT_TYPES.iter().position(|name| *name == variable.element).unwrap_or(0) as u32;
        Ok(Reference { element, type_number: type_number.max(1) })
    }

    /// Checks that a name is well formed and not yet in use.
    fn fresh(&self, name: &[u8], at: usize) -> Result<String, Fault> {
        let letters = name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if !letters {
            return Err(Fault::declaration(at, format!("{} is not a name: a letter, then letters, digits and `_`", quoted(name))));
        }
        if self.names.contains_key(name) {
            let message = format!("{} is declared twice: names are unique over networks and variables", quoted(name));
            return Err(Fault::declaration(at, message));
        }
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    fn check_element_type(&self, element: &str, at: usize) -> Result<(), Fault> {
        if !ELEMENT_TYPES.contains(&element) {
            let known = ELEMENT_TYPES.join(", ");
            let message = format!("unknown element type {}: expected one of {known}", quoted(element.as_bytes()));
            return Err(Fault::declaration(at, message));
        }
        let is_real = |name: &str| name.eq_ignore_ascii_case("real");
        match self.networks.iter().flat_map(|network| &network.variables).find(|other| is_real(&other.element) != is_real(element)) {
            None => Ok(()),
            Some(other) => {
                let message = format!(
                    "type {element}, but `{}` has type {}: a query uses `real` for every variable or for none",
                    other.name, other.element
                );
                Err(Fault::declaration(at, message))
            }
        }
    }

    fn unknown(&self, name: &[u8], at: usize) -> Fault {
        let declared: Vec<&str> = self.networks.iter().flat_map(|n| &n.variables).map(|v| v.name.as_str()).take(8).collect();
        let hint = if declared.is_empty() { "none is declared".into() } else { format!("declared are {}", declared.join(", ")) };
        Fault::declaration(at, format!("unknown variable {}: {hint}", quoted(name)))
    }
}

/// The row-major index, or what is wrong with the indices.
fn flat_index(variable: &Variable, indices: &[usize]) -> Result<usize, String> {
    let (name, shape) = (&variable.name, &variable.shape);
    if indices.len() != shape.len() {
        return Err(format!("`{name}` has shape {shape:?}: expected {} indices, found {}", shape.len(), indices.len()));
    }
    let mut flat = 0;
    for (&i, &size) in indices.iter().zip(shape) {
        if i >= size {
            return Err(format!("index {i} of `{name}` is out of range: its shape is {shape:?}, indices start at 0"));
        }
        flat = flat * size + i;
    }
    Ok(flat)
}

/// The variables `X_i` and `Y_j` of a version 1.0 query.
#[derive(Debug, Default)]
pub(super) struct LegacySymbols {
    inputs: Vec<bool>,
    outputs: Vec<bool>,
    /// No valid index is larger: indices have no gaps, and each takes bytes to declare.
    limit: usize,
}

impl LegacySymbols {
    pub fn new(text_len: usize) -> LegacySymbols {
        LegacySymbols { limit: text_len.min(MAX_ELEMENTS), ..LegacySymbols::default() }
    }

    pub fn declare(&mut self, name: &[u8], at: usize) -> Result<(), Fault> {
        let parsed = parse_legacy(name).ok_or_else(|| {
            let message = format!("{} is not a variable of VNN-LIB 1.0: inputs are X_0, X_1, ..., outputs Y_0, Y_1, ...", quoted(name));
            Fault::declaration(at, message)
        })?;
        let (declared, i) = match parsed {
            (b'X', i) => (&mut self.inputs, i),
            (_, i) => (&mut self.outputs, i),
        };
        if i >= self.limit {
            return Err(Fault::declaration(at, format!("{} is out of range: indices run from 0 without gaps", quoted(name))));
        }
        if declared.len() <= i {
            declared.resize(i + 1, false);
        }
        if std::mem::replace(&mut declared[i], true) {
            return Err(Fault::declaration(at, format!("{} is declared twice: remove one declaration", quoted(name))));
        }
        Ok(())
    }

    pub fn resolve(&self, name: &[u8], at: usize) -> Result<Reference, Fault> {
        let element = match parse_legacy(name) {
            Some((b'X', i)) if self.inputs.get(i) == Some(&true) => Element::Input(i as u32),
            Some((b'Y', i)) if self.outputs.get(i) == Some(&true) => Element::Output(i as u32),
            Some((kind, _)) => {
                let declared = if kind == b'X' { &self.inputs } else { &self.outputs };
                let kind = char::from(kind);
                let message = match declared.len() {
                    0 => format!("unknown variable {}: no {kind}_i is declared before it", quoted(name)),
                    n => format!("unknown variable {}: declared before it are {kind}_0 to {kind}_{}", quoted(name), n - 1),
                };
                return Err(Fault::declaration(at, message));
            }
            None => {
                let message = format!("unknown variable {}: inputs are X_0, X_1, ..., outputs Y_0, Y_1, ...", quoted(name));
                return Err(Fault::declaration(at, message));
            }
        };
        Ok(Reference { element, type_number: 0 })
    }

    /// The one unnamed network, once everything is read.
    pub fn into_network(self) -> Result<NetworkDeclaration, Fault> {
        let variable = |name: &str, kind: VariableKind, declared: &[bool]| {
            let missing = declared.iter().position(|d| !d);
            let message = match (missing, declared.len()) {
                (Some(i), n) => format!("{name}_{i} is not declared, but {name}_{} is: indices run from 0 without gaps", n - 1),
                (None, 0) => format!("no variable {name}_0 is declared: expected (declare-const {name}_0 Real)"),
                (None, n) => return Ok(Variable { name: name.into(), kind, element: "Real".into(), shape: vec![n] }),
            };
            Err(Fault::whole(QueryErrorKind::Declaration, message))
        };
        let variables = vec![variable("X", VariableKind::Input, &self.inputs)?, variable("Y", VariableKind::Output, &self.outputs)?];
        Ok(NetworkDeclaration { name: String::new(), relation: None, variables })
    }
}

/// Splits `X_12` into `X` and 12.
fn parse_legacy(name: &[u8]) -> Option<(u8, usize)> {
    let (kind, digits) = match name {
        [kind @ (b'X' | b'Y'), b'_', digits @ ..] => (*kind, digits),
        _ => return None,
    };
    parse_index(digits).map(|i| (kind, i))
}

/// Digits without a leading zero, as a number that fits.
pub(super) fn parse_index(digits: &[u8]) -> Option<usize> {
    let plain = match digits {
        [] => false,
        [b'0'] => true,
        [first, ..] => *first != b'0' && digits.len() <= 10,
    };
    (plain && digits.iter().all(u8::is_ascii_digit)).then(|| digits.iter().fold(0, |n, d| n * 10 + usize::from(d - b'0')))
}
