//! Operators that move elements or read shapes; on constants they give constants.

use super::call::{Call, axis};
use super::tensor::{Tensor, count};
use super::{Lowering, Value, constant};
use crate::network::Linear;
use crate::read::{Error, not_certified, unreadable};

/// A place outside of the operand: the element is zero.
pub(super) const OUTSIDE: u32 = u32::MAX;

/// The shape that two shapes broadcast to.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Error> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    let joined = (0..rank).map(|axis| match (size(a, axis), size(b, axis)) {
        (x, y) if x == y || y == 1 => Some(x),
        (1, y) => Some(y),
        _ => None,
    });
    joined.collect::<Option<_>>().map_or_else(|| unreadable(format!("shapes {a:?} and {b:?} do not broadcast")), Ok)
}

/// Distance of neighbours along each axis in C order, for a value broadcast to `rank` axes: 0 where it has one element.
pub(super) fn steps(shape: &[usize], rank: usize) -> Vec<i64> {
    let mut steps = vec![0; rank.max(shape.len())];
    let mut step = 1;
    for (to, &size) in steps.iter_mut().rev().zip(shape.iter().rev()) {
        *to = if size == 1 { 0 } else { step };
        step *= size as i64;
    }
    steps
}

/// The places of all elements of `shape` in C order, where neighbours along each axis are `steps` apart; the caller has checked
/// the size and that all places exist.
pub(super) fn walk(shape: &[usize], steps: &[i64], start: i64) -> Vec<u32> {
    let mut places = vec![start as u32];
    for (&size, &step) in shape.iter().zip(steps) {
        // Steps back are modulo 2^32, as the places themselves are below it.
        places = places.iter().flat_map(|&place| (0..size as i64).map(move |i| place.wrapping_add((i * step) as u32))).collect();
    }
    places
}

impl<'a> Lowering<'a> {
    pub(super) fn layout(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        match call.operator {
            "Identity" | "Dropout" => self.identity(call),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => reshape(call),
            "Constant" => constant::constant(call),
            "ConstantOfShape" => self.constant_of_shape(call),
            "Shape" => {
                let sizes: Vec<i64> = call.operand(0)?.shape().iter().map(|&d| d as i64).collect();
                Ok(Value::Constant(Tensor::integers(&sizes, vec![sizes.len()])))
            }
            "Cast" => constant::cast(call, self.network.double),
            "Transpose" => self.transpose(call),
            "Slice" => self.slice(call),
            "Gather" => self.gather(call),
            "Concat" => self.concat(call),
            "Pad" => self.pad(call),
            "Expand" => self.expand(call),
            _ => not_certified("no rule"),
        }
    }

    fn identity(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        // What training does is no matter here.
        call.float("ratio", 0.5);
        call.int("seed", 0);
        call.optional(1);
        match call.optional_constant(2) {
            Ok(None) => call.operand(0).cloned(),
            _ => not_certified("training_mode"),
        }
    }

