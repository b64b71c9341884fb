//! Add, Sub, Mul, Div with broadcasting, and Neg.

use super::call::Call;
use super::constants::{arithmetic, folded};
use super::{Lowering, Value};
use crate::input::onnx::shape::{broadcast, broadcast_index, spread};
use crate::input::onnx::tensor::{Data, Tensor, element_count};
use crate::numerics::Numbers;
use crate::ops::{Bilinear, Factors, Operation, Quotient, Scale, Sum};

/// The operands of a binary operator after folding: at most one is a constant.
enum Pair {
    Folded(Tensor),
    VariableConstant(Vec<f64>),
    ConstantVariable(Vec<f64>),
    Variables,
}

/// Shapes and operands of a binary operator.
struct Binary {
    shape: Vec<usize>,
    pair: Pair,
}

fn binary(cx: &mut Lowering, call: &Call) -> Result<Binary, String> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let shape = broadcast(&cx.shape(a), &cx.shape(b))?;
    element_count(&shape)?;
    let pair = match (a, b) {
        (Value::Constant(a), Value::Constant(b)) => match arithmetic(call.operator, a, b)? {
            Some(tensor) => Pair::Folded(tensor),
            // The exact result is no number of the type: computed in the graph, from the first operand as a variable.
            None => Pair::VariableConstant(constants(cx, b, &shape)?),
        },
        (Value::Node(_), Value::Constant(b)) => Pair::VariableConstant(constants(cx, b, &shape)?),
        (Value::Constant(a), Value::Node(_)) => Pair::ConstantVariable(constants(cx, a, &shape)?),
        (Value::Node(_), Value::Node(_)) => Pair::Variables,
    };
    Ok(Binary { shape, pair })
}

fn constants(cx: &Lowering, tensor: &Tensor, shape: &[usize]) -> Result<Vec<f64>, String> {
    let values = cx.numbers(tensor)?.to_f64();
    Ok(broadcast_index(&tensor.shape, shape).into_iter().map(|i| values[i as usize]).collect())
}

/// Adds `w x + b` of operand `k` broadcast to `shape`.
fn scale(cx: &mut Lowering, call: &Call, k: usize, shape: &[usize], factors: Factors, bias: Option<Numbers>) -> Result<Scale, String> {
    let id = cx.operand(call, k)?;
    Scale::new(call.operator, spread(&cx.graph.nodes[id].shape, shape)?, factors, bias)
}

fn finish(cx: &mut Lowering, call: &Call, k: usize, scale: Scale, shape: &[usize]) -> Result<Vec<Value>, String> {
    let id = cx.operand(call, k)?;
    cx.add_affine(call, scale, &[id], shape)
}

fn sum(cx: &mut Lowering, call: &Call, subtract: bool) -> Result<Vec<Value>, String> {
    let Binary { shape, pair } = binary(cx, call)?;
    let sign = if subtract { -1.0 } else { 1.0 };
    match pair {
        Pair::Folded(tensor) => folded(tensor),
        Pair::VariableConstant(b) => {
            let bias = cx.computed(b.into_iter().map(|b| sign * b).collect())?;
            let op = scale(cx, call, 0, &shape, Factors::Uniform(1.0), Some(bias))?;
            finish(cx, call, 0, op, &shape)
        }
        Pair::ConstantVariable(a) => {
            let bias = cx.computed(a)?;
            let op = scale(cx, call, 1, &shape, Factors::Uniform(sign), Some(bias))?;
            finish(cx, call, 1, op, &shape)
        }
        Pair::Variables => {
            let (a, b) = (cx.operand(call, 0)?, cx.operand(call, 1)?);
            let place = |id: usize| spread(&cx.graph.nodes[id].shape, &shape);
            let op = Sum::new(call.operator, vec![(place(a)?, false), (place(b)?, subtract)])?;
            cx.add_affine(call, op, &[a, b], &shape)
        }
    }
}

pub(super) fn add(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    sum(cx, call, false)
}

