//! Functions of one element, and the elementwise Min and Max.

use super::call::Call;
use super::{Lowering, Value};
use crate::input::onnx::tensor::element_count;
use crate::ops::{Abs, Clip, Curve, Extreme, Extremum, LeakyRelu, Operation, Relu, Scalar, Sigmoid, Tanh};

/// One function of every element of input 0.
fn function(cx: &mut Lowering, call: &Call, op: impl Scalar + 'static) -> Result<Vec<Value>, String> {
    let id = cx.operand(call, 0)?;
    let shape = cx.graph.nodes[id].shape.clone();
    cx.add(call, Operation::Scalar(Box::new(op)), &[id], &shape)
}

pub(super) fn relu(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, Relu)
}

pub(super) fn leaky_relu(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, LeakyRelu::new(call.float("alpha", 0.01)?)?)
}

pub(super) fn abs(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, Abs)
}

pub(super) fn sigmoid(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, Curve(Sigmoid))
}

pub(super) fn tanh(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, Curve(Tanh))
}

/// Ends are attributes up to operator set 10, inputs from 11 on.
pub(super) fn clip(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let end = |name: &str, k: usize, default: f64| match call.attribute(name) {
        Some(a) => Ok(a.f() as f64),
        None => match call.optional_constant(k)? {
            Some(t) if t.len() == 1 => Ok(t.at(0)),
            Some(t) => Err(format!("input {k} has {} elements, expected 1", t.len())),
            None => Ok(default),
        },
    };
    let (low, high) = (end("min", 1, f64::NEG_INFINITY)?, end("max", 2, f64::INFINITY)?);
    // The attributes' defaults are the largest binary32 numbers, which limit nothing.
    let unlimited = |x: f64| if x.abs() == f32::MAX as f64 { x.signum() * f64::INFINITY } else { x };
    function(cx, call, Clip::new(unlimited(low), unlimited(high))?)
}

pub(super) fn max(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    extremum(cx, call, Extreme::Max)
}

pub(super) fn min(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    extremum(cx, call, Extreme::Min)
}

fn extremum(cx: &mut Lowering, call: &Call, which: Extreme) -> Result<Vec<Value>, String> {
    let ids = (0..call.inputs.len()).map(|k| cx.operand(call, k)).collect::<Result<Vec<_>, _>>()?;
    let shapes: Vec<&[usize]> = ids.iter().map(|&id| cx.graph.nodes[id].shape.as_slice()).collect();
    let op = Extremum::new(which, &shapes)?;
    let shape = op.shape().to_vec();
    element_count(&shape)?;
    cx.add(call, Operation::General(Box::new(op)), &ids, &shape)
}
