//! Operators that move elements, and constants.

use super::Step;
use super::array::{Array, common_shape};
use crate::input::onnx::tensor::decode;

fn from_end(axis: i64, rank: usize) -> usize {
    if axis < 0 { (axis + rank as i64) as usize } else { axis as usize }
}

pub(super) fn constant(step: &Step) -> Result<Array, String> {
    let no_file = |_: &_| Err("external data".to_string());
    let tensor = |name: &str| step.node.attribute.iter().find(|a| a.name() == name).and_then(|a| a.t.as_ref());
    match step.node.op_type() {
        "Shape" => {
            let shape = &step.get(0)?.shape;
            let rank = shape.len() as i64;
            let cut = |i: i64| (if i < 0 { i + rank } else { i }).clamp(0, rank) as usize;
            let part = &shape[cut(step.int("start", 0))..cut(step.int("end", rank))];
            Ok(Array::integers(vec![part.len()], part.iter().map(|&d| d as f64).collect()))
        }
        "ConstantOfShape" => {
            let shape: Vec<usize> = step.get(0)?.to_ints().iter().map(|&d| d as usize).collect();
            let fill = tensor("value").map(|t| decode(t, &no_file)).transpose()?;
            let (integer, fill) = fill.map_or((false, 0.0), |t| (t.is_integer(), t.at(0)));
            Ok(Array::build(shape, integer, |_| fill))
        }
        _ => {
            let a = step.node.attribute.first().ok_or("no attribute")?;
            Ok(match (a.name(), &a.t) {
                ("value", Some(t)) => Array::stored(decode(t, &no_file)?.into()),
                ("value_float", _) => Array::new(vec![], vec![a.f() as f64]),
                ("value_floats", _) => Array::new(vec![a.floats.len()], a.floats.iter().map(|&x| x as f64).collect()),
                ("value_int", _) => Array::integers(vec![], vec![a.i() as f64]),
                _ => Array::integers(vec![a.ints.len()], a.ints.iter().map(|&x| x as f64).collect()),
            })
        }
    }
}

pub(super) fn reshape(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let rank = x.shape.len();
    let shape: Vec<usize> = match step.node.op_type() {
        "Flatten" => {
            let axis = from_end(step.int("axis", 1), rank);
            vec![x.shape[..axis].iter().product(), x.shape[axis..].iter().product()]
        }
        "Squeeze" => match step.ints_or_input("axes", 1) {
            Some(list) => {
                let gone: Vec<usize> = list.iter().map(|&a| from_end(a, rank)).collect();
                (0..rank).filter(|a| !gone.contains(a)).map(|a| x.shape[a]).collect()
            }
            None => x.shape.iter().copied().filter(|&d| d != 1).collect(),
        },
        "Unsqueeze" => {
            let list = step.ints_or_input("axes", 1).unwrap_or_default();
            let mut new: Vec<usize> = list.iter().map(|&a| from_end(a, rank + list.len())).collect();
            new.sort_unstable();
            let mut shape = x.shape.clone();
            new.into_iter().for_each(|a| shape.insert(a, 1));
            shape
        }
        "Reshape" => {
            let target = step.get(1)?.to_ints();
            let copies = |d: i64| d == 0 && step.int("allowzero", 0) == 0;
            let known = |(k, &d): (usize, &i64)| if copies(d) { x.shape[k] } else { d.max(1) as usize };
            let others: usize = target.iter().enumerate().filter(|(_, d)| **d != -1).map(known).product();
            target.iter().enumerate().map(|(k, d)| if *d == -1 { x.len() / others } else { known((k, d)) }).collect()
        }
        _ => x.shape.clone(),
    };
    if shape.iter().product::<usize>() != x.len() {
        return Err(format!("{:?} to {shape:?}", x.shape));
    }
    Ok(if x.integer { Array::integers(shape, x.to_vec()) } else { Array::new(shape, x.to_vec()) })
}

pub(super) fn transpose(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let rank = x.shape.len();
    let perm: Vec<usize> = step.ints("perm").map_or((0..rank).rev().collect(), |p| p.iter().map(|&a| a as usize).collect());
    let shape = perm.iter().map(|&a| x.shape[a]).collect();
    Ok(Array::build(shape, x.integer, |o| {
        let mut from = vec![0; rank];
        perm.iter().zip(o).for_each(|(&a, &i)| from[a] = i);
        x.get(&from)
    }))
}

pub(super) fn concat(step: &Step) -> Result<Array, String> {
    let parts = (0..step.inputs.len()).map(|k| step.get(k)).collect::<Result<Vec<_>, _>>()?;
    let axis = from_end(step.int("axis", 0), parts[0].shape.len());
    let mut shape = parts[0].shape.clone();
    shape[axis] = parts.iter().map(|p| p.shape[axis]).sum();
    Ok(Array::build(shape, parts[0].integer, |o| {
        let mut index = o.to_vec();
        let mut k = 0;
        while index[axis] >= parts[k].shape[axis] {
            index[axis] -= parts[k].shape[axis];
            k += 1;
        }
        parts[k].get(&index)
    }))
}

