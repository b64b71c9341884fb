//! BatchNormalization and reductions.

use super::call::Call;
use super::{Lowering, Value};
use crate::input::onnx::shape::{axes, strides, walk};
use crate::input::onnx::tensor::element_count;
use crate::numerics::Numbers;
use crate::ops::{Factors, Scale, Sparse, Spread};

/// Weights whose magnitude is at least this have their relative accuracy; the rounding analysis excludes underflow.
const LEAST_WEIGHT: f64 = 1e-200;

/// `y = scale (x - mean) / sqrt(variance + epsilon) + B`, as `w x + (B - mean w)`.
pub(super) fn batch_normalization(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let id = cx.operand(call, 0)?;
    let shape = cx.graph.nodes[id].shape.clone();
    let channels = *shape.get(1).ok_or_else(|| format!("operand of shape {shape:?} has no channels"))?;
    if call.int("training_mode", 0) != 0 || call.int("spatial", 1) == 0 {
        return Err("training_mode = 1 and spatial = 0 are not supported".into());
    }
    let epsilon = call.float("epsilon", 1e-5)? as f64;
    let parameter = |k: usize| match cx.numbers(call.constant(k)?)? {
        n if n.len() == channels => Ok(n.to_f64()),
        n => Err(format!("input {k} has {} elements for {channels} channels", n.len())),
    };
    let (scale, b, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
    let (mut weights, mut biases, mut errors) = (vec![], vec![], vec![]);
    for c in 0..channels {
        let weight = match variance[c] + epsilon {
            v if v > 0.0 => scale[c] / v.sqrt(),
            v => return Err(format!("variance + epsilon of channel {c} is {v}, expected a positive number")),
        };
        if weight != 0.0 && weight.abs() < LEAST_WEIGHT || weight == 0.0 && scale[c] != 0.0 {
            return Err(format!("the factor of channel {c}, {weight}, is too small"));
        }
        weights.push(weight);
        biases.push(b[c] - mean[c] * weight);
        // Relative to |B| and |mean w|: 2.5 roundings of 2^-53 in w, one in the product, one in the difference.
        errors.push((4.0 * f64::EPSILON * (b[c].abs() + (mean[c] * weight).abs())).next_up() + f64::MIN_POSITIVE);
    }
    let plane: usize = shape[2..].iter().product();
    let count = element_count(&shape)?;
    let of_element = |v: &[f64]| (0..count).map(|o| v[o / plane % channels]).collect::<Vec<f64>>();
    let (weights, biases, errors) = (cx.computed(of_element(&weights))?, cx.computed(of_element(&biases))?, of_element(&errors));
    let op = Scale::new(call.operator, Spread::same(count), Factors::Each(weights), Some(biases))?;
    // sqrt(variance + epsilon) is off by 1.5 roundings, the quotient by one more.
    cx.add_affine(call, op.with_errors(2.0 * f64::EPSILON, Some(errors)), &[id], &shape)
}

pub(super) fn reduce_sum(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    reduce(cx, call, false)
}

pub(super) fn reduce_mean(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    reduce(cx, call, true)
}

fn reduce(cx: &mut Lowering, call: &Call, mean: bool) -> Result<Vec<Value>, String> {
    let id = cx.operand(call, 0)?;
    let from = cx.graph.nodes[id].shape.clone();
    let reduced = match call.list("axes", 1)?.filter(|l| !l.is_empty()) {
        Some(list) => axes(&list, from.len())?,
        None if call.int("noop_with_empty_axes", 0) != 0 => vec![],
        None => (0..from.len()).collect(),
    };
    let (own, count) = (strides(&from), element_count(&from)?);
    let part = |keep: bool| -> (Vec<usize>, Vec<usize>) {
        (0..from.len()).filter(|a| reduced.contains(a) != keep).map(|a| (from[a], own[a])).unzip()
    };
    let ((kept, kept_steps), (summed, summed_steps)) = (part(true), part(false));
    let terms: usize = summed.iter().product();
    let columns: Vec<u32> = walk(&kept, &kept_steps, 0).flat_map(|start| walk(&summed, &summed_steps, start)).map(|i| i as u32).collect();
    let outputs: usize = kept.iter().product();
    let weight = if mean { 1.0 / terms as f64 } else { 1.0 };
    let values: Numbers = cx.computed(vec![weight; columns.len()])?;
    let starts = (0..=outputs).map(|o| o * terms).collect();
    let op = Sparse::new(call.operator, count, starts, columns, values)?;
    let op = op.with_weight_error(if mean && !terms.is_power_of_two() { f64::EPSILON } else { 0.0 });
    let shape = match call.int("keepdims", 1) {
        0 => kept,
        _ => (0..from.len()).map(|a| if reduced.contains(&a) { 1 } else { from[a] }).collect(),
    };
    cx.add_affine(call, op, &[id], &shape)
}
