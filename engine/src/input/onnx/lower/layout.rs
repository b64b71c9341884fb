//! Operators whose outputs are copies of input elements: each gives for every output element where it comes from.

use super::call::Call;
use super::constants::folded;
use super::{Lowering, Value};
use crate::input::onnx::shape::{axis, broadcast, broadcast_index, strides, walk};
use crate::input::onnx::tensor::{Data, Tensor, element_count};
use crate::numerics::Numbers;
use crate::ops::{Operation, Pick, Selection};

/// A result put together from elements of the inputs at `inputs`.
struct Copies {
    shape: Vec<usize>,
    inputs: Vec<usize>,
    picks: Vec<Pick>,
}

impl Copies {
    /// Elements of input `k` alone.
    fn of(k: usize, shape: Vec<usize>, picks: impl Iterator<Item = Option<usize>>) -> Copies {
        Copies { shape, inputs: vec![k], picks: picks.map(|p| p.map(|i| (0, i as u32))).collect() }
    }

    /// Along each axis, `maps[axis][j]` is where index `j` of the result comes from.
    fn by_axes(k: usize, from: &[usize], maps: &[Vec<Option<usize>>]) -> Result<Copies, String> {
        let shape: Vec<usize> = maps.iter().map(Vec::len).collect();
        let count = element_count(&shape)?;
        let steps = strides(from);
        let mut picks = vec![Some(0usize)];
        picks.reserve(count);
        for (map, step) in maps.iter().zip(steps) {
            picks = picks.iter().flat_map(|p| map.iter().map(move |m| Some((*p)? + (*m)? * step))).collect();
        }
        Ok(Copies::of(k, shape, picks.into_iter()))
    }
}

/// Folds copies of constants; copies of variables become output `output` of the node.
fn place(cx: &mut Lowering, call: &Call, output: usize, copies: Copies) -> Result<Value, String> {
    let inputs = copies.inputs.iter().map(|&k| call.input(k)).collect::<Result<Vec<_>, _>>()?;
    let constants: Option<Vec<&Tensor>> = inputs.iter().map(|v| if let Value::Constant(t) = v { Some(t.as_ref()) } else { None }).collect();
    if let Some(tensors) = constants {
        return Ok(folded(gather_constants(&tensors, copies.picks, copies.shape)?)?.remove(0));
    }
    let ids = copies.inputs.iter().map(|&k| cx.operand(call, k)).collect::<Result<Vec<_>, _>>()?;
    let sizes: Vec<usize> = ids.iter().map(|&id| cx.graph.nodes[id].len()).collect();
    let op = Selection::new(call.operator, &sizes, copies.picks.into_iter())?;
    cx.add_output(call, output, Operation::Affine(Box::new(op)), &ids, &copies.shape)
}

fn gather_constants(tensors: &[&Tensor], picks: Vec<Pick>, shape: Vec<usize>) -> Result<Tensor, String> {
    if let [tensor] = tensors {
        return Ok(tensor.pick(picks.into_iter().map(|p| p.map(|(_, i)| i as usize)), shape));
    }
    let float = |p: &Pick| p.map_or(0.0, |(k, i)| tensors[k as usize].at(i as usize));
    let data = if tensors.iter().all(|t| t.is_integer()) {
        let lists = tensors.iter().map(|t| t.ints()).collect::<Result<Vec<_>, _>>()?;
        Data::Int(picks.iter().map(|p| p.map_or(0, |(k, i)| lists[k as usize][i as usize])).collect())
    } else if tensors.iter().all(|t| matches!(t.data, Data::F64(_))) {
        Data::F64(picks.iter().map(float).collect())
    } else if tensors.iter().all(|t| matches!(t.data, Data::F32(_) | Data::RawF32(_))) {
        Data::F32(picks.iter().map(|p| float(p) as f32).collect())
    } else {
        return Err("inputs of different element types".into());
    };
    Ok(Tensor { shape, data })
}

fn one(cx: &mut Lowering, call: &Call, copies: Copies) -> Result<Vec<Value>, String> {
    Ok(vec![place(cx, call, 0, copies)?])
}

pub(super) fn transpose(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let from = cx.shape(call.input(0)?);
    let perm: Vec<usize> = match call.ints("perm") {
        Some(p) => p.iter().map(|&a| axis(a, from.len())).collect::<Result<_, _>>()?,
        None => (0..from.len()).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..from.len()) {
        return Err(format!("perm {perm:?} does not permute the axes of shape {from:?}"));
    }
    let (shape, own): (Vec<usize>, _) = (perm.iter().map(|&a| from[a]).collect(), strides(&from));
    let steps: Vec<usize> = perm.iter().map(|&a| own[a]).collect();
    let picks = walk(&shape, &steps, 0).map(Some);
    one(cx, call, Copies::of(0, shape.clone(), picks))
}

