//! Writing a network into its certificate.

use engine::graph::{Graph, Node};
use engine::numerics::Decimal;
use engine::ops::{Affine, Operation};

use crate::ExchangeError;
use crate::json::{array, numbers, quoted};

/// Most weights of a node that are written out one by one.
const MOST_WEIGHTS: usize = 4_000_000;

/// The members `format`, `graph` and `input` of a certificate that stands for itself, each with a comma after it.
pub fn members(graph: &Graph, domain: &[(Decimal, Decimal)]) -> Result<String, ExchangeError> {
    let nodes = graph.nodes.iter().enumerate().map(|(id, node)| {
        let (kind, further) =
            operation(graph, node).map_err(|e| ExchangeError::Inexpressible(format!("node {id} (`{}`): {e}", node.name)))?;
        let (parents, shape) = (list(&node.inputs), list(&node.shape));
        Ok(format!(r#"{{"id":{id},"parents":{parents},"kind":{},"outShape":{shape}{further}}}"#, quoted(kind)))
    });
    let nodes = array(nodes.collect::<Result<Vec<_>, ExchangeError>>()?);
    let [output] = graph.outputs[..] else { return Err(ExchangeError::Inexpressible("a network of several outputs".into())) };
    let (low, high) = (domain.iter().map(|d| d.0.to_f64_down()), domain.iter().map(|d| d.1.to_f64_up()));
    let (graph, low, high) = (format!(r#"{{"nodes":{nodes},"output":{output}}}"#), numbers(low), numbers(high));
    Ok(format!(r#""format":"{}","graph":{graph},"input":{{"lo":{low},"hi":{high}}},"#, super::FORMAT))
}

fn list(values: &[usize]) -> String {
    array(values.iter().map(ToString::to_string))
}

/// The kind of a node and its further members.
fn operation(graph: &Graph, node: &Node) -> Result<(&'static str, String), String> {
    match &node.operation {
        Operation::Input => Ok(("input", String::new())),
        Operation::Constant(values) => Ok(("const", format!(r#","value":{}"#, numbers(values.to_f64())))),
        Operation::Affine(op) => affine(graph, node, op.as_ref()),
        Operation::Scalar(op) => match op.name() {
            "Relu" => Ok(("relu", String::new())),
            "Sigmoid" => Ok(("sigmoid", String::new())),
            "Tanh" => Ok(("tanh", String::new())),
            "Exp" => Ok(("exp", String::new())),
            "Abs" => Ok(("abs", String::new())),
            "Softplus" => Ok(("softplus", String::new())),
            name => Err(format!("no kind for {name}: give the network beside the certificate")),
        },
        Operation::General(op) => Err(format!("no kind for {}: give the network beside the certificate", op.name())),
    }
}

fn affine(graph: &Graph, node: &Node, op: &dyn Affine) -> Result<(&'static str, String), String> {
    if op.weight_error() != 0.0 || op.bias_error().is_some() {
        return Err("constants that are no binary64 numbers: give the network beside the certificate".into());
    }
    match node.inputs[..] {
        [p] => {
            let rows = dense(op, node.len(), graph.nodes[p].len())?;
            let bias = op.bias().map_or_else(|| vec![0.0; node.len()], |b| b.to_f64());
            Ok(("linear", format!(r#","weight":{},"bias":{}"#, array(rows.into_iter().map(numbers)), numbers(bias))))
        }
        [a, b] if graph.nodes[a].shape == node.shape && graph.nodes[b].shape == node.shape && op.bias().is_none() => {
            match (diagonal(op, 0), diagonal(op, 1)) {
                (Some(1.0), Some(1.0)) => Ok(("add", String::new())),
                (Some(1.0), Some(-1.0)) => Ok(("sub", String::new())),
                _ => Err(format!("no kind for this {}: give the network beside the certificate", op.name())),
            }
        }
        _ => Err(format!("no kind for {} of {} operands: give the network beside the certificate", op.name(), node.inputs.len())),
    }
}

/// All weights of an operator of one operand, row by row.
pub fn dense(op: &dyn Affine, outputs: usize, inputs: usize) -> Result<Vec<Vec<f64>>, String> {
    if outputs.checked_mul(inputs).is_none_or(|n| n > MOST_WEIGHTS) {
        return Err(format!("a matrix of {outputs} x {inputs}; at most {MOST_WEIGHTS} weights are written out"));
    }
    let mut rows = vec![vec![0.0; inputs]; outputs];
    let mut inexact = false;
    op.for_each_weight(0, &mut |o, i, w| {
        inexact |= rows[o][i] != 0.0;
        rows[o][i] += w;
    });
    if inexact { Err("an element that a weighted sum reads twice".into()) } else { Ok(rows) }
}

/// The common weight of an operand whose every element stands at its own place.
fn diagonal(op: &dyn Affine, operand: usize) -> Option<f64> {
    let (mut common, mut plain) = (None, true);
    op.for_each_weight(operand, &mut |o, i, w| plain &= o == i && *common.get_or_insert(w) == w);
    common.filter(|_| plain)
}
