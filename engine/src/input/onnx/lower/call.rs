//! One application of an operator: its operands and attributes, with typed access.

use std::rc::Rc;

use super::Value;
use crate::input::onnx::proto::{AttributeProto, NodeProto};
use crate::input::onnx::tensor::Tensor;

pub(super) struct Call<'a> {
    pub node: &'a NodeProto,
    pub operator: &'static str,
    pub inputs: Vec<Option<Value>>,
    pub opset: i64,
}

impl Call<'_> {
    /// Input `k`.
    pub fn input(&self, k: usize) -> Result<&Value, String> {
        self.optional(k).ok_or_else(|| format!("input {k} is missing"))
    }

    /// Input `k`, if given.
    pub fn optional(&self, k: usize) -> Option<&Value> {
        self.inputs.get(k).and_then(Option::as_ref)
    }

    /// Input `k`, which must be a constant.
    pub fn constant(&self, k: usize) -> Result<&Rc<Tensor>, String> {
        self.optional_constant(k)?.ok_or_else(|| format!("input {k} is missing"))
    }

    /// Input `k`, if given, which must be a constant.
    pub fn optional_constant(&self, k: usize) -> Result<Option<&Rc<Tensor>>, String> {
        match self.optional(k) {
            None => Ok(None),
            Some(Value::Constant(tensor)) => Ok(Some(tensor)),
            Some(Value::Node(_)) => Err(format!("input {k} (`{}`) must be a constant", self.node.input[k])),
        }
    }

    /// The attribute of this name, if given.
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.node.attribute.iter().find(|a| a.name() == name)
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i())
    }

    pub fn float(&self, name: &str, default: f32) -> Result<f32, String> {
        let x = self.attribute(name).map_or(default, |a| a.f());
        if x.is_finite() { Ok(x) } else { Err(format!("attribute {name} is {x}")) }
    }

    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|a| a.ints.as_slice())
    }

    pub fn text(&self, name: &str, default: &str) -> String {
        self.attribute(name).map_or(default.into(), |a| String::from_utf8_lossy(a.s.as_deref().unwrap_or_default()).into_owned())
    }

    /// A list of integers that is an attribute in some operator sets and input `k` in others.
    pub fn list(&self, name: &str, k: usize) -> Result<Option<Vec<i64>>, String> {
        match self.ints(name) {
            Some(list) => Ok(Some(list.to_vec())),
            None => self.optional_constant(k)?.map(|t| t.ints().map(<[i64]>::to_vec)).transpose(),
        }
    }
}