/// Every index of an axis at its own place.
fn whole(size: usize) -> Vec<Option<usize>> {
    (0..size).map(Some).collect()
}

pub(super) fn slice(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let from = cx.shape(call.input(0)?);
    let starts = call.list("starts", 1)?.ok_or("starts are missing")?;
    let ends = call.list("ends", 2)?.ok_or("ends are missing")?;
    let axes = call.list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("starts, ends, axes and steps differ in length".into());
    }
    let mut maps: Vec<_> = from.iter().map(|&d| whole(d)).collect();
    for k in 0..starts.len() {
        let a = axis(axes[k], from.len())?;
        maps[a] = sliced(from[a], starts[k], ends[k], steps[k])?;
    }
    one(cx, call, Copies::by_axes(0, &from, &maps)?)
}

/// Indices `start, start + step, ...` before `end`, counted from the end where negative and cut to the axis.
fn sliced(size: usize, start: i64, end: i64, step: i64) -> Result<Vec<Option<usize>>, String> {
    let size = size as i128;
    if size == 0 {
        return Ok(vec![]);
    }
    let most = if step > 0 { size } else { size - 1 };
    let cut = |i: i64, least: i128| (if i < 0 { i as i128 + size } else { i as i128 }).clamp(least, most);
    let (start, end, step) = (cut(start, 0), cut(end, if step > 0 { 0 } else { -1 }), step as i128);
    let count = match step {
        0 => return Err("a step of 0".into()),
        _ if step > 0 => (end - start + step - 1) / step,
        _ => (start - end - step - 1) / -step,
    };
    Ok((0..count.max(0)).map(|k| Some((start + k * step) as usize)).collect())
}

pub(super) fn split(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let from = cx.shape(call.input(0)?);
    let a = axis(call.int("axis", 0), from.len())?;
    let parts = call.node.output.len();
    let sizes: Vec<usize> = match call.list("split", 1)? {
        Some(list) => list.iter().map(|&s| usize::try_from(s).map_err(|_| format!("a part of size {s}"))).collect::<Result<_, _>>()?,
        None if parts == 0 => return Err("no outputs".into()),
        None if call.opset < 18 && !from[a].is_multiple_of(parts) => {
            return Err(format!("{} elements do not divide into {parts} equal parts", from[a]));
        }
        None => {
            let each = from[a].div_ceil(parts);
            (0..parts).map(|k| each.min(from[a].saturating_sub(k * each))).collect()
        }
    };
    if sizes.len() != parts || sizes.iter().try_fold(0usize, |s, &x| s.checked_add(x)) != Some(from[a]) {
        return Err(format!("parts {sizes:?} for {parts} outputs do not make up {} along axis {a}", from[a]));
    }
    let mut first = 0;
    let mut values = Vec::new();
    for (output, size) in sizes.into_iter().enumerate() {
        let mut maps: Vec<_> = from.iter().map(|&d| whole(d)).collect();
        maps[a] = (first..first + size).map(Some).collect();
        first += size;
        let copies = Copies::by_axes(0, &from, &maps)?;
        values.push(place(cx, call, output, copies)?);
    }
    Ok(values)
}

pub(super) fn concat(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let shapes = (0..call.inputs.len()).map(|k| Ok(cx.shape(call.input(k)?))).collect::<Result<Vec<_>, String>>()?;
    let first = shapes.first().ok_or("no inputs")?;
    let a = axis(call.attribute("axis").ok_or("attribute axis is missing")?.i(), first.len())?;
    let others = |s: &[usize]| s.iter().enumerate().filter(|(i, _)| *i != a).map(|(_, &d)| d).collect::<Vec<_>>();
    if let Some(s) = shapes.iter().find(|s| s.len() != first.len() || others(s) != others(first)) {
        return Err(format!("shapes {first:?} and {s:?} cannot be joined along axis {a}"));
    }
    let mut shape = first.clone();
    shape[a] = shapes.iter().map(|s| s[a]).sum();
    let picks = Vec::with_capacity(element_count(&shape)?);
    let mut copies = Copies { picks, inputs: (0..shapes.len()).collect(), shape };
    let outer: usize = first[..a].iter().product();
    for o in 0..outer {
        for (k, s) in shapes.iter().enumerate() {
            let block: usize = s[a..].iter().product();
            copies.picks.extend((o * block..(o + 1) * block).map(|i| Some((k as u32, i as u32))));
        }
    }
    one(cx, call, copies)
}

