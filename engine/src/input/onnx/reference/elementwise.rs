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
        "Pow" => x.powf(y),
        _ => (x == y) as u8 as f64,
    };
    let shape = common_shape(&a.shape, &b.shape)?;
    Ok(Array::build(shape, integer || operator == "Equal", |i| f(a.get_broadcast(i), b.get_broadcast(i))))
}

pub(super) fn unary(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    if step.node.op_type() == "Cast" {
        return Ok(cast(x, step.int("to", 1)));
    }
    let f = function(step)?;
    let data = x.to_vec().into_iter().map(f).collect();
    Ok(if x.integer { Array::integers(x.shape.clone(), data) } else { Array::new(x.shape.clone(), data) })
}

fn function(step: &Step) -> Result<Box<dyn Fn(f64) -> f64>, String> {
    let end = |name: &str, k: usize, default: f64| step.maybe(k).map_or(step.float(name, default), |a| a.at(0));
    let leak = step.float("alpha", 0.01f32 as f64);
    let (alpha, beta) = (step.float("alpha", 0.2f32 as f64), step.float("beta", 0.5));
    Ok(match step.node.op_type() {
        "Neg" => Box::new(|v| -v),
        "Relu" => Box::new(|v| if v > 0.0 { v } else { 0.0 }),
        "Abs" => Box::new(|v| if v < 0.0 { -v } else { v }),
        "LeakyRelu" => Box::new(move |v| if v < 0.0 { leak * v } else { v }),
        "Sigmoid" => Box::new(|v| 1.0 / (1.0 + (-v).exp())),
        "HardSigmoid" => Box::new(move |v| (alpha * v + beta).clamp(0.0, 1.0)),
        "Tanh" => Box::new(f64::tanh),
        "Clip" => {
            let (low, high) = (end("min", 1, f64::NEG_INFINITY), end("max", 2, f64::INFINITY));
            Box::new(move |v| v.max(low).min(high))
        }
        "Exp" => Box::new(f64::exp),
        "Softplus" => Box::new(|v| (v.exp() + 1.0).ln()),
        "Floor" => Box::new(f64::floor),
        "Sign" => Box::new(|v| (v > 0.0) as i32 as f64 - (v < 0.0) as i32 as f64),
        "Sin" => Box::new(f64::sin),
        "Cos" => Box::new(f64::cos),
        "Reciprocal" => Box::new(|v| 1.0 / v),
        other => return Err(format!("the reference evaluator has no rule for {other}")),
    })
}

fn cast(x: &Array, to: i64) -> Array {
    let whole = !matches!(to, 1 | 10 | 11 | 16);
    let f = |v: f64| match (to, whole) {
        (9, _) => (v != 0.0) as u8 as f64,
        (_, true) => v.trunc(),
        _ => v,
    };
    let data = x.to_vec().into_iter().map(f).collect();
    if whole { Array::integers(x.shape.clone(), data) } else { Array::new(x.shape.clone(), data) }
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

pub(super) fn of_all(step: &Step) -> Result<Array, String> {
    let parts = (0..step.inputs.len()).map(|k| step.get(k)).collect::<Result<Vec<_>, _>>()?;
    let mut shape = vec![];
    for part in &parts {
        shape = common_shape(&shape, &part.shape)?;
    }
    let pick = match step.node.op_type() {
        "Min" => f64::min,
        "Max" => f64::max,
        _ => |x, y| x + y,
    };
    Ok(Array::build(shape, false, |i| parts.iter().map(|p| p.get_broadcast(i)).reduce(pick).unwrap_or(f64::NAN)))
}
