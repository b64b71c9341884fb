//! Constants and what is computed from constants alone: exactly, or not at all.

use std::rc::Rc;

use super::call::Call;
use super::{Lowering, Value};
use crate::graph::Element;
use crate::input::onnx::proto::element;
use crate::input::onnx::shape::{broadcast, broadcast_index};
use crate::input::onnx::tensor::{Data, Tensor, decode, element_count};

pub(super) fn folded(tensor: Tensor) -> Result<Vec<Value>, String> {
    Ok(vec![Value::Constant(Rc::new(tensor))])
}

pub(super) fn constant(_: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    folded(constant_attribute(call.node)?)
}

/// The tensor that a Constant node stands for.
pub(in crate::input::onnx) fn constant_attribute(node: &crate::input::onnx::proto::NodeProto) -> Result<Tensor, String> {
    let attribute = node.attribute.first().ok_or("a Constant without a value")?;
    let floats = |shape, v: Vec<f32>| match v.iter().find(|x| !x.is_finite()) {
        Some(x) => Err(format!("the constant is {x}, expected a finite number")),
        None => Ok(Tensor { shape, data: Data::F32(v) }),
    };
    match attribute.name() {
        "value" => {
            let proto = attribute.t.as_ref().ok_or("attribute `value` holds no tensor")?;
            decode(proto, &|_| Err("external data in a Constant node is not supported".into()))
        }
        "value_float" => floats(vec![], vec![attribute.f()]),
        "value_floats" => floats(vec![attribute.floats.len()], attribute.floats.clone()),
        "value_int" => Ok(Tensor { shape: vec![], data: Data::Int(vec![attribute.i()]) }),
        "value_ints" => Ok(Tensor::integers(attribute.ints.clone())),
        other => Err(format!("a Constant with attribute `{other}` is not supported")),
    }
}

pub(super) fn constant_of_shape(_: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let shape = call.constant(0)?.ints()?.iter().map(|&d| usize::try_from(d).map_err(|_| format!("negative dimension {d}")));
    let shape = shape.collect::<Result<Vec<_>, _>>()?;
    let count = element_count(&shape)?;
    let fill = match call.attribute("value").and_then(|a| a.t.as_ref()) {
        Some(t) => decode(t, &|_| Err("external data in an attribute is not supported".into()))?,
        None => Tensor { shape: vec![1], data: Data::F32(vec![0.0]) },
    };
    match fill.len() {
        1 => folded(fill.pick(std::iter::repeat_n(Some(0), count), shape)),
        n => Err(format!("attribute `value` has {n} elements, expected 1")),
    }
}

pub(super) fn shape(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let shape = cx.shape(call.input(0)?);
    let rank = shape.len() as i64;
    let end = |i: i64| if i < 0 { i.saturating_add(rank) } else { i }.clamp(0, rank) as usize;
    let (first, last) = (end(call.int("start", 0)), end(call.int("end", rank)));
    folded(Tensor::integers(shape[first..last.max(first)].iter().map(|&d| d as i64).collect()))
}

/// Constants are converted exactly or refused; on variables only the cast to their own type is allowed.
pub(super) fn cast(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let to = call.int("to", 0) as i32;
    match (call.input(0)?, to, cx.model.element) {
        (Value::Constant(tensor), ..) => folded(Tensor { shape: tensor.shape.clone(), data: converted(tensor, to)? }),
        (_, element::FLOAT, Element::F32) | (_, element::DOUBLE, Element::F64) => super::reshape::identity(cx, call),
        _ => Err(format!("a variable is cast to {}, which is not the network's element type", element::name(to))),
    }
}

fn converted(tensor: &Tensor, to: i32) -> Result<Data, String> {
    let inexact = |x: &dyn std::fmt::Display| Err(format!("{x} is cast to {}, which cannot hold it exactly", element::name(to)));
    let floats = || (0..tensor.len()).map(|i| tensor.at(i));
    match (&tensor.data, to) {
        (Data::Int(v) | Data::Bool(v), element::FLOAT | element::DOUBLE) if v.iter().any(|x| x.unsigned_abs() > 1 << 53) => {
            inexact(&"an integer above 2^53")
        }
        (_, element::FLOAT) => match floats().find(|&x| x as f32 as f64 != x) {
            Some(x) => inexact(&x),
            None => Ok(Data::F32(floats().map(|x| x as f32).collect())),
        },
        (_, element::DOUBLE) => Ok(Data::F64(floats().collect())),
        (_, element::BOOL) => Ok(Data::Bool(floats().map(|x| (x != 0.0) as i64).collect())),
        (Data::Int(v) | Data::Bool(v), element::INT64) => Ok(Data::Int(v.clone())),
        (Data::Int(v) | Data::Bool(v), element::INT32) => match v.iter().find(|&&x| i32::try_from(x).is_err()) {
            Some(x) => inexact(x),
            None => Ok(Data::Int(v.clone())),
        },
        (_, element::INT64 | element::INT32) => match floats().find(|x| x.abs() >= 2f64.powi(31)) {
            Some(x) => inexact(&x),
            None => Ok(Data::Int(floats().map(|x| x as i64).collect())),
        },
        _ => Err(format!("a cast to {} is not supported", element::name(to))),
    }
}

