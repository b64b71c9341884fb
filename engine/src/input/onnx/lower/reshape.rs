//! Operators that keep every element in its place and change the shape: Reshape, Flatten, Squeeze, Unsqueeze, Identity, Dropout.

use super::call::Call;
use super::constants::folded;
use super::{Lowering, Value};
use crate::input::onnx::shape::axes;
use crate::input::onnx::tensor::{Tensor, element_count};
use crate::ops::Selection;

/// Input 0 in a new shape.
fn reshaped(cx: &mut Lowering, call: &Call, shape: Vec<usize>) -> Result<Vec<Value>, String> {
    let from = cx.shape(call.input(0)?);
    let count: usize = from.iter().product();
    if element_count(&shape)? != count {
        return Err(format!("shape {from:?} cannot become {shape:?}: {count} elements"));
    }
    match call.input(0)? {
        Value::Constant(tensor) => folded(Tensor { shape, data: tensor.data.clone() }),
        Value::Node(id) => cx.add_affine(call, Selection::same(call.operator, count), &[*id], &shape),
    }
}

pub(super) fn identity(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let shape = cx.shape(call.input(0)?);
    reshaped(cx, call, shape)
}

pub(super) fn dropout(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    match call.optional_constant(2)?.map(|t| t.ints().map(|i| i.iter().any(|&x| x != 0))).transpose()? {
        Some(true) => Err("training_mode is on; only inference is supported".into()),
        _ => identity(cx, call),
    }
}

pub(super) fn flatten(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let shape = cx.shape(call.input(0)?);
    let (axis, rank) = (call.int("axis", 1), shape.len() as i64);
    let counted = if axis < 0 { axis.saturating_add(rank) } else { axis };
    if !(0..=rank).contains(&counted) {
        return Err(format!("axis {axis} where there are {rank} axes"));
    }
    let (head, tail) = shape.split_at(counted as usize);
    let shape = vec![head.iter().product(), tail.iter().product()];
    reshaped(cx, call, shape)
}

pub(super) fn reshape(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let from = cx.shape(call.input(0)?);
    let target = call.constant(1)?.ints()?.to_vec();
    let shape = target_shape(&from, &target, call.int("allowzero", 0) != 0)?;
    reshaped(cx, call, shape)
}

/// A shape where 0 copies a dimension (unless `keep_zero`) and one -1 is computed.
fn target_shape(from: &[usize], target: &[i64], keep_zero: bool) -> Result<Vec<usize>, String> {
    let count = element_count(from)?;
    let mut shape = Vec::new();
    let mut open = None;
    for (axis, &d) in target.iter().enumerate() {
        shape.push(match d {
            0 if !keep_zero => *from.get(axis).ok_or_else(|| format!("target {target:?} copies axis {axis} of shape {from:?}"))?,
            -1 if open.replace(axis).is_none() => 1,
            _ => usize::try_from(d).map_err(|_| format!("target {target:?} has more than one -1, or a negative dimension"))?,
        });
    }
    if let Some(axis) = open {
        let others = element_count(&shape)?;
        if others == 0 || count % others != 0 {
            return Err(format!("shape {from:?} cannot become {target:?}"));
        }
        shape[axis] = count / others;
    }
    Ok(shape)
}

pub(super) fn squeeze(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let from = cx.shape(call.input(0)?);
    let dropped = match call.list("axes", 1)? {
        Some(list) => axes(&list, from.len())?,
        None => (0..from.len()).filter(|&a| from[a] == 1).collect(),
    };
    if let Some(&axis) = dropped.iter().find(|&&a| from[a] != 1) {
        return Err(format!("axis {axis} of shape {from:?} is squeezed but is not 1"));
    }
    let shape = (0..from.len()).filter(|a| !dropped.contains(a)).map(|a| from[a]).collect();
    reshaped(cx, call, shape)
}

pub(super) fn unsqueeze(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let from = cx.shape(call.input(0)?);
    let list = call.list("axes", 1)?.ok_or("axes are missing")?;
    let added = axes(&list, from.len() + list.len())?;
    let mut rest = from.iter();
    let mut shape = Vec::new();
    for axis in 0..from.len() + list.len() {
        shape.push(if added.contains(&axis) { 1 } else { *rest.next().ok_or("axes do not fit")? });
    }
    reshaped(cx, call, shape)
}

#[cfg(test)]
mod tests {
    use super::target_shape;

    #[test]
    fn zero_copies_and_minus_one_is_computed() {
        assert_eq!(target_shape(&[1, 2, 6], &[0, -1, 3], false), Ok(vec![1, 4, 3]));
        assert_eq!(target_shape(&[4], &[2, 2], false), Ok(vec![2, 2]));
        assert!(target_shape(&[4], &[-1, -1], false).is_err());
        assert!(target_shape(&[4], &[-1, 3], false).is_err());
        assert!(target_shape(&[4], &[1, 0], false).is_err());
        assert!(target_shape(&[4], &[-1, 0], true).is_err());
    }
}