pub(super) fn slice(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let starts = step.ints_or_input("starts", 1).ok_or("starts")?;
    let ends = step.ints_or_input("ends", 2).ok_or("ends")?;
    let axes = step.ints_or_input("axes", 3).unwrap_or((0..starts.len() as i64).collect());
    let steps = step.ints_or_input("steps", 4).unwrap_or(vec![1; starts.len()]);
    let mut chosen: Vec<Vec<usize>> = x.shape.iter().map(|&d| (0..d).collect()).collect();
    for k in 0..starts.len() {
        let a = from_end(axes[k], x.shape.len());
        let size = x.shape[a] as i64;
        let counted = |i: i64| if i < 0 { i.saturating_add(size) } else { i };
        let (start, end) = (counted(starts[k]), counted(ends[k]));
        // By the definition: walk from the start, which is cut to the axis, while before the end.
        let mut list = Vec::new();
        let mut i = if steps[k] > 0 { start.max(0).min(size) } else { start.max(0).min(size - 1) };
        while (0..size).contains(&i) && (if steps[k] > 0 { i < end } else { i > end }) {
            list.push(i as usize);
            i = i.saturating_add(steps[k]);
        }
        chosen[a] = list;
    }
    let shape = chosen.iter().map(Vec::len).collect();
    Ok(Array::build(shape, x.integer, |o| x.get(&o.iter().zip(&chosen).map(|(&i, c)| c[i]).collect::<Vec<_>>())))
}

pub(super) fn split(step: &Step) -> Result<Vec<Array>, String> {
    let x = step.get(0)?;
    let axis = from_end(step.int("axis", 0), x.shape.len());
    let count = step.node.output.len();
    let even = || {
        let each = x.shape[axis].div_ceil(count) as i64;
        (0..count as i64).map(|k| each.min(x.shape[axis] as i64 - k * each)).collect()
    };
    let sizes = step.ints_or_input("split", 1).unwrap_or_else(even);
    let mut first = 0;
    let part = |size: i64| {
        let start = first;
        first += size as usize;
        let mut shape = x.shape.clone();
        shape[axis] = size as usize;
        Array::build(shape, x.integer, |o| {
            let mut from = o.to_vec();
            from[axis] += start;
            x.get(&from)
        })
    };
    Ok(sizes.into_iter().map(part).collect())
}

pub(super) fn gather(step: &Step) -> Result<Array, String> {
    let (x, indices) = (step.get(0)?, step.get(1)?);
    let axis = from_end(step.int("axis", 0), x.shape.len());
    let rank = indices.shape.len();
    let shape = [&x.shape[..axis], &indices.shape, &x.shape[axis + 1..]].concat();
    Ok(Array::build(shape, x.integer, |o| {
        let chosen = from_end(indices.get(&o[axis..axis + rank]) as i64, x.shape[axis]);
        x.get(&[&o[..axis], &[chosen], &o[axis + rank..]].concat())
    }))
}

pub(super) fn expand(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let target: Vec<usize> = step.get(1)?.to_ints().iter().map(|&d| d as usize).collect();
    Ok(Array::build(common_shape(&x.shape, &target)?, x.integer, |o| x.get_broadcast(o)))
}

pub(super) fn pad(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let rank = x.shape.len();
    let pads = step.ints_or_input("pads", 1).ok_or("pads")?;
    let axes: Vec<usize> = step.maybe(3).map_or((0..rank).collect(), |a| a.to_ints().iter().map(|&a| from_end(a, rank)).collect());
    let fill = step.maybe(2).map_or(step.float("value", 0.0), |v| v.at(0));
    let (mut before, mut shape) = (vec![0i64; rank], x.shape.clone());
    for (k, &a) in axes.iter().enumerate() {
        before[a] = pads[k];
        shape[a] = (x.shape[a] as i64 + pads[k] + pads[axes.len() + k]) as usize;
    }
    let mode = step.text("mode");
    Ok(Array::build(shape, x.integer, |o| {
        let mut from = Vec::new();
        for a in 0..rank {
            let (i, last) = (o[a] as i64 - before[a], x.shape[a] as i64 - 1);
            from.push(match mode.as_str() {
                "edge" => i.max(0).min(last),
                "reflect" if i < 0 => -i,
                "reflect" if i > last => last - (i - last),
                _ if i < 0 || i > last => return fill,
                _ => i,
            } as usize);
        }
        x.get(&from)
    }))
}

pub(super) fn upsample(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let given = |k: usize| step.maybe(k).filter(|a| a.len() == x.shape.len()).map(Array::to_vec);
    let new_resize = step.node.op_type() == "Resize" && step.opset >= 11;
    let scales: Vec<f64> = match (if new_resize { given(3) } else { None }, given(if new_resize { 2 } else { 1 })) {
        (Some(sizes), _) => sizes.iter().zip(&x.shape).map(|(s, &d)| s / d as f64).collect(),
        (None, Some(scales)) => scales,
        (None, None) => {
            step.node.attribute.iter().find(|a| a.name() == "scales").map_or(vec![], |a| a.floats.iter().map(|&f| f as f64).collect())
        }
    };
    let half_pixel =
        new_resize && (!step.has("coordinate_transformation_mode") || step.text("coordinate_transformation_mode") == "half_pixel");
    let shape: Vec<usize> = x.shape.iter().zip(&scales).map(|(&d, s)| (d as f64 * s) as usize).collect();
    Ok(Array::build(shape, x.integer, |o| {
        let along = |(a, &i): (usize, &usize)| {
            let position = if half_pixel { ((i as f64 + 0.5) / scales[a] - 0.5).round() } else { (i as f64 / scales[a]).floor() };
            position.clamp(0.0, x.shape[a] as f64 - 1.0) as usize
        };
        x.get(&o.iter().enumerate().map(along).collect::<Vec<_>>())
    }))
}
