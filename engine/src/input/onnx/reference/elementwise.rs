//! Functions of corresponding elements.

use super::Step;
use super::array::{Array, common_shape};

pub(super) fn binary(step: &Step) -> Result<Array, String> {
    let (a, b) = (step.get(0)?, step.get(1)?);
    let operator = step.node.op_type();
    let integer = a.integer && b.integer;
    let f = |x: f64, y: f64| match operator {
        "Add" => x + y,
        "Sub" => x - y,
        "Mul" => x * y,
        "Div" if integer => (x / y).trunc(),
        "Div" => x / y,
        _ => (x == y) as u8 as f64,
    };
    let shape = common_shape(&a.shape, &b.shape)?;
    Ok(Array::build(shape, integer || operator == "Equal", |i| f(a.get_broadcast(i), b.get_broadcast(i))))
}

pub(super) fn unary(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let to_integer = step.node.op_type() == "Cast" && !matches!(step.int("to", 1), 1 | 10 | 11 | 16);
    let to_truth = step.node.op_type() == "Cast" && step.int("to", 1) == 9;
    let end = |name: &str, k: usize, default: f64| step.maybe(k).map_or(step.float(name, default), |a| a.at(0));
    let (low, high) = (end("min", 1, f64::NEG_INFINITY), end("max", 2, f64::INFINITY));
    let f = |v: f64| match step.node.op_type() {
        "Neg" => -v,
        "Relu" => v.max(0.0),
        "Abs" => v.abs(),
        "LeakyRelu" if v < 0.0 => step.float("alpha", 0.01f32 as f64) * v,
        "Sigmoid" => 1.0 / (1.0 + (-v).exp()),
        "Tanh" => v.tanh(),
        "Clip" => v.max(low).min(high),
        _ if to_truth => (v != 0.0) as u8 as f64,
        _ if to_integer => v.trunc(),
        _ => v,
    };
    let integer = if step.node.op_type() == "Cast" { to_integer } else { x.integer };
    let data = x.to_vec().into_iter().map(f).collect();
    Ok(if integer { Array::integers(x.shape.clone(), data) } else { Array::new(x.shape.clone(), data) })
}

pub(super) fn select(step: &Step) -> Result<Array, String> {
    let (c, a, b) = (step.get(0)?, step.get(1)?, step.get(2)?);
    let shape = common_shape(&common_shape(&c.shape, &a.shape)?, &b.shape)?;
    Ok(Array::build(shape, a.integer, |i| if c.get_broadcast(i) != 0.0 { a.get_broadcast(i) } else { b.get_broadcast(i) }))
}

pub(super) fn batch_normalization(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let (scale, b, mean, variance) = (step.get(1)?, step.get(2)?, step.get(3)?, step.get(4)?);
    let epsilon = step.float("epsilon", 1e-5f32 as f64);
    Ok(Array::build(x.shape.clone(), false, |i| {
        let c = i[1];
        scale.at(c) * (x.get(i) - mean.at(c)) / (variance.at(c) + epsilon).sqrt() + b.at(c)
    }))
}

pub(super) fn extremum(step: &Step) -> Result<Array, String> {
    let parts = (0..step.inputs.len()).map(|k| step.get(k)).collect::<Result<Vec<_>, _>>()?;
    let mut shape = vec![];
    for part in &parts {
        shape = common_shape(&shape, &part.shape)?;
    }
    let pick = if step.node.op_type() == "Min" { f64::min } else { f64::max };
    Ok(Array::build(shape, false, |i| parts.iter().map(|p| p.get_broadcast(i)).reduce(pick).unwrap_or(f64::NAN)))
}