pub(super) fn gather(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let from = cx.shape(call.input(0)?);
    let a = axis(call.int("axis", 0), from.len())?;
    let indices = call.constant(1)?;
    let chosen =
        indices.ints()?.iter().map(|&i| axis(i, from[a]).map(Some).map_err(|_| format!("index {i} of {} along axis {a}", from[a])));
    let mut maps: Vec<_> = from.iter().map(|&d| whole(d)).collect();
    maps[a] = chosen.collect::<Result<_, _>>()?;
    let mut copies = Copies::by_axes(0, &from, &maps)?;
    copies.shape = [&from[..a], &indices.shape, &from[a + 1..]].concat();
    one(cx, call, copies)
}

pub(super) fn expand(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let from = cx.shape(call.input(0)?);
    let target = call.constant(1)?.ints()?.iter().map(|&d| usize::try_from(d).map_err(|_| format!("negative dimension {d}")));
    let shape = broadcast(&from, &target.collect::<Result<Vec<_>, _>>()?)?;
    element_count(&shape)?;
    let picks = broadcast_index(&from, &shape).into_iter().map(|i| Some(i as usize));
    one(cx, call, Copies::of(0, shape.clone(), picks))
}

/// A constant condition chooses between elements of two operands.
pub(super) fn select(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let condition = call.constant(0)?;
    let (a, b) = (cx.shape(call.input(1)?), cx.shape(call.input(2)?));
    let shape = broadcast(&broadcast(&condition.shape, &a)?, &b)?;
    element_count(&shape)?;
    let (truth, a, b) = (broadcast_index(&condition.shape, &shape), broadcast_index(&a, &shape), broadcast_index(&b, &shape));
    let truth = truth.into_iter().map(|i| condition.at(i as usize) != 0.0);
    let picks = truth.zip(a.into_iter().zip(b)).map(|(t, (a, b))| Some(if t { (0, a) } else { (1, b) })).collect();
    one(cx, call, Copies { shape, inputs: vec![1, 2], picks })
}

