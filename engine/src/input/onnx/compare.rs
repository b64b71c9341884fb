//! At every load: the graph and the reference evaluator on pseudo-random points, node by node.

use super::model::Model;
use super::reference::{self, Values};
use crate::graph::{Graph, Node};
use crate::input::InputError;
use crate::ops::{Affine, Operation};

/// Largest difference of two values that agree, relative to the sum of the magnitudes of their terms.
const TOLERANCE: f64 = 1e-6;
/// Networks with more multiplications than this are compared at one point only.
const EXPENSIVE: usize = 50_000_000;

/// Refuses a model whose graph computes anything else than the reference evaluator.
///
/// Each node is computed from the reference's values of its operands: a fault is found where it is, and the
/// comparison stays sharp behind discontinuous functions.
pub(super) fn compare(model: &Model, graph: &Graph) -> Result<(), InputError> {
    let points = if multiplications(graph) > EXPENSIVE { 1 } else { 3 };
    for point in 0..points {
        let values =
            reference::interpret(model, &pseudo_random(graph.input_len(), point)).map_err(|(node, problem)| model.fault(node, problem))?;
        // The first point goes through the meaning of the affine operators, the others through their fast twins.
        compare_at(graph, &values, point == 0).map_err(|(name, problem)| {
            InputError::place(&model.path, format!("value `{name}`"), problem, "this is a fault of the reader: please report the model")
        })?;
    }
    for (name, &id) in model.outputs.iter().zip(&graph.outputs) {
        if graph.nodes[id].name != *name {
            let problem = format!("output `{name}` was read as `{}`", graph.nodes[id].name);
            return Err(InputError::content(&model.path, problem, "this is a fault of the reader: please report the model"));
        }
    }
    Ok(())
}

fn multiplications(graph: &Graph) -> usize {
    let cost = |n: &Node| match &n.operation {
        Operation::Affine(op) => n.len().saturating_mul(op.fan_in()),
        _ => n.len(),
    };
    graph.nodes.iter().map(cost).fold(0, usize::saturating_add)
}

/// Numbers in [-1, 1], then [0, 1], then [-3, 3] (splitmix64).
pub(crate) fn pseudo_random(count: usize, point: u64) -> Vec<f64> {
    let mut state = point.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64
    };
    let (low, width) = [(-1.0, 2.0), (0.0, 1.0), (-3.0, 6.0)][point as usize % 3];
    (0..count).map(|_| low + width * next()).collect()
}

fn compare_at(graph: &Graph, reference: &Values, by_meaning: bool) -> Result<(), (String, String)> {
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.nodes.iter().enumerate() {
        let expected = reference.get(&node.name);
        if let (Operation::Input, Some(expected)) = (&node.operation, expected) {
            values.push(expected.to_vec());
            continue;
        }
        let operands: Vec<&[f64]> = node.inputs.iter().map(|&i| values[i].as_slice()).collect();
        let (found, scale) = evaluate(graph, id, &operands, by_meaning);
        let Some(expected) = expected else {
            values.push(found);
            continue;
        };
        if expected.shape != node.shape {
            return Err((node.name.clone(), format!("shape {:?}, the reference evaluator says {:?}", node.shape, expected.shape)));
        }
        let expected = expected.to_vec();
        for (i, ((&e, &f), &s)) in expected.iter().zip(&found).zip(&scale).enumerate() {
            let agrees = e == f || (e - f).abs() <= TOLERANCE * s || e.is_nan() && f.is_nan();
            if !agrees {
                return Err((node.name.clone(), format!("element {i} is {f}, the reference evaluator says {e}")));
            }
        }
        values.push(expected);
    }
    Ok(())
}

/// A node's value and, for each element, the magnitude that its rounding errors are relative to.
fn evaluate(graph: &Graph, id: usize, operands: &[&[f64]], by_meaning: bool) -> (Vec<f64>, Vec<f64>) {
    let node = &graph.nodes[id];
    let Operation::Affine(op) = &node.operation else {
        let value = graph.node_f64(id, operands);
        let largest = operands.iter().flat_map(|x| x.iter()).fold(1.0, |m: f64, x| m.max(x.abs()));
        let scale = value.iter().map(|y| y.abs() + largest).collect();
        return (value, scale);
    };
    let (mut value, mut scale) = (vec![0.0; node.len()], vec![0.0; node.len()]);
    for (k, x) in operands.iter().enumerate() {
        if by_meaning {
            op.for_each_weight(k, &mut |o, i, w| {
                value[o] += w * x[i];
                scale[o] += (w * x[i]).abs();
            });
        } else {
            let magnitudes: Vec<f64> = x.iter().map(|x| x.abs()).collect();
            op.apply_f64(k, x, &mut value, 1, false);
            op.apply_f64(k, &magnitudes, &mut scale, 1, true);
        }
    }
    add_bias(op.as_ref(), &mut value, &mut scale);
    (value, scale)
}

fn add_bias(op: &dyn Affine, value: &mut [f64], scale: &mut [f64]) {
    if let Some(bias) = op.bias() {
        for (o, (v, s)) in value.iter_mut().zip(scale).enumerate() {
            *v += bias.at(o);
            *s += bias.at(o).abs();
        }
    }
}
