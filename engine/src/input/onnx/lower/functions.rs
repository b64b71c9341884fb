//! Functions that are not affine: of one element, of a group along an axis, and the elementwise Min and Max.

use super::call::Call;
use super::{Lowering, Value};
use crate::input::onnx::shape::{axes, axis, broadcast};
use crate::input::onnx::tensor::element_count;
use crate::ops::{
    Abs, Clip, Curve, Exp, Extreme, Extremum, Floor, HardSigmoid, LeakyRelu, Operation, Pow, Reciprocal, ReduceExtremum, Relu, Scalar,
    Sigmoid, Sign, Softmax, Softplus, Tanh, Wave,
};

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

pub(super) fn exp(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, Curve(Exp))
}

pub(super) fn sin(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, Curve(Wave::Sin))
}

pub(super) fn cos(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, Curve(Wave::Cos))
}

pub(super) fn softplus(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, Curve(Softplus))
}

pub(super) fn reciprocal(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, Curve(Reciprocal))
}

pub(super) fn floor(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, Floor)
}

pub(super) fn sign(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, Sign)
}

pub(super) fn hard_sigmoid(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    function(cx, call, HardSigmoid::new(call.float("alpha", 0.2)?, call.float("beta", 0.5)?)?)
}

/// Only constant exponents, the same for every element.
pub(super) fn pow(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let exponents = call.constant(1)?.clone();
    let shape = cx.shape(call.input(0)?);
    if exponents.len() == 0 || broadcast(&shape, &exponents.shape)? != shape {
        return Err(format!("exponents of shape {:?} for an operand of shape {shape:?}", exponents.shape));
    }
    let exponent = exponents.at(0);
    if (1..exponents.len()).any(|i| exponents.at(i) != exponent) {
        return Err("different exponents in one node are not supported".into());
    }
    function(cx, call, Curve(Pow::new(exponent)?))
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

pub(super) fn softmax(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let id = cx.operand(call, 0)?;
    let shape = cx.graph.nodes[id].shape.clone();
    let old = call.opset < 13;
    let a = axis(call.int("axis", if old { 1 } else { -1 }), shape.len())?;
    // Up to operator set 12 the sum runs over all axes from this one on.
    let op = match old {
        true => Softmax::new(&[shape[..a].iter().product(), shape[a..].iter().product()], 1)?,
        false => Softmax::new(&shape, a)?,
    };
    cx.add(call, Operation::General(Box::new(op)), &[id], &shape)
}

pub(super) fn reduce_max(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    reduce_extremum(cx, call, Extreme::Max)
}

pub(super) fn reduce_min(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    reduce_extremum(cx, call, Extreme::Min)
}

fn reduce_extremum(cx: &mut Lowering, call: &Call, which: Extreme) -> Result<Vec<Value>, String> {
    let id = cx.operand(call, 0)?;
    let from = cx.graph.nodes[id].shape.clone();
    let list = call.list("axes", 1)?.filter(|l| !l.is_empty());
    let noop = call.int("noop_with_empty_axes", 0) != 0;
    let reduced = list.map_or(Ok(if noop { vec![] } else { (0..from.len()).collect() }), |l| axes(&l, from.len()))?;
    let flags: Vec<bool> = (0..from.len()).map(|a| reduced.contains(&a)).collect();
    let keep = call.int("keepdims", 1) != 0;
    let shape: Vec<usize> = (0..from.len()).filter(|&a| keep || !flags[a]).map(|a| if flags[a] { 1 } else { from[a] }).collect();
    let op = ReduceExtremum::new(which, &from, &flags)?;
    cx.add(call, Operation::General(Box::new(op)), &[id], &shape)
}
