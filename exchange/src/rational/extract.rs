//! From the engine's networks and queries to chains and inequalities in exact rationals.

use dashu::rational::RBig;
use engine::graph::{Graph, NodeId};
use engine::ops::{Affine, Operation};
use engine::query::{Case, Constraint, Query};

use super::{Chain, Layer};
use crate::ExchangeError;
use crate::nodes::dense;

fn inexpressible(problem: impl Into<String>) -> ExchangeError {
    ExchangeError::Inexpressible(problem.into())
}

/// The network as a chain of linear layers and ReLU.
pub fn chain(graph: &Graph) -> Result<Chain, ExchangeError> {
    let ([input], [output]) = (&graph.inputs[..], &graph.outputs[..]) else {
        return Err(inexpressible("a network of several inputs or outputs"));
    };
    let (mut layers, mut at) = (Vec::new(), *output);
    while at != *input {
        let node = &graph.nodes[at];
        let named = |e: String| inexpressible(format!("node {at} ({} `{}`): {e}", node.operation.name(), node.name));
        let [operand] = node.inputs[..] else { return Err(named("not one operand".into())) };
        match &node.operation {
            Operation::Affine(op) if is_identity(op.as_ref(), node.len(), graph.nodes[operand].len()) => {}
            Operation::Affine(op) => layers.push(linear(op.as_ref(), graph, at, operand).map_err(named)?),
            Operation::Scalar(op) if op.hinge() == Some(0.0) => layers.push(Layer::Relu { alpha: None }),
            _ => return Err(named("neither linear nor ReLU".into())),
        }
        at = operand;
    }
    layers.reverse();
    match layers.is_empty() {
        true => Err(inexpressible("a network without layers")),
        false => Ok(Chain { inputs: graph.nodes[*input].len(), layers }),
    }
}

/// True for operators that only change the shape.
fn is_identity(op: &dyn Affine, outputs: usize, inputs: usize) -> bool {
    let (mut plain, mut count) = (op.is_selection() && op.bias().is_none() && inputs == outputs, 0);
    if plain {
        op.for_each_weight(0, &mut |o, i, w| {
            plain &= o == i && w == 1.0;
            count += 1;
        });
    }
    plain && count == outputs
}

fn linear(op: &dyn Affine, graph: &Graph, node: NodeId, operand: NodeId) -> Result<Layer, String> {
    if op.weight_error() != 0.0 || op.bias_error().is_some() {
        return Err("constants that are no rationals of the file".into());
    }
    let len = graph.nodes[node].len();
    let exact = |w: f64| RBig::try_from(w).map_err(|_| "a weight that is no finite number".to_string());
    let rows = dense(op, len, graph.nodes[operand].len())?;
    let weights = rows.into_iter().map(|row| row.into_iter().map(exact).collect()).collect::<Result<_, _>>()?;
    let bias = (0..len).map(|o| exact(op.bias().map_or(0.0, |b| b.at(o)))).collect::<Result<_, _>>()?;
    Ok(Layer::Linear { weights, bias })
}

/// The one case of a query over a plain box.
pub fn only_case(query: &Query) -> Result<&Case, ExchangeError> {
    match &query.cases[..] {
        [case] if case.region.cuts.is_empty() => Ok(case),
        [_] => Err(inexpressible("an input set that is no box")),
        cases => Err(inexpressible(format!("a query over {} input sets: one certificate is about one box", cases.len()))),
    }
}

/// A constraint over outputs as a row and its constant; `None` if it names inputs too.
pub fn row(constraint: &Constraint, inputs: usize, outputs: usize) -> Option<(Vec<RBig>, RBig)> {
    let mut row = vec![RBig::ZERO; outputs];
    for (element, c) in &constraint.terms {
        *row.get_mut(element.checked_sub(inputs)?)? = c.to_rational();
    }
    Some((row, constraint.constant.to_rational()))
}