    /// The elements `source` of a value.
    pub(super) fn rearranged(
        &mut self,
        call: &Call<'_, 'a>,
        value: &Value<'a>,
        source: Vec<u32>,
        shape: Vec<usize>,
    ) -> Result<Value<'a>, Error> {
        match value {
            Value::Constant(tensor) => Ok(Value::Constant(tensor.pick(&source, shape))),
            // Nothing moves.
            Value::Node { id, shape: old } if source.len() == count(old)? && source.iter().zip(0..).all(|(&i, o): (_, u32)| i == o) => {
                Ok(Value::Node { id: *id, shape })
            }
            Value::Node { id, .. } => self.add_affine(call.output, vec![(*id, Linear::Select(source))], Vec::new(), shape),
        }
    }

    /// The elements of operand 0 that lie `steps` apart.
    fn walked(&mut self, call: &Call<'_, 'a>, shape: Vec<usize>, steps: &[i64], start: i64) -> Result<Value<'a>, Error> {
        self.take(count(&shape)?)?;
        let source = walk(&shape, steps, start);
        self.rearranged(call, call.operand(0)?, source, shape)
    }

    fn transpose(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let from = call.operand(0)?.shape();
        let order: Vec<i64> = call.ints("perm").map_or_else(|| (0..from.len() as i64).rev().collect(), <[i64]>::to_vec);
        let order = order.iter().map(|&a| axis(a, from.len())).collect::<Result<Vec<_>, _>>()?;
        if order.len() != from.len() || (0..from.len()).any(|a| !order.contains(&a)) {
            return unreadable("perm is no permutation of the axes");
        }
        let own = steps(from, from.len());
        let (shape, steps): (Vec<usize>, Vec<i64>) = order.iter().map(|&a| (from[a], own[a])).unzip();
        self.walked(call, shape, &steps, 0)
    }

    fn slice(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let from = call.operand(0)?.shape();
        let (Some(starts), Some(ends)) = (call.list("starts", 1)?, call.list("ends", 2)?) else { return unreadable("no starts or ends") };
        let axes = call.list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let by = call.list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
        if ends.len() != starts.len() || axes.len() != starts.len() || by.len() != starts.len() {
            return unreadable("starts, ends, axes and steps differ in length");
        }
        let (mut shape, mut steps, mut start) = (from.to_vec(), steps(from, from.len()), 0);
        let mut seen = vec![false; from.len()];
        for k in 0..starts.len() {
            let a = axis(axes[k], from.len())?;
            if std::mem::replace(&mut seen[a], true) || by[k] == 0 || by[k] == i64::MIN {
                return unreadable("an axis stands twice, or a step of 0");
            }
            let size = from[a] as i64;
            let (least, most) = if by[k] > 0 { (0, size) } else { (-1, size - 1) };
            let clamp = |x: i64| (if x < 0 { x.saturating_add(size) } else { x }).clamp(least, most);
            let (first, end) = (clamp(starts[k]).clamp(0, size), clamp(ends[k]));
            let way = if by[k] > 0 { end - first } else { first - end };
            shape[a] = way.max(0).unsigned_abs().div_ceil(by[k].unsigned_abs()) as usize;
            start += if shape[a] == 0 { 0 } else { first * steps[a] };
            // One element needs no step, and a step that leads nowhere may be huge.
            steps[a] = if shape[a] < 2 { 0 } else { steps[a] * by[k] };
        }
        self.walked(call, shape, &steps, start)
    }

    fn gather(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let from = call.operand(0)?.shape();
        let a = axis(call.int("axis", 0), from.len())?;
        let indices = call.constant(1)?;
        let places = indices.to_integers()?.iter().map(|&i| axis(i, from[a])).collect::<Result<Vec<_>, _>>()?;
        let (outer, inner) = (count(&from[..a])?, count(&from[a + 1..])?);
        let shape = [&from[..a], &indices.shape, &from[a + 1..]].concat();
        self.take(count(&shape)?)?;
        let row = |o: usize, i: usize| (0..inner).map(move |x| ((o * from[a] + i) * inner + x) as u32);
        let source = (0..outer).flat_map(|o| places.iter().flat_map(move |&i| row(o, i))).collect();
        self.rearranged(call, call.operand(0)?, source, shape)
    }

    pub(super) fn split(&mut self, call: &Call<'_, 'a>) -> Result<Vec<Value<'a>>, Error> {
        let from = call.operand(0)?.shape();
        let a = axis(call.int("axis", 0), from.len())?;
        let equal = from[a].div_ceil(call.outputs.max(1));
        if call.int("num_outputs", call.outputs as i64) != call.outputs as i64 {
            return unreadable("num_outputs differs from the number of outputs");
        }
        let sizes = match call.list("split", 1)? {
            Some(list) => list.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>().unwrap_or_default(),
            None => (0..call.outputs).map(|k| equal.min(from[a].saturating_sub(k * equal))).collect(),
        };
        if sizes.len() != call.outputs || sizes.iter().try_fold(0usize, |n, &size| n.checked_add(size)) != Some(from[a]) {
            return unreadable(format!("parts of {sizes:?} do not make {}", from[a]));
        }
        let steps = steps(from, from.len());
        let mut first = 0;
        let mut part = |size: usize| {
            let start = first as i64 * steps[a];
            first += size;
            let shape = [&from[..a], &[size], &from[a + 1..]].concat();
            self.walked(call, shape, &steps, start)
        };
        sizes.into_iter().map(&mut part).collect()
    }

    fn concat(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let first = call.operand(0)?.shape();
        let a = axis(call.int("axis", 0), first.len())?;
        let mut shape = first.to_vec();
        shape[a] = 0;
        let mut operands = Vec::with_capacity(call.operands.len());
        for k in 0..call.operands.len() {
            let value = call.operand(k)?;
            let same = |(x, &size): (usize, &usize)| x == a || first[x] == size;
            if value.shape().len() != first.len() || !value.shape().iter().enumerate().all(same) {
                return unreadable(format!("shapes {first:?} and {:?} differ beside axis {a}", value.shape()));
            }
            operands.push((shape[a], value));
            shape[a] = shape[a].saturating_add(value.shape()[a]);
        }
        let len = count(&shape)?;
        self.take(len.saturating_mul(operands.len()))?;
        let inner = count(&shape[a + 1..])?;
        // Where each element of the result stands in the operand that begins at `start` of the axis.
        let places = |start: usize, size: usize| -> Vec<u32> {
            let inside = |o: usize| (o / inner % shape[a]).checked_sub(start).filter(|&x| x < size);
            let place = |o: usize, x: usize| (o / inner / shape[a] * size + x) * inner + o % inner;
            (0..len).map(|o| inside(o).map_or(OUTSIDE, |x| place(o, x) as u32)).collect()
        };
        let placed: Vec<_> = operands.into_iter().map(|(start, value)| (value, places(start, value.shape()[a]))).collect();
        self.assembled(call.output, &placed, shape)
    }

    fn pad(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let (id, from) = call.node(0)?;
        if call.text("mode", "constant") != b"constant" || call.optional(3).is_some() {
            return not_certified("a mode other than constant, or axes");
        }
        let value = match call.optional_constant(2)? {
            Some(value) if value.len() == 1 => self.floats(value, 0..1)?[0],
            Some(_) => return unreadable("a value that is not one number"),
            None => call.float("value", 0.0).into(),
        };
        let rank = from.len();
        let pads = match call.list("pads", 1)? {
            Some(pads) if pads.len() == 2 * rank => pads,
            _ => return unreadable("pads that do not fit the axes"),
        };
        let size = |a: usize| from[a].try_into().ok().and_then(|size: i64| size.checked_add(pads[a])?.checked_add(pads[rank + a]));
        let sizes = (0..rank).map(|a| size(a).and_then(|size| usize::try_from(size).ok())).collect::<Option<Vec<_>>>();
        let Some(shape) = sizes else { return unreadable("a negative size") };
        let len = count(&shape)?;
        self.take(len.saturating_mul(2))?;
        let place = |o: usize| {
            let (mut rest, mut place, mut step) = (o, 0, 1);
            for a in (0..rank).rev() {
                let x = usize::try_from((rest % shape[a]) as i64 - pads[a]).ok().filter(|&x| x < from[a])?;
                (rest, place, step) = (rest / shape[a], place + x * step, step * from[a]);
            }
            Some(place as u32)
        };
        let source: Vec<u32> = (0..len).map(|o| place(o).unwrap_or(OUTSIDE)).collect();
        if value == 0.0 {
            return self.rearranged(call, call.operand(0)?, source, shape);
        }
        if !value.is_finite() {
            return not_certified("a value that is not finite");
        }
        let bias = source.iter().map(|&place| if place == OUTSIDE { value } else { 0.0 }).collect();
        self.add_affine(call.output, vec![(id, Linear::Select(source))], bias, shape)
    }

    fn expand(&mut self, call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
        let from = call.operand(0)?.shape();
        let sizes = call.constant(1)?.to_integers()?.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<_>>>();
        let Some(wanted) = sizes else { return unreadable("a negative dimension") };
        let shape = broadcast(from, &wanted)?;
        let steps = steps(from, shape.len());
        self.walked(call, shape, &steps, 0)
    }
}