pub(super) fn sub(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    sum(cx, call, true)
}

/// One factor where all are equal.
fn factors(cx: &Lowering, w: Vec<f64>) -> Result<Factors, String> {
    Ok(match w.first() {
        Some(&first) if w.iter().all(|&x| x == first) => Factors::Uniform(first),
        _ => Factors::Each(cx.computed(w)?),
    })
}

pub(super) fn mul(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let Binary { shape, pair } = binary(cx, call)?;
    let (k, w) = match pair {
        Pair::Folded(tensor) => return folded(tensor),
        Pair::VariableConstant(w) => (0, w),
        Pair::ConstantVariable(w) => (1, w),
        Pair::Variables => {
            let (a, b) = (cx.operand(call, 0)?, cx.operand(call, 1)?);
            let op = Bilinear::product(&cx.graph.nodes[a].shape, &cx.graph.nodes[b].shape)?;
            return cx.add(call, Operation::General(Box::new(op)), &[a, b], &shape);
        }
    };
    let w = factors(cx, w)?;
    let op = scale(cx, call, k, &shape, w, None)?;
    finish(cx, call, k, op, &shape)
}

pub(super) fn div(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let Binary { shape, pair } = binary(cx, call)?;
    match pair {
        Pair::Folded(tensor) => folded(tensor),
        Pair::VariableConstant(divisors) => {
            let inverses = divisors.iter().map(|&d| inverse(d)).collect::<Result<Vec<f64>, String>>()?;
            // An inverse rounds once, by at most half an ulp.
            let exact = divisors.iter().zip(&inverses).all(|(&d, &w)| d.mul_add(w, -1.0) == 0.0);
            let w = factors(cx, inverses)?;
            let op = scale(cx, call, 0, &shape, w, None)?;
            let op = op.with_errors(if exact { 0.0 } else { f64::EPSILON }, None);
            finish(cx, call, 0, op, &shape)
        }
        Pair::ConstantVariable(_) | Pair::Variables => {
            let (a, b) = (cx.operand(call, 0)?, cx.operand(call, 1)?);
            let op = Quotient::new(&cx.graph.nodes[a].shape, &cx.graph.nodes[b].shape)?;
            cx.add(call, Operation::General(Box::new(op)), &[a, b], &shape)
        }
    }
}

/// `1 / d`, refused where it has no relative accuracy.
fn inverse(d: f64) -> Result<f64, String> {
    match 1.0 / d {
        w if w.is_normal() => Ok(w),
        _ => Err(format!("division by the constant {d}")),
    }
}

pub(super) fn neg(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let shape = cx.shape(call.input(0)?);
    if let Value::Constant(tensor) = call.input(0)? {
        let negated = match &tensor.data {
            Data::Int(v) => Data::Int(v.iter().map(|x| x.checked_neg()).collect::<Option<_>>().ok_or("integer overflow")?),
            _ => match tensor.numbers()? {
                Numbers::F32(v) => Data::F32(v.into_iter().map(|x| -x).collect()),
                Numbers::F64(v) => Data::F64(v.into_iter().map(|x| -x).collect()),
            },
        };
        return folded(Tensor { shape, data: negated });
    }
    let op = scale(cx, call, 0, &shape, Factors::Uniform(-1.0), None)?;
    finish(cx, call, 0, op, &shape)
}

/// Any number of operands; constants among them become nodes.
pub(super) fn sum_of_all(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let ids = (0..call.inputs.len()).map(|k| cx.operand(call, k)).collect::<Result<Vec<_>, _>>()?;
    let mut shape = vec![];
    for &id in &ids {
        shape = broadcast(&shape, &cx.graph.nodes[id].shape)?;
    }
    element_count(&shape)?;
    let places = ids.iter().map(|&id| Ok((spread(&cx.graph.nodes[id].shape, &shape)?, false))).collect::<Result<Vec<_>, String>>()?;
    cx.add_affine(call, Sum::new(call.operator, places)?, &ids, &shape)
}