pub(super) fn pad(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let from = cx.shape(call.input(0)?);
    let pads = call.list("pads", 1)?.ok_or("pads are missing")?;
    let axes = match call.optional_constant(3)? {
        Some(t) => t.ints()?.iter().map(|&a| axis(a, from.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..from.len()).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(format!("{} pads for {} axes", pads.len(), axes.len()));
    }
    let mode = call.text("mode", "constant");
    let mut maps: Vec<_> = from.iter().map(|&d| whole(d)).collect();
    for (k, &a) in axes.iter().enumerate() {
        maps[a] = padded(from[a], pads[k], pads[axes.len() + k], &mode)?;
    }
    let fill = match call.optional_constant(2)? {
        Some(t) if t.len() == 1 => t.at(0),
        Some(t) => return Err(format!("{} fill values, expected 1", t.len())),
        None => call.float("value", 0.0)? as f64,
    };
    let copies = Copies::by_axes(0, &from, &maps)?;
    if fill == 0.0 { one(cx, call, copies) } else { filled(cx, call, copies, fill) }
}

/// Where each index of a padded axis comes from; negative pads cut.
fn padded(size: usize, before: i64, after: i64, mode: &str) -> Result<Vec<Option<usize>>, String> {
    let size = size as i64;
    let sane = |p: i64| p.unsigned_abs() < 1 << 28;
    let total = if sane(before) && sane(after) { size + before + after } else { -1 };
    if !(0..1 << 28).contains(&total) {
        return Err(format!("pads {before} and {after} of {size} elements"));
    }
    let inside = |i: i64| (0..size).contains(&i).then_some(i as usize);
    (0..total)
        .map(|j| match mode {
            "constant" => Ok(inside(j - before)),
            "edge" if size > 0 => Ok(Some((j - before).clamp(0, size - 1) as usize)),
            "reflect" => {
                let i = (j - before).abs();
                inside(if i < size { i } else { 2 * (size - 1) - i }).map(Some).ok_or_else(|| "reflected pads exceed the axis".into())
            }
            _ => Err(format!("mode `{mode}` is not supported (constant, edge and reflect are)")),
        })
        .collect()
}

fn filled(cx: &mut Lowering, call: &Call, copies: Copies, fill: f64) -> Result<Vec<Value>, String> {
    let Value::Node(id) = *call.input(0)? else {
        return Err("padding a constant with something other than zero is not supported".into());
    };
    let bias: Vec<f64> = copies.picks.iter().map(|p| if p.is_none() { fill } else { 0.0 }).collect();
    let bias: Numbers = cx.computed(bias)?;
    let op = Selection::new(call.operator, &[cx.graph.nodes[id].len()], copies.picks.into_iter())?.with_bias(bias)?;
    cx.add_affine(call, op, &[id], &copies.shape)
}

pub(super) fn upsample(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    nearest(cx, call, "nearest", None, call.optional_constant(1)?.map(|t| (0..t.len()).map(|i| t.at(i)).collect()))
}

pub(super) fn resize(cx: &mut Lowering, call: &Call) -> Result<Vec<Value>, String> {
    let list =
        |k: usize| Ok::<_, String>(call.optional_constant(k)?.filter(|t| t.len() > 0).map(|t| (0..t.len()).map(|i| t.at(i)).collect()));
    if call.attribute("axes").is_some() {
        return Err("attribute axes is not supported".into());
    }
    let (scales, sizes) = if call.opset < 11 { (list(1)?, None) } else { (list(2)?, list(3)?) };
    // A whole factor repeats each element under every one of these pairs of modes.
    let transform = call.text("coordinate_transformation_mode", if call.opset < 11 { "asymmetric" } else { "half_pixel" });
    let rounding = call.text("nearest_mode", if call.opset < 11 { "floor" } else { "round_prefer_floor" });
    let repeats = matches!(
        (transform.as_str(), rounding.as_str()),
        ("asymmetric", "floor") | ("half_pixel", "round_prefer_floor" | "round_prefer_ceil")
    );
    match repeats {
        true => nearest(cx, call, "nearest", sizes, scales),
        false => Err(format!("coordinates `{transform}` with rounding `{rounding}` are not supported")),
    }
}

fn nearest(cx: &mut Lowering, call: &Call, mode: &str, sizes: Option<Vec<f64>>, scales: Option<Vec<f64>>) -> Result<Vec<Value>, String> {
    if call.text("mode", "nearest") != mode {
        return Err(format!("mode `{}` is not supported (nearest is)", call.text("mode", "nearest")));
    }
    let from = cx.shape(call.input(0)?);
    let attribute = || call.attribute("scales").map(|a| a.floats.iter().map(|&x| x as f64).collect());
    let scales: Vec<f64> = match (sizes, scales.or_else(attribute)) {
        (Some(sizes), _) => sizes.iter().zip(&from).map(|(s, &d)| s / d as f64).collect(),
        (None, Some(scales)) => scales,
        (None, None) => return Err("scales are missing".into()),
    };
    let whole_factor = |s: &f64| *s >= 1.0 && s.fract() == 0.0 && *s <= 1e6;
    if scales.len() != from.len() || !scales.iter().all(whole_factor) {
        return Err(format!("scales {scales:?} of shape {from:?} are not supported (whole numbers are, one for each axis)"));
    }
    let count = from.iter().zip(&scales).map(|(&d, &s)| d * s as usize).collect::<Vec<_>>();
    element_count(&count)?;
    let maps: Vec<_> = count.iter().zip(&scales).map(|(&d, &s)| (0..d).map(|j| Some(j / s as usize)).collect()).collect();
    one(cx, call, Copies::by_axes(0, &from, &maps)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(map: Result<Vec<Option<usize>>, String>) -> Vec<i64> {
        map.unwrap().into_iter().map(|i| i.map_or(-1, |i| i as i64)).collect()
    }

    #[test]
    fn slices_count_from_the_end_and_are_cut() {
        assert_eq!(indices(sliced(5, 1, i64::MAX, 1)), [1, 2, 3, 4]);
        assert_eq!(indices(sliced(5, -2, 100, 1)), [3, 4]);
        assert_eq!(indices(sliced(5, -1, i64::MIN, -1)), [4, 3, 2, 1, 0]);
        assert_eq!(indices(sliced(5, 4, 0, -2)), [4, 2]);
        assert_eq!(indices(sliced(5, -100, i64::MIN, -1)), [0]);
        assert_eq!(indices(sliced(5, 3, 1, 1)), [] as [i64; 0]);
        assert_eq!(indices(sliced(0, 3, 1, -1)), [] as [i64; 0]);
        assert!(sliced(5, 0, 1, 0).is_err());
    }

    #[test]
    fn pads_cut_repeat_and_reflect() {
        assert_eq!(indices(padded(3, 1, 2, "constant")), [-1, 0, 1, 2, -1, -1]);
        assert_eq!(indices(padded(3, -1, 0, "constant")), [1, 2]);
        assert_eq!(indices(padded(3, 1, 2, "edge")), [0, 0, 1, 2, 2, 2]);
        assert_eq!(indices(padded(3, 2, 1, "reflect")), [2, 1, 0, 1, 2, 1]);
        assert!(padded(3, 1, i64::MAX, "constant").is_err());
    }
}
