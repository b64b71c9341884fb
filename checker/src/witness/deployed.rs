//! The network evaluated in its own type, in one stated order.

use crate::function::Function;
use crate::network::{Network, Operation};

/// The outputs at `input` (as many numbers as the network has input elements) in the element type of the network, every
/// operation rounded to nearest: sums from left to right, without fused multiply-add, the bias last. All values must be finite. A
/// network with functions whose value is left to the library (all but floor, clip, square and cube) or with quotients is refused.
pub fn deployed_outputs(network: &Network, input: &[f64]) -> Result<Vec<f64>, String> {
    // A sum or product of two binary32 numbers, rounded to binary64 and then to binary32, is rounded correctly.
    let round = |x: f64| if network.double { x } else { f64::from(x as f32) };
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(network.nodes.len());
    let mut next = 0;
    for node in &network.nodes {
        let value: Vec<f64> = match &node.operation {
            Operation::Input => {
                next += node.len;
                input[next - node.len..next].to_vec()
            }
            Operation::Constant(numbers) => numbers.iter().map(|&x| round(x)).collect(),
            Operation::Affine(affine) => {
                let element = |o: usize| {
                    let mut sum = 0.0;
                    for (part, &id) in affine.parts.iter().zip(&node.inputs) {
                        part.each_term(o, node.len, |i, w| sum = round(sum + round(round(w) * values[id][i])));
                    }
                    affine.bias.get(o).map_or(sum, |&b| round(sum + round(b)))
                };
                (0..node.len).map(element).collect()
            }
            Operation::Hinge(slope) => values[node.inputs[0]].iter().map(|&a| if a < 0.0 { round(round(*slope) * a) } else { a }).collect(),
            Operation::Curve(function) => {
                let of = |&x: &f64| function_at(*function, x, round);
                let Some(value) = values[node.inputs[0]].iter().map(of).collect() else {
                    return Err(format!("node `{}`: {function:?} has no one value in binary32", node.name));
                };
                value
            }
            Operation::Product => {
                let (a, b) = values[node.inputs[0]].split_at(node.len);
                a.iter().zip(b).map(|(a, b)| round(a * b)).collect()
            }
            Operation::Maximum(groups) => {
                let greatest =
                    |group: &Vec<u32>| group.iter().map(|&i| values[node.inputs[0]][i as usize]).fold(f64::NEG_INFINITY, f64::max);
                groups.iter().map(greatest).collect()
            }
        };
        if !value.iter().all(|x| x.is_finite()) {
            return Err(format!("node `{}`: a value is not finite", node.name));
        }
        values.push(value);
    }
    Ok(network.outputs.iter().flat_map(|&id| values[id].iter().copied()).collect())
}

/// The value of a function that every library computes alike; the cube is `x x`, rounded, times `x`.
fn function_at(function: Function, x: f64, round: impl Fn(f64) -> f64) -> Option<f64> {
    match function {
        Function::Floor => Some(x.floor()),
        Function::Clip(low, high) => Some(x.max(low).min(high)),
        Function::Power(2) => Some(round(x * x)),
        Function::Power(3) => Some(round(round(x * x) * x)),
        _ => None,
    }
}
