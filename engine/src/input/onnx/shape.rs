//! Shape arithmetic of ONNX: strides, broadcasting, axes.

use crate::ops::Spread;

/// Distances of neighbours along each axis, in C order.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// The shape that two operands are broadcast to.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], axis: usize| (axis + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    let axis = |i: usize| match (at(a, i), at(b, i)) {
        (x, y) if x == y || y == 1 => Ok(x),
        (1, y) => Ok(y),
        _ => Err(format!("shapes {a:?} and {b:?} cannot be broadcast together")),
    };
    (0..rank).map(axis).collect()
}

/// For each element of `to`, in order, the element of `from` that is broadcast there.
pub fn broadcast_index(from: &[usize], to: &[usize]) -> Vec<u32> {
    let missing = to.len() - from.len();
    let mut steps = vec![0; to.len()];
    for (axis, stride) in strides(from).into_iter().enumerate() {
        if from[axis] != 1 {
            steps[missing + axis] = stride;
        }
    }
    walk(to, &steps, 0).map(|i| i as u32).collect()
}

/// Where each element of an operand of shape `from` stands in a result of shape `to`.
pub fn spread(from: &[usize], to: &[usize]) -> Result<Spread, String> {
    let (n, m): (usize, usize) = (from.iter().product(), to.iter().product());
    if n == m { Ok(Spread::same(n)) } else { Spread::new(n, broadcast_index(from, to)) }
}

/// `start + sum_k i_k steps_k` for every index `i` of `shape`, in C order.
pub fn walk(shape: &[usize], steps: &[usize], start: usize) -> impl Iterator<Item = usize> {
    let (shape, steps) = (shape.to_vec(), steps.to_vec());
    let count: usize = shape.iter().product();
    let mut index = vec![0; shape.len()];
    let mut at = start;
    (0..count).map(move |_| {
        let here = at;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at = at.wrapping_add(steps[axis]);
            if index[axis] < shape[axis] {
                break;
            }
            at = at.wrapping_sub(steps[axis].wrapping_mul(shape[axis]));
            index[axis] = 0;
        }
        here
    })
}

/// An axis that may count from the end.
pub fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let rank_i = rank as i64;
    let counted = if axis < 0 { axis.checked_add(rank_i).unwrap_or(-1) } else { axis };
    usize::try_from(counted).ok().filter(|&a| a < rank).ok_or_else(|| format!("axis {axis} where there are {rank} axes"))
}

/// Axes that may count from the end, ascending, none twice.
pub fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    let mut found = list.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    found.sort_unstable();
    match found.windows(2).any(|w| w[0] == w[1]) {
        true => Err(format!("an axis occurs twice in {list:?}")),
        false => Ok(found),
    }
}
