//! A node of the file with the values that it reads; operands and attributes that no rule asks for are refused.

use std::cell::Cell;

use super::proto::{Attribute, NodeProto, kind};
use super::tensor::Tensor;
use super::{Lowering, Value};
use crate::read::{Error, not_certified, unreadable};

/// A node of the file and its operands.
pub(super) struct Call<'m, 'a> {
    pub operator: &'a str,
    /// Name of the node, or of its first output if it has none.
    pub name: &'a str,
    /// Name of the first output.
    pub output: &'a str,
    /// Number of outputs.
    pub outputs: usize,
    pub operands: Vec<Option<Value<'a>>>,
    /// Which operands somebody has asked for.
    read: Vec<Cell<bool>>,
    attributes: &'m [Attribute<'a>],
}

impl<'m, 'a> Call<'m, 'a> {
    pub fn new(node: &'m NodeProto<'a>, lowering: &Lowering<'a>) -> Result<Call<'m, 'a>, Error> {
        let output = node.outputs.first().copied().unwrap_or_default();
        let name = node.name.filter(|name| !name.is_empty()).unwrap_or(output);
        let operator = node.operator.unwrap_or_default();
        match node.domain.unwrap_or_default() {
            "" | "ai.onnx" => {}
            domain => return not_certified(format!("operator {domain}.{operator} at node `{name}`")),
        }
        let operand = |input: &&'a str| match lowering.values.get(input) {
            Some(value) => Ok(Some(value.clone())),
            None if input.is_empty() => Ok(None),
            None => unreadable(format!("node `{name}` reads `{input}`, which nothing before it gives")),
        };
        let operands = node.inputs.iter().map(operand).collect::<Result<Vec<_>, Error>>()?;
        let read = vec![Cell::new(false); operands.len()];
        Ok(Call { operator, name, output, outputs: node.outputs.len(), operands, read, attributes: &node.attributes })
    }

    /// The operand at place `k`.
    pub fn operand(&self, k: usize) -> Result<&Value<'a>, Error> {
        self.optional(k).map_or_else(|| unreadable(format!("operand {k} is missing")), Ok)
    }

    /// The operand at place `k`, if there is one; from here on it counts as understood.
    pub fn optional(&self, k: usize) -> Option<&Value<'a>> {
        self.read.get(k)?.set(true);
        self.operands.get(k)?.as_ref()
    }

    /// An operand that is not constant: its node and shape.
    pub fn node(&self, k: usize) -> Result<(usize, &[usize]), Error> {
        match self.operand(k)? {
            Value::Node { id, shape } => Ok((*id, shape)),
            Value::Constant(_) => not_certified(format!("operand {k} is a constant")),
        }
    }

    /// An operand that must be constant.
    pub fn constant(&self, k: usize) -> Result<&Tensor<'a>, Error> {
        self.operand(k)?;
        self.optional_constant(k).transpose().unwrap_or_else(|| unreadable(format!("operand {k} is missing")))
    }

    /// An operand that must be constant if it is there.
    pub fn optional_constant(&self, k: usize) -> Result<Option<&Tensor<'a>>, Error> {
        match self.optional(k) {
            None => Ok(None),
            Some(Value::Constant(tensor)) => Ok(Some(tensor)),
            Some(Value::Node { .. }) => not_certified(format!("operand {k} is not a constant")),
        }
    }

    /// An attribute of this kind; from here on it counts as understood. One of another kind does not.
    pub fn attribute(&self, name: &str, kind: i64) -> Option<&'m Attribute<'a>> {
        let attribute = self.attributes.iter().find(|attribute| attribute.name == Some(name))?;
        attribute.used.set(attribute.kind == Some(kind));
        attribute.used.get().then_some(attribute)
    }

    /// The tensor of an attribute.
    pub fn tensor(&self, name: &str) -> Option<&'m Tensor<'a>> {
        self.attribute(name, kind::TENSOR)?.tensor.as_ref()
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        // Protocol buffers may leave out a zero.
        self.attribute(name, kind::INT).map_or(default, |attribute| attribute.int.unwrap_or(0))
    }

    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.optional_float(name).unwrap_or(default)
    }

    pub fn optional_float(&self, name: &str) -> Option<f32> {
        self.attribute(name, kind::FLOAT).map(|attribute| attribute.float.unwrap_or(0.0))
    }

    pub fn text(&self, name: &str, default: &'static str) -> &'m [u8] {
        self.attribute(name, kind::TEXT).map_or(default.as_bytes(), |attribute| attribute.text.unwrap_or_default())
    }

    pub fn ints(&self, name: &str) -> Option<&'m [i64]> {
        self.attribute(name, kind::INTS).map(|attribute| &attribute.ints[..])
    }

    /// A list of integers that older versions have as an attribute and newer ones as operand `k`.
    pub fn list(&self, name: &str, k: usize) -> Result<Option<Vec<i64>>, Error> {
        match (self.ints(name), self.optional_constant(k)?) {
            (Some(_), Some(_)) => unreadable(format!("{name} stands twice")),
            (Some(list), None) => Ok(Some(list.to_vec())),
            (None, tensor) => tensor.map(Tensor::to_integers).transpose(),
        }
    }

    /// Refuses a node with operands or attributes that no rule has asked for, or with an attribute twice.
    pub fn all_used(&self) -> Result<(), Error> {
        if let Some(k) = (0..self.operands.len()).find(|&k| self.operands[k].is_some() && !self.read[k].get()) {
            return not_certified(format!("operand {k} has no meaning"));
        }
        match self.attributes.iter().find(|attribute| !attribute.used.get()) {
            Some(attribute) => not_certified(format!("attribute {}", attribute.name.unwrap_or_default())),
            None => Ok(()),
        }
    }
}

/// An axis, counted from the end if negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Error> {
    let axis = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    match usize::try_from(axis) {
        Ok(axis) if axis < rank => Ok(axis),
        _ => unreadable(format!("axis {axis} of {rank}")),
    }
}
