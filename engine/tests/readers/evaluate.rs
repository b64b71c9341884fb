//! Plain evaluation, in binary64, of a network as the checker reads it.

use checker::function::Function;
use checker::network::{Network, Operation};

/// The outputs at a point.
pub fn outputs(network: &Network, point: &[f64]) -> Vec<f64> {
    let mut values: Vec<Vec<f64>> = Vec::new();
    let mut next = 0;
    for node in &network.nodes {
        let of = |k: usize| &values[node.inputs[k]];
        let value = match &node.operation {
            Operation::Input => {
                next += node.len;
                point[next - node.len..next].to_vec()
            }
            Operation::Constant(numbers) => numbers.clone(),
            Operation::Affine(affine) => {
                let mut sums = if affine.bias.is_empty() { vec![0.0; node.len] } else { affine.bias.clone() };
                for (k, part) in affine.parts.iter().enumerate() {
                    sums.iter_mut().enumerate().for_each(|(o, sum)| part.each_term(o, node.len, |i, w| *sum += w * of(k)[i]));
                }
                sums
            }
            Operation::Hinge(slope) => of(0).iter().map(|&a| a.max(slope * a)).collect(),
            Operation::Curve(f) => of(0).iter().map(|&a| function(*f, a)).collect(),
            Operation::Product => (0..node.len).map(|j| of(0)[j] * of(0)[node.len + j]).collect(),
            Operation::Maximum(groups) => {
                groups.iter().map(|group| group.iter().map(|&i| of(0)[i as usize]).fold(f64::NEG_INFINITY, f64::max)).collect()
            }
        };
        values.push(value);
    }
    network.outputs.iter().flat_map(|&id| values[id].iter().copied()).collect()
}

fn function(function: Function, x: f64) -> f64 {
    match function {
        Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Function::Tanh => x.tanh(),
        Function::Sine => x.sin(),
        Function::Cosine => x.cos(),
        Function::Power(n) => x.powi(n.into()),
        Function::Reciprocal => 1.0 / x,
        Function::Floor => x.floor(),
        Function::Clip(low, high) => x.clamp(low, high),
    }
}
