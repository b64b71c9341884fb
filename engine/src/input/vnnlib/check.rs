//! Does a query fit a network?

use super::error::{QueryError, QueryErrorKind};
use crate::graph::{Graph, NodeId};
use crate::query::{Query, Variable, VariableKind};

/// Compares the declared inputs and outputs with the network's: number of elements and shapes, up to dimensions of 1 and flattening.
pub fn check_against(query: &Query, graph: &Graph) -> Result<(), QueryError> {
    check_side(query, graph, "input", &VariableKind::Input, &graph.inputs)?;
    check_side(query, graph, "output", &VariableKind::Output, &graph.outputs)
}

fn check_side(query: &Query, graph: &Graph, side: &str, kind: &VariableKind, nodes: &[NodeId]) -> Result<(), QueryError> {
    let network = query.networks.first().ok_or_else(|| mismatch("the query declares no network".into()))?;
    let variables: Vec<&Variable> = network.variables.iter().filter(|variable| variable.kind == *kind).collect();
    let declared: usize = variables.iter().map(|variable| variable.len()).sum();
    let found: usize = nodes.iter().map(|&node| graph.nodes[node].len()).sum();
    if declared != found {
        let message =
            format!("the query declares {declared} {side} elements, the network has {found}: use the network that the query is for");
        return Err(mismatch(message));
    }
    if query.legacy {
        return Ok(());
    }
    if variables.len() != nodes.len() {
        let (declared, found) = (variables.len(), nodes.len());
        return Err(mismatch(format!("the query declares {declared} {side} variables, the network has {found}: declare one for each")));
    }
    for (variable, &node) in variables.iter().zip(nodes) {
        let node = &graph.nodes[node];
        if !shapes_fit(&variable.shape, &node.shape) {
            let (name, declared, theirs, found) = (&variable.name, &variable.shape, &node.name, &node.shape);
            let message = format!("{side} `{name}` is declared with shape {declared:?}, `{theirs}` of the network has shape {found:?}");
            return Err(mismatch(message));
        }
    }
    Ok(())
}

/// Equal up to dimensions of 1, or one of the two is flat.
fn shapes_fit(a: &[usize], b: &[usize]) -> bool {
    let squeeze = |shape: &[usize]| shape.iter().copied().filter(|&d| d != 1).collect::<Vec<_>>();
    let (a, b) = (squeeze(a), squeeze(b));
    let len = |shape: &[usize]| shape.iter().product::<usize>();
    a == b || (len(&a) == len(&b) && (a.len() <= 1 || b.len() <= 1))
}

fn mismatch(message: String) -> QueryError {
    QueryError { kind: QueryErrorKind::Mismatch, file: String::new(), place: None, message }
}