pub(super) fn equal(_: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let (a, b) = (call.constant(0)?, call.constant(1)?);
    let (shape, a, b) = aligned(a, b)?;
    let same = match (&a.data, &b.data) {
        (Data::Int(x) | Data::Bool(x), Data::Int(y) | Data::Bool(y)) => x.iter().zip(y).map(|(x, y)| (x == y) as i64).collect(),
        _ => (0..a.len()).map(|i| (a.at(i) == b.at(i)) as i64).collect(),
    };
    folded(Tensor { shape, data: Data::Bool(same) })
}

/// Two constants broadcast together.
fn aligned(a: &Tensor, b: &Tensor) -> Result<(Vec<usize>, Tensor, Tensor), String> {
    let shape = broadcast(&a.shape, &b.shape)?;
    element_count(&shape)?;
    let spread = |t: &Tensor| t.pick(broadcast_index(&t.shape, &shape).into_iter().map(|i| Some(i as usize)), shape.clone());
    let (a, b) = (spread(a), spread(b));
    Ok((shape, a, b))
}

/// Arithmetic on two constants; `None` if the exact result is not a number of their type.
pub(super) fn arithmetic(operator: &str, a: &Tensor, b: &Tensor) -> Result<Option<Tensor>, String> {
    let (shape, a, b) = aligned(a, b)?;
    let data = match (&a.data, &b.data) {
        (Data::Int(x), Data::Int(y)) => {
            let results = x.iter().zip(y).map(|(&x, &y)| match operator {
                "Add" => x.checked_add(y),
                "Sub" => x.checked_sub(y),
                "Mul" => x.checked_mul(y),
                _ => x.checked_div(y),
            });
            Data::Int(results.collect::<Option<_>>().ok_or("integer arithmetic overflows or divides by zero")?)
        }
        (Data::F32(x), Data::F32(y)) => match x.iter().zip(y).map(|(&x, &y)| exact_f32(operator, x, y)).collect() {
            Some(v) => Data::F32(v),
            None => return Ok(None),
        },
        (Data::F64(x), Data::F64(y)) => match x.iter().zip(y).map(|(&x, &y)| exact_f64(operator, x, y)).collect() {
            Some(v) => Data::F64(v),
            None => return Ok(None),
        },
        _ => return Err("operands of different element types".into()),
    };
    Ok(Some(Tensor { shape, data }))
}

/// The result if it is exact. Products of two binary32 numbers are exact in binary64.
fn exact_f32(operator: &str, x: f32, y: f32) -> Option<f32> {
    let (a, b) = (x as f64, y as f64);
    let (z, exact) = match operator {
        "Add" => (x + y, sum_is_exact(a, b)),
        "Sub" => (x - y, sum_is_exact(a, -b)),
        "Mul" => (x * y, true),
        _ => return Some(x / y).filter(|z| *z as f64 * b == a && z.is_finite()),
    };
    let wide = match operator {
        "Add" => a + b,
        "Sub" => a - b,
        _ => a * b,
    };
    (exact && z.is_finite() && z as f64 == wide).then_some(z)
}

fn exact_f64(operator: &str, x: f64, y: f64) -> Option<f64> {
    // Residuals of products are representable as long as nothing is near the underflow threshold.
    let safe = |z: f64| z == 0.0 && (x == 0.0 || y == 0.0) || z.abs() > 1e-200;
    let (z, exact) = match operator {
        "Add" => (x + y, sum_is_exact(x, y)),
        "Sub" => (x - y, sum_is_exact(x, -y)),
        "Mul" => (x * y, x.mul_add(y, -(x * y)) == 0.0 && safe(x * y)),
        _ => (x / y, (x / y).mul_add(y, -x) == 0.0 && (x == 0.0 || x.abs() > 1e-200)),
    };
    (exact && z.is_finite()).then_some(z)
}

/// Knuth's TwoSum: the rounding error of a sum is computed exactly.
fn sum_is_exact(a: f64, b: f64) -> bool {
    let s = a + b;
    let t = s - a;
    (a - (s - t)) + (b - t) == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_results_are_folded() {
        assert_eq!(exact_f32("Add", 1.0, 0.5), Some(1.5));
        assert_eq!(exact_f32("Add", 16_777_216.0, 1.0), None);
        assert_eq!(exact_f32("Mul", 0.1, 0.1), None);
        assert_eq!(exact_f32("Mul", 0.1, 2.0), Some(0.2));
        assert_eq!(exact_f32("Div", 1.0, 3.0), None);
        assert_eq!(exact_f32("Div", 3.0, 4.0), Some(0.75));
        assert_eq!(exact_f32("Div", 3.0, 0.0), None);
        assert_eq!(exact_f64("Sub", 1.0, 1e-30), None);
        assert_eq!(exact_f64("Div", 1.0, 10.0), None);
        assert_eq!(exact_f64("Mul", 3.0, 0.25), Some(0.75));
    }
}
