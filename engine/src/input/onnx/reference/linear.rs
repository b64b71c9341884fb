//! Matrix products, reductions and softmax.

use std::collections::HashMap;

use super::Step;
use super::array::{Array, common_shape, for_each_index};

pub(super) fn gemm(step: &Step) -> Result<Array, String> {
    let (a, b) = (step.get(0)?, step.get(1)?);
    let (turn_a, turn_b) = (step.int("transA", 0) != 0, step.int("transB", 0) != 0);
    let (alpha, beta) = (step.float("alpha", 1.0), step.float("beta", 1.0));
    let (rows, inner) = if turn_a { (a.shape[1], a.shape[0]) } else { (a.shape[0], a.shape[1]) };
    let columns = if turn_b { b.shape[0] } else { b.shape[1] };
    let left = |i: usize, k: usize| if turn_a { a.at(k * rows + i) } else { a.at(i * inner + k) };
    let right = |k: usize, j: usize| if turn_b { b.at(j * inner + k) } else { b.at(k * columns + j) };
    Ok(Array::build(vec![rows, columns], false, |at| {
        let product: f64 = (0..inner).map(|k| left(at[0], k) * right(k, at[1])).sum();
        alpha * product + step.maybe(2).map_or(0.0, |c| beta * c.get_broadcast(at))
    }))
}

pub(super) fn matmul(step: &Step) -> Result<Array, String> {
    let (a, b) = (step.get(0)?, step.get(1)?);
    let as_matrix = |x: &Array, row: bool| match x.shape[..] {
        [n] if row => vec![1, n],
        [n] => vec![n, 1],
        _ => x.shape.clone(),
    };
    let (left, right) = (as_matrix(a, true), as_matrix(b, false));
    let (lead_a, lead_b) = (&left[..left.len() - 2], &right[..right.len() - 2]);
    let (rows, inner, columns) = (left[left.len() - 2], left[left.len() - 1], right[right.len() - 1]);
    let lead = common_shape(lead_a, lead_b)?;
    let mut data = Vec::new();
    for_each_index(&lead, |batch| {
        let (start_a, start_b) = (start(lead_a, batch) * rows * inner, start(lead_b, batch) * inner * columns);
        for i in 0..rows {
            // Row by row of the right matrix: weights of some gigabytes are read in the order of memory.
            let mut sums = vec![0.0; columns];
            for k in 0..inner {
                let x = a.at(start_a + i * inner + k);
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum += x * b.at(start_b + k * columns + j);
                }
            }
            data.extend(sums);
        }
    });
    let mut shape = lead;
    if a.shape.len() > 1 {
        shape.push(rows);
    }
    if b.shape.len() > 1 {
        shape.push(columns);
    }
    Ok(Array::new(shape, data))
}

/// The flat number of the batch of a factor with leading axes `lead` that is broadcast to `batch`.
fn start(lead: &[usize], batch: &[usize]) -> usize {
    let own = &batch[batch.len() - lead.len()..];
    lead.iter().zip(own).fold(0, |flat, (&d, &i)| flat * d + if d == 1 { 0 } else { i })
}

pub(super) fn reduce(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let rank = x.shape.len();
    let given = step.ints_or_input("axes", 1).filter(|a| !a.is_empty());
    let reduced: Vec<usize> = match given {
        Some(list) => list.iter().map(|&a| if a < 0 { (a + rank as i64) as usize } else { a as usize }).collect(),
        None if step.int("noop_with_empty_axes", 0) == 1 => vec![],
        None => (0..rank).collect(),
    };
    let full: Vec<usize> = (0..rank).map(|a| if reduced.contains(&a) { 1 } else { x.shape[a] }).collect();
    let start: f64 = match step.node.op_type() {
        "ReduceMax" => f64::NEG_INFINITY,
        "ReduceMin" => f64::INFINITY,
        _ => 0.0,
    };
    let mut sums = vec![start; full.iter().product()];
    let mut counts = vec![0.0; sums.len()];
    for_each_index(&x.shape, |index| {
        let flat = full.iter().zip(index).fold(0, |flat, (&d, &i)| flat * d + if d == 1 { 0 } else { i });
        let v = x.get(index);
        sums[flat] = match step.node.op_type() {
            "ReduceMax" => sums[flat].max(v),
            "ReduceMin" => sums[flat].min(v),
            _ => sums[flat] + v,
        };
        counts[flat] += 1.0;
    });
    if step.node.op_type() == "ReduceMean" {
        sums.iter_mut().zip(&counts).for_each(|(s, n)| *s /= n);
    }
    let shape = if step.int("keepdims", 1) != 0 { full } else { (0..rank).filter(|a| !reduced.contains(a)).map(|a| x.shape[a]).collect() };
    Ok(Array::new(shape, sums))
}

/// Along one axis; up to operator set 12 over all axes from that one on.
pub(super) fn softmax(step: &Step) -> Result<Array, String> {
    let x = step.get(0)?;
    let rank = x.shape.len() as i64;
    let axis = step.int("axis", if step.opset < 13 { 1 } else { -1 });
    let axis = if axis < 0 { axis + rank } else { axis } as usize;
    let summed = |a: usize| a == axis || step.opset < 13 && a > axis;
    let key = |index: &[usize]| index.iter().enumerate().map(|(a, &i)| if summed(a) { 0 } else { i }).collect::<Vec<_>>();
    // Shifted by the largest element, so that nothing overflows.
    let (mut largest, mut sums) = (HashMap::new(), HashMap::new());
    for_each_index(&x.shape, |i| {
        let most = largest.entry(key(i)).or_insert(f64::NEG_INFINITY);
        *most = f64::max(*most, x.get(i));
    });
    for_each_index(&x.shape, |i| *sums.entry(key(i)).or_insert(0.0) += (x.get(i) - largest[&key(i)]).exp());
    Ok(Array::build(x.shape.clone(), false, |i| (x.get(i) - largest[&key(i)]).exp() / sums[&key(i)]))
}