/// The same elements under another shape.
fn reshape<'a>(call: &Call<'_, 'a>) -> Result<Value<'a>, Error> {
    let value = call.operand(0)?;
    let from = value.shape();
    let shape = match call.operator {
        "Flatten" => {
            let at = call.int("axis", 1);
            let at = if at == from.len() as i64 { from.len() } else { axis(at, from.len())? };
            vec![count(&from[..at])?, count(&from[at..])?]
        }
        "Reshape" => reshaped(from, &call.constant(1)?.to_integers()?, call.int("allowzero", 0) != 0)?,
        "Squeeze" => {
            let list = call.list("axes", 1)?.map(|list| list.iter().map(|&a| axis(a, from.len())).collect::<Result<Vec<_>, _>>());
            let dropped = list.transpose()?.unwrap_or_else(|| (0..from.len()).filter(|&a| from[a] == 1).collect());
            (0..from.len()).filter(|a| !dropped.contains(a)).map(|a| from[a]).collect()
        }
        _ => {
            let Some(list) = call.list("axes", 1)? else { return unreadable("no axes") };
            let rank = from.len() + list.len();
            let added = list.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
            let mut rest = from.iter();
            (0..rank).map(|a| if added.contains(&a) { 1 } else { rest.next().copied().unwrap_or(1) }).collect()
        }
    };
    if count(&shape)? != count(from)? {
        return unreadable(format!("shape {from:?} cannot become {shape:?}"));
    }
    Ok(match value.clone() {
        Value::Constant(tensor) => Value::Constant(tensor.reshaped(shape)),
        Value::Node { id, .. } => Value::Node { id, shape },
    })
}

/// The shape that Reshape asks for: 0 keeps an axis, -1 takes what is left.
fn reshaped(from: &[usize], wanted: &[i64], zero_is_zero: bool) -> Result<Vec<usize>, Error> {
    let size = |(a, &size): (usize, &i64)| match size {
        -1 => Some(1),
        0 if !zero_is_zero => from.get(a).copied(),
        _ => usize::try_from(size).ok(),
    };
    let sizes = wanted.iter().enumerate().map(size).collect::<Option<Vec<usize>>>();
    let Some(mut shape) = sizes else { return unreadable(format!("shape {wanted:?} for {from:?}")) };
    let open: Vec<usize> = (0..wanted.len()).filter(|&a| wanted[a] == -1).collect();
    match open[..] {
        [] => {}
        [a] => shape[a] = count(from)?.checked_div(count(&shape)?).unwrap_or(0),
        _ => return unreadable("more than one dimension of -1"),
    }
    Ok(shape)
}
